/* Checking the members of a JSON object, all of them, before saying what is wrong.
 *
 * A getter leaves *value as it is (the default) when an optional member is absent or null, and
 * notes a problem with the member's JSON pointer (RFC 6901) when it is missing, of the wrong type
 * or out of range. fields_finish() turns the notes into one ERR_FIELDS whose extra is
 * {"fields": [{"pointer", "code", "message", "allowed"?, "given"?}]}.
 * Codes: required, type, length, range, choice, format, unknown, duplicate, conflict. */
#ifndef DURE_BASE_FIELDS_H
#define DURE_BASE_FIELDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define FIELDS_PROBLEMS_MAX 100 /* more help nobody and cost memory */

struct fields {
	json_t *problems; /* owned; NULL while there are none */
	bool lost; /* memory was short for a note: fields_finish() must not say all is well */
};

#define FIELDS_AUTO(name)                                                                          \
	__attribute__((cleanup(fields_clear))) struct fields name = { NULL, false }

/* An object under inspection; `pointer` is where it stands, "" for the document. For
 * fields_bad() it may also be an array, whose keys are "0", "1", … */
struct fields_object {
	struct fields *fields;
	const json_t *object;
	const char *pointer;
};

/* Strings: lengths in characters (code points). The value lives as long as the JSON tree.
 * All return true when *value was set. */
bool fields_string(const struct fields_object *in, const char *key, bool required, size_t min,
		   size_t max, const char **value);
bool fields_int(const struct fields_object *in, const char *key, bool required, int64_t min,
		int64_t max, int64_t *value);
bool fields_bool(const struct fields_object *in, const char *key, bool required, bool *value);
/* `words`: NULL-terminated; *value becomes the index. */
bool fields_choice(const struct fields_object *in, const char *key, bool required,
		   const char *const *words, size_t *value);
/* A nested object; *child is set up for it. `pointer` (at least 256 bytes) holds the child's
 * pointer. */
bool fields_child(const struct fields_object *in, const char *key, bool required, char *pointer,
		  size_t pointer_size, struct fields_object *child);
/* Notes every member that is not in `keys` (NULL-terminated). */
void fields_known(const struct fields_object *in, const char *const *keys);

/* Notes a problem with member `key` (NULL: the object itself). `allowed`: what would be right, or
 * NULL. */
void fields_bad(const struct fields_object *in, const char *key, const char *code,
		const char *allowed, const char *format, ...) __attribute__((format(printf, 5, 6)));
/* Did any member at or below `key` already have a problem? */
bool fields_has_bad(const struct fields_object *in, const char *key);

/* 0 when all was well, else ERR_FIELDS; the notes move into `err`. `what`: "workload", "node". */
int fields_finish(struct fields *fields, const char *what, struct err *err);
/* RFC 7396: merges `patch` (an object) into `target`. Negative when memory is short. The depth of
 * `patch` bounds the recursion: parse with a limit. */
int fields_merge(json_t *target, const json_t *patch);
void fields_clear(struct fields *fields);

#endif
