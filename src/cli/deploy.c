/* dure workload deploy, watch, terminate */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/env.h"
#include "base/strings.h"
#include "cli/amount.h"
#include "cli/prompt.h"
#include "cli/report.h"
#include "cli/text.h"
#include "cli/workload.h"

#define WAIT_DEFAULT (3600 * USEC_PER_SEC) /* the server itself gives a deploy up after 30 min */
#define WAIT_MAX INT64_C(604800)           /* s; a week */

int follow_longest(struct cli *cli, int64_t *ret_us, struct err *err)
{
	const char *text = args_value(&cli->args, "wait");
	int64_t seconds;

	*ret_us = WAIT_DEFAULT;
	if (!text)
		return 0;
	if (amount_duration_parse(text, &seconds) < 0 || seconds < 1 || seconds > WAIT_MAX)
		return err_set(err, ERR_INVALID,
			       "--wait takes a time from 1s to 7d, like 10m, not \"%s\"", text);
	*ret_us = seconds * USEC_PER_SEC;
	return 0;
}

/* The last error among the events of this deploy; NULL when there is none. */
static json_t *last_error(struct cli *cli, const json_t *workload)
{
	int64_t since = member_time(workload, "deploy_started_at"), after = 0;
	json_t *found = NULL, *event;
	size_t index, got;
	ERR_AUTO(ignored); /* the workload's own message is shown then */

	do {
		json_auto_t *page = NULL;
		const char *path = arena_printf(
			cli->arena, "/workloads/%" PRId64 "/events?limit=200&after=%" PRId64,
			member_int(workload, "ser"), after);
		if (!path || cli_call(cli, "GET", path, NULL, &page, &ignored) < 0)
			break;
		const json_t *items = json_object_get(page, "items");
		got = json_array_size(items);
		json_array_foreach(items, index, event)
		{
			after = member_int(event, "id");
			if (member_time(event, "at") < since ||
			    !str_equal(json_string_value(json_object_get(event, "level")), "error"))
				continue;
			json_decref(found);
			found = json_incref(event);
		}
	} while (got == 200);
	return found;
}

/* Lines set in by two columns. */
static void print_block(struct cli *cli, const char *message)
{
	char *text = text_block(cli->arena, message);

	for (char *line = text; line && *line;) {
		size_t length = strcspn(line, "\n");
		fprintf(stderr, "  %.*s\n", (int)length, line);
		line += length + (line[length] == '\n');
	}
}

static int tell_failure(struct cli *cli, const json_t *workload)
{
	json_auto_t *event = last_error(cli, workload);
	const char *own = json_string_value(json_object_get(workload, "message"));
	const char *told = json_string_value(json_object_get(event, "message"));
	int64_t ser = member_int(workload, "ser");

	fprintf(stderr, "%sWorkload %" PRId64 " has failed: %s%s\n",
		style_on(STYLE_BAD, cli->color_err), ser, member_text(cli, workload, "reason"),
		style_off(STYLE_BAD, cli->color_err));
	if (own)
		print_block(cli, own);
	if (told && !str_equal(told, own))
		print_block(cli, told);
	fprintf(stderr,
		"What happened in full:  dure workload events %" PRId64 "\n"
		"Change it and retry:    dure workload edit %" PRId64
		" …; dure workload deploy %" PRId64 "\n",
		ser, ser, ser);
	return CLI_USAGE;
}

static void tell_deployed(struct cli *cli, const json_t *workload)
{
	const char *url = member_text(cli, workload, "service_url");
	int64_t took =
		member_time(workload, "deployed_at") - member_time(workload, "deploy_started_at");
	const json_t *pods = json_object_get(workload, "pods");

	if (!cli->quiet)
		report_line("%sDeployed%s in %s, %" PRId64 " of %" PRId64 " ready.",
			    style_on(STYLE_GOOD, cli->color), style_off(STYLE_GOOD, cli->color),
			    amount_duration(cli->arena, took), member_int(pods, "ready"),
			    member_int(pods, "asked"));
	report_line("%s%s", cli->quiet ? "" : "Service URL: ", url);
}

static int tell_unsettled(struct cli *cli, int64_t ser, enum follow_end end, const char *doing)
{
	report_note(cli,
		    "%s; workload %" PRId64 " goes on %s without us.\n"
		    "Follow it again: dure workload watch %" PRId64,
		    end == FOLLOW_INTERRUPTED ? "Interrupted" : "Waited long enough", ser, doing,
		    ser);
	return CLI_USAGE;
}

int follow_deploy(struct cli *cli, int64_t ser, struct err *err)
{
	struct follow_plan plan = { .ser = ser, .goal = "deployed" };
	json_auto_t *workload = NULL;
	enum follow_end end;

	if (follow_longest(cli, &plan.longest_us, err) < 0 ||
	    follow(cli, &plan, &workload, &end, err) < 0)
		return -1;
	const char *state = member_text(cli, workload, "state");
	bool deployed = end == FOLLOW_SETTLED && str_equal(state, "deployed");
	if (cli->json) {
		report_json(workload);
		return deployed ? CLI_OK : CLI_USAGE;
	}
	if (end != FOLLOW_SETTLED)
		return tell_unsettled(cli, ser, end, "deploying");
	if (str_equal(state, "failed"))
		return tell_failure(cli, workload);
	if (!deployed) {
		report_note(cli, "Workload %" PRId64 " is %s: someone terminated it meanwhile.",
			    ser, state);
		return CLI_USAGE;
	}
	tell_deployed(cli, workload);
	return CLI_OK;
}

/* The order itself: its answer is printed when nobody waits for more. */
static int order(struct cli *cli, const char *verb, int64_t *ret_ser, struct err *err)
{
	json_auto_t *workload = NULL;
	const char *path;

	if (cli_workload_path(cli, ret_ser, &path, err) < 0)
		return -1;
	path = arena_printf(cli->arena, "%s/%s", path, verb);
	if (!path)
		return err_oom(err);
	if (cli_call(cli, "POST", path, NULL, &workload, err) < 0)
		return -1;
	if (!args_has(&cli->args, "no-wait"))
		return 0;
	if (cli->json)
		report_json(workload);
	else
		report_note(cli, "Workload %" PRId64 " is %s.", *ret_ser,
			    member_text(cli, workload, "state"));
	return 0;
}

static int run_deploy(struct cli *cli, struct err *err)
{
	int64_t ser, longest;

	if (follow_longest(cli, &longest, err) < 0 || order(cli, "deploy", &ser, err) < 0)
		return -1;
	return args_has(&cli->args, "no-wait") ? (int)CLI_OK : follow_deploy(cli, ser, err);
}

static int follow_terminate(struct cli *cli, int64_t ser, struct err *err)
{
	struct follow_plan plan = { .ser = ser, .goal = "terminated" };
	json_auto_t *workload = NULL;
	enum follow_end end;

	if (follow_longest(cli, &plan.longest_us, err) < 0 ||
	    follow(cli, &plan, &workload, &end, err) < 0)
		return -1;
	const char *state = member_text(cli, workload, "state");
	bool terminated = end == FOLLOW_SETTLED && str_equal(state, "terminated");
	if (cli->json)
		report_json(workload);
	else if (end != FOLLOW_SETTLED)
		return tell_unsettled(cli, ser, end, "terminating");
	else
		report_note(cli, "Workload %" PRId64 " is %s.", ser, state);
	return terminated ? CLI_OK : CLI_USAGE;
}

static int run_terminate(struct cli *cli, struct err *err)
{
	int64_t ser, longest;
	const char *path;

	if (cli_workload_path(cli, &ser, &path, err) < 0 || follow_longest(cli, &longest, err) < 0)
		return -1;
	if (!args_has(&cli->args, "yes") &&
	    !prompt_confirm(arena_printf(cli->arena,
					 "Terminate workload %" PRId64
					 "? Data inside its containers is not kept.",
					 ser)))
		return err_set(err, ERR_INVALID, "nothing was done");
	if (order(cli, "terminate", &ser, err) < 0)
		return -1;
	return args_has(&cli->args, "no-wait") ? (int)CLI_OK : follow_terminate(cli, ser, err);
}

static int run_watch(struct cli *cli, struct err *err)
{
	struct follow_plan plan = { .events = true };
	json_auto_t *workload = NULL;
	enum follow_end end;
	const char *path;

	if (cli_workload_path(cli, &plan.ser, &path, err) < 0 ||
	    follow_longest(cli, &plan.longest_us, err) < 0 ||
	    follow(cli, &plan, &workload, &end, err) < 0)
		return -1;
	const char *state = member_text(cli, workload, "state");
	if (end != FOLLOW_SETTLED)
		return end == FOLLOW_INTERRUPTED ? (int)CLI_OK : (int)CLI_USAGE;
	if (cli->json)
		return str_equal(state, "failed") ? CLI_USAGE : CLI_OK;
	if (str_equal(state, "failed"))
		return tell_failure(cli, workload);
	if (str_equal(state, "deployed"))
		tell_deployed(cli, workload);
	else
		report_note(cli, "Workload %" PRId64 " is %s.", plan.ser, state);
	return CLI_OK;
}

static const struct flag deploy_flags[] = { FOLLOW_FLAGS, { 0 } };

static const struct flag terminate_flags[] = {
	{ "yes", 'y', NULL, "Do not ask", FLAG_SWITCH, NULL, false },
	FOLLOW_FLAGS,
	{ 0 },
};

static const struct flag watch_flags[] = {
	{ "wait", 0, "DURATION", "Watch for at most so long (default 1h)", FLAG_TEXT, NULL, false },
	{ 0 },
};

const struct verb verbs_deploy[] = {
	{ "workload", "deploy", "SER", 1, 1, false, deploy_flags,
	  "Deploy a workload and follow it until its URL answers", "dure workload deploy 7",
	  run_deploy },
	{ "workload", "watch", "SER", 1, 1, false, watch_flags,
	  "Show events and progress until the workload settles", "dure workload watch 7",
	  run_watch },
	{ "workload", "terminate", "SER", 1, 1, false, terminate_flags,
	  "Terminate a workload; data in its containers is lost", "dure workload terminate 7 --yes",
	  run_terminate },
	{ 0 },
};
