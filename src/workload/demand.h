/* What a spec demands of a node, one demand after the other, in the order in which a refusal names
 * them. */
#ifndef DURE_WORKLOAD_DEMAND_H
#define DURE_WORKLOAD_DEMAND_H

#include <stdbool.h>

#include "catalog/catalog.h"
#include "workload/spec.h"

/* X(symbol, member of the spec that asks for it): in order; the last ones are about what is free.
 */
#define DEMANDS(X)                                                                                 \
	X(SHARED, "")                                                                              \
	X(KIND, "gpu.count")                                                                       \
	X(TARGET, "target")                                                                        \
	X(GPU_MODEL, "gpu.model")                                                                  \
	X(GPU_MEMORY, "gpu.memory_mb")                                                             \
	X(MIN_CUDA, "min_cuda")                                                                    \
	X(MAX_PRICE, "max_price_per_hour")                                                         \
	X(GPU_SIZE, "gpu.count")                                                                   \
	X(CPU_SIZE, "cpu_milli")                                                                   \
	X(MEMORY_SIZE, "memory_mb")

enum demand {
#define X(symbol, member) DEMAND_##symbol,
	DEMANDS(X)
#undef X
		DEMAND_NONE /* all are met */
};

/* The first demand that the node, were it empty, does not meet. */
enum demand demand_unmet(const struct node *node, const struct spec *spec);

#endif
