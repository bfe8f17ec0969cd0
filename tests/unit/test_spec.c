/* workload: the spec, from JSON and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/strings.h"
#include "workload/spec.h"

#define MINIMAL                                                                                    \
	"\"description\":\"web server\",\"registry\":\"docker_hub\",\"image\":\"nginx:1.25\","     \
	"\"port\":80"

static json_t *json_of(const char *text)
{
	json_error_t where;
	json_t *json = json_loads(text, JSON_ALLOW_NUL, &where);

	if (!json)
		fail_msg("%s: %s", text, where.text);
	return json;
}

static int parse_text(const char *text, struct arena *arena, struct spec *spec, struct err *err)
{
	json_t *json = json_of(text);
	int r = spec_parse(json, arena, spec, err);

	json_decref(json);
	return r;
}

/* "pointer=code pointer=code …", in the order in which they were noted. */
static char *problems_of(const struct err *err, struct arena *arena)
{
	char *list = arena_strdup(arena, "");
	json_t *problem;
	size_t index;

	json_array_foreach(json_object_get(err->extra, "fields"), index, problem)
	{
		assert_true(strlen(json_string_value(json_object_get(problem, "message"))) > 0);
		list = arena_printf(arena, "%s%s%s=%s", list, index ? " " : "",
				    json_string_value(json_object_get(problem, "pointer")),
				    json_string_value(json_object_get(problem, "code")));
	}
	return list;
}

static void minimal_spec_gets_the_defaults(void **state)
{
	ARENA_AUTO arena = arena_new(1 << 20);
	struct spec spec;
	ERR_AUTO(err);

	(void)state;
	assert_int_equal(parse_text("{" MINIMAL "}", arena, &spec, &err), 0);
	assert_string_equal(spec.description, "web server");
	assert_int_equal(spec.registry, SPEC_REGISTRY_DOCKER_HUB);
	assert_string_equal(spec.image, "nginx:1.25");
	assert_string_equal(spec.image_reference, "docker.io/library/nginx:1.25");
	assert_int_equal(spec.n_argv, 0);
	assert_false(spec.shell_form);
	assert_int_equal(spec.port, 80);
	assert_int_equal(spec.target_tier, 0);
	assert_int_equal(spec.replicas, 1);
	assert_null(spec.gpu_model);
	assert_int_equal(spec.gpu_count, 0);
	assert_int_equal(spec.n_variables, 0);
	assert_int_equal(spec.shared_memory_mb, 64);
	assert_int_equal(spec.cpu_milli, 1000);
	assert_int_equal(spec.memory_mb, 1024);
	assert_int_equal(spec.min_cuda_version, 0);
	assert_int_equal(spec.max_price_per_hour, 0);
	assert_false(spec.deploy_now);
}

static const char full[] =
	"{\"description\":\"\xed\x95\x9c\xea\xb8\x80\",\"registry\":\"ngc\","
	"\"image\":\"nvidia/pytorch:24.05-py3\",\"command\":[\"python3\",\"app.py\",\"\"],"
	"\"port\":8080,\"target\":\"tier3\",\"replicas\":3,"
	"\"gpu\":{\"model\":\"rtx4090\",\"count\":2,\"memory_mb\":20000},"
	"\"env\":{\"Z\":\"1\",\"A_b9\":\"\",\"_\":\"a\\u0001\\\"b\"},\"shared_memory_mb\":128,"
	"\"cpu_milli\":2500,\"memory_mb\":4096,\"min_cuda\":\"12.8\","
	"\"max_price_per_hour\":1500000,\"deploy_now\":true}";

static void full_spec_is_read(void **state)
{
	ARENA_AUTO arena = arena_new(1 << 20);
	struct spec spec;
	ERR_AUTO(err);

	(void)state;
	if (parse_text(full, arena, &spec, &err) < 0)
		fail_msg("%s", err.message);
	assert_string_equal(spec.image_reference, "nvcr.io/nvidia/pytorch:24.05-py3");
	assert_int_equal(spec.n_argv, 3);
	assert_false(spec.shell_form);
	assert_string_equal(spec.argv[1], "app.py");
	assert_string_equal(spec.argv[2], "");
	assert_null(spec.argv[3]);
	assert_int_equal(spec.target_tier, 3);
	assert_int_equal(spec.replicas, 3);
	assert_string_equal(spec.gpu_model, "rtx4090");
	assert_int_equal(spec.gpu_count, 2);
	assert_int_equal(spec.gpu_memory_mb, 20000);
	assert_int_equal(spec.n_variables, 3);
	assert_string_equal(spec.variables[0].name, "A_b9"); /* by name */
	assert_string_equal(spec.variables[2].value, "a\x01\"b");
	assert_int_equal(spec.min_cuda_version, 12080);
	assert_int_equal(spec.max_price_per_hour, 1500000);
	assert_true(spec.deploy_now);
}

static void round_trip(const char *text)
{
	ARENA_AUTO arena = arena_new(1 << 20);
	struct spec first, second;
	char hash[9], again[9];
	ERR_AUTO(err);

	if (parse_text(text, arena, &first, &err) < 0)
		fail_msg("%s: %s", text, err.message);
	char *stored = spec_store(&first, arena);
	if (spec_load(stored, arena, &second, &err) < 0)
		fail_msg("%s", err.message);
	assert_string_equal(spec_store(&second, arena), stored);
	assert_string_equal(second.image_reference, first.image_reference);
	assert_int_equal(parse_text(stored, arena, &second, &err), 0);
	assert_string_equal(spec_store(&second, arena), stored);
	spec_hash(&first, hash);
	spec_hash(&second, again);
	assert_string_equal(hash, again);
	assert_int_equal(strspn(hash, "0123456789abcdef"), 8);
}

static void what_is_written_is_taken_back(void **state)
{
	(void)state;
	round_trip("{" MINIMAL "}");
	round_trip(full);
	round_trip("{" MINIMAL ",\"command\":\"exec ./run --x=1\",\"gpu\":{}}");
	round_trip("{" MINIMAL ",\"command\":null,\"gpu\":{\"count\":0},\"env\":{}}");
	round_trip("{\"description\":\"own registry\",\"registry\":\"other\","
		   "\"image\":\"localhost:5000/a\",\"port\":1}");
}

/* One bad thing added to (or put over) the minimal spec, and the problem it must give. */
static const struct {
	const char *member, *value;
	const char *problems;
} bad_members[] = {
	{ "description", NULL, "/description=required" },
	{ "description", "null", "/description=required" },
	{ "description", "5", "/description=type" },
	{ "description", "\"a\"", "/description=length" },
	{ "description", "\"\xea\xb0\x80\"", "/description=length" },
	{ "description", "\" \\t\\u3000 \\u00a0\"", "/description=length" },
	{ "description", "\" a \"", "/description=length" },
	{ "description", "\"a\\nb\"", "/description=format" },
	{ "description", "\"a\\u0000b\"", "/description=format" },
	{ "registry", NULL, "/registry=required" },
	{ "registry", "1", "/registry=type" },
	{ "registry", "\"dockerhub\"", "/registry=choice" },
	{ "registry", "\"github\"", "" }, /* "nginx:1.25" without a host is then GitHub's */
	{ "registry", "\"other\"", "/image=format" },
	{ "image", NULL, "/image=required" },
	{ "image", "[]", "/image=type" },
	{ "image", "\"\"", "/image=length" },
	{ "image", "\"Nginx\"", "/image=format" },
	{ "image", "\"a\\u0000\"", "/image=format" },
	{ "image", "\"quay.io/a/b\"", "/image=conflict" },
	{ "image", "\"example.com/a/b\"", "/image=conflict" },
	{ "command", "5", "/command=type" },
	{ "command", "{}", "/command=type" },
	{ "command", "\"\"", "/command=length" },
	{ "command", "\" \\n\"", "/command=length" },
	{ "command", "\"a\\u0000\"", "/command=format" },
	{ "command", "[]", "/command=length" },
	{ "command", "[\"\"]", "/command/0=length" },
	{ "command", "[\"a\",1,\"b\",null]", "/command/1=type /command/3=type" },
	{ "command", "[\"a\",\"\\u0000\"]", "/command/1=format" },
	{ "port", NULL, "/port=required" },
	{ "port", "0", "/port=range" },
	{ "port", "65536", "/port=range" },
	{ "port", "80.5", "/port=type" },
	{ "port", "\"80\"", "/port=type" },
	{ "target", "\"tier4\"", "/target=choice" },
	{ "target", "1", "/target=type" },
	{ "replicas", "0", "/replicas=range" },
	{ "replicas", "33", "/replicas=range" },
	{ "replicas", "true", "/replicas=type" },
	{ "gpu", "1", "/gpu=type" },
	{ "gpu", "[]", "/gpu=type" },
	{ "gpu", "{\"model\":\"rtx9999\"}", "/gpu/model=choice" },
	{ "gpu", "{\"model\":1}", "/gpu/model=type" },
	{ "gpu", "{\"count\":17}", "/gpu/count=range" },
	{ "gpu", "{\"count\":-1}", "/gpu/count=range" },
	{ "gpu", "{\"count\":\"1\"}", "/gpu/count=type" },
	{ "gpu", "{\"memory_mb\":-1}", "/gpu/memory_mb=range" },
	{ "gpu", "{\"memory\":1}", "/gpu/memory=unknown" },
	{ "gpu", "{\"count\":0,\"model\":\"t4\"}", "/gpu/count=conflict" },
	{ "gpu", "{\"count\":0,\"memory_mb\":1}", "/gpu/count=conflict" },
	{ "env", "[]", "/env=type" },
	{ "env", "{\"A\":1,\"B\":null,\"C\":\"x\"}", "/env/A=type /env/B=type" },
	{ "env", "{\"9A\":\"x\"}", "/env/9A=format" },
	{ "env", "{\"A-B\":\"x\"}", "/env/A-B=format" },
	{ "env", "{\"\":\"x\"}", "/env/=format" },
	{ "env", "{\"A/B~\":\"x\"}", "/env/A~1B~0=format" },
	{ "env", "{\"DURE_POD\":\"x\"}", "/env/DURE_POD=format" },
	{ "env", "{\"A\":\"x\\u0000\"}", "/env/A=format" },
	{ "shared_memory_mb", "0", "/shared_memory_mb=range" },
	{ "shared_memory_mb", "4194305", "/shared_memory_mb=range" },
	{ "shared_memory_mb", "1e3", "/shared_memory_mb=type" },
	{ "cpu_milli", "9", "/cpu_milli=range" },
	{ "cpu_milli", "512001", "/cpu_milli=range" },
	{ "cpu_milli", "[1]", "/cpu_milli=type" },
	{ "memory_mb", "7", "/memory_mb=range" },
	{ "memory_mb", "9223372036854775807", "/memory_mb=range" },
	{ "memory_mb", "\"1g\"", "/memory_mb=type" },
	{ "min_cuda", "12.8", "/min_cuda=type" },
	{ "min_cuda", "\"\"", "/min_cuda=length" },
	{ "min_cuda", "\"12\"", "/min_cuda=format" },
	{ "min_cuda", "\"12.8.1\"", "/min_cuda=format" },
	{ "min_cuda", "\"0.1\"", "/min_cuda=format" },
	{ "min_cuda", "\"12.08\"", "/min_cuda=format" },
	{ "min_cuda", "\"12.\"", "/min_cuda=format" },
	{ "min_cuda", "\"123.1\"", "/min_cuda=format" },
	{ "max_price_per_hour", "0", "/max_price_per_hour=range" },
	{ "max_price_per_hour", "1000000000001", "/max_price_per_hour=range" },
	{ "max_price_per_hour", "1.5", "/max_price_per_hour=type" },
	{ "deploy_now", "\"yes\"", "/deploy_now=type" },
	{ "colour", "\"red\"", "/colour=unknown" },
};

static void each_bad_member_is_pointed_at(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad_members) / sizeof(bad_members[0]); i++) {
		ARENA_AUTO arena = arena_new(1 << 20);
		json_t *body = json_of("{" MINIMAL "}");
		struct spec spec;
		ERR_AUTO(err);

		if (bad_members[i].value) {
			json_t *list = json_of(arena_printf(arena, "[%s]", bad_members[i].value));
			json_object_set(body, bad_members[i].member, json_array_get(list, 0));
			json_decref(list);
		} else {
			json_object_del(body, bad_members[i].member);
		}
		int r = spec_parse(body, arena, &spec, &err);
		json_decref(body);
		if (!str_equal(problems_of(&err, arena), bad_members[i].problems))
			fail_msg("%s %s gave \"%s\" (%s)", bad_members[i].member,
				 bad_members[i].value ? bad_members[i].value : "left out",
				 problems_of(&err, arena), err.message);
		assert_int_equal(r, bad_members[i].problems[0] ? -1 : 0);
		assert_int_equal(err.code, bad_members[i].problems[0] ? ERR_FIELDS : ERR_NONE);
	}
}

static void many_problems_come_at_once(void **state)
{
	ARENA_AUTO arena = arena_new(1 << 20);
	struct spec spec;
	ERR_AUTO(err);

	(void)state;
	assert_int_equal(parse_text("{\"image\":\"A b\",\"port\":0,\"gpu\":{\"model\":\"x\","
				    "\"count\":99,\"z\":1},\"env\":{\"1\":\"\",\"DURE_A\":\"\"},"
				    "\"command\":[\"a\",2],\"nonsense\":1}",
				    arena, &spec, &err),
			 -1);
	assert_string_equal(problems_of(&err, arena),
			    "/nonsense=unknown /description=required /registry=required "
			    "/image=format /command/1=type /port=range /gpu/z=unknown "
			    "/gpu/count=range /gpu/model=choice /env/1=format /env/DURE_A=format");
	const json_t *first = json_array_get(json_object_get(err.extra, "fields"), 0);
	assert_non_null(strstr(json_string_value(json_object_get(first, "allowed")), "min_cuda"));
	const json_t *word = json_array_get(json_object_get(err.extra, "fields"), 4);
	assert_int_equal(json_integer_value(json_object_get(word, "given")), 2);
}

static void not_an_object_is_refused(void **state)
{
	static const char *const texts[] = { "[]", "[{}]" };
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		ARENA_AUTO arena = arena_new(1 << 20);
		struct spec spec;
		ERR_AUTO(err);

		assert_int_equal(parse_text(texts[i], arena, &spec, &err), -1);
		assert_string_equal(problems_of(&err, arena), "=type");
	}
}

static char *repeated(const char *unit, size_t count)
{
	size_t length = strlen(unit);
	char *text = malloc(length * count + 1);

	assert_non_null(text);
	for (size_t i = 0; i < count; i++)
		memcpy(text + i * length, unit, length);
	text[length * count] = '\0';
	return text;
}

/* Sets `member` to `unit` × count (in env: the value of "V") and gives the problems. */
static const char *with_length(const char *member, const char *unit, size_t count,
			       struct arena *arena)
{
	CHAR_AUTO text = repeated(unit, count);
	json_t *body = json_of("{" MINIMAL ",\"env\":{}}");
	struct spec spec;
	ERR_AUTO(err);

	if (str_equal(member, "env"))
		json_object_set_new(json_object_get(body, "env"), "V", json_string(text));
	else if (str_equal(member, "name"))
		json_object_set_new(json_object_get(body, "env"), text, json_string("v"));
	else
		json_object_set_new(body, member, json_string(text));
	int r = spec_parse(body, arena, &spec, &err);
	json_decref(body);
	const char *problems = problems_of(&err, arena);
	assert_int_equal(r, problems[0] ? -1 : 0);
	const char *code = strrchr(problems, '=');
	return code ? arena_strdup(arena, code) : "";
}

static void lengths_are_counted_right(void **state)
{
	ARENA_AUTO arena = arena_new(8 << 20);
	const char *korean = "\xed\x95\x9c";

	(void)state;
	assert_string_equal(with_length("description", korean, 2, arena), "");
	assert_string_equal(with_length("description", korean, 80, arena), "");
	assert_string_equal(with_length("description", korean, 81, arena), "=length");
	assert_string_equal(with_length("description", "a", 81, arena), "=length");
	assert_string_equal(with_length("description", "a", 1000000, arena), "=length");
	assert_string_equal(with_length("image", "a", 513, arena), "=length");
	assert_string_equal(with_length("command", "a", 8192, arena), "");
	assert_string_equal(with_length("command", "a", 8193, arena), "=length");
	assert_string_equal(with_length("env", "a", 4096, arena), "");
	assert_string_equal(with_length("env", "a", 4097, arena), "=length");
	assert_string_equal(with_length("env", korean, 1366, arena), "=length"); /* bytes */
	assert_string_equal(with_length("name", "a", 256, arena), "");
	assert_string_equal(with_length("name", "a", 257, arena), "=length");
	/* Its pointer is cut inside a character; the problem must not be lost. */
	assert_string_equal(with_length("name", korean, 400, arena), "=length");
}

static void counts_have_ceilings(void **state)
{
	ARENA_AUTO arena = arena_new(8 << 20);
	json_t *body = json_of("{" MINIMAL ",\"env\":{},\"command\":[]}");
	struct spec spec;
	ERR_AUTO(err);

	(void)state;
	for (int i = 0; i < 256; i++)
		json_object_set_new(json_object_get(body, "env"), arena_printf(arena, "V%d", i),
				    json_string(""));
	for (int i = 0; i < 128; i++)
		json_array_append_new(json_object_get(body, "command"), json_string("x"));
	assert_int_equal(spec_parse(body, arena, &spec, &err), 0);
	assert_int_equal(spec.n_variables, 256);
	assert_int_equal(spec.n_argv, 128);
	json_object_set_new(json_object_get(body, "env"), "W", json_string(""));
	json_array_append_new(json_object_get(body, "command"), json_string("x"));
	assert_int_equal(spec_parse(body, arena, &spec, &err), -1);
	assert_string_equal(problems_of(&err, arena), "/command=length /env=length");
	json_decref(body);
}

static int patched(const char *base, const char *patch, struct arena *arena, struct spec *ret_spec,
		   struct err *err)
{
	struct spec spec;
	json_t *json = json_of(patch);

	assert_int_equal(parse_text(base, arena, &spec, err), 0);
	int r = spec_patch(&spec, json, arena, ret_spec, err);
	json_decref(json);
	return r;
}

static void patch_merges(void **state)
{
	ARENA_AUTO arena = arena_new(8 << 20);
	struct spec spec;
	ERR_AUTO(err);

	(void)state;
	assert_int_equal(patched(full,
				 "{\"gpu\":{\"count\":1},\"env\":{\"Z\":null,\"N\":\"new\"},"
				 "\"min_cuda\":null,\"replicas\":null,\"command\":\"run\"}",
				 arena, &spec, &err),
			 0);
	assert_string_equal(spec.gpu_model, "rtx4090");
	assert_int_equal(spec.gpu_count, 1);
	assert_int_equal(spec.n_variables, 3);
	assert_string_equal(spec.variables[1].name, "N");
	assert_int_equal(spec.min_cuda_version, 0);
	assert_int_equal(spec.replicas, 1);
	assert_true(spec.shell_form);
	assert_string_equal(spec.argv[0], "run");
	assert_int_equal(spec.port, 8080);

	assert_int_equal(patched(full, "{\"gpu\":null,\"env\":null}", arena, &spec, &err), 0);
	assert_int_equal(spec.gpu_count, 0);
	assert_null(spec.gpu_model);
	assert_int_equal(spec.n_variables, 0);

	assert_int_equal(
		patched("{" MINIMAL "}", "{\"gpu\":{\"model\":\"t4\"}}", arena, &spec, &err), 0);
	assert_int_equal(spec.gpu_count, 1);

	assert_int_equal(patched(full, "{}", arena, &spec, &err), 0);
	assert_string_equal(
		spec_store(&spec, arena),
		(patched(full, "{\"port\":8080}", arena, &spec, &err), spec_store(&spec, arena)));
}

static const struct {
	const char *patch, *problems;
} bad_patches[] = {
	{ "[]", "=type" },
	{ "{\"description\":null}", "/description=required" },
	{ "{\"image\":null,\"port\":null}", "/image=required /port=required" },
	{ "{\"registry\":\"github\"}", "" },
	{ "{\"registry\":\"other\"}", "/image=format" },
	{ "{\"image\":\"ghcr.io/a/b\"}", "/image=conflict" },
	{ "{\"deploy_now\":true}", "/deploy_now=unknown" },
	{ "{\"nonsense\":null}", "/nonsense=unknown" },
	{ "{\"gpu\":{\"nonsense\":null}}", "/gpu/nonsense=unknown" },
	{ "{\"gpu\":7}", "/gpu=type" },
	{ "{\"gpu\":{\"model\":\"t4\",\"count\":0}}", "/gpu/count=conflict" },
	{ "{\"env\":\"x\"}", "/env=type" },
	{ "{\"env\":{\"A\":{\"B\":1}}}", "/env/A=type" },
	{ "{\"replicas\":0,\"min_cuda\":\"x\"}", "/replicas=range /min_cuda=format" },
};

static void bad_patches_are_pointed_at(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad_patches) / sizeof(bad_patches[0]); i++) {
		ARENA_AUTO arena = arena_new(8 << 20);
		struct spec spec;
		ERR_AUTO(err);

		(void)patched("{" MINIMAL "}", bad_patches[i].patch, arena, &spec, &err);
		if (!str_equal(problems_of(&err, arena), bad_patches[i].problems))
			fail_msg("%s gave \"%s\"", bad_patches[i].patch, problems_of(&err, arena));
	}
}

/* After a merge the member the user sent is pointed at, not the one that stood there. */
static void patch_blames_what_was_sent(void **state)
{
	ARENA_AUTO arena = arena_new(8 << 20);
	struct spec spec;
	ERR_AUTO(err);

	(void)state;
	const char *base = "{\"description\":\"ab\",\"registry\":\"quay\","
			   "\"image\":\"quay.io/a/b\",\"port\":1,\"gpu\":{\"count\":0}}";
	assert_int_equal(patched(base, "{\"registry\":\"github\"}", arena, &spec, &err), -1);
	assert_string_equal(problems_of(&err, arena), "/registry=conflict");
	err_clear(&err);
	assert_int_equal(patched(full, "{\"gpu\":{\"count\":0}}", arena, &spec, &err), -1);
	assert_string_equal(problems_of(&err, arena), "/gpu/count=conflict /gpu/count=conflict");
}

static void hash_counts_what_pods_are_made_from(void **state)
{
	static const char *const same[] = {
		"{\"replicas\":7}",
		"{\"description\":\"other words\"}",
		"{\"target\":\"tier1\"}",
		"{\"max_price_per_hour\":5}",
	};
	static const char *const different[] = {
		"{\"image\":\"nvidia/pytorch:24.06-py3\"}",
		"{\"command\":\"python3\"}",
		"{\"command\":[\"python3\",\"app.py\"]}",
		"{\"port\":8081}",
		"{\"gpu\":{\"count\":1}}",
		"{\"gpu\":{\"model\":null}}",
		"{\"env\":{\"Z\":\"2\"}}",
		"{\"env\":{\"Z\":null}}",
		"{\"shared_memory_mb\":64}",
		"{\"cpu_milli\":10}",
		"{\"memory_mb\":4097}",
		"{\"min_cuda\":\"12.7\"}",
	};
	ARENA_AUTO arena = arena_new(8 << 20);
	struct spec spec;
	char base[9], hash[9];
	ERR_AUTO(err);

	(void)state;
	assert_int_equal(parse_text(full, arena, &spec, &err), 0);
	spec_hash(&spec, base);
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		assert_int_equal(patched(full, same[i], arena, &spec, &err), 0);
		spec_hash(&spec, hash);
		assert_string_equal(hash, base);
	}
	for (size_t i = 0; i < sizeof(different) / sizeof(different[0]); i++) {
		if (patched(full, different[i], arena, &spec, &err) < 0)
			fail_msg("%s: %s", different[i], err.message);
		spec_hash(&spec, hash);
		assert_string_not_equal(hash, base);
	}
}

static void stored_spec_outlives_the_catalogue(void **state)
{
	ARENA_AUTO arena = arena_new(8 << 20);
	struct spec spec;
	ERR_AUTO(err);

	(void)state;
	assert_int_equal(spec_load("{" MINIMAL ",\"gpu\":{\"model\":\"gone\",\"count\":1}}", arena,
				   &spec, &err),
			 0);
	assert_string_equal(spec.gpu_model, "gone");
	assert_int_equal(spec_load("{\"port\":1}", arena, &spec, &err), -1);
	assert_int_equal(err.code, ERR_INTERNAL);
	assert_int_equal(spec_load("{\"port\":", arena, &spec, &err), -1);
	assert_int_equal(err.code, ERR_INTERNAL);
}

static void cuda_versions_are_read_and_written(void **state)
{
	static const struct {
		const char *text;
		int64_t version;
	} versions[] = { { "12.8", 12080 }, { "11.0", 11000 }, { "9.10", 9100 }, { "1.99", 1990 } };
	char text[16];

	(void)state;
	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		int64_t version = 0;
		assert_int_equal(spec_cuda_parse(versions[i].text, &version), 0);
		assert_int_equal(version, versions[i].version);
		spec_cuda_format(version, text);
		assert_string_equal(text, versions[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(minimal_spec_gets_the_defaults),
		cmocka_unit_test(full_spec_is_read),
		cmocka_unit_test(what_is_written_is_taken_back),
		cmocka_unit_test(each_bad_member_is_pointed_at),
		cmocka_unit_test(many_problems_come_at_once),
		cmocka_unit_test(not_an_object_is_refused),
		cmocka_unit_test(lengths_are_counted_right),
		cmocka_unit_test(counts_have_ceilings),
		cmocka_unit_test(patch_merges),
		cmocka_unit_test(bad_patches_are_pointed_at),
		cmocka_unit_test(patch_blames_what_was_sent),
		cmocka_unit_test(hash_counts_what_pods_are_made_from),
		cmocka_unit_test(stored_spec_outlives_the_catalogue),
		cmocka_unit_test(cuda_versions_are_read_and_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
