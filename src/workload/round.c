#include "workload/round.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

#include "base/limits.h"
#include "base/strings.h"
#include "catalog/catalog.h"
#include "workload/event.h"
#include "workload/lifecycle.h"
#include "workload/rows.h"

static const char *const phase_words[POD_PHASE_COUNT] = {
#define X(symbol, word) [POD_##symbol] = word,
	POD_PHASES(X)
#undef X
};

const char *pod_phase_word(enum pod_phase phase)
{
	assert(phase < POD_PHASE_COUNT);
	return phase_words[phase];
}

int pod_phase_parse(const char *word, enum pod_phase *ret_phase)
{
	for (size_t i = 0; i < POD_PHASE_COUNT; i++) {
		if (str_equal(word, phase_words[i])) {
			*ret_phase = (enum pod_phase)i;
			return 0;
		}
	}
	return -1;
}

void round_note(struct round *round, struct round_pod *pod, const char *level, const char *reason,
		const char *format, ...)
{
	va_list args;

	assert(pod->n_notes < POD_NOTES_MAX);
	va_start(args, format);
	pod->notes[pod->n_notes++] =
		(struct note){ .level = level,
			       .reason = reason,
			       .message = arena_vprintf(round->arena, format, args) };
	va_end(args);
}

/* Reading ----------------------------------------------------------------------------------------
 */

struct load {
	struct arena *arena;
	struct round_workload *workloads;
	size_t n_workloads;
};

#define ACTIVE_SERS                                                                                \
	"(SELECT ser FROM workload WHERE state IN ('deploying', 'deployed', 'degraded',"           \
	" 'terminating') UNION SELECT ser FROM pod WHERE phase <> 'gone')"

static int load_workloads(struct db_tx *tx, struct load *load, struct err *err)
{
	DB_ROWS_AUTO rows = NULL;
	int more;

	if (db_query(tx,
		     "SELECT ser, host, state, reason, revision, deploy_started_at, spec"
		     " FROM workload WHERE ser IN " ACTIVE_SERS " ORDER BY ser",
		     DB_NO_ARGS, &rows, err) < 0)
		return -1;
	while ((more = db_rows_next(rows, err)) > 0) {
		load->workloads = rows_grow(load->arena, load->workloads, load->n_workloads,
					    sizeof(*load->workloads));
		if (!load->workloads)
			return err_oom(err);
		struct round_workload *w = &load->workloads[load->n_workloads++];
		*w = (struct round_workload){
			.ser = db_rows_int(rows, 0),
			.host = arena_strdup(load->arena, db_rows_text(rows, 1)),
			.reason = arena_strdup(load->arena, db_rows_text(rows, 3)),
			.revision = db_rows_int(rows, 4),
			.deploy_started_at = db_rows_int(rows, 5),
		};
		if (!w->host || !w->reason)
			return err_oom(err);
		if (workload_state_parse(db_rows_text(rows, 2), &w->state) < 0)
			return err_set(err, ERR_INTERNAL, "workload %lld has an unknown state",
				       (long long)w->ser);
		if (spec_load(db_rows_text(rows, 6), load->arena, &w->spec, err) < 0)
			return err_wrap(err, "workload %lld", (long long)w->ser);
	}
	return more;
}

static int load_pod(struct db_rows *rows, struct arena *arena, struct round_pod *pod,
		    struct err *err)
{
	struct pod_facts facts = {
		.reason = arena_strdup(arena, db_rows_text(rows, 7)),
		.message = arena_strdup(arena, db_rows_text(rows, 8)),
		.address = arena_strdup(arena, db_rows_text(rows, 9)),
		.pull_done = db_rows_int(rows, 10),
		.pull_total = db_rows_int(rows, 11),
		.restarts = db_rows_int(rows, 12),
		.failures = db_rows_int(rows, 13),
		.exit_seen_at = db_rows_int(rows, 14),
		.restart_at = db_rows_int(rows, 15),
		.restart_past = db_rows_int(rows, 16),
		.ready_at = db_rows_int(rows, 17),
		.started_at = db_rows_int(rows, 18),
		.finished_at = db_rows_int(rows, 19),
		.exit_code = db_rows_int(rows, 20),
		.phase_at = db_rows_int(rows, 21),
	};

	*pod = (struct round_pod){
		.name = arena_strdup(arena, db_rows_text(rows, 1)),
		.node = arena_strdup(arena, db_rows_text(rows, 2)),
		.gpu_model = arena_strdup(arena, db_rows_text(rows, 3)),
		.gpu_count = db_rows_int(rows, 4),
		.simulated = db_rows_int(rows, 5) != 0,
	};
	if (!pod->name || !pod->node || !facts.reason || !facts.message)
		return err_oom(err);
	if (pod_phase_parse(db_rows_text(rows, 6), &facts.phase) < 0)
		return err_set(err, ERR_INTERNAL, "pod %s has an unknown phase", pod->name);
	pod->stored = facts;
	return 0;
}

static struct round_workload *find_workload(struct load *load, size_t *cursor, int64_t ser)
{
	while (*cursor < load->n_workloads && load->workloads[*cursor].ser < ser)
		(*cursor)++;
	if (*cursor == load->n_workloads || load->workloads[*cursor].ser != ser)
		return NULL;
	return &load->workloads[*cursor];
}

static int load_pods(struct db_tx *tx, struct load *load, struct err *err)
{
	DB_ROWS_AUTO rows = NULL;
	size_t cursor = 0;
	int more;

	if (db_query(tx,
		     "SELECT pod.ser, pod.name, pod.node_name, pod.gpu_model, pod.gpu_count,"
		     " node.simulated, pod.phase, pod.reason, pod.message, pod.address,"
		     " pod.pull_done, pod.pull_total, pod.restarts, pod.failures_in_row,"
		     " pod.exit_seen_at, pod.restart_at, pod.restart_past, pod.ready_at,"
		     " pod.started_at, pod.finished_at, pod.exit_code, pod.phase_at"
		     " FROM pod JOIN node ON node.id = pod.node_id WHERE pod.phase <> 'gone'"
		     " ORDER BY pod.ser, pod.created_at, pod.name",
		     DB_NO_ARGS, &rows, err) < 0)
		return -1;
	while ((more = db_rows_next(rows, err)) > 0) {
		struct round_workload *w = find_workload(load, &cursor, db_rows_int(rows, 0));

		if (!w)
			return err_set(err, ERR_INTERNAL, "pod %s has no workload",
				       db_rows_text(rows, 1));
		w->pods = rows_grow(load->arena, w->pods, w->n_pods, sizeof(*w->pods));
		if (!w->pods)
			return err_oom(err);
		if (load_pod(rows, load->arena, &w->pods[w->n_pods], err) < 0)
			return -1;
		w->n_pods++;
	}
	return more;
}

/* Real GPUs are handed in by their UUIDs. */
static int load_uuids(struct db_tx *tx, struct load *load, struct err *err)
{
	for (size_t i = 0; i < load->n_workloads; i++) {
		for (size_t j = 0; j < load->workloads[i].n_pods; j++) {
			struct round_pod *pod = &load->workloads[i].pods[j];

			if (pod->gpu_count == 0 || pod->simulated)
				continue;
			if (catalog_reserved_uuids(tx, load->arena, pod->name, &pod->uuids,
						   &pod->n_uuids, err) < 0)
				return -1;
		}
	}
	return 0;
}

static int load_all(struct db_tx *tx, void *argument, struct err *err)
{
	struct load *load = argument;

	if (load_workloads(tx, load, err) < 0 || load_pods(tx, load, err) < 0)
		return -1;
	return load_uuids(tx, load, err);
}

int round_load(struct db *db, struct arena *arena, struct round_workload **ret_workloads,
	       size_t *ret_count, struct err *err)
{
	struct load load = { .arena = arena };

	if (db_read(db, load_all, &load, err) < 0)
		return -1;
	*ret_workloads = load.workloads;
	*ret_count = load.n_workloads;
	return 0;
}

/* Writing ----------------------------------------------------------------------------------------
 */

static bool facts_equal(const struct pod_facts *a, const struct pod_facts *b)
{
	return a->phase == b->phase && str_equal(a->reason, b->reason) &&
	       str_equal(a->message, b->message) && str_equal(a->address, b->address) &&
	       a->pull_done == b->pull_done && a->pull_total == b->pull_total &&
	       a->restarts == b->restarts && a->failures == b->failures &&
	       a->exit_seen_at == b->exit_seen_at && a->restart_at == b->restart_at &&
	       a->restart_past == b->restart_past && a->ready_at == b->ready_at &&
	       a->started_at == b->started_at && a->finished_at == b->finished_at &&
	       a->exit_code == b->exit_code && a->phase_at == b->phase_at &&
	       a->gone_at == b->gone_at;
}

static bool pod_changed(const struct round_pod *pod)
{
	return pod->n_notes > 0 || !facts_equal(&pod->stored, &pod->facts);
}

static bool workload_changed(const struct round_workload *workload)
{
	if (workload->verdict.reason)
		return true;
	for (size_t i = 0; i < workload->n_pods; i++) {
		if (pod_changed(&workload->pods[i]))
			return true;
	}
	return false;
}

static int write_facts(struct db_tx *tx, const char *name, const struct pod_facts *facts,
		       struct err *err)
{
	return db_exec(tx,
		       "UPDATE pod SET phase = $2, reason = $3, message = $4, address = $5,"
		       " pull_done = $6, pull_total = $7, restarts = $8, failures_in_row = $9,"
		       " exit_seen_at = $10, restart_at = $11, restart_past = $12, ready_at = $13,"
		       " started_at = $14, finished_at = $15, exit_code = $16, phase_at = $17,"
		       " gone_at = $18 WHERE name = $1",
		       DB_ARGS(db_text(name), db_text(pod_phase_word(facts->phase)),
			       db_text(facts->reason), db_text(facts->message),
			       db_text(facts->address), db_int(facts->pull_done),
			       db_int(facts->pull_total), db_int(facts->restarts),
			       db_int(facts->failures), db_int(facts->exit_seen_at),
			       db_int(facts->restart_at), db_int(facts->restart_past),
			       db_int(facts->ready_at), db_int(facts->started_at),
			       db_int(facts->finished_at), db_int(facts->exit_code),
			       db_int(facts->phase_at), db_int(facts->gone_at)),
		       NULL, err);
}

static int write_pod(struct db_tx *tx, const struct round *round,
		     const struct round_workload *workload, const struct round_pod *pod,
		     struct err *err)
{
	for (size_t i = 0; i < pod->n_notes; i++) {
		const struct note *note = &pod->notes[i];

		if (!note->message)
			return err_oom(err);
		if (event_add(tx,
			      &(const struct workload_event){
				      .ser = workload->ser,
				      .pod = pod->name,
				      .at = round->now,
				      .level = note->level,
				      .state = workload_state_word(workload->to),
				      .reason = note->reason,
				      .message = note->message },
			      err) < 0)
			return -1;
	}
	if (!facts_equal(&pod->stored, &pod->facts) &&
	    write_facts(tx, pod->name, &pod->facts, err) < 0)
		return -1;
	/* The reservation goes with the row, in this transaction. */
	if (pod->facts.phase == POD_GONE)
		return catalog_release(tx, pod->name, err);
	return 0;
}

static int write_reason(struct db_tx *tx, const struct round *round,
			const struct round_workload *workload, struct err *err)
{
	const struct note *note = &workload->verdict;

	if (db_exec(tx,
		    "UPDATE workload SET reason = $2, message = $3, updated_at = $4,"
		    " revision = revision + 1 WHERE ser = $1",
		    DB_ARGS(db_int(workload->ser), db_text(note->reason), db_text(note->message),
			    db_int(round->now)),
		    NULL, err) < 0)
		return -1;
	if (!workload->verdict_is_event)
		return 0;
	return event_add(tx,
			 &(const struct workload_event){ .ser = workload->ser,
							 .at = round->now,
							 .level = note->level,
							 .state = workload_state_word(workload->to),
							 .reason = note->reason,
							 .message = note->message },
			 err);
}

static int write_workload(struct db_tx *tx, const struct round *round,
			  const struct round_workload *workload, struct err *err)
{
	const struct note *note = &workload->verdict;

	for (size_t i = 0; i < workload->n_pods; i++) {
		if (pod_changed(&workload->pods[i]) &&
		    write_pod(tx, round, workload, &workload->pods[i], err) < 0)
			return -1;
	}
	if (!note->reason)
		return 0;
	if (!note->message)
		return err_oom(err);
	if (workload->to == workload->state)
		return write_reason(tx, round, workload, err);
	return workload_change_state(tx,
				     &(const struct workload_change){ .ser = workload->ser,
								      .from = workload->state,
								      .to = workload->to,
								      .level = note->level,
								      .reason = note->reason,
								      .message = note->message,
								      .at = round->now },
				     err);
}

/* Does the row still stand as it was read? */
static int stands(struct db_tx *tx, const struct round_workload *workload, bool *ret_stands,
		  struct err *err)
{
	int64_t count = 0;

	if (db_query_int(tx, "SELECT COUNT(*) FROM workload WHERE ser = $1 AND revision = $2",
			 DB_ARGS(db_int(workload->ser), db_int(workload->revision)), &count,
			 err) < 0)
		return -1;
	*ret_stands = count == 1;
	return 0;
}

static int write_all(struct db_tx *tx, void *argument, struct err *err)
{
	struct round *round = argument;

	for (size_t i = 0; i < round->n_workloads; i++) {
		struct round_workload *workload = &round->workloads[i];
		bool as_read = false;

		if (!workload_changed(workload))
			continue;
		if (stands(tx, workload, &as_read, err) < 0)
			return -1;
		workload->skipped = !as_read;
		if (as_read && write_workload(tx, round, workload, err) < 0)
			return err_wrap(err, "workload %lld", (long long)workload->ser);
	}
	return 0;
}

int round_write(struct db *db, struct round *round, struct err *err)
{
	for (size_t i = 0; i < round->n_workloads; i++) {
		if (workload_changed(&round->workloads[i]))
			return db_write(db, write_all, round, err);
	}
	return 0;
}
