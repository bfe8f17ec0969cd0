/* A database in a folder of its own, and functions to write and read a row: for tests of the store.
 */
#ifndef DURE_TESTS_STORE_PLACE_H
#define DURE_TESTS_STORE_PLACE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/env.h"
#include "store/db.h"

struct place {
	struct env env;
	char folder[64], path[128];
	struct db *db;
};

static inline int place_open(struct place *place, int readers, struct err *err)
{
	struct db_options options = { .env = &place->env, .path = place->path, .readers = readers };

	return db_open(&options, &place->db, err);
}

/* The folder without a database. */
static inline int place_make(void **state)
{
	struct place *place = calloc(1, sizeof(*place));

	assert_non_null(place);
	place->env = env_system(NULL);
	(void)snprintf(place->folder, sizeof(place->folder), "/tmp/dure-store-XXXXXX");
	assert_non_null(mkdtemp(place->folder));
	(void)snprintf(place->path, sizeof(place->path), "%s/dure.db", place->folder);
	*state = place;
	return 0;
}

static inline int place_make_open(void **state)
{
	ERR_AUTO(err);

	place_make(state);
	if (place_open(*state, 0, &err) < 0)
		fail_msg("%s", err.message);
	return 0;
}

static inline int place_remove(void **state)
{
	struct place *place = *state;
	static const char *const suffixes[] = { "", "-wal", "-shm" };
	char path[160];

	db_close(place->db);
	for (size_t i = 0; i < 3; i++) {
		(void)snprintf(path, sizeof(path), "%s%s", place->path, suffixes[i]);
		(void)unlink(path);
	}
	assert_int_equal(rmdir(place->folder), 0);
	free(place);
	return 0;
}

/* Writes one setting; with `fail_after` it fails when the row is in. */
struct put {
	const char *name, *value;
	bool fail_after;
};

static inline int put(struct db_tx *tx, void *argument, struct err *err)
{
	struct put *p = argument;

	if (db_exec(tx, "INSERT INTO setting (value, name) VALUES ($2, $1)",
		    DB_ARGS(db_text(p->name), db_text(p->value)), NULL, err) < 0)
		return -1;
	return p->fail_after ? err_set(err, ERR_STATE, "%s was asked to fail", p->name) : 0;
}

/* Reads one setting; ERR_NOT_FOUND. */
struct get {
	const char *name;
	char value[64];
};

static inline int get(struct db_tx *tx, void *argument, struct err *err)
{
	struct get *g = argument;
	DB_ROWS_AUTO rows = NULL;

	if (db_query(tx, "SELECT value FROM setting WHERE name = $1", DB_ARGS(db_text(g->name)),
		     &rows, err) < 0)
		return -1;
	int r = db_rows_next(rows, err);
	if (r <= 0)
		return r < 0 ? -1 : err_set(err, ERR_NOT_FOUND, "no %s", g->name);
	(void)snprintf(g->value, sizeof(g->value), "%s", db_rows_text(rows, 0));
	return 0;
}

/* Runs the SQL that `argument` is. */
static inline int run_sql(struct db_tx *tx, void *argument, struct err *err)
{
	return db_exec(tx, argument, DB_NO_ARGS, NULL, err);
}

struct number {
	const char *sql;
	int64_t value;
};

static inline int read_number(struct db_tx *tx, void *argument, struct err *err)
{
	struct number *number = argument;

	return db_query_int(tx, number->sql, DB_NO_ARGS, &number->value, err);
}

static inline int64_t number_of(struct db *db, const char *sql)
{
	struct number number = { .sql = sql };
	ERR_AUTO(err);

	if (db_read(db, read_number, &number, &err) < 0)
		fail_msg("%s", err.message);
	return number.value;
}

#endif
