/* Keeps the cache true: lists what carries our label, then follows Docker's events, and lists again
 * every 30 s and after every interruption. It only marks pods as stale; workers inspect them, so
 * that news about a pod and steps on it never run side by side. */
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/strings.h"
#include "engine/docker/parts.h"

#define LIST_MS 20000
#define EVENTS_MS 30000
/* Just connected: what a killed Dure had asked for may still come into being, and networks come
 * without events, so the first lists follow soon upon each other. */
#define EVENTS_FIRST_MS 2000
#define FIRST_LISTS 4
#define PAUSE_MIN_US (100 * USEC_PER_MSEC)
#define PAUSE_MAX_US (2 * USEC_PER_SEC)

static int64_t number_of(const json_t *labels, const char *key)
{
	int64_t value = 0;

	if (str_to_int64(json_string_value(json_object_get(labels, key)), 1, INT64_MAX, &value) < 0)
		return 0;
	return value;
}

/* The pod that an object's labels name; made when it is new. NULL: not a pod of ours. */
static struct pod *pod_of_labels(struct docker *docker, const json_t *labels)
{
	const char *name = json_string_value(json_object_get(labels, LABEL_POD));
	const char *instance = json_string_value(json_object_get(labels, LABEL_INSTANCE));
	int64_t ser = number_of(labels, LABEL_SER);

	if (!name || ser == 0 || !str_equal(instance, docker->instance))
		return NULL;
	struct workload *workload = known_workload_get(docker, ser);
	return workload ? pod_get(workload, name) : NULL;
}

/* Listing ----------------------------------------------------------------------------------------
 */

static int get_list(struct worker *worker, const char *path, json_t **ret_list, struct err *err)
{
	BUF_AUTO full = BUF_INIT(1024);
	char filter[128];

	(void)snprintf(filter, sizeof(filter), "{\"label\":[\"%s=%s\"]}", LABEL_INSTANCE,
		       worker->docker->instance);
	buf_puts(&full, path);
	http_escape(&full, filter);
	if (full.failed)
		return err_oom(err);
	const struct http_request request = { .method = "GET",
					      .path = full.data,
					      .timeout_ms = LIST_MS };
	return http_call_json(worker->http, &request, ret_list, err);
}

/* A summary that says what is known changes nothing; anything else is inspected. */
static void apply_container(struct docker *docker, const json_t *container, bool anew)
{
	const char *state = json_string_value(json_object_get(container, "State"));
	const char *id = json_string_value(json_object_get(container, "Id"));
	struct pod *pod = pod_of_labels(docker, json_object_get(container, "Labels"));

	if (!pod)
		return;
	pod->listed = true;
	bool same = pod->exists && str_equal(pod->id, id) &&
		    str_equal(state, engine_phase_word(pod->phase));
	if (anew || !same)
		pod->stale = true;
}

static void apply_containers(struct docker *docker, const json_t *containers, bool anew)
{
	json_t *container;
	size_t i;

	for (struct workload *at = docker->workloads; at; at = at->next)
		for (struct pod *pod = at->pods; pod; pod = pod->next)
			pod->listed = false;
	json_array_foreach(containers, i, container) apply_container(docker, container, anew);
	for (struct workload *at = docker->workloads; at; at = at->next) {
		for (struct pod *pod = at->pods; pod; pod = pod->next) {
			if (pod->exists && !pod->listed)
				pod->stale = true;
			if (anew) {
				pod->task.due = 0;
				pod->unseen = pod->stale;
			}
		}
	}
}

static void apply_networks(struct docker *docker, const json_t *networks)
{
	json_t *item;
	size_t i;

	for (struct workload *at = docker->workloads; at; at = at->next)
		at->network.listed = false;
	json_array_foreach(networks, i, item)
	{
		int64_t ser = number_of(json_object_get(item, "Labels"), LABEL_SER);
		struct workload *workload = ser > 0 ? known_workload_get(docker, ser) : NULL;
		const char *id = json_string_value(json_object_get(item, "Id"));
		if (!workload || !id)
			continue;
		workload->network.listed = true;
		if (workload->network.task.busy)
			continue;
		workload->network.exists = true;
		str_copy(workload->network.id, sizeof(workload->network.id), id);
	}
	for (struct workload *at = docker->workloads; at; at = at->next)
		if (!at->network.listed && !at->network.task.busy)
			at->network.exists = false;
}

static int list_all(struct worker *worker, struct err *err)
{
	struct docker *docker = worker->docker;
	json_t *containers = NULL, *networks = NULL;

	int result = get_list(worker, "/containers/json?all=true&filters=", &containers, err);
	if (result == 0)
		result = get_list(worker, "/networks?filters=", &networks, err);
	if (result == 0) {
		pthread_mutex_lock(&docker->lock);
		apply_containers(docker, containers, !docker->listed);
		apply_networks(docker, networks);
		docker->reachable = docker->listed = true;
		docker->why[0] = '\0';
		sweep(docker);
		pthread_cond_broadcast(&docker->changed);
		pthread_mutex_unlock(&docker->lock);
		docker_wake(docker);
	}
	json_decref(containers);
	json_decref(networks);
	return result;
}

/* Following --------------------------------------------------------------------------------------
 */

struct stream {
	struct docker *docker;
	struct buf line;
};

static void take_event(struct docker *docker, const json_t *event)
{
	const char *action = json_string_value(json_object_get(event, "Action"));
	const json_t *labels = json_object_get(json_object_get(event, "Actor"), "Attributes");
	static const char *const telling[] = { "create", "start", "die",     "destroy",
					       "oom",    "pause", "unpause", "rename" };
	bool tells = false;

	for (size_t i = 0; action && i < sizeof(telling) / sizeof(telling[0]); i++)
		tells = tells || str_equal(action, telling[i]);
	if (!tells)
		return;
	pthread_mutex_lock(&docker->lock);
	struct pod *pod = pod_of_labels(docker, labels);
	/* Creating and starting are mostly the busy worker's own; it looks afterwards anyway. */
	bool echo = pod && pod->task.busy &&
		    (str_equal(action, "create") || str_equal(action, "start"));
	if (pod && !echo) {
		pod->stale = true;
		pthread_cond_broadcast(&docker->changed);
	}
	pthread_mutex_unlock(&docker->lock);
}

static bool take_chunk(void *context, const char *data, size_t length)
{
	struct stream *stream = context;

	buf_append(&stream->line, data, length);
	for (;;) {
		char *end = stream->line.length > 0
				    ? memchr(stream->line.data, '\n', stream->line.length)
				    : NULL;
		if (!end)
			break;
		size_t line = (size_t)(end - stream->line.data) + 1;
		json_t *event = json_loadb(stream->line.data, line, 0, NULL);
		if (event)
			take_event(stream->docker, event);
		json_decref(event);
		buf_consume(&stream->line, line);
	}
	return !stream->line.failed;
}

/* From `since` (µs) for a while. The end of the while is no error. */
static int follow(struct worker *worker, int64_t since, int for_ms, struct err *err)
{
	struct stream stream = { worker->docker, BUF_INIT(LIMIT_ENGINE_LINE_BYTES) };
	char path[128];

	(void)snprintf(path, sizeof(path),
		       "/events?since=%lld.%06lld&filters=", (long long)(since / USEC_PER_SEC),
		       (long long)(since % USEC_PER_SEC));
	BUF_AUTO full = BUF_INIT(1024);
	char filter[160];
	(void)snprintf(filter, sizeof(filter), "{\"type\":[\"container\"],\"label\":[\"%s=%s\"]}",
		       LABEL_INSTANCE, worker->docker->instance);
	buf_puts(&full, path);
	http_escape(&full, filter);
	if (full.failed)
		return err_oom(err);
	const struct http_request request = { .method = "GET",
					      .path = full.data,
					      .timeout_ms = for_ms,
					      .chunk = take_chunk,
					      .context = &stream };
	int result = http_call(worker->http, &request, NULL, err);
	buf_free(&stream.line);
	if (result < 0 && err->code == ERR_TIMEOUT) {
		err_clear(err);
		return 0;
	}
	/* The daemon ended the stream: it is going down. */
	return result < 0 ? -1 : err_set(err, ERR_UNAVAILABLE, "Docker closed its event stream");
}

static void lost(struct docker *docker, const struct err *err)
{
	pthread_mutex_lock(&docker->lock);
	bool news = docker->reachable || docker->why[0] == '\0';
	docker->reachable = docker->listed = false;
	str_copy(docker->why, sizeof(docker->why), err->message);
	pthread_mutex_unlock(&docker->lock);
	if (news && !atomic_load(&docker->stop))
		log_warning(docker->env->log, "docker", "not reachable: %s", err->message);
	if (news)
		docker_wake(docker);
}

static void rest(struct docker *docker, int64_t pause)
{
	int64_t until = env_monotonic(docker->env) + pause;
	struct timespec time = { (time_t)(until / USEC_PER_SEC),
				 (long)(until % USEC_PER_SEC * 1000) };

	pthread_mutex_lock(&docker->lock);
	while (!atomic_load(&docker->stop) && env_monotonic(docker->env) < until)
		pthread_cond_timedwait(&docker->changed, &docker->lock, &time);
	pthread_mutex_unlock(&docker->lock);
}

void *watcher_run(void *context)
{
	struct worker *worker = context;
	struct docker *docker = worker->docker;
	int64_t pause = PAUSE_MIN_US;
	int lists = 0;

	(void)prctl(PR_SET_NAME, "docker-watch");
	while (!atomic_load(&docker->stop)) {
		ERR_AUTO(err);
		/* Docker replays events from before the list, so that none falls in between. */
		int64_t since = env_now(docker->env) - USEC_PER_SEC;
		int result = list_all(worker, &err);
		if (result == 0) {
			pause = PAUSE_MIN_US;
			lists = lists < FIRST_LISTS ? lists + 1 : lists;
			result = follow(worker, since,
					lists < FIRST_LISTS ? EVENTS_FIRST_MS : EVENTS_MS, &err);
		}
		if (result < 0 && !atomic_load(&docker->stop)) {
			lists = 0;
			lost(docker, &err);
			rest(docker, pause);
			pause = pause * 2 < PAUSE_MAX_US ? pause * 2 : PAUSE_MAX_US;
		}
	}
	return NULL;
}
