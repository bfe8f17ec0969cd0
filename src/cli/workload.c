/* dure workload register, list, show, edit, delete, pods, events */
#include "cli/workload.h"

#include <inttypes.h>
#include <string.h>

#include "base/strings.h"
#include "cli/prompt.h"
#include "cli/report.h"

/* The registry type that an image's host implies, as docker reads a reference: the part in front of
 * the first '/' is a host if it has a dot or a port, or is localhost. */
static const char *registry_of(const char *image)
{
	static const struct {
		const char *host, *word;
	} known[] = { { "docker.io", "docker_hub" }, { "index.docker.io", "docker_hub" },
		      { "ghcr.io", "github" },       { "nvcr.io", "ngc" },
		      { "quay.io", "quay" },         { "registry.hf.space", "hugging_face" } };
	size_t length = strcspn(image, "/");

	if (image[length] == '\0' || (!memchr(image, '.', length) && !memchr(image, ':', length) &&
				      !(length == 9 && strncmp(image, "localhost", 9) == 0)))
		return "docker_hub";
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strlen(known[i].host) == length && strncmp(image, known[i].host, length) == 0)
			return known[i].word;
	return "other";
}

/* The words behind "--" are the argument vector. */
static int put_command(struct cli *cli, json_t *body, struct err *err)
{
	if (!cli->args.has_command)
		return 0;
	if (args_has(&cli->args, "command"))
		return err_set(err, ERR_INVALID,
			       "give the command once: --command for a shell line, or words "
			       "behind --");
	if (cli->args.n_command == 0)
		return err_set(err, ERR_INVALID, "there is no command behind --");
	json_t *words = json_array();
	for (size_t i = 0; i < cli->args.n_command; i++)
		if (json_array_append_new(words, json_string(cli->args.command[i])) < 0) {
			json_decref(words);
			return err_set(err, ERR_INVALID, "the command must be UTF-8");
		}
	return json_object_set_new(body, "command", words) < 0 ? err_oom(err) : 0;
}

/* The request: the file, with the flags over it. */
static int spec_body(struct cli *cli, json_t **ret_body, struct err *err)
{
	const char *file = args_value(&cli->args, "file");
	json_auto_t *body = NULL;

	if (file && cli_read_json(file, &body, err) < 0)
		return -1;
	if (!body)
		body = json_object();
	if (flags_apply(cli, body, err) < 0 || put_command(cli, body, err) < 0)
		return -1;
	*ret_body = json_incref(body);
	return 0;
}

static int run_register(struct cli *cli, struct err *err)
{
	json_auto_t *body = NULL, *workload = NULL;
	int64_t longest;

	if (follow_longest(cli, &longest, err) < 0 || spec_body(cli, &body, err) < 0)
		return -1;
	const char *image = json_string_value(json_object_get(body, "image"));
	if (image && !json_object_get(body, "registry"))
		(void)json_object_set_new(body, "registry", json_string(registry_of(image)));
	if (cli_call(cli, "POST", "/workloads", body, &workload, err) < 0)
		return -1;
	int64_t ser = member_int(workload, "ser");
	if (member_true(body, "deploy_now") && !args_has(&cli->args, "no-wait")) {
		report_note(cli, "Workload %" PRId64 " is registered.", ser);
		return follow_deploy(cli, ser, err);
	}
	if (cli->json)
		report_json(workload);
	else if (cli->quiet)
		report_line("%" PRId64, ser);
	else
		report_line("Workload %" PRId64 " is registered. Deploy it with: dure workload "
			    "deploy %" PRId64,
			    ser, ser);
	return CLI_OK;
}

static int run_list(struct cli *cli, struct err *err)
{
	const char *query = flags_query(cli, err);
	json_auto_t *answer = NULL;
	size_t index;
	json_t *workload;

	if (!query || cli_list(cli, "/workloads", query, &answer, err) < 0)
		return -1;
	const json_t *items = json_object_get(answer, "items");
	const char *next = json_string_value(json_object_get(answer, "next"));
	if (cli->json) {
		report_json(answer);
		return CLI_OK;
	}
	json_array_foreach(items, index, workload)
	{
		if (cli->quiet)
			report_line("%" PRId64, member_int(workload, "ser"));
	}
	if (!cli->quiet && json_array_size(items) > 0)
		workload_show_list(cli, items);
	if (json_array_size(items) == 0)
		report_note(cli, "No workloads. The first is made with: dure workload register");
	if (next)
		report_note(cli, "There are more: --all, or --cursor %s", next);
	return CLI_OK;
}

static void tell_workload(struct cli *cli, const json_t *workload)
{
	if (cli->json)
		report_json(workload);
	else if (cli->quiet)
		report_line("%" PRId64, member_int(workload, "ser"));
	else
		workload_show(cli, workload);
}

static int run_show(struct cli *cli, struct err *err)
{
	json_auto_t *workload = NULL;
	const char *path;
	int64_t ser;

	if (cli_workload_path(cli, &ser, &path, err) < 0 ||
	    cli_call(cli, "GET", path, NULL, &workload, err) < 0)
		return -1;
	tell_workload(cli, workload);
	return CLI_OK;
}

static int run_edit(struct cli *cli, struct err *err)
{
	json_auto_t *body = NULL, *workload = NULL;
	const char *path;
	int64_t ser;

	if (cli_workload_path(cli, &ser, &path, err) < 0 || spec_body(cli, &body, err) < 0)
		return -1;
	if (json_object_size(body) == 0)
		return err_set(err, ERR_INVALID, "nothing to change was given");
	if (cli_call(cli, "PATCH", path, body, &workload, err) < 0)
		return -1;
	tell_workload(cli, workload);
	return CLI_OK;
}

static int run_delete(struct cli *cli, struct err *err)
{
	struct client *client;
	const char *path;
	int64_t ser;

	if (cli_workload_path(cli, &ser, &path, err) < 0)
		return -1;
	if (!args_has(&cli->args, "yes") &&
	    !prompt_confirm(
		    arena_printf(cli->arena, "Delete workload %" PRId64 " and its history?", ser)))
		return err_set(err, ERR_INVALID, "nothing was done");
	if (cli_client(cli, &client, err) < 0 ||
	    client_call(client, "DELETE", path, NULL, NULL, err) < 0)
		return -1;
	report_note(cli, "Workload %" PRId64 " is deleted.", ser);
	return CLI_OK;
}

static int run_pods(struct cli *cli, struct err *err)
{
	json_auto_t *answer = NULL;
	const char *path;
	int64_t ser;

	if (cli_workload_path(cli, &ser, &path, err) < 0)
		return -1;
	path = arena_printf(cli->arena, "%s/pods", path);
	const char *query = args_has(&cli->args, "gone") ? "?all=true" : "";
	if (!path)
		return err_oom(err);
	if (cli_list(cli, path, query, &answer, err) < 0)
		return -1;
	const json_t *items = json_object_get(answer, "items");
	if (cli->json)
		report_json(answer);
	else if (json_array_size(items) > 0)
		workload_show_pods(cli, items);
	else
		report_note(cli, "Workload %" PRId64 " has no pods.", ser);
	return CLI_OK;
}

/* All pages: a history is read from its start, and its end is what people look for. */
static int run_events(struct cli *cli, struct err *err)
{
	json_auto_t *all = json_pack("{s:[], s:n}", "items", "next");
	int64_t ser, after = 0;
	const char *path;
	size_t index, got;
	json_t *event;

	if (cli_workload_path(cli, &ser, &path, err) < 0)
		return -1;
	do {
		json_auto_t *page = NULL;
		const char *query =
			arena_printf(cli->arena, "%s/events?limit=200&after=%" PRId64, path, after);
		if (!query)
			return err_oom(err);
		if (cli_call(cli, "GET", query, NULL, &page, err) < 0)
			return -1;
		const json_t *items = json_object_get(page, "items");
		json_array_foreach(items, index, event)
		{
			if (!cli->json)
				workload_show_event(cli, event);
			(void)json_array_append(json_object_get(all, "items"), event);
			after = member_int(event, "id");
		}
		got = json_array_size(items);
		if (!member_of(page, "next"))
			break;
	} while (got > 0);
	if (cli->json)
		report_json(all);
	return CLI_OK;
}

#define F_FILE                                                                                     \
	{                                                                                          \
		"file", 'f', "FILE", "JSON with the spec (- is stdin); flags go over it",          \
			FLAG_TEXT, NULL, false                                                     \
	}

/* Every field of a spec. What register and edit have of their own stands behind. */
#define SPEC_FLAGS                                                                                  \
	F_FILE, { "description",  'd',  "TEXT", "What it is for, 2 to 80 characters", FLAG_TEXT,    \
		  "/description", false },                                                          \
		{ "registry",                                                                       \
		  0,                                                                                \
		  "TYPE",                                                                           \
		  "docker-hub, github, ngc, quay, hugging-face, other (else from the image)",       \
		  FLAG_WORD,                                                                        \
		  "/registry",                                                                      \
		  false },                                                                          \
		{ "image",   'i',      "IMAGE", "Container image, like kim/stable-diffusion:1.00",  \
		  FLAG_TEXT, "/image", false },                                                     \
		{ "command", 'c',                                                                   \
		  "LINE",    "Command for the image's shell (argv: words behind --)",               \
		  FLAG_TEXT, "/command",                                                            \
		  false },                                                                          \
		{ "port",       'p',     "PORT", "Port that the container answers on",              \
		  FLAG_INTEGER, "/port", false },                                                   \
		{ "target",    0,         "any|1|2|3", "Tier of the nodes (default any)",           \
		  FLAG_TARGET, "/target", false },                                                  \
		{ "replicas",   'r',         "N",  "How many copies (default 1)",                   \
		  FLAG_INTEGER, "/replicas", false },                                               \
		{ "gpu",                                                                            \
		  'g',                                                                              \
		  "MODEL[:COUNT]",                                                                  \
		  "GPUs a replica; any:2 is two of any model, none is CPU only",                    \
		  FLAG_GPU,                                                                         \
		  "/gpu",                                                                           \
		  false },                                                                          \
		{ "gpu-memory", 0,                                                                  \
		  "SIZE",       "At least so much memory a GPU, like 24G",                          \
		  FLAG_SIZE,    "/gpu/memory_mb",                                                   \
		  false },                                                                          \
		{ "env",    'e',    "NAME=VALUE", "Environment variable (repeat); NAME takes ours", \
		  FLAG_ENV, "/env", false },                                                        \
		{ "env-file", 0, "FILE", "Lines of NAME=VALUE", FLAG_ENV_FILE, "/env", false },     \
		{ "shm", 0, "SIZE", "Shared memory (default 64M)", FLAG_SIZE, "/shared_memory_mb",  \
		  true },                                                                           \
		{ "cpu",        0,   "CPUS", "CPUs a replica, like 0.5 (default 1)", FLAG_CPU,      \
		  "/cpu_milli", true },                                                             \
		{ "memory",  'm',          "SIZE", "Memory a replica (default 1G)",                 \
		  FLAG_SIZE, "/memory_mb", true },                                                  \
		{ "cuda",    0,           "VERSION", "CUDA at least, like 12.8 (none: any)",        \
		  FLAG_TEXT, "/min_cuda", true },                                                   \
	{                                                                                           \
		"max-price", 0, "POINTS", "At most so many points an hour a replica (none: any)",   \
			FLAG_POINTS, "/max_price_per_hour", true                                    \
	}

static const struct flag register_flags[] = {
	SPEC_FLAGS,
	{ "deploy", 0, NULL, "Deploy at once; if nothing fits, nothing is registered", FLAG_SWITCH,
	  "/deploy_now", false },
	FOLLOW_FLAGS,
	{ 0 },
};

static const struct flag edit_flags[] = {
	SPEC_FLAGS,
	{ "no-command", 0, NULL, "Back to the image's own command", FLAG_NULL, "/command", false },
	{ "unset-env", 0, "NAME", "Take a variable away (repeat)", FLAG_ENV_UNSET, "/env", false },
	{ 0 },
};

static const struct flag list_flags[] = {
	{ "state", 0, "STATE",
	  "registered, deploying, deployed, degraded, terminating, terminated or failed", FLAG_TEXT,
	  "/state", false },
	{ "limit", 0, "N", "At most so many on a page (default 50)", FLAG_INTEGER, "/limit",
	  false },
	{ "cursor", 0, "CURSOR", "The page that the last one named", FLAG_TEXT, NULL, false },
	{ "all", 'a', NULL, "All pages", FLAG_SWITCH, NULL, false },
	{ 0 },
};

static const struct flag delete_flags[] = {
	{ "yes", 'y', NULL, "Do not ask", FLAG_SWITCH, NULL, false },
	{ 0 },
};

static const struct flag pods_flags[] = {
	{ "gone", 'a', NULL, "Also the ones that are gone", FLAG_SWITCH, NULL, false },
	{ 0 },
};

const struct verb verbs_workload[] = {
	{ "workload", "register", "[-- COMMAND...]", 0, 0, true, register_flags,
	  "Register a workload",
	  "dure workload register -d \"stable diffusion\" -i kim/sd:1.00 \\\n"
	  "    -p 7860 --gpu rtx4090 --max-price 500 --deploy",
	  run_register },
	{ "workload", "list", "", 0, 0, false, list_flags, "List workloads, newest first",
	  "dure workload list --state deployed", run_list },
	{ "workload", "show", "SER", 1, 1, false, NULL, "Show a workload",
	  "dure workload show 7 -o json", run_show },
	{ "workload", "edit", "SER [-- COMMAND...]", 1, 1, true, edit_flags,
	  "Change a workload that is not deployed", "dure workload edit 7 --replicas 3", run_edit },
	{ "workload", "delete", "SER", 1, 1, false, delete_flags,
	  "Delete a workload that is not deployed", "dure workload delete 7 --yes", run_delete },
	{ "workload", "pods", "SER", 1, 1, false, pods_flags, "List the pods of a workload",
	  "dure workload pods 7", run_pods },
	{ "workload", "events", "SER", 1, 1, false, NULL, "Show what happened to a workload",
	  "dure workload events 7", run_events },
	{ 0 },
};
