/* What one round of the reconciler knows: rows as read, facts as judged, and what it remembers from
 * round to round (only clocks: all else is in the rows). */
#ifndef DURE_WORKLOAD_ROUND_H
#define DURE_WORKLOAD_ROUND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "engine/engine.h"
#include "gateway/gateway.h"
#include "store/db.h"
#include "workload/reconcile.h"
#include "workload/workload.h"

/* X(symbol, word): a pod's phases, as its row has them. */
#define POD_PHASES(X)                                                                              \
	X(PENDING, "pending")       /* reserved; nothing of it in the world yet */                 \
	X(PULLING, "pulling")       /* its image is being fetched */                               \
	X(STARTING, "starting")     /* container made or running, its port does not answer yet */  \
	X(RUNNING, "running")       /* its port answers */                                         \
	X(RESTARTING, "restarting") /* ended or taken down; started again at restart_at */         \
	X(DRAINING, "draining")     /* leaves: requests under way may finish */                    \
	X(REMOVING, "removing")     /* leaves: being stopped and removed */                        \
	X(GONE, "gone")             /* history */

enum pod_phase {
#define X(symbol, word) POD_##symbol,
	POD_PHASES(X)
#undef X
		POD_PHASE_COUNT
};

const char *pod_phase_word(enum pod_phase phase);
int pod_phase_parse(const char *word, enum pod_phase *ret_phase);

/* The columns of a pod's row that the reconciler owns. */
struct pod_facts {
	enum pod_phase phase;
	const char *reason, *message, *address;
	int64_t pull_done, pull_total;
	int64_t restarts;
	int64_t failures;     /* in a row; at the limit the pod has failed for good */
	int64_t exit_seen_at; /* finished_at of the last end that has its event */
	int64_t restart_at;   /* for people; the round goes by its own clock */
	int64_t restart_past; /* engine_pod.restart_past */
	int64_t ready_at, started_at, finished_at, exit_code;
	int64_t phase_at, gone_at;
};

#define POD_NOTES_MAX 4 /* events of one pod in one round */
struct note {
	const char *level, *reason, *message;
};

#define POD_NAME_MAX 64
/* Remembered between rounds. Times are of the round's clock; 0: not set. */
struct pod_memo {
	char name[POD_NAME_MAX];
	int64_t progress_at;   /* it last got on: phase or bytes */
	int64_t trial_since;   /* not ready since */
	int64_t unready_since; /* runs, but does not answer since */
	int64_t leaving_since;
	int64_t due; /* of a restart; 0: take it from the row */
	int64_t pull_written_at;
	int64_t seen_bytes;
	int64_t seen_started_at;
	enum engine_phase seen_phase;
	enum engine_trouble told; /* it has its event */
	bool told_slow;
};

struct round_pod {
	const char *name, *node, *gpu_model;
	int64_t gpu_count;
	bool simulated;
	const char *const *uuids;
	size_t n_uuids;
	struct pod_facts stored; /* the row */
	struct pod_facts facts;  /* what it should say after this round */
	struct pod_memo *memo;
	const struct engine_pod_state *seen;       /* NULL: the engine does not know it */
	const struct gateway_target_state *target; /* NULL: the gateway does not know it */
	struct note notes[POD_NOTES_MAX];
	size_t n_notes;
};

struct workload_memo {
	int64_t ser;
	int64_t deploy_started_at; /* of the row: another deploy, another deadline */
	int64_t deploying_since;
	int64_t unserved_since; /* deployed, but not all pods are routed since */
};

struct round_workload {
	int64_t ser;
	const char *host;
	enum workload_state state;
	const char *reason;
	int64_t revision;
	int64_t deploy_started_at;
	struct spec spec;
	struct round_pod *pods; /* alive ones */
	size_t n_pods;
	struct workload_memo *memo;
	bool answers; /* its service URL, says the gateway */
	bool left;    /* something of it is left in the engine */
	bool skipped; /* its row changed under this round */
	enum workload_state to;
	struct note verdict; /* reason NULL: nothing new */
	bool verdict_is_event;
};

struct round {
	struct arena *arena; /* of this round */
	const struct reconcile_rules *rules;
	int64_t now;   /* for what is shown */
	int64_t clock; /* µs; stands still while the engine cannot be seen */
	int64_t next;  /* clock at which something is due */
	bool gateway_up;
	const char *gateway_why;
	struct round_workload *workloads; /* ascending by ser */
	size_t n_workloads;
};

/* Something is due at `clock`. */
static inline void round_due(struct round *round, int64_t clock)
{
	if (clock < round->next)
		round->next = clock;
}

/* Adds an event of the pod. The text (printf form) is what the user reads. */
void round_note(struct round *round, struct round_pod *pod, const char *level, const char *reason,
		const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Rows of every workload that the reconciler has work with, pods included, in `arena`. */
int round_load(struct db *db, struct arena *arena, struct round_workload **ret_workloads,
	       size_t *ret_count, struct err *err);
/* Writes what differs, in one transaction, workload by workload: one whose revision moved on since
 * it was read is left as it is and marked `skipped`. */
int round_write(struct db *db, struct round *round, struct err *err);

#endif
