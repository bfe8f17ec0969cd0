/* /workloads: register, list, show, edit, delete, deploy, terminate. */
#include <inttypes.h>
#include <string.h>

#include "api/internal.h"
#include "api/write.h"
#include "base/failpoint.h"
#include "base/limits.h"
#include "base/strings.h"
#include "workload/reconcile.h"
#include "workload/workload.h"

static void url_write(struct jsonw *w, const struct api_options *options, const char *host)
{
	BUF_AUTO url = BUF_INIT(512);
	bool plain =
		options->service_port == (str_equal(options->service_scheme, "https") ? 443 : 80);

	buf_printf(&url, "%s://%s.%s", options->service_scheme, host, options->service_domain);
	if (!plain)
		buf_printf(&url, ":%u", options->service_port);
	buf_putc(&url, '/');
	jsonw_kv_string(w, "service_url", url.failed ? NULL : url.data);
}

static void workload_write(struct jsonw *w, const struct api_options *options,
			   const struct workload *workload)
{
	jsonw_object(w);
	jsonw_kv_int(w, "ser", workload->ser);
	jsonw_kv_string(w, "owner", workload->owner);
	jsonw_kv_string(w, "state", workload_state_word(workload->state));
	jsonw_kv_string(w, "state_label", workload_state_label(workload->state));
	jsonw_kv_string(w, "reason", workload->reason);
	jsonw_kv_string(w, "message", workload->message);
	jsonw_kv_int(w, "revision", workload->revision);
	url_write(w, options, workload->host);
	jsonw_key(w, "spec");
	jsonw_object(w);
	spec_write(&workload->spec, w);
	jsonw_object_end(w);
	jsonw_key(w, "pods");
	jsonw_object(w);
	jsonw_kv_int(w, "asked", workload->spec.replicas);
	jsonw_kv_int(w, "total", workload->pods_total);
	jsonw_kv_int(w, "ready", workload->pods_ready);
	jsonw_object_end(w);
	if (workload->pods_total > 0)
		api_write_price(w, workload->min_per_hour, workload->max_per_hour);
	else
		jsonw_kv_string(w, "price_per_hour", NULL);
	jsonw_kv_time(w, "created_at", workload->created_at);
	jsonw_kv_time(w, "updated_at", workload->updated_at);
	jsonw_kv_time(w, "state_at", workload->state_at);
	jsonw_kv_time(w, "deploy_started_at", workload->deploy_started_at);
	jsonw_kv_time(w, "deployed_at", workload->deployed_at);
	jsonw_kv_time(w, "terminated_at", workload->terminated_at);
	jsonw_object_end(w);
}

/* What a transaction needs and gives back. */
struct call {
	struct api_request *request;
	int64_t ser;
	struct spec spec;
	struct workload workload;
};

static int load(struct db_tx *tx, struct call *call, struct err *err)
{
	return workload_get(tx, &call->request->actor, call->ser, call->request->arena,
			    &call->workload, err);
}

static int get_run(struct db_tx *tx, void *argument, struct err *err)
{
	return load(tx, argument, err);
}

static int create_run(struct db_tx *tx, void *argument, struct err *err)
{
	struct call *call = argument;
	struct api_request *request = call->request;
	struct env *env = request->api->options.env;

	if (workload_register(tx, env, &request->actor, &call->spec, &call->ser, err) < 0)
		return -1;
	if (call->spec.deploy_now && workload_deploy(tx, env, &request->actor, call->ser, err) < 0)
		return -1;
	return load(tx, call, err);
}

static int edit_run(struct db_tx *tx, void *argument, struct err *err)
{
	struct call *call = argument;
	struct api_request *request = call->request;

	if (load(tx, call, err) < 0 ||
	    spec_patch(&call->workload.spec, request->json, request->arena, &call->spec, err) < 0 ||
	    workload_edit(tx, request->api->options.env, &request->actor, call->ser, &call->spec,
			  err) < 0)
		return -1;
	return load(tx, call, err);
}

static int delete_run(struct db_tx *tx, void *argument, struct err *err)
{
	struct call *call = argument;

	return workload_delete(tx, &call->request->actor, call->ser, err);
}

static int deploy_run(struct db_tx *tx, void *argument, struct err *err)
{
	struct call *call = argument;
	struct api_request *request = call->request;

	if (workload_deploy(tx, request->api->options.env, &request->actor, call->ser, err) < 0)
		return -1;
	return load(tx, call, err);
}

static int terminate_run(struct db_tx *tx, void *argument, struct err *err)
{
	struct call *call = argument;
	struct api_request *request = call->request;

	if (workload_terminate(tx, request->api->options.env, &request->actor, call->ser, err) < 0)
		return -1;
	return load(tx, call, err);
}

static int path_ser(struct call *call, struct err *err)
{
	return api_path_number(call->request, 0, "workload", &call->ser, err);
}

static void wake(const struct api_request *request)
{
	if (request->api->options.reconciler)
		reconcile_wake(request->api->options.reconciler);
}

static void answer(struct api_request *request, int status, const struct call *call)
{
	struct jsonw w = api_write(request, status);

	workload_write(&w, &request->api->options, &call->workload);
}

int api_workload_create(struct api_request *request, struct err *err)
{
	struct call call = { .request = request };
	struct db *db = request->api->options.db;

	if (spec_parse(request->json, request->arena, &call.spec, err) < 0 ||
	    db_write(db, create_run, &call, err) < 0)
		return -1;
	if (call.spec.deploy_now) {
		if (FAILPOINT(deploy_after_commit))
			return err_set(err, ERR_INTERNAL, "failpoint");
		wake(request);
	}
	answer(request, 201, &call);
	char *location = arena_printf(request->arena, API_PREFIX "/workloads/%" PRId64, call.ser);
	if (!location)
		return err_oom(err);
	api_header(request, "Location", location);
	return 0;
}

int api_workload_get(struct api_request *request, struct err *err)
{
	struct call call = { .request = request };

	if (path_ser(&call, err) < 0 || db_read(request->api->options.db, get_run, &call, err) < 0)
		return -1;
	answer(request, 200, &call);
	return 0;
}

int api_workload_edit(struct api_request *request, struct err *err)
{
	struct call call = { .request = request };

	if (path_ser(&call, err) < 0 ||
	    db_write(request->api->options.db, edit_run, &call, err) < 0)
		return -1;
	answer(request, 200, &call);
	return 0;
}

int api_workload_delete(struct api_request *request, struct err *err)
{
	struct call call = { .request = request };

	if (path_ser(&call, err) < 0 ||
	    db_write(request->api->options.db, delete_run, &call, err) < 0)
		return -1;
	wake(request);
	request->reply.status = 204;
	return 0;
}

int api_workload_deploy(struct api_request *request, struct err *err)
{
	struct call call = { .request = request };

	if (path_ser(&call, err) < 0 ||
	    db_write(request->api->options.db, deploy_run, &call, err) < 0)
		return -1;
	if (FAILPOINT(deploy_after_commit))
		return err_set(err, ERR_INTERNAL, "failpoint");
	wake(request);
	answer(request, 202, &call);
	return 0;
}

int api_workload_terminate(struct api_request *request, struct err *err)
{
	struct call call = { .request = request };

	if (path_ser(&call, err) < 0 ||
	    db_write(request->api->options.db, terminate_run, &call, err) < 0)
		return -1;
	if (FAILPOINT(terminate_after_commit))
		return err_set(err, ERR_INTERNAL, "failpoint");
	wake(request);
	answer(request, 202, &call);
	return 0;
}

/* Lists ------------------------------------------------------------------------------------------
 */

struct listing {
	struct api_request *request;
	struct workload_filter filter;
	struct workload *workloads;
	size_t count;
};

static int list_run(struct db_tx *tx, void *argument, struct err *err)
{
	struct listing *listing = argument;
	struct api_request *request = listing->request;

	return workload_list(tx, &request->actor, &listing->filter, request->arena,
			     &listing->workloads, &listing->count, err);
}

/* A cursor is "s" and the number of the last workload seen; clients do not look into it. */
static int read_filter(struct api_request *request, struct workload_filter *filter, struct err *err)
{
	API_QUERY_AUTO(query);

	if (api_query_read(request, &query, err) < 0)
		return -1;
	filter->limit = LIMIT_PAGE_ROWS_DEFAULT;
	api_query_int(&query, "limit", 1, LIMIT_PAGE_ROWS, &filter->limit);
	const char *state = api_query_text(&query, "state", 64);
	filter->by_state = state != NULL;
	if (state && workload_state_parse(state, &filter->state) < 0)
		api_query_bad(&query, "state", "choice",
			      "registered, deploying, deployed, degraded, terminating, "
			      "terminated, failed",
			      "there is no such state");
	const char *cursor = api_query_text(&query, "cursor", 64);
	if (cursor &&
	    (cursor[0] != 's' || str_to_int64(cursor + 1, 1, INT64_MAX, &filter->before) < 0))
		api_query_bad(&query, "cursor", "format", "`next` of a page",
			      "it is not a cursor of this list");
	return api_query_finish(&query, err);
}

int api_workload_list(struct api_request *request, struct err *err)
{
	struct listing listing = { .request = request };
	const char *next = NULL;

	if (read_filter(request, &listing.filter, err) < 0)
		return -1;
	int64_t limit = listing.filter.limit;
	listing.filter.limit = limit + 1; /* one more tells whether there is a next page */
	if (db_read(request->api->options.db, list_run, &listing, err) < 0)
		return -1;
	struct jsonw w = api_list_begin(request);
	for (size_t i = 0; i < listing.count && i < (size_t)limit; i++)
		workload_write(&w, &request->api->options, &listing.workloads[i]);
	if (listing.count > (size_t)limit) {
		next = arena_printf(request->arena, "s%" PRId64, listing.workloads[limit - 1].ser);
		if (!next)
			return err_oom(err);
	}
	api_list_end(&w, next);
	return 0;
}
