/* Named failure points. Compiled in only with -DDURE_FAILPOINTS (debug and test builds).
 *
 *     if (FAILPOINT(reconcile_after_ensure)) return err_set(err, ERR_INTERNAL, "failpoint");
 *
 * In the daemon, DURE_FAILPOINT="name=kill|error|pause:<ms>[@n]" arms one: at its n-th passing
 * (default first) the process kills itself with SIGKILL, or FAILPOINT is true once, or it sleeps.
 * In the simulator the hook of failpoint_set_hook() decides. A point must stand in the table. */
#ifndef DURE_BASE_FAILPOINT_H
#define DURE_BASE_FAILPOINT_H

#include <stdbool.h>

#define FAILPOINTS(X)                                                                              \
	X(deploy_before_commit)                                                                    \
	X(deploy_after_commit)                                                                     \
	X(terminate_after_commit)                                                                  \
	X(reconcile_before_observe)                                                                \
	X(reconcile_before_write)                                                                  \
	X(reconcile_after_write)                                                                   \
	X(reconcile_after_gateway)                                                                 \
	X(reconcile_after_ensure)                                                                  \
	X(docker_before_network)                                                                   \
	X(docker_after_network)                                                                    \
	X(docker_before_create)                                                                    \
	X(docker_after_create)                                                                     \
	X(docker_after_start)                                                                      \
	X(docker_before_stop)                                                                      \
	X(docker_after_stop)                                                                       \
	X(docker_after_remove)                                                                     \
	X(docker_after_network_remove)                                                             \
	X(gateway_before_sync)                                                                     \
	X(gateway_after_server_add)                                                                \
	X(gateway_after_map_add)                                                                   \
	X(gateway_after_server_remove)

enum failpoint {
#define X(name) FAILPOINT_##name,
	FAILPOINTS(X)
#undef X
		FAILPOINT_COUNT
};

const char *failpoint_name(enum failpoint point);

#ifdef DURE_FAILPOINTS
typedef bool failpoint_hook(void *context, enum failpoint point);
/* Replaces the environment's rule; NULL restores it. Not while other threads pass points. */
void failpoint_set_hook(failpoint_hook *hook, void *context);
bool failpoint_passed(enum failpoint point);
#define FAILPOINT(name) failpoint_passed(FAILPOINT_##name)
#else
#define FAILPOINT(name) (false)
#endif

#endif
