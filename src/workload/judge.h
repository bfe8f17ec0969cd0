/* Judging a pod: row, engine and gateway in; new facts, events and the next deadline out. Pure: the
 * rules are in docs/internals/reconcile.md. */
#ifndef DURE_WORKLOAD_JUDGE_H
#define DURE_WORKLOAD_JUDGE_H

#include "workload/round.h"

/* A pod that stops answering may come back within this without anybody being told. */
#define JUDGE_UNREADY_TOLERANCE_US (3 * USEC_PER_SEC)
/* A pod that failed for good is tried again this often while others of its workload answer. */
#define JUDGE_FAILED_RETRY_US (300 * USEC_PER_SEC)
/* A removal that takes longer gets an event. */
#define JUDGE_REMOVAL_SLOW_US (120 * USEC_PER_SEC)
/* Progress of a pull is written at most this often. */
#define JUDGE_PULL_WRITE_US (1 * USEC_PER_SEC)

/* `any_ready`: some pod of its workload answers. */
void judge_pod(struct round *round, const struct round_workload *workload, struct round_pod *pod,
	       bool any_ready);
/* Should the engine have it? Not while it is being taken down, made anew, or has left. */
bool judge_wanted(const struct pod_facts *facts);
bool judge_leaving(const struct pod_facts *facts);
/* Has it failed for good (until the retry)? */
bool judge_failed(const struct pod_facts *facts, const struct reconcile_rules *rules);
/* Would trying it again be in vain? */
bool judge_hopeless(const struct pod_facts *facts, const struct reconcile_rules *rules);

#endif
