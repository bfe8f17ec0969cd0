#include "base/env.h"

#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

static int64_t clock_us(clockid_t clock)
{
	struct timespec now;

	if (clock_gettime(clock, &now) != 0)
		abort(); /* the clocks asked for always exist on Linux */
	return (int64_t)now.tv_sec * USEC_PER_SEC + now.tv_nsec / 1000;
}

static int64_t system_now(struct env *env)
{
	(void)env;
	return clock_us(CLOCK_REALTIME);
}

static int64_t system_monotonic(struct env *env)
{
	(void)env;
	return clock_us(CLOCK_MONOTONIC);
}

static void system_random(struct env *env, void *data, size_t size)
{
	unsigned char *at = data;

	(void)env;
	while (size > 0) {
		ssize_t got = getrandom(at, size, 0);
		if (got < 0)
			continue; /* EINTR is the only way; after boot it never blocks */
		at += got;
		size -= (size_t)got;
	}
}

struct env env_system(struct log *log)
{
	return (struct env){ system_now, system_monotonic, system_random, log };
}
