/* GPU models, nodes, tiers, prices, availability.
 *
 * A node is a machine, or a declared slice of one, with GPUs of one model (or none), in one tier,
 * at one price. Prices are µP an hour per GPU; on a node without GPUs per vCPU requested. */
#ifndef DURE_CATALOG_CATALOG_H
#define DURE_CATALOG_CATALOG_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "account/account.h"
#include "base/arena.h"
#include "base/err.h"
#include "store/db.h"

struct gpu_model {
	const char *code; /* "rtx4090", "h100-sxm-80g": lower case, digits, '-' */
	const char
		*name; /* "NVIDIA GeForce RTX 4090", as NVML's product name where that is known */
	const char *series; /* "data-center", "geforce", "workstation" */
	int64_t memory_mb;  /* as sold: 24 GB = 24576 */
};

/* The shipped catalogue; ordered by series, then memory. */
const struct gpu_model *catalog_models(size_t *ret_count);
const struct gpu_model *catalog_model_find(const char *code); /* NULL when unknown */
/* NVML's product name → model; where a name comes in several sizes the memory decides. NULL
 * unknown. */
const struct gpu_model *catalog_model_by_product(const char *product, int64_t memory_mb);
/* Writes the shipped models into the table. At every start. */
int catalog_models_store(struct db_tx *tx, struct err *err);

/* "12.8" ↔ 12080. Format writes at most 15 bytes. Parse is negative on anything else. */
int catalog_cuda_parse(const char *text, int64_t *ret_version);
void catalog_cuda_format(int64_t version, char ret_text[16]);

struct node {
	int64_t id;
	const char *name; /* [a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])? */
	int64_t owner_id;
	const char *owner; /* login */
	int tier;
	const char *kind; /* "machine": the engine reported it; "declared": an operator did */
	bool simulated;
	bool sharing;          /* new pods may come */
	bool up;               /* the engine reaches it */
	const char *gpu_model; /* NULL: no GPUs */
	int64_t gpu_count;
	int64_t gpu_memory_mb; /* of one GPU */
	int64_t cpu_milli;
	int64_t memory_mb;
	int64_t disk_mb;
	int64_t cuda_version;  /* 12080 = 12.8, 0 none */
	int64_t base_per_hour; /* µP */
	int64_t usage_per_hour;
	int64_t gpu_free;
	int64_t cpu_free_milli;
	int64_t memory_free_mb;
	int64_t pods; /* alive on it */
	int64_t created_at;
	int64_t updated_at;
};

int catalog_node_list(struct db_tx *tx, struct arena *arena, struct node **ret_nodes,
		      size_t *ret_count, struct err *err);
int catalog_node_get(struct db_tx *tx, struct arena *arena, const char *name, struct node *ret_node,
		     struct err *err);
/* Operator: declares a slot from a JSON object (api/openapi.yaml, NodeCreate). All bad fields at
 * once (ERR_FIELDS); ERR_CONFLICT when the name is taken. With GPUs it is simulated unless
 * `gpu.uuids` names real ones. */
int catalog_node_create(struct db_tx *tx, struct env *env, const struct actor *actor, json_t *body,
			struct arena *arena, struct node *ret_node, struct err *err);
/* Changes price, tier, sharing; of declared nodes also the size, while it does not fall under what
 * is reserved. JSON merge patch (NodeEdit). */
int catalog_node_edit(struct db_tx *tx, struct env *env, const struct actor *actor,
		      const char *name, json_t *patch, struct arena *arena, struct node *ret_node,
		      struct err *err);
/* Refused (ERR_STATE) while pods are on it, and for the machine itself. History keeps its pods: a
 * node that ever had pods is hidden, not deleted. */
int catalog_node_remove(struct db_tx *tx, struct env *env, const struct actor *actor,
			const char *name, struct err *err);

/* What the engine reports of a machine; the first time it is registered to the operator in `tier`
 * at price 0, later only its facts are refreshed. */
struct catalog_machine {
	const char *name;
	int64_t cpu_milli, memory_mb, disk_mb;
	int cuda_version;
	const char *gpu_product; /* of the first GPU, NULL none */
	int64_t gpu_memory_mb;
	const char *const *gpu_uuids;
	size_t n_gpus;
};
int catalog_machine_register(struct db_tx *tx, struct env *env,
			     const struct catalog_machine *machine, int tier, struct err *err);

/* Availability (GET /gpus): one row a model and tier; CPU-only nodes are a row with model NULL. */
struct gpu_offer {
	const char *model; /* code or NULL */
	const char *name;
	const char *series;
	int tier;
	int64_t memory_mb; /* of one GPU */
	int64_t total;     /* GPUs (vCPU, whole, for CPU-only) on nodes that share and are up */
	int64_t free;
	int64_t largest_free; /* most free on one node: what one replica can have */
	int64_t min_per_hour; /* µP: lowest base */
	int64_t max_per_hour; /* µP: highest base + usage */
	int64_t max_cuda_version;
	int64_t nodes;
	bool simulated; /* all of them */
};
struct gpu_filter {
	int tier;          /* 0 any */
	const char *model; /* NULL any */
	int64_t min_memory_mb;
	int64_t min_price, max_price; /* µP an hour, base; max 0: no limit */
	bool available_only;
};
int catalog_offers(struct db_tx *tx, struct arena *arena, const struct gpu_filter *filter,
		   struct gpu_offer **ret_offers, size_t *ret_count, struct err *err);

/* What a pod on `node` costs an hour at least (base) and at most (base + usage), µP. Billing's
 * formula: rate × GPUs, or on a node without GPUs rate × cpu_milli / 1000, rounded up. */
void catalog_pod_price(const struct node *node, int64_t gpu_count, int64_t cpu_milli,
		       int64_t *ret_min, int64_t *ret_max);

/* Reservation: takes `gpu_count` free GPUs of the node (lowest positions) for `pod`, after checking
 * CPU and memory. ERR_NO_CAPACITY when they are not there. Only inside the transaction that writes
 * the pod's row. */
int catalog_reserve(struct db_tx *tx, int64_t node_id, const char *pod, int64_t gpu_count,
		    int64_t cpu_milli, int64_t memory_mb, struct err *err);
int catalog_release(struct db_tx *tx, const char *pod, struct err *err);
/* UUIDs of the real GPUs reserved for `pod`; empty where they are simulated. */
int catalog_reserved_uuids(struct db_tx *tx, struct arena *arena, const char *pod,
			   const char *const **ret_uuids, size_t *ret_count, struct err *err);

#endif
