/* cli: amounts, widths, tables, flags → JSON, verbs, exit statuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/limits.h"
#include "base/strings.h"
#include "cli/amount.h"
#include "cli/app.h"
#include "cli/report.h"
#include "cli/table.h"
#include "cli/text.h"
#include "cli/workload.h"

struct fixture {
	struct cli cli;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->cli.magic = CLI_MAGIC;
	f->cli.arena = arena_new(1 << 24);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	arena_free(f->cli.arena);
	free(f);
	return 0;
}

static struct cli *cli_of(void **state) { return &((struct fixture *)*state)->cli; }

static void points_are_exact(void **state)
{
	static const struct {
		const char *text;
		int64_t micro;
	} good[] = { { "0", 0 },
		     { "500", 500000000 },
		     { "0.5", 500000 },
		     { "0.1", 100000 },
		     { "1234.000001", 1234000001 },
		     { "1,234.5 P", 1234500000 },
		     { "1,234,567", INT64_C(1234567000000) },
		     { "7P", 7000000 },
		     { "1.50000000", 1500000 },
		     { "9223372036854.775807", INT64_MAX } };
	static const char *const wrong[] = { "",
					     "-1",
					     "1.",
					     "1.2345678",
					     ".5",
					     "1e3",
					     "5 Q",
					     "1,23",
					     "12,34,567",
					     "1234,567",
					     ",123",
					     "1,",
					     " 5",
					     "0x5",
					     "5PP",
					     "five",
					     "NaN",
					     "9223372036854.775808",
					     "99999999999999999999" };
	int64_t micro;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(amount_points_parse(good[i].text, &micro), 0);
		assert_true(micro == good[i].micro);
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		micro = 42;
		assert_true(amount_points_parse(wrong[i], &micro) < 0);
		assert_true(micro == 42);
	}
}

static void points_are_shown_and_read_back(void **state)
{
	struct arena *arena = cli_of(state)->arena;
	int64_t back, value = 1;

	assert_string_equal(amount_points(arena, 0), "0 P");
	assert_string_equal(amount_points(arena, 1234500000), "1,234.5 P");
	assert_string_equal(amount_points(arena, -1500000), "-1.5 P");
	assert_string_equal(amount_points(arena, 1), "0.000001 P");
	assert_string_equal(amount_points(arena, INT64_MIN), "-9,223,372,036,854.775808 P");
	assert_string_equal(amount_points_range(arena, 300000000, 500000000), "300 – 500 P");
	assert_string_equal(amount_points_range(arena, 5, 5), "0.000005 P");
	for (int i = 0; i < 2000; i++) {
		value = (int64_t)(((uint64_t)value * UINT64_C(6364136223846793005) +
				   UINT64_C(1442695040888963407)) >>
				  1);
		int64_t scaled = value >> (i % 62);
		assert_int_equal(amount_points_parse(amount_points(arena, scaled), &back), 0);
		assert_true(back == scaled);
	}
}

static void sizes_come_out_even(void **state)
{
	struct arena *arena = cli_of(state)->arena;
	int64_t mb;

	assert_int_equal(amount_size_parse("24G", &mb), 0);
	assert_int_equal(mb, 24576);
	assert_int_equal(amount_size_parse("24gib", &mb), 0);
	assert_int_equal(mb, 24576);
	assert_int_equal(amount_size_parse("1.5 GB", &mb), 0);
	assert_int_equal(mb, 1536);
	assert_int_equal(amount_size_parse("512", &mb), 0);
	assert_int_equal(mb, 512);
	assert_int_equal(amount_size_parse("2T", &mb), 0);
	assert_int_equal(mb, 2 * 1024 * 1024);
	assert_int_equal(amount_size_parse("0.125G", &mb), 0);
	assert_int_equal(mb, 128);
	assert_true(amount_size_parse("0.3G", &mb) < 0);
	assert_true(amount_size_parse("1.5M", &mb) < 0);
	assert_true(amount_size_parse("1K", &mb) < 0);
	assert_true(amount_size_parse("G", &mb) < 0);
	assert_true(amount_size_parse("-1G", &mb) < 0);
	assert_true(amount_size_parse("9000000000000000T", &mb) < 0);
	assert_string_equal(amount_size(arena, 24576), "24 GB");
	assert_string_equal(amount_size(arena, 1536), "1.5 GB");
	assert_string_equal(amount_size(arena, 1500), "~1.4 GB");
	assert_string_equal(amount_size(arena, 64), "64 MB");
	assert_string_equal(amount_size(arena, 1024 * 1024), "1 TB");
}

static void cpus_and_durations(void **state)
{
	struct arena *arena = cli_of(state)->arena;
	int64_t value;

	assert_int_equal(amount_cpu_parse("0.5", &value), 0);
	assert_int_equal(value, 500);
	assert_int_equal(amount_cpu_parse("16", &value), 0);
	assert_int_equal(value, 16000);
	assert_int_equal(amount_cpu_parse("250m", &value), 0);
	assert_int_equal(value, 250);
	assert_true(amount_cpu_parse("0.0005", &value) < 0);
	assert_true(amount_cpu_parse("0.5m", &value) < 0);
	assert_true(amount_cpu_parse("many", &value) < 0);
	assert_string_equal(amount_cpu(arena, 500), "0.5");
	assert_string_equal(amount_cpu(arena, 10000), "10");
	assert_string_equal(amount_cpu(arena, 1250), "1.25");
	assert_string_equal(amount_cpu(arena, 0), "0");
	assert_int_equal(amount_duration_parse("10m", &value), 0);
	assert_int_equal(value, 600);
	assert_int_equal(amount_duration_parse("30d", &value), 0);
	assert_int_equal(value, 30 * 86400);
	assert_int_equal(amount_duration_parse("45", &value), 0);
	assert_int_equal(value, 45);
	assert_true(amount_duration_parse("1.5h", &value) < 0);
	assert_true(amount_duration_parse("5 m", &value) < 0);
	assert_true(amount_duration_parse("m", &value) < 0);
	assert_string_equal(amount_duration(arena, 12345678), "12.3 s");
	assert_string_equal(amount_duration(arena, INT64_C(125000000)), "2 min 5 s");
	assert_string_equal(amount_duration(arena, -5), "0 s");
}

static void widths_of_korean_and_others(void **state)
{
	(void)state;
	assert_int_equal(text_width("abc"), 3);
	assert_int_equal(text_width("배포중"), 6);
	assert_int_equal(text_width("e\u0301"), 1);
	assert_int_equal(text_width("100 – 200"), 9);
	assert_int_equal(text_width("🚀"), 2);
	assert_int_equal(text_width("a\xff"
				    "b"),
			 3);
	assert_int_equal(text_fit("배포중", 5), strlen("배포"));
	assert_int_equal(text_fit("abc", 10), 3);
	assert_int_equal(text_fit("배", 1), 0);
}

static void text_does_not_steer_the_terminal(void **state)
{
	struct arena *arena = cli_of(state)->arena;

	assert_string_equal(text_line(arena, "a\x1b[2Jb\nc\td"), "a?[2Jb c d");
	assert_string_equal(text_line(arena, "x\xc2\x9b y"), "x? y");
	assert_string_equal(text_line(arena, "\u202eevil"), "?evil");
	assert_string_equal(text_block(arena, "one\r\ntwo\x07"), "one\ntwo?");
	assert_string_equal(text_line(arena, "설명"), "설명");
	assert_string_equal(text_line(arena, "\xff"), "\xef\xbf\xbd");
}

static void tables_line_up_by_columns(void **state)
{
	static const char *const headings[] = { ">SER", "~DESCRIPTION", "STATE", NULL };
	struct table table = table_new(cli_of(state)->arena, headings);
	BUF_AUTO out = BUF_INIT(1 << 16);

	table_row(&table, CELLS("7", "안녕", "deployed"));
	table_row_styled(&table, CELLS("12", NULL, "failed"), 2, STYLE_BAD);
	table_write(&table, false, 0, &out);
	assert_string_equal(out.data, "SER  DESCRIPTION  STATE\n"
				      "  7  안녕         deployed\n"
				      " 12  -            failed\n");
	buf_clear(&out);
	table_write(&table, true, 0, &out);
	assert_non_null(strstr(out.data, "\033[31mfailed\033[0m\n"));
}

static void tables_cut_only_what_may_be_cut(void **state)
{
	static const char *const headings[] = { "A", "~B", NULL };
	struct table table = table_new(cli_of(state)->arena, headings);
	BUF_AUTO out = BUF_INIT(1 << 16);

	table_row(&table, CELLS("0123456789", "가나다라마바사아자차"));
	table_write(&table, false, 24, &out);
	assert_non_null(strstr(out.data, "0123456789  가나다라마…\n"));
}

/* --- flags --- */

static const struct verb *verb_of(const char *group, const char *name)
{
	const struct verb *verb;

	for (size_t i = 0; (verb = cli_verb_at(i)); i++)
		if (str_equal(verb->group, group) && str_equal(verb->name, name))
			return verb;
	return NULL;
}

#define WORDS_MAX 64

/* The JSON that a command line makes; NULL when a flag is bad, with `err` filled. */
static char *json_of(struct cli *cli, const struct verb *verb, const char *const *words,
		     struct err *err)
{
	json_auto_t *body = json_object();
	char *argv[WORDS_MAX] = { "dure" };
	int argc = 1;

	for (; words[argc - 1]; argc++)
		argv[argc] = arena_strdup(cli->arena, words[argc - 1]);
	memset(&cli->args, 0, sizeof(cli->args));
	cli_parse(cli, verb, argc, argv);
	if (flags_apply(cli, body, err) < 0)
		return NULL;
	char *text = json_dumps(body, JSON_COMPACT | JSON_SORT_KEYS);
	char *kept = arena_strdup(cli->arena, text);
	free(text);
	return kept;
}

#define JSON_OF(cli, verb, err, ...)                                                               \
	json_of((cli), (verb), (const char *const[]){ __VA_ARGS__, NULL }, (err))

static void flags_become_a_spec(void **state)
{
	struct cli *cli = cli_of(state);
	const struct verb *verb = verb_of("workload", "register");
	ERR_AUTO(err);

	assert_string_equal(
		JSON_OF(cli, verb, &err, "-d", "웹", "--registry", "Docker-Hub", "-i", "nginx:1",
			"-p", "80", "--target", "3", "-r", "2", "--gpu", "rtx4090:2",
			"--gpu-memory", "24G", "-e", "A=1", "--env", "B=x=y", "--shm", "1G",
			"--cpu", "0.5", "-m", "2G", "--cuda", "12.8", "--max-price", "500.5",
			"--command", "python3 app.py", "--deploy"),
		"{\"command\":\"python3 app.py\",\"cpu_milli\":500,\"deploy_now\":true,"
		"\"description\":\"웹\",\"env\":{\"A\":\"1\",\"B\":\"x=y\"},"
		"\"gpu\":{\"count\":2,\"memory_mb\":24576,\"model\":\"rtx4090\"},"
		"\"image\":\"nginx:1\",\"max_price_per_hour\":500500000,\"memory_mb\":2048,"
		"\"min_cuda\":\"12.8\",\"port\":80,\"registry\":\"docker_hub\",\"replicas\":2,"
		"\"shared_memory_mb\":1024,\"target\":\"tier3\"}");
	assert_string_equal(JSON_OF(cli, verb, &err, "--gpu", "any:2"),
			    "{\"gpu\":{\"count\":2,\"model\":null}}");
	assert_string_equal(JSON_OF(cli, verb, &err, "--gpu", "3"), "{\"gpu\":{\"count\":3}}");
	assert_string_equal(JSON_OF(cli, verb, &err, "--gpu", "t4"),
			    "{\"gpu\":{\"model\":\"t4\"}}");
	assert_string_equal(JSON_OF(cli, verb, &err, "-e", "A=", "-e", "A=2"),
			    "{\"env\":{\"A\":\"2\"}}");
}

static void flags_of_an_edit_can_unset(void **state)
{
	struct cli *cli = cli_of(state);
	const struct verb *verb = verb_of("workload", "edit");
	ERR_AUTO(err);

	assert_string_equal(JSON_OF(cli, verb, &err, "7", "--gpu", "none", "--cuda", "none",
				    "--max-price", "none", "--unset-env", "OLD", "-e", "NEW=1",
				    "--no-command"),
			    "{\"command\":null,\"env\":{\"NEW\":\"1\",\"OLD\":null},\"gpu\":null,"
			    "\"max_price_per_hour\":null,\"min_cuda\":null}");
	assert_int_equal(cli->args.n_words, 1);
	assert_string_equal(cli->args.words[0], "7");
}

static void words_behind_dashes_are_the_command(void **state)
{
	struct cli *cli = cli_of(state);
	const struct verb *verb = verb_of("workload", "edit");
	ERR_AUTO(err);

	assert_non_null(JSON_OF(cli, verb, &err, "7", "-r", "2", "--", "sh", "-c", "--", "-r"));
	assert_int_equal(cli->args.n_words, 1);
	assert_true(cli->args.has_command);
	assert_int_equal(cli->args.n_command, 4);
	assert_string_equal(cli->args.command[0], "sh");
	assert_string_equal(cli->args.command[1], "-c");
	assert_string_equal(cli->args.command[2], "--");
	assert_string_equal(cli->args.command[3], "-r");
	assert_string_equal(args_value(&cli->args, "replicas"), "2");
}

static void all_bad_flags_at_once(void **state)
{
	struct cli *cli = cli_of(state);
	ERR_AUTO(err);

	assert_null(JSON_OF(cli, verb_of("workload", "register"), &err, "--port", "x", "--cpu", "y",
			    "--memory", "z", "-e", "DURE_TEST_NOT_SET_ANYWHERE", "--gpu", "a:b",
			    "--replicas", "2"));
	assert_int_equal(err.code, ERR_FIELDS);
	const json_t *fields = json_object_get(err.extra, "fields");
	assert_int_equal(json_array_size(fields), 5);
	assert_string_equal(
		json_string_value(json_object_get(json_array_get(fields, 0), "pointer")), "--port");
	assert_int_equal(report_exit(&err), CLI_USAGE);
}

static void environment_comes_from_files_and_from_ours(void **state)
{
	struct cli *cli = cli_of(state);
	const struct verb *verb = verb_of("workload", "register");
	char path[] = "/tmp/dure-test-cli-XXXXXX";
	int fd = mkstemp(path);
	ERR_AUTO(err);

	assert_true(fd >= 0);
	dprintf(fd, "# a comment\n\nA=1\r\n  B=two words\nDURE_TEST_OURS\n");
	close(fd);
	assert_int_equal(setenv("DURE_TEST_OURS", "here", 1), 0);
	assert_string_equal(
		JSON_OF(cli, verb, &err, "--env-file", path, "-e", "A=3"),
		"{\"env\":{\"A\":\"3\",\"B\":\"two words\",\"DURE_TEST_OURS\":\"here\"}}");
	unlink(path);
	assert_null(JSON_OF(cli, verb, &err, "--env-file", path));
}

static void a_node_with_real_gpus(void **state)
{
	struct cli *cli = cli_of(state);
	ERR_AUTO(err);

	assert_string_equal(
		JSON_OF(cli, verb_of("node", "add"), &err, "n1", "--tier", "1", "--gpu",
			"h100-sxm-80g:2", "--gpu-uuid", "GPU-a", "--gpu-uuid", "GPU-b", "--base",
			"0.000001", "--sharing", "off", "--disk", "1T"),
		"{\"base_per_hour\":1,\"disk_mb\":1048576,\"gpu\":{\"count\":2,\"model\":"
		"\"h100-sxm-80g\",\"uuids\":[\"GPU-a\",\"GPU-b\"]},\"sharing\":false,\"tier\":1}");
}

static void queries_are_escaped(void **state)
{
	struct cli *cli = cli_of(state);
	ERR_AUTO(err);

	assert_non_null(JSON_OF(cli, verb_of("gpu", "list"), &err, "--model", "a b&c", "--tier",
				"2", "--available", "--min-memory", "24G"));
	assert_string_equal(flags_query(cli, &err),
			    "?model=a%20b%26c&tier=2&available=true&min_memory_mb=24576");
	assert_non_null(JSON_OF(cli, verb_of("gpu", "list"), &err, NULL));
	assert_string_equal(flags_query(cli, &err), "");
	assert_string_equal(cli_escape(cli, "../x"), "..%2Fx");
}

static void verbs_are_found_or_guessed(void **state)
{
	static const struct {
		const char *words[2];
		const char *meant;
	} cases[] = { { { "workload", "regster" }, "dure workload register" },
		      { { "workload", "lsit" }, "dure workload list" },
		      { { "deploy", "7" }, "dure workload deploy" },
		      { { "wrokload", "list" }, "dure workload" },
		      { { "lgoin", "x" }, "dure login" },
		      { { "gpu", "modles" }, "dure gpu models" } };
	struct cli *cli = cli_of(state);
	const char *group;
	size_t used;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ERR_AUTO(err);
		assert_null(cli_verb_find(cli, cases[i].words, 2, &used, &group, &err));
		assert_non_null(strstr(err.message, cases[i].meant));
		assert_int_equal(report_exit(&err), CLI_USAGE);
	}
	ERR_AUTO(err);
	const char *words[] = { "node", "list", "-q" };
	assert_ptr_equal(cli_verb_find(cli, words, 3, &used, &group, &err),
			 verb_of("node", "list"));
	assert_int_equal(used, 2);
	assert_null(cli_verb_find(cli, words, 1, &used, &group, &err));
	assert_string_equal(group, "node");
	assert_int_equal(err.code, ERR_NONE);
	const char *nonsense[] = { "xyzzyplugh" };
	assert_null(cli_verb_find(cli, nonsense, 1, &used, &group, &err));
	assert_null(strstr(err.message, "did you mean"));
}

static void every_verb_is_described(void **state)
{
	const struct verb *verb;
	size_t count = 0;

	(void)state;
	for (; (verb = cli_verb_at(count)); count++) {
		assert_non_null(verb->summary);
		assert_true(text_width(verb->summary) <= 57); /* a line of the list has 80 */
		assert_non_null(verb->example);
		assert_true(str_starts(verb->example, "dure ") ||
			    strstr(verb->example, "| dure ") != NULL);
		assert_non_null(verb->run);
		assert_true(verb->min_words <= verb->max_words);
		for (const struct flag *flag = verb->flags; flag && flag->name; flag++)
			assert_true(!flag->pointer || flag->pointer[0] == '/');
	}
	assert_true(count > 20);
}

static void statuses_tell_who_is_to_blame(void **state)
{
	static const struct {
		int status;
		enum cli_exit exit;
	} cases[] = { { 400, CLI_USAGE }, { 401, CLI_AUTH },  { 403, CLI_AUTH },
		      { 404, CLI_USAGE }, { 409, CLI_USAGE }, { 422, CLI_USAGE },
		      { 500, CLI_API },   { 503, CLI_API },   { 504, CLI_API } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ERR_AUTO(err);
		err_set(&err, ERR_UNAVAILABLE, "x");
		err_extra(&err, "problem", json_pack("{s:i}", "status", cases[i].status));
		assert_int_equal(report_exit(&err), cases[i].exit);
	}
	ERR_AUTO(err);
	err_set(&err, ERR_UNAVAILABLE, "no connection");
	assert_int_equal(report_exit(&err), CLI_NETWORK);
	err_set(&err, ERR_TIMEOUT, "no answer");
	assert_int_equal(report_exit(&err), CLI_NETWORK);
	err_set(&err, ERR_INTERNAL, "not JSON");
	assert_int_equal(report_exit(&err), CLI_API);
}

static const char *progress_of(struct cli *cli, const char *workload, const char *pods)
{
	json_auto_t *w = json_loads(workload, 0, NULL);
	json_auto_t *p = json_loads(pods, 0, NULL);
	const char *kind = NULL;

	assert_non_null(w);
	assert_non_null(p);
	const char *text = progress_text(cli, w, p, &kind);
	assert_non_null(kind);
	return text;
}

static void progress_names_the_phase(void **state)
{
#define DEPLOYING "{\"state\":\"deploying\",\"pods\":{\"asked\":2,\"total\":2,\"ready\":1}}"
	struct cli *cli = cli_of(state);

	assert_string_equal(progress_of(cli, DEPLOYING, "[]"), "placing");
	assert_string_equal(progress_of(cli, DEPLOYING, "[{\"phase\":\"pending\"}]"), "placing");
	assert_string_equal(
		progress_of(
			cli, DEPLOYING,
			"[{\"phase\":\"pulling\",\"pull\":{\"done\":12582912,\"total\":29360128}},"
			"{\"phase\":\"pulling\",\"pull\":null}]"),
		"pulling 42 % (12/28 MB)");
	assert_string_equal(progress_of(cli, DEPLOYING, "[{\"phase\":\"pulling\",\"pull\":null}]"),
			    "pulling the image");
	assert_string_equal(
		progress_of(cli, DEPLOYING, "[{\"phase\":\"running\"},{\"phase\":\"starting\"}]"),
		"starting 1/2 ready");
	assert_string_equal(
		progress_of(cli, DEPLOYING, "[{\"phase\":\"running\"},{\"phase\":\"restarting\"}]"),
		"restarting 1 of 2");
	assert_string_equal(
		progress_of(cli, "{\"state\":\"terminating\",\"pods\":{\"total\":1}}", "[]"),
		"terminating, 1 pod left");
#undef DEPLOYING
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(points_are_exact),
		cmocka_unit_test_setup_teardown(points_are_shown_and_read_back, setup, teardown),
		cmocka_unit_test_setup_teardown(sizes_come_out_even, setup, teardown),
		cmocka_unit_test_setup_teardown(cpus_and_durations, setup, teardown),
		cmocka_unit_test(widths_of_korean_and_others),
		cmocka_unit_test_setup_teardown(text_does_not_steer_the_terminal, setup, teardown),
		cmocka_unit_test_setup_teardown(tables_line_up_by_columns, setup, teardown),
		cmocka_unit_test_setup_teardown(tables_cut_only_what_may_be_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(flags_become_a_spec, setup, teardown),
		cmocka_unit_test_setup_teardown(flags_of_an_edit_can_unset, setup, teardown),
		cmocka_unit_test_setup_teardown(words_behind_dashes_are_the_command, setup,
						teardown),
		cmocka_unit_test_setup_teardown(all_bad_flags_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(environment_comes_from_files_and_from_ours, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_node_with_real_gpus, setup, teardown),
		cmocka_unit_test_setup_teardown(queries_are_escaped, setup, teardown),
		cmocka_unit_test_setup_teardown(verbs_are_found_or_guessed, setup, teardown),
		cmocka_unit_test(every_verb_is_described),
		cmocka_unit_test(statuses_tell_who_is_to_blame),
		cmocka_unit_test_setup_teardown(progress_names_the_phase, setup, teardown),
	};
	return cmocka_run_group_tests_name("cli", tests, NULL, NULL);
}
