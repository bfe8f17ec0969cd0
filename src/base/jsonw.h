/* Bounded JSON writer onto a buf. Commas and escaping are its business; nesting is the caller's.
 * Strings that are not UTF-8 are written with U+FFFD in place of the bad bytes. */
#ifndef DURE_BASE_JSONW_H
#define DURE_BASE_JSONW_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct jsonw {
	struct buf *out;
	bool comma; /* the next value needs one in front */
};

struct jsonw jsonw_begin(struct buf *out);
void jsonw_object(struct jsonw *w); /* { */
void jsonw_object_end(struct jsonw *w);
void jsonw_array(struct jsonw *w); /* [ */
void jsonw_array_end(struct jsonw *w);
void jsonw_key(struct jsonw *w, const char *key);
void jsonw_string(struct jsonw *w, const char *value); /* NULL writes null */
void jsonw_int(struct jsonw *w, int64_t value);
void jsonw_bool(struct jsonw *w, bool value);
void jsonw_null(struct jsonw *w);
void jsonw_json(struct jsonw *w, const json_t *value); /* a jansson tree, compact */
void jsonw_raw(struct jsonw *w, const char *json);     /* already JSON, trusted */
/* RFC 3339 UTC with milliseconds; 0 writes null. `time_us`: µs since the epoch. */
void jsonw_time(struct jsonw *w, int64_t time_us);

/* key + value in one */
void jsonw_kv_string(struct jsonw *w, const char *key, const char *value);
void jsonw_kv_int(struct jsonw *w, const char *key, int64_t value);
void jsonw_kv_bool(struct jsonw *w, const char *key, bool value);
void jsonw_kv_time(struct jsonw *w, const char *key, int64_t time_us);

#endif
