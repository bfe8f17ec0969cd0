/* The Docker engine: Engine API v1.41 over a Unix socket (Podman's compatible socket too).
 * https://docs.docker.com/engine/api/v1.41/ */
#ifndef DURE_ENGINE_DOCKER_DOCKER_H
#define DURE_ENGINE_DOCKER_DOCKER_H

#include "engine/engine.h"

struct docker_options {
	struct env *env;
	const char *socket;   /* path, "/var/run/docker.sock" */
	const char *instance; /* [a-z0-9]{8}: marks this Dure's objects, so that two never mix */
	const char *network_pool; /* IPv4 CIDR that the workloads' /26 networks are cut from */
	const char *runtime;      /* OCI runtime, NULL: Docker's default */
	const struct engine_node *machine; /* facts of this machine; must outlive the engine */
	int workers;                       /* operations at once; 0 = 4 */
};

/* Starts its threads (watcher, workers, prober); Docker need not answer yet. */
int docker_engine_new(const struct docker_options *options, struct engine **ret_engine,
		      struct err *err);

#endif
