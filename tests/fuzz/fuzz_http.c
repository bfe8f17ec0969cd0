/* Any bytes as a request: routed, authenticated, parsed, handled and answered against a database in
 * memory, without sockets. Whatever comes, the answer is a status of ours, never 500, and every
 * body that claims to be JSON is JSON.
 *
 * Input: a byte of flags, then lines: method, target, Cookie; the rest is the body. */
#include <jansson.h>
#include <sodium.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/internal.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/strings.h"
#include "catalog/catalog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LOGGED_IN = 1, IS_JSON = 2, IS_PATCH = 4, HAS_HEADER = 8, TOO_LARGE = 16 };

/* Made at the first input and kept: opening a database for each would be most of the work. */
struct world {
	struct log log;
	struct env env;
	struct db *db;
	struct api *api;
	struct actor actor;
	char bearer[ACCOUNT_TOKEN_SIZE + 8];
	int tokens;
};

static void must(bool condition)
{
	if (!condition)
		abort();
}

static int models_run(struct db_tx *tx, void *argument, struct err *err)
{
	(void)argument;
	return catalog_models_store(tx, err);
}

static void open_world(struct world *world)
{
	ERR_AUTO(err);

	must(sodium_init() >= 0);
	world->log = (struct log){ 2, LOG_LEVEL_ERROR, false };
	world->env = env_system(&world->log);
	struct db_options database = {
		.env = &world->env, .path = ":memory:", .inline_writer = true, .relaxed = true
	};
	must(db_open(&database, &world->db, &err) == 0);
	must(db_write(world->db, models_run, NULL, &err) == 0);
	must(account_create(world->db, &world->env, "operator", "a long password", ROLE_OPERATOR,
			    &world->actor.account_id, &err) == 0);
	world->actor.role = ROLE_OPERATOR;
	struct api_options options = { .env = &world->env,
				       .db = world->db,
				       .listen_fd = -1,
				       .service_scheme = "http",
				       .service_domain = "localhost",
				       .service_port = 8000,
				       .version = "fuzz" };
	must(api_open(&options, &world->api, &err) == 0);
}

/* An input may have deleted the token: there is always a fresh one. */
static void ensure_token(struct world *world)
{
	char token[ACCOUNT_TOKEN_SIZE], name[32];
	struct account_token record;
	struct actor found;
	ERR_AUTO(err);

	if (world->bearer[0] &&
	    account_authenticate(world->db, &world->env, world->bearer + 7, &found, &err) == 0)
		return;
	err_clear(&err);
	(void)snprintf(name, sizeof(name), "fuzz %d", world->tokens++);
	must(account_token_create(world->db, &world->env, &world->actor, name, 0, token, &record,
				  &err) == 0);
	(void)snprintf(world->bearer, sizeof(world->bearer), "Bearer %s", token);
}

/* The next line of the input, without NULs, which no header can hold. */
static char *take_line(const uint8_t **data, size_t *size)
{
	const uint8_t *end = *size > 0 ? memchr(*data, '\n', *size) : NULL;
	size_t length = end ? (size_t)(end - *data) : *size;
	/* not strndup: a sanitizer that checks strings strictly wants its input terminated */
	size_t text = length > 0 ? strnlen((const char *)*data, length) : 0;
	char *line = calloc(1, text + 1);

	must(line != NULL);
	if (text > 0)
		memcpy(line, *data, text);
	*data += length + (end != NULL);
	*size -= length + (end != NULL);
	return line;
}

static void check(const struct api_request *request)
{
	const struct api_reply *reply = &request->reply;
	const char *type = reply->content_type ? reply->content_type : "application/json";
	json_error_t error;

	must(reply->status >= 200 && reply->status < 600 && reply->status != 500);
	if (!reply->body || !strstr(type, "json"))
		return;
	json_t *body = json_loadb(reply->body->data, reply->body->size, JSON_ALLOW_NUL, &error);
	must(json_is_object(body));
	must((reply->status < 400) == (json_object_get(body, "detail") == NULL));
	json_decref(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world world;

	if (size == 0)
		return -1;
	if (!world.api)
		open_world(&world);
	ensure_token(&world);
	uint8_t flags = *data++;
	size--;
	CHAR_AUTO method = take_line(&data, &size);
	CHAR_AUTO target = take_line(&data, &size);
	CHAR_AUTO cookie = take_line(&data, &size);
	struct api_request *request = api_request_new(world.api, target);
	must(request != NULL);
	request->method = method;
	request->cookie = cookie;
	request->host = cookie;
	request->if_none_match = cookie;
	request->authorization = flags & LOGGED_IN ? world.bearer : NULL;
	request->csrf = flags & HAS_HEADER ? "1" : NULL;
	request->content_type = flags & IS_JSON    ? "application/json"
				: flags & IS_PATCH ? "application/merge-patch+json"
						   : NULL;
	request->body_too_large = (flags & TOO_LARGE) && (flags & LOGGED_IN);
	api_request_identify(request, cookie);
	buf_append(&request->body, data, size);
	api_answer(request);
	check(request);
	api_request_free(request);
	return 0;
}
