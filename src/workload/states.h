/* The state of a workload from its pods and its route. Pure. */
#ifndef DURE_WORKLOAD_STATES_H
#define DURE_WORKLOAD_STATES_H

#include "workload/round.h"

/* The route of a deployed workload may be away this long (HAProxy restarts) before it counts. */
#define STATES_UNSERVED_TOLERANCE_US (3 * USEC_PER_SEC)

/* Sets workload->to and workload->verdict; a workload that fails gives its pods up (removing). */
void states_judge(struct round *round, struct round_workload *workload);
/* Does any pod answer? */
bool states_any_ready(const struct round_workload *workload);

#endif
