/* store: transactions, group commit, snapshots, migrations, survival of SIGKILL. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/env.h"
#include "store/db.h"

struct place {
	struct env env;
	char folder[64], path[128];
	struct db *db;
};

static struct db_options place_options(struct place *place)
{
	return (struct db_options){ .env = &place->env, .path = place->path };
}

static void place_open(struct place *place)
{
	struct db_options options = place_options(place);
	ERR_AUTO(err);

	if (db_open(&options, &place->db, &err) < 0)
		fail_msg("%s", err.message);
}

static int place_make(void **state)
{
	struct place *place = calloc(1, sizeof(*place));

	assert_non_null(place);
	place->env = env_system(NULL);
	(void)snprintf(place->folder, sizeof(place->folder), "/tmp/dure-store-XXXXXX");
	assert_non_null(mkdtemp(place->folder));
	(void)snprintf(place->path, sizeof(place->path), "%s/dure.db", place->folder);
	place_open(place);
	*state = place;
	return 0;
}

static int place_remove(void **state)
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

static int put(struct db_tx *tx, void *argument, struct err *err)
{
	struct put *p = argument;
	int64_t changed = 0;

	if (db_exec(tx, "INSERT INTO setting (value, name) VALUES ($2, $1)",
		    DB_ARGS(db_text(p->name), db_text(p->value)), &changed, err) < 0)
		return -1;
	assert_int_equal(changed, 1);
	return p->fail_after ? err_set(err, ERR_STATE, "asked to fail") : 0;
}

struct get {
	const char *name;
	char value[64];
};

static int get(struct db_tx *tx, void *argument, struct err *err)
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

static void written_is_read(void **state)
{
	struct place *place = *state;
	struct put p = { "a", "1", false };
	struct get g = { .name = "a" };
	ERR_AUTO(err);

	assert_int_equal(db_write(place->db, put, &p, &err), 0);
	assert_int_equal(db_read(place->db, get, &g, &err), 0);
	assert_string_equal(g.value, "1");
}

static void failed_function_leaves_nothing(void **state)
{
	struct place *place = *state;
	struct put p = { "a", "1", true };
	struct get g = { .name = "a" };
	ERR_AUTO(err);

	uint64_t version = db_version(place->db);
	assert_int_equal(db_write(place->db, put, &p, &err), -1);
	assert_int_equal(err.code, ERR_STATE);
	assert_int_equal(db_read(place->db, get, &g, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_true(db_version(place->db) == version);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(written_is_read, place_make, place_remove),
		cmocka_unit_test_setup_teardown(failed_function_leaves_nothing, place_make,
						place_remove),
	};

	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
