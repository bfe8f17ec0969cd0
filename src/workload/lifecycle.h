/* The states of a workload and the one way from state to state.
 *
 *     registered ──deploy──▶ deploying ──▶ deployed ◀──▶ degraded ──▶ failed
 *                               │  └──────▶ degraded, failed            │
 *                               └────────── terminate ──────────────────┘
 *                                              ▼
 *                                         terminating ──▶ terminated     (deploy again: both ends)
 */
#ifndef DURE_WORKLOAD_LIFECYCLE_H
#define DURE_WORKLOAD_LIFECYCLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "store/db.h"
#include "workload/workload.h"

/* The table of allowed transitions. */
bool workload_state_allowed(enum workload_state from, enum workload_state to);
/* The user wants it to run, or it has not ended yet: the reconciler has work with it. */
bool workload_state_active(enum workload_state state);

struct workload_change {
	int64_t ser;
	enum workload_state from, to;
	const char *level;   /* EVENT_INFO … */
	const char *reason;  /* slug */
	const char *message; /* what happened and what to do */
	int64_t at;
};

/* Writes the new state, its reason and times, and its event; the revision grows. ERR_STATE when the
 * row is not in `from` any more. */
int workload_change_state(struct db_tx *tx, const struct workload_change *change, struct err *err);

#endif
