/* What is wanted and what is known; every function here runs under the engine's lock. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/strings.h"
#include "engine/docker/parts.h"

#define PAUSE_MIN_US USEC_PER_SEC
#define PAUSE_MAX_US (30 * USEC_PER_SEC)
#define PROBE_TIMEOUT_MS 1000
#define PROBE_STEADY_MS 1000

struct workload *workload_find(struct docker *docker, int64_t ser)
{
	for (struct workload *at = docker->workloads; at && at->ser <= ser; at = at->next)
		if (at->ser == ser)
			return at;
	return NULL;
}

struct workload *known_workload_get(struct docker *docker, int64_t ser)
{
	struct workload **at = &docker->workloads;

	while (*at && (*at)->ser < ser)
		at = &(*at)->next;
	struct workload *workload = *at;
	if (workload && workload->ser == ser)
		return workload;
	workload = calloc(1, sizeof(*workload));
	if (!workload)
		return NULL;
	workload->ser = ser;
	workload->stop_grace_s = DOCKER_STOP_GRACE_S;
	workload->next = *at;
	*at = workload;
	return workload;
}

struct pod *pod_find(const struct workload *workload, const char *name)
{
	for (struct pod *at = workload->pods; at; at = at->next)
		if (str_equal(at->name, name))
			return at;
	return NULL;
}

struct pod *pod_get(struct workload *workload, const char *name)
{
	struct pod *pod = pod_find(workload, name);

	if (pod || strlen(name) >= sizeof(pod->name))
		return pod;
	pod = calloc(1, sizeof(*pod));
	if (!pod)
		return NULL;
	str_copy(pod->name, sizeof(pod->name), name);
	pod->workload = workload;
	pod->next = workload->pods;
	workload->pods = pod;
	return pod;
}

struct image *image_find(struct docker *docker, const char *reference)
{
	for (struct image *at = docker->images; at; at = at->next)
		if (str_equal(at->reference, reference))
			return at;
	return NULL;
}

struct image *image_get(struct docker *docker, const char *reference)
{
	struct image *image = image_find(docker, reference);

	if (image)
		return image;
	image = calloc(1, sizeof(*image));
	if (image)
		image->reference = strdup(reference);
	if (!image || !image->reference) {
		free(image);
		return NULL;
	}
	image->next = docker->images;
	docker->images = image;
	return image;
}

void task_failed(struct docker *docker, struct task *task, enum engine_trouble trouble,
		 const struct err *err)
{
	int64_t pause = task->pause ? task->pause * 2 : PAUSE_MIN_US;

	task->pause = pause < PAUSE_MAX_US ? pause : PAUSE_MAX_US;
	task->due = env_monotonic(docker->env) + task->pause;
	/* A daemon that is away is the world's trouble, not the object's. */
	if (err->code == ERR_UNAVAILABLE || err->code == ERR_TIMEOUT)
		return;
	task->trouble = trouble;
	free(task->message);
	task->message = strdup(err->message);
}

void task_succeeded(struct task *task)
{
	task->pause = 0;
	task->due = 0;
	task->trouble = ENGINE_TROUBLE_NONE;
	free(task->message);
	task->message = NULL;
}

bool pod_is_wanted(const struct pod *pod)
{
	return pod->wanted && pod->workload->intent == INTENT_WANTED;
}

void pod_watch_port(struct docker *docker, struct pod *pod)
{
	ERR_AUTO(err);

	if (pod->exists && pod->phase == ENGINE_RUNNING && pod->address[0] && pod->port > 0) {
		const struct probe_target target = { .key = pod->name,
						     .address = pod->address,
						     .port = pod->port,
						     .timeout_ms = PROBE_TIMEOUT_MS,
						     .steady_ms = PROBE_STEADY_MS };
		if (prober_set(docker->prober, &target, &err) < 0)
			log_error(docker->env->log, "docker", "pod %s cannot be probed: %s",
				  pod->name, err.message);
	} else {
		prober_remove(docker->prober, pod->name);
	}
}

void pod_forget_container(struct docker *docker, struct pod *pod)
{
	pod->exists = false;
	pod->phase = ENGINE_WAITING;
	pod->id[0] = pod->address[0] = '\0';
	pod->stop_deadline = 0;
	pod->created_at = pod->started_at = pod->finished_at = pod->logged_end = 0;
	pod->exit_code = 0;
	pod->oom_killed = false;
	free(pod->last_log);
	pod->last_log = NULL;
	pod_watch_port(docker, pod);
}

static void pod_free(struct docker *docker, struct pod *pod)
{
	prober_remove(docker->prober, pod->name);
	free(pod->task.message);
	free(pod->last_log);
	free(pod);
}

static void sweep_pods(struct docker *docker, struct workload *workload)
{
	for (struct pod **at = &workload->pods; *at;) {
		struct pod *pod = *at;
		if (pod->task.busy || pod->exists || pod->stale || pod_is_wanted(pod)) {
			at = &pod->next;
			continue;
		}
		*at = pod->next;
		pod_free(docker, pod);
	}
}

static bool image_awaited(const struct docker *docker, const struct image *image)
{
	for (const struct workload *workload = docker->workloads; workload;
	     workload = workload->next)
		for (const struct pod *pod = workload->pods; pod; pod = pod->next)
			if (pod->image_missing && pod_is_wanted(pod) &&
			    str_equal(workload->spec->workload.image, image->reference))
				return true;
	return false;
}

static void sweep_images(struct docker *docker)
{
	for (struct image **at = &docker->images; *at;) {
		struct image *image = *at;
		bool awaited = image_awaited(docker, image);
		if (!awaited && image->puller)
			http_cancel(image->puller);
		if (awaited || image->task.busy) {
			at = &image->next;
			continue;
		}
		*at = image->next;
		free(image->task.message);
		free(image->reference);
		free(image);
	}
}

/* A workload is forgotten when nothing of it is left. While Docker's list is not known, what
 * should be gone is remembered: it may still be there. */
static bool workload_left(const struct docker *docker, const struct workload *workload)
{
	if (workload->pods || workload->network.exists || workload->network.task.busy)
		return true;
	return workload->intent == INTENT_WANTED ||
	       (workload->intent == INTENT_GONE && !docker->listed);
}

void sweep(struct docker *docker)
{
	for (struct workload **at = &docker->workloads; *at;) {
		struct workload *workload = *at;
		sweep_pods(docker, workload);
		if (workload_left(docker, workload)) {
			at = &workload->next;
			continue;
		}
		*at = workload->next;
		spec_release(workload->spec);
		free(workload->network.task.message);
		free(workload);
	}
	sweep_images(docker);
}

void cache_free(struct docker *docker)
{
	for (struct workload *workload = docker->workloads; workload;) {
		struct workload *next = workload->next;
		for (struct pod *pod = workload->pods; pod;) {
			struct pod *next_pod = pod->next;
			pod_free(docker, pod);
			pod = next_pod;
		}
		spec_release(workload->spec);
		free(workload->network.task.message);
		free(workload);
		workload = next;
	}
	docker->workloads = NULL;
	sweep_images(docker);
	assert(!docker->images);
}

/* Observing --------------------------------------------------------------------------------------
 */

/* A pod's trouble is its own, or that of the image or network it waits for. */
static const struct task *troubled_task(const struct pod *pod, const struct image *image)
{

	if (pod->task.trouble != ENGINE_TROUBLE_NONE)
		return &pod->task;
	if (image && image->task.trouble != ENGINE_TROUBLE_NONE)
		return &image->task;
	return &pod->workload->network.task;
}

static enum engine_phase phase_of(const struct pod *pod, const struct image *image)
{
	if (!pod->exists && pod_is_wanted(pod))
		return image && image->task.busy ? ENGINE_PULLING : ENGINE_WAITING;
	if (pod->workload->intent != INTENT_UNTOLD && !pod_is_wanted(pod))
		return ENGINE_REMOVING;
	return pod->phase;
}

static bool fill_state(struct docker *docker, const struct pod *pod, struct arena *arena,
		       struct engine_pod_state *state)
{
	const struct image *image = NULL;

	if (pod->image_missing && pod_is_wanted(pod))
		image = image_find(docker, pod->workload->spec->workload.image);
	const struct task *task = troubled_task(pod, image);
	*state = (struct engine_pod_state){ .ser = pod->workload->ser,
					    .name = arena_strdup(arena, pod->name),
					    .phase = phase_of(pod, image),
					    .created_at = pod->created_at,
					    .started_at = pod->started_at,
					    .finished_at = pod->finished_at,
					    .exit_code = pod->exit_code,
					    .oom_killed = pod->oom_killed,
					    .trouble = task->trouble };
	if (pod->address[0])
		state->address = arena_strdup(arena, pod->address);
	state->ready = state->phase == ENGINE_RUNNING && prober_answers(docker->prober, pod->name);
	if (pod->phase == ENGINE_EXITED && pod->last_log)
		state->last_log = arena_strdup(arena, pod->last_log);
	if (task->trouble != ENGINE_TROUBLE_NONE && task->message)
		state->message = arena_strdup(arena, task->message);
	if (state->phase == ENGINE_PULLING && image) {
		state->pull_done = image->done;
		state->pull_total = image->total;
	}
	return state->name != NULL && (!pod->address[0] || state->address);
}

static int fill_world(struct docker *docker, struct arena *arena, struct engine_world *world,
		      struct err *err)
{
	size_t n_pods = 0, n_sers = 0;

	*world = (struct engine_world){ .reachable = docker->reachable, .synced = docker->listed };
	for (struct workload *at = docker->workloads; at; at = at->next, n_sers++)
		for (struct pod *pod = at->pods; pod; pod = pod->next)
			n_pods++;
	struct engine_pod_state *states = ARENA_ARRAY(arena, n_pods + 1, struct engine_pod_state);
	int64_t *sers = ARENA_ARRAY(arena, n_sers + 1, int64_t);
	if (!states || !sers)
		return err_oom(err);
	world->why = docker->reachable ? NULL : arena_strdup(arena, docker->why);
	for (struct workload *at = docker->workloads; at; at = at->next) {
		sers[world->n_sers++] = at->ser;
		for (struct pod *pod = at->pods; pod; pod = pod->next) {
			world->synced = world->synced && !pod->unseen;
			if (!fill_state(docker, pod, arena, &states[world->n_pods++]))
				return err_oom(err);
		}
	}
	world->pods = states;
	world->sers = sers;
	return 0;
}

int docker_observe(struct engine *engine, struct arena *arena, struct engine_world *ret_world,
		   struct err *err)
{
	struct docker *docker = docker_of(engine);
	struct engine_world world;

	pthread_mutex_lock(&docker->lock);
	int result = fill_world(docker, arena, &world, err);
	pthread_mutex_unlock(&docker->lock);
	if (result == 0)
		*ret_world = world;
	return result;
}
