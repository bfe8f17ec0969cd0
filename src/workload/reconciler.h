/* The reconciler's insides, shared by its pass and its thread. */
#ifndef DURE_WORKLOAD_RECONCILER_H
#define DURE_WORKLOAD_RECONCILER_H

#include <pthread.h>
#include <stdbool.h>

#include "workload/round.h"

#define RECONCILER_MAGIC 0x7265636fU

struct reconciler {
	unsigned magic;
	struct reconcile_options options;

	/* The pass; one at a time. */
	struct arena *rows_arena; /* rows as last read */
	struct arena *arena;      /* of the round under way */
	struct round_workload *rows;
	size_t n_rows;
	uint64_t rows_version; /* db_version() before they were read */
	bool rows_valid;
	struct pod_memo *pod_memos; /* ascending by name */
	size_t n_pod_memos;
	struct workload_memo *workload_memos; /* ascending by ser */
	size_t n_workload_memos;
	int64_t outage_total; /* µs of monotonic time that the engine could not be seen */
	int64_t outage_from;  /* monotonic; valid while `outage` */
	bool outage;

	/* The thread */
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	bool started, woken, stopping; /* under `mutex` */
};

/* Gives every pod and workload of the round its memory, drops that of those that are no more. */
int reconciler_remember(struct reconciler *reconciler, struct err *err);

#endif
