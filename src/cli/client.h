/* HTTP client of the API: one server, one connection, JSON both ways. */
#ifndef DURE_CLI_CLIENT_H
#define DURE_CLI_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct client;

#define CLIENT_CONNECT_TIMEOUT_S 5
#define CLIENT_TIMEOUT_S 60

/* `url`: http(s)://host[:port][/prefix]; `token` NULL: nobody. `timeout_s`: of a whole request. */
int client_new(const char *url, const char *token, int64_t timeout_s, struct client **ret_client,
	       struct err *err);
struct client *client_free(struct client *client); /* takes NULL, returns NULL */

/* `path` below /api/v1, escaped, with its query. `body` NULL: none. *ret_answer (caller's) is NULL
 * for 204; `ret_answer` itself may be NULL. Errors: what the API answered has extra "problem", the
 * document, with its "status"; without it ERR_UNAVAILABLE and ERR_TIMEOUT are the network's,
 * ERR_INTERNAL an answer that is not the API's, ERR_INVALID a URL that is none. Redirects are not
 * followed: a token goes nowhere but to the server it was meant for. */
int client_call(struct client *client, const char *method, const char *path, const json_t *body,
		json_t **ret_answer, struct err *err);

bool client_has_token(const struct client *client);
const char *client_url(const struct client *client);
/* From now on calls carry the session cookie that the last answers set instead of the token. False
 * when none came. */
bool client_use_session(struct client *client);

#endif
