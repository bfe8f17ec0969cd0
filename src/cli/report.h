/* What a verb has to say: results to stdout, errors and remarks to stderr. */
#ifndef DURE_CLI_REPORT_H
#define DURE_CLI_REPORT_H

#include "cli/app.h"
#include "cli/table.h"

/* Prints the error (with -o json the problem document) and returns the exit status it means. */
int report_error(struct cli *cli, const struct err *err);
/* The exit status an error means. */
enum cli_exit report_exit(const struct err *err);

/* The answer as the API gave it, indented; members in its order. */
void report_json(const json_t *answer);
/* On one line. */
void report_json_line(const json_t *answer);
void report_table(struct cli *cli, const struct table *table);
/* A line to stdout. */
void report_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* "Label:   value" of an object's page; a NULL or empty value is "-". */
void report_field(struct cli *cli, const char *label, const char *value);
/* The same with a style. */
void report_field_styled(struct cli *cli, const char *label, const char *value, enum style style);
/* A remark to stderr; nothing with -q or -o json. */
void report_note(const struct cli *cli, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* "2026-11-24 08:50:58 +0900", "-" for 0 */
const char *report_time(struct cli *cli, int64_t time_us);
/* "3 min ago" without the "ago"; "-" for 0 */
const char *report_age(struct cli *cli, int64_t time_us);
enum style report_state_style(const char *state);

#endif
