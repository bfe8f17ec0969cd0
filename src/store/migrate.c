/* Numbered migrations, embedded in the binary, each applied once and in one transaction. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/strings.h"
#include "store/driver.h"

#define MIGRATION_BYTES_MAX (1024 * 1024) /* a migration is a page of text, not data */

static const char create_table[] = "CREATE TABLE IF NOT EXISTS schema_migration (\n"
				   "	number @int64@ PRIMARY KEY,\n"
				   "	name @text@ NOT NULL,\n"
				   "	checksum @text@ NOT NULL,\n"
				   "	applied_at @int64@ NOT NULL\n"
				   ") @strict@;\n";

struct migration {
	int64_t number;
	const char *name;
	const char *text;
	char checksum[17];
	int64_t applied_at;
};

/* FNV-1a: tells an edited file from the original; nobody is kept out by it. */
static void checksum_of(const char *data, size_t size, char out[17])
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ (unsigned char)data[i]) * UINT64_C(0x100000001b3);
	(void)snprintf(out, 17, "%016" PRIx64, hash);
}

/* Names are NNNN_<what>.sql, counted from 1 without a gap. */
static int migration_parse(const struct embedded_file *file, int64_t number,
			   struct migration *ret_migration, struct err *err)
{
	char prefix[32];

	(void)snprintf(prefix, sizeof(prefix), "%04" PRId64 "_", number);
	if (!str_starts(file->name, prefix))
		return err_set(err, ERR_INTERNAL, "migration %s should be number %" PRId64,
			       file->name, number);
	*ret_migration =
		(struct migration){ .number = number, .name = file->name, .text = file->data };
	checksum_of(file->data, file->size, ret_migration->checksum);
	return 0;
}

/* What the driver says for the word between two @; NULL when there is no such word. */
static const char *word_for(const struct driver *driver, const char *word, size_t length)
{
	const struct {
		const char *name, *means;
	} words[] = {
		{ "int64", driver->word_int64 },
		{ "text", driver->word_text },
		{ "blob", driver->word_blob },
		{ "strict", driver->word_strict },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strlen(words[i].name) == length && memcmp(words[i].name, word, length) == 0)
			return words[i].means;
	return NULL;
}

static int run_script(struct connection *connection, const char *text, struct err *err)
{
	BUF_AUTO sql = BUF_INIT(MIGRATION_BYTES_MAX);
	const char *at = text;

	for (const char *mark = strchr(at, '@'); mark; mark = strchr(at, '@')) {
		const char *end = strchr(mark + 1, '@');
		const char *means = NULL;
		if (end)
			means = word_for(connection->driver, mark + 1, (size_t)(end - mark - 1));
		if (!end || !means)
			return err_set(err, ERR_INTERNAL, "unknown word at \"%.20s\"", mark);
		buf_append(&sql, at, (size_t)(mark - at));
		buf_puts(&sql, means);
		at = end + 1;
	}
	buf_puts(&sql, at);
	if (sql.failed)
		return err_oom(err);
	return connection->driver->script(connection, sql.data, err);
}

struct applied {
	const struct embedded_file *migrations;
	int64_t count; /* out: how many of them the database has */
};

/* Holds what the database has against what the binary knows. */
static int applied_check(struct db_tx *tx, void *argument, struct err *err)
{
	struct applied *applied = argument;
	DB_ROWS_AUTO rows = NULL;
	int64_t count = 0;
	int r;

	if (db_query(tx, "SELECT number, name, checksum FROM schema_migration ORDER BY number",
		     DB_NO_ARGS, &rows, err) < 0)
		return -1;
	while ((r = db_rows_next(rows, err)) > 0) {
		const struct embedded_file *file = &applied->migrations[count];
		int64_t number = db_rows_int(rows, 0);
		const char *name = db_rows_text(rows, 1);
		struct migration known;

		if (!file->name)
			return err_set(err, ERR_STATE,
				       "a newer Dure made it (migration %" PRId64 ", %s; this one "
				       "ends at %" PRId64 "); start that version instead",
				       number, name, count);
		if (migration_parse(file, count + 1, &known, err) < 0)
			return -1;
		if (number != known.number || !str_equal(name, known.name) ||
		    !str_equal(db_rows_text(rows, 2), known.checksum))
			return err_set(err, ERR_STATE,
				       "migration %" PRId64 " (%s) was applied in another form "
				       "than this Dure has (%s); it was made by a foreign build",
				       number, name, known.name);
		count++;
	}
	if (r < 0)
		return -1;
	applied->count = count;
	return 0;
}

static int migration_apply(struct db_tx *tx, void *argument, struct err *err)
{
	const struct migration *migration = argument;

	if (run_script(tx->connection, migration->text, err) < 0)
		return err_wrap(err, "migration %s", migration->name);
	return db_exec(tx,
		       "INSERT INTO schema_migration (number, name, checksum, applied_at) "
		       "VALUES ($1, $2, $3, $4)",
		       DB_ARGS(db_int(migration->number), db_text(migration->name),
			       db_text(migration->checksum), db_int(migration->applied_at)),
		       NULL, err);
}

/* One transaction around `function`, outside the writer: it does not run yet. */
static int in_transaction(struct connection *connection, db_function *function, void *argument,
			  struct err *err)
{
	const struct driver *driver = connection->driver;

	if (driver->begin(connection, true, err) < 0)
		return -1;
	if (tx_call(connection, true, function, argument, err) < 0 ||
	    driver->commit(connection, err) < 0) {
		driver->rollback(connection);
		return -1;
	}
	return 0;
}

static int table_create(struct db_tx *tx, void *argument, struct err *err)
{
	(void)argument;
	return run_script(tx->connection, create_table, err);
}

int store_migrate(struct connection *connection, const struct embedded_file *migrations,
		  struct env *env, struct err *err)
{
	struct applied applied = { .migrations = migrations };
	struct migration migration;

	if (in_transaction(connection, table_create, NULL, err) < 0 ||
	    in_transaction(connection, applied_check, &applied, err) < 0)
		return -1;
	for (int64_t i = applied.count; migrations[i].name; i++) {
		if (migration_parse(&migrations[i], i + 1, &migration, err) < 0)
			return -1;
		migration.applied_at = env_now(env);
		if (in_transaction(connection, migration_apply, &migration, err) < 0)
			return -1;
	}
	return 0;
}
