/* How simulated containers live: pull, create, start, answer, end, stop. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/strings.h"
#include "engine/sim/world.h"

static int64_t after(struct sim *sim, int64_t low_ms, int64_t high_ms)
{
	return sim->env->monotonic + virtual_range(&sim->random, low_ms, high_ms) * USEC_PER_MSEC;
}

static int64_t wall(const struct sim *sim) { return env_now(&sim->env->env); }

static bool image_says(const struct sim_pod *pod, const char *word)
{
	return strstr(pod->image, word) != NULL;
}

static bool image_fetched(const struct sim *sim, const char *image)
{
	for (size_t i = 0; i < sim->n_images; i++) {
		if (str_equal(sim->images[i], image))
			return true;
	}
	return false;
}

static void image_keep(struct sim *sim, const char *image)
{
	if (image_fetched(sim, image))
		return;
	void *bigger = realloc(sim->images, (sim->n_images + 1) * sizeof(*sim->images));
	if (!bigger)
		return; /* then it is fetched once more */
	sim->images = bigger;
	str_copy(sim->images[sim->n_images++], SIM_IMAGE, image);
}

static void trouble(struct sim *sim, struct sim_pod *pod, enum engine_trouble what,
		    const char *message)
{
	pod->trouble = what;
	pod->message = message;
	pod->step_at = engine_trouble_permanent(what) ? SIM_NEVER : after(sim, 2000, 10000);
	sim_wake(sim);
}

static void calm(struct sim_pod *pod)
{
	pod->trouble = ENGINE_TROUBLE_NONE;
	pod->message = NULL;
}

static void begin(struct sim *sim, struct sim_pod *pod)
{
	if (image_says(pod, "missing")) {
		trouble(sim, pod, ENGINE_TROUBLE_IMAGE_NOT_FOUND, "manifest unknown");
		return;
	}
	calm(pod);
	if (image_fetched(sim, pod->image)) {
		pod->phase = ENGINE_CREATED;
		if (virtual_chance(&sim->random, sim->faults.create_fails)) {
			pod->phase = ENGINE_WAITING;
			trouble(sim, pod, ENGINE_TROUBLE_CREATE_FAILED, "no space for a layer");
			return;
		}
		pod->exists = true;
		pod->created_at = wall(sim);
		pod->step_at = after(sim, 5, 200);
	} else {
		pod->phase = ENGINE_PULLING;
		pod->pull_done = 0;
		pod->pull_total = virtual_range(&sim->random, 1, 5) * 1000000;
		pod->step_at = after(sim, 50, 500);
	}
	sim_wake(sim);
}

static void pull(struct sim *sim, struct sim_pod *pod)
{
	static const struct {
		enum engine_trouble trouble;
		const char *message;
	} failures[] = {
		{ ENGINE_TROUBLE_PULL_FAILED, "unexpected EOF" },
		{ ENGINE_TROUBLE_REGISTRY_UNREACHABLE, "dial tcp: i/o timeout" },
		{ ENGINE_TROUBLE_DISK_FULL, "no space left on device" },
	};

	if (virtual_chance(&sim->random, sim->faults.pull_fails)) {
		size_t i = (size_t)virtual_range(&sim->random, 0, 2);

		pod->phase = ENGINE_WAITING;
		trouble(sim, pod, failures[i].trouble, failures[i].message);
		return;
	}
	pod->pull_done += 1000000;
	pod->step_at = after(sim, 50, 3000);
	if (virtual_chance(&sim->random, sim->faults.pull_stalls))
		pod->step_at = after(sim, 100000, 900000);
	if (pod->pull_done >= pod->pull_total) {
		image_keep(sim, pod->image);
		pod->phase = ENGINE_WAITING;
		pod->step_at = after(sim, 1, 10);
	}
	sim_wake(sim);
}

static void plan_life(struct sim *sim, struct sim_pod *pod)
{
	pod->ready_at = image_says(pod, "mute") ? SIM_NEVER : after(sim, 10, 4000);
	pod->unready_at = pod->exit_at = pod->vanish_at = SIM_NEVER;
	if (image_says(pod, "exits") || image_says(pod, "oom"))
		pod->exit_at = after(sim, 100, 8000);
	else if (virtual_chance(&sim->random, sim->faults.exits))
		pod->exit_at = after(sim, 10, 200000);
	if (virtual_chance(&sim->random, sim->faults.flaps))
		pod->unready_at = after(sim, 5000, 100000);
	if (virtual_chance(&sim->random, sim->faults.vanishes))
		pod->vanish_at = after(sim, 100, 100000);
}

static void start(struct sim *sim, struct sim_pod *pod)
{
	if (image_says(pod, "badcmd")) {
		trouble(sim, pod, ENGINE_TROUBLE_COMMAND_INVALID,
			"exec: no such file or directory");
		return;
	}
	if (virtual_chance(&sim->random, sim->faults.start_fails)) {
		trouble(sim, pod, ENGINE_TROUBLE_START_FAILED, "OCI runtime create failed");
		return;
	}
	calm(pod);
	pod->phase = ENGINE_RUNNING;
	pod->ready = false;
	pod->started_at = wall(sim);
	pod->finished_at = 0;
	pod->step_at = SIM_NEVER;
	/* Another start, another address. */
	sim->addresses++;
	(void)snprintf(pod->address, sizeof(pod->address), "10.213.%u.%u",
		       sim->addresses / 250 % 250, sim->addresses % 250 + 2);
	plan_life(sim, pod);
	sim_wake(sim);
}

static void no_life(struct sim_pod *pod)
{
	pod->ready = false;
	pod->ready_at = pod->unready_at = pod->exit_at = pod->vanish_at = SIM_NEVER;
}

static void end(struct sim *sim, struct sim_pod *pod)
{
	no_life(pod);
	pod->phase = ENGINE_EXITED;
	pod->finished_at = wall(sim);
	pod->oom_killed = image_says(pod, "oom");
	pod->exit_code = pod->oom_killed ? 137 : 3;
	pod->step_at = SIM_NEVER;
	sim_wake(sim);
}

static void vanish(struct sim *sim, struct sim_pod *pod)
{
	no_life(pod);
	pod->exists = false;
	pod->phase = ENGINE_WAITING;
	pod->created_at = pod->started_at = pod->finished_at = 0;
	pod->step_at = after(sim, 10, 100);
	sim_wake(sim);
}

/* Being removed: stop with grace, then it is no more. */
static void take_down(struct sim *sim, struct sim_pod *pod)
{
	if (!pod->exists || pod->phase == ENGINE_REMOVING) {
		no_life(pod);
		pod->exists = false;
		pod->doomed = false;
		pod->step_at = SIM_NEVER;
		sim_wake(sim);
		return;
	}
	bool slow = virtual_chance(&sim->random, sim->faults.slow_stop);
	pod->phase = ENGINE_REMOVING;
	no_life(pod);
	pod->step_at = slow ? after(sim, 60000, 300000) : after(sim, 10, 3000);
	sim_wake(sim);
}

/* The engine's next step, if it can be reached to take it. */
static void step(struct sim *sim, struct sim_pod *pod)
{
	if (pod->doomed) {
		take_down(sim, pod);
	} else if (pod->wanted) {
		switch (pod->phase) {
		case ENGINE_WAITING: begin(sim, pod); break;
		case ENGINE_PULLING: pull(sim, pod); break;
		case ENGINE_CREATED:
		case ENGINE_EXITED: start(sim, pod); break;
		default: pod->step_at = SIM_NEVER; break;
		}
	} else {
		pod->step_at = SIM_NEVER;
	}
}

void sim_pod_run(struct sim *sim, struct sim_pod *pod)
{
	int64_t clock = sim->env->monotonic;

	if (pod->step_at <= clock && sim->reachable)
		step(sim, pod);
	if (pod->ready_at <= clock) {
		pod->ready = true;
		pod->ready_at = SIM_NEVER;
		sim_wake(sim);
	}
	if (pod->unready_at <= clock) {
		pod->ready = false;
		pod->unready_at = SIM_NEVER;
		pod->ready_at = after(sim, 100, 20000);
		sim_wake(sim);
	}
	if (pod->exit_at <= clock)
		end(sim, pod);
	if (pod->vanish_at <= clock)
		vanish(sim, pod);
}

static int64_t earlier(int64_t a, int64_t b) { return a < b ? a : b; }

int64_t sim_pod_next(const struct sim *sim, const struct sim_pod *pod)
{
	int64_t next = sim->reachable ? pod->step_at : SIM_NEVER;

	next = earlier(next, earlier(pod->ready_at, pod->unready_at));
	return earlier(next, earlier(pod->exit_at, pod->vanish_at));
}

bool sim_pod_over(const struct sim_pod *pod)
{
	return !pod->exists && !pod->wanted && !pod->doomed;
}
