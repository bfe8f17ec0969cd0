/* What `dure login` keeps: $XDG_CONFIG_HOME/dure/credentials.json, mode 0600. */
#ifndef DURE_CLI_CREDENTIALS_H
#define DURE_CLI_CREDENTIALS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"

struct credentials {
	const char *url;
	const char *token;
	const char *login;
	int64_t token_id; /* for logout; 0 unknown */
};

/* The file's path: XDG_CONFIG_HOME, else HOME/.config. NULL when neither is set. */
const char *credentials_path(struct arena *arena);
/* 0 and *ret_found false when there is no file. A file that others can read is refused. */
int credentials_load(struct arena *arena, struct credentials *ret_credentials, bool *ret_found,
		     struct err *err);
/* Atomically: a new file beside it, then a rename. */
int credentials_save(struct arena *arena, const struct credentials *credentials, struct err *err);
int credentials_remove(struct arena *arena, struct err *err);

#endif
