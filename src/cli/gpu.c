/* dure gpu list, models */
#include <inttypes.h>

#include "cli/amount.h"
#include "cli/app.h"
#include "cli/report.h"

static const char *number(struct cli *cli, int64_t value)
{
	return arena_printf(cli->arena, "%" PRId64, value);
}

static void offer_row(struct cli *cli, struct table *table, const json_t *offer)
{
	const json_t *price = json_object_get(offer, "price_per_hour");
	int64_t free_now = member_int(offer, "free"), memory = member_int(offer, "memory_mb");
	const char *model = member_text(cli, offer, "model");

	table_row_styled(table,
			 CELLS(*model ? model : "(CPU only)",
			       number(cli, member_int(offer, "tier")),
			       memory ? amount_size(cli->arena, memory) : NULL,
			       number(cli, free_now), number(cli, member_int(offer, "total")),
			       number(cli, member_int(offer, "largest_free")),
			       amount_points(cli->arena, member_int(price, "min")),
			       amount_points(cli->arena, member_int(price, "max")),
			       member_text(cli, offer, "max_cuda"),
			       member_true(offer, "simulated") ? "simulated" : NULL),
			 3, free_now > 0 ? STYLE_GOOD : STYLE_FAINT);
}

static int run_list(struct cli *cli, struct err *err)
{
	static const char *const headings[] = { "MODEL",  "TIER",     ">MEMORY", ">FREE",
						">TOTAL", ">LARGEST", ">MIN/HR", ">MAX/HR",
						">CUDA",  "NOTE",     NULL };
	struct table table = table_new(cli->arena, headings);
	const char *query = flags_query(cli, err);
	json_auto_t *answer = NULL;
	size_t index;
	json_t *offer;

	if (!query || cli_list(cli, "/gpus", query, &answer, err) < 0)
		return -1;
	if (cli->json) {
		report_json(answer);
		return CLI_OK;
	}
	json_array_foreach(json_object_get(answer, "items"), index, offer)
		offer_row(cli, &table, offer);
	if (table.n_rows == 0)
		report_note(cli, "Nothing is offered that fits. Nodes are added with: dure node "
				 "add");
	else
		report_table(cli, &table);
	return CLI_OK;
}

static int run_models(struct cli *cli, struct err *err)
{
	static const char *const headings[] = { "CODE", "NAME", "SERIES", ">MEMORY", NULL };
	struct table table = table_new(cli->arena, headings);
	json_auto_t *answer = NULL;
	size_t index;
	json_t *model;

	if (cli_list(cli, "/gpu-models", "", &answer, err) < 0)
		return -1;
	if (cli->json) {
		report_json(answer);
		return CLI_OK;
	}
	json_array_foreach(json_object_get(answer, "items"), index, model)
	{
		if (cli->quiet)
			report_line("%s", member_text(cli, model, "code"));
		table_row(&table,
			  CELLS(member_text(cli, model, "code"), member_text(cli, model, "name"),
				member_text(cli, model, "series"),
				amount_size(cli->arena, member_int(model, "memory_mb"))));
	}
	if (!cli->quiet)
		report_table(cli, &table);
	return CLI_OK;
}

static const struct flag list_flags[] = {
	{ "tier", 0, "1|2|3", "Only this tier", FLAG_INTEGER, "/tier", false },
	{ "model", 0, "CODE", "Only this model", FLAG_TEXT, "/model", false },
	{ "min-memory", 0, "SIZE", "At least so much memory a GPU, like 24G", FLAG_SIZE,
	  "/min_memory_mb", false },
	{ "min-price", 0, "POINTS", "At least so many points an hour", FLAG_POINTS, "/min_price",
	  false },
	{ "max-price", 0, "POINTS", "At most so many points an hour", FLAG_POINTS, "/max_price",
	  false },
	{ "available", 0, NULL, "Only what is free right now", FLAG_SWITCH, "/available", false },
	{ 0 },
};

const struct verb verbs_gpu[] = {
	{ "gpu", "list", "", 0, 0, false, list_flags, "List what can be had now, by model and tier",
	  "dure gpu list --tier 3 --min-memory 24G --available", run_list },
	{ "gpu", "models", "", 0, 0, false, NULL, "List the GPU models that Dure knows",
	  "dure gpu models", run_models },
	{ 0 },
};
