/* Reservations: which pod holds which GPUs. CPU and memory need no rows of their own: what is held
 * of them is the sum over the pods that have not gone. */
#include <inttypes.h>

#include "catalog/catalog.h"

/* Rounded up: a fraction of a µP is never given away. */
static int64_t cpu_price(int64_t per_hour, int64_t cpu_milli)
{
	return (per_hour * cpu_milli + 999) / 1000;
}

void catalog_pod_price(const struct node *node, int64_t gpu_count, int64_t cpu_milli,
		       int64_t *ret_min, int64_t *ret_max)
{
	int64_t base, usage;

	if (node->gpu_model) {
		base = node->base_per_hour * gpu_count;
		usage = node->usage_per_hour * gpu_count;
	} else {
		base = cpu_price(node->base_per_hour, cpu_milli);
		usage = cpu_price(node->usage_per_hour, cpu_milli);
	}
	*ret_min = base;
	*ret_max = base + usage;
}

/* What is left on a node without counting `pod` itself, whose row may be there already. */
struct left {
	bool open; /* shares, is up and not hidden */
	int64_t cpu_milli, memory_mb, gpus;
};

static int left_read(struct db_tx *tx, int64_t node_id, const char *pod, struct left *ret_left,
		     struct err *err)
{
	DB_ROWS_AUTO rows = NULL;

	if (db_query(tx,
		     "SELECT n.sharing = 1 AND n.up = 1 AND n.hidden = 0, "
		     "n.cpu_milli - (SELECT COALESCE(sum(cpu_milli), 0) FROM pod "
		     "  WHERE node_id = n.id AND phase <> 'gone' AND name <> $2), "
		     "n.memory_mb - (SELECT COALESCE(sum(memory_mb), 0) FROM pod "
		     "  WHERE node_id = n.id AND phase <> 'gone' AND name <> $2), "
		     "(SELECT count(*) FROM node_gpu WHERE node_id = n.id AND pod_name IS NULL) "
		     "FROM node n WHERE n.id = $1",
		     DB_ARGS(db_int(node_id), db_text(pod)), &rows, err) < 0)
		return -1;
	int r = db_rows_next(rows, err);
	if (r == 0)
		return err_set(err, ERR_NOT_FOUND, "there is no node with id %" PRId64, node_id);
	if (r < 0)
		return -1;
	*ret_left = (struct left){ db_rows_int(rows, 0) != 0, db_rows_int(rows, 1),
				   db_rows_int(rows, 2), db_rows_int(rows, 3) };
	return 0;
}

int catalog_reserve(struct db_tx *tx, int64_t node_id, const char *pod, int64_t gpu_count,
		    int64_t cpu_milli, int64_t memory_mb, struct err *err)
{
	struct left left;
	int64_t changed;

	if (left_read(tx, node_id, pod, &left, err) < 0)
		return -1;
	if (!left.open)
		return err_set(err, ERR_NO_CAPACITY, "the node takes no new pods");
	if (left.gpus < gpu_count)
		return err_set(err, ERR_NO_CAPACITY,
			       "%" PRId64 " GPUs are asked for and %" PRId64 " are free", gpu_count,
			       left.gpus);
	if (left.cpu_milli < cpu_milli)
		return err_set(err, ERR_NO_CAPACITY,
			       "%" PRId64 " CPU (milli) are asked for and %" PRId64 " are free",
			       cpu_milli, left.cpu_milli);
	if (left.memory_mb < memory_mb)
		return err_set(err, ERR_NO_CAPACITY,
			       "%" PRId64 " MiB of memory are asked for and %" PRId64 " are free",
			       memory_mb, left.memory_mb);
	if (gpu_count == 0)
		return 0;
	if (db_exec(tx,
		    "UPDATE node_gpu SET pod_name = $2 WHERE node_id = $1 AND pod_name IS NULL AND "
		    "position IN (SELECT position FROM node_gpu WHERE node_id = $1 AND "
		    "pod_name IS NULL ORDER BY position LIMIT $3)",
		    DB_ARGS(db_int(node_id), db_text(pod), db_int(gpu_count)), &changed, err) < 0)
		return -1;
	if (changed != gpu_count) /* cannot be: one writer, one transaction */
		return err_set(err, ERR_INTERNAL,
			       "%" PRId64 " GPUs were reserved instead of %" PRId64, changed,
			       gpu_count);
	return 0;
}

int catalog_release(struct db_tx *tx, const char *pod, struct err *err)
{
	return db_exec(tx, "UPDATE node_gpu SET pod_name = NULL WHERE pod_name = $1",
		       DB_ARGS(db_text(pod)), NULL, err);
}

int catalog_reserved_uuids(struct db_tx *tx, struct arena *arena, const char *pod,
			   const char *const **ret_uuids, size_t *ret_count, struct err *err)
{
	DB_ROWS_AUTO rows = NULL;
	int64_t count;
	size_t n = 0;
	int r;

	if (db_query_int(tx,
			 "SELECT count(*) FROM node_gpu WHERE pod_name = $1 AND uuid IS NOT NULL",
			 DB_ARGS(db_text(pod)), &count, err) < 0)
		return -1;
	const char **uuids = ARENA_ARRAY(arena, (size_t)count + 1, const char *);
	if (!uuids)
		return err_oom(err);
	if (db_query(tx,
		     "SELECT uuid FROM node_gpu WHERE pod_name = $1 AND uuid IS NOT NULL "
		     "ORDER BY position",
		     DB_ARGS(db_text(pod)), &rows, err) < 0)
		return -1;
	while ((r = db_rows_next(rows, err)) > 0 && n < (size_t)count) {
		uuids[n] = arena_strdup(arena, db_rows_text(rows, 0));
		if (!uuids[n++])
			return err_oom(err);
	}
	if (r < 0)
		return -1;
	*ret_uuids = uuids;
	*ret_count = n;
	return 0;
}
