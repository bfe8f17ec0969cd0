/* Structured log: one line of key=value (logfmt) or JSON an entry, to a descriptor. Thread-safe: an
 * entry is one write(2). Values are quoted and escaped; secrets never get here (the caller's duty).
 */
#ifndef DURE_BASE_LOG_H
#define DURE_BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR };

struct log {
	int fd;
	enum log_level level;
	bool json;
};

/* `room`: which folder speaks ("reconcile", "docker", …). `fields`: NULL-terminated list of key,
 * value pairs of strings, e.g. LOG_FIELDS("request", id, "status", "200"). */
void log_write(struct log *log, enum log_level level, const char *room, const char *const *fields,
	       const char *format, ...) __attribute__((format(printf, 5, 6)));

#define LOG_FIELDS(...) ((const char *const[]){ __VA_ARGS__, (const char *)0 })
#define log_debug(log, room, ...) log_write((log), LOG_LEVEL_DEBUG, (room), (void *)0, __VA_ARGS__)
#define log_info(log, room, ...) log_write((log), LOG_LEVEL_INFO, (room), (void *)0, __VA_ARGS__)
#define log_warning(log, room, ...)                                                                \
	log_write((log), LOG_LEVEL_WARNING, (room), (void *)0, __VA_ARGS__)
#define log_error(log, room, ...) log_write((log), LOG_LEVEL_ERROR, (room), (void *)0, __VA_ARGS__)

/* "debug", "info", "warning", "error"; negative when it is none of them. */
int log_level_parse(const char *name, enum log_level *ret_level);

#endif
