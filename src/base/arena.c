#include "base/arena.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_MAGIC 0x4172656eu
#define BLOCK_SIZE ((size_t)16 * 1024)
#define ALIGNMENT _Alignof(max_align_t)

struct block {
	struct block *next;
	size_t size, used;
	_Alignas(max_align_t) unsigned char bytes[];
};

struct arena {
	unsigned magic;
	struct block *blocks; /* newest first */
	size_t handed_out, ceiling;
};

struct arena *arena_new(size_t ceiling)
{
	struct arena *arena = calloc(1, sizeof(*arena));

	if (!arena)
		return NULL;
	arena->magic = ARENA_MAGIC;
	arena->ceiling = ceiling;
	return arena;
}

static void drop_blocks(struct block *block)
{
	while (block) {
		struct block *next = block->next;
		free(block);
		block = next;
	}
}

struct arena *arena_free(struct arena *arena)
{
	if (!arena)
		return NULL;
	assert(arena->magic == ARENA_MAGIC);
	drop_blocks(arena->blocks);
	arena->magic = 0;
	free(arena);
	return NULL;
}

void arena_freep(struct arena **arena) { *arena = arena_free(*arena); }

void arena_reset(struct arena *arena)
{
	assert(arena->magic == ARENA_MAGIC);
	struct block *keep = arena->blocks;

#ifdef DURE_ARENA_MALLOC
	keep = NULL;
	drop_blocks(arena->blocks);
#else
	if (keep && keep->size == BLOCK_SIZE) {
		drop_blocks(keep->next);
		keep->next = NULL;
		keep->used = 0;
	} else {
		drop_blocks(keep);
		keep = NULL;
	}
#endif
	arena->blocks = keep;
	arena->handed_out = 0;
}

static struct block *block_add(struct arena *arena, size_t size)
{
	struct block *block = malloc(sizeof(*block) + size);

	if (!block)
		return NULL;
	block->size = size;
	block->used = 0;
	block->next = arena->blocks;
	arena->blocks = block;
	return block;
}

void *arena_alloc(struct arena *arena, size_t size)
{
	assert(arena->magic == ARENA_MAGIC);
	if (size == 0)
		size = 1;
	if (size > SIZE_MAX / 2)
		return NULL;
	size_t rounded = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	if (rounded > arena->ceiling - arena->handed_out)
		return NULL;

	struct block *block = arena->blocks;
#ifdef DURE_ARENA_MALLOC
	block = block_add(arena, size); /* exact, so that one byte over is seen */
	rounded = size;
#else
	if (!block || block->size - block->used < rounded)
		block = block_add(arena, rounded > BLOCK_SIZE ? rounded : BLOCK_SIZE);
#endif
	if (!block)
		return NULL;
	void *piece = block->bytes + block->used;
	block->used += rounded;
	arena->handed_out += rounded;
	return memset(piece, 0, size);
}

void *arena_array(struct arena *arena, size_t count, size_t size)
{
	if (size != 0 && count > SIZE_MAX / size)
		return NULL;
	return arena_alloc(arena, count * size);
}

char *arena_strdup(struct arena *arena, const char *string)
{
	return string ? arena_strndup(arena, string, strlen(string)) : NULL;
}

char *arena_strndup(struct arena *arena, const char *string, size_t length)
{
	char *copy = arena_alloc(arena, length + 1);

	if (copy && length > 0)
		memcpy(copy, string, length);
	return copy;
}

char *arena_vprintf(struct arena *arena, const char *format, va_list args)
{
	va_list again;

	va_copy(again, args);
	int length = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (length < 0)
		return NULL;
	char *text = arena_alloc(arena, (size_t)length + 1);
	if (text)
		(void)vsnprintf(text, (size_t)length + 1, format, args);
	return text;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	char *text = arena_vprintf(arena, format, args);
	va_end(args);
	return text;
}
