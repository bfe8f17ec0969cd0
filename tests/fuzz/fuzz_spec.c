/* Any bytes as a request to register, and as a patch to what stands: refused with fields that are
 * pointed at, or stored, loaded, written and parsed again without a difference. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/strings.h"
#include "workload/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int condition)
{
	if (!condition)
		abort();
}

static void check_refusal(const struct err *err)
{
	const json_t *fields = json_object_get(err->extra, "fields");
	json_t *problem;
	size_t index;

	must(err->code == ERR_FIELDS && json_array_size(fields) > 0);
	json_array_foreach((json_t *)(uintptr_t)fields, index, problem)
	{
		must(json_string_length(json_object_get(problem, "code")) > 0);
		must(json_string_length(json_object_get(problem, "message")) > 0);
		must(json_is_string(json_object_get(problem, "pointer")));
	}
	char *text = json_dumps(err->extra, JSON_COMPACT);
	must(text != NULL);
	free(text);
}

static void check_spec(const struct spec *spec, struct arena *arena)
{
	struct spec loaded, parsed;
	char first[9], again[9];
	ERR_AUTO(err);

	must(utf8_length(spec->description) >= LIMIT_DESCRIPTION_MIN);
	must(utf8_length(spec->description) <= LIMIT_DESCRIPTION_MAX);
	char *stored = spec_store(spec, arena);
	must(stored && spec_load(stored, arena, &loaded, &err) == 0);
	must(str_equal(spec_store(&loaded, arena), stored));
	json_t *body = json_loads(stored, JSON_REJECT_DUPLICATES, NULL);
	must(body && spec_parse(body, arena, &parsed, &err) == 0);
	must(str_equal(spec_store(&parsed, arena), stored));
	must(str_equal(parsed.image_reference, spec->image_reference));
	json_decref(body);
	/* An empty patch changes nothing. */
	json_t *nothing = json_object();
	must(spec_patch(spec, nothing, arena, &parsed, &err) == 0);
	must(str_equal(spec_store(&parsed, arena), stored));
	json_decref(nothing);
	spec_hash(spec, first);
	spec_hash(&loaded, again);
	must(str_equal(first, again));
}

static void check_patch(const json_t *patch, struct arena *arena)
{
	static const char base[] =
		"{\"description\":\"base\",\"registry\":\"ngc\",\"image\":\"a/b:1\",\"port\":80,"
		"\"command\":[\"run\"],\"gpu\":{\"model\":\"t4\",\"count\":2,\"memory_mb\":8000},"
		"\"env\":{\"A\":\"1\",\"B\":\"2\"},\"min_cuda\":\"12.0\"}";
	struct spec spec, patched;
	ERR_AUTO(err);

	must(spec_load(base, arena, &spec, &err) == 0);
	if (spec_patch(&spec, patch, arena, &patched, &err) < 0)
		check_refusal(&err);
	else
		check_spec(&patched, arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* The request handler's own flags, and NUL characters, which it refuses, allowed. */
	json_t *body =
		json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	ARENA_AUTO arena = arena_new(LIMIT_REQUEST_ARENA_BYTES);
	struct spec spec;
	ERR_AUTO(err);

	if (!body)
		return 0;
	if (spec_parse(body, arena, &spec, &err) < 0)
		check_refusal(&err);
	else
		check_spec(&spec, arena);
	check_patch(body, arena);
	json_decref(body);
	return 0;
}
