/* One run of the client: from main's arguments to an exit status. */
#include "cli/cli.h"

#include <assert.h>
#include <curl/curl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/strings.h"
#include "cli/app.h"
#include "cli/report.h"

/* NO_COLOR (no-color.org) and dumb terminals get plain text. */
static bool wants_color(int fd)
{
	const char *terminal = getenv("TERM");

	return isatty(fd) && str_empty(getenv("NO_COLOR")) && !str_empty(terminal) &&
	       !str_equal(terminal, "dumb");
}

static void look_at_terminal(struct cli *cli)
{
	struct winsize size;

	cli->color = wants_color(STDOUT_FILENO);
	cli->color_err = wants_color(STDERR_FILENO);
	cli->live = isatty(STDERR_FILENO) && !str_equal(getenv("TERM"), "dumb");
	if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
		cli->columns = size.ws_col;
}

static int run_verb(struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	ERR_AUTO(err);

	argv[0] = arena_printf(cli->arena, "dure %s%s%s", verb->group ? verb->group : "",
			       verb->group ? " " : "", verb->name);
	cli_parse(cli, verb, argc, argv);
	int rc = verb->run(cli, &err);
	if (rc < 0)
		return report_error(cli, &err);
	return rc;
}

/* `dure help [VERB…]` is `dure VERB… --help`. */
static int run_help(struct cli *cli, int argc, char **argv, struct err *err)
{
	const char *group;
	size_t used;

	if (argc > 1) {
		const struct verb *verb = cli_verb_find(cli, (const char *const *)argv + 1,
							(size_t)argc - 1, &used, &group, err);
		char *help[] = { NULL, "--help", NULL };
		if (verb)
			return run_verb(cli, verb, 2, help);
		if (!group)
			return -1;
		printf("%s", cli_verbs_text(cli, group));
		return CLI_OK;
	}
	char *help[] = { "dure", "--help", NULL };
	return cli_parse_front(cli, 2, help);
}

static int dispatch(struct cli *cli, int argc, char **argv, struct err *err)
{
	const char *group;
	size_t used = 0;
	int first = cli_parse_front(cli, argc, argv);

	if (first >= argc) {
		fprintf(stderr, "Usage: dure VERB [ARGUMENT...]\n%s", cli_verbs_text(cli, NULL));
		return CLI_USAGE;
	}
	argc -= first;
	argv += first;
	if (str_equal(argv[0], "help"))
		return run_help(cli, argc, argv, err);
	const struct verb *verb =
		cli_verb_find(cli, (const char *const *)argv, (size_t)argc, &used, &group, err);
	if (verb)
		return run_verb(cli, verb, argc - (int)used + 1, argv + used - 1);
	if (!group)
		return -1;
	bool asked = argc > 1 && (str_equal(argv[1], "--help") || str_equal(argv[1], "-?"));
	fprintf(asked ? stdout : stderr, "Usage: dure %s VERB [ARGUMENT...]\n%s", group,
		cli_verbs_text(cli, group));
	return asked ? CLI_OK : CLI_USAGE;
}

int cli_main(int argc, char **argv)
{
	struct cli cli = { .magic = CLI_MAGIC, .arena = arena_new(CLI_ARENA_BYTES) };
	ERR_AUTO(err);

	if (!cli.arena || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		fputs("dure: out of memory\n", stderr);
		return CLI_API;
	}
	look_at_terminal(&cli);
	int rc = dispatch(&cli, argc, argv, &err);
	if (rc < 0)
		rc = report_error(&cli, &err);
	if (fflush(stdout) != 0 && rc == CLI_OK) { /* a full disk behind a redirection */
		fputs("dure: cannot write the result\n", stderr);
		rc = CLI_USAGE;
	}
	cli.client = client_free(cli.client);
	arena_free(cli.arena);
	curl_global_cleanup();
	return rc;
}
