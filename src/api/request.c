/* A request from its bytes to its answer, without sockets. */
#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/internal.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/strings.h"

#define REQUEST_MAGIC 0x41527173u

/* Bodies --------------------------------------------------------------------------------------- */

struct api_body *api_body_new(char *data, size_t size, bool with_etag)
{
	struct api_body *body = calloc(1, sizeof(*body));
	unsigned char hash[16];

	if (!body) {
		free(data);
		return NULL;
	}
	atomic_init(&body->references, 1);
	body->data = data;
	body->size = size;
	if (with_etag) {
		(void)crypto_generichash(hash, sizeof(hash), (const unsigned char *)data, size,
					 NULL, 0);
		body->etag[0] = '"';
		hex_encode(hash, sizeof(hash), body->etag + 1);
		body->etag[33] = '"';
	}
	return body;
}

struct api_body *api_body_ref(struct api_body *body)
{
	(void)atomic_fetch_add(&body->references, 1);
	return body;
}

void api_body_unref(struct api_body *body)
{
	if (!body || atomic_fetch_sub(&body->references, 1) > 1)
		return;
	free(body->data);
	free(body);
}

/* Requests ------------------------------------------------------------------------------------- */

struct api_request *api_request_new(struct api *api, const char *target)
{
	struct api_request *request = calloc(1, sizeof(*request));
	char *copy = strdup(target);

	if (!request || !copy) {
		free(request);
		free(copy);
		return NULL;
	}
	request->magic = REQUEST_MAGIC;
	request->api = api;
	request->target = copy;
	request->query = "";
	request->body.ceiling = LIMIT_BODY_BYTES;
	request->reply.text.ceiling = LIMIT_RESPONSE_BYTES;
	return request;
}

void api_request_free(struct api_request *request)
{
	if (!request)
		return;
	assert(request->magic == REQUEST_MAGIC);
	request->magic = 0;
	if (request->body.data)
		sodium_memzero(request->body.data, request->body.length); /* passwords come here */
	buf_free(&request->body);
	buf_free(&request->reply.text);
	api_body_unref(request->reply.body);
	json_decref(request->json);
	arena_free(request->arena);
	free((char *)(uintptr_t)request->target);
	free(request);
}

void api_request_identify(struct api_request *request, const char *given)
{
	static const char fit[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				  "-_.";
	unsigned char random[8];

	if (given && *given && strlen(given) < API_REQUEST_ID_SIZE &&
	    strspn(given, fit) == strlen(given)) {
		str_copy(request->id, sizeof(request->id), given);
		return;
	}
	env_random(request->api->options.env, random, sizeof(random));
	hex_encode(random, sizeof(random), request->id);
}

struct arena *api_arena(struct api_request *request, struct err *err)
{
	if (!request->arena)
		request->arena = arena_new(LIMIT_REQUEST_ARENA_BYTES);
	if (!request->arena)
		(void)err_oom(err);
	return request->arena;
}

struct jsonw api_write(struct api_request *request, int status)
{
	request->reply.status = status;
	return jsonw_begin(&request->reply.text);
}

void api_header(struct api_request *request, const char *name, const char *value)
{
	struct api_reply *reply = &request->reply;

	assert(reply->n_headers < API_REPLY_HEADERS);
	reply->headers[reply->n_headers++] = (struct api_header){ name, value };
}

int api_path_number(const struct api_request *request, size_t index, const char *what,
		    int64_t *ret_value, struct err *err)
{
	assert(index < API_PARAMETERS_MAX && request->values[index]);
	if (str_to_int64(request->values[index], 1, INT64_MAX, ret_value) == 0)
		return 0;
	return err_set(err, ERR_NOT_FOUND, "there is no %s %.80s", what, request->values[index]);
}

/* Answering ------------------------------------------------------------------------------------ */

static enum api_method method_of(const struct api_request *request)
{
	if (api_request_is(request, "HEAD"))
		return API_GET;
	for (enum api_method method = API_GET; method < API_METHOD_COUNT; method++)
		if (api_request_is(request, api_method_name(method)))
			return method;
	return API_METHOD_COUNT;
}

static int route(struct api_request *request, struct err *err)
{
	const char *allow = NULL;
	size_t length = strcspn(request->target, "?");
	struct arena *arena = api_arena(request, err);
	char *path = arena ? arena_strndup(arena, request->target, length) : NULL;

	if (!path)
		return err_oom(err);
	if (request->target[length] == '?')
		request->query = request->target + length + 1;
	if (!utf8_valid(path, length))
		return err_set(err, ERR_NOT_FOUND, "there is nothing at this path");
	int r = api_route(method_of(request), path, arena, &request->operation, request->values,
			  &allow, err);
	if (r < 0 && err->code == ERR_METHOD) {
		if (!allow)
			return err_oom(err);
		api_header(request, "Allow", allow);
	}
	return r;
}

static int call_handler(struct api_request *request, struct err *err)
{
	const struct api_operation *operation = request->operation;
	struct api *api = request->api;
	uint64_t version = 0;

	if (operation->flags & API_CACHED) {
		version = db_version(api->options.db);
		request->reply.body = api_cache_get(api->cache, request->actor.account_id,
						    request->target, version);
		request->reply.status = 200;
		if (request->reply.body)
			return 0;
	}
	if ((operation->flags & API_BODY) && api_parse_body(request, err) < 0)
		return -1;
	if (operation->handler(request, err) < 0)
		return -1;
	if (request->reply.text.failed)
		return err_set(err, ERR_UNAVAILABLE, "the answer is too large or memory is short");
	if (request->reply.text.length == 0)
		return 0;
	size_t size = 0;
	char *text = buf_take(&request->reply.text, &size);
	request->reply.body =
		text ? api_body_new(text, size, operation->flags & API_REVALIDATE) : NULL;
	if (!request->reply.body)
		return err_oom(err);
	if ((operation->flags & API_CACHED) && request->reply.status == 200)
		api_cache_put(api->cache, request->actor.account_id, request->target, version,
			      request->reply.body);
	return 0;
}

static int answer(struct api_request *request, struct err *err)
{
	if (route(request, err) < 0)
		return -1;
	if (request->operation->role != ROLE_NOBODY &&
	    (api_authenticate(request, err) < 0 ||
	     account_require_role(&request->actor, request->operation->role, err) < 0 ||
	     api_check_origin(request, err) < 0))
		return -1;
	if (request->body_too_large && !(request->operation->flags & API_ANY_METHOD))
		return err_set(err, ERR_TOO_LARGE, "the body is larger than %d bytes",
			       LIMIT_BODY_BYTES);
	return call_handler(request, err);
}

/* Does If-None-Match name the answer? */
static bool still_right(const char *given, const char *etag)
{
	return given && *etag && (str_equal(given, "*") || strstr(given, etag));
}

static void fail(struct api_request *request, struct err *err)
{
	struct api_reply *reply = &request->reply;
	struct log *log = request->api->options.env->log;

	if (err_status(err->code) >= 500)
		log_write(log, LOG_LEVEL_ERROR, "api", LOG_FIELDS("request", request->id),
			  "%s %s: %s", request->method, request->target, err->message);
	api_body_unref(reply->body);
	reply->body = NULL;
	if (err->code != ERR_METHOD)
		reply->n_headers = 0;
	api_problem(request, err);
	size_t size = 0;
	char *text = buf_take(&reply->text, &size);
	reply->body = text ? api_body_new(text, size, false) : NULL;
}

static void log_access(const struct api_request *request)
{
	struct log *log = request->api->options.env->log;
	bool changes = request->operation && request->operation->method != API_GET;
	enum log_level level = changes ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG;
	char status[16];

	if (!log || log->level > level)
		return;
	(void)snprintf(status, sizeof(status), "%d", request->reply.status);
	log_write(log, level, "api",
		  LOG_FIELDS("request", request->id, "method", request->method, "target",
			     request->target, "status", status, "account", request->actor.login),
		  "answered");
}

void api_answer(struct api_request *request)
{
	struct api_reply *reply = &request->reply;
	ERR_AUTO(err);

	assert(request->magic == REQUEST_MAGIC);
	if (answer(request, &err) < 0) {
		if (err.code == ERR_METHOD && api_request_is(request, "OPTIONS"))
			reply->status = 204;
		else
			fail(request, &err);
	} else if (reply->status == 200 && reply->body &&
		   still_right(request->if_none_match, reply->body->etag)) {
		reply->status = 304;
	}
	log_access(request);
}
