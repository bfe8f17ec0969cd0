/* One simulated Dure: store, catalogue, reconciler, engine and gateway on a virtual clock, with
 * users, faults and crashes drawn from a seed. */
#ifndef DURE_TESTS_SIM_SIM_TEST_H
#define DURE_TESTS_SIM_SIM_TEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/failpoint.h"
#include "base/virtual.h"
#include "engine/sim/sim.h"
#include "gateway/sim/sim.h"
#include "store/db.h"
#include "workload/reconcile.h"
#include "workload/workload.h"

#define SIM_USERS 3
#define SIM_WORKLOADS_MAX 200

/* What was seen of a workload the last time. */
struct seen {
	int64_t revision;
	int64_t last_event;
	enum workload_state state;
	bool exists;
};

struct sim_test {
	uint64_t seed, random;
	bool trace;
	struct virtual_env env;
	struct db *db;
	struct engine *engine;
	struct gateway *gateway;
	struct reconciler *reconciler;
	struct actor operator_actor, users[SIM_USERS];
	bool woken;
	int64_t due; /* of the reconciler, monotonic */
	bool armed;  /* a failure point: it fires at its `passings_left`-th passing */
	enum failpoint point;
	int passings_left;
	bool crashed;
	struct seen seen[SIM_WORKLOADS_MAX]; /* by ser */
	int64_t last_ser;
	uint64_t checked_version;
	bool checked;
	/* Told at the end of a run. */
	long passes, crashes, deploys, refusals;
	long reached[WORKLOAD_STATE_COUNT];
	bool failed;
};

/* Says what went wrong, once; everything after it is moot. */
void sim_fail(struct sim_test *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sim_trace(struct sim_test *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));

int sim_setup(struct sim_test *sim, struct err *err);
void sim_teardown(struct sim_test *sim);
/* Runs everything that happens until the clock shows `until`. */
void sim_run_until(struct sim_test *sim, int64_t until);
/* One random thing that a user, an operator or fate does. */
void sim_step(struct sim_test *sim);
/* No faults from here on. */
void sim_heal(struct sim_test *sim);
void sim_terminate_all(struct sim_test *sim);
/* Deploys a workload without faults in it; its ser, or -1. */
int64_t sim_deploy_good(struct sim_test *sim);

/* Holds at every moment. */
void sim_check_invariants(struct sim_test *sim);
/* Is anything still on its way? */
bool sim_is_moving(struct sim_test *sim);
/* Holds when nothing moves and no faults are left. */
void sim_check_rest(struct sim_test *sim);
enum workload_state sim_state(struct sim_test *sim, int64_t ser);

#endif
