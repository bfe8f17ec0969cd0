#include "workload/spec.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#include "base/fields.h"
#include "base/limits.h"
#include "base/strings.h"
#include "catalog/catalog.h"
#include "workload/spec_parse.h"

const char *spec_registry_word(enum spec_registry registry)
{
	static const char *const words[] = {
#define X(symbol, word, host, label) word,
		SPEC_REGISTRIES(X)
#undef X
	};

	assert((size_t)registry < sizeof(words) / sizeof(words[0]));
	return words[registry];
}

int spec_cuda_parse(const char *text, int64_t *ret_version)
{
	return catalog_cuda_parse(text, ret_version);
}

void spec_cuda_format(int64_t version, char ret_text[16])
{
	catalog_cuda_format(version, ret_text);
}

static void write_command(const struct spec *spec, struct jsonw *w)
{
	jsonw_key(w, "command");
	if (spec->n_argv == 0) {
		jsonw_null(w);
	} else if (spec->shell_form) {
		jsonw_string(w, spec->argv[0]);
	} else {
		jsonw_array(w);
		for (size_t i = 0; i < spec->n_argv; i++)
			jsonw_string(w, spec->argv[i]);
		jsonw_array_end(w);
	}
}

static void write_gpu(const struct spec *spec, struct jsonw *w)
{
	jsonw_key(w, "gpu");
	if (spec->gpu_count == 0) {
		jsonw_null(w);
		return;
	}
	jsonw_object(w);
	jsonw_kv_string(w, "model", spec->gpu_model);
	jsonw_kv_int(w, "count", spec->gpu_count);
	jsonw_kv_int(w, "memory_mb", spec->gpu_memory_mb);
	jsonw_object_end(w);
}

void spec_write(const struct spec *spec, struct jsonw *w)
{
	static const char *const targets[] = { "any", "tier1", "tier2", "tier3" };
	char cuda[16];

	jsonw_kv_string(w, "description", spec->description);
	jsonw_kv_string(w, "registry", spec_registry_word(spec->registry));
	jsonw_kv_string(w, "image", spec->image);
	write_command(spec, w);
	jsonw_kv_int(w, "port", spec->port);
	assert(spec->target_tier >= 0 && spec->target_tier <= 3);
	jsonw_kv_string(w, "target", targets[spec->target_tier]);
	jsonw_kv_int(w, "replicas", spec->replicas);
	write_gpu(spec, w);
	jsonw_key(w, "env");
	jsonw_object(w);
	for (size_t i = 0; i < spec->n_variables; i++)
		jsonw_kv_string(w, spec->variables[i].name, spec->variables[i].value);
	jsonw_object_end(w);
	jsonw_kv_int(w, "shared_memory_mb", spec->shared_memory_mb);
	jsonw_kv_int(w, "cpu_milli", spec->cpu_milli);
	jsonw_kv_int(w, "memory_mb", spec->memory_mb);
	if (spec->min_cuda_version)
		spec_cuda_format(spec->min_cuda_version, cuda);
	jsonw_kv_string(w, "min_cuda", spec->min_cuda_version ? cuda : NULL);
	jsonw_key(w, "max_price_per_hour");
	if (spec->max_price_per_hour)
		jsonw_int(w, spec->max_price_per_hour);
	else
		jsonw_null(w);
}

char *spec_store(const struct spec *spec, struct arena *arena)
{
	BUF_AUTO out = BUF_INIT(LIMIT_RESPONSE_BYTES);
	struct jsonw w = jsonw_begin(&out);

	jsonw_object(&w);
	spec_write(spec, &w);
	jsonw_object_end(&w);
	return out.failed ? NULL : arena_strndup(arena, out.data, out.length);
}

int spec_parse(const json_t *body, struct arena *arena, struct spec *ret_spec, struct err *err)
{
	return spec_parse_from(body, NULL, SPEC_FROM_USER, arena, ret_spec, err);
}

int spec_load(const char *stored, struct arena *arena, struct spec *ret_spec, struct err *err)
{
	ERR_AUTO(problem);
	json_error_t where;
	json_t *body = json_loads(stored, JSON_REJECT_DUPLICATES, &where);

	if (!body)
		return err_set(err, ERR_INTERNAL, "a stored workload is not JSON: %s (byte %d)",
			       where.text, where.position);
	int r = spec_parse_from(body, NULL, SPEC_FROM_STORE, arena, ret_spec, &problem);
	json_decref(body);
	if (r < 0 && problem.code == ERR_FIELDS)
		return err_set(err, ERR_INTERNAL, "a stored workload cannot be read: %s",
			       problem.message);
	if (r < 0)
		err_move(err, &problem);
	return r;
}

int spec_patch(const struct spec *spec, const json_t *patch, struct arena *arena,
	       struct spec *ret_spec, struct err *err)
{
	if (!json_is_object(patch)) /* says so */
		return spec_parse_from(patch, NULL, SPEC_FROM_PATCH, arena, ret_spec, err);
	char *stored = spec_store(spec, arena);
	if (!stored)
		return err_oom(err);
	json_t *body = json_loads(stored, 0, NULL);
	if (!body)
		return err_oom(err);
	int r = fields_merge(body, patch) < 0
			? err_oom(err)
			: spec_parse_from(body, patch, SPEC_FROM_PATCH, arena, ret_spec, err);
	json_decref(body);
	return r;
}

/* Length first, so that no two lists of strings give the same bytes; NULL differs from "". */
static void hash_text(crypto_generichash_state *state, const char *text)
{
	uint64_t length = text ? strlen(text) : UINT64_MAX;

	(void)crypto_generichash_update(state, (const unsigned char *)&length, sizeof(length));
	if (text)
		(void)crypto_generichash_update(state, (const unsigned char *)text, length);
}

void spec_hash(const struct spec *spec, char ret_hash[9])
{
	const uint64_t numbers[] = {
		spec->n_argv,
		spec->shell_form,
		spec->port,
		(uint64_t)spec->gpu_count,
		(uint64_t)spec->gpu_memory_mb,
		spec->n_variables,
		(uint64_t)spec->shared_memory_mb,
		(uint64_t)spec->cpu_milli,
		(uint64_t)spec->memory_mb,
		(uint64_t)spec->min_cuda_version,
	};
	unsigned char digest[crypto_generichash_BYTES_MIN];
	crypto_generichash_state state;

	(void)crypto_generichash_init(&state, NULL, 0, sizeof(digest));
	(void)crypto_generichash_update(&state, (const unsigned char *)numbers, sizeof(numbers));
	hash_text(&state, spec->image_reference);
	hash_text(&state, spec->gpu_model);
	for (size_t i = 0; i < spec->n_argv; i++)
		hash_text(&state, spec->argv[i]);
	for (size_t i = 0; i < spec->n_variables; i++) {
		hash_text(&state, spec->variables[i].name);
		hash_text(&state, spec->variables[i].value);
	}
	(void)crypto_generichash_final(&state, digest, sizeof(digest));
	hex_encode(digest, 4, ret_hash);
}
