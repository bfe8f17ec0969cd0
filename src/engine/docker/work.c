/* Workers: look for the object whose next step is due, take the step, look again. */
#include <stdio.h>
#include <sys/prctl.h>
#include <time.h>

#include "engine/docker/parts.h"

enum step {
	STEP_NONE,
	STEP_INSPECT,
	STEP_CREATE,
	STEP_START,
	STEP_STOP,
	STEP_REMOVE,
};

void network_name(const struct docker *docker, int64_t ser, char *out, size_t size)
{
	(void)snprintf(out, size, "dure-%s-%lld", docker->instance, (long long)ser);
}

static enum step ending_step(const struct pod *pod, int64_t *due)
{
	if (!pod->exists)
		return STEP_NONE;
	if (pod->phase != ENGINE_RUNNING)
		return STEP_REMOVE;
	if (pod->stop_deadline == 0)
		return STEP_STOP;
	if (*due < pod->stop_deadline)
		*due = pod->stop_deadline;
	return STEP_REMOVE;
}

/* What the pod needs next, and when. Depends on the pod and its workload alone. */
static enum step pod_step(const struct pod *pod, int64_t *ret_due)
{
	*ret_due = pod->task.due;
	if (pod->stale)
		return STEP_INSPECT;
	if (pod->workload->intent == INTENT_UNTOLD)
		return STEP_NONE;
	if (!pod_is_wanted(pod))
		return ending_step(pod, ret_due);
	if (!pod->exists)
		return pod->image_missing ? STEP_NONE : STEP_CREATE;
	if (!pod->workload->network.exists)
		return STEP_NONE;
	if (pod->phase == ENGINE_CREATED)
		return STEP_START;
	if (pod->phase == ENGINE_EXITED && pod->restart_past > 0 &&
	    pod->finished_at <= pod->restart_past)
		return STEP_START;
	return STEP_NONE;
}

static void pod_take(struct worker *worker, struct pod *pod, enum step step)
{
	switch (step) {
	case STEP_NONE: break;
	case STEP_INSPECT: pod_inspect(worker, pod); break;
	case STEP_CREATE: pod_create(worker, pod); break;
	case STEP_START: pod_start(worker, pod); break;
	case STEP_STOP: pod_stop(worker, pod); break;
	case STEP_REMOVE: pod_remove(worker, pod); break;
	}
}

/* What a worker has found to do. */
struct job {
	struct pod *pod;
	enum step step;
	struct workload *network;
	struct image *image;
	int64_t next; /* nothing due: when something will be */
};

static bool is_due(struct job *job, const struct task *task, int64_t due, int64_t now)
{
	if (task->busy)
		return false;
	if (due <= now)
		return true;
	if (due < job->next)
		job->next = due;
	return false;
}

static bool wants_network(const struct workload *workload)
{
	const struct network *network = &workload->network;

	if (workload->intent == INTENT_GONE)
		return network->exists && !workload->pods;
	if (workload->intent != INTENT_WANTED || network->exists)
		return false;
	for (const struct pod *pod = workload->pods; pod; pod = pod->next)
		if (pod->wanted)
			return true;
	return false;
}

static bool find_job(struct docker *docker, int64_t now, struct job *job)
{
	for (struct workload *workload = docker->workloads; workload; workload = workload->next) {
		struct task *task = &workload->network.task;
		if (wants_network(workload) && is_due(job, task, task->due, now)) {
			job->network = workload;
			return true;
		}
		for (struct pod *pod = workload->pods; pod; pod = pod->next) {
			int64_t due = 0;
			enum step step = pod_step(pod, &due);
			if (step != STEP_NONE && is_due(job, &pod->task, due, now)) {
				job->pod = pod;
				job->step = step;
				return true;
			}
		}
	}
	return false;
}

static bool find_pull(struct docker *docker, int64_t now, struct job *job)
{
	for (struct image *image = docker->images; image; image = image->next)
		if (is_due(job, &image->task, image->task.due, now)) {
			job->image = image;
			return true;
		}
	return false;
}

/* Step after step of one pod without a detour: create, start, inspect are one way. */
static void work_on_pod(struct worker *worker, struct pod *pod, enum step step)
{
	struct docker *docker = worker->docker;

	while (step != STEP_NONE && !atomic_load(&docker->stop)) {
		int64_t due = 0;
		pod->task.busy = true;
		pthread_mutex_unlock(&docker->lock);
		pod_take(worker, pod, step);
		docker_wake(docker);
		pthread_mutex_lock(&docker->lock);
		step = pod_step(pod, &due);
		if (due > env_monotonic(docker->env) || !docker->listed)
			step = STEP_NONE;
	}
	pod->task.busy = false;
}

static void work_on_network(struct worker *worker, struct workload *workload)
{
	struct docker *docker = worker->docker;

	workload->network.task.busy = true;
	bool gone = workload->intent == INTENT_GONE;
	pthread_mutex_unlock(&docker->lock);
	if (gone)
		network_remove(worker, workload);
	else
		network_create(worker, workload);
	pthread_mutex_lock(&docker->lock);
	workload->network.task.busy = false;
}

static void work_on_image(struct worker *worker, struct image *image)
{
	struct docker *docker = worker->docker;

	http_arm(worker->http);
	image->puller = worker->http;
	image->task.busy = true;
	pthread_mutex_unlock(&docker->lock);
	image_pull(worker, image);
	pthread_mutex_lock(&docker->lock);
	image->task.busy = false;
	image->puller = NULL;
	http_arm(worker->http);
}

static void wait_for_change(struct docker *docker, int64_t until)
{
	if (until == INT64_MAX) {
		pthread_cond_wait(&docker->changed, &docker->lock);
		return;
	}
	struct timespec time = { (time_t)(until / USEC_PER_SEC),
				 (long)(until % USEC_PER_SEC * 1000) };
	pthread_cond_timedwait(&docker->changed, &docker->lock, &time);
}

void *work_run(void *context)
{
	struct worker *worker = context;
	struct docker *docker = worker->docker;

	(void)prctl(PR_SET_NAME, worker->pulls ? "docker-pull" : "docker-work");
	pthread_mutex_lock(&docker->lock);
	while (!atomic_load(&docker->stop)) {
		struct job job = { .next = INT64_MAX };
		int64_t now = env_monotonic(docker->env);
		bool found = docker->listed && (worker->pulls ? find_pull(docker, now, &job)
							      : find_job(docker, now, &job));
		if (!found) {
			wait_for_change(docker, job.next);
			continue;
		}
		if (job.pod)
			work_on_pod(worker, job.pod, job.step);
		else if (job.network)
			work_on_network(worker, job.network);
		else
			work_on_image(worker, job.image);
		sweep(docker);
		pthread_cond_broadcast(&docker->changed);
		pthread_mutex_unlock(&docker->lock);
		docker_wake(docker);
		pthread_mutex_lock(&docker->lock);
	}
	pthread_mutex_unlock(&docker->lock);
	return NULL;
}
