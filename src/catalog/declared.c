#include "catalog/declared.h"

#include <stdio.h>
#include <string.h>

#include "base/fields.h"
#include "base/limits.h"
#include "base/strings.h"

#define NAME_FORM "a-z, 0-9, '.' and '-', beginning and ending with a letter or digit"
#define NAME_MAX_BYTES 63
#define UUID_MAX_BYTES 96

static bool name_good(const char *name)
{
	size_t length = strlen(name);

	return length > 0 && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.-") == length &&
	       !strchr(".-", name[0]) && !strchr(".-", name[length - 1]);
}

static void parse_name(const struct fields_object *in, struct declared *d)
{
	if (!fields_string(in, "name", true, 1, NAME_MAX_BYTES, &d->name))
		return;
	if (!name_good(d->name))
		fields_bad(in, "name", "format", NAME_FORM, "\"%s\" cannot be a node's name",
			   d->name);
}

/* As NVML gives them: "GPU-" (or "MIG-") and hexadecimal groups. They end up in requests to the
 * engine. */
static bool uuid_good(const char *uuid)
{
	return (str_starts(uuid, "GPU-") || str_starts(uuid, "MIG-")) &&
	       strlen(uuid) <= UUID_MAX_BYTES && uuid[4] != '\0' &&
	       uuid[4 + strspn(uuid + 4, "0123456789abcdefABCDEF-")] == '\0';
}

static void check_uuid(const struct fields_object *in, const json_t *list, size_t index,
		       struct declared *d)
{
	const json_t *value = json_array_get(list, index);
	const char *uuid = json_string_value(value);
	char key[24];

	(void)snprintf(key, sizeof(key), "%zu", index);
	if (!uuid || strlen(uuid) != json_string_length(value) || !uuid_good(uuid)) {
		fields_bad(in, key, uuid ? "format" : "type", "\"GPU-\" and hexadecimal groups",
			   "this is not the UUID of a GPU");
		return;
	}
	for (size_t i = 0; i < index; i++)
		if (str_equal(d->gpu_uuids[i], uuid)) {
			fields_bad(in, key, "duplicate", NULL, "this UUID is in the list already");
			return;
		}
	d->gpu_uuids[index] = uuid;
}

static int parse_uuids(const struct fields_object *gpu, struct arena *arena, struct declared *d,
		       struct err *err)
{
	const json_t *list = json_object_get(gpu->object, "uuids");
	struct fields_object in = { gpu->fields, list, "/gpu/uuids" };
	size_t count = json_array_size(list);

	if (!list || json_is_null(list))
		return 0;
	if (!json_is_array(list)) {
		fields_bad(gpu, "uuids", "type", "a list of UUIDs",
			   "uuids must be a list of strings");
		return 0;
	}
	if (count < 1 || count > LIMIT_GPUS_PER_NODE) {
		fields_bad(gpu, "uuids", "length", "1 to 64 UUIDs", "uuids has %zu entries", count);
		return 0;
	}
	d->gpu_uuids = ARENA_ARRAY(arena, count, const char *);
	if (!d->gpu_uuids)
		return err_oom(err);
	for (size_t i = 0; i < count; i++)
		check_uuid(&in, list, i, d);
	if (d->gpu_count == 0)
		d->gpu_count = (int64_t)count;
	else if (d->gpu_count != (int64_t)count)
		fields_bad(gpu, "count", "conflict", NULL,
			   "there are %zu UUIDs: leave count out or make it equal", count);
	return 0;
}

static int parse_gpu(const struct fields_object *in, const json_t *sent, struct arena *arena,
		     struct declared *d, struct err *err)
{
	static const char *const keys[] = { "model", "count", "memory_mb", "uuids", NULL };
	const struct gpu_model *model = NULL;
	struct fields_object gpu, sent_gpu;
	char pointer[256];

	if (!fields_child(in, "gpu", false, pointer, sizeof(pointer), &gpu))
		return 0;
	sent_gpu = gpu;
	sent_gpu.object = json_object_get(sent, "gpu");
	if (sent_gpu.object)
		fields_known(&sent_gpu, keys);
	if (fields_string(&gpu, "model", true, 1, 64, &d->gpu_model)) {
		model = catalog_model_find(d->gpu_model);
		if (!model)
			fields_bad(&gpu, "model", "choice", "a code of GET /api/v1/gpu-models",
				   "there is no GPU model \"%s\"", d->gpu_model);
	}
	bool listed = json_is_array(json_object_get(gpu.object, "uuids"));
	(void)fields_int(&gpu, "count", !listed, 1, LIMIT_GPUS_PER_NODE, &d->gpu_count);
	d->gpu_memory_mb = model ? model->memory_mb : 0;
	(void)fields_int(&gpu, "memory_mb", false, 1, LIMIT_GPU_MEMORY_MB, &d->gpu_memory_mb);
	return parse_uuids(&gpu, arena, d, err);
}

static void parse_cuda(const struct fields_object *in, struct declared *d)
{
	const char *text;

	if (!fields_string(in, "cuda", false, 1, 15, &text))
		return;
	if (catalog_cuda_parse(text, &d->cuda_version) < 0)
		fields_bad(in, "cuda", "format", "major.minor, such as \"12.8\"",
			   "\"%s\" is not a CUDA version", text);
}

static int parse_size(const struct fields_object *in, const json_t *sent, struct arena *arena,
		      struct declared *d, struct err *err)
{
	(void)fields_int(in, "cpu_milli", true, LIMIT_CPU_MILLI_MIN, LIMIT_CPU_MILLI,
			 &d->cpu_milli);
	(void)fields_int(in, "memory_mb", true, LIMIT_MEMORY_MB_MIN, LIMIT_MEMORY_MB,
			 &d->memory_mb);
	(void)fields_int(in, "disk_mb", false, 0, LIMIT_DISK_MB, &d->disk_mb);
	parse_cuda(in, d);
	return parse_gpu(in, sent, arena, d, err);
}

/* A machine's size is what the engine reports, whatever an operator wishes. */
static void refuse_facts(const struct fields_object *sent)
{
	static const char *const facts[] = { "gpu", "cpu_milli", "memory_mb", "disk_mb", "cuda" };

	for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++)
		if (json_object_get(sent->object, facts[i]))
			fields_bad(sent, facts[i], "conflict",
				   "tier, base_per_hour, usage_per_hour, sharing",
				   "%s of this node is what its machine reports", facts[i]);
}

int declared_parse(const json_t *body, const json_t *sent, bool edit, bool machine,
		   struct arena *arena, struct declared *ret_declared, struct err *err)
{
	static const char *const keys[] = { "name",           "tier",    "gpu",  "cpu_milli",
					    "memory_mb",      "disk_mb", "cuda", "base_per_hour",
					    "usage_per_hour", "sharing", NULL };
	struct declared d = { .sharing = true };
	FIELDS_AUTO(fields);
	struct fields_object in = { &fields, body, "" }, in_sent = { &fields, sent, "" };

	if (!json_is_object(sent)) {
		fields_bad(&in_sent, NULL, "type", "an object", "a node must be an object");
		return fields_finish(&fields, "node", err);
	}
	fields_known(&in_sent, edit ? keys + 1 : keys);
	if (!edit)
		parse_name(&in, &d);
	(void)fields_int(&in, "tier", true, 1, 3, &d.tier);
	(void)fields_int(&in, "base_per_hour", true, 0, LIMIT_PRICE_PER_HOUR, &d.base_per_hour);
	(void)fields_int(&in, "usage_per_hour", true, 0, LIMIT_PRICE_PER_HOUR, &d.usage_per_hour);
	(void)fields_bool(&in, "sharing", false, &d.sharing);
	if (machine)
		refuse_facts(&in_sent);
	else if (parse_size(&in, sent, arena, &d, err) < 0)
		return -1;
	if (fields_finish(&fields, "node", err) < 0)
		return -1;
	*ret_declared = d;
	return 0;
}

static json_t *gpu_json(const struct node *node, const char *const *uuids, size_t n_uuids)
{
	json_t *gpu = json_pack("{s:s, s:I, s:I}", "model", node->gpu_model, "count",
				(json_int_t)node->gpu_count, "memory_mb",
				(json_int_t)node->gpu_memory_mb);

	if (n_uuids > 0) {
		json_t *list = json_array();
		for (size_t i = 0; i < n_uuids; i++)
			(void)json_array_append_new(list, json_string(uuids[i]));
		(void)json_object_set_new(gpu, "uuids", list);
	}
	return gpu;
}

json_t *declared_json(const struct node *node, const char *const *uuids, size_t n_uuids)
{
	json_t *body = json_pack("{s:i, s:I, s:I, s:I, s:I, s:I, s:b}", "tier", node->tier,
				 "cpu_milli", (json_int_t)node->cpu_milli, "memory_mb",
				 (json_int_t)node->memory_mb, "disk_mb", (json_int_t)node->disk_mb,
				 "base_per_hour", (json_int_t)node->base_per_hour, "usage_per_hour",
				 (json_int_t)node->usage_per_hour, "sharing", (int)node->sharing);
	char cuda[16];

	if (body && node->gpu_model)
		(void)json_object_set_new(body, "gpu", gpu_json(node, uuids, n_uuids));
	if (body && node->cuda_version > 0) {
		catalog_cuda_format(node->cuda_version, cuda);
		(void)json_object_set_new(body, "cuda", json_string(cuda));
	}
	return body;
}
