/* Request bodies: one JSON object, checked in the order 415, 413, 400, 422. */
#include <string.h>
#include <strings.h>

#include "api/internal.h"
#include "base/limits.h"
#include "base/strings.h"

/* Is the media type of `given`, parameters aside, `type`? */
static bool media_is(const char *given, const char *type)
{
	size_t length = strcspn(given, "; \t");

	return length == strlen(type) && strncasecmp(given, type, length) == 0;
}

static int check_media(const struct api_request *request, struct err *err)
{
	const char *given = request->content_type;

	if (given && media_is(given, "application/json"))
		return 0;
	if (given && request->operation->method == API_PATCH &&
	    media_is(given, "application/merge-patch+json"))
		return 0;
	return err_set(err, ERR_MEDIA_TYPE, "the body must be application/json, not %.100s",
		       given ? given : "undeclared");
}

bool api_json_too_deep(const char *text, size_t length)
{
	bool in_string = false;
	int depth = 0;

	for (size_t i = 0; i < length; i++) {
		char c = text[i];
		if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
		} else if (c == '"') {
			in_string = true;
		} else if (c == '{' || c == '[') {
			if (++depth > LIMIT_JSON_DEPTH)
				return true;
		} else if (c == '}' || c == ']') {
			depth--;
		}
	}
	return false;
}

/* A body of another type than an object: one problem, of the document itself. */
static int not_an_object(struct err *err)
{
	json_t *problem =
		json_pack("{s:s, s:s, s:s, s:s}", "pointer", "", "code", "type", "message",
			  "the body must be an object", "allowed", "an object");
	json_t *list = json_array();

	(void)json_array_append_new(list, problem);
	err_set(err, ERR_FIELDS, "the body must be a JSON object");
	err_extra(err, "fields", list);
	return -1;
}

int api_parse_body(struct api_request *request, struct err *err)
{
	const struct buf *body = &request->body;
	json_error_t error;

	if (check_media(request, err) < 0)
		return -1;
	if (body->length == 0)
		return err_set(err, ERR_INVALID, "the body is empty; a JSON object is needed");
	if (body->failed)
		return err_oom(err);
	if (!utf8_valid(body->data, body->length))
		return err_set(err, ERR_INVALID, "the body is not valid UTF-8");
	if (api_json_too_deep(body->data, body->length))
		return err_set(err, ERR_INVALID, "the body is nested deeper than %d levels",
			       LIMIT_JSON_DEPTH);
	request->json = json_loadb(body->data, body->length,
				   JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
	if (!request->json)
		return err_set(err, ERR_INVALID, "the body is not JSON: line %d, column %d: %s",
			       error.line, error.column, error.text);
	if (!json_is_object(request->json))
		return not_an_object(err);
	return 0;
}
