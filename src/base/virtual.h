/* A virtual environment: a clock that moves when it is told to, and randomness from a seed. The
 * whole control plane runs on it in the simulator. */
#ifndef DURE_BASE_VIRTUAL_H
#define DURE_BASE_VIRTUAL_H

#include <stdint.h>

#include "base/env.h"

struct virtual_env {
	struct env env;     /* first member: what is handed to everybody */
	int64_t monotonic;  /* µs */
	int64_t wall_ahead; /* now() − monotonic(); an operator who sets the clock changes it */
	uint64_t state;     /* of the generator behind env.random */
};

/* Starts at some moment of 2026 with the given seed. */
void virtual_env_init(struct virtual_env *virtual_env, uint64_t seed, struct log *log);

/* A generator of one's own, so that one part's draws do not shift another's (SplitMix64). */
uint64_t virtual_random(uint64_t *state);
/* Uniform in [low, high]. */
int64_t virtual_range(uint64_t *state, int64_t low, int64_t high);
/* True `permille` times of a thousand. */
int virtual_chance(uint64_t *state, int permille);

#endif
