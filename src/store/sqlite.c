/* The SQLite driver: a write-ahead log, synced at every commit; statements are prepared once a
 * connection and found again by their text. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/strings.h"
#include "store/driver.h"

#define BUCKETS 128
#define BUSY_MS 5000              /* another program (a backup) may hold the lock this long */
#define LOG_PAGES_CHECKPOINT 1000 /* 4 MiB: fold the log into the database beside the readers */
#define LOG_PAGES_RESTART 16000   /* 64 MiB: wait for the readers and start the log afresh */

struct statement {
	struct db_rows rows; /* first: the seam's view of it */
	struct sqlite *sqlite;
	sqlite3_stmt *stmt;
	struct statement *next; /* in its bucket */
	uint64_t hash;
	uint64_t used; /* when, in statements started on this connection */
	bool busy;
	bool kept; /* in the table; others end with their rows */
	size_t n_args;
	unsigned char argument[LIMIT_SQL_PARAMETERS]; /* the n of $n, by SQLite's index from 0 */
};

struct sqlite {
	struct connection connection; /* first */
	sqlite3 *handle;
	struct statement *buckets[BUCKETS];
	size_t n_kept;
	uint64_t ticks;
	/* Run at every transaction, so not looked up. */
	sqlite3_stmt *begin_read, *begin_write, *commit, *rollback;
	sqlite3_stmt *savepoint, *release, *undo;
};

static struct sqlite *sqlite_of(struct connection *connection)
{
	assert(connection->driver == &driver_sqlite);
	return (struct sqlite *)connection;
}

static struct statement *statement_of(struct db_rows *rows) { return (struct statement *)rows; }

static int fail_io(struct sqlite *sqlite, const char *message, struct err *err)
{
	int errnum = sqlite3_system_errno(sqlite->handle);

	if (errnum == ENOSPC || errnum == EDQUOT)
		return err_set(err, ERR_UNAVAILABLE,
			       "the disk that holds the database is full; nothing was stored, "
			       "make room and try again");
	return err_set(err, ERR_UNAVAILABLE,
		       "the disk that holds the database does not work: %s (errno %d)", message,
		       errnum);
}

/* Turns what SQLite said last into an error. `sql` may be NULL. */
static int fail(struct sqlite *sqlite, int rc, const char *sql, struct err *err)
{
	const char *message = sqlite->handle ? sqlite3_errmsg(sqlite->handle) : "";

	switch (rc & 0xff) {
	case SQLITE_CONSTRAINT:
		if (sqlite3_extended_errcode(sqlite->handle) == SQLITE_CONSTRAINT_DATATYPE)
			break;
		return err_set(err, ERR_CONFLICT, "%s", message);
	case SQLITE_FULL:
		return err_set(err, ERR_UNAVAILABLE,
			       "the disk that holds the database is full; nothing was stored, "
			       "make room and try again");
	case SQLITE_NOMEM: return err_oom(err);
	case SQLITE_IOERR:
		if (rc == SQLITE_IOERR_NOMEM)
			return err_oom(err);
		return fail_io(sqlite, message, err);
	case SQLITE_CANTOPEN:
	case SQLITE_READONLY:
	case SQLITE_PERM: return fail_io(sqlite, message, err);
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return err_set(err, ERR_UNAVAILABLE,
			       "another program holds the database; try again shortly (%s)",
			       message);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return err_set(err, ERR_UNAVAILABLE,
			       "the database file is damaged; restore a backup (%s)", message);
	default: break;
	}
	return err_set(err, ERR_INTERNAL, "database error %d: %s: %.200s", rc, message,
		       sql ? sql : "");
}

/* ---- statements ---- */

/* Eight bytes a round: texts are some hundred bytes and this runs at every statement. */
static uint64_t hash_text(const char *text, size_t length)
{
	uint64_t hash = length, word;

	while (length >= sizeof(word)) {
		memcpy(&word, text, sizeof(word));
		hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		hash ^= hash >> 29;
		text += sizeof(word);
		length -= sizeof(word);
	}
	word = 0;
	memcpy(&word, text, length);
	hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 32;
}

static void statement_free(struct statement *statement)
{
	(void)sqlite3_finalize(statement->stmt);
	free(statement);
}

/* Which argument goes to which of SQLite's parameters: it counts $2 first when it comes first. */
static int parameters_read(struct statement *statement, const char *sql, struct err *err)
{
	int count = sqlite3_bind_parameter_count(statement->stmt);
	int64_t number;

	if (count > LIMIT_SQL_PARAMETERS)
		return err_set(err, ERR_INTERNAL, "too many parameters: %.200s", sql);
	for (int i = 1; i <= count; i++) {
		const char *name = sqlite3_bind_parameter_name(statement->stmt, i);
		if (!name || name[0] != '$' || str_to_int64(name + 1, 1, count, &number) < 0)
			return err_set(err, ERR_INTERNAL,
				       "parameters must be $1 to $%d without a gap, not %s: %.200s",
				       count, name ? name : "?", sql);
		statement->argument[i - 1] = (unsigned char)(number - 1);
	}
	statement->n_args = (size_t)count;
	return 0;
}

static int statement_prepare(struct sqlite *sqlite, const char *sql, size_t length,
			     struct statement **ret, struct err *err)
{
	struct statement *statement = calloc(1, sizeof(*statement));
	const char *tail = "";

	if (!statement)
		return err_oom(err);
	statement->sqlite = sqlite;
	int rc = sqlite3_prepare_v3(sqlite->handle, sql, (int)length + 1, SQLITE_PREPARE_PERSISTENT,
				    &statement->stmt, &tail);
	if (rc != SQLITE_OK) {
		(void)fail(sqlite, rc, sql, err);
		statement_free(statement);
		return -1;
	}
	if (!statement->stmt || tail[strspn(tail, " \t\n;")] != '\0') {
		(void)err_set(err, ERR_INTERNAL, "not one statement: %.200s", sql);
		statement_free(statement);
		return -1;
	}
	if (parameters_read(statement, sql, err) < 0) {
		statement_free(statement);
		return -1;
	}
	statement->rows.columns = sqlite3_column_count(statement->stmt);
	*ret = statement;
	return 0;
}

/* Makes room in the table: the statement that was not used for longest goes. */
static void table_evict(struct sqlite *sqlite)
{
	struct statement **oldest = NULL;

	for (size_t i = 0; i < BUCKETS; i++)
		for (struct statement **at = &sqlite->buckets[i]; *at; at = &(*at)->next)
			if (!(*at)->busy && (!oldest || (*at)->used < (*oldest)->used))
				oldest = at;
	if (!oldest)
		return;
	struct statement *statement = *oldest;
	*oldest = statement->next;
	sqlite->n_kept--;
	statement_free(statement);
}

/* The statement for `sql`, not busy; the same text running already gets a second one that is not
 * kept. */
static int statement_find(struct sqlite *sqlite, const char *sql, struct statement **ret,
			  struct err *err)
{
	size_t length = strlen(sql);
	uint64_t hash = hash_text(sql, length);
	struct statement **bucket = &sqlite->buckets[hash % BUCKETS], *statement = *bucket;
	bool running = false;

	for (; statement; statement = statement->next) {
		if (statement->hash != hash || strcmp(sqlite3_sql(statement->stmt), sql) != 0)
			continue;
		if (!statement->busy) {
			*ret = statement;
			return 0;
		}
		running = true;
		break;
	}
	if (statement_prepare(sqlite, sql, length, &statement, err) < 0)
		return -1;
	if (!running && sqlite->n_kept >= LIMIT_STORE_STATEMENTS)
		table_evict(sqlite);
	if (!running && sqlite->n_kept < LIMIT_STORE_STATEMENTS) {
		statement->hash = hash;
		statement->kept = true;
		statement->next = *bucket;
		*bucket = statement;
		sqlite->n_kept++;
	}
	*ret = statement;
	return 0;
}

static int bind_one(sqlite3_stmt *stmt, int index, const struct db_value *value,
		    sqlite3_destructor_type keep)
{
	switch (value->type) {
	case DB_NULL: return sqlite3_bind_null(stmt, index);
	case DB_INT: return sqlite3_bind_int64(stmt, index, value->integer);
	case DB_TEXT:
		return sqlite3_bind_text64(stmt, index, value->data, value->size, keep,
					   SQLITE_UTF8);
	case DB_BLOB: return sqlite3_bind_blob64(stmt, index, value->data, value->size, keep);
	default: return SQLITE_MISUSE;
	}
}

static void finish(struct db_rows *rows)
{
	struct statement *statement = statement_of(rows);

	assert(statement->busy);
	statement->busy = false;
	if (!statement->kept) {
		statement_free(statement);
		return;
	}
	/* The code it returns is that of the last step, which was reported then. */
	(void)sqlite3_reset(statement->stmt);
	if (statement->n_args > 0)
		(void)sqlite3_clear_bindings(statement->stmt);
}

static int start(struct connection *connection, bool may_write, const char *sql,
		 const struct db_value *args, size_t n_args, bool keep_args, struct db_rows **ret,
		 struct err *err)
{
	struct sqlite *sqlite = sqlite_of(connection);
	struct statement *statement;

	if (statement_find(sqlite, sql, &statement, err) < 0)
		return -1;
	statement->busy = true;
	statement->used = ++sqlite->ticks;
	if (!may_write && !sqlite3_stmt_readonly(statement->stmt)) {
		finish(&statement->rows);
		return err_set(err, ERR_INTERNAL, "a read transaction may not write: %.200s", sql);
	}
	if (n_args != statement->n_args) {
		size_t wanted = statement->n_args;
		finish(&statement->rows);
		return err_set(err, ERR_INTERNAL, "%zu parameters given, %zu wanted: %.200s",
			       n_args, wanted, sql);
	}
	for (size_t i = 0; i < n_args; i++) {
		int rc = bind_one(statement->stmt, (int)i + 1, &args[statement->argument[i]],
				  keep_args ? SQLITE_STATIC : SQLITE_TRANSIENT);
		if (rc != SQLITE_OK) {
			(void)fail(sqlite, rc, sql, err);
			finish(&statement->rows);
			return -1;
		}
	}
	*ret = &statement->rows;
	return 0;
}

static int next(struct db_rows *rows, struct err *err)
{
	struct statement *statement = statement_of(rows);
	int rc = sqlite3_step(statement->stmt);

	if (rc == SQLITE_ROW)
		return 1;
	if (rc == SQLITE_DONE)
		return 0;
	return fail(statement->sqlite, rc, sqlite3_sql(statement->stmt), err);
}

static int64_t affected(struct db_rows *rows)
{
	struct statement *statement = statement_of(rows);

	if (sqlite3_stmt_readonly(statement->stmt))
		return 0;
	return sqlite3_changes64(statement->sqlite->handle);
}

static int64_t column_int(struct db_rows *rows, int column)
{
	return sqlite3_column_int64(statement_of(rows)->stmt, column);
}

static const char *column_text(struct db_rows *rows, int column)
{
	return (const char *)sqlite3_column_text(statement_of(rows)->stmt, column);
}

static const void *column_blob(struct db_rows *rows, int column, size_t *ret_size)
{
	sqlite3_stmt *stmt = statement_of(rows)->stmt;
	const void *data = sqlite3_column_blob(stmt, column);

	*ret_size = (size_t)sqlite3_column_bytes(stmt, column);
	return data;
}

static bool column_null(struct db_rows *rows, int column)
{
	return sqlite3_column_type(statement_of(rows)->stmt, column) == SQLITE_NULL;
}

/* ---- transactions ---- */

static int run(struct sqlite *sqlite, sqlite3_stmt *stmt, struct err *err)
{
	int rc = sqlite3_step(stmt);
	int r = rc == SQLITE_DONE ? 0 : fail(sqlite, rc, sqlite3_sql(stmt), err);

	(void)sqlite3_reset(stmt);
	return r;
}

static int begin(struct connection *connection, bool write, struct err *err)
{
	struct sqlite *sqlite = sqlite_of(connection);

	return run(sqlite, write ? sqlite->begin_write : sqlite->begin_read, err);
}

static int commit(struct connection *connection, struct err *err)
{
	struct sqlite *sqlite = sqlite_of(connection);

	return run(sqlite, sqlite->commit, err);
}

static bool in_transaction(struct connection *connection)
{
	return sqlite3_get_autocommit(sqlite_of(connection)->handle) == 0;
}

static void rollback(struct connection *connection)
{
	struct sqlite *sqlite = sqlite_of(connection);
	ERR_AUTO(ignored);

	/* Fails only when SQLite has rolled back on its own, and then there is nothing to do. */
	if (in_transaction(connection))
		(void)run(sqlite, sqlite->rollback, &ignored);
	assert(!in_transaction(connection));
}

static int savepoint(struct connection *connection, struct err *err)
{
	return run(sqlite_of(connection), sqlite_of(connection)->savepoint, err);
}

static int savepoint_release(struct connection *connection, struct err *err)
{
	return run(sqlite_of(connection), sqlite_of(connection)->release, err);
}

static int savepoint_undo(struct connection *connection, struct err *err)
{
	struct sqlite *sqlite = sqlite_of(connection);

	if (run(sqlite, sqlite->undo, err) < 0)
		return -1;
	return run(sqlite, sqlite->release, err);
}

static int64_t changes(struct connection *connection)
{
	return sqlite3_total_changes64(sqlite_of(connection)->handle);
}

static int script(struct connection *connection, const char *sql, struct err *err)
{
	struct sqlite *sqlite = sqlite_of(connection);
	int rc = sqlite3_exec(sqlite->handle, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : fail(sqlite, rc, sql, err);
}

/* ---- connections ---- */

/* After each commit. The default folds the log back only as far as readers allow, and readers that
 * never pause would let it grow without end. */
static int log_written(void *context, sqlite3 *handle, const char *name, int pages)
{
	(void)context;
	/* What a checkpoint cannot do now the next one does; the commit stands either way. */
	if (pages >= LOG_PAGES_RESTART)
		(void)sqlite3_wal_checkpoint_v2(handle, name, SQLITE_CHECKPOINT_RESTART, NULL,
						NULL);
	else if (pages >= LOG_PAGES_CHECKPOINT)
		(void)sqlite3_wal_checkpoint_v2(handle, name, SQLITE_CHECKPOINT_PASSIVE, NULL,
						NULL);
	return SQLITE_OK;
}

/* Password hashes are in it: only its owner may read the file. SQLite gives log and index its mode.
 * Never opens an existing file, because closing it would drop the locks this process has on it. */
static int file_create(const char *path, struct err *err)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0 && errno != EEXIST)
		return err_set_errno(err, ERR_UNAVAILABLE, errno, "cannot create it");
	if (fd >= 0)
		(void)close(fd);
	return 0;
}

/* The log needs memory shared between connections, which not every file system has. */
static int log_switch_on(struct sqlite *sqlite, struct err *err)
{
	struct db_rows *rows = NULL;

	if (start(&sqlite->connection, true, "PRAGMA journal_mode = WAL", NULL, 0, true, &rows,
		  err) < 0)
		return -1;
	int r = next(rows, err);
	if (r > 0 && !str_equal(column_text(rows, 0), "wal"))
		r = err_set(err, ERR_UNAVAILABLE,
			    "its file system cannot hold a write-ahead log (journal is %s)",
			    column_text(rows, 0));
	finish(rows);
	return r < 0 ? -1 : 0;
}

static int settings_apply(struct sqlite *sqlite, const struct db_options *options, struct err *err)
{
	/* The cache is in KiB; the goal for all of Dure is 30 MiB. */
	static const char common[] = "PRAGMA foreign_keys = ON;"
				     "PRAGMA cache_size = -512;"
				     "PRAGMA temp_store = MEMORY;"
				     "PRAGMA trusted_schema = OFF;";

	if (script(&sqlite->connection, common, err) < 0)
		return -1;
	return script(&sqlite->connection,
		      options->relaxed ? "PRAGMA synchronous = OFF;" : "PRAGMA synchronous = FULL;",
		      err);
}

static int controls_prepare(struct sqlite *sqlite, struct err *err)
{
	const struct {
		sqlite3_stmt **stmt;
		const char *sql;
	} controls[] = {
		{ &sqlite->begin_read, "BEGIN" },
		{ &sqlite->begin_write, "BEGIN IMMEDIATE" },
		{ &sqlite->commit, "COMMIT" },
		{ &sqlite->rollback, "ROLLBACK" },
		{ &sqlite->savepoint, "SAVEPOINT one" },
		{ &sqlite->release, "RELEASE one" },
		{ &sqlite->undo, "ROLLBACK TO one" },
	};

	for (size_t i = 0; i < sizeof(controls) / sizeof(controls[0]); i++) {
		int rc = sqlite3_prepare_v3(sqlite->handle, controls[i].sql, -1,
					    SQLITE_PREPARE_PERSISTENT, controls[i].stmt, NULL);
		if (rc != SQLITE_OK)
			return fail(sqlite, rc, controls[i].sql, err);
	}
	return 0;
}

static void sqlite_close(struct connection *connection)
{
	struct sqlite *sqlite = sqlite_of(connection);
	sqlite3_stmt *controls[] = { sqlite->begin_read, sqlite->begin_write, sqlite->commit,
				     sqlite->rollback,   sqlite->savepoint,   sqlite->release,
				     sqlite->undo };

	for (size_t i = 0; i < sizeof(controls) / sizeof(controls[0]); i++)
		(void)sqlite3_finalize(controls[i]);
	for (size_t i = 0; i < BUCKETS; i++) {
		while (sqlite->buckets[i]) {
			struct statement *statement = sqlite->buckets[i];
			assert(!statement->busy);
			sqlite->buckets[i] = statement->next;
			statement_free(statement);
		}
	}
	int rc = sqlite3_close(sqlite->handle);
	assert(rc == SQLITE_OK);
	(void)rc;
	free(sqlite);
}

static int sqlite_open(const struct db_options *options, bool writer, struct connection **ret,
		       struct err *err)
{
	bool memory = str_equal(options->path, ":memory:");
	struct sqlite *sqlite;

	if (writer && !memory && file_create(options->path, err) < 0)
		return -1;
	sqlite = calloc(1, sizeof(*sqlite));
	if (!sqlite)
		return err_oom(err);
	sqlite->connection.driver = &driver_sqlite;
	/* NOMUTEX: the seam gives a connection to one thread at a time. */
	int rc = sqlite3_open_v2(options->path, &sqlite->handle,
				 SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
					 SQLITE_OPEN_EXRESCODE | (memory ? SQLITE_OPEN_CREATE : 0),
				 NULL);
	if (rc != SQLITE_OK) {
		(void)fail(sqlite, rc, NULL, err);
		sqlite_close(&sqlite->connection);
		return -1;
	}
	(void)sqlite3_busy_timeout(sqlite->handle, BUSY_MS);
	(void)sqlite3_wal_hook(sqlite->handle, log_written, NULL);
	if ((writer && !memory && log_switch_on(sqlite, err) < 0) ||
	    settings_apply(sqlite, options, err) < 0 || controls_prepare(sqlite, err) < 0) {
		sqlite_close(&sqlite->connection);
		return -1;
	}
	*ret = &sqlite->connection;
	return 0;
}

const struct driver driver_sqlite = {
	.name = "sqlite",
	.word_int64 = "INTEGER",
	.word_text = "TEXT",
	.word_blob = "BLOB",
	.word_strict = "STRICT",
	.open = sqlite_open,
	.close = sqlite_close,
	.begin = begin,
	.commit = commit,
	.rollback = rollback,
	.in_transaction = in_transaction,
	.savepoint = savepoint,
	.savepoint_release = savepoint_release,
	.savepoint_undo = savepoint_undo,
	.changes = changes,
	.script = script,
	.start = start,
	.next = next,
	.affected = affected,
	.column_int = column_int,
	.column_text = column_text,
	.column_blob = column_blob,
	.column_null = column_null,
	.finish = finish,
};
