/* The simulated world's objects, shared by its two files: sim.c (the seam) and world.c (time). */
#ifndef DURE_ENGINE_SIM_WORLD_H
#define DURE_ENGINE_SIM_WORLD_H

#include "engine/sim/sim.h"

#define SIM_NAME 64
#define SIM_IMAGE 256
#define SIM_MAGIC 0x73696d65U
#define SIM_NEVER INT64_MAX

struct sim_pod {
	int64_t ser;
	char name[SIM_NAME], node[SIM_NAME], image[SIM_IMAGE];
	int gpu_count;
	/* What the engine was told; lost with Dure. */
	bool wanted, doomed; /* doomed: told to remove it */
	int64_t restart_past;
	/* What is in the world. */
	bool exists; /* the container */
	enum engine_phase phase;
	bool ready;
	char address[24];
	int64_t created_at, started_at, finished_at;
	int exit_code;
	bool oom_killed;
	enum engine_trouble trouble;
	const char *message;
	int64_t pull_done, pull_total;
	/* When what comes next. */
	int64_t step_at;    /* the next step of making, starting or removing it */
	int64_t ready_at;   /* its port starts answering */
	int64_t unready_at; /* … and stops */
	int64_t exit_at;    /* it ends */
	int64_t vanish_at;
};

struct sim_workload {
	int64_t ser;
	bool ensured, doomed;
	bool network;
	int64_t step_at; /* removal of the network */
};

struct sim {
	struct engine engine;
	unsigned magic;
	struct virtual_env *env;
	uint64_t random;
	struct sim_faults faults;
	struct sim_pod *pods;
	size_t n_pods;
	struct sim_workload *workloads;
	size_t n_workloads;
	char (*images)[SIM_IMAGE]; /* fetched already */
	size_t n_images;
	bool reachable, synced;
	int64_t synced_at;
	unsigned addresses; /* given out */
	engine_wake *wake;
	void *wake_context;
};

void sim_wake(struct sim *sim);
/* One pod, one workload: everything due now. */
void sim_pod_run(struct sim *sim, struct sim_pod *pod);
int64_t sim_pod_next(const struct sim *sim, const struct sim_pod *pod);
/* Has nothing of it been told or left? Then its record goes. */
bool sim_pod_over(const struct sim_pod *pod);

#endif
