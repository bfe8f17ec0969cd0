#include "workload/demand.h"

#include <assert.h>

#include "base/strings.h"

static bool price_fits(const struct node *node, const struct spec *spec)
{
	int64_t least = 0, most = 0;

	if (spec->max_price_per_hour == 0)
		return true;
	catalog_pod_price(node, spec->gpu_count, spec->cpu_milli, &least, &most);
	return most <= spec->max_price_per_hour;
}

static bool demand_met(enum demand demand, const struct node *node, const struct spec *spec)
{
	switch (demand) {
	case DEMAND_SHARED: return node->sharing && node->up;
	case DEMAND_KIND: return (spec->gpu_count > 0) == (node->gpu_model != NULL);
	case DEMAND_TARGET: return spec->target_tier == 0 || spec->target_tier == node->tier;
	case DEMAND_GPU_MODEL:
		return !spec->gpu_model || spec->gpu_count == 0 ||
		       str_equal(spec->gpu_model, node->gpu_model);
	case DEMAND_GPU_MEMORY:
		return spec->gpu_count == 0 || node->gpu_memory_mb >= spec->gpu_memory_mb;
	case DEMAND_MIN_CUDA: return node->cuda_version >= spec->min_cuda_version;
	case DEMAND_MAX_PRICE: return price_fits(node, spec);
	case DEMAND_GPU_SIZE: return node->gpu_count >= spec->gpu_count;
	case DEMAND_CPU_SIZE: return node->cpu_milli >= spec->cpu_milli;
	case DEMAND_MEMORY_SIZE: return node->memory_mb >= spec->memory_mb;
	case DEMAND_NONE: break;
	}
	assert(demand < DEMAND_NONE);
	return true;
}

enum demand demand_unmet(const struct node *node, const struct spec *spec)
{
	enum demand demand = DEMAND_SHARED;

	while (demand < DEMAND_NONE && demand_met(demand, node, spec))
		demand++;
	return demand;
}
