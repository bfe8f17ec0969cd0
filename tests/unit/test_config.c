/* config: defaults < file < environment < flags; YAML into JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/yamljson.h"
#include "config.h"

static char file[64];

static void write_file(const char *text)
{
	FILE *out = fopen(file, "w");

	assert_non_null(out);
	fputs(text, out);
	assert_int_equal(fclose(out), 0);
}

static int setup(void **state)
{
	(void)state;
	(void)snprintf(file, sizeof(file), "/tmp/dure-config-%d.yaml", (int)getpid());
	return setenv("DURE_CONFIG", file, 1);
}

static int teardown(void **state)
{
	(void)state;
	(void)unlink(file);
	return 0;
}

static void flags_win_over_environment_over_file(void **state)
{
	char *argv[] = { "serve", "--service-port", "9003", "--data-dir=/tmp/x", NULL };
	CONFIG_AUTO(config);
	ERR_AUTO(err);

	(void)state;
	write_file("service:\n  port: 9001\n  domain: example.org\nlog: { level: debug }\n");
	setenv("DURE_SERVICE_PORT", "9002", 1);
	setenv("DURE_LOG_LEVEL", "warning", 1);
	assert_int_equal(config_load(4, argv, &config, &err), 0);
	assert_int_equal(config.service_port, 9003);
	assert_string_equal(config.log_level, "warning");
	assert_string_equal(config.service_domain, "example.org");
	assert_string_equal(config.data_dir, "/tmp/x");
	assert_string_equal(config.docker_socket, "/var/run/docker.sock");
	unsetenv("DURE_SERVICE_PORT");
	unsetenv("DURE_LOG_LEVEL");
}

static void what_is_wrong_is_named_with_its_place(void **state)
{
	static const struct {
		const char *yaml, *flag, *value, *message;
	} bad[] = {
		{ "service:\n  port: 0\n", NULL, NULL, "service.port: \"0\"" },
		{ "service:\n  prot: 1\n", NULL, NULL, "no setting \"service.prot\"" },
		{ "service: [1]\n", NULL, NULL, "no setting \"service\"" },
		{ "a: 1\na: 2\n", NULL, NULL, "line 2, column 1" },
		{ "- 1\n", NULL, NULL, "a mapping of settings" },
		{ "", "--api-threads", "many", "--api-threads: \"many\"" },
		{ "", "--nonsense", "1", "no flag --nonsense" },
		{ "", "--service-port", NULL, "needs a value" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char *argv[] = { "serve", (char *)(uintptr_t)bad[i].flag,
				 (char *)(uintptr_t)bad[i].value, NULL };
		CONFIG_AUTO(config);
		ERR_AUTO(err);
		write_file(bad[i].yaml);
		int argc = 1 + (bad[i].flag != NULL) + (bad[i].value != NULL);
		assert_int_equal(config_load(argc, argv, &config, &err), -1);
		if (!strstr(err.message, bad[i].message))
			fail_msg("\"%s\" lacks \"%s\"", err.message, bad[i].message);
	}
}

static void listen_is_split(void **state)
{
	char address[64];
	uint16_t port = 0;
	ERR_AUTO(err);

	(void)state;
	assert_int_equal(config_split_listen("127.0.0.1:8080", address, &port, &err), 0);
	assert_string_equal(address, "127.0.0.1");
	assert_int_equal(port, 8080);
	assert_int_equal(config_split_listen("[::1]:0", address, &port, &err), 0);
	assert_string_equal(address, "::1");
	assert_int_equal(config_split_listen("8080", address, &port, &err), -1);
	assert_int_equal(config_split_listen("a:70000", address, &port, &err), -1);
}

static void assert_yaml(const char *text, const char *expected)
{
	json_t *json = NULL;
	ERR_AUTO(err);

	assert_int_equal(yaml_to_json(text, strlen(text), "t", &json, &err), 0);
	char *dumped = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
	assert_string_equal(dumped, expected);
	free(dumped);
	json_decref(json);
}

static void yaml_becomes_json(void **state)
{
	(void)state;
	assert_yaml("", "null");
	assert_yaml("a: 1\nb: [x, \"1\", -2, 1.5, true, null, 007, 1.2.3, ~]\n",
		    "{\"a\":1,\"b\":[\"x\",\"1\",-2,1.5,true,null,\"007\",\"1.2.3\",null]}");
	assert_yaml("a: &x {k: v}\nb: *x\n", "{\"a\":{\"k\":\"v\"},\"b\":{\"k\":\"v\"}}");
	assert_yaml("text: |\n  one\n  two\n", "{\"text\":\"one\\ntwo\\n\"}");
}

static void hostile_yaml_is_refused(void **state)
{
	static const char *const bad[] = {
		"a: [",
		"a: 1\n---\nb: 2\n",
		"{1: [2], [3]: 4}",
		"a: 99999999999999999999\n",
		"a: &a [*a]\n",
		"a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
		"c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
		"e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		json_t *json = NULL;
		ERR_AUTO(err);
		assert_int_equal(yaml_to_json(bad[i], strlen(bad[i]), "t", &json, &err), -1);
		assert_true(err.message[0] != '\0');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flags_win_over_environment_over_file),
		cmocka_unit_test(what_is_wrong_is_named_with_its_place),
		cmocka_unit_test(listen_is_split),
		cmocka_unit_test(yaml_becomes_json),
		cmocka_unit_test(hostile_yaml_is_refused),
	};

	return cmocka_run_group_tests_name("config", tests, setup, teardown);
}
