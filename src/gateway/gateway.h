/* The gateway seam: carries requests for http://<host>.<domain>:<port> to the pods that are ready.
 * HAProxy on one machine; the cluster's Ingress on many; `sim` in tests.
 *
 * Level-triggered like the engine: gateway_sync() is told the whole table of what should be routed
 * and returns at once; gateway_observe() says what is, per target, from a cache. A target that left
 * the table is drained first: no new request reaches it, those under way may finish until the grace
 * ends. */
#ifndef DURE_GATEWAY_GATEWAY_H
#define DURE_GATEWAY_GATEWAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/env.h"
#include "base/err.h"

struct gateway_target {
	const char *pod;     /* pod name, unique */
	const char *address; /* IP */
	uint16_t port;
};

struct gateway_service {
	const char *host; /* 8 hex digits, the first label of the service URL */
	const struct gateway_target *targets;
	size_t n_targets;
	int drain_grace_s;
};

struct gateway_target_state {
	const char *host;
	const char *pod;
	bool routed;      /* new requests can reach it */
	bool draining;    /* taken out; requests are still under way */
	int64_t sessions; /* requests under way */
};

struct gateway_service_state {
	const char *host;
	bool answers; /* a request through the URL got an answer from a pod since the targets last
			 changed */
};

struct gateway_state {
	bool up; /* false: HAProxy is not running or not yet */
	const char *why;
	const struct gateway_target_state *targets;
	size_t n_targets;
	const struct gateway_service_state *services;
	size_t n_services;
};

/* Called from any thread when gateway_observe() would say something new. Must not block. */
typedef void gateway_wake(void *context);

struct gateway;

struct gateway_ops {
	const char *name;
	int (*sync)(struct gateway *gateway, const struct gateway_service *services, size_t count,
		    struct err *err);
	int (*observe)(struct gateway *gateway, struct arena *arena,
		       struct gateway_state *ret_state, struct err *err);
	void (*watch)(struct gateway *gateway, gateway_wake *wake, void *context);
	void (*free)(struct gateway *gateway);
};

struct gateway {
	const struct gateway_ops *ops;
};

/* The whole table; copied. Cheap when nothing changed: called every pass. */
int gateway_sync(struct gateway *gateway, const struct gateway_service *services, size_t count,
		 struct err *err);
/* Snapshot, in `arena`. Never waits for the network. */
int gateway_observe(struct gateway *gateway, struct arena *arena, struct gateway_state *ret_state,
		    struct err *err);
void gateway_watch(struct gateway *gateway, gateway_wake *wake, void *context);
/* Takes NULL; returns NULL. */
struct gateway *gateway_free(struct gateway *gateway);

#endif
