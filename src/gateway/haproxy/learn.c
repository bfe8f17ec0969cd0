#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/strings.h"
#include "gateway/haproxy/cli.h"
#include "gateway/haproxy/internal.h"

/* Of a server found draining whose service's own grace is no longer known. */
#define GRACE_UNKNOWN_US (30 * USEC_PER_SEC)

static void forget_seen(struct table *table)
{
	for (unsigned i = 0; i < table->n_slots; i++) {
		struct service *service = table->slots[i];
		if (!service)
			continue;
		service->mapped = false;
		for (size_t j = 0; j < service->count; j++)
			service->servers[j].seen = false;
	}
}

/* Servers that HAProxy does not have are gone; those desired will be added again. */
static void drop_unseen(struct table *table)
{
	for (unsigned i = 0; i < table->n_slots; i++) {
		struct service *service = table->slots[i];
		for (size_t j = service ? service->count : 0; j > 0; j--)
			if (!service->servers[j - 1].seen)
				service_remove(service, &service->servers[j - 1]);
	}
}

static int learn_hosts(struct haproxy *haproxy, struct err *err)
{
	BUF_AUTO answer = BUF_INIT(LIMIT_GATEWAY_ANSWER_BYTES);
	char command[256], suffix[256];
	const char *key, *value;

	(void)snprintf(command, sizeof(command), "show map %s/hosts.map", haproxy->directory);
	(void)snprintf(suffix, sizeof(suffix), ".%s", haproxy->domain);
	if (cli_ask(haproxy->stats, command, &answer, err) < 0)
		return -1;
	for (char *cursor = answer.data; cli_next_map(&cursor, &key, &value);) {
		char host[LIMIT_GATEWAY_NAME_BYTES + 1];
		unsigned slot = slot_of(value);
		str_copy(host, sizeof(host), key);
		char *dot = strchr(host, '.');
		if (slot == 0 || !dot || !str_equal(dot, suffix))
			continue;
		*dot = '\0';
		if (slot > haproxy->table.n_slots && table_grow(&haproxy->table, slot, err) < 0)
			return -1;
		struct service *service = table_find(&haproxy->table, host);
		if (!service && !haproxy->table.slots[slot - 1] &&
		    table_add(&haproxy->table, host, slot, &service, err) < 0)
			return -1;
		if (service && service->slot == slot) {
			service->mapped = true;
			continue;
		}
		/* Two believe to own one: nothing of ours writes that; the map entry must go. */
		if (cli_do(haproxy->stats, "not found", err, "del map %s/hosts.map %s",
			   haproxy->directory, key) < 0)
			return -1;
	}
	return 0;
}

static int learn_server(struct haproxy *haproxy, const struct cli_server *found, struct err *err)
{
	unsigned slot = slot_of(found->backend);
	struct service *service =
		slot > 0 && slot <= haproxy->table.n_slots ? haproxy->table.slots[slot - 1] : NULL;

	if (slot == 0)
		return 0;
	if (!service) { /* its host is not known: a removal cut short between server and map */
		if (cli_do(haproxy->stats, NULL, err, "set server %s/%s state maint",
			   found->backend, found->name) < 0)
			return -1;
		return cli_do(haproxy->stats, "deleted", err, "del server %s/%s", found->backend,
			      found->name);
	}
	struct server *server = service_find(service, found->name);
	bool known = server;
	if (!known &&
	    service_add(service, found->name, found->address, found->port, &server, err) < 0)
		return -1;
	server->seen = true;
	str_copy(server->address, sizeof(server->address), found->address);
	server->port = found->port;
	server->healthy = found->up;
	if (known && server->state == SERVER_DRAINING && (found->drain || found->maint))
		return 0; /* also one that only an elder still serves */
	server->state = found->maint ? SERVER_CLOSING : found->drain ? SERVER_DRAINING : SERVER_UP;
	if (server->state == SERVER_DRAINING)
		server->deadline = env_monotonic(haproxy->env) + GRACE_UNKNOWN_US;
	return 0;
}

int haproxy_learn(struct haproxy *haproxy, struct err *err)
{
	BUF_AUTO answer = BUF_INIT(LIMIT_GATEWAY_ANSWER_BYTES);
	struct cli_server found;
	int status = 0;

	forget_seen(&haproxy->table);
	if (learn_hosts(haproxy, err) < 0 ||
	    cli_ask(haproxy->stats, "show servers state", &answer, err) < 0)
		return -1;
	for (char *cursor = answer.data; cli_next_state(&cursor, &found);)
		if (learn_server(haproxy, &found, err) < 0)
			status = -1;
	drop_unseen(&haproxy->table);
	return status;
}

static bool drains(const struct service *service)
{
	for (size_t i = 0; i < service->count; i++)
		if (service->servers[i].state == SERVER_DRAINING)
			return true;
	return false;
}

static struct server *server_of(struct haproxy *haproxy, const struct cli_server *found)
{
	unsigned slot = slot_of(found->backend);

	if (slot == 0 || slot > haproxy->table.n_slots || !haproxy->table.slots[slot - 1])
		return NULL;
	return service_find(haproxy->table.slots[slot - 1], found->name);
}

static void take_stat(struct haproxy *haproxy, char *cursor)
{
	struct cli_server found;

	while (cli_next_stat(&cursor, &found)) {
		struct server *server = server_of(haproxy, &found);
		if (!server)
			continue;
		server->sessions = found.sessions;
		server->healthy = found.up;
	}
}

/* What workers from before a reload still carry for services that drain. A worker that does not
 * answer has gone. */
static void survey_elders(struct haproxy *haproxy, const struct service *service,
			  struct buf *answer)
{
	struct cli_server found;
	char command[64];

	for (size_t i = 0; i < haproxy->n_elders; i++) {
		ERR_AUTO(err);
		(void)snprintf(command, sizeof(command), "@!%d show servers conn s%04u",
			       (int)haproxy->elders[i], service->slot);
		if (cli_ask(haproxy->master, command, answer, &err) < 0)
			continue;
		for (char *cursor = answer->data; cli_next_conn(&cursor, &found);) {
			struct server *server = server_of(haproxy, &found);
			if (server)
				server->sessions += found.sessions;
		}
	}
}

int haproxy_survey(struct haproxy *haproxy, bool all, struct err *err)
{
	BUF_AUTO answer = BUF_INIT(LIMIT_GATEWAY_ANSWER_BYTES);
	char command[64];

	if (all) {
		if (cli_ask(haproxy->stats, "show stat -1 4 -1", &answer, err) < 0)
			return -1;
		take_stat(haproxy, answer.data);
	}
	for (unsigned i = 0; i < haproxy->table.n_slots; i++) {
		const struct service *service = haproxy->table.slots[i];
		if (!service || !drains(service))
			continue;
		(void)snprintf(command, sizeof(command), "show stat s%04u 4 -1", service->slot);
		if (cli_ask(haproxy->stats, command, &answer, err) < 0)
			return -1;
		take_stat(haproxy, answer.data);
		survey_elders(haproxy, service, &answer);
	}
	return 0;
}

int haproxy_find_elders(struct haproxy *haproxy, struct err *err)
{
	BUF_AUTO answer = BUF_INIT(LIMIT_GATEWAY_ANSWER_BYTES);
	pid_t pid;

	if (cli_ask(haproxy->master, "show proc", &answer, err) < 0)
		return -1;
	haproxy->n_elders = 0;
	for (char *cursor = answer.data; cli_next_old_worker(&cursor, &pid);)
		if (haproxy->n_elders < LIMIT_GATEWAY_ELDERS)
			haproxy->elders[haproxy->n_elders++] = pid;
	haproxy->elderly = haproxy->n_elders > 0;
	return 0;
}
