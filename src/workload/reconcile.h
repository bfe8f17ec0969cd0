/* The reconciler: makes the world match the desired state, again and again.
 *
 * reconcile_pass() is one round, a plain function of store, engine, gateway and clock: the
 * simulator calls it on a virtual clock. reconcile_start() runs it on a thread of its own, woken by
 * the API, the engine, the gateway, or the next deadline. It keeps nothing that a restart could
 * lose. */
#ifndef DURE_WORKLOAD_RECONCILE_H
#define DURE_WORKLOAD_RECONCILE_H

#include <stdint.h>

#include "base/env.h"
#include "base/err.h"
#include "engine/engine.h"
#include "gateway/gateway.h"
#include "store/db.h"

/* Written rules; every one can be set in dure.yaml under `deploy:`. */
struct reconcile_rules {
	int64_t pull_timeout_us;   /* no byte of progress for so long: give up (5 min) */
	int64_t ready_timeout_us;  /* container runs but its port does not answer (5 min) */
	int64_t deploy_timeout_us; /* the whole deploy (30 min) */
	int64_t retry_min_us;      /* first wait after a failure (1 s), doubled each time … */
	int64_t retry_max_us;      /* … up to this (60 s) */
	int failures_limit; /* so many ends in a row, none lived `stable_us`: the pod has failed (5)
			     */
	int64_t stable_us;  /* a run this long forgives the failures before it (60 s) */
	int stop_grace_s;   /* SIGTERM to SIGKILL (10) */
	int drain_grace_s;  /* requests under way at terminate (5) */
};
struct reconcile_rules reconcile_rules_default(void);

struct reconciler;

struct reconcile_options {
	struct env *env;
	struct db *db;
	struct engine *engine; /* stay the caller's; outlive the reconciler */
	struct gateway *gateway;
	struct reconcile_rules rules;
};

int reconcile_new(const struct reconcile_options *options, struct reconciler **ret_reconciler,
		  struct err *err);
/* One round. *ret_next_us: monotonic time when the next is due even if nothing wakes (INT64_MAX
 * never). */
int reconcile_pass(struct reconciler *reconciler, int64_t *ret_next_us, struct err *err);
/* Its own thread; subscribes to engine and gateway. */
int reconcile_start(struct reconciler *reconciler, struct err *err);
/* From any thread: something changed. */
void reconcile_wake(struct reconciler *reconciler);
/* Ends the thread after the round under way. Takes NULL; returns NULL. */
struct reconciler *reconcile_free(struct reconciler *reconciler);

#endif
