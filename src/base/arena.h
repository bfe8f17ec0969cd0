/* Arena: memory of one request or one pass of a loop, freed whole.
 *
 * Built with -DDURE_ARENA_MALLOC (the sanitizer builds) every piece is a malloc of its own, so that
 * AddressSanitizer sees overruns between pieces. Not thread-safe: an arena has one owner at a time.
 */
#ifndef DURE_BASE_ARENA_H
#define DURE_BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

struct arena;

/* `ceiling`: bytes it may hand out in all. NULL when memory is short. */
struct arena *arena_new(size_t ceiling);
/* Takes NULL; returns NULL. */
struct arena *arena_free(struct arena *arena);
void arena_freep(struct arena **arena);
#define ARENA_AUTO __attribute__((cleanup(arena_freep))) struct arena *
/* Gives everything back but keeps one block for the next round. */
void arena_reset(struct arena *arena);

/* Zeroed, aligned for any object. NULL when memory or the ceiling is short. */
void *arena_alloc(struct arena *arena, size_t size);
/* count × size with overflow check. */
void *arena_array(struct arena *arena, size_t count, size_t size);
/* Copies; NULL in gives NULL out. */
char *arena_strdup(struct arena *arena, const char *string);
char *arena_strndup(struct arena *arena, const char *string, size_t length);
char *arena_printf(struct arena *arena, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
char *arena_vprintf(struct arena *arena, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));

#define ARENA_NEW(arena, type) ((type *)arena_alloc((arena), sizeof(type)))
#define ARENA_ARRAY(arena, count, type) ((type *)arena_array((arena), (count), sizeof(type)))

#endif
