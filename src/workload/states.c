#include "workload/states.h"

#include <assert.h>

#include "base/strings.h"
#include "workload/event.h"
#include "workload/judge.h"
#include "workload/lifecycle.h"

/* Pods of one workload, counted by how they stand. */
struct tally {
	int64_t asked; /* not leaving */
	int64_t ready, routed, failed;
	bool hopeless;
	const struct round_pod *worst; /* whose reason is the workload's; NULL: all are ready */
};

/* The higher, the more it explains why the workload is not there yet. */
static int badness(const struct round_pod *pod, const struct reconcile_rules *rules)
{
	const struct pod_facts *facts = &pod->facts;

	if (judge_failed(facts, rules))
		return 6;
	switch (facts->phase) {
	case POD_RESTARTING: return 5;
	case POD_PULLING: return 4;
	case POD_STARTING: return 3;
	case POD_PENDING: return 2;
	default: return 0;
	}
}

static struct tally tally_of(const struct round *round, const struct round_workload *workload)
{
	struct tally tally = { 0 };
	int worst = 0;

	for (size_t i = 0; i < workload->n_pods; i++) {
		const struct round_pod *pod = &workload->pods[i];

		if (judge_leaving(&pod->facts))
			continue;
		tally.asked++;
		tally.ready += pod->facts.phase == POD_RUNNING;
		tally.routed += pod->facts.phase == POD_RUNNING && pod->target &&
				pod->target->routed && !pod->target->draining;
		tally.failed += judge_failed(&pod->facts, round->rules);
		tally.hopeless = tally.hopeless || judge_hopeless(&pod->facts, round->rules);
		if (badness(pod, round->rules) > worst) {
			worst = badness(pod, round->rules);
			tally.worst = pod;
		}
	}
	return tally;
}

bool states_any_ready(const struct round_workload *workload)
{
	for (size_t i = 0; i < workload->n_pods; i++) {
		if (workload->pods[i].facts.phase == POD_RUNNING)
			return true;
	}
	return false;
}

static void verdict(struct round_workload *workload, enum workload_state to, const char *level,
		    const char *reason, const char *message)
{
	workload->to = to;
	workload->verdict = (struct note){ .level = level, .reason = reason, .message = message };
}

/* Why it is not deployed yet, or not whole any more: the pod that is furthest from it, or the
 * route. */
static void explain(struct round *round, struct round_workload *workload, const struct tally *tally,
		    enum workload_state to, const char *level)
{
	const char *reason, *message;

	if (tally->worst) {
		reason = tally->worst->facts.reason;
		message = arena_printf(round->arena, "%lld of %lld pods answer. %s: %s",
				       (long long)tally->ready, (long long)tally->asked,
				       tally->worst->name, tally->worst->facts.message);
	} else if (!round->gateway_up) {
		reason = "gateway_unavailable";
		message =
			arena_printf(round->arena,
				     "The pods answer, but the gateway does not carry requests%s%s."
				     " It is started again; tell the operator if it lasts.",
				     str_empty(round->gateway_why) ? "" : ": ",
				     str_empty(round->gateway_why) ? "" : round->gateway_why);
	} else {
		reason = "routing";
		message = "The pods answer; their service URL is being set up.";
	}
	verdict(workload, to, level, reason, message);
}

/* Nothing of it will answer: its pods leave and their GPUs are given back as they go. */
static void give_up(struct round *round, struct round_workload *workload, const char *reason,
		    const char *message)
{
	for (size_t i = 0; i < workload->n_pods; i++) {
		struct pod_facts *facts = &workload->pods[i].facts;

		if (judge_leaving(facts))
			continue;
		facts->phase = POD_REMOVING;
		facts->phase_at = round->now;
	}
	verdict(workload, WORKLOAD_FAILED, EVENT_ERROR, reason, message);
}

static void give_up_with(struct round *round, struct round_workload *workload,
			 const struct tally *tally)
{
	const struct round_pod *worst = tally->worst;

	give_up(round, workload, worst ? worst->facts.reason : "no_pods",
		worst ? arena_printf(round->arena, "%s: %s", worst->name, worst->facts.message)
		      : "It has no pods left; deploy it again.");
}

static bool deadline_passed(struct round *round, struct round_workload *workload)
{
	struct workload_memo *memo = workload->memo;

	if (memo->deploying_since == 0 || memo->deploy_started_at != workload->deploy_started_at)
		memo->deploying_since = round->clock;
	memo->deploy_started_at = workload->deploy_started_at;
	int64_t end = memo->deploying_since + round->rules->deploy_timeout_us;
	if (round->clock >= end)
		return true;
	round_due(round, end);
	return false;
}

static bool all_there(const struct round *round, const struct round_workload *workload,
		      const struct tally *tally)
{
	return round->gateway_up && tally->asked > 0 && tally->routed == tally->asked &&
	       workload->answers;
}

static void become_deployed(struct round *round, struct round_workload *workload,
			    const struct tally *tally)
{
	workload->memo->unserved_since = 0;
	verdict(workload, WORKLOAD_DEPLOYED, EVENT_INFO, "deployed",
		arena_printf(round->arena, "All %lld pods answer at the service URL.",
			     (long long)tally->asked));
}

static void judge_deploying(struct round *round, struct round_workload *workload,
			    const struct tally *tally)
{
	if (all_there(round, workload, tally)) {
		become_deployed(round, workload, tally);
		return;
	}
	bool late = deadline_passed(round, workload);
	if (tally->ready == 0 && (tally->failed == tally->asked || tally->hopeless))
		give_up_with(round, workload, tally);
	else if (tally->ready == 0 && late)
		give_up(round, workload, "deploy_timeout",
			arena_printf(
				round->arena,
				"No pod answered within %lld min. %s Correct the workload and"
				" deploy it again.",
				(long long)(round->rules->deploy_timeout_us / (60 * USEC_PER_SEC)),
				tally->worst ? tally->worst->facts.message : ""));
	else if (late || (tally->failed > 0 && tally->ready + tally->failed == tally->asked))
		explain(round, workload, tally, WORKLOAD_DEGRADED, EVENT_WARNING);
	else
		explain(round, workload, tally, WORKLOAD_DEPLOYING, EVENT_INFO);
}

static void judge_deployed(struct round *round, struct round_workload *workload,
			   const struct tally *tally)
{
	struct workload_memo *memo = workload->memo;
	bool served = round->gateway_up && tally->routed == tally->asked;

	if (tally->asked > 0 && tally->ready == tally->asked && served) {
		become_deployed(round, workload, tally);
		return;
	}
	if (tally->asked > 0 && tally->ready == tally->asked) {
		if (memo->unserved_since == 0)
			memo->unserved_since = round->clock;
		int64_t end = memo->unserved_since + STATES_UNSERVED_TOLERANCE_US;
		if (round->clock < end) {
			round_due(round, end);
			return;
		}
	}
	explain(round, workload, tally, WORKLOAD_DEGRADED, EVENT_WARNING);
}

static void judge_degraded(struct round *round, struct round_workload *workload,
			   const struct tally *tally)
{
	if (all_there(round, workload, tally))
		become_deployed(round, workload, tally);
	else if (tally->ready == 0 && tally->failed == tally->asked)
		give_up_with(round, workload, tally);
	else
		explain(round, workload, tally, WORKLOAD_DEGRADED, EVENT_WARNING);
}

static void judge_terminating(struct round *round, struct round_workload *workload)
{
	bool gone = true;

	for (size_t i = 0; i < workload->n_pods; i++)
		gone = gone && workload->pods[i].facts.phase == POD_GONE;
	if (gone && !workload->left)
		verdict(workload, WORKLOAD_TERMINATED, EVENT_INFO, "terminated",
			"Stopped; its GPUs are given back. What was in its containers is gone.");
	else
		verdict(workload, WORKLOAD_TERMINATING, EVENT_INFO, "terminating",
			arena_printf(round->arena,
				     "Its pods finish their requests and are stopped."));
}

void states_judge(struct round *round, struct round_workload *workload)
{
	struct tally tally = tally_of(round, workload);

	workload->to = workload->state;
	switch (workload->state) {
	case WORKLOAD_DEPLOYING: judge_deploying(round, workload, &tally); break;
	case WORKLOAD_DEPLOYED: judge_deployed(round, workload, &tally); break;
	case WORKLOAD_DEGRADED: judge_degraded(round, workload, &tally); break;
	case WORKLOAD_TERMINATING: judge_terminating(round, workload); break;
	default: break; /* what is left of it goes by itself */
	}
	assert(workload->to == workload->state ||
	       workload_state_allowed(workload->state, workload->to));
	/* The engine could not be seen for a while: that it can again is news by itself. */
	bool back = str_equal(workload->reason, "engine_unreachable") && workload->verdict.reason;
	if (workload->to == workload->state &&
	    str_equal(workload->verdict.reason, workload->reason))
		workload->verdict.reason = NULL;
	workload->verdict_is_event = workload->to != workload->state || back;
}
