/* Dispatch over the operations table. */
#include "gateway/gateway.h"

#include <assert.h>

int gateway_sync(struct gateway *gateway, const struct gateway_service *services, size_t count,
		 struct err *err)
{
	assert(gateway && gateway->ops);
	assert(services || count == 0);
	return gateway->ops->sync(gateway, services, count, err);
}

int gateway_observe(struct gateway *gateway, struct arena *arena, struct gateway_state *ret_state,
		    struct err *err)
{
	assert(gateway && gateway->ops);
	assert(arena && ret_state);
	return gateway->ops->observe(gateway, arena, ret_state, err);
}

void gateway_watch(struct gateway *gateway, gateway_wake *wake, void *context)
{
	assert(gateway && gateway->ops);
	gateway->ops->watch(gateway, wake, context);
}

struct gateway *gateway_free(struct gateway *gateway)
{
	if (gateway) {
		assert(gateway->ops);
		gateway->ops->free(gateway);
	}
	return NULL;
}
