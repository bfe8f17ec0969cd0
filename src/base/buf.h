/* Growing byte buffer with a ceiling. A failed append sets `failed` and every later one is a no-op,
 * so that a run of appends needs one check at its end. `data` is always NUL-terminated once
 * non-NULL. */
#ifndef DURE_BASE_BUF_H
#define DURE_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct buf {
	char *data;
	size_t length;
	size_t capacity;
	size_t ceiling;
	bool failed; /* memory was short or the ceiling was reached */
};

#define BUF_INIT(ceiling_bytes)                                                                    \
	{                                                                                          \
		NULL, 0, 0, (ceiling_bytes), false                                                 \
	}
#define BUF_AUTO __attribute__((cleanup(buf_free))) struct buf

void buf_free(struct buf *buf);  /* leaves an empty buffer with the same ceiling */
void buf_clear(struct buf *buf); /* length 0, not failed, memory kept */
void buf_append(struct buf *buf, const void *data, size_t length);
void buf_puts(struct buf *buf, const char *string);
void buf_putc(struct buf *buf, char c);
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *buf, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));
void buf_consume(struct buf *buf, size_t length); /* drops bytes from the front */
/* Hands the bytes over (caller frees) and empties the buffer; NULL when failed or empty. */
char *buf_take(struct buf *buf, size_t *ret_length);

#endif
