/* store: what survives: migrations, full disks, processes that die. */
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <sqlite3.h>

#include "store/driver.h"
#include "store_place.h"

/* ---- migrations ---- */

/* Changes the closed database behind Dure's back. */
static void tamper(struct place *place, const char *sql)
{
	sqlite3 *handle = NULL;

	assert_int_equal(sqlite3_open(place->path, &handle), SQLITE_OK);
	assert_int_equal(sqlite3_exec(handle, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(handle), SQLITE_OK);
}

static void migrations_are_applied_once(void **state)
{
	struct place *place = *state;
	struct stat status;
	ERR_AUTO(err);

	assert_int_equal(place_open(place, 0, &err), 0);
	int64_t count = number_of(place->db, "SELECT count(*) FROM schema_migration");
	assert_true(count >= 1);
	assert_int_equal(number_of(place->db, "SELECT max(number) FROM schema_migration"), count);
	place->db = db_close(place->db);
	assert_int_equal(stat(place->path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	assert_int_equal(place_open(place, 0, &err), 0);
	assert_int_equal(number_of(place->db, "SELECT count(*) FROM schema_migration"), count);
}

static void changed_and_newer_databases_are_refused(void **state)
{
	struct place *place = *state;
	ERR_AUTO(err);

	assert_int_equal(place_open(place, 0, &err), 0);
	place->db = db_close(place->db);
	tamper(place, "INSERT INTO schema_migration VALUES (9999, '9999_future.sql', '', 0)");
	assert_int_equal(place_open(place, 0, &err), -1);
	assert_null(place->db);
	assert_int_equal(err.code, ERR_STATE);
	assert_non_null(strstr(err.message, "9999_future.sql"));
	tamper(place, "DELETE FROM schema_migration WHERE number = 9999;"
		      "UPDATE schema_migration SET checksum = 'x' || checksum WHERE number = 1");
	assert_int_equal(place_open(place, 0, &err), -1);
	assert_int_equal(err.code, ERR_STATE);
	assert_non_null(strstr(err.message, "0001_first_light.sql"));
	tamper(place, "UPDATE schema_migration SET checksum = substr(checksum, 2)");
	assert_int_equal(place_open(place, 0, &err), 0);
}

#define FILE_OF(name, text)                                                                        \
	{                                                                                          \
		name, text, sizeof(text) - 1                                                       \
	}

#define MIGRATION_ONE FILE_OF("0001_one.sql", "CREATE TABLE one (a @int64@, b @blob@) @strict@;")
#define MIGRATION_TWO FILE_OF("0002_two.sql", "CREATE TABLE two (a @text@);")

static int64_t table_count(struct connection *connection)
{
	struct number number = { .sql = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' "
					"AND name IN ('one', 'two')" };
	ERR_AUTO(err);

	assert_int_equal(tx_call(connection, false, read_number, &number, &err), 0);
	return number.value;
}

static void a_failed_migration_leaves_nothing(void **state)
{
	struct env env = env_system(NULL);
	struct db_options options = { .env = &env, .path = ":memory:" };
	static const struct embedded_file broken[] = {
		MIGRATION_ONE,
		FILE_OF("0002_two.sql", "CREATE TABLE two (a @text@); CREATE TABLE one (a);"),
		{ NULL, NULL, 0 },
	};
	static const struct embedded_file mended[] = {
		MIGRATION_ONE,
		MIGRATION_TWO,
		{ NULL, NULL, 0 },
	};
	static const struct embedded_file gap[] = {
		MIGRATION_ONE,
		MIGRATION_TWO,
		FILE_OF("0004_four.sql", "CREATE TABLE four (a);"),
		{ NULL, NULL, 0 },
	};
	static const struct embedded_file word[] = {
		MIGRATION_ONE,
		MIGRATION_TWO,
		FILE_OF("0003_three.sql", "CREATE TABLE three (a @float@);"),
		{ NULL, NULL, 0 },
	};
	struct connection *connection = NULL;
	ERR_AUTO(err);

	(void)state;
	assert_int_equal(driver_sqlite.open(&options, true, &connection, &err), 0);
	assert_int_equal(store_migrate(connection, broken, &env, &err), -1);
	assert_non_null(strstr(err.message, "0002_two.sql"));
	assert_int_equal(table_count(connection), 1);
	assert_int_equal(store_migrate(connection, mended, &env, &err), 0);
	assert_int_equal(table_count(connection), 2);
	assert_int_equal(store_migrate(connection, gap, &env, &err), -1);
	assert_non_null(strstr(err.message, "0004_four.sql"));
	assert_int_equal(store_migrate(connection, word, &env, &err), -1);
	assert_non_null(strstr(err.message, "@float@"));
	assert_int_equal(store_migrate(connection, broken, &env, &err), -1);
	assert_int_equal(err.code, ERR_STATE);
	driver_sqlite.close(connection);
}

static void foreign_files_are_refused(void **state)
{
	struct place *place = *state;
	ERR_AUTO(err);

	FILE *file = fopen(place->path, "w");
	assert_non_null(file);
	for (int i = 0; i < 1000; i++)
		(void)fputs("this is no database\n", file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(place_open(place, 0, &err), -1);
	assert_int_equal(err.code, ERR_UNAVAILABLE);
	assert_non_null(strstr(err.message, "damaged"));
}

/* Killing a process does not lose what the system has; only these settings guard against a power
 * cut. */
static void commits_reach_the_disk(void **state)
{
	struct place *place = *state;
	struct number synchronous = { .sql = "PRAGMA synchronous" };
	struct number keys = { .sql = "PRAGMA foreign_keys" };
	struct number wal = {
		.sql = "SELECT count(*) FROM pragma_journal_mode WHERE journal_mode = 'wal'"
	};
	ERR_AUTO(err);

	assert_int_equal(place_open(place, 0, &err), 0);
	assert_int_equal(db_write(place->db, read_number, &synchronous, &err), 0);
	assert_int_equal(synchronous.value, 2);
	assert_int_equal(db_write(place->db, read_number, &keys, &err), 0);
	assert_int_equal(keys.value, 1);
	assert_int_equal(db_write(place->db, read_number, &wal, &err), 0);
	assert_int_equal(wal.value, 1);
}

/* ---- full disks ---- */

static int put_much(struct db_tx *tx, void *argument, struct err *err)
{
	return db_exec(tx, "INSERT INTO setting (name, value) VALUES ($1, hex(zeroblob(1000000)))",
		       DB_ARGS(db_text(argument)), NULL, err);
}

static int limit_pages(struct db_tx *tx, void *argument, struct err *err)
{
	return db_exec(tx, argument, DB_NO_ARGS, NULL, err);
}

static void a_full_database_is_survived(void **state)
{
	struct place *place = *state;
	struct put small = { "small", "1", false };
	char tight[] = "PRAGMA max_page_count = 100", wide[] = "PRAGMA max_page_count = 100000";
	char name[] = "much";
	ERR_AUTO(err);

	assert_int_equal(place_open(place, 0, &err), 0);
	assert_int_equal(db_write(place->db, limit_pages, tight, &err), 0);
	assert_int_equal(db_write(place->db, put_much, name, &err), -1);
	assert_int_equal(err.code, ERR_UNAVAILABLE);
	assert_non_null(strstr(err.message, "full"));
	assert_int_equal(db_write(place->db, put, &small, &err), 0);
	assert_int_equal(number_of(place->db, "SELECT count(*) FROM setting"), 1);
	assert_int_equal(db_write(place->db, limit_pages, wide, &err), 0);
	assert_int_equal(db_write(place->db, put_much, name, &err), 0);
	assert_int_equal(number_of(place->db, "SELECT count(*) FROM setting"), 2);
}

/* The system refuses to let the log grow: what a broken disk looks like from inside. */
static void a_disk_that_fails_is_survived(void **state)
{
	struct place *place = *state;
	struct rlimit before, tight;
	char name[] = "much";
	ERR_AUTO(err);

	assert_int_equal(place_open(place, 0, &err), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	tight = before;
	tight.rlim_cur = (rlim_t)512 * 1024;
	void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
	int r = db_write(place->db, put_much, name, &err);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	(void)signal(SIGXFSZ, handler);
	assert_int_equal(r, -1);
	assert_int_equal(err.code, ERR_UNAVAILABLE);
	assert_non_null(strstr(err.message, "disk"));
	assert_int_equal(number_of(place->db, "SELECT count(*) FROM setting"), 0);
	if (db_write(place->db, put_much, name, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(number_of(place->db, "SELECT count(*) FROM setting"), 1);
}

/* ---- processes that die ---- */

static void an_abrupt_end_loses_nothing(void **state)
{
	struct place *place = *state;
	struct put p = { "a", "1", false };
	struct get g = { .name = "a" };
	int status = 0;
	ERR_AUTO(err);

	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(place_open(place, 0, &err) < 0 || db_write(place->db, put, &p, &err) < 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_int_equal(place_open(place, 0, &err), 0);
	assert_int_equal(db_read(place->db, get, &g, &err), 0);
	assert_string_equal(g.value, "1");
}

#define KILLS 20
#define KILL_THREADS 4

/* One durable write, as a child reports it through the pipe. */
struct report {
	int64_t thread, n;
};

struct scribe {
	struct place *place;
	pthread_t thread;
	int pipe;
	int64_t round, number, n;
};

static int scribble(struct db_tx *tx, void *argument, struct err *err)
{
	const struct scribe *scribe = argument;

	return db_exec(tx, "INSERT INTO scribble (round, thread, n) VALUES ($1, $2, $3)",
		       DB_ARGS(db_int(scribe->round), db_int(scribe->number), db_int(scribe->n)),
		       NULL, err);
}

static void *scribe_run(void *argument)
{
	struct scribe *scribe = argument;
	ERR_AUTO(err);

	for (scribe->n = 1;; scribe->n++) {
		struct report report = { scribe->number, scribe->n };
		if (db_write(scribe->place->db, scribble, scribe, &err) < 0 ||
		    write(scribe->pipe, &report, sizeof(report)) != sizeof(report))
			_exit(1);
	}
}

static void scribes_run(struct place *place, int64_t round, int pipe)
{
	struct scribe scribes[KILL_THREADS];
	ERR_AUTO(err);

	if (place_open(place, 1, &err) < 0)
		_exit(1);
	for (int i = 0; i < KILL_THREADS; i++) {
		scribes[i] = (struct scribe){
			.place = place, .pipe = pipe, .round = round, .number = i
		};
		if (pthread_create(&scribes[i].thread, NULL, scribe_run, &scribes[i]) != 0)
			_exit(1);
	}
	for (;;)
		(void)pause();
}

/* Kills a child in the middle of its writing; how far each thread was told it had come. */
static void kill_round(struct place *place, int64_t round, int64_t told[KILL_THREADS])
{
	struct report report;
	uint16_t wait;
	int ends[2], status = 0;

	assert_int_equal(pipe(ends), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		(void)close(ends[0]);
		scribes_run(place, round, ends[1]);
	}
	(void)close(ends[1]);
	/* The first report says that it writes; the moment after that is random. */
	ssize_t size = read(ends[0], &report, sizeof(report));
	assert_int_equal(size, sizeof(report));
	env_random(&place->env, &wait, sizeof(wait));
	(void)usleep(wait % 30000);
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	do {
		assert_true(report.thread >= 0 && report.thread < KILL_THREADS);
		assert_int_equal(report.n, told[report.thread] + 1);
		told[report.thread] = report.n;
		size = read(ends[0], &report, sizeof(report));
	} while (size == sizeof(report));
	assert_int_equal(size, 0);
	(void)close(ends[0]);
}

static void what_was_reported_survives_kill(void **state)
{
	struct place *place = *state;
	char table[] = "CREATE TABLE scribble (round INTEGER, thread INTEGER, n INTEGER, "
		       "PRIMARY KEY (round, thread, n)) STRICT";
	char sql[160];
	ERR_AUTO(err);

	assert_int_equal(place_open(place, 1, &err), 0);
	assert_int_equal(db_write(place->db, run_sql, table, &err), 0);
	place->db = db_close(place->db);
	for (int round = 0; round < KILLS; round++) {
		int64_t told[KILL_THREADS] = { 0 };
		kill_round(place, round, told);
		if (place_open(place, 1, &err) < 0)
			fail_msg("%s", err.message);
		for (int i = 0; i < KILL_THREADS; i++) {
			(void)snprintf(sql, sizeof(sql),
				       "SELECT count(*) FROM scribble "
				       "WHERE round = %d AND thread = %d",
				       round, i);
			int64_t kept = number_of(place->db, sql);
			/* One may be durable whose caller died before it could say so. */
			assert_true(kept == told[i] || kept == told[i] + 1);
			(void)snprintf(sql, sizeof(sql),
				       "SELECT coalesce(max(n), 0) FROM scribble "
				       "WHERE round = %d AND thread = %d",
				       round, i);
			assert_int_equal(number_of(place->db, sql), kept);
		}
		place->db = db_close(place->db);
	}
	assert_int_equal(place_open(place, 1, &err), 0);
	assert_int_equal(number_of(place->db, "SELECT count(*) FROM pragma_integrity_check "
					      "WHERE integrity_check = 'ok'"),
			 1);
}

#define IN_PLACE(test) cmocka_unit_test_setup_teardown(test, place_make, place_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_PLACE(migrations_are_applied_once),
		IN_PLACE(changed_and_newer_databases_are_refused),
		cmocka_unit_test(a_failed_migration_leaves_nothing),
		IN_PLACE(foreign_files_are_refused),
		IN_PLACE(commits_reach_the_disk),
		IN_PLACE(a_full_database_is_survived),
		IN_PLACE(a_disk_that_fails_is_survived),
		IN_PLACE(an_abrupt_end_loses_nothing),
		IN_PLACE(what_was_reported_survives_kill),
	};

	return cmocka_run_group_tests_name("store_durable", tests, NULL, NULL);
}
