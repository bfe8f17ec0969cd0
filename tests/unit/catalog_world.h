/* A catalogue on a database of its own in memory, and short words for what tests do to it. */
#ifndef DURE_TESTS_CATALOG_WORLD_H
#define DURE_TESTS_CATALOG_WORLD_H

#include "base/env.h"
#include "catalog/catalog.h"

struct world {
	struct env env;
	struct db *db;
	struct arena *arena;
	struct actor operator, user;
};

/* One call of catalogue functions, whose arguments and results are in `data`. */
typedef int world_step(struct db_tx *tx, struct world *world, void *data, struct err *err);

struct node_call {
	const struct actor *actor;
	const char *name; /* NULL: create */
	const char *json;
	struct node node;
};

struct positions_call {
	const char *pod;
	char list[256]; /* "node:position …" */
};

struct offers_call {
	struct gpu_filter filter;
	struct gpu_offer *offers;
	size_t count;
};

int in_write(struct world *world, world_step *step, void *data, struct err *err);
int world_make(void **state);
int world_end(void **state);
int step_create(struct db_tx *tx, struct world *world, void *data, struct err *err);
int create(struct world *world, const char *json, struct node *ret_node, struct err *err);
int edit(struct world *world, const char *name, const char *json, struct node *ret_node,
	 struct err *err);
int step_get(struct db_tx *tx, struct world *world, void *data, struct err *err);
struct node get(struct world *world, const char *name);
int step_remove(struct db_tx *tx, struct world *world, void *data, struct err *err);
int reserve(struct world *world, const char *node, const char *pod, int64_t gpus, int64_t cpu_milli,
	    int64_t memory_mb, struct err *err);
void release(struct world *world, const char *pod);
const char *positions(struct world *world, const char *pod);
struct offers_call offers(struct world *world, struct gpu_filter filter);
const char *offered(struct world *world, struct gpu_filter filter);
const char *problems_of(struct world *world, const struct err *err);

#endif
