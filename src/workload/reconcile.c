/* One round: rows and world in, judgement, one write, then the world is told what should be. */
#include "workload/reconcile.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "base/strings.h"
#include "workload/event.h"
#include "workload/judge.h"
#include "workload/lifecycle.h"
#include "workload/reconciler.h"
#include "workload/states.h"

#define ROWS_ARENA_BYTES ((size_t)1 << 30)  /* 10,000 active workloads with the largest specs */
#define ROUND_ARENA_BYTES ((size_t)1 << 30) /* the same said to the engine */
/* An engine that is away shorter than this (start of Dure, reconnect) is no news. */
#define OUTAGE_TOLERANCE_US (3 * USEC_PER_SEC)

struct reconcile_rules reconcile_rules_default(void)
{
	return (struct reconcile_rules){
		.pull_timeout_us = 300 * USEC_PER_SEC,
		.ready_timeout_us = 300 * USEC_PER_SEC,
		.deploy_timeout_us = 1800 * USEC_PER_SEC,
		.retry_min_us = 1 * USEC_PER_SEC,
		.retry_max_us = 60 * USEC_PER_SEC,
		.failures_limit = 5,
		.stable_us = 60 * USEC_PER_SEC,
		.stop_grace_s = 10,
		.drain_grace_s = 5,
	};
}

/* Rows: read again only when something was written since. */
static int refresh_rows(struct reconciler *reconciler, struct err *err)
{
	uint64_t version = db_version(reconciler->options.db);

	if (!reconciler->rows_valid || version != reconciler->rows_version) {
		reconciler->rows_valid = false;
		reconciler->rows = NULL;
		reconciler->n_rows = 0;
		arena_reset(reconciler->rows_arena);
		if (round_load(reconciler->options.db, reconciler->rows_arena, &reconciler->rows,
			       &reconciler->n_rows, err) < 0)
			return -1;
		if (reconciler_remember(reconciler, err) < 0)
			return -1;
		reconciler->rows_version = version;
		reconciler->rows_valid = true;
	}
	for (size_t i = 0; i < reconciler->n_rows; i++) {
		struct round_workload *workload = &reconciler->rows[i];

		workload->to = workload->state;
		workload->verdict = (struct note){ NULL, NULL, NULL };
		workload->verdict_is_event = false;
		workload->skipped = false;
		workload->answers = false;
		workload->left = false;
		for (size_t j = 0; j < workload->n_pods; j++) {
			workload->pods[j].facts = workload->pods[j].stored;
			workload->pods[j].seen = NULL;
			workload->pods[j].target = NULL;
			workload->pods[j].n_notes = 0;
		}
	}
	return 0;
}

/* The world beside the rows. Both lists may be long, so they meet by binary search. */
static struct round_workload *find_workload(const struct round *round, int64_t ser)
{
	size_t low = 0, high = round->n_workloads;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		struct round_workload *workload = &round->workloads[middle];

		if (workload->ser == ser)
			return workload;
		if (workload->ser < ser)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static struct round_pod *find_pod(struct round_workload *workload, const char *name)
{
	for (size_t i = 0; workload && i < workload->n_pods; i++) {
		if (str_equal(workload->pods[i].name, name))
			return &workload->pods[i];
	}
	return NULL;
}

static void attach_engine(struct round *round, const struct engine_world *world)
{
	for (size_t i = 0; i < world->n_sers; i++) {
		struct round_workload *workload = find_workload(round, world->sers[i]);
		if (workload)
			workload->left = true;
	}
	for (size_t i = 0; i < world->n_pods; i++) {
		struct round_workload *workload = find_workload(round, world->pods[i].ser);
		struct round_pod *pod = find_pod(workload, world->pods[i].name);
		if (pod)
			pod->seen = &world->pods[i];
	}
}

static int compare_hosts(const void *a, const void *b)
{
	return strcmp((*(struct round_workload *const *)a)->host,
		      (*(struct round_workload *const *)b)->host);
}

static struct round_workload *find_host(struct round_workload **by_host, size_t count,
					const char *host)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(by_host[middle]->host, host);

		if (order == 0)
			return by_host[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static int attach_gateway(struct round *round, const struct gateway_state *state, struct err *err)
{
	size_t count = round->n_workloads;
	struct round_workload **by_host =
		ARENA_ARRAY(round->arena, count + 1, struct round_workload *);

	if (!by_host)
		return err_oom(err);
	for (size_t i = 0; i < count; i++)
		by_host[i] = &round->workloads[i];
	qsort(by_host, count, sizeof(*by_host), compare_hosts);
	for (size_t i = 0; i < state->n_services; i++) {
		const struct gateway_service_state *service = &state->services[i];
		struct round_workload *workload = find_host(by_host, count, service->host);
		if (workload)
			workload->answers = service->answers;
	}
	for (size_t i = 0; i < state->n_targets; i++) {
		const struct gateway_target_state *target = &state->targets[i];
		struct round_pod *pod =
			find_pod(find_host(by_host, count, target->host), target->pod);
		if (pod)
			pod->target = target;
	}
	round->gateway_up = state->up;
	round->gateway_why = state->why;
	return 0;
}

/* The engine's clock: monotonic time without the engine's outages, so that no deadline passes while
 * nothing can be known. */
static void begin_clock(struct reconciler *reconciler, struct round *round, bool visible)
{
	int64_t monotonic = env_monotonic(reconciler->options.env);

	if (visible && reconciler->outage) {
		reconciler->outage_total += monotonic - reconciler->outage_from;
		reconciler->outage = false;
	} else if (!visible && !reconciler->outage) {
		reconciler->outage = true;
		reconciler->outage_from = monotonic;
	}
	round->now = env_now(reconciler->options.env);
	/* From 1 on: 0 means "not set" in the memos. */
	round->clock = (visible ? monotonic : reconciler->outage_from) - reconciler->outage_total;
	round->next = INT64_MAX;
}

/* Nothing is known of the pods: they keep their phase, and their users hear it once. */
static void judge_outage(const struct reconciler *reconciler, struct round *round,
			 const struct engine_world *world)
{
	int64_t away = env_monotonic(reconciler->options.env) - reconciler->outage_from;
	const char *why = str_empty(world->why) ? "it does not answer" : world->why;

	if (away < OUTAGE_TOLERANCE_US)
		return;
	for (size_t i = 0; i < round->n_workloads; i++) {
		struct round_workload *workload = &round->workloads[i];

		if (!workload_state_active(workload->state) ||
		    str_equal(workload->reason, "engine_unreachable"))
			continue;
		workload->verdict = (struct note){
			.level = EVENT_WARNING,
			.reason = "engine_unreachable",
			.message = arena_printf(round->arena,
						"The container engine cannot be reached (%s). Pods"
						" that run go on running; Dure continues by itself"
						" when it is back.",
						why)
		};
		workload->verdict_is_event = true;
	}
}

static void judge_world(struct round *round)
{
	for (size_t i = 0; i < round->n_workloads; i++) {
		struct round_workload *workload = &round->workloads[i];
		bool any_ready = states_any_ready(workload);

		for (size_t j = 0; j < workload->n_pods; j++)
			judge_pod(round, workload, &workload->pods[j], any_ready);
		states_judge(round, workload);
	}
}

/* The whole routing table: pods that answer and do not leave. */
static int tell_gateway(struct reconciler *reconciler, struct round *round, struct err *err)
{
	struct gateway_service *services =
		ARENA_ARRAY(round->arena, round->n_workloads + 1, struct gateway_service);

	if (!services)
		return err_oom(err);
	for (size_t i = 0; i < round->n_workloads; i++) {
		struct round_workload *workload = &round->workloads[i];
		struct gateway_target *targets =
			ARENA_ARRAY(round->arena, workload->n_pods + 1, struct gateway_target);
		size_t count = 0;

		if (!targets)
			return err_oom(err);
		for (size_t j = 0; j < workload->n_pods; j++) {
			const struct round_pod *pod = &workload->pods[j];

			if (pod->facts.phase != POD_RUNNING || !pod->facts.address)
				continue;
			targets[count++] = (struct gateway_target){
				.pod = pod->name,
				.address = pod->facts.address,
				.port = workload->spec.port,
			};
		}
		services[i] = (struct gateway_service){
			.host = workload->host,
			.targets = targets,
			.n_targets = count,
			.drain_grace_s = reconciler->options.rules.drain_grace_s,
		};
	}
	return gateway_sync(reconciler->options.gateway, services, round->n_workloads, err);
}

/* The command as the engine takes it: the shell form is run by the image's shell. */
static const char *const *engine_argv(struct arena *arena, const struct spec *spec)
{
	size_t extra = spec->shell_form ? 2 : 0;
	const char **argv = ARENA_ARRAY(arena, spec->n_argv + extra + 1, const char *);

	if (!argv)
		return NULL;
	if (spec->shell_form) {
		argv[0] = "/bin/sh";
		argv[1] = "-c";
	}
	for (size_t i = 0; i < spec->n_argv; i++)
		argv[extra + i] = spec->argv[i];
	return argv;
}

static const char *const *engine_environment(struct arena *arena, const struct spec *spec)
{
	const char **environment = ARENA_ARRAY(arena, spec->n_variables + 1, const char *);

	for (size_t i = 0; environment && i < spec->n_variables; i++) {
		environment[i] = arena_printf(arena, "%s=%s", spec->variables[i].name,
					      spec->variables[i].value);
		if (!environment[i])
			return NULL;
	}
	return environment;
}

static size_t wanted_pods(const struct round_workload *workload, struct engine_pod *pods)
{
	size_t count = 0;

	for (size_t i = 0; i < workload->n_pods; i++) {
		const struct round_pod *pod = &workload->pods[i];

		if (!judge_wanted(&pod->facts))
			continue;
		pods[count++] = (struct engine_pod){
			.name = pod->name,
			.node = pod->node,
			.gpu_model = pod->gpu_model,
			.gpu_uuids = pod->uuids,
			.n_gpu_uuids = pod->n_uuids,
			.gpu_count = (int)pod->gpu_count,
			.simulated = pod->simulated,
			.restart_past = pod->facts.restart_past,
		};
	}
	return count;
}

static int ensure(struct reconciler *reconciler, struct round *round,
		  const struct round_workload *workload, struct err *err)
{
	const struct spec *spec = &workload->spec;
	struct engine_pod *pods =
		ARENA_ARRAY(round->arena, workload->n_pods + 1, struct engine_pod);
	const char *const *argv = spec->n_argv > 0 ? engine_argv(round->arena, spec) : NULL;
	const char *const *environment =
		spec->n_variables > 0 ? engine_environment(round->arena, spec) : NULL;

	if (!pods || (spec->n_argv > 0 && !argv) || (spec->n_variables > 0 && !environment))
		return err_oom(err);
	const struct engine_workload wanted = {
		.ser = workload->ser,
		.image = spec->image_reference,
		.argv = argv,
		.environment = environment,
		.port = spec->port,
		.cpu_milli = spec->cpu_milli,
		.memory_mb = spec->memory_mb,
		.shared_memory_mb = spec->shared_memory_mb,
		.stop_grace_s = reconciler->options.rules.stop_grace_s,
		.pods = pods,
		.n_pods = wanted_pods(workload, pods),
	};
	return engine_ensure(reconciler->options.engine, &wanted, err);
}

static bool wants_anything(const struct round_workload *workload)
{
	for (size_t i = 0; i < workload->n_pods; i++) {
		if (judge_wanted(&workload->pods[i].facts))
			return true;
	}
	return workload->to == WORKLOAD_DEPLOYING || workload->to == WORKLOAD_DEPLOYED ||
	       workload->to == WORKLOAD_DEGRADED;
}

static int tell_engine(struct reconciler *reconciler, struct round *round,
		       const struct engine_world *world, bool visible, struct err *err)
{
	struct engine *engine = reconciler->options.engine;

	for (size_t i = 0; i < round->n_workloads; i++) {
		const struct round_workload *workload = &round->workloads[i];
		int rc = 0;

		if (workload->skipped)
			continue;
		if (wants_anything(workload))
			rc = ensure(reconciler, round, workload, err);
		else if (workload->left || !visible)
			rc = engine_remove(engine, workload->ser, err);
		if (rc < 0)
			return err_wrap(err, "workload %lld", (long long)workload->ser);
	}
	/* What the engine has of workloads that are done, deleted or never were. */
	for (size_t i = 0; visible && i < world->n_sers; i++) {
		if (!find_workload(round, world->sers[i]) &&
		    engine_remove(engine, world->sers[i], err) < 0)
			return err_wrap(err, "orphan of workload %lld", (long long)world->sers[i]);
	}
	return 0;
}

/* Monotonic time of the next round that is due by itself. */
static int64_t next_round(const struct reconciler *reconciler, const struct round *round)
{
	bool skipped = false;
	int64_t next = INT64_MAX;

	for (size_t i = 0; i < round->n_workloads; i++)
		skipped = skipped || round->workloads[i].skipped;
	if (skipped)
		return env_monotonic(reconciler->options.env);
	if (reconciler->outage) {
		next = reconciler->outage_from + OUTAGE_TOLERANCE_US;
		if (next <= env_monotonic(reconciler->options.env))
			next = INT64_MAX; /* told; the engine wakes when it is back */
	} else if (round->next < INT64_MAX) {
		next = round->next + reconciler->outage_total;
	}
	return next;
}

static int failed_at(const char *point, struct err *err)
{
	return err_set(err, ERR_INTERNAL, "failure point %s", point);
}

static int run_round(struct reconciler *reconciler, struct round *round, struct err *err)
{
	const struct reconcile_options *options = &reconciler->options;
	struct engine_world world = { 0 };
	struct gateway_state gateway = { 0 };

	if (refresh_rows(reconciler, err) < 0)
		return -1;
	round->workloads = reconciler->rows;
	round->n_workloads = reconciler->n_rows;
	if (FAILPOINT(reconcile_before_observe))
		return failed_at("reconcile_before_observe", err);
	if (engine_observe(options->engine, round->arena, &world, err) < 0 ||
	    gateway_observe(options->gateway, round->arena, &gateway, err) < 0)
		return -1;
	bool visible = world.reachable && world.synced;
	begin_clock(reconciler, round, visible);
	attach_engine(round, &world);
	if (attach_gateway(round, &gateway, err) < 0)
		return -1;
	if (visible)
		judge_world(round);
	else
		judge_outage(reconciler, round, &world);
	if (FAILPOINT(reconcile_before_write))
		return failed_at("reconcile_before_write", err);
	if (round_write(options->db, round, err) < 0)
		return -1;
	if (FAILPOINT(reconcile_after_write))
		return failed_at("reconcile_after_write", err);
	if (tell_gateway(reconciler, round, err) < 0)
		return -1;
	if (FAILPOINT(reconcile_after_gateway))
		return failed_at("reconcile_after_gateway", err);
	if (tell_engine(reconciler, round, &world, visible, err) < 0)
		return -1;
	if (FAILPOINT(reconcile_after_ensure))
		return failed_at("reconcile_after_ensure", err);
	return 0;
}

int reconcile_pass(struct reconciler *reconciler, int64_t *ret_next_us, struct err *err)
{
	struct round round = { .arena = reconciler->arena, .rules = &reconciler->options.rules };

	assert(reconciler->magic == RECONCILER_MAGIC);
	arena_reset(reconciler->arena);
	if (run_round(reconciler, &round, err) < 0) {
		reconciler->rows_valid = false;
		return err_wrap(err, "reconcile");
	}
	*ret_next_us = next_round(reconciler, &round);
	return 0;
}

int reconcile_new(const struct reconcile_options *options, struct reconciler **ret_reconciler,
		  struct err *err)
{
	struct reconciler *reconciler = calloc(1, sizeof(*reconciler));

	assert(options->env && options->db && options->engine && options->gateway);
	assert(options->rules.failures_limit > 0 && options->rules.retry_min_us > 0);
	if (!reconciler)
		return err_oom(err);
	reconciler->magic = RECONCILER_MAGIC;
	reconciler->options = *options;
	/* Until it is seen for the first time the engine counts as away. */
	reconciler->outage = true;
	reconciler->outage_from = env_monotonic(options->env);
	reconciler->outage_total = reconciler->outage_from - 1;
	reconciler->rows_arena = arena_new(ROWS_ARENA_BYTES);
	reconciler->arena = arena_new(ROUND_ARENA_BYTES);
	(void)pthread_mutex_init(&reconciler->mutex, NULL);
	pthread_condattr_t attributes;
	(void)pthread_condattr_init(&attributes);
	(void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&reconciler->cond, &attributes);
	(void)pthread_condattr_destroy(&attributes);
	if (!reconciler->rows_arena || !reconciler->arena) {
		(void)reconcile_free(reconciler);
		return err_oom(err);
	}
	*ret_reconciler = reconciler;
	return 0;
}
