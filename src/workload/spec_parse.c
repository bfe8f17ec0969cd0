/* From a user's JSON to a checked spec: every member is looked at before anything is said. */
#include <stdio.h>
#include <string.h>

#include "base/fields.h"
#include "base/limits.h"
#include "base/strings.h"
#include "catalog/catalog.h"
#include "registry/reference.h"
#include "workload/spec.h"
#include "workload/spec_parse.h"

#define POINTER_SIZE 512
#define REFERENCE_FORM "[host/]path[:tag][@sha256:digest]"
#define ENV_NAME_FORM "letters, digits and _, not beginning with a digit or DURE_"

struct parse {
	struct fields_object in;
	struct arena *arena;
	struct spec *spec;
	const json_t *patch; /* what the user sent, when `in` is the result of a merge; else NULL */
	enum spec_source source;
	bool oom;
};

static const char *const tier_words[] = { "any", "tier1", "tier2", "tier3", NULL };

/* Strings outlive the JSON tree they came in. */
static const char *keep(struct parse *p, const char *text)
{
	char *copy = arena_strdup(p->arena, text);

	p->oom |= text && !copy;
	return copy;
}

static void *keep_array(struct parse *p, size_t count, size_t size)
{
	void *array = arena_array(p->arena, count, size);

	p->oom |= !array;
	return array;
}

/* Of two members that contradict each other, the one to point at: after a merge the one that the
 * user sent. */
static const char *blame(const json_t *patch, const char *first, const char *second)
{
	if (patch && !json_object_get(patch, first) && json_object_get(patch, second))
		return second;
	return first;
}

static bool is_space(const char *at, size_t *ret_length)
{
	static const char *const wide[] = { "\xc2\xa0", "\xe3\x80\x80" }; /* U+00A0, U+3000 */

	if (*at && strchr(" \t\r\n\v\f", *at)) {
		*ret_length = 1;
		return true;
	}
	for (size_t i = 0; i < sizeof(wide) / sizeof(wide[0]); i++)
		if (str_starts(at, wide[i])) {
			*ret_length = strlen(wide[i]);
			return true;
		}
	return false;
}

/* Without the white space around it, which nobody sees in a list. */
static const char *trim(struct parse *p, const char *text)
{
	size_t step, end = 0;

	while (is_space(text, &step))
		text += step;
	for (size_t i = 0; text[i];) {
		bool space = is_space(text + i, &step);
		i += space ? step : 1;
		if (!space)
			end = i;
	}
	char *copy = arena_strndup(p->arena, text, end);
	p->oom |= !copy;
	return copy;
}

static void parse_description(struct parse *p)
{
	const char *text;

	if (!fields_string(&p->in, "description", true, LIMIT_DESCRIPTION_MIN,
			   LIMIT_DESCRIPTION_MAX, &text))
		return;
	p->spec->description = trim(p, text);
	if (p->oom)
		return;
	for (const char *c = p->spec->description; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f) {
			fields_bad(&p->in, "description", "format", "one line of text",
				   "description has a control character (0x%02x)",
				   (unsigned)(unsigned char)*c);
			return;
		}
	if (utf8_length(p->spec->description) < LIMIT_DESCRIPTION_MIN)
		fields_bad(&p->in, "description", "length", "2 to 80 characters",
			   "description has %zu characters besides white space",
			   utf8_length(p->spec->description));
}

/* The registry type whose references have this host, or NULL. */
static const char *registry_of(const char *domain)
{
#define X(symbol, word, host, label)                                                               \
	if (str_equal(domain, host))                                                               \
		return word;
	SPEC_REGISTRIES(X)
#undef X
	return NULL;
}

static void check_registry_host(struct parse *p, const char *domain)
{
	static const char *const hosts[] = {
#define X(symbol, word, host, label) host,
		SPEC_REGISTRIES(X)
#undef X
	};
	const char *host = hosts[p->spec->registry];
	const char *other = registry_of(domain);

	if (!host || str_equal(host, domain))
		return;
	fields_bad(&p->in, blame(p->patch, "image", "registry"), "conflict", host,
		   "the image is on %s, which is registry type %s; registry type %s is for images "
		   "on %s",
		   domain, other ? other : "other", spec_registry_word(p->spec->registry), host);
}

static void parse_image(struct parse *p)
{
	static const char *const words[] = {
#define X(symbol, word, host, label) word,
		SPEC_REGISTRIES(X)
#undef X
			NULL
	};
	static const char *const defaults[] = {
#define X(symbol, word, host, label) host,
		SPEC_REGISTRIES(X)
#undef X
	};
	struct reference reference;
	size_t registry = 0;
	const char *image;
	ERR_AUTO(problem);

	bool known = fields_choice(&p->in, "registry", true, words, &registry);
	p->spec->registry = (enum spec_registry)registry;
	if (!fields_string(&p->in, "image", true, 1, LIMIT_IMAGE_BYTES, &image))
		return;
	/* Also without a known registry the image is looked at: all problems at once. */
	if (reference_parse(image, known ? defaults[registry] : "docker.io", p->arena, &reference,
			    &problem) < 0) {
		if (problem.code == ERR_INVALID)
			fields_bad(&p->in, "image", "format", REFERENCE_FORM, "%s",
				   problem.message);
		else
			p->oom = true;
		return;
	}
	p->spec->image = keep(p, image);
	p->spec->image_reference = reference.canonical;
	if (known)
		check_registry_host(p, reference.domain);
}

/* One string of the command; true when it may be kept. */
static bool check_word(const struct fields_object *in, const char *key, const json_t *word,
		       bool first)
{
	if (!json_is_string(word)) {
		fields_bad(in, key, "type", "a string", "a word of the command must be a string");
		return false;
	}
	const char *text = json_string_value(word);
	if (strlen(text) != json_string_length(word)) {
		fields_bad(in, key, "format", NULL, "a word of the command has a NUL character");
		return false;
	}
	if (first && text[strspn(text, " \t\r\n\v\f")] == '\0') {
		fields_bad(in, key, "length", "a program; null or no command: the image's own",
			   "the command is empty");
		return false;
	}
	return true;
}

static void check_command_size(struct parse *p, size_t bytes)
{
	if (bytes > LIMIT_COMMAND_BYTES)
		fields_bad(&p->in, "command", "length", "at most 8192 bytes",
			   "command has %zu bytes", bytes);
}

static void parse_argv(struct parse *p, const json_t *command)
{
	struct fields_object in = { p->in.fields, command, "/command" };
	size_t count = json_array_size(command), bytes = 0;

	if (count < 1 || count > LIMIT_COMMAND_WORDS) {
		fields_bad(&p->in, "command", "length", "1 to 128 words", "command has %zu words",
			   count);
		return;
	}
	const char **argv = keep_array(p, count + 1, sizeof(*argv));
	for (size_t i = 0; argv && i < count; i++) {
		char key[24];
		(void)snprintf(key, sizeof(key), "%zu", i);
		const json_t *word = json_array_get(command, i);
		if (!check_word(&in, key, word, i == 0))
			continue;
		argv[i] = keep(p, json_string_value(word));
		bytes += json_string_length(word) + 1;
	}
	check_command_size(p, bytes);
	p->spec->argv = argv;
	p->spec->n_argv = count;
}

static void parse_command(struct parse *p)
{
	const json_t *command = json_object_get(p->in.object, "command");

	if (!command || json_is_null(command))
		return;
	if (json_is_array(command)) {
		parse_argv(p, command);
		return;
	}
	if (!json_is_string(command)) {
		fields_bad(&p->in, "command", "type", "a string, a list of strings, or null",
			   "command must be a string (run by /bin/sh -c) or a list of strings");
		return;
	}
	if (!check_word(&p->in, "command", command, true))
		return;
	check_command_size(p, json_string_length(command));
	const char **argv = keep_array(p, 2, sizeof(*argv));
	if (argv)
		argv[0] = keep(p, json_string_value(command));
	p->spec->argv = argv;
	p->spec->n_argv = 1;
	p->spec->shell_form = true;
}

static bool variable_name_good(const char *name)
{
	if (*name >= '0' && *name <= '9')
		return false;
	for (const char *c = name; *c; c++)
		if (!((*c >= 'A' && *c <= 'Z') || (*c >= 'a' && *c <= 'z') || *c == '_' ||
		      (*c >= '0' && *c <= '9')))
			return false;
	return *name != '\0';
}

static bool check_variable(const struct fields_object *in, const char *name, const json_t *value)
{
	size_t length = strlen(name);
	bool good = false;

	if (length > LIMIT_ENV_NAME_BYTES)
		fields_bad(in, name, "length", "1 to 256 bytes",
			   "the variable's name has %zu bytes", length);
	else if (!variable_name_good(name))
		fields_bad(in, name, "format", ENV_NAME_FORM,
			   "\"%s\" is not the name of an environment variable", name);
	else if (str_starts(name, "DURE_"))
		fields_bad(in, name, "format", ENV_NAME_FORM,
			   "%s: names that begin with DURE_ are set by Dure", name);
	else if (!json_is_string(value))
		fields_bad(in, name, "type", "a string", "the value of %s must be a string", name);
	else if (strlen(json_string_value(value)) != json_string_length(value))
		fields_bad(in, name, "format", NULL, "the value of %s has a NUL character", name);
	else if (json_string_length(value) > LIMIT_ENV_VALUE_BYTES)
		fields_bad(in, name, "length", "at most 4096 bytes",
			   "the value of %s has %zu bytes", name, json_string_length(value));
	else
		good = true;
	return good;
}

static int compare_variables(const void *a, const void *b)
{
	return strcmp(((const struct spec_variable *)a)->name,
		      ((const struct spec_variable *)b)->name);
}

static void parse_variables(struct parse *p)
{
	char pointer[POINTER_SIZE];
	struct fields_object in;
	struct spec_variable *variables;
	size_t count = 0;
	const char *name;
	json_t *value;

	if (!fields_child(&p->in, "env", false, pointer, sizeof(pointer), &in))
		return;
	size_t size = json_object_size(in.object);
	if (size > LIMIT_ENV_COUNT) {
		fields_bad(&p->in, "env", "length", "at most 256 variables",
			   "env has %zu variables", size);
		return;
	}
	if (size == 0)
		return;
	variables = keep_array(p, size, sizeof(*variables));
	json_object_foreach((json_t *)(uintptr_t)in.object, name, value)
	{
		if (!check_variable(&in, name, value) || !variables)
			continue;
		variables[count].name = keep(p, name);
		variables[count].value = keep(p, json_string_value(value));
		count++;
	}
	/* By name: an order of their own they do not have, and equal specs should look equal. */
	if (!p->oom)
		qsort(variables, count, sizeof(*variables), compare_variables);
	p->spec->variables = variables;
	p->spec->n_variables = count;
}

static void check_gpu_count(struct parse *p, const struct fields_object *in)
{
	const json_t *patch = p->patch ? json_object_get(p->patch, "gpu") : NULL;
	struct spec *spec = p->spec;

	if (spec->gpu_count > 0 || fields_has_bad(in, "count"))
		return;
	if (spec->gpu_model)
		fields_bad(in, blame(patch, "count", "model"), "conflict",
			   "a count of 1 to 16, or no model",
			   "a workload without GPUs (count 0) cannot ask for a model");
	if (spec->gpu_memory_mb > 0)
		fields_bad(in, blame(patch, "count", "memory_mb"), "conflict",
			   "a count of 1 to 16, or no memory_mb",
			   "a workload without GPUs (count 0) cannot ask for GPU memory");
}

static void parse_gpu(struct parse *p)
{
	static const char *const keys[] = { "model", "count", "memory_mb", NULL };
	char pointer[POINTER_SIZE];
	struct fields_object in, sent;
	struct spec *spec = p->spec;
	const char *model;

	if (!fields_child(&p->in, "gpu", false, pointer, sizeof(pointer), &in))
		return;
	sent = in;
	if (p->patch)
		sent.object = json_object_get(p->patch, "gpu");
	if (sent.object)
		fields_known(&sent, keys);
	spec->gpu_count = 1;
	(void)fields_int(&in, "count", false, 0, LIMIT_GPUS_PER_REPLICA, &spec->gpu_count);
	(void)fields_int(&in, "memory_mb", false, 0, LIMIT_GPU_MEMORY_MB, &spec->gpu_memory_mb);
	if (fields_string(&in, "model", false, 1, 64, &model)) {
		/* What is stored stays readable when a model leaves the catalogue. */
		if (p->source != SPEC_FROM_STORE && !catalog_model_find(model))
			fields_bad(&in, "model", "choice", "a code of GET /api/v1/gpu-models",
				   "there is no GPU model \"%s\"", model);
		spec->gpu_model = keep(p, model);
	}
	check_gpu_count(p, &in);
}

static void parse_cuda(struct parse *p)
{
	const char *text;

	if (!fields_string(&p->in, "min_cuda", false, 1, 15, &text))
		return;
	if (spec_cuda_parse(text, &p->spec->min_cuda_version) < 0)
		fields_bad(&p->in, "min_cuda", "format", "major.minor, such as \"12.8\"",
			   "min_cuda \"%s\" is not a CUDA version", text);
}

static void parse_numbers(struct parse *p)
{
	struct spec *spec = p->spec;
	int64_t port = 0;
	size_t tier = 0;

	(void)fields_int(&p->in, "port", true, 1, UINT16_MAX, &port);
	spec->port = (uint16_t)port;
	(void)fields_choice(&p->in, "target", false, tier_words, &tier);
	spec->target_tier = (int)tier;
	(void)fields_int(&p->in, "replicas", false, 1, LIMIT_REPLICAS, &spec->replicas);
	(void)fields_int(&p->in, "shared_memory_mb", false, 1, LIMIT_MEMORY_MB,
			 &spec->shared_memory_mb);
	(void)fields_int(&p->in, "cpu_milli", false, LIMIT_CPU_MILLI_MIN, LIMIT_CPU_MILLI,
			 &spec->cpu_milli);
	(void)fields_int(&p->in, "memory_mb", false, LIMIT_MEMORY_MB_MIN, LIMIT_MEMORY_MB,
			 &spec->memory_mb);
	(void)fields_int(&p->in, "max_price_per_hour", false, 1, LIMIT_PRICE_PER_HOUR,
			 &spec->max_price_per_hour);
}

static void check_known(struct parse *p)
{
	/* The last one is an order that comes with a registration only. */
	static const char *const keys[] = {
		"description", "registry",
		"image",       "command",
		"port",        "target",
		"replicas",    "gpu",
		"env",         "shared_memory_mb",
		"cpu_milli",   "memory_mb",
		"min_cuda",    "max_price_per_hour",
		"deploy_now",  NULL,
	};
	const size_t last = sizeof(keys) / sizeof(keys[0]) - 2;
	const char *stored_keys[sizeof(keys) / sizeof(keys[0])];
	struct fields_object sent = p->in;

	memcpy(stored_keys, keys, sizeof(keys));
	if (p->source != SPEC_FROM_USER)
		stored_keys[last] = NULL;
	if (p->patch)
		sent.object = p->patch;
	fields_known(&sent, stored_keys);
}

int spec_parse_from(const json_t *body, const json_t *patch, enum spec_source source,
		    struct arena *arena, struct spec *ret_spec, struct err *err)
{
	struct spec spec = {
		.replicas = 1, .shared_memory_mb = 64, .cpu_milli = 1000, .memory_mb = 1024
	};
	FIELDS_AUTO(fields);
	struct parse p = { .in = { &fields, body, "" },
			   .arena = arena,
			   .spec = &spec,
			   .patch = patch,
			   .source = source };

	if (!json_is_object(body)) {
		fields_bad(&p.in, NULL, "type", "an object", "a workload must be an object");
		return fields_finish(&fields, "workload", err);
	}
	check_known(&p);
	parse_description(&p);
	parse_image(&p);
	parse_command(&p);
	parse_numbers(&p);
	parse_gpu(&p);
	parse_variables(&p);
	parse_cuda(&p);
	if (source == SPEC_FROM_USER)
		(void)fields_bool(&p.in, "deploy_now", false, &spec.deploy_now);
	if (p.oom)
		return err_oom(err);
	if (fields_finish(&fields, "workload", err) < 0)
		return -1;
	*ret_spec = spec;
	return 0;
}
