/* Who asks: a Bearer token, or the session's cookie. */
#include <string.h>
#include <strings.h>

#include "api/internal.h"
#include "base/strings.h"

/* The value of our cookie among the others; NULL when it is not there or too long to be one. */
static bool cookie_value(const char *cookies, char out[ACCOUNT_TOKEN_SIZE])
{
	size_t name = strlen(API_COOKIE);

	while (cookies && *cookies) {
		cookies += strspn(cookies, " ;\t");
		size_t length = strcspn(cookies, ";");
		if (length > name && strncmp(cookies, API_COOKIE, name) == 0 &&
		    cookies[name] == '=' && length - name - 1 < ACCOUNT_TOKEN_SIZE) {
			memcpy(out, cookies + name + 1, length - name - 1);
			out[length - name - 1] = '\0';
			return true;
		}
		cookies += length;
	}
	return false;
}

static int find_token(struct api_request *request, char token[ACCOUNT_TOKEN_SIZE], struct err *err)
{
	const char *given = request->authorization;

	if (!given) {
		request->by_cookie = cookie_value(request->cookie, token);
		if (request->by_cookie)
			return 0;
		return err_set(err, ERR_UNAUTHENTICATED,
			       "log in first: neither an API token nor a session came with the "
			       "request");
	}
	if (strncasecmp(given, "Bearer ", 7) != 0)
		return err_set(err, ERR_UNAUTHENTICATED,
			       "Authorization must be \"Bearer\" and an API token");
	given += 7;
	given += strspn(given, " ");
	if (strlen(given) >= ACCOUNT_TOKEN_SIZE)
		return err_set(err, ERR_UNAUTHENTICATED, "this is not an API token of Dure's");
	str_copy(token, ACCOUNT_TOKEN_SIZE, given);
	return 0;
}

int api_authenticate(struct api_request *request, struct err *err)
{
	struct api *api = request->api;
	struct env *env = api->options.env;
	char token[ACCOUNT_TOKEN_SIZE];

	if (find_token(request, token, err) < 0)
		return -1;
	uint64_t version = db_version(api->options.db);
	if (api_tokens_get(api->tokens, token, version, env_now(env), &request->actor))
		return 0;
	if (account_authenticate(api->options.db, env, token, &request->actor, err) < 0)
		return -1;
	api_tokens_put(api->tokens, token, version, &request->actor);
	return 0;
}

/* A browser sends the cookie along with what other sites make it send, but those cannot set a
 * header or a JSON content type without our leave. */
int api_check_origin(const struct api_request *request, struct err *err)
{
	if (!request->by_cookie || request->operation->method == API_GET ||
	    (request->operation->flags & API_BODY) || request->csrf)
		return 0;
	return err_set(err, ERR_FORBIDDEN,
		       "a change by cookie needs the header X-Dure-Request or a JSON body");
}
