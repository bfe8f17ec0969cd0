#include "base/virtual.h"

#include <assert.h>
#include <string.h>

#define VIRTUAL_START_MONOTONIC (1000 * USEC_PER_SEC)
#define VIRTUAL_START_NOW (INT64_C(1780000000) * USEC_PER_SEC) /* in May 2026 */

static int64_t virtual_now(struct env *env)
{
	struct virtual_env *self = (struct virtual_env *)env;

	return self->monotonic + self->wall_ahead;
}

static int64_t virtual_monotonic(struct env *env) { return ((struct virtual_env *)env)->monotonic; }

static void virtual_fill(struct env *env, void *data, size_t size)
{
	struct virtual_env *self = (struct virtual_env *)env;
	unsigned char *out = data;

	while (size > 0) {
		uint64_t word = virtual_random(&self->state);
		size_t part = size < sizeof(word) ? size : sizeof(word);

		memcpy(out, &word, part);
		out += part;
		size -= part;
	}
}

void virtual_env_init(struct virtual_env *virtual_env, uint64_t seed, struct log *log)
{
	*virtual_env = (struct virtual_env){
		.env = { .now = virtual_now,
			 .monotonic = virtual_monotonic,
			 .random = virtual_fill,
			 .log = log },
		.monotonic = VIRTUAL_START_MONOTONIC,
		.wall_ahead = VIRTUAL_START_NOW - VIRTUAL_START_MONOTONIC,
		.state = seed,
	};
}

uint64_t virtual_random(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

int64_t virtual_range(uint64_t *state, int64_t low, int64_t high)
{
	assert(low <= high);
	return low + (int64_t)(virtual_random(state) % ((uint64_t)(high - low) + 1));
}

int virtual_chance(uint64_t *state, int permille)
{
	return virtual_range(state, 0, 999) < permille;
}
