/* /gpu-models and /gpus: what there is, and what can be had at what price. */
#include "api/internal.h"
#include "api/write.h"
#include "base/limits.h"
#include "catalog/catalog.h"

#define CODE_CHARACTERS 64

int api_gpu_model_list(struct api_request *request, struct err *err)
{
	API_QUERY_AUTO(query);
	size_t count = 0;

	if (api_query_read(request, &query, err) < 0 || api_query_finish(&query, err) < 0)
		return -1;
	const struct gpu_model *models = catalog_models(&count);
	struct jsonw w = api_list_begin(request);
	for (size_t i = 0; i < count; i++) {
		jsonw_object(&w);
		jsonw_kv_string(&w, "code", models[i].code);
		jsonw_kv_string(&w, "name", models[i].name);
		jsonw_kv_string(&w, "series", models[i].series);
		jsonw_kv_int(&w, "memory_mb", models[i].memory_mb);
		jsonw_object_end(&w);
	}
	api_list_end(&w, NULL);
	return 0;
}

static void offer_write(struct jsonw *w, const struct gpu_offer *offer)
{
	jsonw_object(w);
	jsonw_kv_string(w, "model", offer->model);
	jsonw_kv_string(w, "name", offer->name);
	jsonw_kv_string(w, "series", offer->series);
	jsonw_kv_int(w, "tier", offer->tier);
	jsonw_kv_int(w, "memory_mb", offer->memory_mb);
	jsonw_kv_int(w, "total", offer->total);
	jsonw_kv_int(w, "free", offer->free);
	jsonw_kv_int(w, "largest_free", offer->largest_free);
	api_write_price(w, offer->min_per_hour, offer->max_per_hour);
	api_write_cuda(w, "max_cuda", offer->max_cuda_version);
	jsonw_kv_int(w, "nodes", offer->nodes);
	jsonw_kv_bool(w, "simulated", offer->simulated);
	jsonw_object_end(w);
}

struct listing {
	struct api_request *request;
	struct gpu_filter filter;
	struct gpu_offer *offers;
	size_t count;
};

static int list_run(struct db_tx *tx, void *argument, struct err *err)
{
	struct listing *listing = argument;

	return catalog_offers(tx, listing->request->arena, &listing->filter, &listing->offers,
			      &listing->count, err);
}

static int read_filter(struct api_request *request, struct gpu_filter *filter, struct err *err)
{
	int64_t tier = 0;
	API_QUERY_AUTO(query);

	if (api_query_read(request, &query, err) < 0)
		return -1;
	api_query_int(&query, "tier", 1, 3, &tier);
	filter->tier = (int)tier;
	filter->model = api_query_text(&query, "model", CODE_CHARACTERS);
	if (filter->model && !catalog_model_find(filter->model))
		api_query_bad(&query, "model", "choice", "a code of /api/v1/gpu-models",
			      "there is no such GPU model");
	api_query_int(&query, "min_memory_mb", 0, LIMIT_GPU_MEMORY_MB, &filter->min_memory_mb);
	api_query_int(&query, "min_price", 0, LIMIT_PRICE_PER_HOUR, &filter->min_price);
	api_query_int(&query, "max_price", 0, LIMIT_PRICE_PER_HOUR, &filter->max_price);
	api_query_bool(&query, "available", &filter->available_only);
	return api_query_finish(&query, err);
}

int api_gpu_offer_list(struct api_request *request, struct err *err)
{
	struct listing listing = { .request = request };

	if (read_filter(request, &listing.filter, err) < 0 ||
	    db_read(request->api->options.db, list_run, &listing, err) < 0)
		return -1;
	struct jsonw w = api_list_begin(request);
	for (size_t i = 0; i < listing.count; i++)
		offer_write(&w, &listing.offers[i]);
	api_list_end(&w, NULL);
	return 0;
}
