/* Flags → members of a request. */
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/strings.h"
#include "cli/amount.h"
#include "cli/app.h"

#define ENV_FILE_BYTES_MAX (4 * 1024 * 1024) /* 256 variables of 4 KiB, and comments */
#define INTEGER_MAX INT64_C(1000000000)

struct setter {
	struct cli *cli;
	json_t *body;     /* what is being filled */
	json_t *problems; /* what was wrong, one entry a flag */
};

const char *args_value(const struct args *args, const char *name)
{
	for (size_t i = args->n_given; i > 0; i--)
		if (str_equal(args->given[i - 1].flag->name, name))
			return args->given[i - 1].value ? args->given[i - 1].value : "";
	return NULL;
}

static void bad(struct setter *setter, const struct given *given, const char *message,
		const char *allowed)
{
	json_t *problem =
		json_pack("{s:s+, s:s, s:s, s:s}", "pointer", "--", given->flag->name, "message",
			  message, "allowed", allowed, "given", given->value ? given->value : "");

	(void)json_array_append_new(setter->problems, problem);
}

/* Puts `value` (stolen) at "/a/b" of the body, making the objects on the way. */
static void put(struct setter *setter, const char *pointer, const char *last, json_t *value)
{
	json_t *at = setter->body;
	char key[64];

	assert(pointer[0] == '/');
	for (pointer++;;) {
		size_t length = strcspn(pointer, "/");
		assert(length > 0 && length < sizeof(key));
		(void)snprintf(key, sizeof(key), "%.*s", (int)length, pointer);
		if (pointer[length] == '\0' && !last)
			break;
		json_t *next = json_object_get(at, key);
		if (!json_is_object(next)) {
			next = json_object();
			(void)json_object_set_new(at, key, next);
		}
		at = next;
		if (pointer[length] == '\0')
			break;
		pointer += length + 1;
	}
	(void)json_object_set_new(at, last ? last : key, value);
}

static void put_text(struct setter *setter, const struct given *given, const char *text)
{
	json_t *value = json_string(text);

	if (value)
		put(setter, given->flag->pointer, NULL, value);
	else
		bad(setter, given, "is not UTF-8", "UTF-8 text");
}

static void put_word(struct setter *setter, const struct given *given)
{
	char *word = arena_strdup(setter->cli->arena, given->value);

	for (char *c = word; c && *c; c++)
		*c = *c == '-' ? '_' : (char)tolower((unsigned char)*c);
	if (word)
		put_text(setter, given, word);
}

static void put_target(struct setter *setter, const struct given *given)
{
	const char *word = given->value;

	if (strlen(word) == 1 && isdigit((unsigned char)word[0]))
		word = arena_printf(setter->cli->arena, "tier%s", word);
	put_text(setter, given, word);
}

/* MODEL, MODEL:COUNT, any:COUNT, COUNT, none. A model alone leaves the count to the server: one
 * when registering, what it was when editing. */
static void put_gpu(struct setter *setter, const struct given *given)
{
	const char *colon = strrchr(given->value, ':');
	const char *pointer = given->flag->pointer;
	size_t length = colon ? (size_t)(colon - given->value) : strlen(given->value);
	char *model = arena_strndup(setter->cli->arena, given->value, length);
	int64_t count = 1;

	if (str_equal(given->value, "none")) {
		put(setter, pointer, NULL, json_null());
		return;
	}
	if (!colon && str_to_int64(given->value, 0, INTEGER_MAX, &count) == 0) {
		put(setter, pointer, "count", json_integer(count));
		return;
	}
	if (str_empty(model) || (colon && str_to_int64(colon + 1, 0, INTEGER_MAX, &count) < 0)) {
		bad(setter, given, "is not a GPU and how many of it",
		    "MODEL, MODEL:COUNT, any:COUNT, none");
		return;
	}
	json_t *value = str_equal(model, "any") ? json_null() : json_string(model);
	put(setter, pointer, "model", value ? value : json_null());
	if (colon)
		put(setter, pointer, "count", json_integer(count));
}

/* NAME=VALUE, or NAME whose value is our own environment's. False when it is neither. */
static bool put_variable(struct setter *setter, const struct given *given, const char *text)
{
	const char *equals = strchr(text, '=');
	char *name = arena_strndup(setter->cli->arena, text,
				   equals ? (size_t)(equals - text) : strlen(text));
	const char *value = equals ? equals + 1 : getenv(text);
	json_t *json = value ? json_string(value) : NULL;

	if (str_empty(name) || !json || !utf8_valid(name, strlen(name))) {
		json_decref(json);
		return false;
	}
	put(setter, given->flag->pointer, name, json);
	return true;
}

static void put_env_file(struct setter *setter, const struct given *given)
{
	FILE *file = str_equal(given->value, "-") ? stdin : fopen(given->value, "re");
	char *line = NULL;
	size_t size = 0, total = 0, number = 0;
	ssize_t length;

	if (!file) {
		bad(setter, given, strerror(errno), "a file of NAME=VALUE lines");
		return;
	}
	while ((length = getline(&line, &size, file)) > 0) {
		number++;
		total += (size_t)length;
		line[strcspn(line, "\r\n")] = '\0';
		const char *text = line + strspn(line, " \t");
		if (total <= ENV_FILE_BYTES_MAX &&
		    (*text == '\0' || *text == '#' || put_variable(setter, given, text)))
			continue;
		bad(setter, given,
		    arena_printf(setter->cli->arena, "line %zu is not NAME=VALUE", number),
		    "lines of NAME=VALUE, # comments, empty lines");
		break;
	}
	free(line);
	if (file != stdin)
		fclose(file);
}

static void put_one_of_list(struct setter *setter, const struct given *given)
{
	json_t *value = json_string(given->value);
	const char *leaf = strrchr(given->flag->pointer, '/');
	char parent[64];

	(void)snprintf(parent, sizeof(parent), "%.*s", (int)(leaf - given->flag->pointer),
		       given->flag->pointer);
	json_t *holder = *parent ? json_object_get(setter->body, parent + 1) : setter->body;
	json_t *list = json_object_get(holder, leaf + 1);
	if (!json_is_array(list)) {
		list = json_array();
		put(setter, given->flag->pointer, NULL, list);
	}
	if (!value || json_array_append_new(list, value) < 0)
		bad(setter, given, "is not UTF-8", "UTF-8 text");
}

static void put_on_off(struct setter *setter, const struct given *given)
{
	bool on = str_equal(given->value, "on") || str_equal(given->value, "yes") ||
		  str_equal(given->value, "true");
	bool off = str_equal(given->value, "off") || str_equal(given->value, "no") ||
		   str_equal(given->value, "false");

	if (on || off)
		put(setter, given->flag->pointer, NULL, json_boolean(on));
	else
		bad(setter, given, "is neither on nor off", "on, off");
}

static void put_amount(struct setter *setter, const struct given *given)
{
	const char *message = "", *allowed = "", *text = given->value;
	int64_t value = 0;
	int rc = -1;

	switch (given->flag->kind) {
	case FLAG_INTEGER:
		rc = str_to_int64(text, 0, INTEGER_MAX, &value);
		message = "is not a whole number";
		allowed = "0 to 1000000000";
		break;
	case FLAG_POINTS:
		rc = amount_points_parse(text, &value);
		message = "is not an amount of points";
		allowed = "like 500 or 1,234.5, up to 6 decimals";
		break;
	case FLAG_SIZE:
		rc = amount_size_parse(text, &value);
		message = "is not a size of whole megabytes";
		allowed = "like 512M, 24G, 1.5G";
		break;
	case FLAG_CPU:
		rc = amount_cpu_parse(text, &value);
		message = "is not a number of CPUs";
		allowed = "like 0.5, 2, 500m";
		break;
	default: assert(false); /* the kinds above are all amounts */
	}
	if (rc < 0)
		bad(setter, given, message, allowed);
	else
		put(setter, given->flag->pointer, NULL, json_integer(value));
}

static void apply(struct setter *setter, const struct given *given)
{
	const struct flag *flag = given->flag;

	if (flag->nullable && str_equal(given->value, "none")) {
		put(setter, flag->pointer, NULL, json_null());
		return;
	}
	switch (flag->kind) {
	case FLAG_SWITCH: put(setter, flag->pointer, NULL, json_true()); break;
	case FLAG_OFF: put(setter, flag->pointer, NULL, json_false()); break;
	case FLAG_NULL: put(setter, flag->pointer, NULL, json_null()); break;
	case FLAG_TEXT: put_text(setter, given, given->value); break;
	case FLAG_TEXT_LIST: put_one_of_list(setter, given); break;
	case FLAG_ON_OFF: put_on_off(setter, given); break;
	case FLAG_WORD: put_word(setter, given); break;
	case FLAG_TARGET: put_target(setter, given); break;
	case FLAG_GPU: put_gpu(setter, given); break;
	case FLAG_ENV:
		if (!put_variable(setter, given, given->value))
			bad(setter, given, "is neither NAME=VALUE nor a variable that is set here",
			    "NAME=VALUE, NAME");
		break;
	case FLAG_ENV_FILE: put_env_file(setter, given); break;
	case FLAG_ENV_UNSET: put(setter, flag->pointer, given->value, json_null()); break;
	case FLAG_INTEGER:
	case FLAG_POINTS:
	case FLAG_SIZE:
	case FLAG_CPU: put_amount(setter, given); break;
	}
}

int flags_apply(struct cli *cli, json_t *body, struct err *err)
{
	struct setter setter = { cli, body, json_array() };
	const struct args *args = &cli->args;

	for (size_t i = 0; i < args->n_given; i++)
		if (args->given[i].flag->pointer)
			apply(&setter, &args->given[i]);
	size_t count = json_array_size(setter.problems);
	if (count == 0) {
		json_decref(setter.problems);
		return 0;
	}
	err_set(err, ERR_FIELDS, "%zu option%s not valid", count, count == 1 ? " is" : "s are");
	err_extra(err, "fields", setter.problems);
	return -1;
}

const char *flags_query(struct cli *cli, struct err *err)
{
	json_auto_t *parameters = json_object();
	BUF_AUTO query = BUF_INIT(LIMIT_BODY_BYTES);
	const char *key;
	json_t *value;

	if (flags_apply(cli, parameters, err) < 0)
		return NULL;
	buf_puts(&query, "");
	json_object_foreach(parameters, key, value)
	{
		buf_printf(&query, "%c%s=", query.length ? '&' : '?', key);
		if (json_is_string(value))
			buf_puts(&query, cli_escape(cli, json_string_value(value)));
		else if (json_is_integer(value))
			buf_printf(&query, "%" PRId64, (int64_t)json_integer_value(value));
		else
			buf_puts(&query, json_is_true(value) ? "true" : "false");
	}
	const char *text = query.failed ? NULL : arena_strdup(cli->arena, query.data);
	if (!text)
		(void)err_oom(err);
	return text;
}
