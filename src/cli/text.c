#include "cli/text.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/strings.h"

struct range {
	uint32_t first, last;
};

/* Unicode 15, East Asian Width W and F, in the blocks that people write. */
static const struct range wide[] = {
	{ 0x1100, 0x115f },   { 0x231a, 0x231b },   { 0x2329, 0x232a },   { 0x23e9, 0x23ec },
	{ 0x25fd, 0x25fe },   { 0x2614, 0x2615 },   { 0x26a1, 0x26a1 },   { 0x2705, 0x2705 },
	{ 0x2728, 0x2728 },   { 0x274c, 0x274c },   { 0x2e80, 0x303e },   { 0x3041, 0x33ff },
	{ 0x3400, 0x4dbf },   { 0x4e00, 0xa4cf },   { 0xa960, 0xa97f },   { 0xac00, 0xd7a3 },
	{ 0xf900, 0xfaff },   { 0xfe10, 0xfe19 },   { 0xfe30, 0xfe6f },   { 0xff01, 0xff60 },
	{ 0xffe0, 0xffe6 },   { 0x1f18e, 0x1f19a }, { 0x1f300, 0x1f64f }, { 0x1f680, 0x1f6ff },
	{ 0x1f900, 0x1f9ff }, { 0x1fa70, 0x1faff }, { 0x20000, 0x3fffd },
};

static const struct range zero[] = {
	{ 0x0300, 0x036f }, { 0x1160, 0x11ff }, { 0x1ab0, 0x1aff },   { 0x200b, 0x200f },
	{ 0x202a, 0x202e }, { 0x2060, 0x2064 }, { 0x20d0, 0x20ff },   { 0xfe00, 0xfe0f },
	{ 0xfe20, 0xfe2f }, { 0xfeff, 0xfeff }, { 0xe0100, 0xe01ef },
};

static bool within(const struct range *ranges, size_t count, uint32_t point)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = (low + high) / 2;
		if (point > ranges[middle].last)
			low = middle + 1;
		else if (point < ranges[middle].first)
			high = middle;
		else
			return true;
	}
	return false;
}

/* One code point; a byte that is not UTF-8 counts as U+FFFD. Always at least one byte. */
static size_t decode(const char *text, uint32_t *point)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t length = s[0] < 0x80 ? 1 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;

	if (strnlen(text, length) < length || !utf8_valid(text, length)) {
		*point = 0xfffd;
		return 1;
	}
	*point = length == 1 ? s[0] : s[0] & (0xffu >> (length + 1));
	for (size_t i = 1; i < length; i++)
		*point = *point << 6 | (s[i] & 0x3fu);
	return length;
}

static size_t width_of(uint32_t point)
{
	if (within(zero, sizeof(zero) / sizeof(zero[0]), point))
		return 0;
	return within(wide, sizeof(wide) / sizeof(wide[0]), point) ? 2 : 1;
}

size_t text_width(const char *text)
{
	size_t width = 0;
	uint32_t point;

	while (*text) {
		text += decode(text, &point);
		width += width_of(point);
	}
	return width;
}

size_t text_fit(const char *text, size_t columns)
{
	const char *start = text;
	uint32_t point;

	while (*text) {
		size_t step = decode(text, &point);
		if (width_of(point) > columns)
			break;
		columns -= width_of(point);
		text += step;
	}
	return (size_t)(text - start);
}

static bool is_control(uint32_t point)
{
	/* C0, DEL, C1, and the marks that turn the direction of the text behind them */
	return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == 0x2028 ||
	       point == 0x2029 || (point >= 0x202a && point <= 0x202e) ||
	       (point >= 0x2066 && point <= 0x2069);
}

static char *clean(struct arena *arena, const char *text, bool keep_lines)
{
	char *out = text ? arena_alloc(arena, strlen(text) * 3 + 1) : NULL;
	char *end = out;
	uint32_t point;

	if (!out)
		return NULL;
	while (*text) {
		size_t step = decode(text, &point);
		if (keep_lines && *text == '\r') {
			/* a log of a program that thought it had a terminal */
		} else if (*text == '\n' || *text == '\t') {
			*end++ = keep_lines ? *text : ' ';
		} else if (is_control(point)) {
			*end++ = '?';
		} else if (point == 0xfffd) {
			memcpy(end, "\xef\xbf\xbd", 3);
			end += 3;
		} else {
			memcpy(end, text, step);
			end += step;
		}
		text += step;
	}
	*end = '\0';
	return out;
}

char *text_line(struct arena *arena, const char *text) { return clean(arena, text, false); }

char *text_block(struct arena *arena, const char *text) { return clean(arena, text, true); }
