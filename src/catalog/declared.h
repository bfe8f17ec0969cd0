/* What an operator says of a node, checked. Inside the room only. */
#ifndef DURE_CATALOG_DECLARED_H
#define DURE_CATALOG_DECLARED_H

#include "catalog/catalog.h"

/* Strings live as long as the JSON they were read from. */
struct declared {
	const char *name;
	int64_t tier;
	const char *gpu_model; /* NULL: no GPUs */
	int64_t gpu_count;
	int64_t gpu_memory_mb;
	const char **gpu_uuids; /* gpu_count of them, or NULL: simulated */
	int64_t cpu_milli, memory_mb, disk_mb;
	int64_t cuda_version;
	int64_t base_per_hour, usage_per_hour;
	bool sharing;
};

/* NodeCreate, or (`edit`) the same without a name: the result of a merge. `sent`: what the user
 * sent, whose members are looked through for unknown ones; `machine`: only what an operator decides
 * about a machine may be in it, and only that is read. */
int declared_parse(const json_t *body, const json_t *sent, bool edit, bool machine,
		   struct arena *arena, struct declared *ret_declared, struct err *err);
/* A node as the JSON that declared_parse() reads; new reference, NULL when memory is short. */
json_t *declared_json(const struct node *node, const char *const *uuids, size_t n_uuids);

#endif
