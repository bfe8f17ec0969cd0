/* api: the router, problem documents, JSON bodies, query parameters, caches, and that the table and
 * the document name the same operations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#include "api/html.h"
#include "api/internal.h"
#include "base/embed.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/strings.h"

/* A whole API over an empty database in memory. */
struct fixture {
	struct log log;
	struct env env;
	struct db *db;
	struct api *api;
	char token[ACCOUNT_TOKEN_SIZE]; /* an operator's */
	char user_token[ACCOUNT_TOKEN_SIZE];
};

static int make_account(struct fixture *f, const char *login, enum role role,
			char token[ACCOUNT_TOKEN_SIZE], struct err *err)
{
	struct actor actor;
	int64_t id;

	if (account_create(f->db, &f->env, login, "a long password", role, &id, err) < 0)
		return -1;
	return account_login(f->db, &f->env, login, "a long password", token, &actor, err);
}

static int set_up(void **state)
{
	struct fixture *f = test_calloc(1, sizeof(*f));
	ERR_AUTO(err);

	f->log = (struct log){ 2, LOG_LEVEL_ERROR, false };
	f->env = env_system(&f->log);
	struct db_options database = {
		.env = &f->env, .path = ":memory:", .inline_writer = true, .relaxed = true
	};
	if (db_open(&database, &f->db, &err) < 0 ||
	    make_account(f, "operator", ROLE_OPERATOR, f->token, &err) < 0 ||
	    make_account(f, "user", ROLE_USER, f->user_token, &err) < 0) {
		fprintf(stderr, "%s\n", err.message);
		return -1;
	}
	struct api_options options = { .env = &f->env,
				       .db = f->db,
				       .listen_fd = -1,
				       .service_scheme = "http",
				       .service_domain = "localhost",
				       .service_port = 8000,
				       .version = "test" };
	if (api_open(&options, &f->api, &err) < 0)
		return -1;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	f->api = api_close(f->api);
	f->db = db_close(f->db);
	test_free(f);
	return 0;
}

/* One request; the caller frees it. `token` NULL: as nobody. */
static struct api_request *ask(struct fixture *f, const char *method, const char *target,
			       const char *token, const char *body)
{
	struct api_request *request = api_request_new(f->api, target);

	assert_non_null(request);
	request->method = method;
	api_request_identify(request, "request-1");
	if (body) {
		request->content_type = "application/json; charset=utf-8";
		buf_puts(&request->body, body);
	}
	if (token) {
		struct arena *arena = arena_new(LIMIT_REQUEST_ARENA_BYTES);
		request->arena = arena;
		request->cookie = arena_printf(arena, "other=1; " API_COOKIE "=%s", token);
		request->csrf = "1";
	}
	api_answer(request);
	return request;
}

static void expect_status(struct fixture *f, const char *method, const char *target,
			  const char *token, const char *body, int status)
{
	struct api_request *request = ask(f, method, target, token, body);

	if (request->reply.status != status)
		fail_msg("%s %s answered %d, not %d: %s", method, target, request->reply.status,
			 status, request->reply.body ? request->reply.body->data : "");
	api_request_free(request);
}

/* Router --------------------------------------------------------------------------------------- */

static void router_finds_the_operation_and_its_values(void **state)
{
	struct arena *arena = arena_new(65536);
	const struct api_operation *operation = NULL;
	const char *values[API_PARAMETERS_MAX] = { NULL }, *allow = NULL;
	ERR_AUTO(err);

	(void)state;
	assert_int_equal(api_route(API_GET, "/api/v1/nodes/a%20%ED%95%9C", arena, &operation,
				   values, &allow, &err),
			 0);
	assert_string_equal(operation->id, "node_get");
	assert_string_equal(values[0], "a 한");
	assert_int_equal(api_route(API_POST, "/api/v1/workloads/7/deploy", arena, &operation,
				   values, &allow, &err),
			 0);
	assert_string_equal(operation->id, "workload_deploy");
	assert_string_equal(values[0], "7");
	arena_free(arena);
}

static void router_refuses_what_it_does_not_have(void **state)
{
	static const char *const paths[] = { "",
					     "/api",
					     "/api/v1/workloads/",
					     "/api/v1/workloads/7/",
					     "/api/v1/workloads/7/deploy/x",
					     "/api/v1/workloads//deploy",
					     "/api/v1/nodes/%00",
					     "/api/v1/nodes/%f",
					     "/api/v1/nodes/%ff",
					     "/API/v1/health" };
	struct arena *arena = arena_new(65536);
	const struct api_operation *operation = NULL;
	const char *values[API_PARAMETERS_MAX], *allow = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		ERR_AUTO(err);
		assert_int_equal(
			api_route(API_GET, paths[i], arena, &operation, values, &allow, &err), -1);
		assert_int_equal(err.code, ERR_NOT_FOUND);
	}
	ERR_AUTO(err);
	assert_int_equal(
		api_route(API_PUT, "/api/v1/workloads/7", arena, &operation, values, &allow, &err),
		-1);
	assert_int_equal(err.code, ERR_METHOD);
	assert_string_equal(allow, "OPTIONS, GET, HEAD, PATCH, DELETE");
	arena_free(arena);
}

/* Table = document -------------------------------------------------------------------------------
 */

static const struct api_operation *operation_of(const char *path, const char *method)
{
	for (const struct api_operation *op = api_operations; op->path; op++)
		if (str_equal(op->path, path) &&
		    strcasecmp(api_method_name(op->method), method) == 0)
			return op;
	return NULL;
}

static void check_operation(const struct api_operation *op, const json_t *described)
{
	const json_t *security = json_object_get(described, "security");
	bool open = json_is_array(security) && json_array_size(security) == 0;

	assert_string_equal(op->id, json_string_value(json_object_get(described, "operationId")));
	assert_int_equal(open, op->role == ROLE_NOBODY);
	assert_int_equal(json_object_get(described, "requestBody") != NULL,
			 (op->flags & API_BODY) != 0);
	assert_int_equal(
		str_equal(json_string_value(json_object_get(described, "x-role")), "operator"),
		op->role == ROLE_OPERATOR);
	assert_int_equal(json_object_get(json_object_get(described, "responses"), "304") != NULL,
			 (op->flags & API_REVALIDATE) != 0);
}

static void table_and_document_name_the_same_operations(void **state)
{
	json_error_t error;
	json_t *document = json_loadb(api_documents[0].data, api_documents[0].size, 0, &error);
	const char *path, *method;
	json_t *item, *described;
	size_t documented = 0, tabled = 0;

	(void)state;
	assert_non_null(document);
	json_object_foreach(json_object_get(document, "paths"), path, item)
	{
		json_object_foreach(item, method, described)
		{
			const struct api_operation *op = operation_of(path, method);
			if (!op)
				fail_msg("the table lacks %s %s", method, path);
			check_operation(op, described);
			documented++;
		}
	}
	for (const struct api_operation *op = api_operations; op->path; op++)
		tabled += str_starts(op->path, "/api/");
	assert_int_equal(documented, tabled);
	json_decref(document);
}

/* Problems ---------------------------------------------------------------------------------------
 */

static void problem_is_a_document_with_all_its_members(void **state)
{
	struct fixture *f = *state;
	struct api_request *request = ask(f, "GET", "/nowhere\"<", NULL, NULL);
	json_error_t error;
	json_t *problem =
		json_loadb(request->reply.body->data, request->reply.body->size, 0, &error);

	assert_int_equal(request->reply.status, 404);
	assert_string_equal(request->reply.content_type, "application/problem+json");
	assert_string_equal(json_string_value(json_object_get(problem, "type")),
			    "https://dure.dev/problems/not-found");
	assert_string_equal(json_string_value(json_object_get(problem, "instance")), "request-1");
	assert_int_equal(json_integer_value(json_object_get(problem, "status")), 404);
	assert_string_equal(json_string_value(json_object_get(problem, "detail")),
			    "there is nothing at /nowhere\"<");
	json_decref(problem);
	api_request_free(request);
}

static void bodies_are_refused_in_order(void **state)
{
	struct fixture *f = *state;
	char deep[2 * LIMIT_JSON_DEPTH + 8] = "{\"login\":";

	expect_status(f, "POST", "/api/v1/session", NULL, NULL, 415);
	expect_status(f, "POST", "/api/v1/session", NULL, "", 400);
	expect_status(f, "POST", "/api/v1/session", NULL, "{", 400);
	expect_status(f, "POST", "/api/v1/session", NULL, "{\"login\":\"\xff\"}", 400);
	expect_status(f, "POST", "/api/v1/session", NULL, "{\"login\":\"a\",\"login\":\"b\"}", 400);
	expect_status(f, "POST", "/api/v1/session", NULL, "[]", 422);
	expect_status(f, "POST", "/api/v1/session", NULL, "{}", 422);
	memset(deep + strlen(deep), '[', LIMIT_JSON_DEPTH);
	assert_true(api_json_too_deep(deep, strlen(deep)));
	expect_status(f, "POST", "/api/v1/session", NULL, deep, 400);
	const char *quoted = "{\"a\":\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[\"}";
	assert_false(api_json_too_deep(quoted, strlen(quoted)));
}

static void all_bad_parameters_are_named(void **state)
{
	struct fixture *f = *state;
	struct api_request *request =
		ask(f, "GET", "/api/v1/workloads?limit=0&state=x&nonsense=1&cursor=%zz&limit=3",
		    f->user_token, NULL);
	json_error_t error;
	json_t *problem =
		json_loadb(request->reply.body->data, request->reply.body->size, 0, &error);
	json_t *fields = json_object_get(problem, "fields");
	char names[128] = "";
	size_t index;
	json_t *field;

	assert_int_equal(request->reply.status, 422);
	json_array_foreach(fields, index, field)
	{
		size_t used = strlen(names);
		(void)snprintf(names + used, sizeof(names) - used, "%s=%s ",
			       json_string_value(json_object_get(field, "parameter")),
			       json_string_value(json_object_get(field, "code")));
	}
	assert_string_equal(names, "limit=duplicate state=choice cursor=format nonsense=unknown ");
	json_decref(problem);
	api_request_free(request);
}

/* Access -----------------------------------------------------------------------------------------
 */

static void every_operation_but_the_public_ones_wants_a_login(void **state)
{
	struct fixture *f = *state;

	for (const struct api_operation *op = api_operations; op->path; op++) {
		if (op->role == ROLE_NOBODY)
			continue;
		char path[128];
		(void)snprintf(path, sizeof(path), "%.*s%s", (int)strcspn(op->path, "{"), op->path,
			       strchr(op->path, '{') ? "1" : "");
		const char *rest = strchr(op->path, '}');
		if (rest)
			(void)snprintf(path + strlen(path), sizeof(path) - strlen(path), "%s",
				       rest + 1);
		expect_status(f, api_method_name(op->method), path, NULL, "{}", 401);
		expect_status(f, api_method_name(op->method), path, "sess_forged", "{}", 401);
		if (op->role == ROLE_OPERATOR)
			expect_status(f, api_method_name(op->method), path, f->user_token, "{}",
				      403);
	}
}

static void cookie_alone_does_not_change_anything(void **state)
{
	struct fixture *f = *state;
	struct api_request *request = api_request_new(f->api, "/api/v1/session");
	char cookie[ACCOUNT_TOKEN_SIZE + 32];

	(void)snprintf(cookie, sizeof(cookie), API_COOKIE "=%s", f->user_token);
	request->method = "DELETE";
	request->cookie = cookie;
	api_request_identify(request, "not sane!");
	assert_int_equal(strlen(request->id), 16);
	api_answer(request);
	assert_int_equal(request->reply.status, 403);
	api_request_free(request);
	expect_status(f, "GET", "/api/v1/session", f->user_token, NULL, 200);
	expect_status(f, "DELETE", "/api/v1/session", f->user_token, NULL, 204);
	expect_status(f, "GET", "/api/v1/session", f->user_token, NULL, 401);
}

/* Caches -----------------------------------------------------------------------------------------
 */

static void same_answer_is_shared_until_the_database_changes(void **state)
{
	struct fixture *f = *state;
	struct api_request *first = ask(f, "GET", "/api/v1/tokens", f->user_token, NULL);
	struct api_request *second = ask(f, "GET", "/api/v1/tokens", f->user_token, NULL);
	struct api_request *other = ask(f, "GET", "/api/v1/tokens", f->token, NULL);

	assert_int_equal(first->reply.status, 200);
	assert_ptr_equal(first->reply.body, second->reply.body);
	assert_ptr_not_equal(first->reply.body, other->reply.body);
	expect_status(f, "POST", "/api/v1/tokens", f->user_token, "{\"name\":\"x\"}", 201);
	struct api_request *third = ask(f, "GET", "/api/v1/tokens", f->user_token, NULL);
	assert_ptr_not_equal(first->reply.body, third->reply.body);
	assert_non_null(strstr(third->reply.body->data, "\"x\""));
	api_request_free(first);
	api_request_free(second);
	api_request_free(third);
	api_request_free(other);
}

static void cache_keeps_to_its_ceiling(void **state)
{
	struct api_cache *cache = api_cache_new();
	size_t size = LIMIT_CACHED_BYTES / 8;

	(void)state;
	for (int i = 0; i < 64; i++) {
		char target[16];
		(void)snprintf(target, sizeof(target), "/%d", i);
		struct api_body *body = api_body_new(malloc(size), size, false);
		api_cache_put(cache, 1, target, 1, body);
		struct api_body *kept = api_cache_get(cache, 1, target, 1);
		assert_ptr_equal(kept, body);
		assert_null(api_cache_get(cache, 2, target, 1));
		assert_null(api_cache_get(cache, 1, target, 2));
		api_body_unref(kept);
		api_body_unref(body);
	}
	int left = 0;
	for (int i = 0; i < 64; i++) {
		char target[16];
		(void)snprintf(target, sizeof(target), "/%d", i);
		struct api_body *kept = api_cache_get(cache, 1, target, 1);
		left += kept != NULL;
		api_body_unref(kept);
	}
	assert_in_range(left, 1, 8);
	assert_null(api_cache_free(cache));
}

static void expired_token_is_not_kept(void **state)
{
	struct api_tokens *tokens = api_tokens_new();
	struct actor actor = { .account_id = 1, .expires_at = 1000 }, found;

	(void)state;
	api_tokens_put(tokens, "dure_a", 5, &actor);
	assert_true(api_tokens_get(tokens, "dure_a", 5, 999, &found));
	assert_false(api_tokens_get(tokens, "dure_a", 5, 1000, &found));
	assert_false(api_tokens_get(tokens, "dure_a", 6, 999, &found));
	assert_false(api_tokens_get(tokens, "dure_b", 5, 999, &found));
	assert_null(api_tokens_free(tokens));
}

/* Pages ------------------------------------------------------------------------------------------
 */

static void service_page_is_honest_about_an_unknown_host(void **state)
{
	struct fixture *f = *state;
	static const char *const hosts[] = { "01234567.localhost:8000", "<script>.localhost", "" };

	for (size_t i = 0; i < 3; i++) {
		struct api_request *request = api_request_new(f->api, "/_service");
		request->method = "BREW";
		request->host = hosts[i];
		api_answer(request);
		assert_int_equal(request->reply.status, 404);
		assert_string_equal(request->reply.headers[0].name, "X-Dure-Error");
		assert_string_equal(request->reply.headers[0].value, "unknown");
		assert_null(strstr(request->reply.body->data, "<script"));
		api_request_free(request);
	}
}

static void html_is_escaped(void **state)
{
	BUF_AUTO out = BUF_INIT(1024);

	(void)state;
	api_html_text(&out, "<a href='x'>\"&amp;");
	assert_string_equal(out.data, "&lt;a href=&#39;x&#39;&gt;&quot;&amp;amp;");
}

static void etag_makes_304(void **state)
{
	struct fixture *f = *state;
	struct api_request *first = ask(f, "GET", "/api/openapi.json", NULL, NULL);
	struct api_request *again = api_request_new(f->api, "/api/openapi.json");

	assert_int_equal(first->reply.status, 200);
	again->method = "HEAD";
	again->if_none_match = first->reply.body->etag;
	api_answer(again);
	assert_int_equal(again->reply.status, 304);
	api_request_free(again);
	api_request_free(first);
	expect_status(f, "OPTIONS", "/api/v1/health", NULL, NULL, 204);
	expect_status(f, "POST", "/api/v1/health", NULL, NULL, 405);
}

#define WITH_API(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(router_finds_the_operation_and_its_values),
		cmocka_unit_test(router_refuses_what_it_does_not_have),
		cmocka_unit_test(table_and_document_name_the_same_operations),
		WITH_API(problem_is_a_document_with_all_its_members),
		WITH_API(bodies_are_refused_in_order),
		WITH_API(all_bad_parameters_are_named),
		WITH_API(every_operation_but_the_public_ones_wants_a_login),
		WITH_API(cookie_alone_does_not_change_anything),
		WITH_API(same_answer_is_shared_until_the_database_changes),
		cmocka_unit_test(cache_keeps_to_its_ceiling),
		cmocka_unit_test(expired_token_is_not_kept),
		WITH_API(service_page_is_honest_about_an_unknown_host),
		cmocka_unit_test(html_is_escaped),
		WITH_API(etag_makes_304),
	};

	return cmocka_run_group_tests_name("api", tests, NULL, NULL);
}
