/* A random history: who does what, and what goes wrong meanwhile. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/strings.h"
#include "catalog/catalog.h"
#include "sim_test.h"

void sim_fail(struct sim_test *sim, const char *format, ...)
{
	va_list args;

	if (sim->failed)
		return;
	sim->failed = true;
	printf("# seed %llu at %.3f s: ", (unsigned long long)sim->seed,
	       (double)sim->env.monotonic / 1e6);
	va_start(args, format);
	(void)vprintf(format, args);
	va_end(args);
	printf("\n");
}

void sim_trace(struct sim_test *sim, const char *format, ...)
{
	va_list args;

	if (!sim->trace)
		return;
	printf("# %10.3f ", (double)sim->env.monotonic / 1e6);
	va_start(args, format);
	(void)vprintf(format, args);
	va_end(args);
	printf("\n");
}

static void wake(void *context) { ((struct sim_test *)context)->woken = true; }

static bool probe(void *context, const char *pod)
{
	struct sim_test *sim = context;

	return sim_engine_answers(sim->engine, pod);
}

#ifdef DURE_FAILPOINTS
static bool passed(void *context, enum failpoint point)
{
	struct sim_test *sim = context;

	if (!sim->armed || sim->point != point || --sim->passings_left > 0)
		return false;
	sim->armed = false;
	sim->crashed = true;
	return true;
}
#endif

static int new_reconciler(struct sim_test *sim, struct err *err)
{
	const struct reconcile_options options = {
		.env = &sim->env.env,
		.db = sim->db,
		.engine = sim->engine,
		.gateway = sim->gateway,
		.rules = reconcile_rules_default(),
	};

	sim->woken = true; /* its thread starts with a round */
	return reconcile_new(&options, &sim->reconciler, err);
}

/* Dure dies here and is started again. */
static void crash(struct sim_test *sim)
{
	ERR_AUTO(err);

	sim_trace(sim, "CRASH");
	sim->crashes++;
	sim->crashed = false;
	sim->armed = false;
	sim->reconciler = reconcile_free(sim->reconciler);
	sim_engine_crash(sim->engine);
	if (new_reconciler(sim, &err) < 0)
		sim_fail(sim, "%s", err.message);
}

static void pass(struct sim_test *sim)
{
	ERR_AUTO(err);
	int64_t next = INT64_MAX;

	sim->woken = false;
	sim->passes++;
	if (reconcile_pass(sim->reconciler, &next, &err) < 0) {
		if (sim->crashed)
			crash(sim);
		else
			sim_fail(sim, "pass: %s", err.message);
		return;
	}
	if (next < sim->env.monotonic)
		next = sim->env.monotonic;
	sim->due = next;
}

static int64_t earlier(int64_t a, int64_t b) { return a < b ? a : b; }

void sim_run_until(struct sim_test *sim, int64_t until)
{
	int idle = 0; /* rounds in which the clock stood still */

	while (!sim->failed) {
		int64_t next =
			earlier(sim_engine_next(sim->engine), sim_gateway_next(sim->gateway));
		next = earlier(next, sim->woken ? sim->env.monotonic : sim->due);
		if (next > until)
			break;
		idle = next > sim->env.monotonic ? 0 : idle + 1;
		if (idle > 1000) {
			sim_fail(sim, "a loop: the clock does not move");
			break;
		}
		if (next > sim->env.monotonic)
			sim->env.monotonic = next;
		sim_engine_run(sim->engine);
		sim_gateway_run(sim->gateway);
		if (sim->woken || sim->due <= sim->env.monotonic)
			pass(sim);
		sim_check_invariants(sim);
	}
	if (sim->env.monotonic < until)
		sim->env.monotonic = until;
}

/* Requests ---------------------------------------------------------------------------------------
 */

struct request {
	struct sim_test *sim;
	const struct actor *actor;
	enum { REGISTER, DEPLOY, TERMINATE, EDIT, DELETE } verb;
	int64_t ser;
	json_t *spec;
};

static int perform(struct db_tx *tx, void *argument, struct err *err)
{
	struct request *request = argument;
	struct env *env = &request->sim->env.env;
	ARENA_AUTO arena = arena_new(LIMIT_WORKLOAD_ARENA_BYTES);
	struct spec spec;

	if (!arena)
		return err_oom(err);
	if (request->spec && spec_parse(request->spec, arena, &spec, err) < 0)
		return -1;
	switch (request->verb) {
	case REGISTER:
		if (workload_register(tx, env, request->actor, &spec, &request->ser, err) < 0)
			return -1;
		return spec.deploy_now ? workload_deploy(tx, env, request->actor, request->ser, err)
				       : 0;
	case DEPLOY: return workload_deploy(tx, env, request->actor, request->ser, err);
	case TERMINATE: return workload_terminate(tx, env, request->actor, request->ser, err);
	case EDIT: return workload_edit(tx, env, request->actor, request->ser, &spec, err);
	case DELETE: return workload_delete(tx, request->actor, request->ser, err);
	}
	return 0;
}

static int send(struct sim_test *sim, struct request *request)
{
	static const char *const verbs[] = { "register", "deploy", "terminate", "edit", "delete" };
	ERR_AUTO(err);

	request->sim = sim;
	int rc = db_write(sim->db, perform, request, &err);
	sim_trace(sim, "%s %s %lld: %s", request->actor->login, verbs[request->verb],
		  (long long)request->ser, rc < 0 ? err.message : "done");
	if (sim->crashed)
		crash(sim);
	else if (rc < 0 && err_status(err.code) >= 500)
		sim_fail(sim, "%s: %s", verbs[request->verb], err.message);
	else if (rc < 0 && err.code == ERR_NO_CAPACITY)
		sim->refusals++;
	else if (rc == 0 && request->verb == DEPLOY)
		sim->deploys++;
	if (rc == 0 && request->ser > sim->last_ser)
		sim->last_ser = request->ser;
	sim->woken = true; /* what the handler does after the commit */
	return rc;
}

static json_t *random_spec(struct sim_test *sim, bool good)
{
	static const char *const images[] = { "good:1",  "good:2",    "good:3",
					      "good:4",  "missing:1", "badcmd:1",
					      "exits:1", "oom:1",     "mute:1" };
	static const char *const targets[] = { "any", "tier1", "tier2", "tier3" };
	int64_t image =
		good ? virtual_range(&sim->random, 0, 3) : virtual_range(&sim->random, 0, 12) % 9;
	int64_t gpus = virtual_range(&sim->random, 0, 2);
	json_t *json = json_pack(
		"{s:s, s:s, s:s+, s:i, s:s, s:I, s:I, s:I, s:b}", "description", "simulated",
		"registry", "docker_hub", "image", "dure/", images[image], "port", 8080, "target",
		targets[good ? 0 : virtual_range(&sim->random, 0, 9) % 4], "replicas",
		(json_int_t)virtual_range(&sim->random, 1, good ? 1 : 4), "cpu_milli",
		(json_int_t)virtual_range(&sim->random, 100, 1000), "memory_mb",
		(json_int_t)virtual_range(&sim->random, 64, 1024), "deploy_now",
		virtual_chance(&sim->random, 300));

	if (gpus > 0)
		json_object_set_new(json, "gpu", json_pack("{s:I}", "count", (json_int_t)gpus));
	return json;
}

static void user_step(struct sim_test *sim)
{
	struct request request = {
		.actor = &sim->users[virtual_range(&sim->random, 0, SIM_USERS - 1)],
		.ser = sim->last_ser > 0 ? virtual_range(&sim->random, 1, sim->last_ser) : 0,
	};
	int64_t dice = virtual_range(&sim->random, 0, 99);

	if (sim->last_ser == 0 || (dice < 15 && sim->last_ser < SIM_WORKLOADS_MAX - 2)) {
		request.verb = REGISTER;
		request.spec = random_spec(sim, false);
	} else if (dice < 60) {
		request.verb = DEPLOY;
	} else if (dice < 80) {
		request.verb = TERMINATE;
	} else if (dice < 90) {
		request.verb = EDIT;
		request.spec = random_spec(sim, false);
	} else {
		request.verb = DELETE;
	}
	(void)send(sim, &request);
	json_decref(request.spec);
}

/* Fate -------------------------------------------------------------------------------------------
 */

static void arm(struct sim_test *sim)
{
	static const enum failpoint points[] = {
		FAILPOINT_deploy_before_commit,    FAILPOINT_reconcile_before_observe,
		FAILPOINT_reconcile_before_write,  FAILPOINT_reconcile_after_write,
		FAILPOINT_reconcile_after_gateway, FAILPOINT_reconcile_after_ensure,
	};

	sim->armed = true;
	sim->point = points[virtual_range(&sim->random, 0, 5)];
	sim->passings_left = (int)virtual_range(&sim->random, 1, 4);
	sim_trace(sim, "armed %s", failpoint_name(sim->point));
}

static void fate_step(struct sim_test *sim)
{
	int64_t hour = INT64_C(3600) * USEC_PER_SEC;

	switch (virtual_range(&sim->random, 0, 7)) {
	case 0:
	case 1:
		sim_trace(sim, "the engine goes away");
		sim_engine_set_reachable(sim->engine, false);
		break;
	case 2:
	case 3:
		sim_trace(sim, "the engine comes back");
		sim_engine_set_reachable(sim->engine, true);
		break;
	case 4:
		sim_trace(sim, "the gateway changes");
		sim_gateway_set_up(sim->gateway, virtual_chance(&sim->random, 600));
		break;
	case 5:
		sim->env.wall_ahead += virtual_range(&sim->random, -hour, hour);
		sim_trace(sim, "the clock was set");
		break;
	case 6: arm(sim); break;
	default: crash(sim); break;
	}
}

void sim_step(struct sim_test *sim)
{
	static const int64_t spans[] = { 10, 1000, 20000, 200000 }; /* ms */

	if (virtual_chance(&sim->random, 800))
		user_step(sim);
	else
		fate_step(sim);
	int64_t span = spans[virtual_range(&sim->random, 0, 3)] * USEC_PER_MSEC;
	sim_run_until(sim, sim->env.monotonic + virtual_range(&sim->random, 0, span));
}

void sim_heal(struct sim_test *sim)
{
	sim->armed = false;
	sim_engine_set_faults(sim->engine, &(const struct sim_faults){ 0 });
	sim_engine_set_reachable(sim->engine, true);
	sim_gateway_set_up(sim->gateway, true);
}

void sim_terminate_all(struct sim_test *sim)
{
	for (int64_t ser = 1; ser <= sim->last_ser && !sim->failed; ser++) {
		struct request request = { .actor = &sim->operator_actor,
					   .verb = TERMINATE,
					   .ser = ser };
		(void)send(sim, &request);
	}
}

int64_t sim_deploy_good(struct sim_test *sim)
{
	struct request request = { .actor = &sim->users[0],
				   .verb = REGISTER,
				   .spec = random_spec(sim, true) };
	int rc;

	json_object_set_new(request.spec, "deploy_now", json_true());
	rc = send(sim, &request);
	json_decref(request.spec);
	return rc < 0 ? -1 : request.ser;
}

/* Setting up -------------------------------------------------------------------------------------
 */

static int add_account(struct db_tx *tx, struct actor *actor, int64_t id, enum role role,
		       const char *login, struct err *err)
{
	*actor = (struct actor){ .account_id = id, .role = role };
	str_copy(actor->login, sizeof(actor->login), login);
	return db_exec(tx,
		       "INSERT INTO account (id, login, role, password_hash, created_at)"
		       " VALUES ($1, $2, $3, 'none', 1)",
		       DB_ARGS(db_int(id), db_text(login), db_text(account_role_name(role))), NULL,
		       err);
}

static int add_node(struct sim_test *sim, struct db_tx *tx, int number, struct err *err)
{
	static const char *const models[] = { "rtx4090", "rtx3090", "t4" };
	ARENA_AUTO arena = arena_new(LIMIT_WORKLOAD_ARENA_BYTES);
	struct node node;
	char name[16];
	bool gpus = number > 0; /* the first has none */

	if (!arena)
		return err_oom(err);
	(void)snprintf(name, sizeof(name), "node-%d", number);
	json_t *json = json_pack(
		"{s:s, s:I, s:i, s:i, s:I, s:I}", "name", name, "tier",
		(json_int_t)virtual_range(&sim->random, 1, 3), "cpu_milli", 8000, "memory_mb",
		16384, "base_per_hour", (json_int_t)virtual_range(&sim->random, 0, 2) * 100000000,
		"usage_per_hour", (json_int_t)virtual_range(&sim->random, 0, 2) * 50000000);
	if (gpus)
		json_object_set_new(json, "gpu",
				    json_pack("{s:s, s:I}", "model",
					      models[virtual_range(&sim->random, 0, 2)], "count",
					      (json_int_t)virtual_range(&sim->random, 1, 4)));
	int rc = catalog_node_create(tx, &sim->env.env, &sim->operator_actor, json, arena, &node,
				     err);
	json_decref(json);
	return rc;
}

static int fill(struct db_tx *tx, void *argument, struct err *err)
{
	struct sim_test *sim = argument;
	int nodes = (int)virtual_range(&sim->random, 2, 5);

	if (catalog_models_store(tx, err) < 0 ||
	    add_account(tx, &sim->operator_actor, 1, ROLE_OPERATOR, "operator", err) < 0)
		return -1;
	for (int i = 0; i < SIM_USERS; i++) {
		char login[16];

		(void)snprintf(login, sizeof(login), "user%d", i);
		/* The first may do everything, so that much happens. */
		if (add_account(tx, &sim->users[i], 2 + i, i == 0 ? ROLE_OPERATOR : ROLE_USER,
				login, err) < 0)
			return -1;
	}
	for (int i = 0; i < nodes; i++) {
		if (add_node(sim, tx, i, err) < 0)
			return -1;
	}
	return 0;
}

static struct sim_faults random_faults(struct sim_test *sim)
{
	struct sim_faults faults = { 0 };
	int *rates[] = { &faults.pull_stalls, &faults.pull_fails, &faults.create_fails,
			 &faults.start_fails, &faults.exits,      &faults.flaps,
			 &faults.vanishes,    &faults.slow_stop };

	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++)
		*rates[i] = virtual_chance(&sim->random, 500)
				    ? (int)virtual_range(&sim->random, 10, 300)
				    : 0;
	return faults;
}

int sim_setup(struct sim_test *sim, struct err *err)
{
	sim->random = sim->seed * UINT64_C(0x2545f4914f6cdd1d) + 1;
	virtual_env_init(&sim->env, virtual_random(&sim->random), NULL);
	const struct db_options db_options = {
		.env = &sim->env.env, .path = ":memory:", .inline_writer = true, .relaxed = true
	};
	if (db_open(&db_options, &sim->db, err) < 0 || db_write(sim->db, fill, sim, err) < 0)
		return -1;
	const struct sim_options engine_options = { .env = &sim->env,
						    .seed = virtual_random(&sim->random),
						    .faults = random_faults(sim) };
	const struct sim_gateway_options gateway_options = { .env = &sim->env,
							     .seed = virtual_random(&sim->random),
							     .probe = probe,
							     .probe_context = sim,
							     .slow = (int)virtual_range(
								     &sim->random, 0, 300) };
	if (sim_engine_new(&engine_options, &sim->engine, err) < 0 ||
	    sim_gateway_new(&gateway_options, &sim->gateway, err) < 0)
		return -1;
	engine_watch(sim->engine, wake, sim);
	gateway_watch(sim->gateway, wake, sim);
#ifdef DURE_FAILPOINTS
	failpoint_set_hook(passed, sim);
#endif
	return new_reconciler(sim, err);
}

void sim_teardown(struct sim_test *sim)
{
#ifdef DURE_FAILPOINTS
	failpoint_set_hook(NULL, NULL);
#endif
	sim->reconciler = reconcile_free(sim->reconciler);
	sim->gateway = gateway_free(sim->gateway);
	sim->engine = engine_free(sim->engine);
	sim->db = db_close(sim->db);
}
