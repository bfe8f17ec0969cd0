/* POST, GET, DELETE /session and PUT /account/password. */
#include <inttypes.h>
#include <stdio.h>

#include "api/internal.h"
#include "base/limits.h"
#include "base/strings.h"

#define LOGIN_CHARACTERS 128

static void account_write(struct jsonw *w, const struct actor *actor)
{
	jsonw_object(w);
	jsonw_kv_int(w, "id", actor->account_id);
	jsonw_kv_string(w, "login", actor->login);
	jsonw_kv_string(w, "role", account_role_name(actor->role));
	jsonw_object_end(w);
}

static void set_cookie(struct api_request *request, const char *token, int64_t seconds)
{
	char *text = arena_printf(request->arena,
				  API_COOKIE "=%s; Path=/; HttpOnly; SameSite=Strict; "
					     "Max-Age=%" PRId64,
				  token, seconds);
	if (text)
		api_header(request, "Set-Cookie", text);
	else
		request->reply.text.failed = true;
}

int api_session_create(struct api_request *request, struct err *err)
{
	static const char *const keys[] = { "login", "password", NULL };
	const struct api_options *options = &request->api->options;
	const char *login = NULL, *password = NULL;
	char token[ACCOUNT_TOKEN_SIZE];
	FIELDS_AUTO(fields);
	struct fields_object in = { &fields, request->json, "" };

	(void)fields_string(&in, "login", true, 1, LOGIN_CHARACTERS, &login);
	(void)fields_string(&in, "password", true, 1, LIMIT_PASSWORD_BYTES, &password);
	fields_known(&in, keys);
	if (fields_finish(&fields, "login", err) < 0 ||
	    account_login(options->db, options->env, login, password, token, &request->actor, err) <
		    0)
		return -1;
	struct jsonw w = api_write(request, 200);
	account_write(&w, &request->actor);
	set_cookie(request, token, LIMIT_SESSION_SECONDS);
	return 0;
}

int api_session_get(struct api_request *request, struct err *err)
{
	struct jsonw w = api_write(request, 200);

	(void)err;
	account_write(&w, &request->actor);
	return 0;
}

int api_session_delete(struct api_request *request, struct err *err)
{
	if (str_empty(request->actor.session_hash))
		return err_set(err, ERR_STATE,
			       "there is no session to end: the request came with an API token");
	if (account_logout(request->api->options.db, &request->actor, err) < 0)
		return -1;
	set_cookie(request, "", 0);
	request->reply.status = 204;
	return 0;
}

int api_account_password_change(struct api_request *request, struct err *err)
{
	static const char *const keys[] = { "old_password", "new_password", NULL };
	const struct api_options *options = &request->api->options;
	const char *old = NULL, *new = NULL;
	FIELDS_AUTO(fields);
	struct fields_object in = { &fields, request->json, "" };

	(void)fields_string(&in, "old_password", true, 1, LIMIT_PASSWORD_BYTES, &old);
	(void)fields_string(&in, "new_password", true, LIMIT_PASSWORD_CHARACTERS_MIN,
			    LIMIT_PASSWORD_BYTES, &new);
	fields_known(&in, keys);
	if (fields_finish(&fields, "change of password", err) < 0 ||
	    account_password_change(options->db, options->env, &request->actor, old, new, err) < 0)
		return -1;
	request->reply.status = 204;
	return 0;
}
