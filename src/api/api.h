/* The HTTP API: one table of operations, a server on libmicrohttpd, one file per resource. */
#ifndef DURE_API_API_H
#define DURE_API_API_H

#include <stdint.h>

#include "base/env.h"
#include "base/err.h"
#include "engine/engine.h"
#include "gateway/gateway.h"
#include "store/db.h"
#include "workload/reconcile.h"

struct api;

struct api_options {
	struct env *env;
	struct db *db;
	struct engine *engine;
	struct gateway *gateway;
	struct reconciler *reconciler;
	int listen_fd; /* bound and listening TCP socket; the server owns it from success on */
	int threads;   /* 0 = 4 */
	/* what URLs are built from */
	const char *service_scheme; /* "http" */
	const char *service_domain; /* "localhost" */
	uint16_t service_port;
	const char *version;
};

/* Serves on `listen_fd` until api_stop(). */
int api_start(const struct api_options *options, struct api **ret_api, struct err *err);
/* Stops listening, lets requests under way finish (bounded), ends the threads. NULL in, NULL out.
 */
struct api *api_stop(struct api *api);

#endif
