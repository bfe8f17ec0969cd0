/* The seam: values, statements and rows over a driver, and the pool of connections for reads. */
#include "store/db.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/strings.h"
#include "store/driver.h"

#define DB_MAGIC 0x64757265u
#define READERS_DEFAULT 4

struct db {
	uint32_t magic;
	const struct driver *driver;
	struct connection *write_connection;
	struct writer *writer;

	/* Readers that nobody uses, a stack: the last one used has the warmest cache. */
	pthread_mutex_t mutex;
	pthread_cond_t returned;
	int n_readers, n_idle;
	struct connection *idle[LIMIT_STORE_READERS];
	/* ":memory:" has one connection for everything, so reads go the way of writes. */
	bool single;
};

struct db_value db_int(int64_t value)
{
	return (struct db_value){ .type = DB_INT, .integer = value };
}

struct db_value db_text(const char *value)
{
	if (!value)
		return db_null();
	return (struct db_value){ .type = DB_TEXT, .data = value, .size = strlen(value) };
}

struct db_value db_blob(const void *data, size_t size)
{
	if (!data)
		return db_null();
	return (struct db_value){ .type = DB_BLOB, .data = data, .size = size };
}

struct db_value db_null(void) { return (struct db_value){ .type = DB_NULL }; }

static int rows_start(struct db_tx *tx, const char *sql, const struct db_value *args, size_t n_args,
		      bool keep_args, struct db_rows **ret_rows, struct err *err)
{
	struct db_rows *rows = NULL;

	assert(tx->magic == DB_TX_MAGIC);
	if (tx->connection->driver->start(tx->connection, tx->may_write, sql, args, n_args,
					  keep_args, &rows, err) < 0)
		return -1;
	rows->magic = DB_ROWS_MAGIC;
	rows->tx = tx;
	rows->on_row = false;
	tx->open_rows++;
	*ret_rows = rows;
	return 0;
}

int db_exec(struct db_tx *tx, const char *sql, const struct db_value *args, size_t n_args,
	    int64_t *ret_changed, struct err *err)
{
	DB_ROWS_AUTO rows = NULL;
	int r;

	if (rows_start(tx, sql, args, n_args, true, &rows, err) < 0)
		return -1;
	do
		r = db_rows_next(rows, err);
	while (r > 0);
	if (r < 0)
		return -1;
	if (ret_changed)
		*ret_changed = tx->connection->driver->affected(rows);
	return 0;
}

int db_query(struct db_tx *tx, const char *sql, const struct db_value *args, size_t n_args,
	     struct db_rows **ret_rows, struct err *err)
{
	return rows_start(tx, sql, args, n_args, false, ret_rows, err);
}

int db_rows_next(struct db_rows *rows, struct err *err)
{
	assert(rows->magic == DB_ROWS_MAGIC);
	int r = rows->tx->connection->driver->next(rows, err);
	rows->on_row = r > 0;
	return r;
}

static const struct driver *column_check(const struct db_rows *rows, int column)
{
	assert(rows->magic == DB_ROWS_MAGIC);
	assert(rows->on_row);
	assert(column >= 0 && column < rows->columns);
	return rows->tx->connection->driver;
}

int64_t db_rows_int(struct db_rows *rows, int column)
{
	return column_check(rows, column)->column_int(rows, column);
}

const char *db_rows_text(struct db_rows *rows, int column)
{
	return column_check(rows, column)->column_text(rows, column);
}

const void *db_rows_blob(struct db_rows *rows, int column, size_t *ret_size)
{
	return column_check(rows, column)->column_blob(rows, column, ret_size);
}

bool db_rows_null(struct db_rows *rows, int column)
{
	return column_check(rows, column)->column_null(rows, column);
}

struct db_rows *db_rows_close(struct db_rows *rows)
{
	if (!rows)
		return NULL;
	assert(rows->magic == DB_ROWS_MAGIC);
	assert(rows->tx->magic == DB_TX_MAGIC);
	assert(rows->tx->open_rows > 0);
	rows->tx->open_rows--;
	rows->magic = 0;
	rows->tx->connection->driver->finish(rows);
	return NULL;
}

void db_rows_closep(struct db_rows **rows) { *rows = db_rows_close(*rows); }

/* Runs a query to its end and gives the integer of its first row: 1 when there was one, else 0. */
static int first_int(struct db_tx *tx, const char *sql, const struct db_value *args, size_t n_args,
		     int64_t *ret_value, struct err *err)
{
	DB_ROWS_AUTO rows = NULL;

	if (rows_start(tx, sql, args, n_args, true, &rows, err) < 0)
		return -1;
	int r = db_rows_next(rows, err);
	if (r <= 0)
		return r;
	int64_t value = db_rows_int(rows, 0);
	do
		r = db_rows_next(rows, err);
	while (r > 0);
	if (r < 0)
		return -1;
	*ret_value = value;
	return 1;
}

int db_query_int(struct db_tx *tx, const char *sql, const struct db_value *args, size_t n_args,
		 int64_t *ret_value, struct err *err)
{
	int r = first_int(tx, sql, args, n_args, ret_value, err);

	if (r == 0)
		return err_set(err, ERR_NOT_FOUND, "the query gave no row: %.200s", sql);
	return r < 0 ? -1 : 0;
}

int db_insert(struct db_tx *tx, const char *sql, const struct db_value *args, size_t n_args,
	      int64_t *ret_id, struct err *err)
{
	int r = first_int(tx, sql, args, n_args, ret_id, err);

	if (r == 0)
		return err_set(err, ERR_CONFLICT, "nothing was inserted: %.200s", sql);
	return r < 0 ? -1 : 0;
}

int tx_call(struct connection *connection, bool may_write, db_function *function, void *argument,
	    struct err *err)
{
	struct db_tx tx = { .magic = DB_TX_MAGIC,
			    .connection = connection,
			    .may_write = may_write };
	int r = function(&tx, argument, err);

	assert(tx.magic == DB_TX_MAGIC);
	assert(tx.open_rows == 0);
	return r;
}

static int readers_open(struct db *db, const struct db_options *options, struct err *err)
{
	int wanted = options->readers > 0 ? options->readers : READERS_DEFAULT;

	if (db->single)
		return 0;
	if (wanted > LIMIT_STORE_READERS)
		wanted = LIMIT_STORE_READERS;
	while (db->n_readers < wanted) {
		if (db->driver->open(options, false, &db->idle[db->n_readers], err) < 0)
			return -1;
		db->n_idle = ++db->n_readers;
	}
	return 0;
}

int db_open(const struct db_options *options, struct db **ret_db, struct err *err)
{
	struct db *db = calloc(1, sizeof(*db));

	if (!db)
		return err_oom(err);
	db->magic = DB_MAGIC;
	db->driver = &driver_sqlite;
	db->single = str_equal(options->path, ":memory:");
	assert(!db->single || options->inline_writer);
	(void)pthread_mutex_init(&db->mutex, NULL);
	(void)pthread_cond_init(&db->returned, NULL);

	if (db->driver->open(options, true, &db->write_connection, err) < 0 ||
	    store_migrate(db->write_connection, store_migrations, options->env, err) < 0 ||
	    readers_open(db, options, err) < 0 ||
	    writer_new(db->write_connection, options->inline_writer, &db->writer, err) < 0) {
		db_close(db);
		return err_wrap(err, "database %s", options->path);
	}
	*ret_db = db;
	return 0;
}

struct db *db_close(struct db *db)
{
	if (!db)
		return NULL;
	assert(db->magic == DB_MAGIC);
	db->writer = writer_free(db->writer);
	assert(db->n_idle == db->n_readers);
	/* The writer's connection goes last: the last one out folds the log into the database. */
	while (db->n_idle > 0)
		db->driver->close(db->idle[--db->n_idle]);
	if (db->write_connection)
		db->driver->close(db->write_connection);
	(void)pthread_cond_destroy(&db->returned);
	(void)pthread_mutex_destroy(&db->mutex);
	db->magic = 0;
	free(db);
	return NULL;
}

int db_write(struct db *db, db_function *function, void *argument, struct err *err)
{
	assert(db->magic == DB_MAGIC);
	return writer_run(db->writer, true, function, argument, err);
}

static struct connection *reader_take(struct db *db)
{
	(void)pthread_mutex_lock(&db->mutex);
	while (db->n_idle == 0)
		(void)pthread_cond_wait(&db->returned, &db->mutex);
	struct connection *reader = db->idle[--db->n_idle];
	(void)pthread_mutex_unlock(&db->mutex);
	return reader;
}

static void reader_give(struct db *db, struct connection *reader)
{
	(void)pthread_mutex_lock(&db->mutex);
	assert(db->n_idle < db->n_readers);
	db->idle[db->n_idle++] = reader;
	(void)pthread_cond_signal(&db->returned);
	(void)pthread_mutex_unlock(&db->mutex);
}

int db_read(struct db *db, db_function *function, void *argument, struct err *err)
{
	assert(db->magic == DB_MAGIC);
	if (db->single)
		return writer_run(db->writer, false, function, argument, err);

	struct connection *reader = reader_take(db);
	int r = db->driver->begin(reader, false, err);
	if (r == 0) {
		r = tx_call(reader, false, function, argument, err);
		/* Nothing was changed, so ending it is all there is to do. */
		db->driver->rollback(reader);
	}
	reader_give(db, reader);
	return r;
}

uint64_t db_version(struct db *db)
{
	assert(db->magic == DB_MAGIC);
	return writer_version(db->writer);
}
