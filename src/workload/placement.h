/* Placement: which nodes take the replicas of a workload. A pure function over the nodes as the
 * catalogue lists them; deploying reserves what it chose in the same transaction.
 *
 * A node fits when it shares, is up, and has what the spec asks for; with GPUs only on nodes with
 * GPUs, without only on nodes without. Among those that fit the cheapest comes first (highest
 * price, then base); ties spread: fewest pods of this workload, then most free, then lowest id. */
#ifndef DURE_WORKLOAD_PLACEMENT_H
#define DURE_WORKLOAD_PLACEMENT_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "catalog/catalog.h"
#include "workload/spec.h"

/* Places up to spec->replicas pods, each on a node of `nodes`; *ret_chosen[i] is the node of pod i.
 * *ret_placed < spec->replicas when the rest does not fit. */
int placement_choose(const struct node *nodes, size_t n_nodes, const struct spec *spec,
		     struct arena *arena, const struct node ***ret_chosen, size_t *ret_placed,
		     struct err *err);

/* Says what is missing. Always returns -1 with ERR_NO_CAPACITY: the first demand that no node
 * meets, and extra "alternatives": the nearest offers, each with one demand changed. */
int placement_refuse(const struct node *nodes, size_t n_nodes, const struct spec *spec,
		     struct arena *arena, struct err *err);

#endif
