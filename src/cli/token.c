/* dure token list, create, delete */
#include <inttypes.h>
#include <string.h>

#include "base/env.h"
#include "base/strings.h"
#include "base/timefmt.h"
#include "cli/amount.h"
#include "cli/app.h"
#include "cli/prompt.h"
#include "cli/report.h"

static int run_list(struct cli *cli, struct err *err)
{
	static const char *const headings[] = { ">ID", "~NAME", "CREATED", "EXPIRES", NULL };
	struct table table = table_new(cli->arena, headings);
	json_auto_t *answer = NULL;
	size_t index;
	json_t *token;

	if (cli_list(cli, "/tokens", "", &answer, err) < 0)
		return -1;
	if (cli->json) {
		report_json(answer);
		return CLI_OK;
	}
	json_array_foreach(json_object_get(answer, "items"), index, token)
	{
		int64_t expires = member_time(token, "expires_at");
		if (cli->quiet)
			report_line("%" PRId64, member_int(token, "id"));
		table_row(&table,
			  CELLS(arena_printf(cli->arena, "%" PRId64, member_int(token, "id")),
				member_text(cli, token, "name"),
				report_time(cli, member_time(token, "created_at")),
				expires ? report_time(cli, expires) : "never"));
	}
	if (!cli->quiet)
		report_table(cli, &table);
	return CLI_OK;
}

/* --expires: a time span from now, or a time. */
static int expiry(struct cli *cli, const char *text, json_t *body, struct err *err)
{
	char formatted[TIMEFMT_RFC3339_SIZE];
	struct env env = env_system(NULL);
	int64_t seconds, time_us;

	if (amount_duration_parse(text, &seconds) == 0 && seconds < INT64_C(100) * 366 * 86400)
		time_us = env_now(&env) + seconds * USEC_PER_SEC;
	else if (timefmt_parse_rfc3339(text, &time_us) < 0)
		return err_set(err, ERR_INVALID,
			       "--expires takes a span like 30d or a time like "
			       "2027-01-31T00:00:00Z, not \"%s\"",
			       text);
	timefmt_rfc3339(time_us, formatted);
	(void)cli;
	return json_object_set_new(body, "expires_at", json_string(formatted)) < 0 ? err_oom(err)
										   : 0;
}

static int run_create(struct cli *cli, struct err *err)
{
	json_auto_t *body = json_pack("{s:s}", "name", cli->args.words[0]);
	const char *expires = args_value(&cli->args, "expires");
	json_auto_t *created = NULL;

	if (!body)
		return err_set(err, ERR_INVALID, "the token's name must be UTF-8");
	if ((expires && expiry(cli, expires, body, err) < 0) ||
	    cli_call(cli, "POST", "/tokens", body, &created, err) < 0)
		return -1;
	if (cli->json) {
		report_json(created);
		return CLI_OK;
	}
	report_line("%s", member_text(cli, created, "token"));
	report_note(cli, "This is the only time that it is shown.");
	return CLI_OK;
}

/* A number is an id; anything else the name of one. */
static int find_token(struct cli *cli, const char *word, int64_t *ret_id, struct err *err)
{
	json_auto_t *answer = NULL;
	size_t index;
	json_t *token;

	if (str_to_int64(word, 1, INT64_MAX, ret_id) == 0)
		return 0;
	if (cli_list(cli, "/tokens", "", &answer, err) < 0)
		return -1;
	json_array_foreach(json_object_get(answer, "items"), index, token)
	{
		if (!str_equal(json_string_value(json_object_get(token, "name")), word))
			continue;
		*ret_id = member_int(token, "id");
		return 0;
	}
	return err_set(err, ERR_NOT_FOUND, "there is no token named \"%s\"", word);
}

static int run_delete(struct cli *cli, struct err *err)
{
	struct client *client;
	int64_t id;

	if (find_token(cli, cli->args.words[0], &id, err) < 0 || cli_client(cli, &client, err) < 0)
		return -1;
	const char *path = arena_printf(cli->arena, "/tokens/%" PRId64, id);
	if (!path)
		return err_oom(err);
	if (client_call(client, "DELETE", path, NULL, NULL, err) < 0)
		return -1;
	report_note(cli, "Token %s is deleted.", cli->args.words[0]);
	return CLI_OK;
}

static const struct flag create_flags[] = {
	{ "expires", 0, "SPAN|TIME", "When it stops working, like 30d (default never)", FLAG_TEXT,
	  NULL, false },
	{ 0 },
};

const struct verb verbs_token[] = {
	{ "token", "list", "", 0, 0, false, NULL, "List the account's API tokens",
	  "dure token list", run_list },
	{ "token", "create", "NAME", 1, 1, false, create_flags,
	  "Create an API token; it is shown once", "dure token create ci --expires 90d",
	  run_create },
	{ "token", "delete", "ID|NAME", 1, 1, false, NULL, "Delete an API token",
	  "dure token delete ci", run_delete },
	{ 0 },
};
