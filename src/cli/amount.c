#include "cli/amount.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define MICRO INT64_C(1000000)

/* Whole part: digits, or digits in groups of three behind commas. NULL when it is neither. */
static const char *parse_whole(const char *text, int64_t *ret_value)
{
	const char *start = text, *group = NULL;
	int64_t value = 0;

	for (; isdigit((unsigned char)*text) || *text == ','; text++) {
		if (*text == ',') {
			if (text == start || (group && text - group != 4) ||
			    (!group && text - start > 3))
				return NULL;
			group = text;
			continue;
		}
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, *text - '0', &value))
			return NULL;
	}
	if (text == start || (group && text - group != 4))
		return NULL;
	*ret_value = value;
	return text;
}

/* A decimal with at most `places` decimals, times 10^places. NULL when it is none. */
static const char *parse_decimal(const char *text, int places, int64_t *ret_value)
{
	int64_t value;

	text = parse_whole(text, &value);
	if (!text)
		return NULL;
	if (*text == '.' && !isdigit((unsigned char)text[1]))
		return NULL;
	if (*text == '.')
		text++;
	for (int i = 0; i < places; i++) {
		int digit = isdigit((unsigned char)*text) ? *text++ - '0' : 0;
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, digit, &value))
			return NULL;
	}
	while (*text == '0') /* decimals that say nothing */
		text++;
	if (isdigit((unsigned char)*text))
		return NULL;
	*ret_value = value;
	return text;
}

int amount_points_parse(const char *text, int64_t *ret_micro)
{
	int64_t value;
	const char *end = parse_decimal(text, 6, &value);

	if (!end)
		return -1;
	if (*end == ' ')
		end++;
	if (*end == 'P' || *end == 'p')
		end++;
	if (*end != '\0')
		return -1;
	*ret_micro = value;
	return 0;
}

/* Digits of `value` in groups of three. */
static void group_digits(uint64_t value, char out[32])
{
	char digits[24];
	int length = snprintf(digits, sizeof(digits), "%" PRIu64, value);
	char *end = out;

	assert(length > 0);
	for (int i = 0; i < length; i++) {
		if (i > 0 && (length - i) % 3 == 0)
			*end++ = ',';
		*end++ = digits[i];
	}
	*end = '\0';
}

/* "1,234.5" of a number of millionths, without the zeros that say nothing. */
static void points_digits(int64_t micro, char out[48])
{
	uint64_t size = micro < 0 ? -(uint64_t)micro : (uint64_t)micro;
	char whole[32], decimals[8];
	int length = 6;

	group_digits(size / (uint64_t)MICRO, whole);
	(void)snprintf(decimals, sizeof(decimals), "%06u", (unsigned)(size % (uint64_t)MICRO));
	while (length > 0 && decimals[length - 1] == '0')
		length--;
	(void)snprintf(out, 48, "%s%s%s%.*s", micro < 0 ? "-" : "", whole, length ? "." : "",
		       length, decimals);
}

char *amount_points(struct arena *arena, int64_t micro)
{
	char digits[48];

	points_digits(micro, digits);
	return arena_printf(arena, "%s P", digits);
}

char *amount_points_range(struct arena *arena, int64_t min, int64_t max)
{
	char low[48], high[48];

	if (min == max)
		return amount_points(arena, min);
	points_digits(min, low);
	points_digits(max, high);
	return arena_printf(arena, "%s – %s P", low, high);
}

int amount_size_parse(const char *text, int64_t *ret_mb)
{
	static const struct {
		const char *unit;
		int64_t mb;
	} units[] = { { "", 1 },
		      { "M", 1 },
		      { "MB", 1 },
		      { "MiB", 1 },
		      { "G", 1024 },
		      { "GB", 1024 },
		      { "GiB", 1024 },
		      { "T", 1024 * 1024 },
		      { "TB", 1024 * 1024 },
		      { "TiB", 1024 * 1024 } };
	int64_t thousandths;
	const char *end = parse_decimal(text, 3, &thousandths);

	if (!end)
		return -1;
	if (*end == ' ')
		end++;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcasecmp(end, units[i].unit) != 0)
			continue;
		if (__builtin_mul_overflow(thousandths, units[i].mb, &thousandths) ||
		    thousandths % 1000 != 0)
			return -1;
		*ret_mb = thousandths / 1000;
		return 0;
	}
	return -1;
}

char *amount_size(struct arena *arena, int64_t mb)
{
	static const char *const units[] = { "MB", "GB", "TB" };
	int64_t unit_mb = 1;
	size_t unit = 0;

	while (unit < 2 && mb >= unit_mb * 1024) {
		unit_mb *= 1024;
		unit++;
	}
	if (mb % unit_mb == 0)
		return arena_printf(arena, "%" PRId64 " %s", mb / unit_mb, units[unit]);
	int64_t tenths = mb / unit_mb * 10 + mb % unit_mb * 10 / unit_mb;
	bool even = mb % unit_mb * 10 % unit_mb == 0;
	return arena_printf(arena, "%s%" PRId64 ".%" PRId64 " %s", even ? "" : "~", tenths / 10,
			    tenths % 10, units[unit]);
}

int amount_cpu_parse(const char *text, int64_t *ret_milli)
{
	int64_t value;
	const char *end = parse_decimal(text, 3, &value);

	if (!end)
		return -1;
	if (strcmp(end, "m") == 0) {
		if (value % 1000 != 0)
			return -1;
		value /= 1000;
		end++;
	}
	if (*end != '\0')
		return -1;
	*ret_milli = value;
	return 0;
}

char *amount_cpu(struct arena *arena, int64_t milli)
{
	char *text = arena_printf(arena, "%" PRId64 ".%03" PRId64, milli / 1000, milli % 1000);

	for (size_t length = text ? strlen(text) : 0; length > 0; length--) {
		char last = text[length - 1];
		if (last != '0' && last != '.')
			break;
		text[length - 1] = '\0';
		if (last == '.')
			break;
	}
	return text;
}

int amount_duration_parse(const char *text, int64_t *ret_seconds)
{
	int64_t value, unit = 1;
	const char *end = parse_whole(text, &value);

	if (!end)
		return -1;
	if (*end == 'm')
		unit = 60;
	else if (*end == 'h')
		unit = 3600;
	else if (*end == 'd')
		unit = 86400;
	else if (*end != 's' && *end != '\0')
		return -1;
	if (*end != '\0' && end[1] != '\0')
		return -1;
	return __builtin_mul_overflow(value, unit, ret_seconds) ? -1 : 0;
}

char *amount_duration(struct arena *arena, int64_t us)
{
	int64_t s = us / MICRO;

	if (us < 0)
		return arena_strdup(arena, "0 s");
	if (s < 60)
		return arena_printf(arena, "%" PRId64 ".%" PRId64 " s", s,
				    us % MICRO / (MICRO / 10));
	if (s < 3600)
		return arena_printf(arena, "%" PRId64 " min %" PRId64 " s", s / 60, s % 60);
	if (s < 86400)
		return arena_printf(arena, "%" PRId64 " h %" PRId64 " min", s / 3600,
				    s % 3600 / 60);
	return arena_printf(arena, "%" PRId64 " d %" PRId64 " h", s / 86400, s % 86400 / 3600);
}
