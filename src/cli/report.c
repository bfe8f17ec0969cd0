#include "cli/report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/env.h"
#include "base/limits.h"
#include "base/strings.h"
#include "cli/amount.h"
#include "cli/text.h"

#define LABEL_COLUMNS 18

enum cli_exit report_exit(const struct err *err)
{
	const json_t *problem = json_object_get(err->extra, "problem");
	json_int_t status = json_integer_value(json_object_get(problem, "status"));

	if (!problem && (err->code == ERR_UNAVAILABLE || err->code == ERR_TIMEOUT))
		return CLI_NETWORK;
	if (!problem)
		status = err_status(err->code);
	if (status == 401 || status == 403)
		return CLI_AUTH;
	return status >= 500 ? CLI_API : CLI_USAGE;
}

/* A value of a problem, as short JSON. */
static const char *short_json(struct cli *cli, const json_t *value)
{
	CHAR_AUTO text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);

	return text ? text_line(cli->arena, text) : "";
}

/* Where it is wrong: a JSON pointer, the name of a query parameter, or of a flag. */
static const char *field_place(struct cli *cli, const json_t *field)
{
	const char *pointer = member_text(cli, field, "pointer");

	return *pointer ? pointer : member_text(cli, field, "parameter");
}

static void print_fields(struct cli *cli, const json_t *fields)
{
	size_t index, widest = 0;
	json_t *field;

	json_array_foreach(fields, index, field)
	{
		size_t width = text_width(field_place(cli, field));
		widest = width > widest ? width : widest;
	}
	json_array_foreach(fields, index, field)
	{
		const char *pointer = field_place(cli, field);
		const json_t *given = json_object_get(field, "given");
		const char *allowed = member_text(cli, field, "allowed");

		fprintf(stderr, "  %s%*s  %s", pointer, (int)(widest - text_width(pointer)), "",
			member_text(cli, field, "message"));
		if (*allowed || given)
			fprintf(stderr, "  (%s%s%s%s%s)", *allowed ? "allowed: " : "", allowed,
				*allowed && given ? "; " : "", given ? "given: " : "",
				given ? short_json(cli, given) : "");
		fputc('\n', stderr);
	}
}

static const char *number(struct cli *cli, int64_t value)
{
	return arena_printf(cli->arena, "%" PRId64, value);
}

/* What would fit instead; prices are those of one replica. */
static void print_alternatives(struct cli *cli, const json_t *alternatives)
{
	static const char *const headings[] = { "WHAT DIFFERS", "TARGET",  "GPU",
						">REPLICAS",    ">CPU",    ">MEMORY",
						">MIN/HR",      ">MAX/HR", NULL };
	struct table table = table_new(cli->arena, headings);
	BUF_AUTO out = BUF_INIT(LIMIT_RESPONSE_BYTES);
	size_t index;
	json_t *offer;

	json_array_foreach(alternatives, index, offer)
	{
		int64_t gpus = member_int(offer, "gpu_count");
		const char *gpu = arena_printf(cli->arena, "%" PRId64 " × %s", gpus,
					       member_text(cli, offer, "gpu_model"));
		table_row(&table,
			  CELLS(member_text(cli, offer, "differs"),
				member_text(cli, offer, "target"), gpus > 0 ? gpu : "CPU only",
				number(cli, member_int(offer, "replicas")),
				amount_cpu(cli->arena, member_int(offer, "cpu_milli")),
				amount_size(cli->arena, member_int(offer, "memory_mb")),
				amount_points(cli->arena, member_int(offer, "min_per_hour")),
				amount_points(cli->arena, member_int(offer, "max_per_hour"))));
	}
	table_write(&table, cli->color_err, 0, &out);
	if (out.data)
		fprintf(stderr, "What would fit:\n%s", out.data);
}

static void print_hint(struct cli *cli, const struct err *err)
{
	enum cli_exit status = report_exit(err);
	const json_t *problem = json_object_get(err->extra, "problem");
	const char *request = member_text(cli, problem, "instance");

	if (status == CLI_API && *request)
		fprintf(stderr, "Request %s: the server's log says more.\n", request);
	if (err->code == ERR_UNAUTHENTICATED && cli->client && !client_has_token(cli->client))
		fprintf(stderr, "Log in with: dure login\n");
	if (status == CLI_NETWORK)
		fprintf(stderr, "Is the server running there? Another one is chosen with --url or "
				"DURE_URL.\n");
}

static void print_error_json(const struct err *err, enum cli_exit status)
{
	const json_t *problem = json_object_get(err->extra, "problem");
	json_auto_t *own =
		json_pack("{s:s, s:s}", "title", err_title(err->code), "detail", err->message);
	json_auto_t *fields = json_incref(json_object_get(err->extra, "fields"));

	if (own && fields)
		(void)json_object_set(own, "fields", fields);
	if (own && status == CLI_NETWORK)
		(void)json_object_set_new(own, "title", json_string("No answer"));
	if (!problem || !json_object_get(problem, "title"))
		problem = own;
	(void)json_dumpf(problem, stderr, JSON_INDENT(2));
	fputc('\n', stderr);
}

int report_error(struct cli *cli, const struct err *err)
{
	enum cli_exit status = report_exit(err);
	const json_t *problem = json_object_get(err->extra, "problem");
	const json_t *fields = json_object_get(problem ? problem : err->extra, "fields");
	const json_t *alternatives = json_object_get(problem, "alternatives");

	fflush(stdout);
	if (cli->json) {
		print_error_json(err, status);
		return (int)status;
	}
	fprintf(stderr, "%sdure:%s %s\n", style_on(STYLE_BAD, cli->color_err),
		style_off(STYLE_BAD, cli->color_err), text_block(cli->arena, err->message));
	if (json_array_size(fields) > 0)
		print_fields(cli, fields);
	if (json_array_size(alternatives) > 0)
		print_alternatives(cli, alternatives);
	print_hint(cli, err);
	return (int)status;
}

void report_json(const json_t *answer)
{
	(void)json_dumpf(answer, stdout, JSON_INDENT(2));
	fputc('\n', stdout);
}

void report_json_line(const json_t *answer)
{
	(void)json_dumpf(answer, stdout, JSON_COMPACT);
	fputc('\n', stdout);
	fflush(stdout);
}

void report_table(struct cli *cli, const struct table *table)
{
	BUF_AUTO out = BUF_INIT(CLI_ARENA_BYTES);

	table_write(table, cli->color, cli->columns, &out);
	if (out.data)
		(void)fwrite(out.data, 1, out.length, stdout);
}

void report_line(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	fputc('\n', stdout);
}

void report_field_styled(struct cli *cli, const char *label, const char *value, enum style style)
{
	size_t width = text_width(label) + 1;

	printf("%s:%*s %s%s%s\n", label, width < LABEL_COLUMNS ? (int)(LABEL_COLUMNS - width) : 0,
	       "", style_on(style, cli->color), str_empty(value) ? "-" : value,
	       style_off(style, cli->color));
}

void report_field(struct cli *cli, const char *label, const char *value)
{
	report_field_styled(cli, label, value, STYLE_PLAIN);
}

void report_note(const struct cli *cli, const char *format, ...)
{
	va_list args;

	if (cli->quiet || cli->json)
		return;
	fflush(stdout);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

const char *report_time(struct cli *cli, int64_t time_us)
{
	time_t seconds = (time_t)(time_us / USEC_PER_SEC);
	char text[40];
	struct tm parts;

	if (time_us == 0 || !localtime_r(&seconds, &parts) ||
	    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %z", &parts) == 0)
		return "-";
	return arena_strdup(cli->arena, text);
}

const char *report_age(struct cli *cli, int64_t time_us)
{
	static const struct {
		int64_t seconds;
		const char *unit;
	} units[] = { { 86400, "d" }, { 3600, "h" }, { 60, "min" }, { 1, "s" } };
	struct env env = env_system(NULL);
	int64_t age = (env_now(&env) - time_us) / USEC_PER_SEC;

	if (time_us == 0)
		return "-";
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (age >= units[i].seconds)
			return arena_printf(cli->arena, "%" PRId64 " %s", age / units[i].seconds,
					    units[i].unit);
	return "0 s";
}

enum style report_state_style(const char *state)
{
	if (str_equal(state, "deployed") || str_equal(state, "running"))
		return STYLE_GOOD;
	if (str_equal(state, "failed") || str_equal(state, "error"))
		return STYLE_BAD;
	if (str_equal(state, "terminated") || str_equal(state, "registered") ||
	    str_equal(state, "gone"))
		return STYLE_FAINT;
	return STYLE_BUSY;
}
