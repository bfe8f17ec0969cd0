/* Workloads, pods and events as people read them. */
#include <inttypes.h>

#include "base/strings.h"
#include "cli/amount.h"
#include "cli/report.h"
#include "cli/text.h"
#include "cli/workload.h"

static const char *number(struct cli *cli, int64_t value)
{
	return arena_printf(cli->arena, "%" PRId64, value);
}

static const char *price_range(struct cli *cli, const json_t *object)
{
	const json_t *price = member_of(object, "price_per_hour");

	return price ? amount_points_range(cli->arena, member_int(price, "min"),
					   member_int(price, "max"))
		     : NULL;
}

/* "2 × rtx4090, 24 GB", "CPU only" */
static const char *gpu_text(struct cli *cli, const json_t *gpu)
{
	int64_t count = member_int(gpu, "count"), memory = member_int(gpu, "memory_mb");
	const char *model = member_text(cli, gpu, "model");

	if (!gpu || count == 0)
		return "CPU only";
	return arena_printf(cli->arena, "%" PRId64 " × %s%s%s", count, *model ? model : "any",
			    memory ? ", at least " : "",
			    memory ? amount_size(cli->arena, memory) : "");
}

static const char *pods_text(struct cli *cli, const json_t *workload)
{
	const json_t *pods = json_object_get(workload, "pods");

	return arena_printf(cli->arena, "%" PRId64 "/%" PRId64, member_int(pods, "ready"),
			    member_int(pods, "asked"));
}

void workload_show_list(struct cli *cli, const json_t *items)
{
	static const char *const headings[] = { ">SER",   "~DESCRIPTION", "STATE", ">READY", "GPU",
						"~IMAGE", ">PRICE/HR",    ">AGE",  "URL",    NULL };
	struct table table = table_new(cli->arena, headings);
	size_t index;
	json_t *workload;

	json_array_foreach(items, index, workload)
	{
		const json_t *spec = json_object_get(workload, "spec");
		const char *state = member_text(cli, workload, "state");
		bool serves = str_equal(state, "deployed") || str_equal(state, "degraded");
		table_row_styled(&table,
				 CELLS(number(cli, member_int(workload, "ser")),
				       member_text(cli, spec, "description"), state,
				       pods_text(cli, workload),
				       gpu_text(cli, member_of(spec, "gpu")),
				       member_text(cli, spec, "image"), price_range(cli, workload),
				       report_age(cli, member_time(workload, "created_at")),
				       serves ? member_text(cli, workload, "service_url") : NULL),
				 2, report_state_style(state));
	}
	report_table(cli, &table);
}

static const char *command_text(struct cli *cli, const json_t *command)
{
	if (json_is_string(command))
		return arena_printf(cli->arena, "%s (shell)",
				    text_line(cli->arena, json_string_value(command)));
	if (!json_is_array(command))
		return "the image's own";
	CHAR_AUTO words = json_dumps(command, 0);
	return words ? text_line(cli->arena, words) : NULL;
}

static void show_spec(struct cli *cli, const json_t *spec)
{
	const json_t *cap = member_of(spec, "max_price_per_hour");
	struct arena *arena = cli->arena;
	const char *name, *label = "Environment";
	json_t *value;

	report_field(cli, "Description", member_text(cli, spec, "description"));
	report_field(cli, "Image",
		     arena_printf(arena, "%s (%s)", member_text(cli, spec, "image"),
				  member_text(cli, spec, "registry")));
	report_field(cli, "Command", command_text(cli, json_object_get(spec, "command")));
	report_field(cli, "Port", number(cli, member_int(spec, "port")));
	report_field(cli, "Target", member_text(cli, spec, "target"));
	report_field(cli, "Replicas", number(cli, member_int(spec, "replicas")));
	report_field(cli, "GPU", gpu_text(cli, member_of(spec, "gpu")));
	report_field(cli, "CPUs", amount_cpu(arena, member_int(spec, "cpu_milli")));
	report_field(cli, "Memory", amount_size(arena, member_int(spec, "memory_mb")));
	report_field(cli, "Shared memory",
		     amount_size(arena, member_int(spec, "shared_memory_mb")));
	report_field(cli, "CUDA at least", member_text(cli, spec, "min_cuda"));
	report_field(cli, "Highest price",
		     cap ? arena_printf(arena, "%s an hour",
					amount_points(arena, json_integer_value(cap)))
			 : "no limit");
	json_object_foreach(json_object_get(spec, "env"), name, value)
	{
		const char *text = json_is_string(value) ? json_string_value(value) : "";
		report_field(cli, label,
			     arena_printf(arena, "%s=%s", text_line(arena, name),
					  text_line(arena, text)));
		label = "";
	}
}

void workload_show(struct cli *cli, const json_t *workload)
{
	const char *state = member_text(cli, workload, "state");
	const char *price = price_range(cli, workload);
	const char *message = json_string_value(json_object_get(workload, "message"));

	report_field(cli, "Workload", number(cli, member_int(workload, "ser")));
	report_field_styled(
		cli, "State",
		arena_printf(cli->arena, "%s (%s)", state, member_text(cli, workload, "reason")),
		report_state_style(state));
	if (!str_empty(message))
		report_field(cli, "Message", text_block(cli->arena, message));
	report_field(cli, "Service URL", member_text(cli, workload, "service_url"));
	report_field(cli, "Pods ready", pods_text(cli, workload));
	if (price)
		report_field(cli, "Price per hour", price);
	report_field(cli, "Owner", member_text(cli, workload, "owner"));
	show_spec(cli, json_object_get(workload, "spec"));
	report_field(cli, "Created", report_time(cli, member_time(workload, "created_at")));
	report_field(cli, "Deployed", report_time(cli, member_time(workload, "deployed_at")));
	report_field(cli, "Terminated", report_time(cli, member_time(workload, "terminated_at")));
}

static const char *pod_gpu(struct cli *cli, const json_t *pod)
{
	const json_t *gpu = member_of(pod, "gpu");

	return gpu ? arena_printf(cli->arena, "%" PRId64 " × %s%s", member_int(gpu, "count"),
				  member_text(cli, gpu, "model"),
				  member_true(gpu, "simulated") ? " (simulated)" : "")
		   : NULL;
}

void workload_show_pods(struct cli *cli, const json_t *items)
{
	static const char *const headings[] = { "POD",     "NODE",      ">TIER",    "GPU",
						"PHASE",   ">RESTARTS", ">EXIT",    ">MIN/HR",
						">MAX/HR", ">AGE",      "~MESSAGE", NULL };
	struct table table = table_new(cli->arena, headings);
	size_t index;
	json_t *pod;

	json_array_foreach(items, index, pod)
	{
		const json_t *price = json_object_get(pod, "price_per_hour");
		const json_t *exit_code = member_of(pod, "exit_code");
		const char *phase = member_text(cli, pod, "phase");
		int64_t base = member_int(price, "base"), usage = member_int(price, "usage");
		if (cli->quiet)
			report_line("%s", member_text(cli, pod, "name"));
		table_row_styled(
			&table,
			CELLS(member_text(cli, pod, "name"), member_text(cli, pod, "node"),
			      number(cli, member_int(pod, "tier")), pod_gpu(cli, pod), phase,
			      number(cli, member_int(pod, "restarts")),
			      exit_code ? number(cli, json_integer_value(exit_code)) : NULL,
			      amount_points(cli->arena, base),
			      amount_points(cli->arena, base + usage),
			      report_age(cli, member_time(pod, "created_at")),
			      member_text(cli, pod, "message")),
			4, report_state_style(phase));
	}
	if (!cli->quiet)
		report_table(cli, &table);
}

void workload_show_event(struct cli *cli, const json_t *event)
{
	const char *message = json_string_value(json_object_get(event, "message"));
	const char *level = member_text(cli, event, "level");
	const char *pod = member_text(cli, event, "pod");
	enum style style = str_equal(level, "error")     ? STYLE_BAD
			   : str_equal(level, "warning") ? STYLE_BUSY
							 : STYLE_PLAIN;

	report_line("%s  %s%-7s%s  %s%s%s", report_time(cli, member_time(event, "at")),
		    style_on(style, cli->color), level, style_off(style, cli->color), pod,
		    *pod ? ": " : "", message ? text_block(cli->arena, message) : "");
}
