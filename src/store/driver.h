/* What a database driver gives the seam (inside src/store only). SQLite is one; PostgreSQL joins as
 * a second struct of these functions.
 *
 * A connection is used by one thread at a time; the seam sees to that. Functions that can fail
 * leave the connection usable: a failed statement undoes its own changes, nothing else. */
#ifndef DURE_STORE_DRIVER_H
#define DURE_STORE_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/embed.h"
#include "base/env.h"
#include "base/err.h"
#include "store/db.h"

#define DB_TX_MAGIC 0x64627478u
#define DB_ROWS_MAGIC 0x6462726fu

struct driver;

/* Drivers put these two first into structs of their own. */
struct connection {
	const struct driver *driver;
};

struct db_rows {
	uint32_t magic; /* DB_ROWS_MAGIC while the caller holds it */
	struct db_tx *tx;
	int columns;
	bool on_row;
};

struct db_tx {
	uint32_t magic;
	struct connection *connection;
	bool may_write;
	unsigned open_rows; /* queries not closed; 0 when the function returns */
};

struct driver {
	const char *name;
	/* What stands for @int64@, @text@, @blob@ and @strict@ in migrations. */
	const char *word_int64, *word_text, *word_blob, *word_strict;

	/* `writer`: may create the database; the others find it there. */
	int (*open)(const struct db_options *options, bool writer, struct connection **ret,
		    struct err *err);
	void (*close)(struct connection *connection);

	int (*begin)(struct connection *connection, bool write, struct err *err);
	int (*commit)(struct connection *connection, struct err *err);
	void (*rollback)(struct connection *connection); /* nothing when none is open */
	/* Databases may end a transaction on their own, SQLite on a full disk. */
	bool (*in_transaction)(struct connection *connection);
	/* One savepoint at a time, within a transaction. */
	int (*savepoint)(struct connection *connection, struct err *err);
	int (*savepoint_release)(struct connection *connection, struct err *err);
	int (*savepoint_undo)(struct connection *connection, struct err *err);
	/* Rows changed by this connection since it was opened; only ever grows. */
	int64_t (*changes)(struct connection *connection);

	/* Runs a text of many statements. */
	int (*script)(struct connection *connection, const char *sql, struct err *err);
	/* `keep_args`: the arguments live until finish(), no copy is needed. */
	int (*start)(struct connection *connection, bool may_write, const char *sql,
		     const struct db_value *args, size_t n_args, bool keep_args,
		     struct db_rows **ret, struct err *err);
	int (*next)(struct db_rows *rows, struct err *err);
	/* Rows a finished INSERT, UPDATE or DELETE changed; 0 for anything else. */
	int64_t (*affected)(struct db_rows *rows);
	int64_t (*column_int)(struct db_rows *rows, int column);
	const char *(*column_text)(struct db_rows *rows, int column);
	const void *(*column_blob)(struct db_rows *rows, int column, size_t *ret_size);
	bool (*column_null)(struct db_rows *rows, int column);
	void (*finish)(struct db_rows *rows);
};

extern const struct driver driver_sqlite;

/* migrate.c: brings the database to the last of `migrations`. Refuses (ERR_STATE) one that is newer
 * or whose applied migrations differ from these. */
int store_migrate(struct connection *connection, const struct embedded_file *migrations,
		  struct env *env, struct err *err);

/* writer.c: one thread that commits in groups; without the thread when `is_inline`. The connection
 * stays the caller's and is the writer's alone until writer_free(). */
struct writer;
int writer_new(struct connection *connection, bool is_inline, struct writer **ret, struct err *err);
struct writer *writer_free(struct writer *writer); /* finishes the queue; takes NULL */
int writer_run(struct writer *writer, bool may_write, db_function *function, void *argument,
	       struct err *err);
uint64_t writer_version(struct writer *writer);

/* db.c: a transaction on `connection` around `function`; used for reads and by the writer. */
int tx_call(struct connection *connection, bool may_write, db_function *function, void *argument,
	    struct err *err);

#endif
