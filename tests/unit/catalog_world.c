#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/strings.h"
#include "catalog_world.h"

/* One call inside a write transaction. `step` finds its arguments in `data`. */
struct call {
	struct world *world;
	world_step *step;
	void *data;
};

static int call_run(struct db_tx *tx, void *argument, struct err *err)
{
	struct call *call = argument;

	return call->step(tx, call->world, call->data, err);
}

int in_write(struct world *world, world_step *step, void *data, struct err *err)
{
	struct call call = { world, step, data };

	return db_write(world->db, call_run, &call, err);
}

static int step_begin(struct db_tx *tx, struct world *world, void *data, struct err *err)
{
	(void)world, (void)data;
	if (db_exec(tx,
		    "INSERT INTO account (id, login, role, password_hash, created_at) VALUES "
		    "(1, 'operator', 'operator', 'x', 0), (2, 'ann', 'user', 'x', 0)",
		    DB_NO_ARGS, NULL, err) < 0 ||
	    db_exec(tx,
		    "INSERT INTO workload (ser, owner_id, host, state, description, spec, "
		    "created_at, updated_at, state_at) VALUES (1, 2, '0000000a', 'deployed', 'w', "
		    "'{}', 0, 0, 0)",
		    DB_NO_ARGS, NULL, err) < 0)
		return -1;
	/* Twice: every start does it. */
	if (catalog_models_store(tx, err) < 0)
		return -1;
	return catalog_models_store(tx, err);
}

int world_make(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	ERR_AUTO(err);

	assert_non_null(world);
	world->env = env_system(NULL);
	world->arena = arena_new(16 << 20);
	world->operator=(struct actor){ .account_id = 1, .role = ROLE_OPERATOR };
	world->user = (struct actor){ .account_id = 2, .role = ROLE_USER };
	struct db_options options = {
		.env = &world->env, .path = ":memory:", .inline_writer = true, .relaxed = true
	};
	if (db_open(&options, &world->db, &err) < 0 || in_write(world, step_begin, NULL, &err) < 0)
		fail_msg("%s", err.message);
	*state = world;
	return 0;
}

int world_end(void **state)
{
	struct world *world = *state;

	db_close(world->db);
	arena_free(world->arena);
	free(world);
	return 0;
}

/* Steps ------------------------------------------------------------------------------------- */

int step_create(struct db_tx *tx, struct world *world, void *data, struct err *err)
{
	struct node_call *call = data;
	json_t *body = json_loads(call->json, 0, NULL);

	assert_non_null(body);
	int r = call->name ? catalog_node_edit(tx, &world->env, call->actor, call->name, body,
					       world->arena, &call->node, err)
			   : catalog_node_create(tx, &world->env, call->actor, body, world->arena,
						 &call->node, err);
	json_decref(body);
	return r;
}

int create(struct world *world, const char *json, struct node *ret_node, struct err *err)
{
	struct node_call call = { .actor = &world->operator, .json = json };
	int r = in_write(world, step_create, &call, err);

	if (ret_node)
		*ret_node = call.node;
	return r;
}

int edit(struct world *world, const char *name, const char *json, struct node *ret_node,
	 struct err *err)
{
	struct node_call call = { .actor = &world->operator, .name = name, .json = json };
	int r = in_write(world, step_create, &call, err);

	if (ret_node)
		*ret_node = call.node;
	return r;
}

int step_get(struct db_tx *tx, struct world *world, void *data, struct err *err)
{
	struct node_call *call = data;

	return catalog_node_get(tx, world->arena, call->name, &call->node, err);
}

struct node get(struct world *world, const char *name)
{
	struct node_call call = { .name = name };
	ERR_AUTO(err);

	if (in_write(world, step_get, &call, &err) < 0)
		fail_msg("%s", err.message);
	return call.node;
}

int step_remove(struct db_tx *tx, struct world *world, void *data, struct err *err)
{
	return catalog_node_remove(tx, &world->env, &world->operator, data, err);
}

struct pod_call {
	const char *node, *pod;
	int64_t gpus, cpu_milli, memory_mb;
	bool row_first; /* the pod's row is written before the reservation, or after it */
};

static int pod_row(struct db_tx *tx, const struct node *node, const struct pod_call *call,
		   struct err *err)
{
	return db_exec(tx,
		       "INSERT INTO pod (name, ser, node_id, node_name, cpu_milli, memory_mb, "
		       "base_per_hour, usage_per_hour, phase, created_at, phase_at) VALUES ($1, 1, "
		       "$2, $3, $4, $5, 0, 0, 'pending', 0, 0)",
		       DB_ARGS(db_text(call->pod), db_int(node->id), db_text(node->name),
			       db_int(call->cpu_milli), db_int(call->memory_mb)),
		       NULL, err);
}

static int step_reserve(struct db_tx *tx, struct world *world, void *data, struct err *err)
{
	struct pod_call *call = data;
	struct node node;

	if (catalog_node_get(tx, world->arena, call->node, &node, err) < 0)
		return -1;
	if (call->row_first && pod_row(tx, &node, call, err) < 0)
		return -1;
	if (catalog_reserve(tx, node.id, call->pod, call->gpus, call->cpu_milli, call->memory_mb,
			    err) < 0)
		return -1;
	return call->row_first ? 0 : pod_row(tx, &node, call, err);
}

int reserve(struct world *world, const char *node, const char *pod, int64_t gpus, int64_t cpu_milli,
	    int64_t memory_mb, struct err *err)
{
	struct pod_call call = { node, pod, gpus, cpu_milli, memory_mb, pod[0] < 'n' };

	return in_write(world, step_reserve, &call, err);
}

static int step_release(struct db_tx *tx, struct world *world, void *data, struct err *err)
{
	(void)world;
	if (db_exec(tx, "UPDATE pod SET phase = 'gone' WHERE name = $1", DB_ARGS(db_text(data)),
		    NULL, err) < 0)
		return -1;
	return catalog_release(tx, data, err);
}

void release(struct world *world, const char *pod)
{
	char name[32];
	ERR_AUTO(err);

	str_copy(name, sizeof(name), pod);
	assert_int_equal(in_write(world, step_release, name, &err), 0);
}

static int step_positions(struct db_tx *tx, struct world *world, void *data, struct err *err)
{
	struct positions_call *call = data;
	DB_ROWS_AUTO rows = NULL;

	(void)world;
	if (db_query(tx, "SELECT position FROM node_gpu WHERE pod_name = $1 ORDER BY position",
		     DB_ARGS(db_text(call->pod)), &rows, err) < 0)
		return -1;
	while (db_rows_next(rows, err) > 0)
		(void)snprintf(call->list + strlen(call->list),
			       sizeof(call->list) - strlen(call->list), "%s%" PRId64,
			       call->list[0] ? " " : "", db_rows_int(rows, 0));
	return 0;
}

const char *positions(struct world *world, const char *pod)
{
	struct positions_call call = { pod, "" };
	ERR_AUTO(err);

	assert_int_equal(in_write(world, step_positions, &call, &err), 0);
	return arena_strdup(world->arena, call.list);
}

static int step_offers(struct db_tx *tx, struct world *world, void *data, struct err *err)
{
	struct offers_call *call = data;

	return catalog_offers(tx, world->arena, &call->filter, &call->offers, &call->count, err);
}

struct offers_call offers(struct world *world, struct gpu_filter filter)
{
	struct offers_call call = { .filter = filter };
	ERR_AUTO(err);

	if (in_write(world, step_offers, &call, &err) < 0)
		fail_msg("%s", err.message);
	return call;
}

/* "model/tier free/total …", "-" for nodes without GPUs */
const char *offered(struct world *world, struct gpu_filter filter)
{
	struct offers_call call = offers(world, filter);
	const char *list = "";

	for (size_t i = 0; i < call.count; i++)
		list = arena_printf(world->arena, "%s%s%s/%d %" PRId64 "/%" PRId64, list,
				    i ? ", " : "",
				    call.offers[i].model ? call.offers[i].model : "-",
				    call.offers[i].tier, call.offers[i].free, call.offers[i].total);
	return list;
}

const char *problems_of(struct world *world, const struct err *err)
{
	const char *list = "";
	json_t *problem;
	size_t index;

	json_array_foreach(json_object_get(err->extra, "fields"), index, problem) list =
		arena_printf(world->arena, "%s%s%s=%s", list, index ? " " : "",
			     json_string_value(json_object_get(problem, "pointer")),
			     json_string_value(json_object_get(problem, "code")));
	return list;
}
