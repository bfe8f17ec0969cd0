/* From method and path to an operation. */
#include <string.h>

#include "api/internal.h"
#include "base/strings.h"

static const char *const method_names[] = { "GET", "POST", "PUT", "PATCH", "DELETE" };

const char *api_method_name(enum api_method method) { return method_names[method]; }

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

char *api_decode(const char *text, size_t length, bool plus, struct arena *arena)
{
	char *out = arena_alloc(arena, length + 1);
	size_t used = 0;

	if (!out)
		return NULL;
	for (size_t i = 0; i < length; i++) {
		char c = text[i];
		if (c == '%') {
			int high = i + 1 < length ? hex_value(text[i + 1]) : -1;
			int low = i + 2 < length ? hex_value(text[i + 2]) : -1;
			if (high < 0 || low < 0 || high + low == 0)
				return NULL;
			c = (char)(high * 16 + low);
			i += 2;
		} else if (plus && c == '+') {
			c = ' ';
		}
		out[used++] = c;
	}
	out[used] = '\0';
	return utf8_valid(out, used) ? out : NULL;
}

/* Does `path` fit `template`? A {…} takes one segment that is not empty. */
static bool path_fits(const char *template, const char *path, const char *segments[],
		      size_t lengths[])
{
	size_t n = 0;

	while (*template) {
		if (*template == '{') {
			size_t length = strcspn(path, "/");
			if (length == 0 || n == API_PARAMETERS_MAX)
				return false;
			segments[n] = path;
			lengths[n++] = length;
			path += length;
			template += strcspn(template, "}") + 1;
		} else if (*template ++ != *path++) {
			return false;
		}
	}
	return *path == '\0';
}

int api_route(enum api_method method, const char *path, struct arena *arena,
	      const struct api_operation **ret_operation,
	      const char *ret_values[API_PARAMETERS_MAX], const char **ret_allow, struct err *err)
{
	const char *segments[API_PARAMETERS_MAX] = { NULL };
	size_t lengths[API_PARAMETERS_MAX] = { 0 };
	char allow[64] = "OPTIONS";

	for (const struct api_operation *op = api_operations; op->path; op++) {
		if (!path_fits(op->path, path, segments, lengths))
			continue;
		if (op->method != method && !(op->flags & API_ANY_METHOD)) {
			size_t used = strlen(allow);
			str_copy(allow + used, sizeof(allow) - used, ", ");
			str_copy(allow + used + 2, sizeof(allow) - used - 2,
				 op->method == API_GET ? "GET, HEAD" : method_names[op->method]);
			continue;
		}
		for (size_t i = 0; i < API_PARAMETERS_MAX && lengths[i] > 0; i++) {
			ret_values[i] = api_decode(segments[i], lengths[i], false, arena);
			if (!ret_values[i])
				return err_set(err, ERR_NOT_FOUND,
					       "there is nothing at this path: it is not valid "
					       "percent-encoded UTF-8");
		}
		*ret_operation = op;
		return 0;
	}
	if (!strchr(allow, ','))
		return err_set(err, ERR_NOT_FOUND, "there is nothing at %.200s", path);
	*ret_allow = arena_strdup(arena, allow);
	return err_set(err, ERR_METHOD, "%.200s takes %s", path, allow);
}
