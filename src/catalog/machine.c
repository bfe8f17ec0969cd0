/* What Dure itself writes into the catalogue at a start: models, and the machine it runs on. */
#include "base/log.h"
#include "base/strings.h"
#include "catalog/catalog.h"
#include "catalog/gpus.h"

int catalog_models_store(struct db_tx *tx, struct err *err)
{
	size_t count;
	const struct gpu_model *models = catalog_models(&count);

	/* Models that left the catalogue stay in the table: nodes and pods may name them. */
	for (size_t i = 0; i < count; i++)
		if (db_exec(tx,
			    "INSERT INTO gpu_model (code, name, series, memory_mb) "
			    "VALUES ($1, $2, $3, $4) ON CONFLICT (code) DO UPDATE SET name = $2, "
			    "series = $3, memory_mb = $4",
			    DB_ARGS(db_text(models[i].code), db_text(models[i].name),
				    db_text(models[i].series), db_int(models[i].memory_mb)),
			    NULL, err) < 0)
			return -1;
	return 0;
}

/* Memory as users think of it: NVML reports a few percent less than a "24 GB" card is sold with,
 * and who asks for 24576 MB means such a card. */
static int64_t memory_as_sold(const struct gpu_model *model, int64_t reported_mb)
{
	bool near = reported_mb >= model->memory_mb / 100 * 90 && reported_mb <= model->memory_mb;

	return near ? model->memory_mb : reported_mb;
}

static int find(struct db_tx *tx, const char *name, int64_t *ret_id, struct err *err)
{
	DB_ROWS_AUTO rows = NULL;

	if (db_query(tx, "SELECT id, kind FROM node WHERE name = $1 AND hidden = 0",
		     DB_ARGS(db_text(name)), &rows, err) < 0)
		return -1;
	int r = db_rows_next(rows, err);
	if (r <= 0)
		return r;
	if (!str_equal(db_rows_text(rows, 1), "machine"))
		return err_set(err, ERR_CONFLICT,
			       "a declared node has this machine's name, \"%s\"; remove it first",
			       name);
	*ret_id = db_rows_int(rows, 0);
	return 1;
}

static int insert(struct db_tx *tx, struct env *env, const char *name, int tier, int64_t *ret_id,
		  struct err *err)
{
	int64_t owner;

	if (db_query_int(tx, "SELECT id FROM account WHERE role = 'operator' ORDER BY id LIMIT 1",
			 DB_NO_ARGS, &owner, err) < 0)
		return err_wrap(err, "no operator account to own this machine");
	return db_insert(
		tx,
		"INSERT INTO node (name, owner_id, tier, kind, simulated, cpu_milli, "
		"memory_mb, disk_mb, base_per_hour, usage_per_hour, created_at, updated_at) "
		"VALUES ($1, $2, $3, 'machine', 0, 0, 0, 0, 0, 0, $4, $4) RETURNING id",
		DB_ARGS(db_text(name), db_int(owner), db_int(tier), db_int(env_now(env))), ret_id,
		err);
}

int catalog_machine_register(struct db_tx *tx, struct env *env,
			     const struct catalog_machine *machine, int tier, struct err *err)
{
	const struct gpu_model *model =
		catalog_model_by_product(machine->gpu_product, machine->gpu_memory_mb);
	struct gpus gpus = { model ? machine->n_gpus : 0, machine->gpu_uuids };
	int64_t id;

	if (machine->n_gpus > 0 && !model && env->log)
		log_warning(env->log, "catalog",
			    "the GPU \"%s\" is not in the catalogue; declare a node with its UUIDs "
			    "under the model nearest to it",
			    machine->gpu_product ? machine->gpu_product : "");
	int r = find(tx, machine->name, &id, err);
	if (r < 0 || (r == 0 && insert(tx, env, machine->name, tier, &id, err) < 0))
		return -1;
	if (gpus_set(tx, id, machine->name, &gpus, GPUS_MAY_STAY, err) < 0)
		return -1;
	/* updated_at is when somebody changed something: only when the facts differ. */
	return db_exec(tx,
		       "UPDATE node SET gpu_model = $2, gpu_memory_mb = $3, cpu_milli = $4, "
		       "memory_mb = $5, disk_mb = $6, cuda_version = $7, updated_at = $8 "
		       "WHERE id = $1 AND NOT (COALESCE(gpu_model, '') = COALESCE($2, '') AND "
		       "gpu_memory_mb = $3 AND cpu_milli = $4 AND memory_mb = $5 AND disk_mb = $6 "
		       "AND cuda_version = $7)",
		       DB_ARGS(db_int(id), db_text(model ? model->code : NULL),
			       db_int(model ? memory_as_sold(model, machine->gpu_memory_mb) : 0),
			       db_int(machine->cpu_milli), db_int(machine->memory_mb),
			       db_int(machine->disk_mb), db_int(machine->cuda_version),
			       db_int(env_now(env))),
		       NULL, err);
}
