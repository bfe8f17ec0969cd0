#include "workload/placement.h"

#include <assert.h>

#include "base/strings.h"
#include "workload/demand.h"

/* A node while pods are being placed on it. */
struct slot {
	const struct node *node;
	int64_t gpu_free, cpu_free_milli, memory_free_mb;
	int64_t pods_here; /* of this workload, in this placement */
	int64_t min_price, max_price;
};

static bool slot_has_room(const struct slot *slot, const struct spec *spec)
{
	return slot->gpu_free >= spec->gpu_count && slot->cpu_free_milli >= spec->cpu_milli &&
	       slot->memory_free_mb >= spec->memory_mb;
}

/* Is `a` the better place for the next pod? */
static bool slot_better(const struct slot *a, const struct slot *b, bool by_gpu)
{
	if (a->max_price != b->max_price)
		return a->max_price < b->max_price;
	if (a->min_price != b->min_price)
		return a->min_price < b->min_price;
	if (a->pods_here != b->pods_here)
		return a->pods_here < b->pods_here;
	int64_t free_a = by_gpu ? a->gpu_free : a->cpu_free_milli;
	int64_t free_b = by_gpu ? b->gpu_free : b->cpu_free_milli;
	if (free_a != free_b)
		return free_a > free_b;
	return a->node->id < b->node->id;
}

static struct slot *slots_of(const struct node *nodes, size_t n_nodes, const struct spec *spec,
			     struct arena *arena, size_t *ret_count)
{
	struct slot *slots = ARENA_ARRAY(arena, n_nodes + 1, struct slot);
	size_t count = 0;

	for (size_t i = 0; slots && i < n_nodes; i++) {
		const struct node *node = &nodes[i];

		if (demand_unmet(node, spec) != DEMAND_NONE)
			continue;
		struct slot *slot = &slots[count++];
		*slot = (struct slot){ .node = node,
				       .gpu_free = node->gpu_free,
				       .cpu_free_milli = node->cpu_free_milli,
				       .memory_free_mb = node->memory_free_mb };
		catalog_pod_price(node, spec->gpu_count, spec->cpu_milli, &slot->min_price,
				  &slot->max_price);
	}
	*ret_count = count;
	return slots;
}

int placement_choose(const struct node *nodes, size_t n_nodes, const struct spec *spec,
		     struct arena *arena, const struct node ***ret_chosen, size_t *ret_placed,
		     struct err *err)
{
	size_t n_slots = 0, placed = 0;
	struct slot *slots = slots_of(nodes, n_nodes, spec, arena, &n_slots);
	const struct node **chosen =
		ARENA_ARRAY(arena, (size_t)spec->replicas, const struct node *);

	assert(spec->replicas > 0);
	if (!slots || !chosen)
		return err_oom(err);
	for (; placed < (size_t)spec->replicas; placed++) {
		struct slot *best = NULL;

		for (size_t i = 0; i < n_slots; i++) {
			if (slot_has_room(&slots[i], spec) &&
			    (!best || slot_better(&slots[i], best, spec->gpu_count > 0)))
				best = &slots[i];
		}
		if (!best)
			break;
		best->gpu_free -= spec->gpu_count;
		best->cpu_free_milli -= spec->cpu_milli;
		best->memory_free_mb -= spec->memory_mb;
		best->pods_here++;
		chosen[placed] = best->node;
	}
	*ret_chosen = chosen;
	*ret_placed = placed;
	return 0;
}
