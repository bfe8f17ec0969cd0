#include "contract.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/limits.h"
#include "base/strings.h"

#define INSTANCE "contract"
#define OTHER "neighbor"
#define PORT 8080
#define PODS_MAX 32
#define ARENA_BYTES (8 * 1024 * 1024)

struct test {
	const struct world *world;
	struct engine *engine;
	struct arena *arena;
};

/* One workload under test. */
struct load {
	struct engine_workload workload;
	struct engine_pod pods[PODS_MAX];
	char names[PODS_MAX][64];
};

static const char *const serve[] = { "/pod", "serve", "8080", NULL };
static const char *const mute[] = { "/pod", "mute", NULL };
static const char *const stubborn[] = { "/pod", "stubborn", NULL };
static const char *const ends[] = { "/pod", "exit", "3", "1500", NULL };
static const char *const eat[] = { "/pod", "eat", NULL };
static const char *const nonsense[] = { "/no/such/program", NULL };

static void load_init(struct load *load, const struct test *test, int64_t ser, size_t n_pods,
		      const char *const *argv)
{
	*load = (struct load){ 0 };
	for (size_t i = 0; i < n_pods; i++) {
		(void)snprintf(load->names[i], sizeof(load->names[i]), "dep%lld-c0ffee-pod%02zu",
			       (long long)ser, i);
		load->pods[i].name = load->names[i];
		load->pods[i].node = "here";
	}
	load->workload = (struct engine_workload){ .ser = ser,
						   .image = test->world->image,
						   .argv = argv,
						   .port = PORT,
						   .cpu_milli = 500,
						   .memory_mb = 64,
						   .shared_memory_mb = 16,
						   .stop_grace_s = 5,
						   .pods = load->pods,
						   .n_pods = n_pods };
}

static void must_ensure(struct test *test, const struct load *load)
{
	ERR_AUTO(err);

	if (engine_ensure(test->engine, &load->workload, &err) < 0)
		fail_msg("ensure: %s", err.message);
}

static void must_remove(struct test *test, int64_t ser)
{
	ERR_AUTO(err);

	if (engine_remove(test->engine, ser, &err) < 0)
		fail_msg("remove: %s", err.message);
}

static int64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void nap(void) { (void)nanosleep(&(struct timespec){ 0, 10 * 1000000 }, NULL); }

static struct engine_world look(struct test *test)
{
	struct engine_world world;
	ERR_AUTO(err);

	arena_reset(test->arena);
	if (engine_observe(test->engine, test->arena, &world, &err) < 0)
		fail_msg("observe: %s", err.message);
	return world;
}

/* The pod as it is; phase WAITING with no name when it is not known. */
static struct engine_pod_state pod_of(struct test *test, const char *name)
{
	struct engine_world world = look(test);

	for (size_t i = 0; i < world.n_pods; i++)
		if (str_equal(world.pods[i].name, name))
			return world.pods[i];
	return (struct engine_pod_state){ 0 };
}

typedef bool condition(const struct engine_pod_state *pod);

static bool is_ready(const struct engine_pod_state *pod) { return pod->name && pod->ready; }
static bool is_running(const struct engine_pod_state *pod)
{
	return pod->name && pod->phase == ENGINE_RUNNING;
}
static bool has_ended(const struct engine_pod_state *pod)
{
	return pod->name && pod->phase == ENGINE_EXITED;
}
static bool is_troubled(const struct engine_pod_state *pod)
{
	return pod->name && pod->trouble != ENGINE_TROUBLE_NONE;
}
static bool is_unknown(const struct engine_pod_state *pod) { return !pod->name; }

static struct engine_pod_state await(struct test *test, const char *name, condition *holds,
				     const char *what, int timeout_ms)
{
	int64_t until = now_ms() + timeout_ms;
	struct engine_pod_state pod;

	do {
		pod = pod_of(test, name);
		if (holds(&pod))
			return pod;
		nap();
	} while (now_ms() < until);
	fail_msg("%s did not become %s within %d ms: %s, trouble %s, %s", name, what, timeout_ms,
		 engine_phase_word(pod.phase), engine_trouble_slug(pod.trouble),
		 pod.message ? pod.message : "no message");
	return pod;
}

static void await_nothing_left(struct test *test, const char *instance)
{
	int64_t until = now_ms() + 20000;

	for (;;) {
		struct engine_world world = look(test);
		if (world.n_sers == 0 && world.n_pods == 0)
			break;
		if (now_ms() > until)
			fail_msg("%zu workloads, %zu pods left", world.n_sers, world.n_pods);
		nap();
	}
	assert_int_equal(test->world->left(instance), 0);
}

static void await_synced(struct test *test)
{
	int64_t until = now_ms() + 15000;

	for (;;) {
		struct engine_world world = look(test);
		if (world.reachable && world.synced)
			return;
		if (now_ms() > until)
			fail_msg("the engine did not come up: %s", world.why ? world.why : "");
		nap();
	}
}

static void setup(struct test *test, void **state)
{
	test->world = *state;
	test->arena = arena_new(ARENA_BYTES);
	test->engine = test->world->engine(INSTANCE);
	await_synced(test);
}

static void teardown(struct test *test, int64_t ser)
{
	must_remove(test, ser);
	await_nothing_left(test, INSTANCE);
	test->engine = engine_free(test->engine);
	test->arena = arena_free(test->arena);
}

/* Cases -----------------------------------------------------------------------------------------
 */

static void ensured_pod_runs_answers_and_leaves_nothing(void **state)
{
	struct test test;
	struct load load;
	char body[256];

	setup(&test, state);
	load_init(&load, &test, 1, 1, serve);
	must_ensure(&test, &load);
	struct engine_pod_state pod = await(&test, load.names[0], is_ready, "ready", 10000);
	assert_int_equal(pod.phase, ENGINE_RUNNING);
	assert_int_equal(pod.ser, 1);
	assert_int_equal(pod.trouble, ENGINE_TROUBLE_NONE);
	assert_non_null(pod.address);
	assert_true(pod.created_at > 0 && pod.started_at >= pod.created_at);
	assert_int_equal(pod.finished_at, 0);
	assert_true(test.world->get(pod.address, PORT, body, sizeof(body)));
	assert_string_equal(body, load.names[0]); /* DURE_POD reached it */
	assert_int_equal(test.world->left(INSTANCE), 2);
	int64_t started = pod.started_at;
	must_ensure(&test, &load); /* no-op */
	assert_true(pod_of(&test, load.names[0]).started_at == started);
	teardown(&test, 1);
}

static void image_command_is_used_without_one(void **state)
{
	struct test test;
	struct load load;

	setup(&test, state);
	load_init(&load, &test, 2, 1, NULL);
	must_ensure(&test, &load);
	(void)await(&test, load.names[0], is_ready, "ready", 10000);
	teardown(&test, 2);
}

static void ended_pod_tells_why_and_restarts_when_told(void **state)
{
	struct test test;
	struct load load;
	char *text = NULL;
	ERR_AUTO(err);

	setup(&test, state);
	load_init(&load, &test, 3, 1, ends);
	must_ensure(&test, &load);
	struct engine_pod_state pod = await(&test, load.names[0], has_ended, "exited", 10000);
	assert_int_equal(pod.exit_code, 3);
	assert_false(pod.oom_killed);
	assert_false(pod.ready);
	assert_non_null(pod.last_log);
	assert_non_null(strstr(pod.last_log, "about to end\n"));
	assert_non_null(strstr(pod.last_log, "with code 3\n"));
	assert_true(pod.finished_at >= pod.started_at && pod.started_at > 0);
	int64_t first_end = pod.finished_at;
	assert_int_equal(engine_logs(test.engine, load.names[0], 1, test.arena, &text, &err), 0);
	assert_non_null(strstr(text, "\n"));

	/* Not told: stays ended. */
	must_ensure(&test, &load);
	load.pods[0].restart_past = first_end - 1;
	must_ensure(&test, &load);
	for (int i = 0; i < 50; i++)
		nap();
	pod = pod_of(&test, load.names[0]);
	assert_int_equal(pod.phase, ENGINE_EXITED);
	assert_true(pod.finished_at == first_end);

	load.pods[0].restart_past = first_end;
	must_ensure(&test, &load);
	pod = await(&test, load.names[0], is_running, "running again", 5000);
	assert_true(pod.started_at > first_end);
	assert_null(pod.last_log);
	pod = await(&test, load.names[0], has_ended, "exited again", 10000);
	assert_true(pod.finished_at > first_end);
	teardown(&test, 3);
}

static void logs_of_an_unknown_pod_are_not_found(void **state)
{
	struct test test;
	char *text = NULL;
	ERR_AUTO(err);

	setup(&test, state);
	assert_int_equal(engine_logs(test.engine, "dep9-nobody", 5, test.arena, &text, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_null(text);
	teardown(&test, 4);
}

static void missing_image_is_a_permanent_trouble(void **state)
{
	struct test test;
	struct load load;

	setup(&test, state);
	load_init(&load, &test, 5, 2, serve);
	load.workload.image = test.world->missing_image;
	must_ensure(&test, &load);
	for (int i = 0; i < 2; i++) {
		struct engine_pod_state pod =
			await(&test, load.names[i], is_troubled, "troubled", 20000);
		assert_string_equal(engine_trouble_slug(pod.trouble), "image_not_found");
		assert_true(engine_trouble_permanent(pod.trouble));
		assert_non_null(pod.message);
		assert_int_not_equal(pod.phase, ENGINE_RUNNING);
	}
	teardown(&test, 5);
}

static void unreachable_registry_is_a_passing_trouble(void **state)
{
	struct test test;
	struct load load;

	setup(&test, state);
	load_init(&load, &test, 6, 1, serve);
	load.workload.image = "127.0.0.1:9/nobody/listens:latest";
	must_ensure(&test, &load);
	struct engine_pod_state pod = await(&test, load.names[0], is_troubled, "troubled", 20000);
	assert_string_equal(engine_trouble_slug(pod.trouble), "registry_unreachable");
	assert_false(engine_trouble_permanent(pod.trouble));
	teardown(&test, 6);
}

static void invalid_command_is_a_permanent_trouble(void **state)
{
	struct test test;
	struct load load;

	setup(&test, state);
	load_init(&load, &test, 7, 1, nonsense);
	must_ensure(&test, &load);
	struct engine_pod_state pod = await(&test, load.names[0], is_troubled, "troubled", 10000);
	assert_string_equal(engine_trouble_slug(pod.trouble), "command_invalid");
	assert_non_null(strstr(pod.message, "/no/such/program"));
	assert_int_equal(pod.started_at, 0);
	teardown(&test, 7);
}

static void pod_that_never_listens_is_never_ready(void **state)
{
	struct test test;
	struct load load;

	setup(&test, state);
	load_init(&load, &test, 8, 1, mute);
	must_ensure(&test, &load);
	(void)await(&test, load.names[0], is_running, "running", 10000);
	for (int i = 0; i < 150; i++) {
		nap();
		assert_false(pod_of(&test, load.names[0]).ready);
	}
	teardown(&test, 8);
}

static void greedy_pod_is_killed_for_memory(void **state)
{
	struct test test;
	struct load load;

	setup(&test, state);
	load_init(&load, &test, 9, 1, eat);
	load.workload.memory_mb = 16;
	must_ensure(&test, &load);
	struct engine_pod_state pod = await(&test, load.names[0], has_ended, "exited", 15000);
	assert_true(pod.oom_killed);
	assert_int_equal(pod.exit_code, 137);
	teardown(&test, 9);
}

static void stubborn_pod_is_killed_after_its_grace(void **state)
{
	struct test test;
	struct load load;

	setup(&test, state);
	load_init(&load, &test, 10, 1, stubborn);
	load.workload.stop_grace_s = 1;
	must_ensure(&test, &load);
	(void)await(&test, load.names[0], is_ready, "ready", 10000);
	int64_t from = now_ms();
	must_remove(&test, 10);
	struct engine_pod_state pod = pod_of(&test, load.names[0]);
	assert_int_equal(pod.phase, ENGINE_REMOVING);
	(void)await(&test, load.names[0], is_unknown, "gone", 10000);
	assert_in_range(now_ms() - from, 1000, 5000);
	teardown(&test, 10);
}

static void pod_not_asked_for_any_more_is_removed(void **state)
{
	struct test test;
	struct load load;

	setup(&test, state);
	load_init(&load, &test, 11, 2, serve);
	must_ensure(&test, &load);
	struct engine_pod_state stays = await(&test, load.names[0], is_ready, "ready", 10000);
	int64_t started = stays.started_at;
	(void)await(&test, load.names[1], is_ready, "ready", 10000);
	load.workload.n_pods = 1;
	must_ensure(&test, &load);
	(void)await(&test, load.names[1], is_unknown, "gone", 10000);
	stays = pod_of(&test, load.names[0]);
	assert_true(stays.ready && stays.started_at == started);
	teardown(&test, 11);
}

static void orphan_is_found_and_left_alone_until_told(void **state)
{
	struct test test;
	struct load load;

	setup(&test, state);
	load_init(&load, &test, 12, 1, serve);
	must_ensure(&test, &load);
	int64_t started = await(&test, load.names[0], is_ready, "ready", 10000).started_at;
	test.engine = engine_free(test.engine);
	assert_int_equal(test.world->left(INSTANCE), 2);
	test.engine = test.world->engine(INSTANCE);
	await_synced(&test);
	struct engine_world world = look(&test);
	assert_int_equal(world.n_sers, 1);
	assert_int_equal(world.sers[0], 12);
	struct engine_pod_state pod = await(&test, load.names[0], is_ready, "ready", 5000);
	assert_true(pod.started_at == started); /* it was not touched */
	must_ensure(&test, &load);              /* and is taken over */
	for (int i = 0; i < 30; i++)
		nap();
	pod = pod_of(&test, load.names[0]);
	assert_true(pod.ready && pod.started_at == started);
	teardown(&test, 12);
}

static void removal_said_before_the_first_look_is_kept(void **state)
{
	struct test test;
	struct load load;

	setup(&test, state);
	load_init(&load, &test, 13, 1, serve);
	must_ensure(&test, &load);
	(void)await(&test, load.names[0], is_ready, "ready", 10000);
	test.engine = engine_free(test.engine);
	test.engine = test.world->engine(INSTANCE);
	teardown(&test, 13);
}

static void restarted_daemon_is_reported_truthfully(void **state)
{
	struct test test;
	struct load load;

	setup(&test, state);
	if (!test.world->restart)
		skip();
	load_init(&load, &test, 14, 1, serve);
	must_ensure(&test, &load);
	int64_t started = await(&test, load.names[0], is_ready, "ready", 10000).started_at;
	test.world->restart();
	await_synced(&test);
	struct engine_pod_state pod = pod_of(&test, load.names[0]);
	if (pod.phase == ENGINE_RUNNING) {
		assert_true(pod.started_at == started);
	} else {
		assert_int_equal(pod.phase, ENGINE_EXITED);
		assert_false(pod.ready);
		load.pods[0].restart_past = pod.finished_at;
		must_ensure(&test, &load);
	}
	(void)await(&test, load.names[0], is_ready, "ready again", 10000);
	teardown(&test, 14);
}

static void pod_removed_behind_its_back_comes_again(void **state)
{
	struct test test;
	struct load load;

	setup(&test, state);
	if (!test.world->remove)
		skip();
	load_init(&load, &test, 15, 1, serve);
	must_ensure(&test, &load);
	int64_t started = await(&test, load.names[0], is_ready, "ready", 10000).started_at;
	test.world->remove(load.names[0]);
	int64_t until = now_ms() + 10000;
	struct engine_pod_state pod;
	do {
		nap();
		pod = pod_of(&test, load.names[0]);
	} while (!(pod.ready && pod.started_at > started) && now_ms() < until);
	assert_true(pod.ready && pod.started_at > started);
	teardown(&test, 15);
}

static void twenty_pods_at_once(void **state)
{
	struct test test;
	struct load load;

	setup(&test, state);
	load_init(&load, &test, 16, 20, serve);
	must_ensure(&test, &load);
	for (int i = 0; i < 20; i++)
		(void)await(&test, load.names[i], is_ready, "ready", 60000);
	assert_int_equal(test.world->left(INSTANCE), 21);
	teardown(&test, 16);
}

static void two_instances_do_not_see_each_other(void **state)
{
	struct test mine, theirs;
	struct load load;

	setup(&mine, state);
	theirs = mine;
	theirs.arena = arena_new(ARENA_BYTES);
	theirs.engine = mine.world->engine(OTHER);
	await_synced(&theirs);
	load_init(&load, &mine, 17, 1, serve);
	must_ensure(&mine, &load);
	(void)await(&mine, load.names[0], is_ready, "ready", 10000);
	assert_int_equal(look(&theirs).n_pods, 0);
	must_remove(&theirs, 17);
	for (int i = 0; i < 50; i++)
		nap();
	assert_true(pod_of(&mine, load.names[0]).ready);
	assert_int_equal(look(&theirs).n_sers, 0);
	theirs.engine = engine_free(theirs.engine);
	theirs.arena = arena_free(theirs.arena);
	teardown(&mine, 17);
}

static void ensure_after_remove_wins(void **state)
{
	struct test test;
	struct load load;

	setup(&test, state);
	load_init(&load, &test, 18, 1, serve);
	for (int i = 0; i < 5; i++) {
		must_ensure(&test, &load);
		nap();
		must_remove(&test, 18);
	}
	must_ensure(&test, &load);
	(void)await(&test, load.names[0], is_ready, "ready", 20000);
	teardown(&test, 18);
}

/* What DESIGN.md promises strangers about each other. */
static void pod_is_isolated(void **state)
{
	static char text[256 * 1024];
	struct test test;
	struct load load;

	setup(&test, state);
	if (!test.world->inspect)
		skip();
	load_init(&load, &test, 19, 1, serve);
	static const char *const environment[] = { "A=b", "NVIDIA_VISIBLE_DEVICES=all",
						   "DURE_NODE=forged", NULL };
	load.workload.environment = environment;
	must_ensure(&test, &load);
	(void)await(&test, load.names[0], is_ready, "ready", 10000);
	test.world->inspect(load.names[0], text, sizeof(text));
	json_t *root = json_loads(text, 0, NULL);
	json_t *host = json_object_get(json_array_get(root, 0), "HostConfig");
	assert_non_null(host);
	assert_false(json_is_true(json_object_get(host, "Privileged")));
	json_t *drop = json_object_get(host, "CapDrop"), *add = json_object_get(host, "CapAdd");
	assert_string_equal(json_string_value(json_array_get(drop, 0)), "ALL");
	assert_in_range(json_array_size(add), 1, 8);
	assert_int_equal(json_array_size(json_object_get(host, "Binds")), 0);
	assert_int_equal(json_array_size(json_object_get(host, "DeviceRequests")), 0);
	assert_int_equal(json_integer_value(json_object_get(host, "PidsLimit")), LIMIT_PIDS);
	assert_int_equal(json_integer_value(json_object_get(host, "Memory")), 64 << 20);
	assert_int_equal(json_integer_value(json_object_get(host, "MemorySwap")), 64 << 20);
	assert_int_equal(json_integer_value(json_object_get(host, "NanoCpus")), 500000000);
	assert_int_equal(json_integer_value(json_object_get(host, "ShmSize")), 16 << 20);
	assert_non_null(strstr(text, "no-new-privileges"));
	assert_null(strstr(text, "seccomp=unconfined"));
	assert_null(strstr(text, "seccomp:unconfined"));
	assert_non_null(strstr(text, "\"NVIDIA_VISIBLE_DEVICES=void\""));
	assert_null(strstr(text, "NVIDIA_VISIBLE_DEVICES=all"));
	assert_null(strstr(text, "forged"));
	assert_string_equal(json_string_value(json_object_get(host, "NetworkMode")),
			    "dure-" INSTANCE "-19");
	json_decref(root);
	teardown(&test, 19);
}

int contract_run(const struct world *world)
{
	void *state = (void *)world;
#define CASE(name) cmocka_unit_test_prestate(name, state)
	const struct CMUnitTest tests[] = {
		CASE(ensured_pod_runs_answers_and_leaves_nothing),
		CASE(image_command_is_used_without_one),
		CASE(ended_pod_tells_why_and_restarts_when_told),
		CASE(logs_of_an_unknown_pod_are_not_found),
		CASE(missing_image_is_a_permanent_trouble),
		CASE(unreachable_registry_is_a_passing_trouble),
		CASE(invalid_command_is_a_permanent_trouble),
		CASE(pod_that_never_listens_is_never_ready),
		CASE(greedy_pod_is_killed_for_memory),
		CASE(stubborn_pod_is_killed_after_its_grace),
		CASE(pod_not_asked_for_any_more_is_removed),
		CASE(orphan_is_found_and_left_alone_until_told),
		CASE(removal_said_before_the_first_look_is_kept),
		CASE(restarted_daemon_is_reported_truthfully),
		CASE(pod_removed_behind_its_back_comes_again),
		CASE(twenty_pods_at_once),
		CASE(two_instances_do_not_see_each_other),
		CASE(ensure_after_remove_wins),
		CASE(pod_is_isolated),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
