/* Events: what happened to a workload, when, why, and what its user can do about it. */
#ifndef DURE_WORKLOAD_EVENT_H
#define DURE_WORKLOAD_EVENT_H

#include <stdint.h>

#include "base/err.h"
#include "store/db.h"
#include "workload/workload.h"

#define EVENT_INFO "info"
#define EVENT_WARNING "warning"
#define EVENT_ERROR "error"

/* Writes one event. `event->id` is not read: ids grow by themselves. Keeps the newest
 * LIMIT_EVENTS_PER_WORKLOAD of the workload (a few more between clean-ups). */
int event_add(struct db_tx *tx, const struct workload_event *event, struct err *err);

#endif
