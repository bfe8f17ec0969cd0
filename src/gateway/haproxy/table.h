/* What HAProxy is believed to route: services in numbered backends, servers in services. Owned by
 * the control thread; learned again from HAProxy whenever it was started or reloaded. */
#ifndef DURE_GATEWAY_HAPROXY_TABLE_H
#define DURE_GATEWAY_HAPROXY_TABLE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/limits.h"

enum server_state {
	SERVER_UP,       /* takes requests, as far as its health allows */
	SERVER_DRAINING, /* takes no new request; those under way may finish */
	SERVER_CLOSING,  /* in maintenance; to be deleted when its last connection is gone */
};

struct server {
	char pod[LIMIT_GATEWAY_NAME_BYTES + 1];
	char address[INET6_ADDRSTRLEN];
	uint16_t port;
	enum server_state state;
	bool healthy;
	bool wanted; /* by the table of the current pass */
	bool seen;   /* while learning */
	int64_t sessions;
	int64_t deadline; /* of draining */
	int quiet;        /* polls in a row without a session */
};

struct service {
	char host[LIMIT_GATEWAY_NAME_BYTES + 1];
	unsigned slot; /* its backend is s<slot> */
	bool mapped;   /* the host is in HAProxy's map */
	bool wanted;   /* by the table of the current pass */
	bool asked;    /* the prober asks its URL */
	int drain_grace_s;
	struct server *servers;
	size_t count;
	size_t capacity;
};

struct table {
	struct service **slots; /* by slot - 1; NULL: a spare backend */
	unsigned n_slots;
	unsigned n_used;
	void *by_host; /* tsearch tree */
};

int table_init(struct table *table, unsigned n_slots, struct err *err);
void table_release(struct table *table);
/* More backends; takes effect in HAProxy with the next configuration. */
int table_grow(struct table *table, unsigned n_slots, struct err *err);
struct service *table_find(const struct table *table, const char *host);
/* At `slot`, or at the first spare one when 0. */
int table_add(struct table *table, const char *host, unsigned slot, struct service **ret_service,
	      struct err *err);
void table_remove(struct table *table, struct service *service);
struct server *service_find(const struct service *service, const char *pod);
int service_add(struct service *service, const char *pod, const char *address, uint16_t port,
		struct server **ret_server, struct err *err);
void service_remove(struct service *service, struct server *server);
/* "s0012" → 12; 0 when it is no numbered backend. */
unsigned slot_of(const char *backend);

#endif
