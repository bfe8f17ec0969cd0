#include "cli/client.h"

#include <assert.h>
#include <curl/curl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/strings.h"

#define CLIENT_MAGIC UINT32_C(0xc11e7002)
#define SESSION_MAX 256 /* "sess_" and 43 characters today */
#define URL_MAX 2048

struct client {
	uint32_t magic;
	CURL *easy;
	struct curl_slist *headers;
	char *url;
	char *authorization; /* "Authorization: Bearer …", "Cookie: …" or NULL */
	bool token;
	int64_t timeout_s;
	struct buf body;
	char session[SESSION_MAX];
	char location[URL_MAX];
	char error[CURL_ERROR_SIZE];
};

static size_t on_body(char *data, size_t size, size_t count, void *context)
{
	struct client *client = context;

	buf_append(&client->body, data, size * count);
	return client->body.failed ? 0 : size * count;
}

/* Copies the value of header `name` if this line is it, up to `end`. */
static bool take_header(const char *line, size_t length, const char *name, char end, char *out,
			size_t size)
{
	size_t skip = strlen(name), used = 0;

	if (length < skip || strncasecmp(line, name, skip) != 0)
		return false;
	for (size_t i = skip; i < length && line[i] != end && line[i] != '\r'; i++) {
		if (used + 1 == size)
			return false;
		if (used > 0 || line[i] != ' ')
			out[used++] = line[i];
	}
	out[used] = '\0';
	return true;
}

static size_t on_header(char *data, size_t size, size_t count, void *context)
{
	struct client *client = context;
	size_t length = size * count;
	char value[SESSION_MAX];

	if (take_header(data, length, "Set-Cookie: dure_session=", ';', value, sizeof(value)))
		str_copy(client->session, sizeof(client->session), value);
	(void)take_header(data, length, "Location:", '\n', client->location,
			  sizeof(client->location));
	return length;
}

/* Ctrl-C is blocked while progress is shown (follow.c); a pending one ends the request. */
static int on_progress(void *context, curl_off_t total_down, curl_off_t down, curl_off_t total_up,
		       curl_off_t up)
{
	sigset_t pending;

	(void)context, (void)total_down, (void)down, (void)total_up, (void)up;
	return sigpending(&pending) == 0 && sigismember(&pending, SIGINT) == 1;
}

/* A proxy of the environment has no business with this machine itself. */
static bool is_loopback(const char *url)
{
	const char *host = strstr(url, "://");

	host = host ? host + 3 : url;
	return str_starts(host, "localhost") || str_starts(host, "127.") ||
	       str_starts(host, "[::1]");
}

static int set_url(struct client *client, const char *url, struct err *err)
{
	size_t length = strlen(url);

	if (!str_starts(url, "http://") && !str_starts(url, "https://"))
		return err_set(err, ERR_INVALID,
			       "\"%s\" is not a server's URL: it starts with http:// or https://",
			       url);
	while (length > 0 && url[length - 1] == '/')
		length--;
	if (length + 1 >= URL_MAX / 2)
		return err_set(err, ERR_INVALID, "the server's URL is too long");
	client->url = strndup(url, length);
	return client->url ? 0 : err_oom(err);
}

int client_new(const char *url, const char *token, int64_t timeout_s, struct client **ret_client,
	       struct err *err)
{
	struct client *client = calloc(1, sizeof(*client));

	if (!client)
		return err_oom(err);
	client->magic = CLIENT_MAGIC;
	client->body = (struct buf)BUF_INIT(LIMIT_RESPONSE_BYTES);
	client->timeout_s = timeout_s > 0 ? timeout_s : CLIENT_TIMEOUT_S;
	client->easy = curl_easy_init();
	if (!client->easy) {
		client_free(client);
		return err_oom(err);
	}
	if (set_url(client, url, err) < 0) {
		client_free(client);
		return -1;
	}
	if (token && asprintf(&client->authorization, "Authorization: Bearer %s", token) < 0) {
		client->authorization = NULL;
		client_free(client);
		return err_oom(err);
	}
	client->token = token != NULL;
	*ret_client = client;
	return 0;
}

struct client *client_free(struct client *client)
{
	if (!client)
		return NULL;
	assert(client->magic == CLIENT_MAGIC);
	curl_easy_cleanup(client->easy);
	curl_slist_free_all(client->headers);
	buf_free(&client->body);
	free(client->authorization);
	free(client->url);
	client->magic = 0;
	free(client);
	return NULL;
}

bool client_has_token(const struct client *client) { return client->token; }

const char *client_url(const struct client *client) { return client->url; }

bool client_use_session(struct client *client)
{
	char *cookie;

	if (str_empty(client->session) ||
	    asprintf(&cookie, "Cookie: dure_session=%s", client->session) < 0)
		return false;
	free(client->authorization);
	client->authorization = cookie;
	client->token = false;
	return true;
}

static void add_header(struct client *client, const char *line)
{
	struct curl_slist *list = line ? curl_slist_append(client->headers, line) : NULL;

	if (list)
		client->headers = list;
}

static void set_options(struct client *client, const char *method, const char *url,
			const char *body)
{
	CURL *easy = client->easy;

	curl_easy_reset(easy); /* keeps the connection */
	curl_slist_free_all(client->headers);
	client->headers = NULL;
	add_header(client, "Accept: application/json");
	add_header(client, "X-Dure-Request: cli"); /* no web page can send this with our cookie */
	add_header(client, client->authorization);
	(void)curl_easy_setopt(easy, CURLOPT_URL, url);
	(void)curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
	if (body) {
		add_header(client, strcmp(method, "PATCH") == 0
					   ? "Content-Type: application/merge-patch+json"
					   : "Content-Type: application/json");
		add_header(client, "Expect:");
		(void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
	} else if (strcmp(method, "POST") == 0) {
		(void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, "");
		add_header(client, "Content-Type:");
	}
	(void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, client->headers);
	(void)curl_easy_setopt(easy, CURLOPT_USERAGENT, "dure/" DURE_VERSION);
	(void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	(void)curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	(void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)CLIENT_CONNECT_TIMEOUT_S);
	(void)curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long)client->timeout_s);
	(void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	(void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, client);
	(void)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	(void)curl_easy_setopt(easy, CURLOPT_HEADERDATA, client);
	(void)curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
	(void)curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
	(void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, client->error);
	if (is_loopback(client->url))
		(void)curl_easy_setopt(easy, CURLOPT_PROXY, "");
}

/* Why no answer came, as an error whose code tells the network from the rest. */
static int transfer_failed(struct client *client, CURLcode code, struct err *err)
{
	const char *why = client->error[0] ? client->error : curl_easy_strerror(code);
	char *peer = NULL;

	(void)curl_easy_getinfo(client->easy, CURLINFO_PRIMARY_IP, &peer);
	if (client->body.failed)
		return err_set(err, ERR_INTERNAL, "%s answered with more than %d MiB", client->url,
			       LIMIT_RESPONSE_BYTES / (1024 * 1024));
	switch (code) {
	case CURLE_OPERATION_TIMEDOUT:
		return err_set(err, ERR_TIMEOUT, "%s did not answer in time: %s", client->url, why);
	case CURLE_URL_MALFORMAT:
		return err_set(err, ERR_INVALID, "\"%s\" is not a server's URL: %s", client->url,
			       why);
	case CURLE_UNSUPPORTED_PROTOCOL: /* the words of something that speaks no HTTP */
	case CURLE_WEIRD_SERVER_REPLY:
		return err_set(err, ERR_INTERNAL, "%s is not a Dure server: %s", client->url, why);
	case CURLE_OUT_OF_MEMORY: return err_oom(err);
	case CURLE_COULDNT_CONNECT:
		return err_set(err, ERR_UNAVAILABLE, "cannot connect to %s: %s", client->url, why);
	default:
		if (str_empty(peer))
			return err_set(err, ERR_UNAVAILABLE, "cannot reach %s: %s", client->url,
				       why);
		return err_set(err, ERR_UNAVAILABLE, "the connection to %s failed: %s", client->url,
			       why);
	}
}

static enum err_code code_of(long status)
{
	switch (status) {
	case 401: return ERR_UNAUTHENTICATED;
	case 403: return ERR_FORBIDDEN;
	case 404: return ERR_NOT_FOUND;
	case 409: return ERR_CONFLICT;
	case 422: return ERR_FIELDS;
	default: return status >= 500 ? ERR_INTERNAL : ERR_INVALID;
	}
}

/* A status from 300 up: the API's problem, or what a proxy in between had to say. */
static int answered_badly(struct client *client, long status, json_t *document, struct err *err)
{
	const char *title = json_string_value(json_object_get(document, "title"));
	const char *detail = json_string_value(json_object_get(document, "detail"));

	if (status < 400)
		return err_set(err, ERR_INTERNAL, "%s redirects to %s; give that as --url",
			       client->url,
			       client->location[0] ? client->location : "another address");
	if (!title) {
		err_set(err, code_of(status), "%s answered with status %ld and no explanation",
			client->url, status);
		err_extra(err, "problem", json_pack("{s:I}", "status", (json_int_t)status));
		return -1;
	}
	err_set(err, code_of(status), "%s%s%s", title, detail ? ": " : "", detail ? detail : "");
	json_t *problem = json_deep_copy(document);
	if (problem)
		(void)json_object_set_new(problem, "status", json_integer(status));
	err_extra(err, "problem", problem);
	return -1;
}

static int perform(struct client *client, const char *method, const char *path, const char *body,
		   json_t **ret_document, long *ret_status, struct err *err)
{
	char url[URL_MAX];
	json_error_t where;
	CURLcode code;

	int length = snprintf(url, sizeof(url), "%s/api/v1%s", client->url, path);
	if (length < 0 || (size_t)length >= sizeof(url))
		return err_set(err, ERR_INVALID, "an argument is too long");
	buf_clear(&client->body);
	client->location[0] = client->error[0] = '\0';
	set_options(client, method, url, body);
	code = curl_easy_perform(client->easy);
	if (code != CURLE_OK)
		return transfer_failed(client, code, err);
	(void)curl_easy_getinfo(client->easy, CURLINFO_RESPONSE_CODE, ret_status);
	*ret_document = client->body.length > 0
				? json_loadb(client->body.data, client->body.length, 0, &where)
				: NULL;
	if (*ret_document && !json_is_object(*ret_document)) {
		json_decref(*ret_document);
		*ret_document = NULL;
	}
	return 0;
}

int client_call(struct client *client, const char *method, const char *path, const json_t *body,
		json_t **ret_answer, struct err *err)
{
	assert(client->magic == CLIENT_MAGIC);
	assert(path[0] == '/');
	CHAR_AUTO text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	json_auto_t *document = NULL;
	long status = 0;

	if (body && !text)
		return err_oom(err);
	if (perform(client, method, path, text, &document, &status, err) < 0)
		return -1;
	if (status >= 300)
		return answered_badly(client, status, document, err);
	if (!document && (status != 204 || client->body.length > 0))
		return err_set(err, ERR_INTERNAL,
			       "%s answered %s %s with something that is not a JSON object; is it "
			       "a Dure server?",
			       client->url, method, path);
	if (ret_answer) {
		*ret_answer = document;
		document = NULL;
	}
	return 0;
}
