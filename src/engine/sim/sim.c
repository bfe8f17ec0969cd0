#include "engine/sim/sim.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/strings.h"
#include "engine/sim/world.h"

static struct sim *sim_of(struct engine *engine)
{
	struct sim *sim = (struct sim *)engine;

	assert(sim->magic == SIM_MAGIC);
	return sim;
}

void sim_wake(struct sim *sim)
{
	if (sim->wake && sim->reachable)
		sim->wake(sim->wake_context);
}

static struct sim_workload *find_workload(struct sim *sim, int64_t ser)
{
	for (size_t i = 0; i < sim->n_workloads; i++) {
		if (sim->workloads[i].ser == ser)
			return &sim->workloads[i];
	}
	return NULL;
}

static struct sim_pod *find_pod(const struct sim *sim, const char *name)
{
	for (size_t i = 0; i < sim->n_pods; i++) {
		if (str_equal(sim->pods[i].name, name))
			return &sim->pods[i];
	}
	return NULL;
}

static struct sim_workload *add_workload(struct sim *sim, int64_t ser, struct err *err)
{
	struct sim_workload *bigger =
		realloc(sim->workloads, (sim->n_workloads + 1) * sizeof(*bigger));

	if (!bigger) {
		(void)err_oom(err);
		return NULL;
	}
	sim->workloads = bigger;
	bigger[sim->n_workloads] = (struct sim_workload){ .ser = ser, .step_at = SIM_NEVER };
	return &bigger[sim->n_workloads++];
}

static struct sim_pod *add_pod(struct sim *sim, const struct engine_workload *workload,
			       const struct engine_pod *wanted, struct err *err)
{
	struct sim_pod *bigger = realloc(sim->pods, (sim->n_pods + 1) * sizeof(*bigger));

	if (!bigger) {
		(void)err_oom(err);
		return NULL;
	}
	sim->pods = bigger;
	struct sim_pod *pod = &bigger[sim->n_pods++];
	*pod = (struct sim_pod){ .ser = workload->ser,
				 .gpu_count = wanted->gpu_count,
				 .phase = ENGINE_WAITING,
				 .step_at = sim->env->monotonic,
				 .ready_at = SIM_NEVER,
				 .unready_at = SIM_NEVER,
				 .exit_at = SIM_NEVER,
				 .vanish_at = SIM_NEVER };
	str_copy(pod->name, sizeof(pod->name), wanted->name);
	str_copy(pod->node, sizeof(pod->node), wanted->node);
	str_copy(pod->image, sizeof(pod->image), workload->image);
	return pod;
}

static void doom(struct sim *sim, struct sim_pod *pod)
{
	if (pod->doomed)
		return;
	pod->wanted = false;
	pod->doomed = true;
	pod->step_at = sim->env->monotonic;
	sim_wake(sim);
}

static int ensure_pod(struct sim *sim, const struct engine_workload *workload,
		      const struct engine_pod *wanted, struct err *err)
{
	struct sim_pod *pod = find_pod(sim, wanted->name);

	if (!pod)
		pod = add_pod(sim, workload, wanted, err);
	if (!pod)
		return -1;
	/* One that is being removed is removed first; the next ensure finds it gone. */
	if (pod->doomed)
		return 0;
	if (!pod->wanted && pod->phase != ENGINE_RUNNING && pod->phase != ENGINE_EXITED)
		pod->step_at = sim->env->monotonic;
	pod->wanted = true;
	pod->restart_past = wanted->restart_past;
	if (pod->phase == ENGINE_EXITED && pod->finished_at <= pod->restart_past &&
	    pod->step_at == SIM_NEVER)
		pod->step_at = sim->env->monotonic;
	return 0;
}

static bool is_listed(const struct engine_workload *workload, const char *name)
{
	for (size_t i = 0; i < workload->n_pods; i++) {
		if (str_equal(workload->pods[i].name, name))
			return true;
	}
	return false;
}

static int sim_ensure(struct engine *engine, const struct engine_workload *workload,
		      struct err *err)
{
	struct sim *sim = sim_of(engine);
	struct sim_workload *record = find_workload(sim, workload->ser);

	if (!record)
		record = add_workload(sim, workload->ser, err);
	if (!record)
		return -1;
	record->ensured = true;
	record->doomed = false;
	record->network = true;
	record->step_at = SIM_NEVER;
	for (size_t i = 0; i < sim->n_pods; i++) {
		if (sim->pods[i].ser == workload->ser && !is_listed(workload, sim->pods[i].name))
			doom(sim, &sim->pods[i]);
	}
	for (size_t i = 0; i < workload->n_pods; i++) {
		if (ensure_pod(sim, workload, &workload->pods[i], err) < 0)
			return -1;
	}
	return 0;
}

static int sim_remove(struct engine *engine, int64_t ser, struct err *err)
{
	struct sim *sim = sim_of(engine);
	struct sim_workload *record = find_workload(sim, ser);

	(void)err;
	for (size_t i = 0; i < sim->n_pods; i++) {
		if (sim->pods[i].ser == ser)
			doom(sim, &sim->pods[i]);
	}
	if (record && !record->doomed) {
		record->doomed = true;
		record->ensured = false;
		record->step_at = sim->env->monotonic;
	}
	return 0;
}

static void describe_pod(const struct sim_pod *pod, struct arena *arena,
			 struct engine_pod_state *ret_state)
{
	bool exited = pod->phase == ENGINE_EXITED;

	*ret_state = (struct engine_pod_state){
		.ser = pod->ser,
		.name = arena_strdup(arena, pod->name),
		.phase = pod->doomed ? ENGINE_REMOVING : pod->phase,
		.ready = pod->ready && pod->phase == ENGINE_RUNNING,
		.address = pod->phase == ENGINE_RUNNING ? arena_strdup(arena, pod->address) : NULL,
		.created_at = pod->created_at,
		.started_at = pod->started_at,
		.finished_at = pod->finished_at,
		.exit_code = pod->exit_code,
		.oom_killed = pod->oom_killed,
		.last_log = exited ? "loading model\nTraceback: it did not work" : NULL,
		.trouble = pod->trouble,
		.message = pod->message,
		.pull_done = pod->phase == ENGINE_PULLING ? pod->pull_done : 0,
		.pull_total = pod->phase == ENGINE_PULLING ? pod->pull_total : 0,
	};
}

static int compare_sers(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static int sim_observe(struct engine *engine, struct arena *arena, struct engine_world *ret_world,
		       struct err *err)
{
	struct sim *sim = sim_of(engine);
	struct engine_pod_state *pods =
		ARENA_ARRAY(arena, sim->n_pods + 1, struct engine_pod_state);
	int64_t *sers = ARENA_ARRAY(arena, sim->n_workloads + 1, int64_t);
	size_t n_sers = 0;

	if (!pods || !sers)
		return err_oom(err);
	for (size_t i = 0; i < sim->n_pods; i++) {
		describe_pod(&sim->pods[i], arena, &pods[i]);
		if (!pods[i].name)
			return err_oom(err);
	}
	for (size_t i = 0; i < sim->n_workloads; i++)
		sers[n_sers++] = sim->workloads[i].ser;
	qsort(sers, n_sers, sizeof(*sers), compare_sers);
	*ret_world = (struct engine_world){
		.reachable = sim->reachable,
		.synced = sim->reachable && sim->synced,
		.why = sim->reachable ? NULL : "connection refused",
		.pods = pods,
		.n_pods = sim->n_pods,
		.sers = sers,
		.n_sers = n_sers,
	};
	return 0;
}

static int sim_logs(struct engine *engine, const char *name, int tail_lines, struct arena *arena,
		    char **ret_text, struct err *err)
{
	struct sim *sim = sim_of(engine);
	const struct sim_pod *pod = find_pod(sim, name);

	(void)tail_lines;
	if (!sim->reachable)
		return err_set(err, ERR_UNAVAILABLE, "the simulated engine is away");
	if (!pod || !pod->exists)
		return err_set(err, ERR_NOT_FOUND, "there is no pod %s", name);
	*ret_text = arena_printf(arena, "%s says hello\n", name);
	return *ret_text ? 0 : err_oom(err);
}

static int sim_nodes(struct engine *engine, struct arena *arena, struct engine_node **ret_nodes,
		     size_t *ret_count, struct err *err)
{
	struct engine_node *node = ARENA_NEW(arena, struct engine_node);

	(void)engine;
	if (!node)
		return err_oom(err);
	*node = (struct engine_node){
		.name = "sim", .cpu_milli = 16000, .memory_mb = 65536, .disk_mb = 1000000
	};
	*ret_nodes = node;
	*ret_count = 1;
	return 0;
}

static void sim_watch(struct engine *engine, engine_wake *wake, void *context)
{
	struct sim *sim = sim_of(engine);

	sim->wake = wake;
	sim->wake_context = context;
}

static void sim_free(struct engine *engine)
{
	struct sim *sim = sim_of(engine);

	free(sim->pods);
	free(sim->workloads);
	free(sim->images);
	sim->magic = 0;
	free(sim);
}

static const struct engine_ops sim_ops = {
	.name = "sim",
	.ensure = sim_ensure,
	.remove = sim_remove,
	.observe = sim_observe,
	.logs = sim_logs,
	.nodes = sim_nodes,
	.watch = sim_watch,
	.free = sim_free,
};

int sim_engine_new(const struct sim_options *options, struct engine **ret_engine, struct err *err)
{
	struct sim *sim = calloc(1, sizeof(*sim));

	if (!sim)
		return err_oom(err);
	sim->engine.ops = &sim_ops;
	sim->magic = SIM_MAGIC;
	sim->env = options->env;
	sim->random = options->seed;
	sim->faults = options->faults;
	sim->reachable = true;
	sim->synced_at = options->env->monotonic;
	*ret_engine = &sim->engine;
	return 0;
}

/* Drops the records of what is neither told nor left. */
static void forget(struct sim *sim)
{
	size_t kept = 0;

	for (size_t i = 0; i < sim->n_pods; i++) {
		if (!sim_pod_over(&sim->pods[i]))
			sim->pods[kept++] = sim->pods[i];
	}
	sim->n_pods = kept;
	kept = 0;
	for (size_t i = 0; i < sim->n_workloads; i++) {
		const struct sim_workload *workload = &sim->workloads[i];

		if (workload->network || workload->ensured || workload->doomed)
			sim->workloads[kept++] = *workload;
	}
	sim->n_workloads = kept;
}

static bool has_pods(const struct sim *sim, int64_t ser)
{
	for (size_t i = 0; i < sim->n_pods; i++) {
		if (sim->pods[i].ser == ser)
			return true;
	}
	return false;
}

/* A doomed network goes when its last pod has gone. */
static void run_workload(struct sim *sim, struct sim_workload *workload)
{
	if (!workload->doomed || !sim->reachable || has_pods(sim, workload->ser))
		return;
	workload->network = false;
	workload->doomed = false;
	workload->step_at = SIM_NEVER;
	sim_wake(sim);
}

void sim_engine_run(struct engine *engine)
{
	struct sim *sim = sim_of(engine);

	if (sim->reachable && !sim->synced && sim->synced_at <= sim->env->monotonic) {
		sim->synced = true;
		sim_wake(sim);
	}
	for (size_t i = 0; i < sim->n_pods; i++)
		sim_pod_run(sim, &sim->pods[i]);
	forget(sim);
	for (size_t i = 0; i < sim->n_workloads; i++)
		run_workload(sim, &sim->workloads[i]);
	forget(sim);
}

int64_t sim_engine_next(struct engine *engine)
{
	struct sim *sim = sim_of(engine);
	int64_t next = sim->reachable && !sim->synced ? sim->synced_at : SIM_NEVER;

	for (size_t i = 0; i < sim->n_pods; i++) {
		int64_t at = sim_pod_next(sim, &sim->pods[i]);
		next = at < next ? at : next;
	}
	for (size_t i = 0; i < sim->n_workloads; i++) {
		const struct sim_workload *workload = &sim->workloads[i];
		if (workload->doomed && sim->reachable && !has_pods(sim, workload->ser))
			next = sim->env->monotonic;
	}
	return next;
}

void sim_engine_set_faults(struct engine *engine, const struct sim_faults *faults)
{
	sim_of(engine)->faults = *faults;
}

static void resync(struct sim *sim)
{
	sim->synced = false;
	sim->synced_at = sim->env->monotonic + virtual_range(&sim->random, 1, 2000) * USEC_PER_MSEC;
}

void sim_engine_set_reachable(struct engine *engine, bool reachable)
{
	struct sim *sim = sim_of(engine);

	if (sim->reachable == reachable)
		return;
	sim->reachable = true; /* going away is news as much as coming back */
	sim_wake(sim);
	sim->reachable = reachable;
	resync(sim);
}

void sim_engine_crash(struct engine *engine)
{
	struct sim *sim = sim_of(engine);

	for (size_t i = 0; i < sim->n_pods; i++) {
		struct sim_pod *pod = &sim->pods[i];

		/* A stop that was sent goes on without Dure; a pull or a wish does not. */
		if (pod->doomed && pod->phase == ENGINE_REMOVING)
			continue;
		pod->wanted = false;
		pod->doomed = false;
		pod->trouble = ENGINE_TROUBLE_NONE;
		pod->message = NULL;
		pod->restart_past = 0;
		pod->step_at = SIM_NEVER;
	}
	for (size_t i = 0; i < sim->n_workloads; i++) {
		sim->workloads[i].ensured = false;
		sim->workloads[i].doomed = false;
	}
	forget(sim);
	resync(sim);
}

int sim_engine_truth(struct engine *engine, struct arena *arena,
		     struct sim_container **ret_containers, size_t *ret_count, struct err *err)
{
	struct sim *sim = sim_of(engine);
	struct sim_container *containers =
		ARENA_ARRAY(arena, sim->n_pods + 1, struct sim_container);
	size_t count = 0;

	if (!containers)
		return err_oom(err);
	for (size_t i = 0; i < sim->n_pods; i++) {
		const struct sim_pod *pod = &sim->pods[i];

		if (!pod->exists)
			continue;
		containers[count++] = (struct sim_container){
			.ser = pod->ser,
			.pod = arena_strdup(arena, pod->name),
			.node = arena_strdup(arena, pod->node),
			.gpu_count = pod->gpu_count,
			.running = pod->phase == ENGINE_RUNNING,
			.ready = pod->ready,
		};
	}
	*ret_containers = containers;
	*ret_count = count;
	return 0;
}

bool sim_engine_has(struct engine *engine, int64_t ser)
{
	struct sim *sim = sim_of(engine);
	const struct sim_workload *workload = find_workload(sim, ser);

	return has_pods(sim, ser) || (workload && workload->network);
}

bool sim_engine_answers(struct engine *engine, const char *name)
{
	const struct sim_pod *pod = find_pod(sim_of(engine), name);

	return pod && pod->phase == ENGINE_RUNNING && pod->ready;
}
