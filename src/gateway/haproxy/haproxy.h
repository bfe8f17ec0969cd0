/* HAProxy 2.6 and later as the gateway of one machine: a supervised child in master-worker mode,
 * configured by a generated file, steered by its runtime API. */
#ifndef DURE_GATEWAY_HAPROXY_HAPROXY_H
#define DURE_GATEWAY_HAPROXY_HAPROXY_H

#include "gateway/gateway.h"

struct haproxy_options {
	struct env *env;
	const char *program;   /* "haproxy" */
	const char *directory; /* run directory of Dure's: configuration, sockets, pid file; 0700 */
	const char *listen;    /* address the service URLs listen on, "127.0.0.1" */
	uint16_t port;         /* port of the service URLs */
	const char *domain;    /* "localhost": hosts are <8 hex>.<domain> */
	const char *fallback_address; /* Dure's own HTTP API: draws the page of a service without
					 pods */
	uint16_t fallback_port;
};

/* Starts the control thread, which starts HAProxy (taking over the listening sockets of one left by
 * a killed Dure), supervises it (restart with back-off) and steers it. Succeeds also when HAProxy
 * cannot start yet: observe says why, and it is tried again. */
int haproxy_gateway_new(const struct haproxy_options *options, struct gateway **ret_gateway,
			struct err *err);

#endif
