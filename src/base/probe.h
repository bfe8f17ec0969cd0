/* Prober: one thread that keeps asking TCP ports, or URLs over HTTP/1.1, whether they answer.
 *
 * A target is asked at once, then often while it is new and does not answer (every 20 ms at first,
 * backing off to 500 ms), then every `steady_ms`. Each try has a timeout. Results are kept until
 * the target is removed; a changed result calls `wake`. */
#ifndef DURE_BASE_PROBE_H
#define DURE_BASE_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/env.h"
#include "base/err.h"

struct prober;

struct probe_target {
	const char *key;     /* unique; setting a known key with the same values is a no-op */
	const char *address; /* IPv4 or IPv6, numeric */
	uint16_t port;
	const char *http_host; /* NULL: a TCP connection is the answer; else GET `http_path` with
				  this Host */
	const char *http_path;
	const char *http_foreign_header; /* an answer that has this header (lower case) does not
					    count */
	int timeout_ms;                  /* of one try */
	int steady_ms;                   /* between tries once it answers */
};

typedef void prober_wake(void *context, const char *key, bool answers);

int prober_new(struct env *env, prober_wake *wake, void *context, struct prober **ret_prober,
	       struct err *err);
struct prober *prober_free(struct prober *prober); /* joins; takes NULL, returns NULL */
int prober_set(struct prober *prober, const struct probe_target *target, struct err *err);
void prober_remove(struct prober *prober, const char *key);
/* Did the last try answer? False for an unknown key. */
bool prober_answers(struct prober *prober, const char *key);

#endif
