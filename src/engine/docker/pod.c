/* Steps on one container. Each is called by the worker that has the pod, without the lock. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/failpoint.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/strings.h"
#include "base/timefmt.h"
#include "engine/docker/parts.h"

#define LAST_LOG_LINES 50
#define BODY_BYTES (4 * 1024 * 1024)

/* Inspecting -------------------------------------------------------------------------------------
 */

/* What one inspection says. Strings belong to the JSON tree. */
struct findings {
	const char *id, *address, *stop_signal;
	enum engine_phase phase;
	int64_t created_at, started_at, finished_at, ser, port;
	int exit_code;
	bool ours, oom_killed;
};

static int64_t time_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	int64_t time = 0;

	if (!text || timefmt_parse_rfc3339(text, &time) < 0)
		return 0;
	return time;
}

static enum engine_phase phase_of_status(const char *status)
{
	if (str_equal(status, "created"))
		return ENGINE_CREATED;
	if (str_equal(status, "exited") || str_equal(status, "dead"))
		return ENGINE_EXITED;
	if (str_equal(status, "removing"))
		return ENGINE_REMOVING;
	return ENGINE_RUNNING; /* and paused, restarting: its processes are there */
}

static int64_t label_number(const json_t *labels, const char *key)
{
	int64_t value = 0;

	if (str_to_int64(json_string_value(json_object_get(labels, key)), 1, INT64_MAX, &value) < 0)
		return 0;
	return value;
}

static void read_findings(const struct docker *docker, const struct pod *pod, const json_t *root,
			  struct findings *f)
{
	const json_t *state = json_object_get(root, "State");
	const json_t *config = json_object_get(root, "Config");
	const json_t *labels = json_object_get(config, "Labels");
	const json_t *networks =
		json_object_get(json_object_get(root, "NetworkSettings"), "Networks");
	char network[64];

	network_name(docker, pod->workload->ser, network, sizeof(network));
	f->id = json_string_value(json_object_get(root, "Id"));
	f->phase = phase_of_status(json_string_value(json_object_get(state, "Status")));
	f->created_at = time_of(root, "Created");
	f->started_at = time_of(state, "StartedAt");
	f->finished_at = f->phase == ENGINE_RUNNING ? 0 : time_of(state, "FinishedAt");
	f->exit_code = (int)json_integer_value(json_object_get(state, "ExitCode"));
	f->oom_killed = json_is_true(json_object_get(state, "OOMKilled"));
	f->stop_signal = json_string_value(json_object_get(config, "StopSignal"));
	f->address =
		json_string_value(json_object_get(json_object_get(networks, network), "IPAddress"));
	f->port = label_number(labels, LABEL_PORT);
	f->ours = f->id &&
		  str_equal(json_string_value(json_object_get(labels, LABEL_INSTANCE)),
			    docker->instance) &&
		  label_number(labels, LABEL_SER) == pod->workload->ser;
}

/* Under the lock. */
static void apply_findings(struct docker *docker, struct pod *pod, const struct findings *f)
{
	pod->exists = true;
	pod->unseen = false;
	pod->image_missing = false;
	pod->phase = f->phase;
	pod->created_at = f->created_at;
	pod->started_at = f->started_at;
	pod->finished_at = f->finished_at;
	pod->exit_code = f->exit_code;
	pod->oom_killed = f->oom_killed;
	pod->port = f->port <= UINT16_MAX ? (uint16_t)f->port : 0;
	str_copy(pod->stop_signal, sizeof(pod->stop_signal), f->stop_signal ? f->stop_signal : "");
	str_copy(pod->address, sizeof(pod->address),
		 f->phase == ENGINE_RUNNING && f->address ? f->address : "");
	pod_watch_port(docker, pod);
}

/* An ended run's last lines are read once, before the end is told, so that both come together. */
static void fetch_last_log(struct worker *worker, struct pod *pod, const struct findings *f)
{
	struct docker *docker = worker->docker;
	char *text = NULL;
	ERR_AUTO(err);

	pthread_mutex_lock(&docker->lock);
	bool skip = f->phase != ENGINE_EXITED || pod->logged_end == f->finished_at ||
		    (pod->workload->intent != INTENT_UNTOLD && !pod_is_wanted(pod));
	pthread_mutex_unlock(&docker->lock);
	if (skip ||
	    logs_fetch(worker->http, f->id, LAST_LOG_LINES, LIMIT_LOG_TAIL_BYTES, &text, &err) < 0)
		return;
	pthread_mutex_lock(&docker->lock);
	free(pod->last_log);
	pod->last_log = text;
	pod->logged_end = f->finished_at;
	pthread_mutex_unlock(&docker->lock);
}

static void inspect_failed(struct docker *docker, struct pod *pod, struct err *err)
{
	pthread_mutex_lock(&docker->lock);
	if (err->code == ERR_NOT_FOUND) {
		pod_forget_container(docker, pod);
		pod->unseen = false;
		pod->task.due = 0;
	} else {
		pod->stale = true;
		task_failed(docker, &pod->task, ENGINE_TROUBLE_CREATE_FAILED, err);
	}
	pthread_mutex_unlock(&docker->lock);
}

void pod_inspect(struct worker *worker, struct pod *pod)
{
	struct docker *docker = worker->docker;
	struct findings findings = { 0 };
	json_t *root = NULL;
	char path[256];
	ERR_AUTO(err);

	pthread_mutex_lock(&docker->lock);
	pod->stale = false; /* news that come from here on set it again */
	pthread_mutex_unlock(&docker->lock);
	(void)snprintf(path, sizeof(path), "/containers/%s/json", pod->name);
	const struct http_request request = { .method = "GET",
					      .path = path,
					      .timeout_ms = DOCKER_CALL_MS };
	if (http_call_json(worker->http, &request, &root, &err) < 0) {
		inspect_failed(docker, pod, &err);
		return;
	}
	read_findings(docker, pod, root, &findings);
	if (findings.ours) {
		pthread_mutex_lock(&docker->lock);
		if (!str_equal(pod->id, findings.id))
			pod_forget_container(docker, pod); /* or its log would count as read */
		str_copy(pod->id, sizeof(pod->id), findings.id);
		pthread_mutex_unlock(&docker->lock);
		fetch_last_log(worker, pod, &findings);
		pthread_mutex_lock(&docker->lock);
		apply_findings(docker, pod, &findings);
		if (pod->phase == ENGINE_RUNNING)
			task_succeeded(&pod->task);
		pthread_mutex_unlock(&docker->lock);
	} else {
		err_set(&err, ERR_CONFLICT, "a container named %s exists that is not Dure's",
			pod->name);
		pthread_mutex_lock(&docker->lock);
		pod_forget_container(docker, pod);
		pod->unseen = false;
		task_failed(docker, &pod->task, ENGINE_TROUBLE_CREATE_FAILED, &err);
		pthread_mutex_unlock(&docker->lock);
	}
	json_decref(root);
}

/* Making -----------------------------------------------------------------------------------------
 */

static const struct engine_pod *spec_pod(const struct spec *spec, const char *name)
{
	for (size_t i = 0; i < spec->workload.n_pods; i++)
		if (str_equal(spec->workload.pods[i].name, name))
			return &spec->workload.pods[i];
	return NULL;
}

static struct spec *spec_hold(struct docker *docker, struct pod *pod)
{
	pthread_mutex_lock(&docker->lock);
	struct spec *spec = pod->workload->spec;
	if (spec)
		spec->references++;
	pthread_mutex_unlock(&docker->lock);
	return spec;
}

static int create_call(struct worker *worker, const struct spec *spec,
		       const struct engine_pod *wanted, struct err *err)
{
	BUF_AUTO body = BUF_INIT(BODY_BYTES);
	char path[256];

	if (pod_body(worker->docker, spec, wanted, &body, err) < 0)
		return -1;
	(void)snprintf(path, sizeof(path), "/containers/create?name=%s", wanted->name);
	const struct http_request request = {
		.method = "POST", .path = path, .body = body.data, .timeout_ms = DOCKER_CALL_MS
	};
	if (FAILPOINT(docker_before_create))
		return err_set(err, ERR_INTERNAL, "failpoint");
	return http_call(worker->http, &request, NULL, err);
}

/* Under the lock. */
static void create_failed(struct docker *docker, struct pod *pod, const struct spec *spec,
			  struct err *err)
{
	if (err->code == ERR_CONFLICT || err->code == ERR_TIMEOUT || err->code == ERR_UNAVAILABLE)
		pod->stale = true; /* it may be there: of an earlier run, or of this call */
	if (err->code == ERR_CONFLICT)
		return;
	if (err->code == ERR_NOT_FOUND && strstr(err->message, "No such image")) {
		struct image *image = image_get(docker, spec->workload.image);
		pod->image_missing = image != NULL;
		if (image) {
			pthread_cond_broadcast(&docker->changed);
			return;
		}
		err_oom(err);
	}
	task_failed(docker, &pod->task, trouble_of_create(err->message), err);
}

void pod_create(struct worker *worker, struct pod *pod)
{
	struct docker *docker = worker->docker;
	struct spec *spec = spec_hold(docker, pod);
	const struct engine_pod *wanted = spec ? spec_pod(spec, pod->name) : NULL;
	ERR_AUTO(err);

	if (wanted) {
		int result = create_call(worker, spec, wanted, &err);
		bool failed = FAILPOINT(docker_after_create);
		pthread_mutex_lock(&docker->lock);
		if (result < 0) {
			create_failed(docker, pod, spec, &err);
		} else {
			task_succeeded(&pod->task);
			pod->exists = !failed;
			pod->stale = failed;
			pod->phase = ENGINE_CREATED;
			pod->created_at = env_now(docker->env); /* until inspected */
		}
		pthread_mutex_unlock(&docker->lock);
	}
	pthread_mutex_lock(&docker->lock);
	spec_release(spec);
	pthread_mutex_unlock(&docker->lock);
}

/* Under the lock. */
static void start_failed(struct docker *docker, struct pod *pod, struct err *err)
{
	bool twins = strstr(err->message, "is ambiguous") != NULL;
	if (twins || (err->code == ERR_NOT_FOUND && strstr(err->message, "network"))) {
		/* Two of them, or removed behind our back; the next step puts that right. */
		pod->workload->network.exists = false;
		pod->workload->network.task.due = 0;
		pod->task.due = env_monotonic(docker->env) + 100 * USEC_PER_MSEC;
		pthread_cond_broadcast(&docker->changed);
		return;
	}
	if (err->code != ERR_INVALID && err->code != ERR_INTERNAL)
		pod->stale = true;
	task_failed(docker, &pod->task, trouble_of_start(err->message), err);
}

void pod_start(struct worker *worker, struct pod *pod)
{
	struct docker *docker = worker->docker;
	char path[256];
	ERR_AUTO(err);

	(void)snprintf(path, sizeof(path), "/containers/%s/start", pod->name);
	const struct http_request request = { .method = "POST",
					      .path = path,
					      .timeout_ms = DOCKER_CALL_MS };
	int result = http_call(worker->http, &request, NULL, &err);
	if (result == 0 && FAILPOINT(docker_after_start))
		result = err_set(&err, ERR_INTERNAL, "failpoint");
	if (result < 0) {
		pthread_mutex_lock(&docker->lock);
		start_failed(docker, pod, &err);
		pthread_mutex_unlock(&docker->lock);
		return;
	}
	pod_inspect(worker, pod);
}

/* Ending -----------------------------------------------------------------------------------------
 */

/* Asks it to end; the wait for that is nobody's thread: the event of its end, or the deadline,
 * brings the next step. */
void pod_stop(struct worker *worker, struct pod *pod)
{
	struct docker *docker = worker->docker;
	char path[256];
	ERR_AUTO(err);

	pthread_mutex_lock(&docker->lock);
	const char *signal = pod->stop_signal[0] ? pod->stop_signal : "SIGTERM";
	(void)snprintf(path, sizeof(path), "/containers/%s/kill?signal=%s", pod->name, signal);
	int grace = pod->workload->stop_grace_s;
	pthread_mutex_unlock(&docker->lock);
	const struct http_request request = { .method = "POST",
					      .path = path,
					      .timeout_ms = DOCKER_CALL_MS };
	int result = FAILPOINT(docker_before_stop) ? err_set(&err, ERR_INTERNAL, "failpoint")
						   : http_call(worker->http, &request, NULL, &err);
	if (FAILPOINT(docker_after_stop))
		log_debug(docker->env->log, "docker", "failpoint after stop of %s", pod->name);
	pthread_mutex_lock(&docker->lock);
	if (result == 0) {
		task_succeeded(&pod->task);
		pod->stop_deadline = env_monotonic(docker->env) + grace * USEC_PER_SEC;
	} else {
		pod->stale = true;
		if (err.code != ERR_CONFLICT && err.code != ERR_NOT_FOUND)
			task_failed(docker, &pod->task, ENGINE_TROUBLE_STOP_FAILED, &err);
	}
	pthread_mutex_unlock(&docker->lock);
}

void pod_remove(struct worker *worker, struct pod *pod)
{
	struct docker *docker = worker->docker;
	char path[256];
	ERR_AUTO(err);

	(void)snprintf(path, sizeof(path), "/containers/%s?v=true&force=true", pod->name);
	const struct http_request request = { .method = "DELETE",
					      .path = path,
					      .timeout_ms = DOCKER_CALL_MS };
	int result = http_call(worker->http, &request, NULL, &err);
	bool failed = FAILPOINT(docker_after_remove);
	pthread_mutex_lock(&docker->lock);
	if (!failed && (result == 0 || err.code == ERR_NOT_FOUND)) {
		task_succeeded(&pod->task);
		pod_forget_container(docker, pod);
	} else {
		pod->stale = true;
		if (result < 0)
			task_failed(docker, &pod->task, ENGINE_TROUBLE_STOP_FAILED, &err);
	}
	pthread_mutex_unlock(&docker->lock);
}
