/* The files HAProxy reads: its configuration, the host map, the page of its own errors. */
#ifndef DURE_GATEWAY_HAPROXY_FILES_H
#define DURE_GATEWAY_HAPROXY_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "gateway/haproxy/table.h"

/* Of every server line. The engine has asked the pod already: it starts healthy. */
#define GATEWAY_SERVER_SETTINGS                                                                    \
	"check inter 2s fastinter 500ms fall 2 rise 1 pool-max-conn 256 pool-purge-delay 1s"

struct files {
	const char *directory;
	const char *listen;
	uint16_t port;
	const char *domain;
	const char *fallback_address;
	uint16_t fallback_port;
	unsigned descriptors; /* hard limit of the process */
	bool drop_root;       /* to the user haproxy */
};

/* Writes all files, each whole or not at all. `node` becomes the node name of the configuration, by
 * which a running HAProxy says which configuration it has. Marks every service as mapped. */
int files_write(const struct files *files, struct table *table, const char *node, struct err *err);

#endif
