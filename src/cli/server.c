/* dure version, health */
#include "base/strings.h"
#include "cli/app.h"
#include "cli/report.h"

/* Works without a server: it is also asked on machines that have none yet. */
static int run_version(struct cli *cli, struct err *err)
{
	json_auto_t *server = NULL;
	const char *url = "";
	ERR_AUTO(unreachable);

	if (cli_url(cli, &url, err) < 0)
		return -1;
	if (cli_call(cli, "GET", "/version", NULL, &server, &unreachable) < 0)
		server = NULL;
	if (cli->json) {
		json_auto_t *answer =
			json_pack("{s:s, s:O?}", "client", DURE_VERSION, "server", server);
		report_json(answer);
		return CLI_OK;
	}
	report_line("dure %s", DURE_VERSION);
	if (server)
		report_line("server %s at %s", member_text(cli, server, "version"), url);
	else
		report_note(cli, "server: %s", unreachable.message);
	return CLI_OK;
}

static void show_part(struct cli *cli, const char *label, const json_t *part, bool well)
{
	const char *why = member_text(cli, part, "why");

	report_field_styled(cli, label,
			    arena_printf(cli->arena, "%s: %s%s%s", member_text(cli, part, "name"),
					 well ? "ok" : "away", *why ? ", " : "", why),
			    well ? STYLE_GOOD : STYLE_BAD);
}

/* A part that is away is told by the exit status too, for scripts that watch. */
static int run_health(struct cli *cli, struct err *err)
{
	json_auto_t *health = NULL;

	if (cli_call(cli, "GET", "/health", NULL, &health, err) < 0)
		return -1;
	bool well = str_equal(member_text(cli, health, "status"), "ok");
	const json_t *engine = json_object_get(health, "engine");
	const json_t *gateway = json_object_get(health, "gateway");
	if (cli->json) {
		report_json(health);
	} else {
		report_field_styled(cli, "Status", member_text(cli, health, "status"),
				    well ? STYLE_GOOD : STYLE_BAD);
		if (!cli->quiet) {
			show_part(cli, "Engine", engine, member_true(engine, "reachable"));
			show_part(cli, "Gateway", gateway, member_true(gateway, "up"));
		}
	}
	return well ? CLI_OK : CLI_API;
}

const struct verb verbs_server[] = {
	{ NULL, "version", "", 0, 0, false, NULL, "Show the versions of client and server",
	  "dure version -o json", run_version },
	{ NULL, "health", "", 0, 0, false, NULL,
	  "Show whether the server is well (exit status 2 if not)", "dure health", run_health },
	{ 0 },
};
