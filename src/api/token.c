/* /tokens: API tokens of the account that asks. */
#include "api/internal.h"
#include "base/strings.h"
#include "base/timefmt.h"

#define NAME_CHARACTERS 64

static void token_write(struct jsonw *w, const struct account_token *token, const char *text)
{
	jsonw_object(w);
	jsonw_kv_int(w, "id", token->id);
	jsonw_kv_string(w, "name", token->name);
	jsonw_kv_time(w, "created_at", token->created_at);
	jsonw_kv_time(w, "expires_at", token->expires_at);
	if (text)
		jsonw_kv_string(w, "token", text);
	jsonw_object_end(w);
}

struct listing {
	struct api_request *request;
	struct account_token *tokens;
	size_t count;
};

static int list_run(struct db_tx *tx, void *argument, struct err *err)
{
	struct listing *listing = argument;

	return account_token_list(tx, &listing->request->actor, listing->request->arena,
				  &listing->tokens, &listing->count, err);
}

int api_token_list(struct api_request *request, struct err *err)
{
	struct listing listing = { .request = request };
	API_QUERY_AUTO(query);

	if (api_query_read(request, &query, err) < 0 || api_query_finish(&query, err) < 0 ||
	    db_read(request->api->options.db, list_run, &listing, err) < 0)
		return -1;
	struct jsonw w = api_list_begin(request);
	for (size_t i = 0; i < listing.count; i++)
		token_write(&w, &listing.tokens[i], NULL);
	api_list_end(&w, NULL);
	return 0;
}

/* When the token ends; a time that is no time, or past, is noted. */
static void read_expiry(const struct fields_object *in, int64_t now, int64_t *expires_at)
{
	const char *text = NULL;
	int64_t time = 0;

	if (!fields_string(in, "expires_at", false, 1, NAME_CHARACTERS, &text))
		return;
	if (timefmt_parse_rfc3339(text, &time) < 0)
		fields_bad(in, "expires_at", "format", "RFC 3339, 2027-01-31T00:00:00Z",
			   "expires_at is not a time");
	else if (time <= now)
		fields_bad(in, "expires_at", "range", "a time to come", "expires_at has passed");
	else
		*expires_at = time;
}

int api_token_create(struct api_request *request, struct err *err)
{
	static const char *const keys[] = { "name", "expires_at", NULL };
	const struct api_options *options = &request->api->options;
	struct account_token record;
	char token[ACCOUNT_TOKEN_SIZE];
	const char *name = NULL;
	int64_t expires_at = 0;
	FIELDS_AUTO(fields);
	struct fields_object in = { &fields, request->json, "" };

	(void)fields_string(&in, "name", true, 1, NAME_CHARACTERS, &name);
	read_expiry(&in, env_now(options->env), &expires_at);
	fields_known(&in, keys);
	if (fields_finish(&fields, "token", err) < 0 ||
	    account_token_create(options->db, options->env, &request->actor, name, expires_at,
				 token, &record, err) < 0)
		return -1;
	struct jsonw w = api_write(request, 201);
	token_write(&w, &record, token);
	return 0;
}

int api_token_delete(struct api_request *request, struct err *err)
{
	int64_t id;

	if (api_path_number(request, 0, "API token", &id, err) < 0 ||
	    account_token_delete(request->api->options.db, &request->actor, id, err) < 0)
		return -1;
	request->reply.status = 204;
	return 0;
}
