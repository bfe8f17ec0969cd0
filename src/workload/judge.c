#include "workload/judge.h"

#include <assert.h>
#include <string.h>

#include "base/strings.h"

static void set_phase(const struct round *round, struct round_pod *pod, enum pod_phase phase)
{
	if (pod->facts.phase == phase)
		return;
	pod->facts.phase = phase;
	pod->facts.phase_at = round->now;
}

static void set_reason(struct round_pod *pod, const char *reason, const char *message)
{
	pod->facts.reason = reason;
	pod->facts.message = message;
}

bool judge_leaving(const struct pod_facts *facts)
{
	return facts->phase == POD_DRAINING || facts->phase == POD_REMOVING ||
	       facts->phase == POD_GONE;
}

/* Its container has ended and is kept until it is started again. */
static bool is_ended(const struct pod_facts *facts)
{
	return facts->phase == POD_RESTARTING && facts->exit_seen_at > facts->restart_past;
}

bool judge_wanted(const struct pod_facts *facts)
{
	switch (facts->phase) {
	case POD_RESTARTING: return is_ended(facts);
	case POD_REMOVING:
	case POD_GONE: return false;
	default: return true;
	}
}

bool judge_failed(const struct pod_facts *facts, const struct reconcile_rules *rules)
{
	return facts->phase == POD_RESTARTING && facts->failures >= rules->failures_limit;
}

bool judge_hopeless(const struct pod_facts *facts, const struct reconcile_rules *rules)
{
	if (!judge_failed(facts, rules))
		return false;
	for (enum engine_trouble t = ENGINE_TROUBLE_NONE; t <= ENGINE_TROUBLE_STOP_FAILED; t++) {
		if (engine_trouble_permanent(t) && str_equal(facts->reason, engine_trouble_slug(t)))
			return true;
	}
	return false;
}

/* What the user can do about an engine's trouble. */
static const char *trouble_advice(enum engine_trouble trouble)
{
	static const char *const advice[] = {
		[ENGINE_TROUBLE_NONE] = "",
		[ENGINE_TROUBLE_IMAGE_NOT_FOUND] =
			"Check the image's name and tag and the registry type.",
		[ENGINE_TROUBLE_IMAGE_UNAUTHORIZED] =
			"The registry asks for a login: make the image public or use another.",
		[ENGINE_TROUBLE_IMAGE_PLATFORM] =
			"The image is not built for this machine: use one for linux/amd64.",
		[ENGINE_TROUBLE_REGISTRY_UNREACHABLE] =
			"It is tried again; nothing to do unless it lasts.",
		[ENGINE_TROUBLE_PULL_FAILED] = "It is tried again; check the image if it lasts.",
		[ENGINE_TROUBLE_DISK_FULL] =
			"The node's disk is full: its operator must make room. It is tried again.",
		[ENGINE_TROUBLE_COMMAND_INVALID] =
			"The container cannot execute its command: correct the command.",
		[ENGINE_TROUBLE_GPU_UNAVAILABLE] =
			"The node cannot hand out its GPU; its operator must look. Tried again.",
		[ENGINE_TROUBLE_NETWORK_FAILED] =
			"It is tried again; tell the operator if it lasts.",
		[ENGINE_TROUBLE_CREATE_FAILED] =
			"It is tried again; tell the operator if it lasts.",
		[ENGINE_TROUBLE_START_FAILED] = "It is tried again; check the command if it lasts.",
		[ENGINE_TROUBLE_STOP_FAILED] = "It is tried again; tell the operator if it lasts.",
	};

	assert((size_t)trouble < sizeof(advice) / sizeof(advice[0]));
	return advice[trouble];
}

/* Takes the pod down; it is made anew when `wait` has passed. An ended container stays as it is, so
 * that its log can be read. */
static void schedule(struct round *round, struct round_pod *pod, int64_t wait, bool keep_ended)
{
	set_phase(round, pod, POD_RESTARTING);
	pod->facts.restart_at = round->now + wait;
	pod->facts.restart_past = keep_ended ? 0 : pod->facts.exit_seen_at;
	pod->memo->due = round->clock + wait;
	pod->memo->unready_since = 0;
	round_due(round, pod->memo->due);
}

static void give_up(struct round *round, struct round_pod *pod, bool keep_ended, const char *reason,
		    const char *message)
{
	pod->facts.failures = round->rules->failures_limit;
	set_reason(pod, reason, message);
	round_note(round, pod, "error", reason, "%s", message);
	schedule(round, pod, JUDGE_FAILED_RETRY_US, keep_ended);
}

/* 1 s, 2 s, 4 s … up to the rules' most. */
static int64_t backoff(const struct reconcile_rules *rules, int64_t failures)
{
	int64_t wait = rules->retry_min_us;

	for (int64_t i = 1; i < failures && wait < rules->retry_max_us; i++)
		wait *= 2;
	return wait < rules->retry_max_us ? wait : rules->retry_max_us;
}

/* One more failure: another try after a while, or given up. `what` is the first half of the event.
 */
static void fail(struct round *round, struct round_pod *pod, bool stable, bool keep_ended,
		 const char *reason, const char *what)
{
	const struct reconcile_rules *rules = round->rules;
	int64_t failures = stable ? 1 : pod->facts.failures + 1;

	pod->facts.failures = failures;
	if (failures >= rules->failures_limit) {
		give_up(round, pod, keep_ended, reason,
			arena_printf(round->arena,
				     "%s That was failure %lld in a row, so it is given up. Look at"
				     " the log, correct the workload and deploy it again.",
				     what, (long long)failures));
		return;
	}
	int64_t wait = backoff(rules, failures);
	set_reason(pod, reason,
		   arena_printf(round->arena, "%s Started again in %lld s (failure %lld of %d).",
				what, (long long)((wait + USEC_PER_SEC - 1) / USEC_PER_SEC),
				(long long)failures, rules->failures_limit));
	round_note(round, pod, "warning", reason, "%s", pod->facts.message);
	schedule(round, pod, wait, keep_ended);
}

/* Did the run that has just ended live long enough to forgive the failures before it? */
static bool lived_stable(const struct round *round, const struct round_pod *pod, int64_t end)
{
	return pod->facts.started_at > 0 && end - pod->facts.started_at >= round->rules->stable_us;
}

/* Not ready for longer than a whole deploy may take, whatever it did meanwhile? */
static bool trial_is_over(struct round *round, struct round_pod *pod)
{
	struct pod_memo *memo = pod->memo;

	if (memo->trial_since == 0)
		memo->trial_since = round->clock;
	int64_t end = memo->trial_since + round->rules->deploy_timeout_us;
	if (round->clock < end) {
		round_due(round, end);
		return false;
	}
	memo->trial_since = 0;
	return true;
}

/* Trouble that the engine reports: an event the first time, the end when it is permanent. */
static bool judge_trouble(struct round *round, struct round_pod *pod)
{
	const struct engine_pod_state *seen = pod->seen;
	const char *slug = engine_trouble_slug(seen->trouble);

	if (seen->trouble == ENGINE_TROUBLE_NONE) {
		pod->memo->told = ENGINE_TROUBLE_NONE;
		return false;
	}
	const char *message = arena_printf(round->arena, "%s. %s",
					   str_empty(seen->message) ? slug : seen->message,
					   trouble_advice(seen->trouble));
	if (engine_trouble_permanent(seen->trouble)) {
		if (seen->phase == ENGINE_EXITED)
			pod->facts.exit_seen_at = seen->finished_at;
		give_up(round, pod, false, slug, message);
		return true;
	}
	set_reason(pod, slug, message);
	if (pod->memo->told != seen->trouble && !str_equal(pod->stored.reason, slug))
		round_note(round, pod, "warning", slug, "%s", message);
	pod->memo->told = seen->trouble;
	return false;
}

/* Waits for the engine to get on: pull, create, start. */
static void judge_progress(struct round *round, struct round_pod *pod)
{
	const struct engine_pod_state *seen = pod->seen;
	struct pod_memo *memo = pod->memo;

	if (memo->progress_at == 0 || memo->seen_phase != seen->phase ||
	    seen->pull_done > memo->seen_bytes)
		memo->progress_at = round->clock;
	memo->seen_phase = seen->phase;
	memo->seen_bytes = seen->pull_done;
	int64_t end = memo->progress_at + round->rules->pull_timeout_us;
	if (round->clock < end) {
		round_due(round, end);
		return;
	}
	memo->progress_at = 0;
	bool troubled = seen->trouble != ENGINE_TROUBLE_NONE;
	give_up(round, pod, false, troubled ? pod->facts.reason : "no_progress",
		arena_printf(round->arena, "Nothing got on for %lld s while %s: %s",
			     (long long)(round->rules->pull_timeout_us / USEC_PER_SEC),
			     engine_phase_word(seen->phase),
			     troubled ? pod->facts.message
				      : "check the image and its registry, then deploy again."));
}

static void show_pull(struct round *round, struct round_pod *pod)
{
	const struct engine_pod_state *seen = pod->seen;
	struct pod_facts *facts = &pod->facts;

	if (facts->phase != POD_PULLING) {
		round_note(round, pod, "info", "pulling", "The image is being fetched.");
		set_reason(pod, "pulling", "The image is being fetched.");
	} else if (seen->pull_done != facts->pull_done &&
		   round->clock < pod->memo->pull_written_at + JUDGE_PULL_WRITE_US) {
		round_due(round, pod->memo->pull_written_at + JUDGE_PULL_WRITE_US);
		return;
	}
	if (seen->pull_done != facts->pull_done || seen->pull_total != facts->pull_total)
		pod->memo->pull_written_at = round->clock;
	facts->pull_done = seen->pull_done;
	facts->pull_total = seen->pull_total;
}

/* Its container was there and is not any more, and nobody here removed it. */
static void judge_vanished(struct round *round, struct round_pod *pod)
{
	bool stable = lived_stable(round, pod, round->now);

	pod->facts.address = NULL;
	pod->facts.finished_at = round->now;
	fail(round, pod, stable, false, "container_vanished",
	     "The container was removed by someone else than Dure.");
}

static void judge_preparing(struct round *round, struct round_pod *pod)
{
	struct pod_facts *facts = &pod->facts;
	const struct engine_pod_state *seen = pod->seen;

	if (facts->phase == POD_RUNNING || is_ended(facts)) {
		judge_vanished(round, pod);
		return;
	}
	facts->address = NULL;
	if (judge_trouble(round, pod))
		return;
	if (trial_is_over(round, pod)) {
		give_up(round, pod, false, "deploy_timeout",
			"It did not become ready in time. Look at its events, correct the workload"
			" and deploy it again.");
		return;
	}
	if (seen->phase == ENGINE_PULLING) {
		show_pull(round, pod);
		set_phase(round, pod, POD_PULLING);
	} else if (seen->phase == ENGINE_CREATED || seen->phase == ENGINE_EXITED) {
		set_phase(round, pod, POD_STARTING);
	} else {
		set_phase(round, pod, POD_PENDING);
	}
	judge_progress(round, pod);
}

static void become_ready(struct round *round, struct round_pod *pod)
{
	struct pod_memo *memo = pod->memo;

	memo->unready_since = 0;
	memo->trial_since = 0;
	memo->progress_at = 0;
	memo->told = ENGINE_TROUBLE_NONE;
	if (pod->facts.phase == POD_RUNNING)
		return;
	set_phase(round, pod, POD_RUNNING);
	pod->facts.ready_at = round->now;
	set_reason(pod, "ready", "Its port answers.");
	round_note(round, pod, "info", "ready", "The container runs and its port answers.");
}

/* It runs but does not answer, for longer than the rules allow. */
static void judge_mute(struct round *round, const struct round_workload *workload,
		       struct round_pod *pod)
{
	int64_t seconds = round->rules->ready_timeout_us / USEC_PER_SEC;
	bool stable = lived_stable(round, pod, round->now);
	const char *what = arena_printf(
		round->arena,
		"The container runs, but nothing answered on its port %d for %lld s. Check that"
		" the program listens on 0.0.0.0:%d, or correct the port.",
		workload->spec.port, (long long)seconds, workload->spec.port);

	pod->facts.finished_at = round->now;
	pod->facts.address = NULL;
	/* One that never answered will not answer the next time; one that did may be hung. */
	if (pod->facts.ready_at == 0)
		give_up(round, pod, false, "ready_timeout", what);
	else
		fail(round, pod, stable, false, "ready_timeout", what);
}

static void judge_running(struct round *round, const struct round_workload *workload,
			  struct round_pod *pod)
{
	const struct engine_pod_state *seen = pod->seen;
	struct pod_memo *memo = pod->memo;
	struct pod_facts *facts = &pod->facts;

	facts->address = seen->address;
	facts->started_at = seen->started_at;
	facts->finished_at = 0;
	/* From here on an end is left ended until it has its event, also when the clock of the
	 * engine's machine went backward. */
	facts->restart_past = 0;
	if (memo->seen_started_at != seen->started_at)
		memo->unready_since = 0;
	memo->seen_started_at = seen->started_at;
	memo->seen_phase = ENGINE_RUNNING;
	if (seen->ready && seen->address) {
		become_ready(round, pod);
		return;
	}
	if (memo->unready_since == 0)
		memo->unready_since = round->clock;
	if (facts->phase == POD_RUNNING) {
		int64_t end = memo->unready_since + JUDGE_UNREADY_TOLERANCE_US;
		if (round->clock < end) {
			round_due(round, end);
			return;
		}
		round_note(round, pod, "warning", "not_ready",
			   "The container runs, but its port does not answer any more.");
	}
	set_phase(round, pod, POD_STARTING);
	set_reason(pod, "not_ready", "The container runs; its port does not answer yet.");
	int64_t end = memo->unready_since + round->rules->ready_timeout_us;
	if (round->clock < end)
		round_due(round, end);
	else
		judge_mute(round, workload, pod);
}

/* An end that has no event yet: the event, and the next try. */
static void judge_end(struct round *round, const struct round_workload *workload,
		      struct round_pod *pod)
{
	const struct engine_pod_state *seen = pod->seen;
	struct pod_facts *facts = &pod->facts;
	const char *what;

	facts->started_at = seen->started_at;
	facts->finished_at = seen->finished_at;
	facts->exit_seen_at = seen->finished_at;
	facts->exit_code = seen->exit_code;
	facts->address = NULL;
	if (engine_trouble_permanent(seen->trouble)) {
		(void)judge_trouble(round, pod);
		return;
	}
	if (seen->oom_killed)
		what = arena_printf(round->arena,
				    "The container needed more than its %lld MB of memory and was"
				    " killed; give the workload more memory.",
				    (long long)workload->spec.memory_mb);
	else
		what = arena_printf(round->arena, "The container ended with exit code %d.%s",
				    seen->exit_code,
				    seen->exit_code == 0 ? " A service must keep running." : "");
	fail(round, pod, lived_stable(round, pod, seen->finished_at), true,
	     seen->oom_killed ? "out_of_memory" : "exited", what);
	if (!str_empty(seen->last_log)) {
		struct note *note = &pod->notes[pod->n_notes - 1];
		note->message = arena_printf(round->arena, "%s Last lines of its log:\n%s",
					     note->message, seen->last_log);
	}
}

/* Waits until it may be tried again. True when that time has come. */
static bool is_due(struct round *round, struct round_pod *pod, bool any_ready)
{
	struct pod_memo *memo = pod->memo;

	if (memo->due == 0) {
		/* Another Dure wrote the row: what is left of the wait, whatever the clock did. */
		int64_t left = pod->facts.restart_at - round->now;
		left = left < 0 ? 0 : left;
		memo->due = round->clock +
			    (left < JUDGE_FAILED_RETRY_US ? left : JUDGE_FAILED_RETRY_US);
	}
	if (round->clock < memo->due) {
		round_due(round, memo->due);
		return false;
	}
	if (!judge_failed(&pod->facts, round->rules))
		return true;
	/* Failed for good: worth a try only while others show that the workload can run. */
	if (!any_ready)
		return false;
	pod->facts.failures = round->rules->failures_limit - 1;
	return true;
}

static void restart(struct round *round, struct round_pod *pod, enum pod_phase phase)
{
	struct pod_memo *memo = pod->memo;

	memo->due = 0;
	memo->trial_since = round->clock;
	memo->progress_at = round->clock;
	memo->unready_since = 0;
	memo->told = ENGINE_TROUBLE_NONE;
	pod->facts.restarts++;
	pod->facts.restart_at = 0;
	set_phase(round, pod, phase);
	set_reason(pod, "retrying", "It is being started again.");
}

static void judge_exited(struct round *round, const struct round_workload *workload,
			 struct round_pod *pod, bool any_ready)
{
	struct pod_facts *facts = &pod->facts;

	if (pod->seen->finished_at != facts->exit_seen_at) {
		judge_end(round, workload, pod);
		return;
	}
	if (!is_ended(facts)) {
		/* Told to start again; the engine is at it. */
		judge_preparing(round, pod);
		return;
	}
	if (is_due(round, pod, any_ready)) {
		restart(round, pod, POD_STARTING);
		facts->restart_past = facts->exit_seen_at;
	}
}

/* Taken down to be made anew: waits for its time and for the engine to have let go of it. */
static void judge_remake(struct round *round, struct round_pod *pod, bool any_ready)
{
	if (!is_due(round, pod, any_ready) || pod->seen)
		return;
	restart(round, pod, POD_PENDING);
	pod->facts.started_at = 0;
	pod->facts.finished_at = 0;
	pod->facts.pull_done = 0;
	pod->facts.pull_total = 0;
}

static void judge_removal(struct round *round, struct round_pod *pod)
{
	const struct engine_pod_state *seen = pod->seen;
	struct pod_facts *facts = &pod->facts;

	if (!seen) {
		set_phase(round, pod, POD_GONE);
		facts->gone_at = round->now;
		facts->address = NULL;
		if (facts->started_at > 0 && facts->finished_at == 0)
			facts->finished_at = round->now;
		return;
	}
	if (seen->started_at > 0)
		facts->started_at = seen->started_at;
	if (seen->finished_at > 0) {
		facts->finished_at = seen->finished_at;
		facts->exit_code = seen->exit_code;
	}
	int64_t slow = pod->memo->leaving_since + JUDGE_REMOVAL_SLOW_US;
	if (round->clock < slow) {
		round_due(round, slow);
		return;
	}
	if (!pod->memo->told_slow)
		round_note(round, pod, "warning", "removal_slow",
			   "Stopping and removing takes longer than usual%s%s. Its GPUs are given"
			   " back when the engine has removed it; the operator may have to look.",
			   str_empty(seen->message) ? "" : ": ",
			   str_empty(seen->message) ? "" : seen->message);
	pod->memo->told_slow = true;
}

static void judge_leaver(struct round *round, struct round_pod *pod)
{
	struct pod_memo *memo = pod->memo;

	if (memo->leaving_since == 0)
		memo->leaving_since = round->clock;
	if (pod->facts.phase == POD_DRAINING) {
		int64_t end = memo->leaving_since + round->rules->drain_grace_s * USEC_PER_SEC;
		bool ended = !pod->seen || pod->seen->phase != ENGINE_RUNNING;
		if (round->clock < end && !ended && pod->target) {
			round_due(round, end);
			return;
		}
		set_phase(round, pod, POD_REMOVING);
		return; /* the engine hears of it in this round, and answers for the next */
	}
	judge_removal(round, pod);
}

void judge_pod(struct round *round, const struct round_workload *workload, struct round_pod *pod,
	       bool any_ready)
{
	struct pod_facts *facts = &pod->facts;

	assert(facts->phase != POD_GONE);
	if (judge_leaving(facts)) {
		judge_leaver(round, pod);
	} else if (!judge_wanted(facts)) {
		judge_remake(round, pod, any_ready);
	} else if (!pod->seen) {
		if (facts->phase == POD_RUNNING || is_ended(facts))
			judge_vanished(round, pod);
		else if (facts->phase != POD_PENDING)
			set_phase(round, pod, POD_PENDING);
	} else if (pod->seen->phase == ENGINE_RUNNING) {
		judge_running(round, workload, pod);
	} else if (pod->seen->phase == ENGINE_EXITED) {
		judge_exited(round, workload, pod, any_ready);
	} else {
		judge_preparing(round, pod);
	}
}
