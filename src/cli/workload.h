/* What the workload verbs share. */
#ifndef DURE_CLI_WORKLOAD_H
#define DURE_CLI_WORKLOAD_H

#include "cli/app.h"

/* Tables and pages. */
void workload_show(struct cli *cli, const json_t *workload);
void workload_show_list(struct cli *cli, const json_t *items);
void workload_show_pods(struct cli *cli, const json_t *items);
void workload_show_event(struct cli *cli, const json_t *event);

/* Following a workload until it settles (follow.c). */
struct follow_plan {
	int64_t ser;
	const char *goal;   /* "deployed", "terminated"; NULL: any state that settles */
	bool events;        /* print every event, not only warnings and errors */
	int64_t longest_us; /* give up after so long */
};
enum follow_end { FOLLOW_SETTLED, FOLLOW_INTERRUPTED, FOLLOW_TIMED_OUT };

/* Polls and shows progress on stderr, events on stdout where the plan wants them. *ret_workload is
 * the last one seen. A server that is away for less than half a minute is waited for. */
int follow(struct cli *cli, const struct follow_plan *plan, json_t **ret_workload,
	   enum follow_end *ret_end, struct err *err);
/* Follows a deploy and tells how it ended; an exit status. */
int follow_deploy(struct cli *cli, int64_t ser, struct err *err);

/* What is going on, from the workload and its pods: "pulling 43 % (12/28 MB)". `ret_kind` is the
 * same without what changes all the time, to tell when a new line is worth it. */
const char *progress_text(struct cli *cli, const json_t *workload, const json_t *pods,
			  const char **ret_kind);

/* The flags of every verb that follows. */
#define FOLLOW_FLAGS                                                                               \
	{ "no-wait", 0, NULL, "Return at once and do not follow it", FLAG_SWITCH, NULL, false },   \
	{                                                                                          \
		"wait", 0, "DURATION", "Follow it for at most so long (default 1h)", FLAG_TEXT,    \
			NULL, false                                                                \
	}

/* --wait in µs */
int follow_longest(struct cli *cli, int64_t *ret_us, struct err *err);

#endif
