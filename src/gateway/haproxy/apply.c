#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/failpoint.h"
#include "base/strings.h"
#include "gateway/haproxy/cli.h"
#include "gateway/haproxy/internal.h"

#define QUIET_POLLS 2 /* a request may be between two counters in one look, not in two */
#define ASK_TIMEOUT_MS 5000
#define ASK_STEADY_MS 30000

static size_t count_new(const struct haproxy *haproxy)
{
	size_t count = 0;

	for (size_t i = 0; haproxy->desired && i < haproxy->desired->count; i++) {
		const struct gateway_service *service = &haproxy->desired->services[i];
		if (service->n_targets > 0 && !table_find(&haproxy->table, service->host))
			count++;
	}
	return count;
}

int haproxy_make_room(struct haproxy *haproxy, struct err *err)
{
	struct table *table = &haproxy->table;
	size_t needed = table->n_used + count_new(haproxy);
	size_t slots = table->n_slots;

	if (needed <= slots)
		return 0;
	while (slots < needed)
		slots *= 2;
	if (slots > LIMIT_GATEWAY_SERVICES && needed <= LIMIT_GATEWAY_SERVICES)
		slots = LIMIT_GATEWAY_SERVICES;
	return table_grow(table, (unsigned)slots, err) < 0 ? -1 : 1;
}

static void set_unwanted(struct table *table)
{
	for (unsigned i = 0; i < table->n_slots; i++) {
		struct service *service = table->slots[i];
		if (!service)
			continue;
		service->wanted = false;
		for (size_t j = 0; j < service->count; j++)
			service->servers[j].wanted = false;
	}
}

static void stop_asking(struct haproxy *haproxy, struct service *service)
{
	if (service->asked)
		prober_remove(haproxy->prober, service->host);
	service->asked = false;
}

/* Asks the URL anew: an answer from before its targets changed proves nothing. */
static int ask(struct haproxy *haproxy, struct service *service, struct err *err)
{
	char host[LIMIT_GATEWAY_NAME_BYTES + 256];
	const char *address = haproxy->listen;

	if (str_equal(address, "0.0.0.0"))
		address = "127.0.0.1";
	else if (str_equal(address, "::"))
		address = "::1";
	(void)snprintf(host, sizeof(host), "%s.%s", service->host, haproxy->domain);
	stop_asking(haproxy, service);
	struct probe_target target = { .key = service->host,
				       .address = address,
				       .port = haproxy->files.port,
				       .http_host = host,
				       .http_path = "/",
				       .http_foreign_header = "x-dure-error",
				       .timeout_ms = ASK_TIMEOUT_MS,
				       .steady_ms = ASK_STEADY_MS };
	if (prober_set(haproxy->prober, &target, err) < 0)
		return -1;
	service->asked = true;
	return 0;
}

static int find_or_add(struct haproxy *haproxy, const struct gateway_service *desired,
		       struct service **ret_service, struct err *err)
{
	struct service *service = table_find(&haproxy->table, desired->host);

	if (!service && table_add(&haproxy->table, desired->host, 0, &service, err) < 0)
		return -1;
	service->wanted = true;
	service->drain_grace_s = desired->drain_grace_s;
	*ret_service = service;
	return 0;
}

static bool same_place(const struct server *server, const struct gateway_target *target)
{
	return server->port == target->port && str_equal(server->address, target->address);
}

static int fold_service(struct haproxy *haproxy, const struct gateway_service *desired, bool whole,
			struct err *err)
{
	struct service *service;

	if (find_or_add(haproxy, desired, &service, err) < 0)
		return -1;
	for (size_t i = 0; i < desired->n_targets; i++) {
		const struct gateway_target *target = &desired->targets[i];
		struct server *server = service_find(service, target->pod);
		bool fresh = !server;
		if (fresh && service_add(service, target->pod, target->address, target->port,
					 &server, err) < 0)
			return -1;
		server->wanted = true;
		if (!whole && !fresh)
			continue; /* HAProxy runs: its state is changed by command only */
		str_copy(server->address, sizeof(server->address), target->address);
		server->port = target->port;
		server->state = SERVER_UP;
		server->healthy = true;
	}
	return 0;
}

static void take_out_unwanted(struct haproxy *haproxy)
{
	for (unsigned i = 0; i < haproxy->table.n_slots; i++) {
		struct service *service = haproxy->table.slots[i];
		for (size_t j = service ? service->count : 0; j > 0; j--)
			if (!service->servers[j - 1].wanted)
				service_remove(service, &service->servers[j - 1]);
		if (service && service->count == 0) {
			stop_asking(haproxy, service);
			table_remove(&haproxy->table, service);
		}
	}
}

int haproxy_fold(struct haproxy *haproxy, bool whole, struct err *err)
{
	if (!haproxy->desired)
		return 0;
	set_unwanted(&haproxy->table);
	for (size_t i = 0; i < haproxy->desired->count; i++)
		if (haproxy->desired->services[i].n_targets > 0 &&
		    fold_service(haproxy, &haproxy->desired->services[i], whole, err) < 0)
			return -1;
	if (whole)
		take_out_unwanted(haproxy);
	return 0;
}

static int add_server(struct haproxy *haproxy, struct service *service,
		      const struct gateway_target *target, struct err *err)
{
	bool v6 = strchr(target->address, ':');
	struct server *server;

	if (cli_do(haproxy->stats, "registered", err,
		   "add server s%04u/%s %s%s%s:%u " GATEWAY_SERVER_SETTINGS, service->slot,
		   target->pod, v6 ? "[" : "", target->address, v6 ? "]" : "", target->port) < 0)
		return -1;
	if (service_add(service, target->pod, target->address, target->port, &server, err) < 0)
		return -1;
	/* Until it is enabled it is what a relearning would find: in maintenance. */
	server->state = SERVER_CLOSING;
	server->wanted = true;
	if (FAILPOINT(gateway_after_server_add))
		return err_set(err, ERR_INTERNAL, "failpoint gateway_after_server_add");
	if (cli_do(haproxy->stats, NULL, err, "enable health s%04u/%s", service->slot,
		   target->pod) < 0 ||
	    cli_do(haproxy->stats, NULL, err, "enable server s%04u/%s", service->slot,
		   target->pod) < 0)
		return -1;
	server->state = SERVER_UP;
	return 0;
}

static int change_server(struct haproxy *haproxy, const struct service *service,
			 struct server *server, const struct gateway_target *target,
			 bool *ret_changed, struct err *err)
{
	server->wanted = true;
	if (server->state == SERVER_CLOSING)
		return 0; /* deleted soon, then added again */
	if (!same_place(server, target)) {
		if (cli_do(haproxy->stats, "changed", err, "set server s%04u/%s addr %s port %u",
			   service->slot, server->pod, target->address, target->port) < 0)
			return -1;
		str_copy(server->address, sizeof(server->address), target->address);
		server->port = target->port;
		*ret_changed = true;
	}
	if (server->state == SERVER_DRAINING) {
		if (cli_do(haproxy->stats, NULL, err, "set server s%04u/%s state ready",
			   service->slot, server->pod) < 0)
			return -1;
		server->state = SERVER_UP;
		*ret_changed = true;
	}
	return 0;
}

static int apply_service(struct haproxy *haproxy, const struct gateway_service *desired,
			 struct err *err)
{
	struct service *service;
	int status = 0;

	if (find_or_add(haproxy, desired, &service, err) < 0)
		return -1;
	if (!service->mapped) {
		if (cli_do(haproxy->stats, NULL, err, "add map %s/hosts.map %s.%s s%04u",
			   haproxy->directory, service->host, haproxy->domain, service->slot) < 0)
			return -1;
		service->mapped = true;
		if (FAILPOINT(gateway_after_map_add))
			return err_set(err, ERR_INTERNAL, "failpoint gateway_after_map_add");
	}
	bool changed = !service->asked;
	for (size_t i = 0; i < desired->n_targets; i++) {
		const struct gateway_target *target = &desired->targets[i];
		struct server *server = service_find(service, target->pod);
		int done;
		if (server)
			done = change_server(haproxy, service, server, target, &changed, err);
		else
			done = add_server(haproxy, service, target, err);
		changed = changed || !server;
		if (done < 0)
			status = -1;
	}
	if (changed && ask(haproxy, service, err) < 0)
		status = -1;
	return status;
}

static int drain(struct haproxy *haproxy, struct service *service, struct server *server,
		 struct err *err)
{
	if (cli_do(haproxy->stats, NULL, err, "set server s%04u/%s state drain", service->slot,
		   server->pod) < 0)
		return -1;
	server->state = SERVER_DRAINING;
	server->deadline = env_monotonic(haproxy->env) + service->drain_grace_s * USEC_PER_SEC;
	server->quiet = 0;
	return 0;
}

static int drain_unwanted(struct haproxy *haproxy, struct err *err)
{
	int status = 0;

	for (unsigned i = 0; i < haproxy->table.n_slots; i++) {
		struct service *service = haproxy->table.slots[i];
		bool serves = false, changed = false;
		for (size_t j = 0; service && j < service->count; j++) {
			struct server *server = &service->servers[j];
			if (server->state == SERVER_UP && !server->wanted) {
				changed = true;
				if (drain(haproxy, service, server, err) < 0)
					status = -1;
			}
			serves = serves || server->state == SERVER_UP;
		}
		if (service && !serves)
			stop_asking(haproxy, service);
		else if (changed && ask(haproxy, service, err) < 0)
			status = -1;
	}
	return status;
}

int haproxy_apply(struct haproxy *haproxy, struct err *err)
{
	int status = 0;

	if (!haproxy->desired)
		return 0;
	set_unwanted(&haproxy->table);
	for (size_t i = 0; i < haproxy->desired->count; i++)
		if (haproxy->desired->services[i].n_targets > 0 &&
		    apply_service(haproxy, &haproxy->desired->services[i], err) < 0)
			status = -1;
	if (drain_unwanted(haproxy, err) < 0)
		status = -1;
	return status;
}

/* A worker that is leaving no longer takes "shutdown sessions server": one by one. */
static void cut_elder_sessions(struct haproxy *haproxy, pid_t elder, const char *backend,
			       const char *pod)
{
	BUF_AUTO answer = BUF_INIT(LIMIT_GATEWAY_ANSWER_BYTES);
	ERR_AUTO(err);
	char command[64];
	const char *id;

	(void)snprintf(command, sizeof(command), "@!%d show sess", (int)elder);
	if (cli_ask(haproxy->master, command, &answer, &err) < 0)
		return; /* it has gone */
	for (char *cursor = answer.data; cli_next_session(&cursor, backend, pod, &id);)
		(void)cli_do(haproxy->master, NULL, &err, "@!%d shutdown session %s", (int)elder,
			     id);
}

static void cut_sessions(struct haproxy *haproxy, const struct service *service,
			 const struct server *server)
{
	ERR_AUTO(err);
	char backend[16];

	(void)snprintf(backend, sizeof(backend), "s%04u", service->slot);
	(void)cli_do(haproxy->stats, NULL, &err, "shutdown sessions server %s/%s", backend,
		     server->pod);
	for (size_t i = 0; i < haproxy->n_elders; i++)
		cut_elder_sessions(haproxy, haproxy->elders[i], backend, server->pod);
}

/* Has its time of draining come to an end? Then it is put into maintenance. */
static void close_drained(struct haproxy *haproxy, const struct service *service,
			  struct server *server)
{
	ERR_AUTO(err);

	server->quiet = server->sessions == 0 ? server->quiet + 1 : 0;
	bool late = env_monotonic(haproxy->env) >= server->deadline;
	if (server->quiet < QUIET_POLLS && !late)
		return;
	if (server->sessions > 0)
		cut_sessions(haproxy, service, server);
	if (cli_do(haproxy->stats, NULL, &err, "set server s%04u/%s state maint", service->slot,
		   server->pod) == 0)
		server->state = SERVER_CLOSING;
}

/* HAProxy refuses while a connection, be it an idle one, is left: then again with the next poll. */
static bool delete_closed(struct haproxy *haproxy, const struct service *service,
			  const struct server *server)
{
	ERR_AUTO(err);

	if (cli_do(haproxy->stats, "deleted", &err, "del server s%04u/%s", service->slot,
		   server->pod) < 0 &&
	    !strstr(err.message, "No such server"))
		return false;
	if (FAILPOINT(gateway_after_server_remove))
		haproxy->relearn = true;
	return true;
}

static void remove_empty(struct haproxy *haproxy, struct service *service)
{
	ERR_AUTO(err);

	if (service->mapped &&
	    cli_do(haproxy->stats, "not found", &err, "del map %s/hosts.map %s.%s",
		   haproxy->directory, service->host, haproxy->domain) < 0)
		return;
	stop_asking(haproxy, service);
	table_remove(&haproxy->table, service);
}

bool haproxy_finish(struct haproxy *haproxy)
{
	bool left = false;

	for (unsigned i = 0; i < haproxy->table.n_slots; i++) {
		struct service *service = haproxy->table.slots[i];
		if (!service)
			continue;
		for (size_t j = service->count; j > 0; j--) {
			struct server *server = &service->servers[j - 1];
			if (server->state == SERVER_DRAINING)
				close_drained(haproxy, service, server);
			if (server->state == SERVER_CLOSING &&
			    delete_closed(haproxy, service, server)) {
				if (server->wanted)
					haproxy->apply_due = env_monotonic(haproxy->env);
				service_remove(service, server);
			} else if (server->state != SERVER_UP) {
				left = true;
			}
		}
		if (service->count == 0 && haproxy->desired && !service->wanted)
			remove_empty(haproxy, service);
	}
	return left;
}
