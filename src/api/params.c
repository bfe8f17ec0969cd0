/* Query parameters: all of them checked before saying what is wrong. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/internal.h"
#include "base/strings.h"

#define GIVEN_MAX 80

void api_query_clear(struct api_query *query)
{
	json_decref(query->problems);
	query->problems = NULL;
}

int api_query_read(struct api_request *request, struct api_query *ret_query, struct err *err)
{
	struct arena *arena = api_arena(request, err);
	const char *p = request->query;

	if (!arena)
		return -1;
	ret_query->request = request;
	while (*p) {
		size_t length = strcspn(p, "&");
		size_t name = strcspn(p, "=&");
		if (length > 0) {
			if (ret_query->count == API_QUERY_MAX) {
				api_query_bad(ret_query, "…", "unknown", NULL,
					      "there are too many parameters");
				return 0;
			}
			size_t skip = name < length ? name + 1 : length;
			char *decoded = api_decode(p, name, true, arena);
			size_t i = ret_query->count++;
			ret_query->items[i].name = decoded ? decoded : "�";
			ret_query->items[i].value =
				api_decode(p + skip, length - skip, true, arena);
		}
		p += length + (p[length] == '&');
	}
	return 0;
}

void api_query_bad(struct api_query *query, const char *name, const char *code, const char *allowed,
		   const char *message)
{
	const char *given = NULL;
	char text[GIVEN_MAX];

	if (!query->problems)
		query->problems = json_array();
	for (size_t i = 0; i < query->count && !given; i++)
		if (str_equal(query->items[i].name, name))
			given = query->items[i].value;
	json_t *problem =
		json_pack("{s:s, s:s, s:s}", "parameter", name, "code", code, "message", message);
	if (allowed)
		(void)json_object_set_new(problem, "allowed", json_string(allowed));
	if (given) {
		str_copy(text, sizeof(text), given);
		(void)json_object_set_new(problem, "given", json_string(text));
	}
	(void)json_array_append_new(query->problems, problem);
}

/* Finds the parameter and marks it known; notes what is not decodable or given twice. */
static const char *take(struct api_query *query, const char *name)
{
	const char *value = NULL;
	bool found = false;

	for (size_t i = 0; i < query->count; i++) {
		if (!str_equal(query->items[i].name, name))
			continue;
		query->items[i].known = true;
		if (found) {
			api_query_bad(query, name, "duplicate", NULL, "it is given twice");
			return NULL;
		}
		found = true;
		value = query->items[i].value;
		if (!value)
			api_query_bad(query, name, "format", NULL,
				      "it is not valid percent-encoded UTF-8");
	}
	return value;
}

const char *api_query_text(struct api_query *query, const char *name, size_t max)
{
	const char *value = take(query, name);
	char allowed[64];

	if (!value)
		return NULL;
	size_t length = utf8_length(value);
	if (length >= 1 && length <= max)
		return value;
	(void)snprintf(allowed, sizeof(allowed), "1 to %zu characters", max);
	api_query_bad(query, name, "length", allowed, "it is empty or too long");
	return NULL;
}

void api_query_int(struct api_query *query, const char *name, int64_t min, int64_t max,
		   int64_t *value)
{
	const char *text = take(query, name);
	char allowed[64];

	if (!text || str_to_int64(text, min, max, value) == 0)
		return;
	(void)snprintf(allowed, sizeof(allowed), "%" PRId64 " to %" PRId64, min, max);
	int64_t any;
	bool number = str_to_int64(text, INT64_MIN, INT64_MAX, &any) == 0;
	api_query_bad(query, name, number ? "range" : "type", allowed,
		      number ? "it is out of range" : "it must be a whole number");
}

void api_query_bool(struct api_query *query, const char *name, bool *value)
{
	const char *text = take(query, name);

	if (!text)
		return;
	if (str_equal(text, "true") || str_equal(text, "false"))
		*value = *text == 't';
	else
		api_query_bad(query, name, "type", "true or false", "it must be true or false");
}

int api_query_finish(struct api_query *query, struct err *err)
{
	for (size_t i = 0; i < query->count; i++)
		if (!query->items[i].known) {
			char name[GIVEN_MAX];
			str_copy(name, sizeof(name), query->items[i].name);
			api_query_bad(query, name, "unknown", NULL, "there is no such parameter");
		}
	size_t count = json_array_size(query->problems);
	if (count == 0)
		return 0;
	const json_t *first = json_array_get(query->problems, 0);
	err_set(err, ERR_FIELDS, "%zu query parameter%s not valid: %s: %s%s", count,
		count == 1 ? " is" : "s are",
		json_string_value(json_object_get(first, "parameter")),
		json_string_value(json_object_get(first, "message")), count > 1 ? ", …" : "");
	err_extra(err, "fields", query->problems);
	query->problems = NULL;
	return -1;
}
