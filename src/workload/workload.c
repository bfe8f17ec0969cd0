/* Rows of workloads: register, show, list, edit, delete. */
#include "workload/workload.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/strings.h"
#include "workload/event.h"
#include "workload/lifecycle.h"
#include "workload/rows.h"

#define HOST_BYTES 4
#define HOST_TRIES 16 /* 10,000 of 4 billion names taken: the second try is already luck */

int rows_workload(struct db_rows *rows, struct arena *arena, struct workload *ret_workload,
		  struct err *err)
{
	struct workload w = {
		.ser = db_rows_int(rows, 0),
		.owner_id = db_rows_int(rows, 1),
		.owner = arena_strdup(arena, db_rows_text(rows, 2)),
		.host = arena_strdup(arena, db_rows_text(rows, 3)),
		.reason = arena_strdup(arena, db_rows_text(rows, 5)),
		.message = arena_strdup(arena, db_rows_text(rows, 6)),
		.revision = db_rows_int(rows, 7),
		.created_at = db_rows_int(rows, 9),
		.updated_at = db_rows_int(rows, 10),
		.state_at = db_rows_int(rows, 11),
		.deploy_started_at = db_rows_int(rows, 12),
		.deployed_at = db_rows_int(rows, 13),
		.terminated_at = db_rows_int(rows, 14),
		.pods_total = db_rows_int(rows, 15),
		.pods_ready = db_rows_int(rows, 16),
		.min_per_hour = db_rows_int(rows, 17),
		.max_per_hour = db_rows_int(rows, 18),
	};

	if (!w.owner || !w.host || !w.reason || !w.message)
		return err_oom(err);
	if (workload_state_parse(db_rows_text(rows, 4), &w.state) < 0)
		return err_set(err, ERR_INTERNAL, "workload %lld has the unknown state '%s'",
			       (long long)w.ser, db_rows_text(rows, 4));
	if (spec_load(db_rows_text(rows, 8), arena, &w.spec, err) < 0)
		return err_wrap(err, "stored specification of workload %lld", (long long)w.ser);
	*ret_workload = w;
	return 0;
}

int rows_require(struct db_tx *tx, const struct actor *actor, int64_t ser, struct err *err)
{
	DB_ROWS_AUTO rows = NULL;
	char what[32];

	(void)snprintf(what, sizeof(what), "workload %lld", (long long)ser);
	if (db_query(tx, "SELECT owner_id FROM workload WHERE ser = $1", DB_ARGS(db_int(ser)),
		     &rows, err) < 0)
		return -1;
	int more = db_rows_next(rows, err);
	if (more < 0)
		return -1;
	if (more == 0)
		return err_set(err, ERR_NOT_FOUND, "there is no %s", what);
	return account_require_owner(actor, db_rows_int(rows, 0), what, err);
}

void *rows_grow(struct arena *arena, void *array, size_t count, size_t element_size)
{
	/* Doubling at powers of two keeps what is copied below twice what is kept. */
	if (count > 0 && (count & (count - 1)) != 0)
		return array;
	void *bigger = arena_array(arena, count > 0 ? count * 2 : 1, element_size);
	if (bigger && count > 0)
		memcpy(bigger, array, count * element_size);
	return bigger;
}

/* The one workload of `sql` (ROWS_WORKLOADS), or ERR_NOT_FOUND. */
static int get_one(struct db_tx *tx, const char *sql, struct db_value key, const char *what,
		   struct arena *arena, struct workload *ret_workload, struct err *err)
{
	DB_ROWS_AUTO rows = NULL;

	if (db_query(tx, sql, &key, 1, &rows, err) < 0)
		return -1;
	int more = db_rows_next(rows, err);
	if (more < 0)
		return -1;
	if (more == 0)
		return err_set(err, ERR_NOT_FOUND, "there is no workload %s", what);
	return rows_workload(rows, arena, ret_workload, err);
}

int workload_get(struct db_tx *tx, const struct actor *actor, int64_t ser, struct arena *arena,
		 struct workload *ret_workload, struct err *err)
{
	char what[24];

	if (rows_require(tx, actor, ser, err) < 0)
		return -1;
	(void)snprintf(what, sizeof(what), "%lld", (long long)ser);
	return get_one(tx, ROWS_WORKLOADS("SELECT * FROM workload WHERE ser = $1"), db_int(ser),
		       what, arena, ret_workload, err);
}

int workload_get_by_host(struct db_tx *tx, const char *host, struct arena *arena,
			 struct workload *ret_workload, struct err *err)
{
	return get_one(tx, ROWS_WORKLOADS("SELECT * FROM workload WHERE host = $1"), db_text(host),
		       host, arena, ret_workload, err);
}

/* An operator's page walks the primary key, a user's the index by owner: two statements, so that
 * neither pays for the other. */
#define PAGE_OF_ALL                                                                                \
	"SELECT * FROM workload WHERE ser < $1 AND ($2 = '' OR state = $2)"                        \
	" ORDER BY ser DESC LIMIT $3"
#define PAGE_OF_OWNER                                                                              \
	"SELECT * FROM workload WHERE owner_id = $4 AND ser < $1 AND ($2 = '' OR state = $2)"      \
	" ORDER BY ser DESC LIMIT $3"

int workload_list(struct db_tx *tx, const struct actor *actor, const struct workload_filter *filter,
		  struct arena *arena, struct workload **ret_workloads, size_t *ret_count,
		  struct err *err)
{
	DB_ROWS_AUTO rows = NULL;
	int64_t owner = account_owner_filter(actor);
	struct workload *list = NULL;
	size_t count = 0;
	int more;

	assert(filter->limit >= 1 && filter->limit <= LIMIT_PAGE_ROWS + 1);
	const struct db_value args[] = {
		db_int(filter->before > 0 ? filter->before : INT64_MAX),
		db_text(filter->by_state ? workload_state_word(filter->state) : ""),
		db_int(filter->limit), db_int(owner)
	};
	if (db_query(tx, owner == 0 ? ROWS_WORKLOADS(PAGE_OF_ALL) : ROWS_WORKLOADS(PAGE_OF_OWNER),
		     args, owner == 0 ? 3 : 4, &rows, err) < 0)
		return -1;
	while ((more = db_rows_next(rows, err)) > 0) {
		list = rows_grow(arena, list, count, sizeof(*list));
		if (!list)
			return err_oom(err);
		if (rows_workload(rows, arena, &list[count], err) < 0)
			return -1;
		count++;
	}
	if (more < 0)
		return -1;
	*ret_workloads = list;
	*ret_count = count;
	return 0;
}

/* The next serial number. A row of its own and not MAX(ser) + 1: the number of a deleted workload
 * stands in containers, logs and bills and never comes back. */
static int next_ser(struct db_tx *tx, int64_t *ret_ser, struct err *err)
{
	return db_insert(tx,
			 "INSERT INTO setting (name, value) VALUES ('workload.last_ser', '1')"
			 " ON CONFLICT (name) DO UPDATE"
			 " SET value = CAST(CAST(setting.value AS BIGINT) + 1 AS TEXT)"
			 " RETURNING CAST(value AS BIGINT)",
			 DB_NO_ARGS, ret_ser, err);
}

static int choose_host(struct db_tx *tx, struct env *env, char ret_host[2 * HOST_BYTES + 1],
		       struct err *err)
{
	for (int i = 0; i < HOST_TRIES; i++) {
		unsigned char bytes[HOST_BYTES];
		int64_t taken = 0;

		env_random(env, bytes, sizeof(bytes));
		hex_encode(bytes, sizeof(bytes), ret_host);
		if (db_query_int(tx, "SELECT COUNT(*) FROM workload WHERE host = $1",
				 DB_ARGS(db_text(ret_host)), &taken, err) < 0)
			return -1;
		if (taken == 0)
			return 0;
	}
	return err_set(err, ERR_INTERNAL, "no free service name was found in %d tries", HOST_TRIES);
}

static int require_room(struct db_tx *tx, const struct actor *actor, struct err *err)
{
	int64_t count = 0;

	if (db_query_int(tx, "SELECT COUNT(*) FROM workload WHERE owner_id = $1",
			 DB_ARGS(db_int(actor->account_id)), &count, err) < 0)
		return -1;
	if (count >= LIMIT_WORKLOADS_PER_ACCOUNT)
		return err_set(err, ERR_CONFLICT,
			       "this account has %lld workloads, the most it may have; delete some",
			       (long long)count);
	return 0;
}

int workload_register(struct db_tx *tx, struct env *env, const struct actor *actor,
		      const struct spec *spec, int64_t *ret_ser, struct err *err)
{
	static const char message[] = "Registered. Deploy it to run it.";
	ARENA_AUTO arena = arena_new(LIMIT_WORKLOAD_ARENA_BYTES);
	char host[2 * HOST_BYTES + 1];
	int64_t ser = 0, now = env_now(env);
	const char *stored = arena ? spec_store(spec, arena) : NULL;

	if (!stored)
		return err_oom(err);
	if (require_room(tx, actor, err) < 0 || next_ser(tx, &ser, err) < 0 ||
	    choose_host(tx, env, host, err) < 0)
		return -1;
	if (db_exec(tx,
		    "INSERT INTO workload (ser, owner_id, host, state, reason, message,"
		    " description, target_tier, gpu_model, spec, created_at, updated_at, state_at)"
		    " VALUES ($1, $2, $3, 'registered', 'registered', $4, $5, $6, $7, $8, $9, $9,"
		    " $9)",
		    DB_ARGS(db_int(ser), db_int(actor->account_id), db_text(host), db_text(message),
			    db_text(spec->description), db_int(spec->target_tier),
			    db_text(spec->gpu_model), db_text(stored), db_int(now)),
		    NULL, err) < 0)
		return -1;
	if (event_add(tx,
		      &(const struct workload_event){ .ser = ser,
						      .at = now,
						      .level = EVENT_INFO,
						      .state = "registered",
						      .reason = "registered",
						      .message = message },
		      err) < 0)
		return -1;
	*ret_ser = ser;
	return 0;
}

int workload_edit(struct db_tx *tx, struct env *env, const struct actor *actor, int64_t ser,
		  const struct spec *spec, struct err *err)
{
	ARENA_AUTO arena = arena_new(LIMIT_WORKLOAD_ARENA_BYTES);
	struct workload old;
	int64_t now = env_now(env);
	const char *stored = arena ? spec_store(spec, arena) : NULL;

	if (!stored)
		return err_oom(err);
	if (workload_get(tx, actor, ser, arena, &old, err) < 0)
		return -1;
	if (workload_state_active(old.state))
		return err_set(err, ERR_STATE,
			       "workload %lld is %s; terminate it before changing it",
			       (long long)ser, workload_state_word(old.state));
	if (db_exec(tx,
		    "UPDATE workload SET description = $2, target_tier = $3, gpu_model = $4,"
		    " spec = $5, updated_at = $6, revision = revision + 1 WHERE ser = $1",
		    DB_ARGS(db_int(ser), db_text(spec->description), db_int(spec->target_tier),
			    db_text(spec->gpu_model), db_text(stored), db_int(now)),
		    NULL, err) < 0)
		return -1;
	return event_add(tx,
			 &(const struct workload_event){
				 .ser = ser,
				 .at = now,
				 .level = EVENT_INFO,
				 .state = workload_state_word(old.state),
				 .reason = "edited",
				 .message = "Changed. The next deployment uses the new values." },
			 err);
}

int workload_delete(struct db_tx *tx, const struct actor *actor, int64_t ser, struct err *err)
{
	ARENA_AUTO arena = arena_new(LIMIT_WORKLOAD_ARENA_BYTES);
	struct workload old;

	if (!arena)
		return err_oom(err);
	if (workload_get(tx, actor, ser, arena, &old, err) < 0)
		return -1;
	if (workload_state_active(old.state))
		return err_set(err, ERR_STATE,
			       "workload %lld is %s; terminate it before deleting it",
			       (long long)ser, workload_state_word(old.state));
	/* The rows are what holds the reservations: they stay until the engine has let go. */
	if (old.pods_total > 0)
		return err_set(err, ERR_STATE,
			       "%lld pods of workload %lld are still being removed; try again in"
			       " some seconds",
			       (long long)old.pods_total, (long long)ser);
	return db_exec(tx, "DELETE FROM workload WHERE ser = $1", DB_ARGS(db_int(ser)), NULL, err);
}
