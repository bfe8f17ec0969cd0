#include "base/strings.h"

#include <errno.h>
#include <string.h>

bool str_equal(const char *a, const char *b)
{
	if (!a || !b)
		return a == b;
	return strcmp(a, b) == 0;
}

bool str_starts(const char *string, const char *prefix)
{
	return strncmp(string, prefix, strlen(prefix)) == 0;
}

bool str_empty(const char *string) { return !string || string[0] == '\0'; }

void str_copy(char *out, size_t size, const char *string)
{
	if (size == 0)
		return;
	size_t length = strnlen(string, size);
	if (length == size) {
		length = size - 1;
		while (length > 0 && ((unsigned char)string[length] & 0xc0) == 0x80)
			length--;
	}
	memmove(out, string, length);
	out[length] = '\0';
}

int str_to_int64(const char *string, int64_t min, int64_t max, int64_t *ret_value)
{
	char *end = NULL;

	if (str_empty(string) || !(string[0] == '-' || (string[0] >= '0' && string[0] <= '9')))
		return -EINVAL;
	errno = 0;
	long long value = strtoll(string, &end, 10);
	if (errno != 0 || *end != '\0')
		return -EINVAL;
	if (value < min || value > max)
		return -ERANGE;
	*ret_value = value;
	return 0;
}

/* Length of the UTF-8 sequence at `s` with `left` bytes, 0 when it is none. Table 3-7 of
 * Unicode 15. */
static size_t sequence_length(const unsigned char *s, size_t left)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t length;

	if (s[0] < 0x80)
		return s[0] != 0;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		length = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		length = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		length = 4;
	else
		return 0;
	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	if (left < length || s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < length; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return length;
}

bool utf8_valid(const char *string, size_t length)
{
	const unsigned char *s = (const unsigned char *)string;

	while (length > 0) {
		size_t step = sequence_length(s, length);
		if (step == 0)
			return false;
		s += step;
		length -= step;
	}
	return true;
}

size_t utf8_length(const char *string)
{
	size_t count = 0;

	for (; *string; string++)
		count += ((unsigned char)*string & 0xc0) != 0x80;
	return count;
}

void hex_encode(const void *data, size_t size, char *out)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *bytes = data;

	for (size_t i = 0; i < size; i++) {
		*out++ = digits[bytes[i] >> 4];
		*out++ = digits[bytes[i] & 15];
	}
	*out = '\0';
}
