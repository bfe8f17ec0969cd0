/* Between spec.c and spec_parse.c only. */
#ifndef DURE_WORKLOAD_SPEC_PARSE_H
#define DURE_WORKLOAD_SPEC_PARSE_H

#include "workload/spec.h"

enum spec_source {
	SPEC_FROM_USER,  /* a registration: deploy_now may be there */
	SPEC_FROM_PATCH, /* a stored spec with a user's patch merged in */
	SPEC_FROM_STORE, /* checked once: what changed since does not make it unreadable */
};

/* `patch`: what the user sent when `body` is the result of a merge, else NULL. Problems are noted
 * with members of it. */
int spec_parse_from(const json_t *body, const json_t *patch, enum spec_source source,
		    struct arena *arena, struct spec *ret_spec, struct err *err);

#endif
