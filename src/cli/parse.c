/* Arguments by argp: a verb's flags and the ones that every verb has. */
#include <argp.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/strings.h"
#include "cli/amount.h"
#include "cli/app.h"

#define KEY_FIRST 0x1000 /* above every letter */

enum common { COMMON_OUTPUT = KEY_FIRST / 2, COMMON_URL, COMMON_TOKEN, COMMON_TIMEOUT };

static const struct argp_option common_options[] = {
	{ NULL, 0, NULL, 0, "Every verb takes:", 90 },
	{ "output", 'o', "table|json", 0, "Tables for people, or the API's answer", 90 },
	{ "url", COMMON_URL, "URL", 0, "The server (else DURE_URL, else that of dure login)", 90 },
	{ "token", COMMON_TOKEN, "TOKEN", 0, "The API token (else DURE_TOKEN, else that of login)",
	  90 },
	{ "timeout", COMMON_TIMEOUT, "DURATION", 0, "For one request, like 30s (default 60s)", 90 },
	{ "quiet", 'q', NULL, 0, "Results only: no remarks, no progress", 90 },
	{ 0 },
};

static error_t parse_common(int key, char *value, struct argp_state *state)
{
	struct cli *cli = state->input;

	switch (key) {
	case 'o':
		if (!str_equal(value, "json") && !str_equal(value, "table"))
			argp_error(state, "-o takes table or json, not \"%s\"", value);
		cli->json = str_equal(value, "json");
		return 0;
	case COMMON_URL: cli->url_flag = value; return 0;
	case COMMON_TOKEN: cli->token_flag = value; return 0;
	case COMMON_TIMEOUT:
		if (amount_duration_parse(value, &cli->request_timeout_s) < 0 ||
		    cli->request_timeout_s < 1 || cli->request_timeout_s > 86400)
			argp_error(state, "--timeout takes a time like 30s or 2m, not \"%s\"",
				   value);
		return 0;
	case 'q': cli->quiet = true; return 0;
	default: return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp common_argp = {
	common_options, parse_common, NULL, NULL, NULL, NULL, NULL
};

static bool takes_value(enum flag_kind kind)
{
	return kind != FLAG_SWITCH && kind != FLAG_OFF && kind != FLAG_NULL;
}

static error_t take_word(struct cli *cli, char *value, struct argp_state *state)
{
	const struct verb *verb = cli->verb;
	struct args *args = &cli->args;

	if (state->quoted && state->next > state->quoted && verb->takes_command) {
		args->command[args->n_command++] = value;
		return 0;
	}
	if (args->n_words >= verb->max_words)
		argp_error(state, "\"%s\" is one argument too many", value);
	args->words[args->n_words++] = value;
	return 0;
}

static error_t parse_verb(int key, char *value, struct argp_state *state)
{
	struct cli *cli = state->input;

	switch (key) {
	case ARGP_KEY_INIT: state->child_inputs[0] = cli; return 0;
	case ARGP_KEY_ARG: return take_word(cli, value, state);
	case ARGP_KEY_END:
		cli->args.has_command = state->quoted && cli->verb->takes_command;
		if (cli->args.n_words < cli->verb->min_words)
			argp_error(state, "an argument is missing: %s", cli->verb->words);
		return 0;
	default: break;
	}
	if (key < KEY_FIRST)
		for (const struct flag *flag = cli->verb->flags; flag && flag->name; flag++)
			if (flag->letter == key)
				key = KEY_FIRST + (int)(flag - cli->verb->flags);
	if (key < KEY_FIRST || key >= ARGP_KEY_END)
		return ARGP_ERR_UNKNOWN;
	cli->args.given[cli->args.n_given++] =
		(struct given){ &cli->verb->flags[key - KEY_FIRST], value };
	return 0;
}

/* The flags of a verb as argp wants them. */
static struct argp_option *options_of(struct cli *cli, const struct verb *verb)
{
	size_t count = 0;

	while (verb->flags && verb->flags[count].name)
		count++;
	struct argp_option *options = ARENA_ARRAY(cli->arena, count + 1, struct argp_option);
	for (size_t i = 0; options && i < count; i++) {
		const struct flag *flag = &verb->flags[i];
		options[i].name = flag->name;
		options[i].key = flag->letter ? flag->letter : KEY_FIRST + (int)i;
		options[i].arg = takes_value(flag->kind) ? flag->metavar : NULL;
		options[i].doc = flag->help;
		options[i].group = 1;
	}
	return options;
}

static void prepare_args(struct cli *cli, int argc)
{
	size_t room = (size_t)argc + 1;

	cli->args.words = ARENA_ARRAY(cli->arena, room, const char *);
	cli->args.command = ARENA_ARRAY(cli->arena, room, const char *);
	cli->args.given = ARENA_ARRAY(cli->arena, room, struct given);
}

void cli_parse(struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	const struct argp_child children[] = { { &common_argp, 0, NULL, 0 }, { 0 } };
	struct argp argp = { .parser = parse_verb, .children = children };

	assert(argc > 0);
	cli->verb = verb;
	prepare_args(cli, argc);
	argp.options = options_of(cli, verb);
	argp.args_doc = verb->words;
	argp.doc = arena_printf(cli->arena, "%s.\v%s%s", verb->summary,
				verb->example ? "Example:\n  " : "",
				verb->example ? verb->example : "");
	if (!cli->args.words || !cli->args.command || !cli->args.given || !argp.options ||
	    !argp.doc) {
		fputs("dure: out of memory\n", stderr);
		exit(CLI_API);
	}
	argp_err_exit_status = CLI_USAGE;
	error_t rc = argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, cli);
	if (rc != 0) {
		fprintf(stderr, "%s: %s\n", argv[0], strerror(rc));
		exit(CLI_USAGE);
	}
}

struct front {
	struct cli *cli;
	int verb;
};

static const struct argp_option front_options[] = {
	{ "version", 'V', NULL, 0, "Print the client's version", 0 },
	{ 0 },
};

static error_t parse_front(int key, char *value, struct argp_state *state)
{
	struct front *front = state->input;

	(void)value;
	switch (key) {
	case ARGP_KEY_INIT: state->child_inputs[0] = front->cli; return 0;
	case 'V': puts("dure " DURE_VERSION); exit(CLI_OK);
	case ARGP_KEY_ARG: /* the rest belongs to the verb */
		front->verb = state->next - 1;
		state->next = state->argc;
		return 0;
	default: return ARGP_ERR_UNKNOWN;
	}
}

int cli_parse_front(struct cli *cli, int argc, char **argv)
{
	const struct argp_child children[] = { { &common_argp, 0, NULL, 0 }, { 0 } };
	struct argp argp = { .options = front_options,
			     .parser = parse_front,
			     .children = children };
	struct front front = { cli, argc };

	argp.args_doc = "VERB [ARGUMENT...]";
	argp.doc = arena_printf(cli->arena,
				"Dure pools GPUs: register a container as a workload, deploy it, "
				"reach it at a URL.\v"
				"Verbs (dure VERB --help says more about each):\n%s\n"
				"Exit status: 0 success, 1 usage or state, 2 the API failed, "
				"3 authentication, 4 network.",
				cli_verbs_text(cli, NULL));
	argp_err_exit_status = CLI_USAGE;
	if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &front) != 0)
		exit(CLI_USAGE);
	return front.verb;
}
