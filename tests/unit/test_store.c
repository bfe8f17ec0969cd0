/* store: values, transactions, group commit, snapshots, the version. */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "base/limits.h"
#include "store_place.h"

#define COUNT_SETTINGS "SELECT count(*) FROM setting"

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

static void memory_database_works_inline(void **state)
{
	struct env env = env_system(NULL);
	struct db_options options = { .env = &env, .path = ":memory:", .inline_writer = true };
	struct put p = { "a", "1", false }, q = { "b", "2", true };
	struct get g = { .name = "a" };
	struct db *db = NULL;
	ERR_AUTO(err);

	(void)state;
	assert_int_equal(db_open(&options, &db, &err), 0);
	assert_int_equal(db_write(db, put, &p, &err), 0);
	assert_int_equal(db_write(db, put, &q, &err), -1);
	assert_int_equal(err.code, ERR_STATE);
	assert_int_equal(db_read(db, get, &g, &err), 0);
	assert_string_equal(g.value, "1");
	assert_int_equal(db_read(db, put, &q, &err), -1);
	assert_int_equal(err.code, ERR_INTERNAL);
	assert_int_equal(number_of(db, COUNT_SETTINGS), 1);
	assert_null(db_close(db));
}

/* ---- values and statements ---- */

static const char bytes[] = { 0, 1, (char)0xff, 0, 7 };

static int values_round(struct db_tx *tx, void *argument, struct err *err)
{
	DB_ROWS_AUTO rows = NULL;
	size_t size = 99;
	int64_t id = 0, changed = 0;

	(void)argument;
	if (db_exec(tx, "CREATE TABLE thing (id INTEGER PRIMARY KEY, n INTEGER, t TEXT, b BLOB)",
		    DB_NO_ARGS, NULL, err) < 0 ||
	    db_insert(tx, "INSERT INTO thing (b, t, n) VALUES ($3, $1, $2) RETURNING id",
		      DB_ARGS(db_text("두레"), db_int(INT64_MIN), db_blob(bytes, sizeof(bytes))),
		      &id, err) < 0 ||
	    db_exec(tx, "INSERT INTO thing (n, t, b) VALUES ($1, $2, $3), ($1, $2, $3)",
		    DB_ARGS(db_null(), db_text(NULL), db_blob(NULL, 3)), &changed, err) < 0 ||
	    db_query(tx, "SELECT n, t, b FROM thing ORDER BY id", DB_NO_ARGS, &rows, err) < 0)
		return -1;
	assert_int_equal(id, 1);
	assert_int_equal(changed, 2);
	assert_int_equal(db_rows_next(rows, err), 1);
	assert_true(db_rows_int(rows, 0) == INT64_MIN);
	assert_string_equal(db_rows_text(rows, 1), "두레");
	assert_memory_equal(db_rows_blob(rows, 2, &size), bytes, sizeof(bytes));
	assert_int_equal(size, sizeof(bytes));
	assert_int_equal(db_rows_next(rows, err), 1);
	assert_true(db_rows_null(rows, 0));
	assert_int_equal(db_rows_int(rows, 0), 0);
	assert_null(db_rows_text(rows, 1));
	assert_null(db_rows_blob(rows, 2, &size));
	assert_int_equal(size, 0);
	return 0;
}

static void values_come_back_as_they_went(void **state)
{
	struct place *place = *state;
	ERR_AUTO(err);

	if (db_write(place->db, values_round, NULL, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(number_of(place->db, "SELECT count(*) FROM thing"), 3);
}

static int same_text_within_itself(struct db_tx *tx, void *argument, struct err *err)
{
	static const char sql[] = "SELECT $1 UNION ALL SELECT $1 + 1";
	DB_ROWS_AUTO outer = NULL;
	int64_t *sum = argument, inner = 0;
	int r;

	if (db_query(tx, sql, DB_ARGS(db_int(10)), &outer, err) < 0)
		return -1;
	while ((r = db_rows_next(outer, err)) > 0) {
		if (db_query_int(tx, sql, DB_ARGS(db_int(100)), &inner, err) < 0)
			return -1;
		*sum += db_rows_int(outer, 0) + inner;
	}
	return r;
}

/* More texts than a connection keeps, each made anew: the table forgets and finds again. */
static int many_texts(struct db_tx *tx, void *argument, struct err *err)
{
	int64_t value = 0;
	char sql[64];

	(void)argument;
	for (int i = 0; i < 3 * LIMIT_STORE_STATEMENTS; i++) {
		int number = i % (LIMIT_STORE_STATEMENTS + 20);
		(void)snprintf(sql, sizeof(sql), "SELECT %d + $1", number);
		if (db_query_int(tx, sql, DB_ARGS(db_int(1)), &value, err) < 0)
			return -1;
		assert_int_equal(value, number + 1);
	}
	return 0;
}

static void statements_are_kept_by_text(void **state)
{
	struct place *place = *state;
	int64_t sum = 0;
	ERR_AUTO(err);

	if (db_read(place->db, same_text_within_itself, &sum, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(sum, 10 + 11 + 2 * 100);
	if (db_read(place->db, many_texts, NULL, &err) < 0)
		fail_msg("%s", err.message);
}

static int too_few(struct db_tx *tx, void *argument, struct err *err)
{
	return db_exec(tx, argument, DB_ARGS(db_int(1)), NULL, err);
}

static void wrong_statements_are_refused(void **state)
{
	struct place *place = *state;
	static const char *const wrong[] = {
		"SELECT $1 + $2",
		"SELECT 1",
		"SELECT $2",
		"SELECT ?",
		"SELECT $1; DELETE FROM setting",
		"SELECT $1 FROM nowhere",
		"",
	};
	ERR_AUTO(err);

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		err_clear(&err);
		/* The seam takes void *; nothing writes to it. */
		assert_int_equal(db_write(place->db, too_few, (void *)(uintptr_t)wrong[i], &err),
				 -1);
		assert_int_equal(err.code, ERR_INTERNAL);
	}
	assert_int_equal(db_write(place->db, too_few, (void *)(uintptr_t) "SELECT $1", &err), 0);
}

static void reads_may_not_write(void **state)
{
	struct place *place = *state;
	struct put p = { "a", "1", false };
	ERR_AUTO(err);

	assert_int_equal(db_read(place->db, put, &p, &err), -1);
	assert_int_equal(err.code, ERR_INTERNAL);
	assert_int_equal(number_of(place->db, COUNT_SETTINGS), 0);
}

static void constraints_are_conflicts(void **state)
{
	struct place *place = *state;
	struct put p = { "a", "1", false };
	static const char *const broken[] = {
		"INSERT INTO setting (name, value) VALUES ('a', '2')",
		"INSERT INTO account (login, role, password_hash, created_at) "
		"VALUES ('x', 'emperor', '', 0)",
		"INSERT INTO session (token_hash, account_id, created_at, expires_at) "
		"VALUES ('x', 12345, 0, 0)",
	};
	ERR_AUTO(err);

	assert_int_equal(db_write(place->db, put, &p, &err), 0);
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		err_clear(&err);
		assert_int_equal(db_write(place->db, run_sql, (void *)(uintptr_t)broken[i], &err),
				 -1);
		assert_int_equal(err.code, ERR_CONFLICT);
	}
	assert_int_equal(number_of(place->db, COUNT_SETTINGS), 1);
	assert_int_equal(number_of(place->db, "SELECT count(*) FROM session"), 0);
}

/* ---- the version ---- */

static void version_grows_with_changes_only(void **state)
{
	struct place *place = *state;
	struct put good = { "a", "1", false }, bad = { "b", "1", true };
	ERR_AUTO(err);

	uint64_t version = db_version(place->db);
	assert_int_equal(db_write(place->db, put, &bad, &err), -1);
	assert_int_equal(number_of(place->db, COUNT_SETTINGS), 0);
	assert_true(db_version(place->db) == version);
	assert_int_equal(db_write(place->db, put, &good, &err), 0);
	assert_true(db_version(place->db) == version + 1);
	char nothing[] = "UPDATE setting SET value = '2' WHERE name = 'no such'";
	assert_int_equal(db_write(place->db, run_sql, nothing, &err), 0);
	assert_true(db_version(place->db) == version + 1);
	char something[] = "UPDATE setting SET value = '2' WHERE name = 'a'";
	assert_int_equal(db_write(place->db, run_sql, something, &err), 0);
	assert_true(db_version(place->db) == version + 2);
}

/* ---- groups ---- */

#define WRITERS 24

/* Holds the writer inside a function until told, so that the others queue up behind it. */
struct gate {
	sem_t inside, go;
	const char *name;
};

static int gate_pass(struct db_tx *tx, void *argument, struct err *err)
{
	struct gate *gate = argument;
	struct put p = { gate->name, "gate", false };

	if (put(tx, &p, err) < 0)
		return -1;
	(void)sem_post(&gate->inside);
	(void)sem_wait(&gate->go);
	return 0;
}

struct caller {
	struct db *db;
	pthread_t thread;
	struct gate *gate; /* or NULL: a put */
	struct put put;
	char name[32];
	atomic_int *calling;
	int result;
	enum err_code code;
};

static void *caller_run(void *argument)
{
	struct caller *caller = argument;
	ERR_AUTO(err);

	if (caller->calling)
		atomic_fetch_add(caller->calling, 1);
	if (caller->gate)
		caller->result = db_write(caller->db, gate_pass, caller->gate, &err);
	else
		caller->result = db_write(caller->db, put, &caller->put, &err);
	caller->code = err.code;
	return NULL;
}

static void gate_start(struct place *place, struct gate *gate, struct caller *caller)
{
	gate->name = "gate";
	assert_int_equal(sem_init(&gate->inside, 0, 0), 0);
	assert_int_equal(sem_init(&gate->go, 0, 0), 0);
	*caller = (struct caller){ .db = place->db, .gate = gate };
	assert_int_equal(pthread_create(&caller->thread, NULL, caller_run, caller), 0);
	(void)sem_wait(&gate->inside);
}

static void gate_end(struct gate *gate, struct caller *caller)
{
	(void)sem_post(&gate->go);
	(void)pthread_join(caller->thread, NULL);
	assert_int_equal(caller->result, 0);
	(void)sem_destroy(&gate->inside);
	(void)sem_destroy(&gate->go);
}

static void one_failure_does_not_harm_its_group(void **state)
{
	struct place *place = *state;
	struct caller callers[WRITERS] = { { 0 } }, first;
	atomic_int calling = 0;
	struct gate gate;
	char sql[96];

	uint64_t version = db_version(place->db);
	gate_start(place, &gate, &first);
	for (int i = 0; i < WRITERS; i++) {
		struct caller *caller = &callers[i];
		(void)snprintf(caller->name, sizeof(caller->name), "w%d", i);
		caller->db = place->db;
		caller->put = (struct put){ caller->name, "x", i % 3 == 0 };
		caller->calling = &calling;
		assert_int_equal(pthread_create(&caller->thread, NULL, caller_run, caller), 0);
	}
	while (atomic_load(&calling) < WRITERS)
		(void)usleep(1000);
	(void)usleep(50000);
	gate_end(&gate, &first);
	for (int i = 0; i < WRITERS; i++) {
		(void)pthread_join(callers[i].thread, NULL);
		assert_int_equal(callers[i].result, i % 3 == 0 ? -1 : 0);
		assert_int_equal(callers[i].code, i % 3 == 0 ? ERR_STATE : ERR_NONE);
		(void)snprintf(sql, sizeof(sql), COUNT_SETTINGS " WHERE name = 'w%d'", i);
		assert_int_equal(number_of(place->db, sql), i % 3 == 0 ? 0 : 1);
	}
	/* Far fewer commits than callers: they went together. */
	assert_true(db_version(place->db) - version <= WRITERS / 4);
	assert_true(db_version(place->db) - version >= 2);
}

#define TOO_MANY 6

static atomic_int refusals;

static void *refused_run(void *argument)
{
	struct caller *caller = argument;

	(void)caller_run(caller);
	if (caller->code == ERR_UNAVAILABLE)
		atomic_fetch_add(&refusals, 1);
	return NULL;
}

static void a_full_queue_refuses(void **state)
{
	static struct caller callers[LIMIT_WRITE_QUEUE + TOO_MANY];
	struct place *place = *state;
	struct caller first;
	struct gate gate;

	gate_start(place, &gate, &first);
	for (int i = 0; i < LIMIT_WRITE_QUEUE + TOO_MANY; i++) {
		struct caller *caller = &callers[i];
		(void)snprintf(caller->name, sizeof(caller->name), "w%d", i);
		caller->db = place->db;
		caller->put = (struct put){ caller->name, "x", false };
		assert_int_equal(pthread_create(&caller->thread, NULL, refused_run, caller), 0);
	}
	for (int i = 0; i < 20000 && atomic_load(&refusals) < TOO_MANY; i++)
		(void)usleep(1000);
	gate_end(&gate, &first);
	for (int i = 0; i < LIMIT_WRITE_QUEUE + TOO_MANY; i++)
		(void)pthread_join(callers[i].thread, NULL);
	assert_int_equal(atomic_load(&refusals), TOO_MANY);
	assert_int_equal(number_of(place->db, COUNT_SETTINGS), LIMIT_WRITE_QUEUE + 1);
}

struct counting {
	struct db *db;
	pthread_t thread;
	int failures;
};

static void *counting_run(void *argument)
{
	static char sql[] = "UPDATE setting SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT) "
			    "WHERE name = 'counter'";
	struct counting *counting = argument;
	ERR_AUTO(err);

	for (int i = 0; i < 50; i++)
		if (db_write(counting->db, run_sql, sql, &err) < 0)
			counting->failures++;
	return NULL;
}

static void no_write_of_many_threads_is_lost(void **state)
{
	struct place *place = *state;
	struct counting threads[WRITERS] = { { 0 } };
	struct put p = { "counter", "0", false };
	ERR_AUTO(err);

	assert_int_equal(db_write(place->db, put, &p, &err), 0);
	for (int i = 0; i < WRITERS; i++) {
		threads[i].db = place->db;
		assert_int_equal(
			pthread_create(&threads[i].thread, NULL, counting_run, &threads[i]), 0);
	}
	for (int i = 0; i < WRITERS; i++) {
		(void)pthread_join(threads[i].thread, NULL);
		assert_int_equal(threads[i].failures, 0);
	}
	assert_int_equal(number_of(place->db, "SELECT CAST(value AS INTEGER) FROM setting"),
			 50 * WRITERS);
}

/* ---- reads beside the writer ---- */

static void reads_go_on_while_a_write_is_open(void **state)
{
	struct place *place = *state;
	struct caller first;
	struct gate gate;

	gate_start(place, &gate, &first);
	assert_int_equal(number_of(place->db, COUNT_SETTINGS), 0);
	gate_end(&gate, &first);
	assert_int_equal(number_of(place->db, COUNT_SETTINGS), 1);
}

static int read_write_read(struct db_tx *tx, void *argument, struct err *err)
{
	struct put p = { "later", "1", false };
	int64_t before = -1, after = -1;

	if (db_query_int(tx, COUNT_SETTINGS, DB_NO_ARGS, &before, err) < 0 ||
	    db_write(argument, put, &p, err) < 0 ||
	    db_query_int(tx, COUNT_SETTINGS, DB_NO_ARGS, &after, err) < 0)
		return -1;
	assert_int_equal(before, 0);
	assert_int_equal(after, 0);
	return 0;
}

static void a_read_sees_one_snapshot(void **state)
{
	struct place *place = *state;
	ERR_AUTO(err);

	if (db_read(place->db, read_write_read, place->db, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(number_of(place->db, COUNT_SETTINGS), 1);
}

struct crowd {
	struct db *db;
	atomic_int inside, most, served;
};

static int crowd_read(struct db_tx *tx, void *argument, struct err *err)
{
	struct crowd *crowd = argument;
	int64_t count = -1;

	int inside = atomic_fetch_add(&crowd->inside, 1) + 1;
	int most = atomic_load(&crowd->most);
	while (inside > most && !atomic_compare_exchange_weak(&crowd->most, &most, inside))
		continue;
	(void)usleep(5000);
	int r = db_query_int(tx, COUNT_SETTINGS, DB_NO_ARGS, &count, err);
	atomic_fetch_sub(&crowd->inside, 1);
	if (r == 0 && count == 0)
		atomic_fetch_add(&crowd->served, 1);
	return r;
}

static void *crowd_member(void *argument)
{
	struct crowd *crowd = argument;
	ERR_AUTO(err);

	for (int i = 0; i < 5; i++)
		(void)db_read(crowd->db, crowd_read, crowd, &err);
	return NULL;
}

static void readers_wait_for_a_connection(void **state)
{
	struct place *place = *state;
	pthread_t threads[12];
	ERR_AUTO(err);

	assert_int_equal(place_open(place, 2, &err), 0);
	struct crowd crowd = { .db = place->db };
	for (size_t i = 0; i < 12; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, crowd_member, &crowd), 0);
	for (size_t i = 0; i < 12; i++)
		(void)pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&crowd.served), 12 * 5);
	assert_int_equal(atomic_load(&crowd.most), 2);
}

#define WITH_DB(test) cmocka_unit_test_setup_teardown(test, place_make_open, place_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DB(written_is_read),
		cmocka_unit_test(memory_database_works_inline),
		WITH_DB(values_come_back_as_they_went),
		WITH_DB(statements_are_kept_by_text),
		WITH_DB(wrong_statements_are_refused),
		WITH_DB(reads_may_not_write),
		WITH_DB(constraints_are_conflicts),
		WITH_DB(version_grows_with_changes_only),
		WITH_DB(one_failure_does_not_harm_its_group),
		WITH_DB(a_full_queue_refuses),
		WITH_DB(no_write_of_many_threads_is_lost),
		WITH_DB(reads_go_on_while_a_write_is_open),
		WITH_DB(a_read_sees_one_snapshot),
		cmocka_unit_test_setup_teardown(readers_wait_for_a_connection, place_make,
						place_remove),
	};

	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
