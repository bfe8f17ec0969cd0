/* Small things that C's string.h lacks. */
#ifndef DURE_BASE_STRINGS_H
#define DURE_BASE_STRINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

static inline void free_charp(char **p) { free(*p); }
#define CHAR_AUTO __attribute__((cleanup(free_charp))) char *

bool str_equal(const char *a, const char *b); /* NULL equals NULL only */
bool str_starts(const char *string, const char *prefix);
bool str_empty(const char *string); /* NULL or "" */
/* Copies at most size-1 bytes, cut at a UTF-8 boundary, always NUL-terminated. */
void str_copy(char *out, size_t size, const char *string);
/* Whole string, decimal, within [min, max]; negative otherwise. */
int str_to_int64(const char *string, int64_t min, int64_t max, int64_t *ret_value);
/* Valid UTF-8 (no surrogates, no overlong forms, no NUL inside `length`)? */
bool utf8_valid(const char *string, size_t length);
/* Code points of a valid UTF-8 string. */
size_t utf8_length(const char *string);
/* Lower-case hexadecimal of `size` bytes; `out` holds 2 × size + 1. */
void hex_encode(const void *data, size_t size, char *out);

#endif
