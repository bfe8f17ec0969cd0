/* Columns of workload and pod rows, and how a row becomes a struct. */
#ifndef DURE_WORKLOAD_ROWS_H
#define DURE_WORKLOAD_ROWS_H

#include "base/arena.h"
#include "base/err.h"
#include "store/db.h"
#include "workload/workload.h"

/* Workloads of the table expression `page` (a SELECT of workload rows) with their owner's login and
 * the sums over their living pods; only pods of these rows are touched. */
#define ROWS_WORKLOADS(page)                                                                       \
	"WITH page AS (" page ") SELECT page.ser, page.owner_id, account.login, page.host,"        \
	" page.state, page.reason, page.message, page.revision, page.spec, page.created_at,"       \
	" page.updated_at, page.state_at, page.deploy_started_at, page.deployed_at,"               \
	" page.terminated_at, COALESCE(living.total, 0), COALESCE(living.ready, 0),"               \
	" COALESCE(living.min_per_hour, 0), COALESCE(living.max_per_hour, 0)"                      \
	" FROM page JOIN account ON account.id = page.owner_id LEFT JOIN"                          \
	" (SELECT ser, COUNT(*) AS total,"                                                         \
	"  SUM(CASE WHEN phase = 'running' THEN 1 ELSE 0 END) AS ready,"                           \
	"  CAST(SUM(base_per_hour) AS BIGINT) AS min_per_hour,"                                    \
	"  CAST(SUM(base_per_hour + usage_per_hour) AS BIGINT) AS max_per_hour"                    \
	"  FROM pod WHERE phase <> 'gone' AND ser IN (SELECT ser FROM page) GROUP BY ser)"         \
	" AS living ON living.ser = page.ser ORDER BY page.ser DESC"

/* The row that db_rows_next() of ROWS_WORKLOADS() stands on; strings in `arena`. */
int rows_workload(struct db_rows *rows, struct arena *arena, struct workload *ret_workload,
		  struct err *err);

/* 0 when `actor` may see workload `ser`, else ERR_NOT_FOUND. */
int rows_require(struct db_tx *tx, const struct actor *actor, int64_t ser, struct err *err);

/* A growing array in an arena: room for one more element behind `count`, or NULL. */
void *rows_grow(struct arena *arena, void *array, size_t count, size_t element_size);

#endif
