/* HAProxy's command sockets: one command a connection, so that an answer is never another's. */
#ifndef DURE_GATEWAY_HAPROXY_CLI_H
#define DURE_GATEWAY_HAPROXY_CLI_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

/* Sends `command`, reads the whole answer into `answer` (cleared first). Bounded in time and size.
 */
int cli_ask(const char *socket_path, const char *command, struct buf *answer, struct err *err);
/* The same in printf form for a command whose answer must be empty, or contain `success`. */
int cli_do(const char *socket_path, const char *success, struct err *err, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* "Name: value" lines of `show info`: the worker's pid and the node name of its configuration. */
int cli_info(const char *socket_path, pid_t *ret_worker, char *node, size_t node_size,
	     struct err *err);

struct cli_server {
	const char *backend;
	const char *name;
	const char *address; /* NULL in `show stat` */
	uint16_t port;
	bool up;
	bool drain;
	bool maint;
	int64_t sessions;
};

/* The next server of an answer of `show servers state` or `show stat -1 4 -1`; the strings point
 * into the answer, which is cut up. Start with `*cursor` = answer.data. False at the end. */
bool cli_next_state(char **cursor, struct cli_server *ret_server);
/* The same of `show servers conn`, which, unlike `show stat`, also tells of a worker that is
 * leaving.
 */
bool cli_next_conn(char **cursor, struct cli_server *ret_server);
/* The next session of `show sess` that a server of this backend carries: its id. */
bool cli_next_session(char **cursor, const char *backend, const char *server, const char **ret_id);
bool cli_next_stat(char **cursor, struct cli_server *ret_server);
/* The next entry of `show map`. */
bool cli_next_map(char **cursor, const char **ret_key, const char **ret_value);
/* The next worker that is leaving, of the master's `show proc`. Cursor as above. */
bool cli_next_old_worker(char **cursor, pid_t *ret_pid);

#endif
