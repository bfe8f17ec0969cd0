/* Nodes: list, show, declare, edit, remove. */
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/fields.h"
#include "base/limits.h"
#include "base/strings.h"
#include "catalog/catalog.h"
#include "catalog/declared.h"
#include "catalog/gpus.h"

/* One query gives nodes with what is reserved on them: two aggregates joined, so that the list of
 * 10,000 nodes costs two passes and not a query a node. `inner` narrows the aggregates the same way
 * as `outer` the nodes. */
#define NODE_QUERY(inner, outer)                                                                   \
	"SELECT n.id, n.name, n.owner_id, a.login, n.tier, n.kind, n.simulated, n.sharing, n.up, " \
	"n.gpu_model, COALESCE(g.total, 0), n.gpu_memory_mb, n.cpu_milli, n.memory_mb, "           \
	"n.disk_mb, n.cuda_version, n.base_per_hour, n.usage_per_hour, COALESCE(g.free, 0), "      \
	"COALESCE(p.cpu, 0), COALESCE(p.memory, 0), COALESCE(p.pods, 0), n.created_at, "           \
	"n.updated_at "                                                                            \
	"FROM node n JOIN account a ON a.id = n.owner_id "                                         \
	"LEFT JOIN (SELECT node_id, count(*) AS total, "                                           \
	"  sum(CASE WHEN pod_name IS NULL THEN 1 ELSE 0 END) AS free "                             \
	"  FROM node_gpu WHERE 1 = 1 " inner " GROUP BY node_id) g ON g.node_id = n.id "           \
	"LEFT JOIN (SELECT node_id, count(*) AS pods, sum(cpu_milli) AS cpu, "                     \
	"  sum(memory_mb) AS memory "                                                              \
	"  FROM pod WHERE phase <> 'gone' " inner " GROUP BY node_id) p ON p.node_id = n.id "      \
	"WHERE n.hidden = 0 " outer " ORDER BY n.name"

static const char sql_list[] = NODE_QUERY("", "");
static const char sql_get[] = NODE_QUERY(
	"AND node_id = (SELECT id FROM node WHERE name = $1 AND hidden = 0)", "AND n.name = $1");

static int64_t not_negative(int64_t number) { return number > 0 ? number : 0; }

/* Columns of NODE_QUERY. */
static int node_read(struct db_rows *rows, struct arena *arena, struct node *node, struct err *err)
{
	const char *model = db_rows_text(rows, 9);

	*node = (struct node){
		.id = db_rows_int(rows, 0),
		.name = arena_strdup(arena, db_rows_text(rows, 1)),
		.owner_id = db_rows_int(rows, 2),
		.owner = arena_strdup(arena, db_rows_text(rows, 3)),
		.tier = (int)db_rows_int(rows, 4),
		.kind = str_equal(db_rows_text(rows, 5), "machine") ? "machine" : "declared",
		.simulated = db_rows_int(rows, 6) != 0,
		.sharing = db_rows_int(rows, 7) != 0,
		.up = db_rows_int(rows, 8) != 0,
		.gpu_model = arena_strdup(arena, model),
		.gpu_count = db_rows_int(rows, 10),
		.gpu_memory_mb = db_rows_int(rows, 11),
		.cpu_milli = db_rows_int(rows, 12),
		.memory_mb = db_rows_int(rows, 13),
		.disk_mb = db_rows_int(rows, 14),
		.cuda_version = db_rows_int(rows, 15),
		.base_per_hour = db_rows_int(rows, 16),
		.usage_per_hour = db_rows_int(rows, 17),
		.gpu_free = db_rows_int(rows, 18),
		.pods = db_rows_int(rows, 21),
		.created_at = db_rows_int(rows, 22),
		.updated_at = db_rows_int(rows, 23),
	};
	/* A machine may have shrunk under its pods. */
	node->cpu_free_milli = not_negative(node->cpu_milli - db_rows_int(rows, 19));
	node->memory_free_mb = not_negative(node->memory_mb - db_rows_int(rows, 20));
	if (!node->name || !node->owner || (model && !node->gpu_model))
		return err_oom(err);
	return 0;
}

int catalog_node_list(struct db_tx *tx, struct arena *arena, struct node **ret_nodes,
		      size_t *ret_count, struct err *err)
{
	DB_ROWS_AUTO rows = NULL;
	int64_t count;
	size_t n = 0;
	int r;

	if (db_query_int(tx, "SELECT count(*) FROM node WHERE hidden = 0", DB_NO_ARGS, &count,
			 err) < 0)
		return -1;
	struct node *nodes = ARENA_ARRAY(arena, (size_t)count + 1, struct node);
	if (!nodes)
		return err_oom(err);
	if (db_query(tx, sql_list, DB_NO_ARGS, &rows, err) < 0)
		return -1;
	while ((r = db_rows_next(rows, err)) > 0) {
		assert(n < (size_t)count); /* one snapshot */
		if (node_read(rows, arena, &nodes[n++], err) < 0)
			return -1;
	}
	if (r < 0)
		return -1;
	*ret_nodes = nodes;
	*ret_count = n;
	return 0;
}

int catalog_node_get(struct db_tx *tx, struct arena *arena, const char *name, struct node *ret_node,
		     struct err *err)
{
	DB_ROWS_AUTO rows = NULL;

	if (db_query(tx, sql_get, DB_ARGS(db_text(name)), &rows, err) < 0)
		return -1;
	int r = db_rows_next(rows, err);
	if (r == 0)
		return err_set(err, ERR_NOT_FOUND, "there is no node \"%s\"", name);
	return r < 0 ? -1 : node_read(rows, arena, ret_node, err);
}

static int check_room(struct db_tx *tx, const char *name, struct err *err)
{
	int64_t count;

	if (db_query_int(tx, "SELECT count(*) FROM node WHERE name = $1 AND hidden = 0",
			 DB_ARGS(db_text(name)), &count, err) < 0)
		return -1;
	if (count > 0)
		return err_set(err, ERR_CONFLICT, "there is already a node \"%s\"", name);
	if (db_query_int(tx, "SELECT count(*) FROM node WHERE hidden = 0", DB_NO_ARGS, &count,
			 err) < 0)
		return -1;
	if (count >= LIMIT_NODES)
		return err_set(err, ERR_CONFLICT, "there are %" PRId64 " nodes, the most allowed",
			       count);
	return 0;
}

int catalog_node_create(struct db_tx *tx, struct env *env, const struct actor *actor, json_t *body,
			struct arena *arena, struct node *ret_node, struct err *err)
{
	struct declared d;
	int64_t id, now = env_now(env);

	if (account_require_role(actor, ROLE_OPERATOR, err) < 0)
		return -1;
	if (declared_parse(body, body, false, false, arena, &d, err) < 0)
		return -1;
	if (check_room(tx, d.name, err) < 0)
		return -1;
	if (db_insert(
		    tx,
		    "INSERT INTO node (name, owner_id, tier, kind, simulated, sharing, gpu_model, "
		    "gpu_memory_mb, cpu_milli, memory_mb, disk_mb, cuda_version, base_per_hour, "
		    "usage_per_hour, created_at, updated_at) VALUES ($1, $2, $3, 'declared', $4, "
		    "$5, "
		    "$6, $7, $8, $9, $10, $11, $12, $13, $14, $14) RETURNING id",
		    DB_ARGS(db_text(d.name), db_int(actor->account_id), db_int(d.tier),
			    db_int(d.gpu_model && !d.gpu_uuids), db_int(d.sharing),
			    db_text(d.gpu_model), db_int(d.gpu_memory_mb), db_int(d.cpu_milli),
			    db_int(d.memory_mb), db_int(d.disk_mb), db_int(d.cuda_version),
			    db_int(d.base_per_hour), db_int(d.usage_per_hour), db_int(now)),
		    &id, err) < 0)
		return -1;
	struct gpus gpus = { (size_t)d.gpu_count, d.gpu_uuids };
	if (gpus_set(tx, id, d.name, &gpus, GPUS_MUST_GO, err) < 0)
		return -1;
	return catalog_node_get(tx, arena, d.name, ret_node, err);
}

/* The patch merged into what stands: the document to check. New reference. */
static json_t *merged(const struct node *node, const struct gpus *gpus, const json_t *patch)
{
	json_t *body = declared_json(node, gpus->uuids, gpus->uuids ? gpus->count : 0);
	json_t *gpu = json_object_get(body, "gpu"), *sent = json_object_get(patch, "gpu");

	/* What follows from a member that is given anew is not held against it. */
	if (json_object_get(sent, "model") && !json_object_get(sent, "memory_mb"))
		(void)json_object_del(gpu, "memory_mb");
	if (json_object_get(sent, "uuids") && !json_object_get(sent, "count"))
		(void)json_object_del(gpu, json_is_array(json_object_get(sent, "uuids")) ? "count"
											 : "uuids");
	if (!body || fields_merge(body, patch) < 0) {
		json_decref(body);
		return NULL;
	}
	return body;
}

/* The size may not fall under what pods hold. */
static int check_reserved(const struct node *node, const struct declared *d, struct err *err)
{
	int64_t cpu = node->cpu_milli - node->cpu_free_milli;
	int64_t memory = node->memory_mb - node->memory_free_mb;
	int64_t gpus = node->gpu_count - node->gpu_free;

	if (d->cpu_milli < cpu)
		return err_set(err, ERR_STATE,
			       "pods on %s hold %" PRId64
			       " of its CPU (milli); it cannot shrink to "
			       "%" PRId64,
			       node->name, cpu, d->cpu_milli);
	if (d->memory_mb < memory)
		return err_set(err, ERR_STATE,
			       "pods on %s hold %" PRId64 " MiB of its memory; it cannot shrink to "
			       "%" PRId64,
			       node->name, memory, d->memory_mb);
	if (d->gpu_count < gpus)
		return err_set(err, ERR_STATE,
			       "pods on %s hold %" PRId64
			       " of its GPUs; it cannot shrink to %" PRId64,
			       node->name, gpus, d->gpu_count);
	bool other_kind = !str_equal(node->gpu_model, d->gpu_model) ||
			  node->simulated != (d->gpu_model && !d->gpu_uuids);
	if (node->pods > 0 && other_kind)
		return err_set(err, ERR_STATE,
			       "the GPUs of %s cannot become others while %" PRId64
			       " pods are on it",
			       node->name, node->pods);
	return 0;
}

static int edit_size(struct db_tx *tx, const struct node *node, const struct declared *d,
		     struct err *err)
{
	struct gpus gpus = { (size_t)d->gpu_count, d->gpu_uuids };
	bool simulated = d->gpu_model && !d->gpu_uuids;

	if (check_reserved(node, d, err) < 0)
		return -1;
	if (db_exec(tx,
		    "UPDATE node SET simulated = $2, gpu_model = $3, gpu_memory_mb = $4, "
		    "cpu_milli = $5, memory_mb = $6, disk_mb = $7, cuda_version = $8 WHERE id = $1",
		    DB_ARGS(db_int(node->id), db_int(simulated), db_text(d->gpu_model),
			    db_int(d->gpu_memory_mb), db_int(d->cpu_milli), db_int(d->memory_mb),
			    db_int(d->disk_mb), db_int(d->cuda_version)),
		    NULL, err) < 0)
		return -1;
	return gpus_set(tx, node->id, node->name, &gpus, GPUS_MUST_GO, err);
}

int catalog_node_edit(struct db_tx *tx, struct env *env, const struct actor *actor,
		      const char *name, json_t *patch, struct arena *arena, struct node *ret_node,
		      struct err *err)
{
	struct declared d;
	struct gpus gpus;
	struct node node;
	int r = -1;

	if (account_require_role(actor, ROLE_OPERATOR, err) < 0)
		return -1;
	if (catalog_node_get(tx, arena, name, &node, err) < 0)
		return -1;
	bool machine = str_equal(node.kind, "machine");
	if (gpus_get(tx, arena, node.id, &gpus, err) < 0)
		return -1;
	json_t *body = json_is_object(patch) ? merged(&node, &gpus, patch) : json_null();
	if (!body)
		return err_oom(err);
	if (declared_parse(body, patch, true, machine, arena, &d, err) < 0)
		goto out;
	if (!machine && edit_size(tx, &node, &d, err) < 0)
		goto out;
	if (db_exec(tx,
		    "UPDATE node SET tier = $2, base_per_hour = $3, usage_per_hour = $4, "
		    "sharing = $5, updated_at = $6 WHERE id = $1",
		    DB_ARGS(db_int(node.id), db_int(d.tier), db_int(d.base_per_hour),
			    db_int(d.usage_per_hour), db_int(d.sharing), db_int(env_now(env))),
		    NULL, err) < 0)
		goto out;
	r = catalog_node_get(tx, arena, name, ret_node, err);
out:
	json_decref(body);
	return r;
}

int catalog_node_remove(struct db_tx *tx, struct env *env, const struct actor *actor,
			const char *name, struct err *err)
{
	ARENA_AUTO arena = arena_new(4096);
	struct node node;
	int64_t history;

	if (account_require_role(actor, ROLE_OPERATOR, err) < 0)
		return -1;
	if (!arena)
		return err_oom(err);
	if (catalog_node_get(tx, arena, name, &node, err) < 0)
		return -1;
	if (str_equal(node.kind, "machine"))
		return err_set(err, ERR_STATE,
			       "%s is the machine itself; set sharing to false to keep pods off it",
			       name);
	if (node.pods > 0 || node.gpu_free < node.gpu_count)
		return err_set(err, ERR_STATE,
			       "%" PRId64
			       " pods are on %s; set sharing to false and terminate their "
			       "workloads first",
			       node.pods, name);
	if (db_query_int(tx,
			 "SELECT count(*) FROM (SELECT 1 FROM pod WHERE node_id = $1 LIMIT 1) h",
			 DB_ARGS(db_int(node.id)), &history, err) < 0)
		return -1;
	/* Its GPUs go in any case: their UUIDs may come back on another node. */
	if (db_exec(tx, "DELETE FROM node_gpu WHERE node_id = $1", DB_ARGS(db_int(node.id)), NULL,
		    err) < 0)
		return -1;
	if (history == 0)
		return db_exec(tx, "DELETE FROM node WHERE id = $1", DB_ARGS(db_int(node.id)), NULL,
			       err);
	return db_exec(tx,
		       "UPDATE node SET hidden = 1, sharing = 0, up = 0, updated_at = $2 "
		       "WHERE id = $1",
		       DB_ARGS(db_int(node.id), db_int(env_now(env))), NULL, err);
}
