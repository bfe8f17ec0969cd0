#include "base/jsonw.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/strings.h"
#include "base/timefmt.h"

struct jsonw jsonw_begin(struct buf *out) { return (struct jsonw){ out, false }; }

static void separate(struct jsonw *w)
{
	if (w->comma)
		buf_putc(w->out, ',');
	w->comma = true;
}

static void open_with(struct jsonw *w, char bracket)
{
	separate(w);
	buf_putc(w->out, bracket);
	w->comma = false;
}

static void close_with(struct jsonw *w, char bracket)
{
	buf_putc(w->out, bracket);
	w->comma = true;
}

void jsonw_object(struct jsonw *w) { open_with(w, '{'); }
void jsonw_object_end(struct jsonw *w) { close_with(w, '}'); }
void jsonw_array(struct jsonw *w) { open_with(w, '['); }
void jsonw_array_end(struct jsonw *w) { close_with(w, ']'); }

static void put_escape(struct buf *out, unsigned char c)
{
	switch (c) {
	case '"': buf_puts(out, "\\\""); break;
	case '\\': buf_puts(out, "\\\\"); break;
	case '\n': buf_puts(out, "\\n"); break;
	case '\r': buf_puts(out, "\\r"); break;
	case '\t': buf_puts(out, "\\t"); break;
	default: buf_printf(out, "\\u%04x", c);
	}
}

/* Bytes from `s` that are one valid UTF-8 character; 0 when they are not. */
static size_t character_bytes(const char *s, size_t left)
{
	for (size_t n = 1; n <= 4 && n <= left; n++)
		if (utf8_valid(s, n))
			return n;
	return 0;
}

static void put_string(struct buf *out, const char *s)
{
	size_t left = strlen(s), plain = 0;

	buf_putc(out, '"');
	while (plain < left) {
		unsigned char c = (unsigned char)s[plain];
		size_t step = c < 0x80 ? 1 : character_bytes(s + plain, left - plain);
		if (step > 0 && c >= 0x20 && c != '"' && c != '\\' && c != 0x7f) {
			plain += step;
			continue;
		}
		buf_append(out, s, plain);
		if (step == 0)
			buf_puts(out, "\xef\xbf\xbd");
		else
			put_escape(out, c);
		s += plain + 1;
		left -= plain + 1;
		plain = 0;
	}
	buf_append(out, s, plain);
	buf_putc(out, '"');
}

void jsonw_key(struct jsonw *w, const char *key)
{
	separate(w);
	put_string(w->out, key);
	buf_putc(w->out, ':');
	w->comma = false;
}

void jsonw_string(struct jsonw *w, const char *value)
{
	if (!value) {
		jsonw_null(w);
		return;
	}
	separate(w);
	put_string(w->out, value);
}

void jsonw_int(struct jsonw *w, int64_t value)
{
	separate(w);
	buf_printf(w->out, "%" PRId64, value);
}

void jsonw_raw(struct jsonw *w, const char *json)
{
	separate(w);
	buf_puts(w->out, json);
}

void jsonw_bool(struct jsonw *w, bool value) { jsonw_raw(w, value ? "true" : "false"); }
void jsonw_null(struct jsonw *w) { jsonw_raw(w, "null"); }

void jsonw_json(struct jsonw *w, const json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

	if (!text) {
		w->out->failed = true;
		return;
	}
	jsonw_raw(w, text);
	free(text);
}

void jsonw_time(struct jsonw *w, int64_t time_us)
{
	char text[TIMEFMT_RFC3339_SIZE];

	if (time_us == 0) {
		jsonw_null(w);
		return;
	}
	timefmt_rfc3339(time_us, text);
	jsonw_string(w, text);
}

void jsonw_kv_string(struct jsonw *w, const char *key, const char *value)
{
	jsonw_key(w, key);
	jsonw_string(w, value);
}

void jsonw_kv_int(struct jsonw *w, const char *key, int64_t value)
{
	jsonw_key(w, key);
	jsonw_int(w, value);
}

void jsonw_kv_bool(struct jsonw *w, const char *key, bool value)
{
	jsonw_key(w, key);
	jsonw_bool(w, value);
}

void jsonw_kv_time(struct jsonw *w, const char *key, int64_t time_us)
{
	jsonw_key(w, key);
	jsonw_time(w, time_us);
}
