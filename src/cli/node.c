/* dure node list, show, add, edit, remove */
#include <inttypes.h>

#include "cli/amount.h"
#include "cli/app.h"
#include "cli/prompt.h"
#include "cli/report.h"

static const char *number(struct cli *cli, int64_t value)
{
	return arena_printf(cli->arena, "%" PRId64, value);
}

static const char *status_of(const json_t *node)
{
	if (!member_true(node, "up"))
		return "down";
	return member_true(node, "sharing") ? "sharing" : "not sharing";
}

static enum style status_style(const json_t *node)
{
	if (!member_true(node, "up"))
		return STYLE_BAD;
	return member_true(node, "sharing") ? STYLE_GOOD : STYLE_FAINT;
}

static const char *gpu_of(struct cli *cli, const json_t *node)
{
	const json_t *gpu = member_of(node, "gpu");

	if (!gpu)
		return NULL;
	return arena_printf(cli->arena, "%s%s", member_text(cli, gpu, "model"),
			    member_true(node, "simulated") ? " (simulated)" : "");
}

static const char *free_of(struct cli *cli, const json_t *node)
{
	const json_t *gpu = member_of(node, "gpu");

	return gpu ? arena_printf(cli->arena, "%" PRId64 "/%" PRId64, member_int(gpu, "free"),
				  member_int(gpu, "count"))
		   : NULL;
}

static int run_list(struct cli *cli, struct err *err)
{
	static const char *const headings[] = { "NAME",     "TIER",      "GPU",
						">FREE",    ">CPU FREE", ">MEMORY FREE",
						">BASE/HR", ">USAGE/HR", ">PODS",
						"STATUS",   NULL };
	struct table table = table_new(cli->arena, headings);
	json_auto_t *answer = NULL;
	size_t index;
	json_t *node;

	if (cli_list(cli, "/nodes", "", &answer, err) < 0)
		return -1;
	if (cli->json) {
		report_json(answer);
		return CLI_OK;
	}
	json_array_foreach(json_object_get(answer, "items"), index, node)
	{
		if (cli->quiet)
			report_line("%s", member_text(cli, node, "name"));
		table_row_styled(
			&table,
			CELLS(member_text(cli, node, "name"), number(cli, member_int(node, "tier")),
			      gpu_of(cli, node), free_of(cli, node),
			      amount_cpu(cli->arena, member_int(node, "cpu_free_milli")),
			      amount_size(cli->arena, member_int(node, "memory_free_mb")),
			      amount_points(cli->arena, member_int(node, "base_per_hour")),
			      amount_points(cli->arena, member_int(node, "usage_per_hour")),
			      number(cli, member_int(node, "pods")), status_of(node)),
			9, status_style(node));
	}
	if (!cli->quiet)
		report_table(cli, &table);
	return CLI_OK;
}

static void show_node(struct cli *cli, const json_t *node)
{
	const json_t *gpu = member_of(node, "gpu");
	struct arena *arena = cli->arena;

	report_field(cli, "Node", member_text(cli, node, "name"));
	report_field_styled(cli, "Status", status_of(node), status_style(node));
	report_field(cli, "Kind", member_text(cli, node, "kind"));
	report_field(cli, "Owner", member_text(cli, node, "owner"));
	report_field(cli, "Tier", number(cli, member_int(node, "tier")));
	report_field(cli, "GPU", gpu_of(cli, node));
	if (gpu) {
		report_field(cli, "GPUs free", free_of(cli, node));
		report_field(cli, "GPU memory", amount_size(arena, member_int(gpu, "memory_mb")));
	}
	report_field(cli, "CPUs free",
		     arena_printf(arena, "%s of %s",
				  amount_cpu(arena, member_int(node, "cpu_free_milli")),
				  amount_cpu(arena, member_int(node, "cpu_milli"))));
	report_field(cli, "Memory free",
		     arena_printf(arena, "%s of %s",
				  amount_size(arena, member_int(node, "memory_free_mb")),
				  amount_size(arena, member_int(node, "memory_mb"))));
	report_field(cli, "Disk", amount_size(arena, member_int(node, "disk_mb")));
	report_field(cli, "CUDA", member_text(cli, node, "cuda"));
	report_field(cli, "Base per hour", amount_points(arena, member_int(node, "base_per_hour")));
	report_field(cli, "Usage per hour",
		     amount_points(arena, member_int(node, "usage_per_hour")));
	report_field(cli, "Pods", number(cli, member_int(node, "pods")));
	report_field(cli, "Created", report_time(cli, member_time(node, "created_at")));
}

static void tell_node(struct cli *cli, const json_t *node)
{
	if (cli->json)
		report_json(node);
	else if (cli->quiet)
		report_line("%s", member_text(cli, node, "name"));
	else
		show_node(cli, node);
}

static const char *node_path(struct cli *cli)
{
	return arena_printf(cli->arena, "/nodes/%s", cli_escape(cli, cli->args.words[0]));
}

/* The request: the file, with the flags over it. */
static int node_body(struct cli *cli, json_t **ret_body, struct err *err)
{
	const char *file = args_value(&cli->args, "file");
	json_auto_t *body = NULL;

	if (file && cli_read_json(file, &body, err) < 0)
		return -1;
	if (!body)
		body = json_object();
	if (flags_apply(cli, body, err) < 0)
		return -1;
	*ret_body = json_incref(body);
	return 0;
}

static int run_show(struct cli *cli, struct err *err)
{
	json_auto_t *node = NULL;

	if (cli_call(cli, "GET", node_path(cli), NULL, &node, err) < 0)
		return -1;
	tell_node(cli, node);
	return CLI_OK;
}

static int run_add(struct cli *cli, struct err *err)
{
	json_auto_t *body = NULL, *node = NULL;

	if (node_body(cli, &body, err) < 0)
		return -1;
	if (cli->args.n_words > 0)
		(void)json_object_set_new(body, "name", json_string(cli->args.words[0]));
	json_t *gpu = json_object_get(body, "gpu");
	if (json_is_object(gpu) && !json_object_get(gpu, "count"))
		(void)json_object_set_new(gpu, "count", json_integer(1));
	if (cli_call(cli, "POST", "/nodes", body, &node, err) < 0)
		return -1;
	tell_node(cli, node);
	return CLI_OK;
}

static int run_edit(struct cli *cli, struct err *err)
{
	json_auto_t *body = NULL, *node = NULL;

	if (node_body(cli, &body, err) < 0)
		return -1;
	if (json_object_size(body) == 0)
		return err_set(err, ERR_INVALID, "nothing to change was given");
	if (cli_call(cli, "PATCH", node_path(cli), body, &node, err) < 0)
		return -1;
	tell_node(cli, node);
	return CLI_OK;
}

static int run_remove(struct cli *cli, struct err *err)
{
	struct client *client;

	if (!args_has(&cli->args, "yes") &&
	    !prompt_confirm(arena_printf(cli->arena, "Remove node %s?", cli->args.words[0])))
		return err_set(err, ERR_INVALID, "nothing was done");
	if (cli_client(cli, &client, err) < 0 ||
	    client_call(client, "DELETE", node_path(cli), NULL, NULL, err) < 0)
		return -1;
	report_note(cli, "Node %s is removed.", cli->args.words[0]);
	return CLI_OK;
}

static const struct flag node_flags[] = {
	{ "file", 'f', "FILE", "JSON with the node's members (- is stdin); flags go over it",
	  FLAG_TEXT, NULL, false },
	{ "tier", 0, "1|2|3", "Cloud providers, dedicated servers, PC cafés and people",
	  FLAG_INTEGER, "/tier", false },
	{ "gpu", 0, "MODEL[:COUNT]", "GPUs of one model (none: no GPUs)", FLAG_GPU, "/gpu", false },
	{ "gpu-memory", 0, "SIZE", "Memory of one GPU (default the model's)", FLAG_SIZE,
	  "/gpu/memory_mb", false },
	{ "gpu-uuid", 0, "UUID", "A real GPU (repeat); without it they are simulated",
	  FLAG_TEXT_LIST, "/gpu/uuids", false },
	{ "cpu", 0, "CPUS", "CPUs it offers, like 16", FLAG_CPU, "/cpu_milli", false },
	{ "memory", 0, "SIZE", "Memory it offers, like 64G", FLAG_SIZE, "/memory_mb", false },
	{ "disk", 0, "SIZE", "Disk it offers, like 1T", FLAG_SIZE, "/disk_mb", false },
	{ "cuda", 0, "VERSION", "CUDA version of its driver, like 12.8 (none: none)", FLAG_TEXT,
	  "/cuda", true },
	{ "base", 0, "POINTS", "Base fee an hour per GPU (without GPUs: per CPU)", FLAG_POINTS,
	  "/base_per_hour", false },
	{ "usage", 0, "POINTS", "Usage fee an hour per busy GPU", FLAG_POINTS, "/usage_per_hour",
	  false },
	{ "sharing", 0, "on|off", "Whether new pods may come", FLAG_ON_OFF, "/sharing", false },
	{ 0 },
};

static const struct flag remove_flags[] = {
	{ "yes", 'y', NULL, "Do not ask", FLAG_SWITCH, NULL, false },
	{ 0 },
};

const struct verb verbs_node[] = {
	{ "node", "list", "", 0, 0, false, NULL, "List nodes", "dure node list", run_list },
	{ "node", "show", "NAME", 1, 1, false, NULL, "Show a node", "dure node show pc-cafe-1",
	  run_show },
	{ "node", "add", "[NAME]", 0, 1, false, node_flags, "Declare a node (operators)",
	  "dure node add pc-cafe-1 --tier 3 --gpu rtx4090:2 --cpu 8 --memory 32G \\\n"
	  "    --base 300 --usage 200",
	  run_add },
	{ "node", "edit", "NAME", 1, 1, false, node_flags, "Change a node (operators)",
	  "dure node edit pc-cafe-1 --base 280 --sharing off", run_edit },
	{ "node", "remove", "NAME", 1, 1, false, remove_flags, "Remove a node (operators)",
	  "dure node remove pc-cafe-1 --yes", run_remove },
	{ 0 },
};
