/* Files that travel inside the binary; made by scripts/embed.py. */
#ifndef DURE_BASE_EMBED_H
#define DURE_BASE_EMBED_H

#include <stddef.h>

struct embedded_file {
	const char *name; /* base name; NULL ends the array */
	const char *data; /* `size` bytes and a NUL behind them */
	size_t size;
};

/* migrations/NNNN_<what>.sql in order (src/store) */
extern const struct embedded_file store_migrations[];
/* openapi.json (api/) */
extern const struct embedded_file api_documents[];

#endif
