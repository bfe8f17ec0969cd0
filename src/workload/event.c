#include "workload/event.h"

#include <assert.h>

#include "base/limits.h"

/* Cleaning up at every insert would double its cost; a few events above the ceiling harm nobody. */
#define EVENTS_BETWEEN_CLEANUPS 32

static int event_trim(struct db_tx *tx, int64_t ser, struct err *err)
{
	return db_exec(tx,
		       "DELETE FROM event WHERE ser = $1 AND id <= (SELECT id FROM event"
		       " WHERE ser = $1 ORDER BY id DESC LIMIT 1 OFFSET $2)",
		       DB_ARGS(db_int(ser), db_int(LIMIT_EVENTS_PER_WORKLOAD)), NULL, err);
}

int event_add(struct db_tx *tx, const struct workload_event *event, struct err *err)
{
	int64_t id = 0;

	assert(event->ser > 0);
	assert(event->level && event->state && event->reason && event->message);
	/* Ids grow over all workloads: the newest event is never deleted before older ones are. */
	if (db_insert(tx,
		      "INSERT INTO event (id, ser, pod_name, at, level, state, reason, message)"
		      " VALUES ((SELECT COALESCE(MAX(id), 0) + 1 FROM event), $1, $2, $3, $4, $5,"
		      " $6, $7) RETURNING id",
		      DB_ARGS(db_int(event->ser), db_text(event->pod), db_int(event->at),
			      db_text(event->level), db_text(event->state), db_text(event->reason),
			      db_text(event->message)),
		      &id, err) < 0)
		return -1;
	if (id % EVENTS_BETWEEN_CLEANUPS != 0)
		return 0;
	return event_trim(tx, event->ser, err);
}
