/* What a workload's user may look at: its pods, living and gone, and its events. */
#include <assert.h>

#include "base/limits.h"
#include "workload/rows.h"
#include "workload/workload.h"

#define SELECT_PODS                                                                                \
	"SELECT pod.name, pod.ser, pod.node_id, pod.node_name, node.tier, pod.gpu_model,"          \
	" pod.gpu_count, node.simulated, pod.cpu_milli, pod.memory_mb, pod.base_per_hour,"         \
	" pod.usage_per_hour, pod.phase, pod.reason, pod.message, pod.address, pod.pull_done,"     \
	" pod.pull_total, pod.restarts, pod.started_at, pod.finished_at, pod.ready_at,"            \
	" pod.created_at, pod.gone_at, pod.exit_code"                                              \
	" FROM pod JOIN node ON node.id = pod.node_id"

/* The newest pods of a workload are what its user asks for; a page of them is enough. */
#define PODS_SHOWN LIMIT_PAGE_ROWS

static int read_pod(struct db_rows *rows, struct arena *arena, struct pod *ret_pod, struct err *err)
{
	*ret_pod = (struct pod){
		.name = arena_strdup(arena, db_rows_text(rows, 0)),
		.ser = db_rows_int(rows, 1),
		.node_id = db_rows_int(rows, 2),
		.node = arena_strdup(arena, db_rows_text(rows, 3)),
		.tier = (int)db_rows_int(rows, 4),
		.gpu_model = arena_strdup(arena, db_rows_text(rows, 5)),
		.gpu_count = db_rows_int(rows, 6),
		.simulated = db_rows_int(rows, 7) != 0,
		.cpu_milli = db_rows_int(rows, 8),
		.memory_mb = db_rows_int(rows, 9),
		.base_per_hour = db_rows_int(rows, 10),
		.usage_per_hour = db_rows_int(rows, 11),
		.phase = arena_strdup(arena, db_rows_text(rows, 12)),
		.reason = arena_strdup(arena, db_rows_text(rows, 13)),
		.message = arena_strdup(arena, db_rows_text(rows, 14)),
		.address = arena_strdup(arena, db_rows_text(rows, 15)),
		.pull_done = db_rows_int(rows, 16),
		.pull_total = db_rows_int(rows, 17),
		.restarts = db_rows_int(rows, 18),
		.started_at = db_rows_int(rows, 19),
		.finished_at = db_rows_int(rows, 20),
		.ready_at = db_rows_int(rows, 21),
		.created_at = db_rows_int(rows, 22),
		.gone_at = db_rows_int(rows, 23),
		.exit_code = db_rows_int(rows, 24),
	};
	if (!ret_pod->name || !ret_pod->node || !ret_pod->phase || !ret_pod->reason ||
	    !ret_pod->message)
		return err_oom(err);
	return 0;
}

int workload_pods(struct db_tx *tx, const struct actor *actor, int64_t ser, bool with_gone,
		  struct arena *arena, struct pod **ret_pods, size_t *ret_count, struct err *err)
{
	DB_ROWS_AUTO rows = NULL;
	struct pod *list = NULL;
	size_t count = 0;
	int more;

	if (rows_require(tx, actor, ser, err) < 0)
		return -1;
	if (db_query(tx,
		     SELECT_PODS " WHERE pod.ser = $1 AND ($2 = 1 OR pod.phase <> 'gone')"
				 " ORDER BY pod.created_at DESC, pod.name LIMIT $3",
		     DB_ARGS(db_int(ser), db_int(with_gone), db_int(PODS_SHOWN)), &rows, err) < 0)
		return -1;
	while ((more = db_rows_next(rows, err)) > 0) {
		list = rows_grow(arena, list, count, sizeof(*list));
		if (!list)
			return err_oom(err);
		if (read_pod(rows, arena, &list[count], err) < 0)
			return -1;
		count++;
	}
	if (more < 0)
		return -1;
	*ret_pods = list;
	*ret_count = count;
	return 0;
}

static int read_event(struct db_rows *rows, int64_t ser, struct arena *arena,
		      struct workload_event *ret_event, struct err *err)
{
	*ret_event = (struct workload_event){
		.id = db_rows_int(rows, 0),
		.ser = ser,
		.pod = arena_strdup(arena, db_rows_text(rows, 1)),
		.at = db_rows_int(rows, 2),
		.level = arena_strdup(arena, db_rows_text(rows, 3)),
		.state = arena_strdup(arena, db_rows_text(rows, 4)),
		.reason = arena_strdup(arena, db_rows_text(rows, 5)),
		.message = arena_strdup(arena, db_rows_text(rows, 6)),
	};
	if (!ret_event->level || !ret_event->state || !ret_event->reason || !ret_event->message)
		return err_oom(err);
	return 0;
}

int workload_events(struct db_tx *tx, const struct actor *actor, int64_t ser, int64_t after,
		    int64_t limit, struct arena *arena, struct workload_event **ret_events,
		    size_t *ret_count, struct err *err)
{
	DB_ROWS_AUTO rows = NULL;
	struct workload_event *list = NULL;
	size_t count = 0;
	int more;

	assert(limit >= 1);
	if (rows_require(tx, actor, ser, err) < 0)
		return -1;
	if (db_query(tx,
		     "SELECT id, pod_name, at, level, state, reason, message FROM event"
		     " WHERE ser = $1 AND id > $2 ORDER BY id LIMIT $3",
		     DB_ARGS(db_int(ser), db_int(after), db_int(limit)), &rows, err) < 0)
		return -1;
	while ((more = db_rows_next(rows, err)) > 0) {
		list = rows_grow(arena, list, count, sizeof(*list));
		if (!list)
			return err_oom(err);
		if (read_event(rows, ser, arena, &list[count], err) < 0)
			return -1;
		count++;
	}
	if (more < 0)
		return -1;
	*ret_events = list;
	*ret_count = count;
	return 0;
}
