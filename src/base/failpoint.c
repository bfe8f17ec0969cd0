#include "base/failpoint.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const names[FAILPOINT_COUNT] = {
#define X(name) #name,
	FAILPOINTS(X)
#undef X
};

const char *failpoint_name(enum failpoint point) { return names[point]; }

#ifdef DURE_FAILPOINTS

/* Test builds only: the one place outside main with state of its own, since a point has no context.
 */
static failpoint_hook *hook;
static void *hook_context;
static atomic_int passings;

void failpoint_set_hook(failpoint_hook *new_hook, void *context)
{
	hook = new_hook;
	hook_context = context;
}

/* "name=action[@n]": is this the passing at which `rule` acts on `point`? Gives the action's text.
 */
static const char *rule_action(const char *rule, enum failpoint point)
{
	size_t length = strlen(names[point]);

	if (!rule || strncmp(rule, names[point], length) != 0 || rule[length] != '=')
		return NULL;
	const char *at = strchr(rule, '@');
	long nth = at ? strtol(at + 1, NULL, 10) : 1;
	if (atomic_fetch_add(&passings, 1) + 1 != nth)
		return NULL;
	return rule + length + 1;
}

bool failpoint_passed(enum failpoint point)
{
	if (hook)
		return hook(hook_context, point);
	const char *action = rule_action(getenv("DURE_FAILPOINT"), point);
	if (!action)
		return false;
	if (strncmp(action, "kill", 4) == 0) {
		(void)kill(getpid(), SIGKILL);
		(void)pause(); /* until the signal arrives */
	}
	if (strncmp(action, "pause:", 6) == 0) {
		long ms = strtol(action + 6, NULL, 10);
		struct timespec wait = { ms / 1000, ms % 1000 * 1000000 };
		(void)nanosleep(&wait, NULL);
	}
	return strncmp(action, "error", 5) == 0;
}

#endif
