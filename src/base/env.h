/* What the outside world gives Dure besides files and sockets: time, randomness and a log.
 * It is passed in everywhere, so that the whole control plane also runs on a virtual clock from a
 * seed. */
#ifndef DURE_BASE_ENV_H
#define DURE_BASE_ENV_H

#include <stddef.h>
#include <stdint.h>

struct log;

#define USEC_PER_MSEC INT64_C(1000)
#define USEC_PER_SEC INT64_C(1000000)

struct env {
	/* µs since 1970-01-01 UTC; may step when an operator sets the clock. For what is shown. */
	int64_t (*now)(struct env *env);
	/* µs, only ever forward, arbitrary origin. For deadlines and back-off within one process.
	 */
	int64_t (*monotonic)(struct env *env);
	/* Fills `size` bytes with randomness fit for secrets (in the simulator: from the seed). */
	void (*random)(struct env *env, void *data, size_t size);
	struct log *log;
};

/* The real one: CLOCK_REALTIME, CLOCK_MONOTONIC, getrandom. `log` stays the caller's. */
struct env env_system(struct log *log);

static inline int64_t env_now(struct env *env) { return env->now(env); }
static inline int64_t env_monotonic(struct env *env) { return env->monotonic(env); }
static inline void env_random(struct env *env, void *data, size_t size)
{
	env->random(env, data, size);
}

#endif
