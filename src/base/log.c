#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/env.h"
#include "base/jsonw.h"
#include "base/strings.h"
#include "base/timefmt.h"

#define LINE_MAX_BYTES 8192

static const char *const level_names[] = { "debug", "info", "warning", "error" };

int log_level_parse(const char *name, enum log_level *ret_level)
{
	for (size_t i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++)
		if (str_equal(name, level_names[i])) {
			*ret_level = (enum log_level)i;
			return 0;
		}
	return -EINVAL;
}

/* logfmt: a value is quoted, as in JSON, where it holds anything but plain ASCII. */
static void put_value(struct buf *line, const char *value)
{
	bool plain = value[0] != '\0';

	for (const char *at = value; *at && plain; at++)
		plain = *at > ' ' && *at < 0x7f && *at != '"' && *at != '=' && *at != '\\';
	if (plain) {
		buf_puts(line, value);
		return;
	}
	struct jsonw w = jsonw_begin(line);
	jsonw_string(&w, value);
}

static void put_logfmt(struct buf *line, const char *time, const char *level, const char *room,
		       const char *message, const char *const *fields)
{
	buf_printf(line, "%s %-7s %s: ", time, level, room);
	for (const char *at = message; *at; at++)
		buf_putc(line, (unsigned char)*at < 0x20 ? ' ' : *at);
	for (; fields && fields[0]; fields += 2) {
		buf_printf(line, " %s=", fields[0]);
		put_value(line, fields[1] ? fields[1] : "");
	}
	buf_putc(line, '\n');
}

static void put_json(struct buf *line, const char *time, const char *level, const char *room,
		     const char *message, const char *const *fields)
{
	struct jsonw w = jsonw_begin(line);

	jsonw_object(&w);
	jsonw_kv_string(&w, "time", time);
	jsonw_kv_string(&w, "level", level);
	jsonw_kv_string(&w, "room", room);
	jsonw_kv_string(&w, "message", message);
	for (; fields && fields[0]; fields += 2)
		jsonw_kv_string(&w, fields[0], fields[1]);
	jsonw_object_end(&w);
	buf_putc(line, '\n');
}

void log_write(struct log *log, enum log_level level, const char *room, const char *const *fields,
	       const char *format, ...)
{
	BUF_AUTO line = BUF_INIT(LINE_MAX_BYTES);
	char message[2048], time[TIMEFMT_RFC3339_SIZE];
	struct env clock = env_system(log);
	va_list args;

	if (!log || level < log->level)
		return;
	va_start(args, format);
	(void)vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	timefmt_rfc3339(env_now(&clock), time);
	if (log->json)
		put_json(&line, time, level_names[level], room, message, fields);
	else
		put_logfmt(&line, time, level_names[level], room, message, fields);
	if (line.failed || write(log->fd, line.data, line.length) < 0)
		return; /* a log that cannot be written must not stop the service */
}
