#include "engine/docker/http.h"

#include <assert.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/limits.h"
#include "base/strings.h"

#define HTTP_MAGIC 0x44487470u
#define URL_BYTES 4096
#define CONNECT_MS 5000 /* a Unix socket answers at once or its backlog is full */
#define POLL_MS 1000    /* how soon a stall is seen; stop and cancel wake the poll */

struct http {
	unsigned magic;
	CURLM *multi;
	CURL *easy;
	struct curl_slist *headers;
	const atomic_bool *stop;
	atomic_bool cancelled;
	/* of the call under way */
	const struct http_request *request;
	struct buf *answer;
	bool ended; /* the chunk function had enough */
	int64_t last_byte_ms;
};

static int64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static size_t take_bytes(char *data, size_t size, size_t count, void *context)
{
	struct http *http = context;
	size_t length = size * count;
	long status = 0;

	http->last_byte_ms = now_ms();
	(void)curl_easy_getinfo(http->easy, CURLINFO_RESPONSE_CODE, &status);
	if (http->request->chunk && status < 400) {
		if (http->request->chunk(http->request->context, data, length))
			return length;
		http->ended = true;
		return 0;
	}
	buf_append(http->answer, data, length);
	return http->answer->failed ? 0 : length;
}

int http_new(const char *socket, const atomic_bool *stop, struct http **ret_http, struct err *err)
{
	struct http *http = calloc(1, sizeof(*http));

	if (!http)
		return err_oom(err);
	http->magic = HTTP_MAGIC;
	http->stop = stop;
	http->multi = curl_multi_init();
	http->easy = curl_easy_init();
	http->headers = curl_slist_append(NULL, "Content-Type: application/json");
	struct curl_slist *more =
		http->headers ? curl_slist_append(http->headers, "Expect:") : NULL;
	if (!http->multi || !http->easy || !more) {
		http_free(http);
		return err_oom(err);
	}
	CURL *easy = http->easy;
	(void)curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, socket);
	(void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_PROXY, "");
	(void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, http->headers);
	(void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	(void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_bytes);
	(void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, http);
	*ret_http = http;
	return 0;
}

struct http *http_free(struct http *http)
{
	if (!http)
		return NULL;
	assert(http->magic == HTTP_MAGIC);
	http->magic = 0;
	if (http->easy)
		curl_easy_cleanup(http->easy);
	if (http->multi)
		(void)curl_multi_cleanup(http->multi);
	curl_slist_free_all(http->headers);
	free(http);
	return NULL;
}

void http_interrupt(struct http *http) { (void)curl_multi_wakeup(http->multi); }

void http_cancel(struct http *http)
{
	atomic_store(&http->cancelled, true);
	http_interrupt(http);
}

void http_arm(struct http *http) { atomic_store(&http->cancelled, false); }

/* Docker says {"message": "…"}. */
static int status_error(long status, const struct buf *answer, struct err *err)
{
	const char *text = answer->data ? answer->data : "";
	json_t *root = json_loadb(text, answer->length, 0, NULL);
	const char *message = json_string_value(json_object_get(root, "message"));
	enum err_code code = ERR_INTERNAL;

	if (status == 404)
		code = ERR_NOT_FOUND;
	else if (status == 409)
		code = ERR_CONFLICT;
	else if (status == 400 || status == 403)
		code = ERR_INVALID;
	if (message)
		err_set(err, code, "%s", message);
	else
		err_set(err, code, "Docker answered with status %ld", status);
	json_decref(root);
	return -1;
}

static int finish(struct http *http, CURLcode code, struct err *err)
{
	long status = 0;

	if (code == CURLE_OPERATION_TIMEDOUT)
		return err_set(err, ERR_TIMEOUT, "Docker did not answer %s %s within %d ms",
			       http->request->method, http->request->path,
			       http->request->timeout_ms);
	if (code != CURLE_OK && http->ended)
		return 0;
	if (code == CURLE_WRITE_ERROR)
		return err_set(err, ERR_TOO_LARGE, "the answer to %s is over %zu bytes",
			       http->request->path, http->answer->ceiling);
	if (code != CURLE_OK)
		return err_set(err, ERR_UNAVAILABLE, "Docker does not answer: %s",
			       curl_easy_strerror(code));
	(void)curl_easy_getinfo(http->easy, CURLINFO_RESPONSE_CODE, &status);
	return status >= 400 ? status_error(status, http->answer, err) : 0;
}

/* Until the transfer is over, or somebody wants it to be. */
static int drive(struct http *http, struct err *err)
{
	int running = 1, left = 0;

	for (;;) {
		if (curl_multi_perform(http->multi, &running) != CURLM_OK)
			return err_set(err, ERR_INTERNAL, "libcurl failed");
		if (running == 0)
			break;
		if (atomic_load(http->stop) || atomic_load(&http->cancelled))
			return err_set(err, ERR_UNAVAILABLE, "interrupted");
		if (http->request->stall_ms > 0 &&
		    now_ms() - http->last_byte_ms > http->request->stall_ms)
			return err_set(err, ERR_TIMEOUT, "no byte from Docker for %d s",
				       http->request->stall_ms / 1000);
		(void)curl_multi_poll(http->multi, NULL, 0, POLL_MS, NULL);
	}
	const CURLMsg *message = curl_multi_info_read(http->multi, &left);
	assert(message && message->msg == CURLMSG_DONE);
	return finish(http, message->data.result, err);
}

int http_call(struct http *http, const struct http_request *request, struct buf *answer,
	      struct err *err)
{
	BUF_AUTO own = BUF_INIT(request->ceiling ? request->ceiling : LIMIT_ENGINE_ANSWER_BYTES);
	BUF_AUTO url = BUF_INIT(URL_BYTES);

	assert(http->magic == HTTP_MAGIC);
	assert(request->timeout_ms > 0 || request->stall_ms > 0);
	buf_printf(&url, "http://docker/v1.41%s", request->path);
	if (url.failed)
		return err_set(err, ERR_INVALID, "the path of a request to Docker is too long");
	http->request = request;
	http->answer = &own;
	http->ended = false;
	http->last_byte_ms = now_ms();
	const char *body = request->body ? request->body : "";
	(void)curl_easy_setopt(http->easy, CURLOPT_URL, url.data);
	(void)curl_easy_setopt(http->easy, CURLOPT_HTTPGET, 1L);
	if (str_equal(request->method, "POST")) {
		(void)curl_easy_setopt(http->easy, CURLOPT_POST, 1L);
		(void)curl_easy_setopt(http->easy, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
		(void)curl_easy_setopt(http->easy, CURLOPT_POSTFIELDS, body);
	}
	(void)curl_easy_setopt(http->easy, CURLOPT_CUSTOMREQUEST, request->method);
	(void)curl_easy_setopt(http->easy, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
	if (curl_multi_add_handle(http->multi, http->easy) != CURLM_OK)
		return err_oom(err);
	int result = drive(http, err);
	(void)curl_multi_remove_handle(http->multi, http->easy);
	http->request = NULL;
	http->answer = NULL;
	if (answer && result == 0) {
		buf_free(answer);
		*answer = own;
		own = (struct buf)BUF_INIT(0);
	}
	return result;
}

int http_call_json(struct http *http, const struct http_request *request, json_t **ret_json,
		   struct err *err)
{
	BUF_AUTO answer = BUF_INIT(0);
	json_error_t problem;

	if (http_call(http, request, &answer, err) < 0)
		return -1;
	json_t *root = json_loadb(answer.data ? answer.data : "", answer.length, 0, &problem);
	if (!root)
		return err_set(err, ERR_INTERNAL, "Docker's answer to %s is not JSON: %s",
			       request->path, problem.text);
	*ret_json = root;
	return 0;
}

void http_escape(struct buf *path, const char *text)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789-._~";

	for (; *text; text++) {
		if (strchr(safe, *text))
			buf_putc(path, *text);
		else
			buf_printf(path, "%%%02X", (unsigned)(unsigned char)*text);
	}
}
