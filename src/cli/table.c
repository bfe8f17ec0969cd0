#include "cli/table.h"

#include <assert.h>
#include <string.h>

#include "cli/text.h"

#define GAP 2         /* columns between cells */
#define CUT_TO_MIN 10 /* a cell that may be cut keeps so much */

struct table_row {
	struct table_row *older;
	const char *cells[TABLE_COLUMNS_MAX];
	size_t styled;
	enum style style;
};

const char *style_on(enum style style, bool color)
{
	static const char *const codes[] = { "",         "\033[32m", "\033[31m",
					     "\033[33m", "\033[2m",  "\033[1m" };

	return color ? codes[style] : "";
}

const char *style_off(enum style style, bool color)
{
	return color && style != STYLE_PLAIN ? "\033[0m" : "";
}

struct table table_new(struct arena *arena, const char *const *headings)
{
	struct table table = { arena, headings, 0, NULL, 0 };

	while (headings[table.n_columns])
		table.n_columns++;
	assert(table.n_columns > 0 && table.n_columns <= TABLE_COLUMNS_MAX);
	return table;
}

void table_row_styled(struct table *table, const char *const *cells, size_t column,
		      enum style style)
{
	struct table_row *row = ARENA_NEW(table->arena, struct table_row);

	if (!row)
		return;
	for (size_t i = 0; i < table->n_columns; i++) {
		char *cell = cells[i] ? text_line(table->arena, cells[i]) : NULL;
		row->cells[i] = cell && *cell ? cell : "-";
	}
	row->styled = column;
	row->style = style;
	row->older = table->rows;
	table->rows = row;
	table->n_rows++;
}

void table_row(struct table *table, const char *const *cells)
{
	table_row_styled(table, cells, 0, STYLE_PLAIN);
}

static const char *heading_text(const char *heading)
{
	return *heading == '>' || *heading == '~' ? heading + 1 : heading;
}

/* Widths of the columns; the ones that may be cut give way when the terminal is too narrow. */
static void measure(const struct table *table, size_t columns, size_t *widths)
{
	size_t total = 0;

	for (size_t i = 0; i < table->n_columns; i++) {
		widths[i] = text_width(heading_text(table->headings[i]));
		for (const struct table_row *row = table->rows; row; row = row->older) {
			size_t width = text_width(row->cells[i]);
			widths[i] = width > widths[i] ? width : widths[i];
		}
		total += widths[i] + (i ? GAP : 0);
	}
	for (size_t i = 0; columns && i < table->n_columns && total > columns; i++) {
		if (*table->headings[i] != '~' || widths[i] <= CUT_TO_MIN)
			continue;
		size_t room = widths[i] - CUT_TO_MIN;
		size_t cut = total - columns < room ? total - columns : room;
		widths[i] -= cut;
		total -= cut;
	}
}

struct line {
	const struct table *table;
	const size_t *widths;
	struct buf *out;
	bool color;
};

static void write_cell(const struct line *line, size_t column, const char *text, enum style style)
{
	size_t width = text_width(text), room = line->widths[column];
	bool last = column + 1 == line->table->n_columns;
	bool right = line->table->headings[column][0] == '>';
	size_t bytes = strlen(text);
	bool cut = width > room;

	if (cut) { /* a wide character may leave one column empty before the ellipsis */
		bytes = text_fit(text, room - 1);
		char *kept = arena_strndup(line->table->arena, text, bytes);
		width = (kept ? text_width(kept) : room - 1) + 1;
	}
	size_t pad = room - width;
	for (size_t i = 0; right && i < pad; i++)
		buf_putc(line->out, ' ');
	buf_puts(line->out, style_on(style, line->color));
	buf_append(line->out, text, bytes);
	if (cut)
		buf_puts(line->out, "…");
	buf_puts(line->out, style_off(style, line->color));
	for (size_t i = 0; !right && !last && i < pad; i++)
		buf_putc(line->out, ' ');
	if (!last)
		buf_puts(line->out, "  ");
}

void table_write(const struct table *table, bool color, size_t columns, struct buf *out)
{
	size_t widths[TABLE_COLUMNS_MAX];
	struct line line = { table, widths, out, color };
	const struct table_row **rows =
		ARENA_ARRAY(table->arena, table->n_rows + 1, const struct table_row *);
	size_t left = table->n_rows;

	if (!rows)
		return;
	measure(table, columns, widths);
	for (size_t i = 0; i < table->n_columns; i++)
		write_cell(&line, i, heading_text(table->headings[i]), STYLE_HEADING);
	buf_putc(out, '\n');
	for (const struct table_row *row = table->rows; row; row = row->older)
		rows[--left] = row;
	for (size_t r = 0; r < table->n_rows; r++) {
		for (size_t i = 0; i < table->n_columns; i++)
			write_cell(&line, i, rows[r]->cells[i],
				   rows[r]->styled == i ? rows[r]->style : STYLE_PLAIN);
		buf_putc(out, '\n');
	}
}
