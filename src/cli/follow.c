/* Following a workload: polling, a live line, events as they come. */
#include <assert.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/env.h"
#include "base/strings.h"
#include "cli/amount.h"
#include "cli/report.h"
#include "cli/text.h"
#include "cli/workload.h"

#define POLL_MS 250
#define AWAY_LONGEST (30 * USEC_PER_SEC) /* a server that restarts is back long before */
#define MIB (1024 * 1024)

struct follower {
	struct cli *cli;
	const struct follow_plan *plan;
	struct env env;
	struct arena *round;     /* what one poll needs */
	json_t *workload, *pods; /* of the last poll */
	int64_t started;         /* monotonic */
	int64_t away_since;      /* monotonic; 0: the server answers */
	int64_t after;           /* last event seen */
	bool caught_up;          /* the events of before are behind us */
	bool drawn;              /* a live line stands on the terminal */
	char kind[128];          /* of the last line printed */
};

/* SIGINT stays blocked while following, so that it is seen between calls and not lost in one. */
static void interrupts_block(sigset_t *before)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &set, before);
}

/* Sleeps; true when Ctrl-C came instead. */
static bool interrupted_within(int ms)
{
	struct timespec wait = { ms / 1000, ms % 1000 * 1000000L };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	return sigtimedwait(&set, NULL, &wait) == SIGINT;
}

static void line_clear(struct follower *f)
{
	if (f->drawn)
		fputs("\r\033[K", stderr);
	f->drawn = false;
}

/* In place on a terminal; elsewhere a line whenever the kind changes. */
static void line_draw(struct follower *f, const char *text, const char *kind)
{
	const char *time = amount_duration(f->round, env_monotonic(&f->env) - f->started);

	if (f->cli->quiet || f->cli->json)
		return;
	if (!f->cli->live) {
		if (str_equal(kind, f->kind))
			return;
		str_copy(f->kind, sizeof(f->kind), kind);
		fprintf(stderr, "%s  %s\n", text, time);
		return;
	}
	fflush(stdout);
	size_t columns = f->cli->columns ? f->cli->columns - 1 : 79;
	const char *line = arena_printf(f->round, "%s  %s", text, time);
	size_t bytes = line ? text_fit(line, columns) : 0;
	fprintf(stderr, "\r\033[K%.*s", (int)bytes, line ? line : "");
	fflush(stderr);
	f->drawn = true;
}

static size_t pods_in(const json_t *pods, const char *phase)
{
	size_t index, count = 0;
	json_t *pod;

	json_array_foreach(pods, index,
			   pod) if (str_equal(json_string_value(json_object_get(pod, "phase")),
					      phase)) count++;
	return count;
}

static const char *pull_text(struct cli *cli, const json_t *pods, const char **ret_kind)
{
	int64_t done = 0, total = 0;
	size_t index;
	json_t *pod;

	json_array_foreach(pods, index, pod)
	{
		const json_t *pull = member_of(pod, "pull");
		/* Pods of one image share its pull: the one that is furthest behind counts. */
		if (pull && member_int(pull, "total") > 0 &&
		    (total == 0 || member_int(pull, "done") < done)) {
			done = member_int(pull, "done");
			total = member_int(pull, "total");
		}
	}
	*ret_kind = "pulling";
	if (total == 0)
		return "pulling the image";
	int64_t percent = done >= total ? 100 : (int64_t)((double)done / (double)total * 100.0);
	*ret_kind = arena_printf(cli->arena, "pulling %" PRId64, percent / 10);
	return arena_printf(cli->arena, "pulling %" PRId64 " %% (%" PRId64 "/%" PRId64 " MB)",
			    percent, done / MIB, (total + MIB - 1) / MIB);
}

const char *progress_text(struct cli *cli, const json_t *workload, const json_t *pods,
			  const char **ret_kind)
{
	const char *state = member_text(cli, workload, "state");
	const json_t *count = json_object_get(workload, "pods");
	int64_t asked = member_int(count, "asked"), ready = member_int(count, "ready");
	int64_t total = member_int(count, "total");
	const char *text;

	if (str_equal(state, "terminating"))
		text = arena_printf(cli->arena, "terminating, %" PRId64 " pod%s left", total,
				    total == 1 ? "" : "s");
	else if (!str_equal(state, "deploying"))
		text = arena_printf(cli->arena, "%s %" PRId64 "/%" PRId64 " ready", state, ready,
				    asked);
	else if (pods_in(pods, "pulling") > 0)
		return pull_text(cli, pods, ret_kind);
	else if (pods_in(pods, "restarting") > 0)
		text = arena_printf(cli->arena, "restarting %zu of %" PRId64,
				    pods_in(pods, "restarting"), asked);
	else if (json_array_size(pods) == 0 || pods_in(pods, "pending") == json_array_size(pods))
		text = "placing";
	else
		text = arena_printf(cli->arena, "starting %" PRId64 "/%" PRId64 " ready", ready,
				    asked);
	*ret_kind = text;
	return text ? text : "";
}

/* The events of this deploy that are new. Older ones are passed over. */
static int take_events(struct follower *f, const char *path, struct err *err)
{
	int64_t since = member_time(f->workload, "deploy_started_at");
	size_t index, got;
	json_t *event;

	do {
		json_auto_t *page = NULL;
		const char *query = arena_printf(f->round, "%s/events?limit=200&after=%" PRId64,
						 path, f->after);
		if (!query)
			return err_oom(err);
		if (cli_call(f->cli, "GET", query, NULL, &page, err) < 0)
			return -1;
		const json_t *items = json_object_get(page, "items");
		got = json_array_size(items);
		json_array_foreach(items, index, event)
		{
			const char *level = json_string_value(json_object_get(event, "level"));
			f->after = member_int(event, "id");
			if (!f->caught_up && member_time(event, "at") < since)
				continue;
			if (!f->plan->events && !str_equal(level, "warning"))
				continue;
			line_clear(f);
			if (f->cli->json)
				report_json_line(event);
			else if (f->plan->events)
				workload_show_event(f->cli, event);
			else
				report_note(f->cli, "%s: %s", level,
					    member_text(f->cli, event, "message"));
		}
	} while (got == 200);
	f->caught_up = true;
	return 0;
}

static int poll_once(struct follower *f, struct err *err)
{
	const char *path = arena_printf(f->round, "/workloads/%" PRId64, f->plan->ser);
	const char *pods = arena_printf(f->round, "/workloads/%" PRId64 "/pods", f->plan->ser);
	json_auto_t *workload = NULL, *answer = NULL;
	bool watch_events = f->plan->events || !f->cli->json;

	if (!path || !pods)
		return err_oom(err);
	if (cli_call(f->cli, "GET", path, NULL, &workload, err) < 0 ||
	    cli_call(f->cli, "GET", pods, NULL, &answer, err) < 0)
		return -1;
	json_decref(f->workload);
	f->workload = json_incref(workload);
	json_decref(f->pods);
	f->pods = json_incref(json_object_get(answer, "items"));
	return watch_events ? take_events(f, path, err) : 0;
}

static bool settled(const struct follower *f)
{
	static const char *const states[] = { "registered", "deployed", "terminated", "failed" };
	const char *state = json_string_value(json_object_get(f->workload, "state"));

	if (str_equal(state, f->plan->goal))
		return true;
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (str_equal(state, states[i]))
			return true;
	return false;
}

/* A poll that failed: negative when it is to be given up. */
static int stumble(struct follower *f, struct err *err)
{
	int64_t now = env_monotonic(&f->env);
	enum cli_exit status = report_exit(err);
	bool passing = status == CLI_NETWORK || status == CLI_API;

	if (f->away_since == 0)
		f->away_since = now;
	if (!passing || !f->workload || now - f->away_since > AWAY_LONGEST)
		return -1;
	line_draw(f, "the server does not answer, trying again", "away");
	err_clear(err);
	return 0;
}

static int follow_loop(struct follower *f, enum follow_end *ret_end, struct err *err)
{
	const char *kind = "";

	for (;;) {
		arena_reset(f->round);
		if (interrupted_within(0)) {
			*ret_end = FOLLOW_INTERRUPTED;
			return 0;
		}
		if (poll_once(f, err) < 0) {
			if (interrupted_within(0)) { /* it was Ctrl-C that ended the call */
				*ret_end = FOLLOW_INTERRUPTED;
				return 0;
			}
			if (stumble(f, err) < 0)
				return -1;
		} else {
			f->away_since = 0;
			*ret_end = FOLLOW_SETTLED;
			if (settled(f))
				return 0;
			const char *text = progress_text(f->cli, f->workload, f->pods, &kind);
			line_draw(f, text, kind);
		}
		*ret_end = FOLLOW_TIMED_OUT;
		if (env_monotonic(&f->env) - f->started > f->plan->longest_us)
			return 0;
		*ret_end = FOLLOW_INTERRUPTED;
		if (interrupted_within(POLL_MS))
			return 0;
	}
}

int follow(struct cli *cli, const struct follow_plan *plan, json_t **ret_workload,
	   enum follow_end *ret_end, struct err *err)
{
	struct follower f = { .cli = cli, .plan = plan, .env = env_system(NULL) };
	sigset_t before;

	assert(plan->ser > 0 && plan->longest_us > 0);
	f.round = arena_new(CLI_ARENA_BYTES);
	if (!f.round)
		return err_oom(err);
	f.started = env_monotonic(&f.env);
	interrupts_block(&before);
	int rc = follow_loop(&f, ret_end, err);
	line_clear(&f);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	json_decref(f.pods);
	arena_free(f.round);
	if (rc < 0) {
		json_decref(f.workload);
		return -1;
	}
	*ret_workload = f.workload;
	return 0;
}
