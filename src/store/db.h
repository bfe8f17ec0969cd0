/* The database seam: SQL with transactions, over a driver (SQLite now; PostgreSQL is a second one).
 *
 * - One writer: db_write() queues a function to the writer thread, which runs it inside a savepoint
 * of the current group's transaction. It returns once the group is durable. The function may run on
 *   another thread than the caller's, one at a time, so it must touch nothing but its argument and
 * the transaction. When it fails, its own changes are rolled back and its error is returned; the
 * rest of the group is not harmed.
 * - Reads run beside the writer on connections of their own and see one snapshot.
 * - SQL uses $1, $2 … for parameters, standard types and the words both databases understand; what
 *   differs (types, strictness) stands as @int64@, @text@, @blob@, @strict@ in migrations only. */
#ifndef DURE_STORE_DB_H
#define DURE_STORE_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/env.h"
#include "base/err.h"

struct db;
struct db_tx;   /* a transaction: handed to the functions below, valid until they return */
struct db_rows; /* a running query */

struct db_options {
	struct env *env;
	const char *path;   /* SQLite: file, or ":memory:" (only with `inline_writer`) */
	bool inline_writer; /* run db_write() on the caller's thread, commit each: for the simulator
			     */
	bool relaxed;       /* no fsync: for the simulator and unit tests only */
	int readers;        /* connections for reads; 0 = 4 */
};

/* Opens, checks and migrates. The caller owns *ret_db. */
int db_open(const struct db_options *options, struct db **ret_db, struct err *err);
/* Finishes what is queued, ends the writer, closes. Takes NULL; returns NULL. */
struct db *db_close(struct db *db);

typedef int db_function(struct db_tx *tx, void *argument, struct err *err);

/* Runs `function` in a write transaction and returns when it is durable; negative with its error or
 * the database's. ERR_UNAVAILABLE when LIMIT_WRITE_QUEUE callers wait already. */
int db_write(struct db *db, db_function *function, void *argument, struct err *err);
/* Runs `function` in a read transaction on the caller's thread. */
int db_read(struct db *db, db_function *function, void *argument, struct err *err);
/* Grows with every committed group that changed something: what was read at this version is still
 * true while the version stands. Cheap. */
uint64_t db_version(struct db *db);

/* Parameters */
enum db_type { DB_NULL, DB_INT, DB_TEXT, DB_BLOB };
struct db_value {
	enum db_type type;
	int64_t integer;
	const void *data;
	size_t size;
};
struct db_value db_int(int64_t value);
struct db_value db_text(const char *value); /* NULL binds NULL; must outlive the call it is for */
struct db_value db_blob(const void *data, size_t size);
struct db_value db_null(void);
#define DB_ARGS(...)                                                                               \
	(const struct db_value[]){ __VA_ARGS__ },                                                  \
		sizeof((const struct db_value[]){ __VA_ARGS__ }) / sizeof(struct db_value)
#define DB_NO_ARGS NULL, 0

/* Runs one statement. `sql` is a literal or lives as long: statements are cached by its address and
 * text. *ret_changed (may be NULL) gets the number of rows inserted, updated or deleted. A violated
 * UNIQUE or CHECK or foreign key is ERR_CONFLICT. */
int db_exec(struct db_tx *tx, const char *sql, const struct db_value *args, size_t n_args,
	    int64_t *ret_changed, struct err *err);

/* Starts a query; the caller closes *ret_rows with db_rows_close(). */
int db_query(struct db_tx *tx, const char *sql, const struct db_value *args, size_t n_args,
	     struct db_rows **ret_rows, struct err *err);
/* 1: a row is there; 0: no more; negative: error. */
int db_rows_next(struct db_rows *rows, struct err *err);
/* Columns of the current row, from 0. Text and blobs live until the next db_rows_next or close. */
int64_t db_rows_int(struct db_rows *rows, int column);      /* NULL gives 0 */
const char *db_rows_text(struct db_rows *rows, int column); /* NULL gives NULL */
const void *db_rows_blob(struct db_rows *rows, int column, size_t *ret_size);
bool db_rows_null(struct db_rows *rows, int column);
struct db_rows *db_rows_close(struct db_rows *rows); /* takes NULL, returns NULL */
void db_rows_closep(struct db_rows **rows);
#define DB_ROWS_AUTO __attribute__((cleanup(db_rows_closep))) struct db_rows *

/* The one integer of the one row a query gives ("SELECT count(*) …"); ERR_NOT_FOUND without a row.
 */
int db_query_int(struct db_tx *tx, const char *sql, const struct db_value *args, size_t n_args,
		 int64_t *ret_value, struct err *err);

/* Id of a new row: INSERT … RETURNING is what both databases have; runs it and gives column 0. */
int db_insert(struct db_tx *tx, const char *sql, const struct db_value *args, size_t n_args,
	      int64_t *ret_id, struct err *err);

#endif
