/* Deploying: placement, reservation, pods and state, in the caller's transaction. */
#include <assert.h>
#include <stdio.h>

#include "base/failpoint.h"
#include "base/limits.h"
#include "catalog/catalog.h"
#include "workload/event.h"
#include "workload/lifecycle.h"
#include "workload/placement.h"
#include "workload/workload.h"

#define POD_LETTERS 5
#define POD_NAME_TRIES                                                                             \
	16               /* 12 million names a workload and hash: the second try is already luck   \
			  */
#define POD_NAME_SIZE 48 /* "dep" + 19 digits + "-" + 8 hex + "-" + 5 letters */

static int choose_pod_name(struct db_tx *tx, struct env *env, int64_t ser, const char *hash,
			   char ret_name[POD_NAME_SIZE], struct err *err)
{
	for (int i = 0; i < POD_NAME_TRIES; i++) {
		unsigned char bytes[POD_LETTERS];
		char letters[POD_LETTERS + 1] = "";
		int64_t taken = 0;

		env_random(env, bytes, sizeof(bytes));
		for (int j = 0; j < POD_LETTERS; j++)
			letters[j] = (char)('a' + bytes[j] % 26);
		(void)snprintf(ret_name, POD_NAME_SIZE, "dep%lld-%s-%s", (long long)ser, hash,
			       letters);
		if (db_query_int(tx, "SELECT COUNT(*) FROM pod WHERE name = $1",
				 DB_ARGS(db_text(ret_name)), &taken, err) < 0)
			return -1;
		if (taken == 0)
			return 0;
	}
	return err_set(err, ERR_INTERNAL, "no free pod name was found in %d tries", POD_NAME_TRIES);
}

/* A pod's row and its reservation: the one is never without the other. */
static int add_pod(struct db_tx *tx, struct env *env, const struct workload *workload,
		   const char *hash, const struct node *node, int64_t now, struct err *err)
{
	const struct spec *spec = &workload->spec;
	char name[POD_NAME_SIZE];
	int64_t least = 0, most = 0;

	if (choose_pod_name(tx, env, workload->ser, hash, name, err) < 0)
		return -1;
	if (catalog_reserve(tx, node->id, name, spec->gpu_count, spec->cpu_milli, spec->memory_mb,
			    err) < 0)
		return -1;
	catalog_pod_price(node, spec->gpu_count, spec->cpu_milli, &least, &most);
	return db_exec(
		tx,
		"INSERT INTO pod (name, ser, node_id, node_name, gpu_model, gpu_count,"
		" cpu_milli, memory_mb, base_per_hour, usage_per_hour, phase, reason,"
		" message, created_at, phase_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9,"
		" $10, 'pending', 'placed', 'Placed; its image is looked for next.', $11,"
		" $11)",
		DB_ARGS(db_text(name), db_int(workload->ser), db_int(node->id), db_text(node->name),
			db_text(node->gpu_model), db_int(spec->gpu_count), db_int(spec->cpu_milli),
			db_int(spec->memory_mb), db_int(least), db_int(most - least), db_int(now)),
		NULL, err);
}

static int require_deployable(const struct workload *workload, struct err *err)
{
	if (workload_state_allowed(workload->state, WORKLOAD_DEPLOYING))
		return 0;
	return err_set(err, ERR_STATE, "workload %lld is %s; it can be deployed once it is %s",
		       (long long)workload->ser, workload_state_word(workload->state),
		       workload->state == WORKLOAD_TERMINATING ? "terminated"
							       : "terminated or has failed");
}

int workload_deploy(struct db_tx *tx, struct env *env, const struct actor *actor, int64_t ser,
		    struct err *err)
{
	ARENA_AUTO arena = arena_new(LIMIT_WORKLOAD_ARENA_BYTES);
	struct workload workload;
	struct node *nodes = NULL;
	const struct node **chosen = NULL;
	size_t n_nodes = 0, placed = 0;
	char hash[9], message[160];
	int64_t now = env_now(env);

	if (!arena)
		return err_oom(err);
	if (workload_get(tx, actor, ser, arena, &workload, err) < 0 ||
	    require_deployable(&workload, err) < 0 ||
	    catalog_node_list(tx, arena, &nodes, &n_nodes, err) < 0)
		return -1;
	const struct spec *spec = &workload.spec;
	if (placement_choose(nodes, n_nodes, spec, arena, &chosen, &placed, err) < 0)
		return -1;
	if (placed < (size_t)spec->replicas)
		return placement_refuse(nodes, n_nodes, spec, arena, err);
	spec_hash(spec, hash);
	for (size_t i = 0; i < placed; i++) {
		if (add_pod(tx, env, &workload, hash, chosen[i], now, err) < 0)
			return -1;
	}
	if (FAILPOINT(deploy_before_commit))
		return err_set(err, ERR_INTERNAL, "failure point deploy_before_commit");
	(void)snprintf(message, sizeof(message),
		       "%zu pod%s placed and reserved; the image is fetched and started next.",
		       placed, placed == 1 ? " is" : "s are");
	return workload_change_state(tx,
				     &(const struct workload_change){ .ser = ser,
								      .from = workload.state,
								      .to = WORKLOAD_DEPLOYING,
								      .level = EVENT_INFO,
								      .reason = "deploy_requested",
								      .message = message,
								      .at = now },
				     err);
}
