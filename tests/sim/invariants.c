/* What must hold: at every moment, and when all has come to rest. */
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/strings.h"
#include "sim_test.h"
#include "workload/lifecycle.h"

struct check {
	struct sim_test *sim;
	struct arena *arena;
	bool moving;
};

static void expect_none(struct sim_test *sim, struct db_tx *tx, const char *what, const char *sql)
{
	ERR_AUTO(err);
	int64_t count = 0;

	if (db_query_int(tx, sql, DB_NO_ARGS, &count, &err) < 0)
		sim_fail(sim, "%s: %s", what, err.message);
	else if (count != 0)
		sim_fail(sim, "%s: %lld", what, (long long)count);
}

/* Reservations are the living pods', no more and no less. */
static void check_reservations(struct sim_test *sim, struct db_tx *tx)
{
	expect_none(sim, tx, "GPUs reserved for pods that are not alive",
		    "SELECT COUNT(*) FROM node_gpu WHERE pod_name IS NOT NULL AND pod_name NOT IN"
		    " (SELECT name FROM pod WHERE phase <> 'gone')");
	expect_none(sim, tx, "living pods without their GPUs",
		    "SELECT COUNT(*) FROM pod WHERE phase <> 'gone' AND gpu_count <>"
		    " (SELECT COUNT(*) FROM node_gpu WHERE pod_name = pod.name"
		    " AND node_id = pod.node_id)");
	expect_none(sim, tx, "nodes with more CPU or memory reserved than they have",
		    "SELECT COUNT(*) FROM node WHERE"
		    " cpu_milli < (SELECT COALESCE(SUM(cpu_milli), 0) FROM pod"
		    "  WHERE node_id = node.id AND phase <> 'gone')"
		    " OR memory_mb < (SELECT COALESCE(SUM(memory_mb), 0) FROM pod"
		    "  WHERE node_id = node.id AND phase <> 'gone')");
	expect_none(sim, tx, "pods alive of workloads that do not run",
		    "SELECT COUNT(*) FROM pod JOIN workload ON workload.ser = pod.ser"
		    " WHERE phase <> 'gone' AND state IN ('registered', 'terminated')");
	expect_none(sim, tx, "pods gone without a time",
		    "SELECT COUNT(*) FROM pod WHERE phase = 'gone' AND gone_at = 0");
	expect_none(sim, tx, "states without a reason for people",
		    "SELECT COUNT(*) FROM workload WHERE reason = '' OR message = ''");
}

/* Containers in the world hold GPUs that are reserved for them: never one GPU twice. */
static void check_truth(struct check *check, struct db_tx *tx)
{
	ERR_AUTO(err);
	struct sim_test *sim = check->sim;
	struct sim_container *containers = NULL;
	size_t count = 0;

	if (sim_engine_truth(sim->engine, check->arena, &containers, &count, &err) < 0) {
		sim_fail(sim, "%s", err.message);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		int64_t held = 0;

		if (db_query_int(tx,
				 "SELECT COUNT(*) FROM pod JOIN node ON node.id = pod.node_id"
				 " WHERE pod.name = $1 AND pod.phase <> 'gone' AND node.name = $2"
				 " AND pod.gpu_count = $3",
				 DB_ARGS(db_text(containers[i].pod), db_text(containers[i].node),
					 db_int(containers[i].gpu_count)),
				 &held, &err) < 0)
			sim_fail(sim, "%s", err.message);
		else if (held != 1)
			sim_fail(sim, "container %s on %s holds %d GPUs that are not its own",
				 containers[i].pod, containers[i].node, containers[i].gpu_count);
	}
}

/* The events of a workload since the last look tell every change of its state, each an allowed one.
 */
static void check_story(struct check *check, struct db_tx *tx, const struct workload *workload)
{
	ERR_AUTO(err);
	struct sim_test *sim = check->sim;
	struct seen *seen = &sim->seen[workload->ser];
	struct workload_event *events = NULL;
	size_t count = 0;

	if (!seen->exists)
		*seen = (struct seen){ .exists = true };
	if (workload->revision < seen->revision)
		sim_fail(sim, "workload %lld went back to revision %lld", (long long)workload->ser,
			 (long long)workload->revision);
	if (workload->revision == seen->revision && workload->state != seen->state)
		sim_fail(sim, "workload %lld is %s with the revision it had as %s",
			 (long long)workload->ser, workload_state_word(workload->state),
			 workload_state_word(seen->state));
	if (workload_events(tx, &sim->operator_actor, workload->ser, seen->last_event, 1000,
			    check->arena, &events, &count, &err) < 0)
		sim_fail(sim, "%s", err.message);
	for (size_t i = 0; i < count; i++) {
		enum workload_state state = WORKLOAD_REGISTERED;

		sim_trace(sim, "  %lld %s %s: %s", (long long)workload->ser,
			  events[i].pod ? events[i].pod : events[i].state, events[i].reason,
			  events[i].message);
		seen->last_event = events[i].id;
		if (events[i].pod || workload_state_parse(events[i].state, &state) < 0 ||
		    state == seen->state)
			continue;
		if (!workload_state_allowed(seen->state, state))
			sim_fail(sim, "workload %lld went from %s to %s", (long long)workload->ser,
				 workload_state_word(seen->state), workload_state_word(state));
		seen->state = state;
		sim->reached[state]++;
	}
	if (seen->state != workload->state)
		sim_fail(sim, "workload %lld became %s without an event", (long long)workload->ser,
			 workload_state_word(workload->state));
	seen->revision = workload->revision;
}

static int list_all(struct db_tx *tx, struct check *check, struct workload **ret_workloads,
		    size_t *ret_count, struct err *err)
{
	const struct workload_filter filter = { .limit = LIMIT_PAGE_ROWS };

	return workload_list(tx, &check->sim->operator_actor, &filter, check->arena, ret_workloads,
			     ret_count, err);
}

static int check_all(struct db_tx *tx, void *argument, struct err *err)
{
	struct check *check = argument;
	struct workload *workloads = NULL;
	size_t count = 0;

	if (list_all(tx, check, &workloads, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		check_story(check, tx, &workloads[i]);
	check_reservations(check->sim, tx);
	return 0;
}

static int check_world(struct db_tx *tx, void *argument, struct err *err)
{
	(void)err;
	check_truth(argument, tx);
	return 0;
}

static void read_with(struct sim_test *sim, db_function *function)
{
	ERR_AUTO(err);
	ARENA_AUTO arena = arena_new(LIMIT_WORKLOAD_ARENA_BYTES);
	struct check check = { .sim = sim, .arena = arena };

	if (!arena || db_read(sim->db, function, &check, &err) < 0)
		sim_fail(sim, "reading: %s", err.message);
}

void sim_check_invariants(struct sim_test *sim)
{
	uint64_t version = db_version(sim->db);

	if (!sim->checked || version != sim->checked_version)
		read_with(sim, check_all);
	read_with(sim, check_world);
	sim->checked = true;
	sim->checked_version = version;
}

static int find_moving(struct db_tx *tx, void *argument, struct err *err)
{
	struct check *check = argument;
	struct workload *workloads = NULL;
	size_t count = 0;

	if (list_all(tx, check, &workloads, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		const struct workload *w = &workloads[i];
		bool good = strstr(w->spec.image, "good") != NULL;

		if (w->state == WORKLOAD_DEPLOYING || w->state == WORKLOAD_TERMINATING ||
		    (w->state == WORKLOAD_FAILED && w->pods_total > 0) ||
		    (w->state == WORKLOAD_DEGRADED && good))
			check->moving = true;
	}
	return 0;
}

bool sim_is_moving(struct sim_test *sim)
{
	ERR_AUTO(err);
	ARENA_AUTO arena = arena_new(LIMIT_WORKLOAD_ARENA_BYTES);
	struct check check = { .sim = sim, .arena = arena };

	if (!arena || db_read(sim->db, find_moving, &check, &err) < 0)
		sim_fail(sim, "reading: %s", err.message);
	return check.moving;
}

static void check_at_rest(struct sim_test *sim, const struct workload *workload)
{
	long long ser = (long long)workload->ser;
	const char *state = workload_state_word(workload->state);

	switch (workload->state) {
	case WORKLOAD_DEPLOYING:
	case WORKLOAD_TERMINATING:
		sim_fail(sim, "workload %lld is still %s (%s: %s)", ser, state, workload->reason,
			 workload->message);
		break;
	case WORKLOAD_DEPLOYED:
		if (workload->pods_ready != workload->spec.replicas)
			sim_fail(sim, "workload %lld is deployed with %lld of %lld pods", ser,
				 (long long)workload->pods_ready,
				 (long long)workload->spec.replicas);
		if (!sim_gateway_answers(sim->gateway, workload->host))
			sim_fail(sim, "workload %lld is deployed and does not answer", ser);
		break;
	case WORKLOAD_DEGRADED:
		if (strstr(workload->spec.image, "good"))
			sim_fail(sim, "workload %lld is degraded for no reason (%s: %s)", ser,
				 workload->reason, workload->message);
		break;
	default:
		if (workload->pods_total > 0)
			sim_fail(sim, "workload %lld is %s with %lld pods", ser, state,
				 (long long)workload->pods_total);
		if (sim_engine_has(sim->engine, workload->ser))
			sim_fail(sim, "workload %lld is %s and something of it is left", ser,
				 state);
		if (sim_gateway_targets(sim->gateway, workload->host) > 0)
			sim_fail(sim, "workload %lld is %s and still routed", ser, state);
		break;
	}
}

static int check_rest(struct db_tx *tx, void *argument, struct err *err)
{
	struct check *check = argument;
	struct workload *workloads = NULL;
	size_t count = 0;

	if (list_all(tx, check, &workloads, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		check_at_rest(check->sim, &workloads[i]);
	return 0;
}

/* Deleted workloads leave nothing either. */
static void check_orphans(struct sim_test *sim)
{
	for (int64_t ser = 1; ser <= sim->last_ser; ser++) {
		if (sim_state(sim, ser) == WORKLOAD_STATE_COUNT && sim_engine_has(sim->engine, ser))
			sim_fail(sim, "workload %lld was deleted and something of it is left",
				 (long long)ser);
	}
}

void sim_check_rest(struct sim_test *sim)
{
	read_with(sim, check_rest);
	check_orphans(sim);
}

struct state_query {
	int64_t ser;
	struct sim_test *sim;
	enum workload_state state;
};

static int read_state(struct db_tx *tx, void *argument, struct err *err)
{
	struct state_query *query = argument;
	ARENA_AUTO arena = arena_new(LIMIT_WORKLOAD_ARENA_BYTES);
	struct workload workload;

	if (!arena)
		return err_oom(err);
	if (workload_get(tx, &query->sim->operator_actor, query->ser, arena, &workload, err) < 0)
		return -1;
	query->state = workload.state;
	return 0;
}

enum workload_state sim_state(struct sim_test *sim, int64_t ser)
{
	ERR_AUTO(err);
	struct state_query query = { .ser = ser, .sim = sim, .state = WORKLOAD_STATE_COUNT };

	if (db_read(sim->db, read_state, &query, &err) < 0 && err.code != ERR_NOT_FOUND)
		sim_fail(sim, "reading: %s", err.message);
	return query.state;
}
