/* Image references, after distribution's grammar (github.com/distribution/distribution,
 * reference.go): [domain '/'] path [':' tag] ['@' digest]. */
#ifndef DURE_REGISTRY_REFERENCE_H
#define DURE_REGISTRY_REFERENCE_H

#include "base/arena.h"
#include "base/err.h"

struct reference {
	const char *domain;    /* "docker.io", "ghcr.io", "127.0.0.1:5000" */
	const char *path;      /* "library/nginx" */
	const char *tag;       /* NULL when there is a digest only */
	const char *digest;    /* "sha256:…" or NULL */
	const char *canonical; /* all of it written out */
};

/* `default_domain`: what a reference without a domain belongs to ("docker.io", which also gets
 * library/); NULL: such a reference is refused. Without tag and digest the tag is "latest".
 * ERR_INVALID with a sentence that says what is wrong where. */
int reference_parse(const char *text, const char *default_domain, struct arena *arena,
		    struct reference *ret_reference, struct err *err);

#endif
