#include "gateway/haproxy/haproxy.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "base/strings.h"
#include "gateway/haproxy/internal.h"

#define DESCRIPTORS_MAX 65536 /* more than one machine's pods can use; each costs memory */
#define DESIRED_BYTES (16 * 1024 * 1024)

static struct haproxy *haproxy_of(struct gateway *gateway)
{
	struct haproxy *haproxy = (struct haproxy *)gateway;

	assert(haproxy && haproxy->magic == HAPROXY_MAGIC);
	return haproxy;
}

static void nudge(struct haproxy *haproxy)
{
	uint64_t one = 1;

	(void)!write(haproxy->wake_fd, &one, sizeof(one)); /* full means already awake */
}

/* The names become words of commands and of the configuration. */
static bool valid_name(const char *name, const char *allowed)
{
	size_t length = name ? strlen(name) : 0;

	return length > 0 && length <= LIMIT_GATEWAY_NAME_BYTES && strspn(name, allowed) == length;
}

#define LOWER_DIGITS "abcdefghijklmnopqrstuvwxyz0123456789"
#define HOST_CHARS LOWER_DIGITS "-"
#define POD_CHARS LOWER_DIGITS "ABCDEFGHIJKLMNOPQRSTUVWXYZ-_."

static bool valid_address(const char *address)
{
	struct in6_addr parsed;

	return address && (inet_pton(AF_INET, address, &parsed) == 1 ||
			   inet_pton(AF_INET6, address, &parsed) == 1);
}

static int check_service(const struct gateway_service *service, struct err *err)
{
	if (!valid_name(service->host, HOST_CHARS))
		return err_set(err, ERR_INTERNAL, "\"%s\" cannot be a host of the gateway",
			       service->host ? service->host : "");
	for (size_t i = 0; i < service->n_targets; i++) {
		const struct gateway_target *target = &service->targets[i];
		if (!valid_name(target->pod, POD_CHARS) || !valid_address(target->address) ||
		    target->port == 0)
			return err_set(err, ERR_INTERNAL, "\"%s\" at \"%s\" cannot be routed to",
				       target->pod ? target->pod : "",
				       target->address ? target->address : "");
	}
	return 0;
}

static bool same_service(const struct gateway_service *a, const struct gateway_service *b)
{
	if (!str_equal(a->host, b->host) || a->n_targets != b->n_targets ||
	    a->drain_grace_s != b->drain_grace_s)
		return false;
	for (size_t i = 0; i < a->n_targets; i++)
		if (!str_equal(a->targets[i].pod, b->targets[i].pod) ||
		    !str_equal(a->targets[i].address, b->targets[i].address) ||
		    a->targets[i].port != b->targets[i].port)
			return false;
	return true;
}

static bool same_desired(const struct desired *desired, const struct gateway_service *services,
			 size_t count)
{
	if (!desired || desired->count != count)
		return false;
	for (size_t i = 0; i < count; i++)
		if (!same_service(&desired->services[i], &services[i]))
			return false;
	return true;
}

static int copy_service(struct arena *arena, const struct gateway_service *from,
			struct gateway_service *to)
{
	struct gateway_target *targets =
		ARENA_ARRAY(arena, from->n_targets + 1, struct gateway_target);

	*to = (struct gateway_service){ arena_strdup(arena, from->host), targets, from->n_targets,
					from->drain_grace_s };
	if (!to->host || !targets)
		return -1;
	for (size_t i = 0; i < from->n_targets; i++) {
		targets[i] = (struct gateway_target){ arena_strdup(arena, from->targets[i].pod),
						      arena_strdup(arena, from->targets[i].address),
						      from->targets[i].port };
		if (!targets[i].pod || !targets[i].address)
			return -1;
	}
	return 0;
}

static int copy_desired(const struct gateway_service *services, size_t count,
			struct desired **ret_desired, struct err *err)
{
	struct arena *arena = arena_new(DESIRED_BYTES);
	struct desired *desired = arena ? ARENA_NEW(arena, struct desired) : NULL;

	if (!desired)
		goto short_of_memory;
	*desired = (struct desired){ 1, arena,
				     ARENA_ARRAY(arena, count + 1, struct gateway_service), count };
	if (!desired->services)
		goto short_of_memory;
	for (size_t i = 0; i < count; i++)
		if (copy_service(arena, &services[i], &desired->services[i]) < 0)
			goto short_of_memory;
	*ret_desired = desired;
	return 0;
short_of_memory:
	arena_free(arena);
	return err_oom(err);
}

static int haproxy_sync(struct gateway *gateway, const struct gateway_service *services,
			size_t count, struct err *err)
{
	struct haproxy *haproxy = haproxy_of(gateway);
	struct desired *desired = NULL, *old;

	if (FAILPOINT(gateway_before_sync))
		return err_set(err, ERR_INTERNAL, "failpoint gateway_before_sync");
	pthread_mutex_lock(&haproxy->lock);
	bool same = same_desired(haproxy->latest, services, count);
	pthread_mutex_unlock(&haproxy->lock);
	if (same)
		return 0;
	for (size_t i = 0; i < count; i++)
		if (check_service(&services[i], err) < 0)
			return -1;
	if (copy_desired(services, count, &desired, err) < 0)
		return -1;
	pthread_mutex_lock(&haproxy->lock);
	old = haproxy->latest;
	haproxy->latest = desired;
	if (old && --old->refs > 0)
		old = NULL;
	pthread_mutex_unlock(&haproxy->lock);
	if (old)
		arena_free(old->arena);
	nudge(haproxy);
	return 0;
}

static int copy_state(const struct gateway_state *from, struct arena *arena,
		      struct gateway_state *to)
{
	struct gateway_target_state *targets =
		ARENA_ARRAY(arena, from->n_targets + 1, struct gateway_target_state);
	struct gateway_service_state *services =
		ARENA_ARRAY(arena, from->n_services + 1, struct gateway_service_state);

	*to = (struct gateway_state){ from->up, arena_strdup(arena, from->why),
				      targets,  from->n_targets,
				      services, from->n_services };
	if (!to->why || !targets || !services)
		return -1;
	for (size_t i = 0; i < from->n_targets; i++) {
		targets[i] = from->targets[i];
		targets[i].host = arena_strdup(arena, from->targets[i].host);
		targets[i].pod = arena_strdup(arena, from->targets[i].pod);
		if (!targets[i].host || !targets[i].pod)
			return -1;
	}
	for (size_t i = 0; i < from->n_services; i++) {
		services[i] = from->services[i];
		services[i].host = arena_strdup(arena, from->services[i].host);
		if (!services[i].host)
			return -1;
	}
	return 0;
}

static int haproxy_observe(struct gateway *gateway, struct arena *arena,
			   struct gateway_state *ret_state, struct err *err)
{
	struct haproxy *haproxy = haproxy_of(gateway);

	pthread_mutex_lock(&haproxy->lock);
	int status = copy_state(&haproxy->state, arena, ret_state);
	pthread_mutex_unlock(&haproxy->lock);
	return status < 0 ? err_oom(err) : 0;
}

static void haproxy_watch(struct gateway *gateway, gateway_wake *wake, void *context)
{
	struct haproxy *haproxy = haproxy_of(gateway);

	pthread_mutex_lock(&haproxy->lock);
	haproxy->wake = wake;
	haproxy->wake_context = context;
	pthread_mutex_unlock(&haproxy->lock);
}

/* Everything but the thread; also of a half-built object. */
static void release(struct haproxy *haproxy)
{
	prober_free(haproxy->prober);
	table_release(&haproxy->table);
	if (haproxy->desired && haproxy->desired != haproxy->latest)
		arena_free(haproxy->desired->arena);
	if (haproxy->latest)
		arena_free(haproxy->latest->arena);
	arena_free(haproxy->published);
	if (haproxy->wake_fd >= 0)
		(void)close(haproxy->wake_fd);
	pthread_mutex_destroy(&haproxy->lock);
	free(haproxy->signature);
	free(haproxy->program);
	free(haproxy->directory);
	free(haproxy->listen);
	free(haproxy->domain);
	free(haproxy->fallback_address);
	haproxy->magic = 0;
	free(haproxy);
}

static void haproxy_free(struct gateway *gateway)
{
	struct haproxy *haproxy = haproxy_of(gateway);

	pthread_mutex_lock(&haproxy->lock);
	haproxy->stop = true;
	pthread_mutex_unlock(&haproxy->lock);
	nudge(haproxy);
	(void)pthread_join(haproxy->thread, NULL);
	release(haproxy);
}

static void on_answer(void *context, const char *key, bool answers)
{
	(void)key;
	(void)answers;
	nudge(context); /* the thread publishes */
}

static unsigned descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 1024;
	return limit.rlim_max > DESCRIPTORS_MAX ? DESCRIPTORS_MAX : (unsigned)limit.rlim_max;
}

static int set_up(struct haproxy *haproxy, const struct haproxy_options *options, struct err *err)
{
	haproxy->program = strdup(options->program);
	haproxy->directory = strdup(options->directory);
	haproxy->listen = strdup(options->listen);
	haproxy->domain = strdup(options->domain);
	haproxy->fallback_address = strdup(options->fallback_address);
	if (!haproxy->program || !haproxy->directory || !haproxy->listen || !haproxy->domain ||
	    !haproxy->fallback_address)
		return err_oom(err);
	/* HAProxy binds "<path>.<pid>.tmp" first: 20 bytes more must fit a socket's address. */
	if (snprintf(haproxy->stats, sizeof(haproxy->stats), "%s/stats.sock", options->directory) >
		    87 ||
	    snprintf(haproxy->master, sizeof(haproxy->master), "%s/master.sock",
		     options->directory) > 87)
		return err_set(err, ERR_INVALID, "the directory %s is too deep for sockets",
			       options->directory);
	struct passwd *user = geteuid() == 0 ? getpwnam("haproxy") : NULL;
	haproxy->files = (struct files){ .directory = haproxy->directory,
					 .listen = haproxy->listen,
					 .port = options->port,
					 .domain = haproxy->domain,
					 .fallback_address = haproxy->fallback_address,
					 .fallback_port = options->fallback_port,
					 .descriptors = descriptors(),
					 .drop_root = user != NULL };
	haproxy->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (haproxy->wake_fd < 0)
		return err_set_errno(err, ERR_UNAVAILABLE, errno, "cannot wake the gateway");
	if (table_init(&haproxy->table, LIMIT_GATEWAY_SERVICES_SPARE, err) < 0)
		return -1;
	haproxy_publish(haproxy);
	return prober_new(options->env, on_answer, haproxy, &haproxy->prober, err);
}

/* Signals belong to the main loop. */
static int start_thread(struct haproxy *haproxy, struct err *err)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int failure = pthread_create(&haproxy->thread, NULL, haproxy_control_run, haproxy);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failure != 0)
		return err_set_errno(err, ERR_UNAVAILABLE, failure, "cannot start the gateway");
	return 0;
}

static const struct gateway_ops haproxy_ops = { "haproxy", haproxy_sync, haproxy_observe,
						haproxy_watch, haproxy_free };

int haproxy_gateway_new(const struct haproxy_options *options, struct gateway **ret_gateway,
			struct err *err)
{
	struct haproxy *haproxy = calloc(1, sizeof(*haproxy));

	if (!haproxy)
		return err_oom(err);
	haproxy->gateway.ops = &haproxy_ops;
	haproxy->magic = HAPROXY_MAGIC;
	haproxy->env = options->env;
	haproxy->wake_fd = -1;
	haproxy->process = (struct process)PROCESS_INIT;
	haproxy->backoff = USEC_PER_SEC;
	haproxy->apply_due = haproxy->poll_due = NEVER;
	pthread_mutex_init(&haproxy->lock, NULL);
	if (set_up(haproxy, options, err) < 0 || start_thread(haproxy, err) < 0) {
		release(haproxy);
		return -1;
	}
	*ret_gateway = &haproxy->gateway;
	return 0;
}
