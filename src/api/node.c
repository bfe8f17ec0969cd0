/* /nodes: everybody sees them, operators change them. */
#include "api/internal.h"
#include "api/write.h"
#include "catalog/catalog.h"
#include "workload/reconcile.h"

static void node_gpu_write(struct jsonw *w, const struct node *node)
{
	const struct gpu_model *model =
		node->gpu_model ? catalog_model_find(node->gpu_model) : NULL;

	jsonw_key(w, "gpu");
	if (!node->gpu_model) {
		jsonw_null(w);
		return;
	}
	jsonw_object(w);
	jsonw_kv_string(w, "model", node->gpu_model);
	jsonw_kv_string(w, "name", model ? model->name : node->gpu_model);
	jsonw_kv_int(w, "count", node->gpu_count);
	jsonw_kv_int(w, "free", node->gpu_free);
	jsonw_kv_int(w, "memory_mb", node->gpu_memory_mb);
	jsonw_object_end(w);
}

static void node_write(struct jsonw *w, const struct node *node)
{
	jsonw_object(w);
	jsonw_kv_string(w, "name", node->name);
	jsonw_kv_int(w, "tier", node->tier);
	jsonw_kv_string(w, "owner", node->owner);
	jsonw_kv_string(w, "kind", node->kind);
	jsonw_kv_bool(w, "simulated", node->simulated);
	jsonw_kv_bool(w, "sharing", node->sharing);
	jsonw_kv_bool(w, "up", node->up);
	node_gpu_write(w, node);
	jsonw_kv_int(w, "cpu_milli", node->cpu_milli);
	jsonw_kv_int(w, "cpu_free_milli", node->cpu_free_milli);
	jsonw_kv_int(w, "memory_mb", node->memory_mb);
	jsonw_kv_int(w, "memory_free_mb", node->memory_free_mb);
	jsonw_kv_int(w, "disk_mb", node->disk_mb);
	api_write_cuda(w, "cuda", node->cuda_version);
	jsonw_kv_int(w, "base_per_hour", node->base_per_hour);
	jsonw_kv_int(w, "usage_per_hour", node->usage_per_hour);
	jsonw_kv_int(w, "pods", node->pods);
	jsonw_kv_time(w, "created_at", node->created_at);
	jsonw_kv_time(w, "updated_at", node->updated_at);
	jsonw_object_end(w);
}

struct call {
	struct api_request *request;
	struct node node;
	struct node *nodes;
	size_t count;
};

static int list_run(struct db_tx *tx, void *argument, struct err *err)
{
	struct call *call = argument;

	return catalog_node_list(tx, call->request->arena, &call->nodes, &call->count, err);
}

int api_node_list(struct api_request *request, struct err *err)
{
	struct call call = { .request = request };
	API_QUERY_AUTO(query);

	if (api_query_read(request, &query, err) < 0 || api_query_finish(&query, err) < 0 ||
	    db_read(request->api->options.db, list_run, &call, err) < 0)
		return -1;
	struct jsonw w = api_list_begin(request);
	for (size_t i = 0; i < call.count; i++)
		node_write(&w, &call.nodes[i]);
	api_list_end(&w, NULL);
	return 0;
}

static int get_run(struct db_tx *tx, void *argument, struct err *err)
{
	struct call *call = argument;
	struct api_request *request = call->request;

	return catalog_node_get(tx, request->arena, request->values[0], &call->node, err);
}

static int create_run(struct db_tx *tx, void *argument, struct err *err)
{
	struct call *call = argument;
	struct api_request *request = call->request;

	return catalog_node_create(tx, request->api->options.env, &request->actor, request->json,
				   request->arena, &call->node, err);
}

static int edit_run(struct db_tx *tx, void *argument, struct err *err)
{
	struct call *call = argument;
	struct api_request *request = call->request;

	return catalog_node_edit(tx, request->api->options.env, &request->actor, request->values[0],
				 request->json, request->arena, &call->node, err);
}

static int delete_run(struct db_tx *tx, void *argument, struct err *err)
{
	struct call *call = argument;
	struct api_request *request = call->request;

	return catalog_node_remove(tx, request->api->options.env, &request->actor,
				   request->values[0], err);
}

int api_node_get(struct api_request *request, struct err *err)
{
	struct call call = { .request = request };

	if (db_read(request->api->options.db, get_run, &call, err) < 0)
		return -1;
	struct jsonw w = api_write(request, 200);
	node_write(&w, &call.node);
	return 0;
}

/* What changes what can be placed also changes what the reconciler may do. */
static int change(struct api_request *request, db_function *function, struct call *call,
		  struct err *err)
{
	const struct api_options *options = &request->api->options;

	if (db_write(options->db, function, call, err) < 0)
		return -1;
	if (options->reconciler)
		reconcile_wake(options->reconciler);
	return 0;
}

int api_node_create(struct api_request *request, struct err *err)
{
	struct call call = { .request = request };

	if (change(request, create_run, &call, err) < 0)
		return -1;
	struct jsonw w = api_write(request, 201);
	node_write(&w, &call.node);
	char *location = arena_printf(request->arena, API_PREFIX "/nodes/%s", call.node.name);
	if (!location)
		return err_oom(err);
	api_header(request, "Location", location);
	return 0;
}

int api_node_edit(struct api_request *request, struct err *err)
{
	struct call call = { .request = request };

	if (change(request, edit_run, &call, err) < 0)
		return -1;
	struct jsonw w = api_write(request, 200);
	node_write(&w, &call.node);
	return 0;
}

int api_node_delete(struct api_request *request, struct err *err)
{
	struct call call = { .request = request };

	if (change(request, delete_run, &call, err) < 0)
		return -1;
	request->reply.status = 204;
	return 0;
}
