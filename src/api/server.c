/* libmicrohttpd: sockets, threads and HTTP's framing. What a request means is request.c's. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "api/internal.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/strings.h"

#define API_MAGIC 0x41506921u
#define THREADS_DEFAULT 4

/* A request as the server holds it: libmicrohttpd's handle of it. */
struct exchange {
	struct api_request *request; /* NULL: memory was short */
	bool begun;
	size_t received;
};

static void *on_target(void *context, const char *target, struct MHD_Connection *connection)
{
	struct api *api = context;
	struct exchange *exchange = calloc(1, sizeof(*exchange));

	(void)connection;
	if (!exchange)
		return NULL;
	(void)atomic_fetch_add(&api->under_way, 1);
	exchange->request = api_request_new(api, target);
	return exchange;
}

static void on_finished(void *context, struct MHD_Connection *connection, void **handle,
			enum MHD_RequestTerminationCode code)
{
	struct api *api = context;
	struct exchange *exchange = *handle;

	(void)connection;
	(void)code;
	if (!exchange)
		return;
	api_request_free(exchange->request);
	free(exchange);
	*handle = NULL;
	(void)atomic_fetch_sub(&api->under_way, 1);
}

static const char *header(struct MHD_Connection *connection, const char *name)
{
	return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

static void read_headers(struct api_request *request, struct MHD_Connection *connection)
{
	request->authorization = header(connection, MHD_HTTP_HEADER_AUTHORIZATION);
	request->cookie = header(connection, MHD_HTTP_HEADER_COOKIE);
	request->content_type = header(connection, MHD_HTTP_HEADER_CONTENT_TYPE);
	request->if_none_match = header(connection, MHD_HTTP_HEADER_IF_NONE_MATCH);
	request->host = header(connection, MHD_HTTP_HEADER_HOST);
	request->csrf = header(connection, "X-Dure-Request");
	request->service_host = header(connection, "X-Dure-Service-Host");
	api_request_identify(request, header(connection, "X-Request-Id"));
}

static void body_done(void *context) { api_body_unref(context); }

static void add_headers(struct MHD_Response *response, const struct api_request *request)
{
	const struct api_reply *reply = &request->reply;

	(void)MHD_add_response_header(response, "X-Request-Id", request->id);
	(void)MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	if (reply->body && reply->body->etag[0]) {
		(void)MHD_add_response_header(response, "ETag", reply->body->etag);
		(void)MHD_add_response_header(response, "Cache-Control", "private, no-cache");
	} else {
		(void)MHD_add_response_header(response, "Cache-Control", "no-store");
	}
	if (reply->body && reply->status != 304)
		(void)MHD_add_response_header(response, "Content-Type",
					      reply->content_type ? reply->content_type
								  : "application/json");
	for (size_t i = 0; i < reply->n_headers; i++)
		(void)MHD_add_response_header(response, reply->headers[i].name,
					      reply->headers[i].value);
	if (atomic_load(&request->api->stopping))
		(void)MHD_add_response_header(response, "Connection", "close");
}

static enum MHD_Result queue_reply(struct MHD_Connection *connection, struct api_request *request)
{
	struct api_body *body = request->reply.status == 304 ? NULL : request->reply.body;
	struct MHD_Response *response;

	if (body)
		response = MHD_create_response_from_buffer_with_free_callback_cls(
			body->size, body->data, body_done, api_body_ref(body));
	else
		response = MHD_create_response_from_buffer(0, (void *)(uintptr_t) "",
							   MHD_RESPMEM_PERSISTENT);
	if (!response) {
		api_body_unref(body);
		return MHD_NO;
	}
	add_headers(response, request);
	enum MHD_Result result =
		MHD_queue_response(connection, (unsigned)request->reply.status, response);
	MHD_destroy_response(response);
	return result;
}

/* The first call: only the headers are there. A reply queued now closes the connection, which is
 * right for a client that waits for leave to send more than is taken, and wrong for all others. */
static enum MHD_Result begin(struct MHD_Connection *connection, struct exchange *exchange,
			     const char *method)
{
	struct api_request *request = exchange->request;
	const char *length = header(connection, MHD_HTTP_HEADER_CONTENT_LENGTH);
	const char *expect = header(connection, MHD_HTTP_HEADER_EXPECT);
	int64_t size = 0;

	exchange->begun = true;
	request->method = method;
	if (length && str_to_int64(length, 0, LIMIT_BODY_BYTES, &size) < 0)
		request->body_too_large = true;
	if (!request->body_too_large)
		return MHD_YES;
	bool asks = expect && strncasecmp(expect, "100-continue", 12) == 0;
	if (!asks && str_to_int64(length, 0, LIMIT_BODY_DROPPED_BYTES, &size) == 0)
		return MHD_YES;
	read_headers(request, connection);
	api_answer(request);
	return queue_reply(connection, request);
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *upload,
				  size_t *upload_size, void **handle)
{
	struct exchange *exchange = *handle;

	(void)context;
	(void)url;
	(void)version;
	if (!exchange || !exchange->request)
		return MHD_NO;
	struct api_request *request = exchange->request;
	if (!exchange->begun)
		return begin(connection, exchange, method);
	if (*upload_size > 0) {
		exchange->received += *upload_size;
		if (exchange->received > LIMIT_BODY_DROPPED_BYTES)
			return MHD_NO;
		if (exchange->received > LIMIT_BODY_BYTES)
			request->body_too_large = true;
		if (request->body_too_large)
			buf_free(&request->body);
		else
			buf_append(&request->body, upload, *upload_size);
		*upload_size = 0;
		return MHD_YES;
	}
	read_headers(request, connection);
	api_answer(request);
	return queue_reply(connection, request);
}

static void on_log(void *context, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));
static void on_log(void *context, const char *format, va_list args)
{
	struct api *api = context;
	char text[512];

	(void)vsnprintf(text, sizeof(text), format, args);
	text[strcspn(text, "\r\n")] = '\0';
	log_debug(api->options.env->log, "api", "http: %s", text);
}

int api_open(const struct api_options *options, struct api **ret_api, struct err *err)
{
	struct api *api = calloc(1, sizeof(*api));

	if (!api)
		return err_oom(err);
	api->magic = API_MAGIC;
	api->options = *options;
	api->cache = api_cache_new();
	api->tokens = api_tokens_new();
	if (!api->cache || !api->tokens) {
		api_close(api);
		return err_oom(err);
	}
	*ret_api = api;
	return 0;
}

struct api *api_close(struct api *api)
{
	if (!api)
		return NULL;
	assert(api->magic == API_MAGIC && !api->daemon);
	api->cache = api_cache_free(api->cache);
	api->tokens = api_tokens_free(api->tokens);
	api->magic = 0;
	free(api);
	return NULL;
}

int api_start(const struct api_options *options, struct api **ret_api, struct err *err)
{
	struct api *api = NULL;
	int threads = options->threads > 0 ? options->threads : THREADS_DEFAULT;
	int on = 1;

	if (api_open(options, &api, err) < 0)
		return -1;
	/* Inherited by the sockets that are accepted. */
	(void)setsockopt(options->listen_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ERROR_LOG;
	api->daemon = MHD_start_daemon(
		flags, 0, NULL, NULL, on_request, api, MHD_OPTION_EXTERNAL_LOGGER, on_log, api,
		MHD_OPTION_LISTEN_SOCKET, options->listen_fd, MHD_OPTION_THREAD_POOL_SIZE,
		(unsigned)threads, MHD_OPTION_CONNECTION_LIMIT, (unsigned)LIMIT_CONNECTIONS,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)LIMIT_CONNECTION_IDLE_SECONDS,
		MHD_OPTION_URI_LOG_CALLBACK, on_target, api, MHD_OPTION_NOTIFY_COMPLETED,
		on_finished, api, MHD_OPTION_END);
	if (!api->daemon) {
		api_close(api);
		return err_set(err, ERR_UNAVAILABLE, "the HTTP server does not start");
	}
	*ret_api = api;
	return 0;
}

struct api *api_stop(struct api *api)
{
	static const struct timespec step = { 0, 10 * 1000 * 1000 };
	int64_t until;

	if (!api)
		return NULL;
	assert(api->magic == API_MAGIC && api->daemon);
	struct env *env = api->options.env;
	until = env_monotonic(env) + LIMIT_STOP_SECONDS * USEC_PER_SEC;
	atomic_store(&api->stopping, true);
	MHD_socket listening = MHD_quiesce_daemon(api->daemon);
	while (atomic_load(&api->under_way) > 0 && env_monotonic(env) < until)
		(void)nanosleep(&step, NULL);
	MHD_stop_daemon(api->daemon);
	api->daemon = NULL;
	if (listening != MHD_INVALID_SOCKET)
		(void)close(listening);
	return api_close(api);
}
