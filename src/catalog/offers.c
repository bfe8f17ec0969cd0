/* Availability: what can be had right now, a row a model and tier. */
#include "base/limits.h"
#include "base/strings.h"
#include "catalog/catalog.h"

#define TEXT_OF_(number) #number
#define TEXT_OF(number) TEXT_OF_(number)

/* Per node first (`k`), then per model and tier. A GPU on a node whose CPU or memory is all taken
 * is not free: no pod could have it. On nodes without GPUs the amounts are in milli CPU. */
static const char sql_offers[] =
	"SELECT k.gpu_model, m.name, m.series, k.tier, min(k.gpu_memory_mb), sum(k.total), "
	"sum(k.free), max(k.free), min(k.base), max(k.highest), max(k.cuda_version), count(*), "
	"min(k.simulated) "
	"FROM (SELECT n.gpu_model, n.tier, n.gpu_memory_mb, n.cuda_version, n.simulated, "
	"  n.base_per_hour AS base, n.base_per_hour + n.usage_per_hour AS highest, "
	"  CASE WHEN n.gpu_model IS NULL THEN n.cpu_milli ELSE COALESCE(g.total, 0) END AS total, "
	"  CASE WHEN n.cpu_milli - COALESCE(p.cpu, 0) < " TEXT_OF(
		LIMIT_CPU_MILLI_MIN) " THEN 0 "
				     "    WHEN n.memory_mb - COALESCE(p.memory, 0) < " TEXT_OF(
					     LIMIT_MEMORY_MB_MIN) " THEN 0 "
								  "    WHEN n.gpu_model IS NULL "
								  "THEN n.cpu_milli - "
								  "COALESCE(p.cpu, 0) "
								  "    ELSE COALESCE(g.free, 0) "
								  "END AS free "
								  "  FROM node n "
								  "  LEFT JOIN (SELECT node_id, "
								  "count(*) AS total, "
								  "    sum(CASE WHEN pod_name IS "
								  "NULL THEN 1 ELSE 0 END) AS free "
								  "    FROM node_gpu GROUP BY "
								  "node_id) g ON g.node_id = n.id "
								  "  LEFT JOIN (SELECT node_id, "
								  "sum(cpu_milli) AS cpu, "
								  "sum(memory_mb) AS memory "
								  "    FROM pod WHERE phase <> "
								  "'gone' GROUP BY node_id) p ON "
								  "p.node_id = n.id "
								  "  WHERE n.sharing = 1 AND n.up "
								  "= 1 AND n.hidden = 0 "
								  "    AND ($1 = 0 OR n.tier = $1) "
								  "AND ($2 = '' OR n.gpu_model = "
								  "$2) "
								  "    AND ($3 = 0 OR "
								  "n.gpu_memory_mb >= $3) AND "
								  "n.base_per_hour >= $4 "
								  "    AND ($5 = 0 OR "
								  "n.base_per_hour <= $5)) k "
								  "LEFT JOIN gpu_model m ON m.code "
								  "= k.gpu_model "
								  "GROUP BY k.gpu_model, m.name, "
								  "m.series, m.memory_mb, k.tier "
								  "HAVING $6 = 0 OR sum(k.free) > "
								  "0 "
								  "ORDER BY CASE WHEN k.gpu_model "
								  "IS NULL THEN 1 ELSE 0 END, "
								  "m.series, m.memory_mb, "
								  "k.gpu_model, k.tier";

static int offer_read(struct db_rows *rows, struct arena *arena, struct gpu_offer *offer,
		      struct err *err)
{
	int64_t unit = db_rows_null(rows, 0) ? 1000 : 1; /* milli CPU to whole vCPU */

	*offer = (struct gpu_offer){
		.model = arena_strdup(arena, db_rows_text(rows, 0)),
		.name = arena_strdup(arena, db_rows_text(rows, 1)),
		.series = arena_strdup(arena, db_rows_text(rows, 2)),
		.tier = (int)db_rows_int(rows, 3),
		.memory_mb = db_rows_int(rows, 4),
		.total = db_rows_int(rows, 5) / unit,
		.free = db_rows_int(rows, 6) / unit,
		.largest_free = db_rows_int(rows, 7) / unit,
		.min_per_hour = db_rows_int(rows, 8),
		.max_per_hour = db_rows_int(rows, 9),
		.max_cuda_version = db_rows_int(rows, 10),
		.nodes = db_rows_int(rows, 11),
		.simulated = db_rows_int(rows, 12) != 0,
	};
	if (!db_rows_null(rows, 0) && (!offer->model || !offer->name || !offer->series))
		return err_oom(err);
	return 0;
}

int catalog_offers(struct db_tx *tx, struct arena *arena, const struct gpu_filter *filter,
		   struct gpu_offer **ret_offers, size_t *ret_count, struct err *err)
{
	DB_ROWS_AUTO rows = NULL;
	int64_t models;
	size_t n = 0;
	int r;

	/* The most rows there can be: every model, and none, in every tier. */
	if (db_query_int(tx, "SELECT count(*) FROM gpu_model", DB_NO_ARGS, &models, err) < 0)
		return -1;
	size_t most = ((size_t)models + 1) * 3;
	struct gpu_offer *offers = ARENA_ARRAY(arena, most, struct gpu_offer);
	if (!offers)
		return err_oom(err);
	if (db_query(tx, sql_offers,
		     DB_ARGS(db_int(filter->tier), db_text(filter->model ? filter->model : ""),
			     db_int(filter->min_memory_mb), db_int(filter->min_price),
			     db_int(filter->max_price), db_int(filter->available_only)),
		     &rows, err) < 0)
		return -1;
	while ((r = db_rows_next(rows, err)) > 0 && n < most)
		if (offer_read(rows, arena, &offers[n++], err) < 0)
			return -1;
	if (r < 0)
		return -1;
	*ret_offers = offers;
	*ret_count = n;
	return 0;
}
