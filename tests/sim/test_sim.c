/* The simulator: whole histories of Dure from seeds, on a virtual clock.
 *
 *     test_sim [--seeds <count>] [--first <seed>] [--trace]
 *
 * A seed that fails is printed; "--first <seed> --seeds 1 --trace" tells its story. DURE_SIM_SEEDS
 * sets the count too. Output is TAP. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/strings.h"
#include "sim_test.h"

#define SEEDS_DEFAULT 1000
#define STEPS_MIN 5
#define STEPS_MAX 40
/* Every written deadline is over after this: a deploy's 30 min, a failed pod's retries. */
#define REST_US (INT64_C(3) * 3600 * USEC_PER_SEC)
#define REST_STEP_US (60 * USEC_PER_SEC)
/* Nothing stands in its way: a deploy takes seconds. */
#define GOOD_DEPLOY_US (120 * USEC_PER_SEC)

struct totals {
	long passes, crashes, deploys, refusals;
	long reached[WORKLOAD_STATE_COUNT];
};

static void come_to_rest(struct sim_test *sim)
{
	int64_t end = sim->env.monotonic + REST_US;

	do
		sim_run_until(sim, sim->env.monotonic + REST_STEP_US);
	while (!sim->failed && sim->env.monotonic < end && sim_is_moving(sim));
	if (!sim->failed)
		sim_check_rest(sim);
}

static void play(struct sim_test *sim)
{
	int64_t steps = virtual_range(&sim->random, STEPS_MIN, STEPS_MAX);

	for (int64_t i = 0; i < steps && !sim->failed; i++)
		sim_step(sim);
	sim_heal(sim);
	sim_trace(sim, "HEALED");
	come_to_rest(sim);
	if (sim->failed)
		return;
	sim_trace(sim, "TERMINATE ALL");
	sim_terminate_all(sim);
	come_to_rest(sim);
	if (sim->failed)
		return;
	/* All is free again: something that can run must run. */
	int64_t ser = sim_deploy_good(sim);
	if (ser < 0)
		return; /* too small a world for its wishes: refused, and nothing stored */
	sim_run_until(sim, sim->env.monotonic + GOOD_DEPLOY_US);
	if (!sim->failed && sim_state(sim, ser) != WORKLOAD_DEPLOYED)
		sim_fail(sim, "a workload without faults became %s",
			 workload_state_word(sim_state(sim, ser)));
}

static bool run_seed(uint64_t seed, bool trace, struct totals *totals)
{
	ERR_AUTO(err);
	struct sim_test *sim = calloc(1, sizeof(*sim));

	if (!sim)
		return false;
	sim->seed = seed;
	sim->trace = trace;
	if (sim_setup(sim, &err) < 0)
		sim_fail(sim, "setting up: %s", err.message);
	else
		play(sim);
	sim_teardown(sim);
	totals->passes += sim->passes;
	totals->crashes += sim->crashes;
	totals->deploys += sim->deploys;
	totals->refusals += sim->refusals;
	for (size_t i = 0; i < WORKLOAD_STATE_COUNT; i++)
		totals->reached[i] += sim->reached[i];
	bool ok = !sim->failed;
	free(sim);
	return ok;
}

/* A simulator in which nothing happens would pass as well. */
static bool reached_everything(const struct totals *totals)
{
	bool all = totals->crashes > 0 && totals->refusals > 0;

	for (size_t i = WORKLOAD_DEPLOYING; i < WORKLOAD_STATE_COUNT; i++)
		all = all && totals->reached[i] > 0;
	return all;
}

static int64_t number(const char *text, int64_t otherwise)
{
	int64_t value = otherwise;

	if (text && str_to_int64(text, 0, INT64_MAX, &value) < 0) {
		(void)fprintf(stderr, "test_sim: '%s' is not a number\n", text);
		exit(2);
	}
	return value;
}

int main(int argc, char **argv)
{
	int64_t seeds = number(getenv("DURE_SIM_SEEDS"), SEEDS_DEFAULT), first = 1, failed = 0;
	bool trace = false;
	struct totals totals = { 0 };

	for (int i = 1; i < argc; i++) {
		if (str_equal(argv[i], "--seeds") && i + 1 < argc)
			seeds = number(argv[++i], seeds);
		else if (str_equal(argv[i], "--first") && i + 1 < argc)
			first = number(argv[++i], first);
		else if (str_equal(argv[i], "--trace"))
			trace = true;
		else
			return 2;
	}
	printf("1..2\n");
	for (int64_t seed = first; seed < first + seeds; seed++) {
		if (!run_seed((uint64_t)seed, trace, &totals))
			failed++;
	}
	printf("%s 1 - %lld seeds, %lld failed\n", failed > 0 ? "not ok" : "ok", (long long)seeds,
	       (long long)failed);
	bool everything = seeds < 100 || reached_everything(&totals);
	printf("%s 2 - every state was reached, Dure crashed and deploys were refused%s\n",
	       everything ? "ok" : "not ok", seeds < 100 ? " # SKIP too few seeds" : "");
	printf("# %ld rounds, %ld crashes, %ld deploys, %ld refused for capacity\n", totals.passes,
	       totals.crashes, totals.deploys, totals.refusals);
	for (size_t i = WORKLOAD_DEPLOYING; i < WORKLOAD_STATE_COUNT; i++)
		printf("# %ld times %s\n", totals.reached[i],
		       workload_state_word((enum workload_state)i));
	return failed > 0 || !everything;
}
