/* What should run: the copy kept of it, and the container it becomes. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/jsonw.h"
#include "base/limits.h"
#include "base/strings.h"
#include "engine/docker/parts.h"

#define SPEC_BYTES (4 * 1024 * 1024) /* 256 variables of 4 KiB, command, 32 pods */

static const char *const *copy_list(struct arena *arena, const char *const *list)
{
	size_t count = 0;

	if (!list)
		return NULL;
	while (list[count])
		count++;
	const char **copy = ARENA_ARRAY(arena, count + 1, const char *);
	for (size_t i = 0; copy && i < count; i++)
		if (!(copy[i] = arena_strdup(arena, list[i])))
			return NULL;
	return copy;
}

static bool copy_pod(struct arena *arena, const struct engine_pod *from, struct engine_pod *to)
{
	*to = *from;
	to->name = arena_strdup(arena, from->name);
	to->node = arena_strdup(arena, from->node);
	to->gpu_model = arena_strdup(arena, from->gpu_model);
	const char **uuids = ARENA_ARRAY(arena, from->n_gpu_uuids + 1, const char *);
	to->gpu_uuids = uuids;
	for (size_t i = 0; uuids && i < from->n_gpu_uuids; i++)
		if (!(uuids[i] = arena_strdup(arena, from->gpu_uuids[i])))
			return false;
	return to->name && uuids && (!from->node || to->node) &&
	       (!from->gpu_model || to->gpu_model);
}

static bool copy_workload(struct arena *arena, const struct engine_workload *from,
			  struct engine_workload *to)
{
	struct engine_pod *pods = ARENA_ARRAY(arena, from->n_pods + 1, struct engine_pod);

	*to = *from;
	to->image = arena_strdup(arena, from->image);
	to->argv = copy_list(arena, from->argv);
	to->environment = copy_list(arena, from->environment);
	to->pods = pods;
	for (size_t i = 0; pods && i < from->n_pods; i++)
		if (!copy_pod(arena, &from->pods[i], &pods[i]))
			return false;
	return pods && to->image && (!from->argv || to->argv) &&
	       (!from->environment || to->environment);
}

int spec_copy(const struct engine_workload *from, struct spec **ret_spec, struct err *err)
{
	struct arena *arena = arena_new(SPEC_BYTES);
	struct spec *spec = arena ? ARENA_NEW(arena, struct spec) : NULL;

	if (!spec || !copy_workload(arena, from, &spec->workload)) {
		arena_free(arena);
		return err_oom(err);
	}
	spec->arena = arena;
	spec->references = 1;
	*ret_spec = spec;
	return 0;
}

struct spec *spec_release(struct spec *spec)
{
	if (!spec)
		return NULL;
	assert(spec->references > 0);
	if (--spec->references == 0)
		arena_free(spec->arena);
	return NULL;
}

static bool same_list(const char *const *a, const char *const *b)
{
	if (!a || !b)
		return a == b;
	for (; *a && *b; a++, b++)
		if (!str_equal(*a, *b))
			return false;
	return *a == *b;
}

static bool same_pod(const struct engine_pod *a, const struct engine_pod *b)
{
	if (!str_equal(a->name, b->name) || !str_equal(a->node, b->node) ||
	    !str_equal(a->gpu_model, b->gpu_model) || a->gpu_count != b->gpu_count ||
	    a->simulated != b->simulated || a->restart_past != b->restart_past ||
	    a->n_gpu_uuids != b->n_gpu_uuids)
		return false;
	for (size_t i = 0; i < a->n_gpu_uuids; i++)
		if (!str_equal(a->gpu_uuids[i], b->gpu_uuids[i]))
			return false;
	return true;
}

bool spec_same(const struct engine_workload *a, const struct engine_workload *b)
{
	if (a->ser != b->ser || !str_equal(a->image, b->image) || a->port != b->port ||
	    a->cpu_milli != b->cpu_milli || a->memory_mb != b->memory_mb ||
	    a->shared_memory_mb != b->shared_memory_mb || a->stop_grace_s != b->stop_grace_s ||
	    a->n_pods != b->n_pods || !same_list(a->argv, b->argv) ||
	    !same_list(a->environment, b->environment))
		return false;
	for (size_t i = 0; i < a->n_pods; i++)
		if (!same_pod(&a->pods[i], &b->pods[i]))
			return false;
	return true;
}

/* The container ----------------------------------------------------------------------------------
 */

/* Dropped is everything, given back is what ordinary server images do as root on their way to an
 * unprivileged user: own their files (CHOWN, FOWNER, DAC_OVERRIDE), become that user (SETUID,
 * SETGID), end their children (KILL), listen on a port below 1024 (NET_BIND_SERVICE). Docker's
 * default has more: raw sockets, device nodes, chroot, file capabilities; strangers get none. */
static const char *const capabilities[] = { "CHOWN",  "DAC_OVERRIDE",     "FOWNER", "SETUID",
					    "SETGID", "NET_BIND_SERVICE", "KILL" };

/* Set by Dure alone. NVIDIA's runtime hands out every GPU to a container that asks by this
 * variable, which CUDA images do; so it is always written, and void without reserved devices. */
static bool reserved_name(const char *variable)
{
	return str_starts(variable, "DURE_") || str_starts(variable, "NVIDIA_VISIBLE_DEVICES=");
}

static int put_environment(struct jsonw *w, const struct spec *spec, const struct engine_pod *pod,
			   struct err *err)
{
	BUF_AUTO line = BUF_INIT(16 * 1024);
	char ser[32], count[16];

	(void)snprintf(ser, sizeof(ser), "%lld", (long long)spec->workload.ser);
	(void)snprintf(count, sizeof(count), "%d", pod->gpu_count);
	const char *const own[][2] = {
		{ "DURE_POD", pod->name },   { "DURE_WORKLOAD", ser },
		{ "DURE_NODE", pod->node },  { "DURE_GPU_MODEL", pod->gpu_model },
		{ "DURE_GPU_COUNT", count }, { "DURE_GPU_SIMULATED", pod->simulated ? "1" : "0" }
	};

	jsonw_key(w, "Env");
	jsonw_array(w);
	for (const char *const *at = spec->workload.environment; at && *at; at++)
		if (!reserved_name(*at))
			jsonw_string(w, *at);
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		buf_clear(&line);
		buf_printf(&line, "%s=%s", own[i][0], own[i][1] ? own[i][1] : "");
		jsonw_string(w, line.data);
	}
	buf_clear(&line);
	buf_puts(&line, "NVIDIA_VISIBLE_DEVICES=");
	if (pod->n_gpu_uuids == 0)
		buf_puts(&line, "void");
	for (size_t i = 0; i < pod->n_gpu_uuids; i++)
		buf_printf(&line, "%s%s", i ? "," : "", pod->gpu_uuids[i]);
	if (line.failed)
		return err_oom(err);
	jsonw_string(w, line.data);
	jsonw_array_end(w);
	return 0;
}

static void put_labels(struct jsonw *w, const struct docker *docker, const struct spec *spec,
		       const struct engine_pod *pod)
{
	char number[32];

	jsonw_key(w, "Labels");
	jsonw_object(w);
	jsonw_kv_string(w, LABEL_INSTANCE, docker->instance);
	(void)snprintf(number, sizeof(number), "%lld", (long long)spec->workload.ser);
	jsonw_kv_string(w, LABEL_SER, number);
	jsonw_kv_string(w, LABEL_POD, pod->name);
	jsonw_kv_string(w, LABEL_NODE, pod->node ? pod->node : "");
	(void)snprintf(number, sizeof(number), "%u", (unsigned)spec->workload.port);
	jsonw_kv_string(w, LABEL_PORT, number);
	jsonw_object_end(w);
}

static void put_devices(struct jsonw *w, const struct engine_pod *pod)
{
	jsonw_key(w, "DeviceRequests");
	jsonw_array(w);
	jsonw_object(w);
	jsonw_kv_string(w, "Driver", "nvidia");
	jsonw_key(w, "DeviceIDs");
	jsonw_array(w);
	for (size_t i = 0; i < pod->n_gpu_uuids; i++)
		jsonw_string(w, pod->gpu_uuids[i]);
	jsonw_array_end(w);
	jsonw_key(w, "Capabilities");
	jsonw_raw(w, "[[\"gpu\"]]");
	jsonw_object_end(w);
	jsonw_array_end(w);
}

static void put_host(struct jsonw *w, const struct docker *docker, const struct spec *spec,
		     const struct engine_pod *pod)
{
	const struct engine_workload *workload = &spec->workload;
	int64_t cpu = workload->cpu_milli, mebibyte = 1024 * 1024;
	char network[64];

	/* Docker refuses more than the machine has; a declared slot may promise more. */
	if (docker->machine && cpu > docker->machine->cpu_milli)
		cpu = docker->machine->cpu_milli;
	network_name(docker, workload->ser, network, sizeof(network));
	jsonw_key(w, "HostConfig");
	jsonw_object(w);
	jsonw_kv_string(w, "NetworkMode", network);
	jsonw_kv_string(w, "IpcMode", "private");
	jsonw_kv_bool(w, "Privileged", false);
	jsonw_key(w, "CapDrop");
	jsonw_raw(w, "[\"ALL\"]");
	jsonw_key(w, "CapAdd");
	jsonw_array(w);
	for (size_t i = 0; i < sizeof(capabilities) / sizeof(capabilities[0]); i++)
		jsonw_string(w, capabilities[i]);
	jsonw_array_end(w);
	jsonw_key(w, "SecurityOpt");
	jsonw_raw(w, "[\"no-new-privileges\"]");
	jsonw_kv_int(w, "PidsLimit", LIMIT_PIDS);
	jsonw_kv_int(w, "NanoCpus", cpu * 1000000);
	jsonw_kv_int(w, "Memory", workload->memory_mb * mebibyte);
	jsonw_kv_int(w, "MemorySwap", workload->memory_mb * mebibyte); /* the same: no swap */
	jsonw_kv_int(w, "ShmSize", workload->shared_memory_mb * mebibyte);
	jsonw_key(w, "LogConfig");
	jsonw_raw(w,
		  "{\"Type\":\"json-file\",\"Config\":{\"max-size\":\"10m\",\"max-file\":\"3\"}}");
	jsonw_key(w, "RestartPolicy");
	jsonw_raw(w, "{\"Name\":\"no\"}");
	if (docker->runtime)
		jsonw_kv_string(w, "Runtime", docker->runtime);
	if (pod->n_gpu_uuids > 0)
		put_devices(w, pod);
	jsonw_object_end(w);
}

int pod_body(const struct docker *docker, const struct spec *spec, const struct engine_pod *pod,
	     struct buf *body, struct err *err)
{
	const struct engine_workload *workload = &spec->workload;
	struct jsonw writer = jsonw_begin(body), *w = &writer;
	char port[32];

	jsonw_object(w);
	jsonw_kv_string(w, "Image", workload->image);
	if (workload->argv) {
		/* The whole command, whatever the image would put in front of it. */
		jsonw_key(w, "Entrypoint");
		jsonw_array(w);
		for (const char *const *at = workload->argv; *at; at++)
			jsonw_string(w, *at);
		jsonw_array_end(w);
		jsonw_key(w, "Cmd");
		jsonw_raw(w, "[]");
	}
	if (put_environment(w, spec, pod, err) < 0)
		return -1;
	put_labels(w, docker, spec, pod);
	(void)snprintf(port, sizeof(port), "%u/tcp", (unsigned)workload->port);
	jsonw_key(w, "ExposedPorts");
	jsonw_object(w);
	jsonw_key(w, port);
	jsonw_raw(w, "{}");
	jsonw_object_end(w);
	put_host(w, docker, spec, pod);
	jsonw_object_end(w);
	return body->failed ? err_oom(err) : 0;
}
