#include "base/fields.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/strings.h"

#define POINTER_MAX 512
#define GIVEN_MAX 80 /* a value is quoted back up to here */

/* Takes back the bytes of a character that was cut at the end: JSON takes whole ones only. */
static void cut_whole(char *text)
{
	size_t length = strlen(text);

	while (length > 0 && !utf8_valid(text, length))
		text[--length] = '\0';
}

/* Appends "/<key>", with ~ and / escaped as RFC 6901 says; an over-long pointer is cut. */
static void pointer_to(const struct fields_object *in, const char *key, char *out, size_t size)
{
	size_t used;

	str_copy(out, size, in->pointer);
	if (!key)
		return;
	used = strlen(out);
	if (used + 4 < size)
		out[used++] = '/';
	for (; *key && used + 4 < size; key++) {
		if (*key == '~' || *key == '/') {
			out[used++] = '~';
			out[used++] = *key == '~' ? '0' : '1';
		} else {
			out[used++] = *key;
		}
	}
	out[used] = '\0';
	cut_whole(out);
}

/* The member `key` of an object or an array. */
static const json_t *value_at(const json_t *in, const char *key)
{
	int64_t index;

	if (!json_is_array(in))
		return json_object_get(in, key);
	return str_to_int64(key, 0, INT64_MAX, &index) < 0 ? NULL
							   : json_array_get(in, (size_t)index);
}

/* What was given, short enough to be shown: numbers and words, not whole documents. */
static json_t *given_short(const json_t *value)
{
	char text[GIVEN_MAX + 4];

	if (json_is_string(value)) {
		str_copy(text, GIVEN_MAX, json_string_value(value));
		if (strlen(text) < json_string_length(value))
			memcpy(text + strlen(text), "…", sizeof("…"));
		return json_string(text);
	}
	if (json_is_number(value) || json_is_boolean(value) || json_is_null(value))
		return json_deep_copy(value);
	return NULL;
}

static void note(const struct fields_object *in, const char *key, const char *code,
		 const char *allowed, const char *message)
{
	struct fields *fields = in->fields;
	char pointer[POINTER_MAX];

	if (!fields->problems && !(fields->problems = json_array())) {
		fields->lost = true;
		return;
	}
	if (json_array_size(fields->problems) >= FIELDS_PROBLEMS_MAX)
		return;
	pointer_to(in, key, pointer, sizeof(pointer));
	json_t *problem =
		json_pack("{s:s, s:s, s:s}", "pointer", pointer, "code", code, "message", message);
	if (allowed)
		(void)json_object_set_new(problem, "allowed", json_string(allowed));
	json_t *given = key ? given_short(value_at(in->object, key)) : NULL;
	if (given)
		(void)json_object_set_new(problem, "given", given);
	if (json_array_append_new(fields->problems, problem) < 0)
		fields->lost = true;
}

void fields_bad(const struct fields_object *in, const char *key, const char *code,
		const char *allowed, const char *format, ...)
{
	char message[ERR_MESSAGE_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	cut_whole(message);
	note(in, key, code, allowed, message);
}

bool fields_has_bad(const struct fields_object *in, const char *key)
{
	char pointer[POINTER_MAX];
	size_t index;
	json_t *problem;

	pointer_to(in, key, pointer, sizeof(pointer));
	json_array_foreach(
		in->fields->problems, index,
		problem) if (str_starts(json_string_value(json_object_get(problem, "pointer")),
					pointer)) return true;
	return false;
}

/* The member, or NULL when it is absent or null (noted if required). */
static const json_t *member(const struct fields_object *in, const char *key, bool required)
{
	const json_t *value = json_object_get(in->object, key);

	if (value && !json_is_null(value))
		return value;
	if (required)
		fields_bad(in, key, "required", NULL, "%s is required", key);
	return NULL;
}

bool fields_string(const struct fields_object *in, const char *key, bool required, size_t min,
		   size_t max, const char **value)
{
	const json_t *given = member(in, key, required);
	char allowed[64];

	if (!given)
		return false;
	(void)snprintf(allowed, sizeof(allowed), "%zu to %zu characters", min, max);
	if (!json_is_string(given)) {
		fields_bad(in, key, "type", allowed, "%s must be a string", key);
		return false;
	}
	const char *text = json_string_value(given);
	if (strlen(text) != json_string_length(given)) {
		fields_bad(in, key, "format", allowed, "%s must not contain a NUL character", key);
		return false;
	}
	size_t length = utf8_length(text);
	if (length < min || length > max) {
		fields_bad(in, key, "length", allowed, "%s has %zu characters", key, length);
		return false;
	}
	*value = text;
	return true;
}

bool fields_int(const struct fields_object *in, const char *key, bool required, int64_t min,
		int64_t max, int64_t *value)
{
	const json_t *given = member(in, key, required);
	char allowed[64];

	if (!given)
		return false;
	(void)snprintf(allowed, sizeof(allowed), "%" PRId64 " to %" PRId64, min, max);
	if (!json_is_integer(given)) {
		fields_bad(in, key, "type", allowed, "%s must be a whole number", key);
		return false;
	}
	int64_t number = json_integer_value(given);
	if (number < min || number > max) {
		fields_bad(in, key, "range", allowed, "%s is out of range: %" PRId64, key, number);
		return false;
	}
	*value = number;
	return true;
}

bool fields_bool(const struct fields_object *in, const char *key, bool required, bool *value)
{
	const json_t *given = member(in, key, required);

	if (!given)
		return false;
	if (!json_is_boolean(given)) {
		fields_bad(in, key, "type", "true or false", "%s must be true or false", key);
		return false;
	}
	*value = json_is_true(given);
	return true;
}

static void join_words(const char *const *words, char *out, size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	for (; *words && used < size; words++) {
		int more = snprintf(out + used, size - used, "%s%s", used ? ", " : "", *words);
		used += more > 0 ? (size_t)more : 0;
	}
}

bool fields_choice(const struct fields_object *in, const char *key, bool required,
		   const char *const *words, size_t *value)
{
	const json_t *given = member(in, key, required);
	char allowed[512];

	if (!given)
		return false;
	join_words(words, allowed, sizeof(allowed));
	if (!json_is_string(given)) {
		fields_bad(in, key, "type", allowed, "%s must be one of the allowed words", key);
		return false;
	}
	for (size_t i = 0; words[i]; i++)
		if (str_equal(words[i], json_string_value(given))) {
			*value = i;
			return true;
		}
	fields_bad(in, key, "choice", allowed, "%s is not one of the allowed words", key);
	return false;
}

bool fields_child(const struct fields_object *in, const char *key, bool required, char *pointer,
		  size_t pointer_size, struct fields_object *child)
{
	const json_t *given = member(in, key, required);

	if (!given)
		return false;
	if (!json_is_object(given)) {
		fields_bad(in, key, "type", "an object", "%s must be an object", key);
		return false;
	}
	pointer_to(in, key, pointer, pointer_size);
	*child = (struct fields_object){ in->fields, given, pointer };
	return true;
}

void fields_known(const struct fields_object *in, const char *const *keys)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)in->object, key, value)
	{
		size_t i = 0;
		while (keys[i] && !str_equal(keys[i], key))
			i++;
		if (!keys[i]) {
			char allowed[512];
			join_words(keys, allowed, sizeof(allowed));
			fields_bad(in, key, "unknown", allowed, "there is no such field");
		}
	}
}

int fields_finish(struct fields *fields, const char *what, struct err *err)
{
	size_t count = json_array_size(fields->problems);

	if (fields->lost)
		return err_oom(err);
	if (count == 0)
		return 0;
	const json_t *first = json_array_get(fields->problems, 0);
	err_set(err, ERR_FIELDS, "the %s has %zu field%s that %s not valid: %s (%s)%s", what, count,
		count == 1 ? "" : "s", count == 1 ? "is" : "are",
		json_string_value(json_object_get(first, "message")),
		json_string_value(json_object_get(first, "pointer")), count > 1 ? ", …" : "");
	err_extra(err, "fields", fields->problems);
	fields->problems = NULL;
	return -1;
}

void fields_clear(struct fields *fields)
{
	json_decref(fields->problems);
	fields->problems = NULL;
}

int fields_merge(json_t *target, const json_t *patch)
{
	const char *name;
	json_t *value;
	int r = 0;

	json_object_foreach((json_t *)(uintptr_t)patch, name, value)
	{
		json_t *old = json_object_get(target, name);
		if (json_is_null(value)) {
			(void)json_object_del(target, name); /* absent already is as good */
		} else if (!json_is_object(value)) {
			r |= json_object_set_new(target, name, json_deep_copy(value));
		} else {
			if (!json_is_object(old)) {
				r |= json_object_set_new(target, name, json_object());
				old = json_object_get(target, name);
			}
			r |= fields_merge(old, value);
		}
	}
	return r;
}
