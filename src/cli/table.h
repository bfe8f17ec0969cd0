/* Tables: columns lined up by what the terminal shows, not by bytes. */
#ifndef DURE_CLI_TABLE_H
#define DURE_CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/buf.h"

#define TABLE_COLUMNS_MAX 12

enum style { STYLE_PLAIN, STYLE_GOOD, STYLE_BAD, STYLE_BUSY, STYLE_FAINT, STYLE_HEADING };

struct table_row;

struct table {
	struct arena *arena;
	const char *const *headings; /* '>' in front: lined up at the right; '~': may be cut */
	size_t n_columns;
	struct table_row *rows; /* newest first, turned round when written */
	size_t n_rows;
};

/* `headings`: NULL-terminated, outlives the table. */
struct table table_new(struct arena *arena, const char *const *headings);
/* `cells`: as many as there are headings; NULL shows "-". Each is made harmless (text_line). */
void table_row(struct table *table, const char *const *cells);
/* The same with the style of one column's cell. */
void table_row_styled(struct table *table, const char *const *cells, size_t column,
		      enum style style);
/* `columns`: width of the terminal, 0 when it does not matter. */
void table_write(const struct table *table, bool color, size_t columns, struct buf *out);

/* Escape sequences, "" without colour. */
const char *style_on(enum style style, bool color);
const char *style_off(enum style style, bool color);

#define CELLS(...) ((const char *const[]){ __VA_ARGS__ })

#endif
