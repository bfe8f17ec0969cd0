/* Workloads: register, list, edit, deploy, terminate, delete; their pods and events.
 *
 * These functions are the API's side: each writes desired state inside the caller's transaction and
 * returns. What then happens is reconcile.h's business; the caller wakes it after the commit. */
#ifndef DURE_WORKLOAD_WORKLOAD_H
#define DURE_WORKLOAD_WORKLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "account/account.h"
#include "base/arena.h"
#include "base/err.h"
#include "store/db.h"
#include "workload/spec.h"

/* X(symbol, word, Korean label) */
#define WORKLOAD_STATES(X)                                                                         \
	X(REGISTERED, "registered", "미배포")                                                      \
	X(DEPLOYING, "deploying", "배포중")                                                        \
	X(DEPLOYED, "deployed", "배포")                                                            \
	X(DEGRADED, "degraded", "일부 배포")                                                       \
	X(TERMINATING, "terminating", "종료중")                                                    \
	X(TERMINATED, "terminated", "종료")                                                        \
	X(FAILED, "failed", "실패")

enum workload_state {
#define X(symbol, word, label) WORKLOAD_##symbol,
	WORKLOAD_STATES(X)
#undef X
		WORKLOAD_STATE_COUNT
};

const char *workload_state_word(enum workload_state state);
const char *workload_state_label(enum workload_state state); /* Korean */
int workload_state_parse(const char *word, enum workload_state *ret_state);

struct workload {
	int64_t ser;
	int64_t owner_id;
	const char *owner; /* login */
	const char *host;  /* 8 hex: first label of the service URL */
	enum workload_state state;
	const char *reason; /* slug of the last event that changed the state or explains the wait */
	const char *message; /* its sentence */
	int64_t revision;    /* grows with every change of the row */
	struct spec spec;
	int64_t created_at, updated_at, state_at;
	int64_t deploy_started_at, deployed_at, terminated_at; /* 0: not yet */
	int64_t pods_total;                                    /* alive (not gone) */
	int64_t pods_ready;
	int64_t min_per_hour,
		max_per_hour; /* µP of the alive pods together; 0 while there are none */
};

struct pod {
	const char *name;
	int64_t ser;
	int64_t node_id;
	const char *node; /* name */
	int tier;
	const char *gpu_model;
	int64_t gpu_count;
	bool simulated;
	int64_t cpu_milli, memory_mb;
	int64_t base_per_hour, usage_per_hour; /* µP, the whole pod's, fixed at its reservation */
	const char *phase; /* pending pulling starting running restarting draining removing gone */
	const char *reason, *message;
	const char *address;
	int64_t pull_done, pull_total; /* bytes */
	int64_t restarts;
	int64_t started_at, finished_at, ready_at, created_at, gone_at;
	int64_t exit_code;
};

struct workload_event {
	int64_t id; /* grows */
	int64_t ser;
	const char *pod; /* NULL: of the workload */
	int64_t at;
	const char *level;   /* info warning error */
	const char *state;   /* the workload's state after it */
	const char *reason;  /* slug */
	const char *message; /* what happened and what to do */
};

struct workload_filter {
	int64_t before; /* cursor: only ser < before; 0: from the newest */
	int64_t limit;  /* 1…LIMIT_PAGE_ROWS + 1: the one more tells whether a page follows */
	bool by_state;
	enum workload_state state;
};

/* All of these: `actor` sees its own workloads only (operators: all); others are ERR_NOT_FOUND. */
int workload_register(struct db_tx *tx, struct env *env, const struct actor *actor,
		      const struct spec *spec, int64_t *ret_ser, struct err *err);
int workload_get(struct db_tx *tx, const struct actor *actor, int64_t ser, struct arena *arena,
		 struct workload *ret_workload, struct err *err);
/* By the service URL's first label, without an actor: for the gateway's fallback page only. */
int workload_get_by_host(struct db_tx *tx, const char *host, struct arena *arena,
			 struct workload *ret_workload, struct err *err);
/* Newest first. */
int workload_list(struct db_tx *tx, const struct actor *actor, const struct workload_filter *filter,
		  struct arena *arena, struct workload **ret_workloads, size_t *ret_count,
		  struct err *err);
/* Refused (ERR_STATE) while deploying, deployed, degraded or terminating. */
int workload_edit(struct db_tx *tx, struct env *env, const struct actor *actor, int64_t ser,
		  const struct spec *spec, struct err *err);
int workload_delete(struct db_tx *tx, const struct actor *actor, int64_t ser, struct err *err);

/* Places all replicas and reserves their GPUs in this transaction, or none: ERR_NO_CAPACITY whose
 * extra "alternatives" are the nearest offers that would fit, each with tier, model, price and what
 * differs. From registered, terminated, failed; else ERR_STATE. */
int workload_deploy(struct db_tx *tx, struct env *env, const struct actor *actor, int64_t ser,
		    struct err *err);
/* From deploying, deployed, degraded (and failed while pods are left); else ERR_STATE. */
int workload_terminate(struct db_tx *tx, struct env *env, const struct actor *actor, int64_t ser,
		       struct err *err);

int workload_pods(struct db_tx *tx, const struct actor *actor, int64_t ser, bool with_gone,
		  struct arena *arena, struct pod **ret_pods, size_t *ret_count, struct err *err);
/* Oldest first, ids above `after`, at most `limit`. */
int workload_events(struct db_tx *tx, const struct actor *actor, int64_t ser, int64_t after,
		    int64_t limit, struct arena *arena, struct workload_event **ret_events,
		    size_t *ret_count, struct err *err);

#endif
