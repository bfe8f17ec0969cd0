/* What the files of the API share. A request is plain data (method, target, a few headers, body):
 * server.c fills it from libmicrohttpd, the unit tests and the fuzz target fill it themselves. */
#ifndef DURE_API_INTERNAL_H
#define DURE_API_INTERNAL_H

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "account/account.h"
#include "api/api.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/fields.h"
#include "base/jsonw.h"

#define API_PREFIX "/api/v1"
#define API_COOKIE "dure_session"

/* Bytes of an answer, shared between the requests that get it and the cache. */
struct api_body {
	atomic_uint references;
	size_t size;
	char *data;
	char etag[35]; /* quoted; "" where there is none */
};
/* Takes the bytes over (also on failure); NULL when memory is short. */
struct api_body *api_body_new(char *data, size_t size, bool with_etag);
struct api_body *api_body_ref(struct api_body *body);
void api_body_unref(struct api_body *body); /* takes NULL */

/* Operations ----------------------------------------------------------------------------------- */

enum api_method { API_GET, API_POST, API_PUT, API_PATCH, API_DELETE, API_METHOD_COUNT };

struct api_request;
typedef int api_handler(struct api_request *request, struct err *err);

enum api_flags {
	API_BODY = 1,       /* a JSON object is required */
	API_ANY_METHOD = 2, /* the gateway sends whatever the client sent */
	API_CACHED = 4,     /* the answer depends on the database and the account only */
	API_REVALIDATE = 8, /* carries an ETag */
};

struct api_operation {
	enum api_method method;
	const char *path; /* template: "/api/v1/workloads/{ser}" */
	const char *id;   /* operationId of the document */
	enum role role;   /* at least; ROLE_NOBODY: public */
	unsigned flags;
	api_handler *handler;
};

#define API_PARAMETERS_MAX 2

extern const struct api_operation api_operations[]; /* ended by one without a path */

const char *api_method_name(enum api_method method);
/* The operation for `method` and `path`; the decoded values of its {…} go to `ret_values` (in
 * `arena`). ERR_NOT_FOUND for a path nobody has, ERR_METHOD with *ret_allow set (in `arena`) for
 * one that others have. `method` API_METHOD_COUNT fits none. */
int api_route(enum api_method method, const char *path, struct arena *arena,
	      const struct api_operation **ret_operation,
	      const char *ret_values[API_PARAMETERS_MAX], const char **ret_allow, struct err *err);
/* Percent-decodes. NULL when an escape is broken, the text is not UTF-8 or has a NUL, or memory is
 * short. `plus`: '+' is a space, as in a query. */
char *api_decode(const char *text, size_t length, bool plus, struct arena *arena);

/* Requests ------------------------------------------------------------------------------------- */

#define API_REPLY_HEADERS 4
#define API_REQUEST_ID_SIZE 65

struct api_header {
	const char *name;
	const char *value;
};

struct api_reply {
	int status;
	const char *content_type; /* NULL: application/json */
	struct buf text;          /* what the handler writes; becomes `body` */
	struct api_body *body;    /* NULL: none */
	struct api_header headers[API_REPLY_HEADERS];
	size_t n_headers;
};

struct api_request {
	unsigned magic;
	struct api *api;
	struct arena *arena; /* made when it is first needed */

	/* as received */
	const char *method;
	const char *target; /* path and query, raw */
	const char *authorization, *cookie, *content_type, *if_none_match, *csrf, *host,
		*service_host;
	struct buf body;
	bool body_too_large;
	char id[API_REQUEST_ID_SIZE];

	/* as understood */
	const struct api_operation *operation;
	const char *values[API_PARAMETERS_MAX];
	const char *query; /* raw, "" without one */
	struct actor actor;
	bool by_cookie;
	json_t *json;

	struct api_reply reply;
};

/* `target` is copied. NULL when memory is short. */
struct api_request *api_request_new(struct api *api, const char *target);
void api_request_free(struct api_request *request); /* takes NULL */
/* Takes the client's id over if it is sane, else makes one. */
void api_request_identify(struct api_request *request, const char *given);
/* Answers: routes, authenticates, parses, calls the handler. The reply is always complete. */
void api_answer(struct api_request *request);

/* For handlers: the arena, a writer on the reply, a header (value must live as long as the arena).
 */
struct arena *api_arena(struct api_request *request, struct err *err);
struct jsonw api_write(struct api_request *request, int status);
void api_header(struct api_request *request, const char *name, const char *value);
/* {"items":[ … ],"next": …}: the items are written between the two. */
struct jsonw api_list_begin(struct api_request *request);
void api_list_end(struct jsonw *w, const char *next);
/* "/workloads/{ser}": ERR_NOT_FOUND ("there is no <what> …") unless it is a positive number. */
int api_path_number(const struct api_request *request, size_t index, const char *what,
		    int64_t *ret_value, struct err *err);

void api_problem_write(struct jsonw *w, const struct err *err, const char *instance);
void api_problem(struct api_request *request, const struct err *err);

/* Sets request->actor; ERR_UNAUTHENTICATED. */
int api_authenticate(struct api_request *request, struct err *err);
/* ERR_FORBIDDEN for a state-changing request that a foreign page could have sent. */
int api_check_origin(const struct api_request *request, struct err *err);
/* Sets request->json to the body's object. */
int api_parse_body(struct api_request *request, struct err *err);
/* Deeper than LIMIT_JSON_DEPTH, brackets in strings aside? */
bool api_json_too_deep(const char *text, size_t length);

/* Query parameters: checked all, like fields.h, under {"parameter": name}. */
#define API_QUERY_MAX 32
struct api_query {
	struct api_request *request;
	json_t *problems;
	size_t count;
	struct {
		const char *name;
		const char *value; /* NULL: not decodable */
		bool known;
	} items[API_QUERY_MAX];
};
#define API_QUERY_AUTO(name) __attribute__((cleanup(api_query_clear))) struct api_query name = { 0 }
int api_query_read(struct api_request *request, struct api_query *ret_query, struct err *err);
void api_query_clear(struct api_query *query);
/* The value as given, NULL when absent or bad. */
const char *api_query_text(struct api_query *query, const char *name, size_t max);
void api_query_int(struct api_query *query, const char *name, int64_t min, int64_t max,
		   int64_t *value);
void api_query_bool(struct api_query *query, const char *name, bool *value);
void api_query_bad(struct api_query *query, const char *name, const char *code, const char *allowed,
		   const char *message);
/* ERR_FIELDS when any was bad, unknown or given twice. */
int api_query_finish(struct api_query *query, struct err *err);

/* Caches: what was true at a db_version() is true while that version stands. ----------------------
 */

struct api_cache;
struct api_cache *api_cache_new(void);
struct api_cache *api_cache_free(struct api_cache *cache);
/* A reference, or NULL. */
struct api_body *api_cache_get(struct api_cache *cache, int64_t account_id, const char *target,
			       uint64_t version);
void api_cache_put(struct api_cache *cache, int64_t account_id, const char *target,
		   uint64_t version, struct api_body *body);

struct api_tokens;
struct api_tokens *api_tokens_new(void);
struct api_tokens *api_tokens_free(struct api_tokens *tokens);
bool api_tokens_get(struct api_tokens *tokens, const char *token, uint64_t version, int64_t now,
		    struct actor *ret_actor);
void api_tokens_put(struct api_tokens *tokens, const char *token, uint64_t version,
		    const struct actor *actor);

/* The server ----------------------------------------------------------------------------------- */

struct MHD_Daemon;

struct api {
	unsigned magic;
	struct api_options options;
	struct api_cache *cache;
	struct api_tokens *tokens;
	struct MHD_Daemon *daemon;
	atomic_uint under_way; /* requests begun and not finished */
	atomic_bool stopping;
};

/* Everything but the listening: for api_start(), unit tests and the fuzz target. */
int api_open(const struct api_options *options, struct api **ret_api, struct err *err);
struct api *api_close(struct api *api);

static inline bool api_request_is(const struct api_request *request, const char *method)
{
	const char *a = request->method;

	while (*a && *a == *method)
		a++, method++;
	return *a == *method;
}

/* Handlers ---------------------------------------------------------------------------------------
 */

api_handler api_document_get, api_health_get, api_version_get, api_landing, api_service_page;
api_handler api_session_create, api_session_get, api_session_delete;
api_handler api_account_password_change;
api_handler api_token_list, api_token_create, api_token_delete;
api_handler api_gpu_model_list, api_gpu_offer_list;
api_handler api_node_list, api_node_create, api_node_get, api_node_edit, api_node_delete;
api_handler api_workload_list, api_workload_create, api_workload_get, api_workload_edit;
api_handler api_workload_delete, api_workload_deploy, api_workload_terminate;
api_handler api_pod_list, api_event_list;

#endif
