/* /health, /version and the document. */
#include <string.h>

#include "api/internal.h"
#include "base/embed.h"

static void part_write(struct jsonw *w, const char *key, const char *name, const char *word,
		       bool well, const char *why)
{
	jsonw_key(w, key);
	jsonw_object(w);
	jsonw_kv_string(w, "name", name);
	jsonw_kv_bool(w, word, well);
	jsonw_kv_string(w, "why", well ? NULL : why);
	jsonw_object_end(w);
}

int api_health_get(struct api_request *request, struct err *err)
{
	const struct api_options *options = &request->api->options;
	struct arena *arena = api_arena(request, err);
	struct engine_world world = { .why = "not connected" };
	struct gateway_state state = { .why = "not started" };

	if (!arena ||
	    (options->engine && engine_observe(options->engine, arena, &world, err) < 0) ||
	    (options->gateway && gateway_observe(options->gateway, arena, &state, err) < 0))
		return -1;
	struct jsonw w = api_write(request, 200);
	jsonw_object(&w);
	jsonw_kv_string(&w, "status", world.reachable && state.up ? "ok" : "degraded");
	part_write(&w, "engine", options->engine ? options->engine->ops->name : "none", "reachable",
		   world.reachable, world.why);
	part_write(&w, "gateway", options->gateway ? options->gateway->ops->name : "none", "up",
		   state.up, state.why);
	jsonw_object_end(&w);
	return 0;
}

int api_version_get(struct api_request *request, struct err *err)
{
	struct jsonw w = api_write(request, 200);

	(void)err;
	jsonw_object(&w);
	jsonw_kv_string(&w, "name", "dure");
	jsonw_kv_string(&w, "version", request->api->options.version);
	jsonw_kv_string(&w, "api", "v1");
	jsonw_object_end(&w);
	return 0;
}

int api_document_get(struct api_request *request, struct err *err)
{
	(void)err;
	request->reply.status = 200;
	buf_append(&request->reply.text, api_documents[0].data, api_documents[0].size);
	return 0;
}
