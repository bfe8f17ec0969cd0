/* When nothing fits: what is missing, and what would fit instead. */
#include <assert.h>
#include <stdio.h>

#include "base/limits.h"
#include "base/strings.h"
#include "workload/demand.h"
#include "workload/placement.h"

#define ALTERNATIVES_MAX 8 /* more would be a price list; GET /gpus is that */

struct refusal {
	const struct node *nodes;
	size_t n_nodes;
	const struct spec *spec;
	struct arena *arena;
	json_t *alternatives;
};

static const char *target_word(int tier)
{
	static const char *const words[] = { "any", "tier1", "tier2", "tier3" };

	assert(tier >= 0 && tier <= 3);
	return words[tier];
}

/* How many replicas of `spec` fit now, at most LIMIT_REPLICAS, and on which nodes. Negative: memory
 * is short, and the refusal goes out without this alternative. */
static int64_t count_fitting(const struct refusal *refusal, const struct spec *spec,
			     const struct node ***ret_chosen)
{
	ERR_AUTO(ignored);
	struct spec many = *spec;
	size_t placed = 0;

	many.replicas = LIMIT_REPLICAS;
	if (placement_choose(refusal->nodes, refusal->n_nodes, &many, refusal->arena, ret_chosen,
			     &placed, &ignored) < 0)
		return -1;
	return (int64_t)placed;
}

/* Adds `offer` if all its replicas fit; prices are those of one replica. */
static bool offer_add(struct refusal *refusal, const struct spec *offer, const char *differs)
{
	const struct node **chosen = NULL;
	int64_t free = count_fitting(refusal, offer, &chosen);
	int64_t least = INT64_MAX, most = 0;

	if (free < offer->replicas || json_array_size(refusal->alternatives) >= ALTERNATIVES_MAX)
		return false;
	for (int64_t i = 0; i < offer->replicas; i++) {
		int64_t min = 0, max = 0;

		catalog_pod_price(chosen[i], offer->gpu_count, offer->cpu_milli, &min, &max);
		least = min < least ? min : least;
		most = max > most ? max : most;
	}
	json_t *json = json_pack("{s:s, s:s, s:s?, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "differs",
				 differs, "target", target_word(offer->target_tier), "gpu_model",
				 chosen[0]->gpu_model, "gpu_count", (json_int_t)offer->gpu_count,
				 "replicas", (json_int_t)offer->replicas, "cpu_milli",
				 (json_int_t)offer->cpu_milli, "memory_mb",
				 (json_int_t)offer->memory_mb, "min_per_hour", (json_int_t)least,
				 "max_per_hour", (json_int_t)most, "free", (json_int_t)free);
	return json_array_append_new(refusal->alternatives, json) == 0;
}

static void offer_other_tiers(struct refusal *refusal)
{
	struct spec offer = *refusal->spec;

	for (int tier = 1; tier <= 3 && refusal->spec->target_tier != 0; tier++) {
		offer.target_tier = tier;
		if (tier != refusal->spec->target_tier)
			(void)offer_add(refusal, &offer, "target");
	}
}

/* The models that fit, cheapest first: each round excludes those offered already by going over the
 * models of the shipped catalogue that stand on some node. */
static void offer_other_models(struct refusal *refusal, struct spec offer, const char *differs)
{
	size_t n_models = 0;
	const struct gpu_model *models = catalog_models(&n_models);

	for (size_t i = 0; i < n_models && refusal->spec->gpu_count > 0; i++) {
		offer.gpu_model = models[i].code;
		if (!str_equal(offer.gpu_model, refusal->spec->gpu_model))
			(void)offer_add(refusal, &offer, differs);
	}
}

/* The lowest cap under which it would fit, found by placing without one. */
static void offer_price(struct refusal *refusal)
{
	struct spec offer = *refusal->spec;

	if (offer.max_price_per_hour == 0)
		return;
	offer.max_price_per_hour = 0;
	(void)offer_add(refusal, &offer, "max_price_per_hour");
}

static void offer_less(struct refusal *refusal)
{
	struct spec offer = *refusal->spec;
	const struct node **chosen = NULL;
	int64_t fitting = count_fitting(refusal, &offer, &chosen);

	if (fitting > 0 && fitting < offer.replicas) {
		offer.replicas = fitting;
		(void)offer_add(refusal, &offer, "replicas");
	}
	offer = *refusal->spec;
	while (--offer.gpu_count > 0) {
		if (offer_add(refusal, &offer, "gpu.count"))
			break;
	}
	offer = *refusal->spec;
	offer.gpu_memory_mb = 0;
	if (refusal->spec->gpu_memory_mb > 0 && refusal->spec->gpu_count > 0)
		(void)offer_add(refusal, &offer, "gpu.memory_mb");
	offer = *refusal->spec;
	offer.min_cuda_version = 0;
	if (refusal->spec->min_cuda_version > 0)
		(void)offer_add(refusal, &offer, "min_cuda");
}

/* The largest CPU and memory share of what one fitting node has left. */
static void offer_smaller_share(struct refusal *refusal)
{
	struct spec offer = *refusal->spec;

	for (size_t i = 0; i < refusal->n_nodes; i++) {
		const struct node *node = &refusal->nodes[i];
		enum demand unmet = demand_unmet(node, refusal->spec);

		if (unmet < DEMAND_CPU_SIZE || node->gpu_free < refusal->spec->gpu_count ||
		    node->cpu_free_milli < LIMIT_CPU_MILLI_MIN ||
		    node->memory_free_mb < LIMIT_MEMORY_MB_MIN)
			continue;
		offer.replicas = 1;
		if (node->cpu_free_milli < offer.cpu_milli)
			offer.cpu_milli = node->cpu_free_milli;
		if (node->memory_free_mb < offer.memory_mb)
			offer.memory_mb = node->memory_free_mb;
		(void)offer_add(refusal, &offer,
				offer.cpu_milli < refusal->spec->cpu_milli ? "cpu_milli"
									   : "memory_mb");
		return;
	}
}

/* One demand changed at a time; only when that gives nothing, the usual three at once. */
static void offer_all(struct refusal *refusal)
{
	struct spec offer = *refusal->spec;

	offer_other_tiers(refusal);
	if (offer.gpu_model)
		offer_other_models(refusal, offer, "gpu.model");
	offer_price(refusal);
	offer_less(refusal);
	if (json_array_size(refusal->alternatives) == 0)
		offer_smaller_share(refusal);
	if (json_array_size(refusal->alternatives) > 0)
		return;
	offer.target_tier = 0;
	offer.max_price_per_hour = 0;
	offer_other_models(refusal, offer, "target, gpu.model, max_price_per_hour");
}

/* How far the best node gets, and how many replicas are there already. */
static void describe(const struct refusal *refusal, int64_t fitting, struct err *err)
{
	const struct spec *spec = refusal->spec;
	enum demand furthest = DEMAND_SHARED;
	int64_t gpus_free = 0;

	for (size_t i = 0; i < refusal->n_nodes; i++) {
		enum demand unmet = demand_unmet(&refusal->nodes[i], spec);

		furthest = unmet > furthest ? unmet : furthest;
		if (unmet == DEMAND_NONE)
			gpus_free += refusal->nodes[i].gpu_free;
	}
	switch (furthest) {
	case DEMAND_SHARED:
		err_set(err, ERR_NO_CAPACITY, "no node is up and shared at the moment; try later");
		break;
	case DEMAND_KIND:
		err_set(err, ERR_NO_CAPACITY,
			spec->gpu_count > 0 ? "no shared node has GPUs"
					    : "no shared node takes workloads without GPUs");
		break;
	case DEMAND_TARGET:
		err_set(err, ERR_NO_CAPACITY, "no node of %s offers what is asked for",
			target_word(spec->target_tier));
		break;
	case DEMAND_GPU_MODEL:
		err_set(err, ERR_NO_CAPACITY, "no shared node%s%s has the GPU model %s",
			spec->target_tier > 0 ? " of " : "",
			spec->target_tier > 0 ? target_word(spec->target_tier) : "",
			spec->gpu_model);
		break;
	case DEMAND_GPU_MEMORY:
		err_set(err, ERR_NO_CAPACITY, "no matching GPU has %lld MB of memory",
			(long long)spec->gpu_memory_mb);
		break;
	case DEMAND_MIN_CUDA:
		err_set(err, ERR_NO_CAPACITY, "no matching node has CUDA %lld.%lld",
			(long long)(spec->min_cuda_version / 1000),
			(long long)(spec->min_cuda_version % 1000 / 10));
		break;
	case DEMAND_MAX_PRICE:
		err_set(err, ERR_NO_CAPACITY,
			"no matching node costs at most %lld µP an hour a replica",
			(long long)spec->max_price_per_hour);
		break;
	case DEMAND_GPU_SIZE:
		err_set(err, ERR_NO_CAPACITY, "no matching node has %lld GPUs for one replica",
			(long long)spec->gpu_count);
		break;
	case DEMAND_CPU_SIZE:
		err_set(err, ERR_NO_CAPACITY, "no matching node has %lld milli-CPU for one replica",
			(long long)spec->cpu_milli);
		break;
	case DEMAND_MEMORY_SIZE:
		err_set(err, ERR_NO_CAPACITY, "no matching node has %lld MB memory for one replica",
			(long long)spec->memory_mb);
		break;
	case DEMAND_NONE:
		err_set(err, ERR_NO_CAPACITY,
			"%lld of %lld replicas fit now: %lld matching GPUs are free, and each"
			" replica needs %lld GPUs, %lld milli-CPU and %lld MB on one node",
			(long long)fitting, (long long)spec->replicas, (long long)gpus_free,
			(long long)spec->gpu_count, (long long)spec->cpu_milli,
			(long long)spec->memory_mb);
		break;
	}
}

int placement_refuse(const struct node *nodes, size_t n_nodes, const struct spec *spec,
		     struct arena *arena, struct err *err)
{
	struct refusal refusal = { .nodes = nodes,
				   .n_nodes = n_nodes,
				   .spec = spec,
				   .arena = arena,
				   .alternatives = json_array() };
	const struct node **chosen = NULL;

	if (!refusal.alternatives)
		return err_oom(err);
	int64_t fitting = count_fitting(&refusal, spec, &chosen);
	offer_all(&refusal);
	describe(&refusal, fitting < 0 ? 0 : fitting, err);
	err_extra(err, "alternatives", refusal.alternatives);
	return -1;
}
