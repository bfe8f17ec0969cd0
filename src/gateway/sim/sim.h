/* The simulated gateway: routes that take a moment, drains, outages, on a virtual clock. */
#ifndef DURE_GATEWAY_SIM_SIM_H
#define DURE_GATEWAY_SIM_SIM_H

#include "base/virtual.h"
#include "gateway/gateway.h"

/* Does the pod really answer? The gateway asks through its routes. */
typedef bool sim_gateway_probe(void *context, const char *pod);

struct sim_gateway_options {
	struct virtual_env *env;
	uint64_t seed;
	sim_gateway_probe *probe;
	void *probe_context;
	int slow; /* so many of a thousand routes take seconds and not milliseconds */
};

int sim_gateway_new(const struct sim_gateway_options *options, struct gateway **ret_gateway,
		    struct err *err);
void sim_gateway_run(struct gateway *gateway);
int64_t sim_gateway_next(struct gateway *gateway);
/* HAProxy dies, or is started again and routes what it was told last. */
void sim_gateway_set_up(struct gateway *gateway, bool up);
/* Would a request to the service URL be answered now? */
bool sim_gateway_answers(struct gateway *gateway, const char *host);
/* How many of the service's targets are in the table, drained ones too. */
size_t sim_gateway_targets(struct gateway *gateway, const char *host);

#endif
