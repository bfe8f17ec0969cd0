#include "engine/engine.h"

#include <assert.h>

static const char *const phase_words[] = {
#define X(symbol, word) [ENGINE_##symbol] = word,
	ENGINE_PHASES(X)
#undef X
};

static const struct {
	const char *slug;
	bool permanent;
} troubles[] = {
#define X(symbol, slug, permanent) [ENGINE_TROUBLE_##symbol] = { slug, permanent },
	ENGINE_TROUBLES(X)
#undef X
};

const char *engine_phase_word(enum engine_phase phase)
{
	assert((size_t)phase < sizeof(phase_words) / sizeof(phase_words[0]));
	return phase_words[phase];
}

const char *engine_trouble_slug(enum engine_trouble trouble)
{
	assert((size_t)trouble < sizeof(troubles) / sizeof(troubles[0]));
	return troubles[trouble].slug;
}

bool engine_trouble_permanent(enum engine_trouble trouble)
{
	assert((size_t)trouble < sizeof(troubles) / sizeof(troubles[0]));
	return troubles[trouble].permanent;
}

int engine_ensure(struct engine *engine, const struct engine_workload *workload, struct err *err)
{
	assert(workload->ser > 0);
	assert(workload->n_pods == 0 || workload->pods);
	return engine->ops->ensure(engine, workload, err);
}

int engine_remove(struct engine *engine, int64_t ser, struct err *err)
{
	assert(ser > 0);
	return engine->ops->remove(engine, ser, err);
}

int engine_observe(struct engine *engine, struct arena *arena, struct engine_world *ret_world,
		   struct err *err)
{
	return engine->ops->observe(engine, arena, ret_world, err);
}

int engine_logs(struct engine *engine, const char *pod, int tail_lines, struct arena *arena,
		char **ret_text, struct err *err)
{
	assert(tail_lines > 0);
	return engine->ops->logs(engine, pod, tail_lines, arena, ret_text, err);
}

int engine_nodes(struct engine *engine, struct arena *arena, struct engine_node **ret_nodes,
		 size_t *ret_count, struct err *err)
{
	return engine->ops->nodes(engine, arena, ret_nodes, ret_count, err);
}

void engine_watch(struct engine *engine, engine_wake *wake, void *context)
{
	engine->ops->watch(engine, wake, context);
}

struct engine *engine_free(struct engine *engine)
{
	if (engine)
		engine->ops->free(engine);
	return NULL;
}
