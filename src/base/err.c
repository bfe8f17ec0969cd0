#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/strings.h"

static const struct {
	const char *slug;
	int status;
	const char *title;
} codes[ERR_CODE_COUNT] = {
#define X(symbol, slug, status, title) [symbol] = { slug, status, title },
	ERR_CODES(X)
#undef X
};

const char *err_slug(enum err_code code) { return codes[code].slug; }
const char *err_title(enum err_code code) { return codes[code].title; }
int err_status(enum err_code code) { return codes[code].status; }

void err_clear(struct err *err)
{
	json_decref(err->extra);
	err->extra = NULL;
	err->code = ERR_NONE;
	err->message[0] = '\0';
}

int err_set(struct err *err, enum err_code code, const char *format, ...)
{
	char message[ERR_MESSAGE_MAX];
	va_list args;

	/* The arguments may point into err->message itself. */
	va_start(args, format);
	(void)vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	err_clear(err);
	err->code = code;
	str_copy(err->message, sizeof(err->message), message);
	return -1;
}

int err_set_errno(struct err *err, enum err_code code, int errnum, const char *format, ...)
{
	char message[ERR_MESSAGE_MAX], text[128];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	return err_set(err, code, "%s: %s", message, strerror_r(errnum, text, sizeof(text)));
}

int err_wrap(struct err *err, const char *format, ...)
{
	char context[ERR_MESSAGE_MAX / 2], message[ERR_MESSAGE_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(context, sizeof(context), format, args);
	va_end(args);
	str_copy(message, sizeof(message), err->message);
	/* The cause may be cut, the context not: it is the shorter by construction. */
	size_t used = strlen(context);
	str_copy(err->message, sizeof(err->message), context);
	str_copy(err->message + used, sizeof(err->message) - used, ": ");
	used = strlen(err->message);
	str_copy(err->message + used, sizeof(err->message) - used, message);
	return -1;
}

int err_oom(struct err *err)
{
	err_clear(err);
	err->code = ERR_UNAVAILABLE;
	str_copy(err->message, sizeof(err->message), "memory is short");
	return -1;
}

void err_extra(struct err *err, const char *key, json_t *value)
{
	if (!err->extra)
		err->extra = json_object();
	/* Without memory the problem goes out with its sentence alone. */
	(void)json_object_set_new(err->extra, key, value);
}

void err_move(struct err *to, struct err *from)
{
	json_decref(to->extra);
	*to = *from;
	from->extra = NULL;
	err_clear(from);
}
