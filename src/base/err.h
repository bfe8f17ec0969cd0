/* Errors are values: what went wrong (a stable code), how HTTP should say it, and one sentence.
 *
 * Every function that can fail takes a `struct err *` last, returns a negative number on failure
 * and leaves the error untouched on success. The sentence names the values involved; whoever passes
 * an error up may put context in front with err_wrap(); only the top (request handler, thread loop,
 * main) logs it. `err` may never be NULL. */
#ifndef DURE_BASE_ERR_H
#define DURE_BASE_ERR_H

#include <jansson.h>

#define ERR_MESSAGE_MAX 1024

/* X(symbol, slug, HTTP status, title): the slug is the last segment of the problem's `type` URI and
 * never changes; the title is the same for every occurrence (RFC 9457). */
#define ERR_CODES(X)                                                                               \
	X(ERR_NONE, "none", 200, "No error")                                                       \
	X(ERR_INVALID, "invalid-request", 400, "The request is not well formed")                   \
	X(ERR_FIELDS, "invalid-fields", 422, "Some fields are not valid")                          \
	X(ERR_UNAUTHENTICATED, "unauthenticated", 401, "Log in first")                             \
	X(ERR_CREDENTIALS, "wrong-credentials", 401, "Login or password is wrong")                 \
	X(ERR_FORBIDDEN, "forbidden", 403, "Not allowed for this account")                         \
	X(ERR_NOT_FOUND, "not-found", 404, "There is no such object")                              \
	X(ERR_METHOD, "method-not-allowed", 405, "The path does not take this method")             \
	X(ERR_CONFLICT, "conflict", 409, "The object already exists or is in use")                 \
	X(ERR_STATE, "wrong-state", 409, "The state of the object does not allow this")            \
	X(ERR_NO_CAPACITY, "no-capacity", 409, "Nothing that is free fits")                        \
	X(ERR_TOO_LARGE, "too-large", 413, "The request is too large")                             \
	X(ERR_MEDIA_TYPE, "unsupported-media-type", 415, "The body must be application/json")      \
	X(ERR_THROTTLED, "too-many-requests", 429, "Too many attempts")                            \
	X(ERR_INTERNAL, "internal", 500, "Something failed inside Dure")                           \
	X(ERR_UNAVAILABLE, "unavailable", 503, "A part that Dure needs is not available")          \
	X(ERR_TIMEOUT, "timeout", 504, "A part that Dure needs did not answer in time")

enum err_code {
#define X(symbol, slug, status, title) symbol,
	ERR_CODES(X)
#undef X
		ERR_CODE_COUNT
};

struct err {
	enum err_code code;
	char message[ERR_MESSAGE_MAX]; /* one sentence for the person who caused it, UTF-8 */
	json_t *extra; /* owned; object whose members join the problem document ("fields", …), or
			  NULL */
};

/* Declare with this so that `extra` is released on every path: `ERR_AUTO(err);` */
#define ERR_AUTO(name) __attribute__((cleanup(err_clear))) struct err name = { ERR_NONE, "", NULL }

/* Sets code and sentence (printf form); drops what was there. Always returns -1. */
int err_set(struct err *err, enum err_code code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The same with ": " and the text of `errnum` behind. Always returns -1. */
int err_set_errno(struct err *err, enum err_code code, int errnum, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Puts context and ": " in front of the sentence; code and extra stay. Always returns -1. */
int err_wrap(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Out of memory; needs none itself. Always returns -1. */
int err_oom(struct err *err);

/* Puts `value` (reference stolen, also on failure) under `key` of `extra`. */
void err_extra(struct err *err, const char *key, json_t *value);

/* Moves `from` into `to` (dropping what `to` held) and leaves `from` empty. */
void err_move(struct err *to, struct err *from);

/* Releases `extra` and makes the error empty; takes NULL. */
void err_clear(struct err *err);

const char *err_slug(enum err_code code);
const char *err_title(enum err_code code);
int err_status(enum err_code code);

#endif
