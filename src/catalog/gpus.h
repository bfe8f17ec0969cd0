/* The rows of a node's GPUs. Inside the room only. */
#ifndef DURE_CATALOG_GPUS_H
#define DURE_CATALOG_GPUS_H

#include "catalog/catalog.h"

/* What GPUs a node has: `count` simulated ones, or real ones by UUID. */
struct gpus {
	size_t count;
	const char *const *uuids; /* count of them, or NULL: simulated */
};

/* What to do with a reserved GPU that is not among the new ones. */
enum gpus_rule {
	GPUS_MUST_GO, /* an operator takes it away: refused, ERR_STATE */
	GPUS_MAY_STAY /* the machine does not report it: it stays until its pod has gone */
};

int gpus_get(struct db_tx *tx, struct arena *arena, int64_t node_id, struct gpus *ret_gpus,
	     struct err *err);
/* Makes the rows of the node what `gpus` says; those that stay keep position and reservation. */
int gpus_set(struct db_tx *tx, int64_t node_id, const char *node_name, const struct gpus *gpus,
	     enum gpus_rule rule, struct err *err);

#endif
