#include "workload/lifecycle.h"

#include <assert.h>
#include <string.h>

#include "base/limits.h"
#include "base/strings.h"
#include "workload/event.h"

static const struct {
	const char *word, *label;
} states[WORKLOAD_STATE_COUNT] = {
#define X(symbol, word, label) [WORKLOAD_##symbol] = { word, label },
	WORKLOAD_STATES(X)
#undef X
};

#define BIT(state) (1U << WORKLOAD_##state)

/* To which states each state may go. */
static const unsigned transitions[WORKLOAD_STATE_COUNT] = {
	[WORKLOAD_REGISTERED] = BIT(DEPLOYING),
	[WORKLOAD_DEPLOYING] = BIT(DEPLOYED) | BIT(DEGRADED) | BIT(FAILED) | BIT(TERMINATING),
	[WORKLOAD_DEPLOYED] = BIT(DEGRADED) | BIT(TERMINATING),
	[WORKLOAD_DEGRADED] = BIT(DEPLOYED) | BIT(FAILED) | BIT(TERMINATING),
	[WORKLOAD_TERMINATING] = BIT(TERMINATED),
	[WORKLOAD_TERMINATED] = BIT(DEPLOYING),
	[WORKLOAD_FAILED] = BIT(DEPLOYING) | BIT(TERMINATING),
};

const char *workload_state_word(enum workload_state state)
{
	assert(state < WORKLOAD_STATE_COUNT);
	return states[state].word;
}

const char *workload_state_label(enum workload_state state)
{
	assert(state < WORKLOAD_STATE_COUNT);
	return states[state].label;
}

int workload_state_parse(const char *word, enum workload_state *ret_state)
{
	for (size_t i = 0; i < WORKLOAD_STATE_COUNT; i++) {
		if (str_equal(word, states[i].word)) {
			*ret_state = (enum workload_state)i;
			return 0;
		}
	}
	return -1;
}

bool workload_state_allowed(enum workload_state from, enum workload_state to)
{
	assert(from < WORKLOAD_STATE_COUNT && to < WORKLOAD_STATE_COUNT);
	return (transitions[from] & (1U << to)) != 0;
}

bool workload_state_active(enum workload_state state)
{
	return state == WORKLOAD_DEPLOYING || state == WORKLOAD_DEPLOYED ||
	       state == WORKLOAD_DEGRADED || state == WORKLOAD_TERMINATING;
}

int workload_change_state(struct db_tx *tx, const struct workload_change *change, struct err *err)
{
	const char *to = workload_state_word(change->to);
	int64_t changed = 0;

	assert(workload_state_allowed(change->from, change->to));
	if (db_exec(tx,
		    "UPDATE workload SET state = $3, reason = $4, message = $5, state_at = $6,"
		    " updated_at = $6, revision = revision + 1,"
		    " deploy_started_at = CASE WHEN $3 = 'deploying' THEN $6"
		    "  ELSE deploy_started_at END,"
		    " deployed_at = CASE WHEN $3 = 'deploying' THEN 0"
		    "  WHEN $3 = 'deployed' AND deployed_at = 0 THEN $6 ELSE deployed_at END,"
		    " terminated_at = CASE WHEN $3 = 'deploying' THEN 0"
		    "  WHEN $3 = 'terminated' THEN $6 ELSE terminated_at END"
		    " WHERE ser = $1 AND state = $2",
		    DB_ARGS(db_int(change->ser), db_text(workload_state_word(change->from)),
			    db_text(to), db_text(change->reason), db_text(change->message),
			    db_int(change->at)),
		    &changed, err) < 0)
		return -1;
	if (changed != 1)
		return err_set(err, ERR_STATE, "workload %lld is not %s any more",
			       (long long)change->ser, workload_state_word(change->from));
	return event_add(tx,
			 &(const struct workload_event){ .ser = change->ser,
							 .at = change->at,
							 .level = change->level,
							 .state = to,
							 .reason = change->reason,
							 .message = change->message },
			 err);
}

/* Pods that answer are drained first; of the others nobody waits for anything. */
static int release_pods(struct db_tx *tx, int64_t ser, int64_t now, struct err *err)
{
	return db_exec(tx,
		       "UPDATE pod SET phase = CASE WHEN phase IN ('running', 'draining')"
		       "  THEN 'draining' ELSE 'removing' END,"
		       " phase_at = CASE WHEN phase IN ('draining', 'removing')"
		       "  THEN phase_at ELSE $2 END,"
		       " reason = 'terminating', message = 'The workload is being terminated.'"
		       " WHERE ser = $1 AND phase <> 'gone'",
		       DB_ARGS(db_int(ser), db_int(now)), NULL, err);
}

int workload_terminate(struct db_tx *tx, struct env *env, const struct actor *actor, int64_t ser,
		       struct err *err)
{
	ARENA_AUTO arena = arena_new(LIMIT_WORKLOAD_ARENA_BYTES);
	struct workload workload;
	int64_t now = env_now(env);

	if (!arena)
		return err_oom(err);
	if (workload_get(tx, actor, ser, arena, &workload, err) < 0)
		return -1;
	if (!workload_state_allowed(workload.state, WORKLOAD_TERMINATING))
		return err_set(err, ERR_STATE, "workload %lld is %s; there is nothing to terminate",
			       (long long)ser, workload_state_word(workload.state));
	if (workload.state == WORKLOAD_FAILED && workload.pods_total == 0)
		return err_set(err, ERR_STATE,
			       "workload %lld has failed and nothing of it runs any more",
			       (long long)ser);
	if (release_pods(tx, ser, now, err) < 0)
		return -1;
	return workload_change_state(
		tx,
		&(const struct workload_change){
			.ser = ser,
			.from = workload.state,
			.to = WORKLOAD_TERMINATING,
			.level = EVENT_INFO,
			.reason = "terminate_requested",
			.message = "Termination was asked for. Requests under way may finish, then"
				   " the pods are stopped and their GPUs given back.",
			.at = now },
		err);
}
