#include "catalog/gpus.h"

#include <assert.h>

#include "base/strings.h"

int gpus_get(struct db_tx *tx, struct arena *arena, int64_t node_id, struct gpus *ret_gpus,
	     struct err *err)
{
	DB_ROWS_AUTO rows = NULL;
	int64_t count;
	size_t n = 0;
	bool real = false;
	int r;

	if (db_query_int(tx, "SELECT count(*) FROM node_gpu WHERE node_id = $1",
			 DB_ARGS(db_int(node_id)), &count, err) < 0)
		return -1;
	const char **uuids = ARENA_ARRAY(arena, (size_t)count + 1, const char *);
	if (!uuids)
		return err_oom(err);
	if (db_query(tx, "SELECT uuid FROM node_gpu WHERE node_id = $1 ORDER BY position",
		     DB_ARGS(db_int(node_id)), &rows, err) < 0)
		return -1;
	while ((r = db_rows_next(rows, err)) > 0) {
		assert(n < (size_t)count);
		if (!db_rows_null(rows, 0)) {
			real = true;
			uuids[n] = arena_strdup(arena, db_rows_text(rows, 0));
			if (!uuids[n])
				return err_oom(err);
		}
		n++;
	}
	if (r < 0)
		return -1;
	*ret_gpus = (struct gpus){ n, real ? uuids : NULL };
	return 0;
}

/* A GPU as it stands in the table. */
struct row {
	int64_t position;
	const char *uuid; /* NULL: simulated */
	bool reserved;
	bool stays;
};

static int rows_load(struct db_tx *tx, struct arena *arena, int64_t node_id, struct row **ret_rows,
		     size_t *ret_count, struct err *err)
{
	DB_ROWS_AUTO rows = NULL;
	int64_t count;
	size_t n = 0;
	int r;

	if (db_query_int(tx, "SELECT count(*) FROM node_gpu WHERE node_id = $1",
			 DB_ARGS(db_int(node_id)), &count, err) < 0)
		return -1;
	struct row *all = ARENA_ARRAY(arena, (size_t)count + 1, struct row);
	if (!all)
		return err_oom(err);
	/* Reserved ones first: of simulated GPUs, all alike, those are the ones to stay. */
	if (db_query(tx,
		     "SELECT position, uuid, pod_name FROM node_gpu WHERE node_id = $1 "
		     "ORDER BY CASE WHEN pod_name IS NULL THEN 1 ELSE 0 END, position",
		     DB_ARGS(db_int(node_id)), &rows, err) < 0)
		return -1;
	while ((r = db_rows_next(rows, err)) > 0) {
		assert(n < (size_t)count);
		all[n++] = (struct row){ db_rows_int(rows, 0),
					 arena_strdup(arena, db_rows_text(rows, 1)),
					 !db_rows_null(rows, 2), false };
	}
	*ret_rows = all;
	*ret_count = n;
	return r;
}

/* Marks the rows that stay; `have[i]`: the i-th of `gpus` is there already. */
static void match(struct row *rows, size_t n_rows, const struct gpus *gpus, bool *have)
{
	size_t taken = 0;

	for (size_t i = 0; i < n_rows; i++) {
		if (!gpus->uuids) {
			rows[i].stays = !rows[i].uuid && taken < gpus->count;
			if (rows[i].stays)
				have[taken++] = true;
			continue;
		}
		for (size_t k = 0; rows[i].uuid && k < gpus->count; k++)
			if (str_equal(rows[i].uuid, gpus->uuids[k]))
				rows[i].stays = have[k] = true;
	}
}

static int drop(struct db_tx *tx, int64_t node_id, const char *node_name, const struct row *row,
		enum gpus_rule rule, struct err *err)
{
	if (row->stays || (row->reserved && rule == GPUS_MAY_STAY))
		return 0;
	if (row->reserved)
		return err_set(err, ERR_STATE, "a pod holds GPU %s of %s",
			       row->uuid ? row->uuid : "(simulated)", node_name);
	return db_exec(tx, "DELETE FROM node_gpu WHERE node_id = $1 AND position = $2",
		       DB_ARGS(db_int(node_id), db_int(row->position)), NULL, err);
}

static bool position_taken(const struct row *rows, size_t n_rows, int64_t position)
{
	for (size_t i = 0; i < n_rows; i++)
		if (rows[i].position == position && (rows[i].stays || rows[i].reserved))
			return true;
	return false;
}

/* A GPU can be lent once only. */
static int check_uuid_free(struct db_tx *tx, const char *uuid, struct err *err)
{
	DB_ROWS_AUTO rows = NULL;

	if (db_query(tx,
		     "SELECT n.name FROM node_gpu g JOIN node n ON n.id = g.node_id "
		     "WHERE g.uuid = $1",
		     DB_ARGS(db_text(uuid)), &rows, err) < 0)
		return -1;
	int r = db_rows_next(rows, err);
	if (r > 0)
		return err_set(err, ERR_CONFLICT, "the GPU %s belongs to node \"%s\"", uuid,
			       db_rows_text(rows, 0));
	return r;
}

int gpus_set(struct db_tx *tx, int64_t node_id, const char *node_name, const struct gpus *gpus,
	     enum gpus_rule rule, struct err *err)
{
	ARENA_AUTO arena = arena_new(256 * 1024);
	struct row *rows = NULL;
	size_t n_rows = 0;
	int64_t position = 0;

	if (!arena)
		return err_oom(err);
	bool *have = ARENA_ARRAY(arena, gpus->count + 1, bool);
	if (!have)
		return err_oom(err);
	if (rows_load(tx, arena, node_id, &rows, &n_rows, err) < 0)
		return -1;
	match(rows, n_rows, gpus, have);
	for (size_t i = 0; i < n_rows; i++)
		if (drop(tx, node_id, node_name, &rows[i], rule, err) < 0)
			return -1;
	for (size_t i = 0; i < gpus->count; i++) {
		const char *uuid = gpus->uuids ? gpus->uuids[i] : NULL;
		if (have[i])
			continue;
		while (position_taken(rows, n_rows, position))
			position++;
		if (uuid && check_uuid_free(tx, uuid, err) < 0)
			return -1;
		if (db_exec(tx,
			    "INSERT INTO node_gpu (node_id, position, uuid) VALUES ($1, $2, $3)",
			    DB_ARGS(db_int(node_id), db_int(position), db_text(uuid)), NULL,
			    err) < 0)
			return -1;
		position++;
	}
	return 0;
}
