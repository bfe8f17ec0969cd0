/* The table of verbs: finding one by its words, guessing what was meant, listing them. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/strings.h"
#include "cli/app.h"

#define WORD_MAX 32 /* longer words resemble no verb */

static const struct verb *const lists[] = {
	verbs_access, verbs_workload, verbs_deploy, verbs_gpu,
	verbs_node,   verbs_token,    verbs_server,
};

const struct verb *cli_verb_at(size_t index)
{
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		for (const struct verb *verb = lists[i]; verb->name; verb++)
			if (index-- == 0)
				return verb;
	return NULL;
}

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;

	return least < c ? least : c;
}

/* How many letters to add, drop, change or swap with a neighbour to get from a to b. */
static size_t distance(const char *a, const char *b)
{
	size_t rows[3][WORD_MAX + 1], n = strlen(a), m = strlen(b);
	size_t *before = rows[0], *above = rows[1], *row = rows[2];

	if (n > WORD_MAX || m > WORD_MAX)
		return WORD_MAX;
	for (size_t j = 0; j <= m; j++)
		above[j] = j;
	for (size_t i = 1; i <= n; i++) {
		row[0] = i;
		for (size_t j = 1; j <= m; j++) {
			row[j] = min3(above[j] + 1, row[j - 1] + 1,
				      above[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = min3(row[j], before[j - 2] + 1, row[j]);
		}
		size_t *spare = before;
		before = above;
		above = row;
		row = spare;
	}
	return above[m];
}

/* The name among verbs of `group` (or, with `groups`, verbs and groups of the top) that is nearest;
 * NULL when none is near. */
static const char *nearest(const char *word, const char *group, bool top)
{
	const char *best = NULL;
	size_t best_distance = strlen(word) / 2 + 1;
	const struct verb *verb;

	for (size_t i = 0; (verb = cli_verb_at(i)); i++) {
		const char *name = top && verb->group ? verb->group : verb->name;
		if (!top && !str_equal(verb->group, group))
			continue;
		size_t d = distance(word, name);
		if (d < best_distance) {
			best = name;
			best_distance = d;
		}
	}
	return best;
}

/* A verb of a group typed without the group: "dure deploy 7". */
static const struct verb *by_name_alone(const char *word)
{
	const struct verb *verb, *found = NULL;

	for (size_t i = 0; (verb = cli_verb_at(i)); i++)
		if (verb->group && str_equal(verb->name, word)) {
			if (found)
				return NULL;
			found = verb;
		}
	return found;
}

static void unknown(const char *word, const char *group, struct err *err)
{
	const struct verb *alone = group ? NULL : by_name_alone(word);
	const char *near = nearest(word, group, !group);

	if (alone)
		err_set(err, ERR_INVALID, "there is no verb \"%s\"; did you mean: dure %s %s", word,
			alone->group, alone->name);
	else if (near)
		err_set(err, ERR_INVALID, "there is no verb \"%s%s%s\"; did you mean: dure %s%s%s",
			group ? group : "", group ? " " : "", word, group ? group : "",
			group ? " " : "", near);
	else
		err_set(err, ERR_INVALID,
			"there is no verb \"%s%s%s\"; all verbs are listed by: dure help",
			group ? group : "", group ? " " : "", word);
}

const struct verb *cli_verb_find(struct cli *cli, const char *const *words, size_t count,
				 size_t *ret_used, const char **ret_group, struct err *err)
{
	const struct verb *verb;
	const char *group = NULL;

	(void)cli;
	*ret_group = NULL;
	for (size_t i = 0; (verb = cli_verb_at(i)); i++) {
		if (!verb->group && str_equal(verb->name, words[0])) {
			*ret_used = 1;
			return verb;
		}
		if (!str_equal(verb->group, words[0]))
			continue;
		group = verb->group;
		if (count > 1 && str_equal(verb->name, words[1])) {
			*ret_used = 2;
			return verb;
		}
	}
	if (group && (count < 2 || words[1][0] == '-')) {
		*ret_group = group;
		return NULL;
	}
	unknown(group ? words[1] : words[0], group, err);
	return NULL;
}

const char *cli_verbs_text(struct cli *cli, const char *group)
{
	BUF_AUTO text = BUF_INIT(LIMIT_BODY_BYTES);
	const struct verb *verb;
	char name[64];

	if (!group) {
		buf_printf(&text, "  %-20s %s\n", "serve", "Run the service itself");
		buf_printf(&text, "  %-20s %s\n", "admin", "Repair a stopped service's accounts");
	}
	for (size_t i = 0; (verb = cli_verb_at(i)); i++) {
		if (group && !str_equal(verb->group, group))
			continue;
		(void)snprintf(name, sizeof(name), "%s%s%s", verb->group ? verb->group : "",
			       verb->group ? " " : "", verb->name);
		buf_printf(&text, "  %-20s %s\n", name, verb->summary);
	}
	const char *kept = text.failed ? NULL : arena_strdup(cli->arena, text.data);
	return kept ? kept : "";
}
