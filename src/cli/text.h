/* Text on a terminal: how wide it is, and that it does no harm there. */
#ifndef DURE_CLI_TEXT_H
#define DURE_CLI_TEXT_H

#include <stddef.h>

#include "base/arena.h"

/* Columns that UTF-8 text takes: Hangul, CJK and emoji 2, combining marks 0. Own tables, not
 * wcwidth(): libc knows widths only in a UTF-8 locale, and a table must be straight without one. */
size_t text_width(const char *text);
/* Bytes of the longest head of `text` that takes at most `columns`. */
size_t text_fit(const char *text, size_t columns);
/* A copy without control characters: each becomes '?', newlines and tabs a space. What the server
 * sends (descriptions, log lines) was written by others and must not steer the terminal. */
char *text_line(struct arena *arena, const char *text);
/* The same, but newlines stay and carriage returns go. */
char *text_block(struct arena *arena, const char *text);

#endif
