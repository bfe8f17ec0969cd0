#include "gateway/haproxy/table.h"

#include <assert.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "base/strings.h"

static int compare_hosts(const void *a, const void *b)
{
	return strcmp(((const struct service *)a)->host, ((const struct service *)b)->host);
}

int table_grow(struct table *table, unsigned n_slots, struct err *err)
{
	assert(n_slots >= table->n_slots);
	if (n_slots > LIMIT_GATEWAY_SERVICES)
		return err_set(err, ERR_UNAVAILABLE, "more than %d services on this gateway",
			       LIMIT_GATEWAY_SERVICES);
	struct service **slots = realloc(table->slots, n_slots * sizeof(struct service *));
	if (!slots)
		return err_oom(err);
	for (unsigned i = table->n_slots; i < n_slots; i++)
		slots[i] = NULL;
	table->slots = slots;
	table->n_slots = n_slots;
	return 0;
}

int table_init(struct table *table, unsigned n_slots, struct err *err)
{
	*table = (struct table){ 0 };
	return table_grow(table, n_slots, err);
}

void table_release(struct table *table)
{
	for (unsigned i = 0; i < table->n_slots; i++)
		if (table->slots[i])
			table_remove(table, table->slots[i]);
	free(table->slots);
	*table = (struct table){ 0 };
}

struct service *table_find(const struct table *table, const char *host)
{
	struct service wanted;

	str_copy(wanted.host, sizeof(wanted.host), host);
	void *node = tfind(&wanted, (void *const *)&table->by_host, compare_hosts);
	return node ? *(struct service **)node : NULL;
}

static unsigned spare_slot(const struct table *table)
{
	for (unsigned i = 0; i < table->n_slots; i++)
		if (!table->slots[i])
			return i + 1;
	return 0;
}

int table_add(struct table *table, const char *host, unsigned slot, struct service **ret_service,
	      struct err *err)
{
	assert(!table_find(table, host));
	if (slot == 0)
		slot = spare_slot(table);
	if (slot == 0)
		return err_set(err, ERR_UNAVAILABLE, "no spare backend for %s", host);
	assert(slot <= table->n_slots && !table->slots[slot - 1]);
	struct service *service = calloc(1, sizeof(*service));
	if (!service)
		return err_oom(err);
	str_copy(service->host, sizeof(service->host), host);
	service->slot = slot;
	if (!tsearch(service, &table->by_host, compare_hosts)) {
		free(service);
		return err_oom(err);
	}
	table->slots[slot - 1] = service;
	table->n_used++;
	*ret_service = service;
	return 0;
}

void table_remove(struct table *table, struct service *service)
{
	assert(table->slots[service->slot - 1] == service);
	(void)tdelete(service, &table->by_host, compare_hosts);
	table->slots[service->slot - 1] = NULL;
	table->n_used--;
	free(service->servers);
	free(service);
}

struct server *service_find(const struct service *service, const char *pod)
{
	for (size_t i = 0; i < service->count; i++)
		if (str_equal(service->servers[i].pod, pod))
			return &service->servers[i];
	return NULL;
}

int service_add(struct service *service, const char *pod, const char *address, uint16_t port,
		struct server **ret_server, struct err *err)
{
	if (service->count == service->capacity) {
		size_t capacity = service->capacity ? 2 * service->capacity : 2;
		struct server *servers =
			realloc(service->servers, capacity * sizeof(struct server));
		if (!servers)
			return err_oom(err);
		service->servers = servers;
		service->capacity = capacity;
	}
	struct server *server = &service->servers[service->count++];
	*server = (struct server){ .port = port, .state = SERVER_UP, .healthy = true };
	str_copy(server->pod, sizeof(server->pod), pod);
	str_copy(server->address, sizeof(server->address), address);
	*ret_server = server;
	return 0;
}

void service_remove(struct service *service, struct server *server)
{
	size_t index = (size_t)(server - service->servers);

	assert(index < service->count);
	service->servers[index] = service->servers[--service->count];
}

unsigned slot_of(const char *backend)
{
	int64_t slot = 0;

	if (backend[0] != 's' || str_to_int64(backend + 1, 1, LIMIT_GATEWAY_SERVICES, &slot) < 0)
		return 0;
	return (unsigned)slot;
}
