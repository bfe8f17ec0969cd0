/* The simulated engine: containers on a virtual clock, with faults drawn from a seed.
 *
 * It keeps to engine.h as a real engine must: what it was told (lost when Dure dies) and what is in
 * the world (stays) are apart. Time moves only in sim_engine_run(). What a container does is said
 * by words in its image's name:
 *   "missing"  the registry does not have it        "badcmd"  its command cannot be executed
 *   "exits"    ends with code 3 some seconds later   "oom"     is killed for memory
 *   "mute"     runs, but its port never answers      else      answers within seconds */
#ifndef DURE_ENGINE_SIM_SIM_H
#define DURE_ENGINE_SIM_SIM_H

#include "base/virtual.h"
#include "engine/engine.h"

/* How often things go wrong, in a thousand of each occasion. All 0: nothing does. */
struct sim_faults {
	int pull_stalls; /* no byte for a long time */
	int pull_fails;  /* disk full, registry away, broken download; tried again */
	int create_fails;
	int start_fails;
	int exits;     /* a healthy container ends by itself */
	int flaps;     /* its port stops answering for a while */
	int vanishes;  /* somebody else removes the container */
	int slow_stop; /* takes minutes to stop */
};

struct sim_options {
	struct virtual_env *env;
	uint64_t seed;
	struct sim_faults faults;
};

/* What is really in the world. */
struct sim_container {
	int64_t ser;
	const char *pod;
	const char *node;
	int gpu_count;
	bool running;
	bool ready;
};

int sim_engine_new(const struct sim_options *options, struct engine **ret_engine, struct err *err);
/* Does everything that is due by the clock. */
void sim_engine_run(struct engine *engine);
/* Clock of the next thing that is due; INT64_MAX when nothing is. */
int64_t sim_engine_next(struct engine *engine);
void sim_engine_set_faults(struct engine *engine, const struct sim_faults *faults);
/* Docker goes away and comes back (containers go on); back, it is synced a moment later. */
void sim_engine_set_reachable(struct engine *engine, bool reachable);
/* Dure dies: what the engine was told is forgotten, what is in the world stays. */
void sim_engine_crash(struct engine *engine);
/* The truth. Containers in `arena`. */
int sim_engine_truth(struct engine *engine, struct arena *arena,
		     struct sim_container **ret_containers, size_t *ret_count, struct err *err);
/* Is anything of the workload in the world: containers or its network? */
bool sim_engine_has(struct engine *engine, int64_t ser);
/* Does the pod's container run and answer right now? */
bool sim_engine_answers(struct engine *engine, const char *pod);

#endif
