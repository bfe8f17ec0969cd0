/* /workloads/{ser}/pods and /workloads/{ser}/events. */
#include <inttypes.h>

#include "api/internal.h"
#include "base/limits.h"
#include "base/strings.h"
#include "workload/workload.h"

static void pod_gpu_write(struct jsonw *w, const struct pod *pod)
{
	jsonw_key(w, "gpu");
	if (pod->gpu_count == 0) {
		jsonw_null(w);
		return;
	}
	jsonw_object(w);
	jsonw_kv_string(w, "model", pod->gpu_model);
	jsonw_kv_int(w, "count", pod->gpu_count);
	jsonw_kv_bool(w, "simulated", pod->simulated);
	jsonw_object_end(w);
}

static void pull_write(struct jsonw *w, const struct pod *pod)
{
	jsonw_key(w, "pull");
	if (!str_equal(pod->phase, "pulling")) {
		jsonw_null(w);
		return;
	}
	jsonw_object(w);
	jsonw_kv_int(w, "done", pod->pull_done);
	jsonw_kv_int(w, "total", pod->pull_total);
	jsonw_object_end(w);
}

static void pod_write(struct jsonw *w, const struct pod *pod)
{
	jsonw_object(w);
	jsonw_kv_string(w, "name", pod->name);
	jsonw_kv_int(w, "ser", pod->ser);
	jsonw_kv_string(w, "node", pod->node);
	jsonw_kv_int(w, "tier", pod->tier);
	pod_gpu_write(w, pod);
	jsonw_kv_int(w, "cpu_milli", pod->cpu_milli);
	jsonw_kv_int(w, "memory_mb", pod->memory_mb);
	jsonw_key(w, "price_per_hour");
	jsonw_object(w);
	jsonw_kv_int(w, "base", pod->base_per_hour);
	jsonw_kv_int(w, "usage", pod->usage_per_hour);
	jsonw_object_end(w);
	jsonw_kv_string(w, "phase", pod->phase);
	jsonw_kv_string(w, "reason", pod->reason);
	jsonw_kv_string(w, "message", pod->message);
	jsonw_kv_string(w, "address", pod->address);
	pull_write(w, pod);
	jsonw_kv_int(w, "restarts", pod->restarts);
	jsonw_key(w, "exit_code");
	if (pod->finished_at > 0)
		jsonw_int(w, pod->exit_code);
	else
		jsonw_null(w);
	jsonw_kv_time(w, "created_at", pod->created_at);
	jsonw_kv_time(w, "started_at", pod->started_at);
	jsonw_kv_time(w, "ready_at", pod->ready_at);
	jsonw_kv_time(w, "finished_at", pod->finished_at);
	jsonw_kv_time(w, "gone_at", pod->gone_at);
	jsonw_object_end(w);
}

struct pods {
	struct api_request *request;
	int64_t ser;
	bool all;
	struct pod *pods;
	size_t count;
};

static int pods_run(struct db_tx *tx, void *argument, struct err *err)
{
	struct pods *call = argument;

	return workload_pods(tx, &call->request->actor, call->ser, call->all, call->request->arena,
			     &call->pods, &call->count, err);
}

int api_pod_list(struct api_request *request, struct err *err)
{
	struct pods call = { .request = request };
	API_QUERY_AUTO(query);

	if (api_path_number(request, 0, "workload", &call.ser, err) < 0 ||
	    api_query_read(request, &query, err) < 0)
		return -1;
	api_query_bool(&query, "all", &call.all);
	if (api_query_finish(&query, err) < 0 ||
	    db_read(request->api->options.db, pods_run, &call, err) < 0)
		return -1;
	struct jsonw w = api_list_begin(request);
	for (size_t i = 0; i < call.count; i++)
		pod_write(&w, &call.pods[i]);
	api_list_end(&w, NULL);
	return 0;
}

struct events {
	struct api_request *request;
	int64_t ser, after, limit;
	struct workload_event *events;
	size_t count;
};

static int events_run(struct db_tx *tx, void *argument, struct err *err)
{
	struct events *call = argument;

	return workload_events(tx, &call->request->actor, call->ser, call->after, call->limit + 1,
			       call->request->arena, &call->events, &call->count, err);
}

static void event_write(struct jsonw *w, const struct workload_event *event)
{
	jsonw_object(w);
	jsonw_kv_int(w, "id", event->id);
	jsonw_kv_time(w, "at", event->at);
	jsonw_kv_string(w, "level", event->level);
	jsonw_kv_string(w, "state", event->state);
	jsonw_kv_string(w, "reason", event->reason);
	jsonw_kv_string(w, "message", event->message);
	jsonw_kv_string(w, "pod", event->pod);
	jsonw_object_end(w);
}

int api_event_list(struct api_request *request, struct err *err)
{
	struct events call = { .request = request, .limit = LIMIT_PAGE_ROWS_DEFAULT };
	const char *next = NULL;
	API_QUERY_AUTO(query);

	if (api_path_number(request, 0, "workload", &call.ser, err) < 0 ||
	    api_query_read(request, &query, err) < 0)
		return -1;
	api_query_int(&query, "after", 0, INT64_MAX, &call.after);
	api_query_int(&query, "limit", 1, LIMIT_PAGE_ROWS, &call.limit);
	if (api_query_finish(&query, err) < 0 ||
	    db_read(request->api->options.db, events_run, &call, err) < 0)
		return -1;
	size_t shown = call.count > (size_t)call.limit ? (size_t)call.limit : call.count;
	struct jsonw w = api_list_begin(request);
	for (size_t i = 0; i < shown; i++)
		event_write(&w, &call.events[i]);
	if (call.count > shown) {
		next = arena_printf(request->arena, "%" PRId64, call.events[shown - 1].id);
		if (!next)
			return err_oom(err);
	}
	api_list_end(&w, next);
	return 0;
}
