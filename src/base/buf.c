#include "base/buf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_free(struct buf *buf)
{
	free(buf->data);
	buf->data = NULL;
	buf->length = buf->capacity = 0;
	buf->failed = false;
}

void buf_clear(struct buf *buf)
{
	buf->length = 0;
	buf->failed = false;
	if (buf->data)
		buf->data[0] = '\0';
}

/* Room for `more` bytes and the NUL behind them. */
static bool reserve(struct buf *buf, size_t more)
{
	if (buf->failed || more > buf->ceiling || buf->length > buf->ceiling - more) {
		buf->failed = true;
		return false;
	}
	size_t need = buf->length + more + 1;
	if (need <= buf->capacity)
		return true;
	size_t capacity = buf->capacity ? buf->capacity : 256;
	while (capacity < need)
		capacity *= 2;
	char *data = realloc(buf->data, capacity);
	if (!data) {
		buf->failed = true;
		return false;
	}
	buf->data = data;
	buf->capacity = capacity;
	return true;
}

void buf_append(struct buf *buf, const void *data, size_t length)
{
	if (!reserve(buf, length))
		return;
	if (length > 0)
		memcpy(buf->data + buf->length, data, length);
	buf->length += length;
	buf->data[buf->length] = '\0';
}

void buf_puts(struct buf *buf, const char *string) { buf_append(buf, string, strlen(string)); }

void buf_putc(struct buf *buf, char c) { buf_append(buf, &c, 1); }

void buf_vprintf(struct buf *buf, const char *format, va_list args)
{
	va_list again;

	va_copy(again, args);
	int length = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (length < 0) {
		buf->failed = true;
		return;
	}
	if (!reserve(buf, (size_t)length))
		return;
	(void)vsnprintf(buf->data + buf->length, (size_t)length + 1, format, args);
	buf->length += (size_t)length;
}

void buf_printf(struct buf *buf, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	buf_vprintf(buf, format, args);
	va_end(args);
}

void buf_consume(struct buf *buf, size_t length)
{
	if (length >= buf->length) {
		buf->length = 0;
	} else {
		memmove(buf->data, buf->data + length, buf->length - length);
		buf->length -= length;
	}
	if (buf->data)
		buf->data[buf->length] = '\0';
}

char *buf_take(struct buf *buf, size_t *ret_length)
{
	if (buf->failed || !buf->data)
		return NULL;
	char *data = buf->data;
	if (ret_length)
		*ret_length = buf->length;
	buf->data = NULL;
	buf->length = buf->capacity = 0;
	return data;
}
