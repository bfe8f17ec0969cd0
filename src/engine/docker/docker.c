#include "engine/docker/docker.h"

#include <arpa/inet.h>
#include <assert.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/strings.h"
#include "engine/docker/parts.h"

#define DOCKER_MAGIC 0x446f636bu
#define DOCKER_WORKERS 4
#define SUBNET_BITS 26

struct docker *docker_of(struct engine *engine)
{
	struct docker *docker = (struct docker *)engine;

	assert(docker && docker->magic == DOCKER_MAGIC);
	return docker;
}

void docker_wake(struct docker *docker)
{
	pthread_mutex_lock(&docker->wake_lock);
	if (docker->wake)
		docker->wake(docker->wake_context);
	pthread_mutex_unlock(&docker->wake_lock);
}

static void port_changed(void *context, const char *key, bool answers)
{
	(void)key;
	(void)answers;
	docker_wake(context);
}

/* Saying what should be ---------------------------------------------------------------------------
 */

/* Under the lock: the pods' marks follow the workload's new specification. */
static int claim_pods(struct workload *workload, struct err *err)
{
	const struct engine_workload *wanted = &workload->spec->workload;

	for (struct pod *pod = workload->pods; pod; pod = pod->next)
		pod->wanted = false;
	for (size_t i = 0; i < wanted->n_pods; i++) {
		struct pod *pod = pod_get(workload, wanted->pods[i].name);
		if (!pod)
			return err_oom(err);
		pod->wanted = true;
		pod->restart_past = wanted->pods[i].restart_past;
	}
	for (struct pod *pod = workload->pods; pod; pod = pod->next)
		if (!pod->wanted)
			pod->task.due = 0; /* a pause of making it must not delay its end */
	return 0;
}

static int docker_ensure(struct engine *engine, const struct engine_workload *wanted,
			 struct err *err)
{
	struct docker *docker = docker_of(engine);
	struct spec *spec = NULL;

	for (size_t i = 0; i < wanted->n_pods; i++)
		if (strlen(wanted->pods[i].name) >= DOCKER_NAME_BYTES)
			return err_set(err, ERR_INVALID, "the pod name %s is too long",
				       wanted->pods[i].name);
	pthread_mutex_lock(&docker->lock);
	struct workload *workload = workload_find(docker, wanted->ser);
	bool known = workload && workload->intent == INTENT_WANTED &&
		     spec_same(&workload->spec->workload, wanted);
	pthread_mutex_unlock(&docker->lock);
	if (known)
		return 0;
	if (spec_copy(wanted, &spec, err) < 0)
		return -1;
	pthread_mutex_lock(&docker->lock);
	workload = known_workload_get(docker, wanted->ser);
	int result = workload ? 0 : err_oom(err);
	if (workload) {
		struct spec *old = workload->spec;
		if (workload->intent != INTENT_WANTED)
			workload->network.task.due = 0;
		workload->spec = spec;
		workload->intent = INTENT_WANTED;
		workload->stop_grace_s = wanted->stop_grace_s;
		result = claim_pods(workload, err);
		spec_release(old);
	} else {
		spec_release(spec);
	}
	sweep(docker);
	pthread_cond_broadcast(&docker->changed);
	pthread_mutex_unlock(&docker->lock);
	return result;
}

static int docker_remove(struct engine *engine, int64_t ser, struct err *err)
{
	struct docker *docker = docker_of(engine);
	int result = 0;

	pthread_mutex_lock(&docker->lock);
	struct workload *workload =
		docker->listed ? workload_find(docker, ser) : known_workload_get(docker, ser);
	if (!workload && !docker->listed) {
		result = err_oom(err);
	} else if (workload && workload->intent != INTENT_GONE) {
		workload->intent = INTENT_GONE;
		workload->spec = spec_release(workload->spec);
		workload->network.task.due = 0;
		for (struct pod *pod = workload->pods; pod; pod = pod->next)
			pod->task.due = 0;
		sweep(docker);
		pthread_cond_broadcast(&docker->changed);
	}
	pthread_mutex_unlock(&docker->lock);
	return result;
}

/* Asking -----------------------------------------------------------------------------------------
 */

static int docker_logs(struct engine *engine, const char *pod, int tail_lines, struct arena *arena,
		       char **ret_text, struct err *err)
{
	struct docker *docker = docker_of(engine);
	struct http *http = NULL;
	CHAR_AUTO text = NULL;
	char id[DOCKER_ID_BYTES] = "";

	/* By the id that the cache knows: a name could be anybody's container. */
	pthread_mutex_lock(&docker->lock);
	for (struct workload *at = docker->workloads; at && !id[0]; at = at->next) {
		const struct pod *found = pod_find(at, pod);
		if (found && found->exists)
			str_copy(id, sizeof(id), found->id[0] ? found->id : found->name);
	}
	pthread_mutex_unlock(&docker->lock);
	if (!id[0])
		return err_set(err, ERR_NOT_FOUND, "pod %s has no container", pod);
	if (http_new(docker->socket, &docker->stop, &http, err) < 0)
		return -1;
	int result = logs_fetch(http, id, tail_lines, LIMIT_LOG_BYTES, &text, err);
	http_free(http);
	if (result < 0)
		return err_wrap(err, "log of pod %s", pod);
	char *copy = arena_strdup(arena, text);
	if (!copy)
		return err_oom(err);
	*ret_text = copy;
	return 0;
}

static int docker_nodes(struct engine *engine, struct arena *arena, struct engine_node **ret_nodes,
			size_t *ret_count, struct err *err)
{
	struct docker *docker = docker_of(engine);
	struct engine_node *node = ARENA_NEW(arena, struct engine_node);

	if (!docker->machine) {
		*ret_nodes = NULL;
		*ret_count = 0;
		return 0;
	}
	if (!node)
		return err_oom(err);
	*node = *docker->machine; /* outlives the engine, says docker.h */
	*ret_nodes = node;
	*ret_count = 1;
	return 0;
}

static void docker_watch(struct engine *engine, engine_wake *wake, void *context)
{
	struct docker *docker = docker_of(engine);

	pthread_mutex_lock(&docker->wake_lock);
	docker->wake = wake;
	docker->wake_context = context;
	pthread_mutex_unlock(&docker->wake_lock);
}

/* Beginning and ending ----------------------------------------------------------------------------
 */

static void end_threads(struct docker *docker)
{
	atomic_store(&docker->stop, true);
	pthread_mutex_lock(&docker->lock);
	pthread_cond_broadcast(&docker->changed);
	pthread_mutex_unlock(&docker->lock);
	struct worker *all[DOCKER_WORKERS_MAX + DOCKER_PULLERS + 1] = { &docker->watcher };
	int count = 1;
	for (int i = 0; i < docker->n_workers; i++)
		all[count++] = &docker->workers[i];
	for (int i = 0; i < count; i++)
		if (all[i]->started)
			http_interrupt(all[i]->http);
	for (int i = 0; i < count; i++) {
		if (all[i]->started)
			pthread_join(all[i]->thread, NULL);
		http_free(all[i]->http);
	}
}

static void docker_free(struct engine *engine)
{
	struct docker *docker = docker_of(engine);

	docker_watch(engine, NULL, NULL);
	end_threads(docker);
	if (docker->prober)
		cache_free(docker);
	docker->prober = prober_free(docker->prober);
	docker->magic = 0;
	pthread_cond_destroy(&docker->changed);
	pthread_mutex_destroy(&docker->lock);
	pthread_mutex_destroy(&docker->wake_lock);
	free(docker->socket);
	free(docker->runtime);
	free(docker);
	curl_global_cleanup();
}

static const struct engine_ops docker_ops = {
	.name = "docker",
	.ensure = docker_ensure,
	.remove = docker_remove,
	.observe = docker_observe,
	.logs = docker_logs,
	.nodes = docker_nodes,
	.watch = docker_watch,
	.free = docker_free,
};

static int parse_pool(struct docker *docker, const char *pool, struct err *err)
{
	char text[64];
	struct in_addr address;
	int64_t bits = 0;

	str_copy(text, sizeof(text), pool);
	char *slash = strchr(text, '/');
	if (slash)
		*slash++ = '\0';
	if (!slash || inet_pton(AF_INET, text, &address) != 1 ||
	    str_to_int64(slash, 8, SUBNET_BITS, &bits) < 0)
		return err_set(err, ERR_INVALID,
			       "docker.network_pool must be an IPv4 network of /8 to /%d, not %s",
			       SUBNET_BITS, pool);
	docker->pool_networks = UINT32_C(1) << (SUBNET_BITS - bits);
	docker->pool_base = ntohl(address.s_addr) & (UINT32_MAX << (32 - bits));
	return 0;
}

static bool instance_valid(const char *instance)
{
	return instance && strlen(instance) == 8 &&
	       strspn(instance, "abcdefghijklmnopqrstuvwxyz0123456789") == 8;
}

static int start(struct docker *docker, struct worker *worker, void *(*run)(void *),
		 struct err *err)
{
	worker->docker = docker;
	if (http_new(docker->socket, &docker->stop, &worker->http, err) < 0)
		return -1;
	int status = pthread_create(&worker->thread, NULL, run, worker);
	if (status != 0)
		return err_set_errno(err, ERR_UNAVAILABLE, status, "a thread of the Docker engine");
	worker->started = true;
	return 0;
}

static int start_all(struct docker *docker, int workers, struct err *err)
{
	if (prober_new(docker->env, port_changed, docker, &docker->prober, err) < 0)
		return -1;
	for (int i = 0; i < workers + DOCKER_PULLERS; i++) {
		docker->n_workers++;
		docker->workers[i].pulls = i >= workers;
		if (start(docker, &docker->workers[i], work_run, err) < 0)
			return -1;
	}
	return start(docker, &docker->watcher, watcher_run, err);
}

static struct docker *allocate(const struct docker_options *options)
{
	struct docker *docker = calloc(1, sizeof(*docker));
	pthread_condattr_t attributes;

	if (!docker)
		return NULL;
	docker->engine.ops = &docker_ops;
	docker->magic = DOCKER_MAGIC;
	docker->env = options->env;
	docker->machine = options->machine;
	docker->socket = strdup(options->socket);
	docker->runtime = options->runtime ? strdup(options->runtime) : NULL;
	str_copy(docker->why, sizeof(docker->why), "Docker has not answered yet");
	pthread_mutex_init(&docker->lock, NULL);
	pthread_mutex_init(&docker->wake_lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&docker->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	return docker;
}

int docker_engine_new(const struct docker_options *options, struct engine **ret_engine,
		      struct err *err)
{
	int workers = options->workers > 0 ? options->workers : DOCKER_WORKERS;

	if (!instance_valid(options->instance))
		return err_set(err, ERR_INVALID, "the instance must be 8 of [a-z0-9]");
	if (workers > DOCKER_WORKERS_MAX)
		workers = DOCKER_WORKERS_MAX;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return err_set(err, ERR_INTERNAL, "libcurl does not start");
	struct docker *docker = allocate(options);
	if (!docker) {
		curl_global_cleanup();
		return err_oom(err);
	}
	str_copy(docker->instance, sizeof(docker->instance), options->instance);
	int result = docker->socket && (!options->runtime || docker->runtime) ? 0 : err_oom(err);
	if (result == 0)
		result = parse_pool(docker, options->network_pool, err);
	if (result == 0)
		result = start_all(docker, workers, err);
	if (result < 0) {
		docker_free(&docker->engine);
		return -1;
	}
	*ret_engine = &docker->engine;
	return 0;
}
