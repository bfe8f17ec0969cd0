#include "gateway/sim/sim.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/strings.h"

#define SIM_GATEWAY_MAGIC 0x73696d67U
#define SIM_NAME 64
#define SIM_NEVER INT64_MAX

struct sim_target {
	char host[16], pod[SIM_NAME], address[48];
	bool wanted;        /* in the table of the last sync */
	bool routed;        /* new requests reach it */
	int64_t routed_at;  /* when they will */
	int64_t drained_at; /* its last request ends */
};

struct sim_service {
	char host[16];
	bool answers;
	int64_t probe_at;
};

struct sim_gateway {
	struct gateway gateway;
	unsigned magic;
	struct sim_gateway_options options;
	uint64_t random;
	bool up;
	struct sim_target *targets;
	size_t n_targets;
	struct sim_service *services;
	size_t n_services;
	gateway_wake *wake;
	void *wake_context;
};

static struct sim_gateway *sim_of(struct gateway *gateway)
{
	struct sim_gateway *sim = (struct sim_gateway *)gateway;

	assert(sim->magic == SIM_GATEWAY_MAGIC);
	return sim;
}

static void wake(struct sim_gateway *sim)
{
	if (sim->wake)
		sim->wake(sim->wake_context);
}

static int64_t clock_of(const struct sim_gateway *sim) { return sim->options.env->monotonic; }

static int64_t route_delay(struct sim_gateway *sim)
{
	bool slow = virtual_chance(&sim->random, sim->options.slow);

	return virtual_range(&sim->random, 1, slow ? 20000 : 50) * USEC_PER_MSEC;
}

static struct sim_target *find_target(struct sim_gateway *sim, const char *pod)
{
	for (size_t i = 0; i < sim->n_targets; i++) {
		if (str_equal(sim->targets[i].pod, pod))
			return &sim->targets[i];
	}
	return NULL;
}

static struct sim_service *find_service(struct sim_gateway *sim, const char *host)
{
	for (size_t i = 0; i < sim->n_services; i++) {
		if (str_equal(sim->services[i].host, host))
			return &sim->services[i];
	}
	return NULL;
}

/* Its targets changed: whether the service answers must be found out again. */
static void ask_again(struct sim_gateway *sim, const char *host)
{
	struct sim_service *service = find_service(sim, host);

	if (service) {
		service->answers = false;
		service->probe_at = clock_of(sim);
	}
}

static int sync_target(struct sim_gateway *sim, const char *host,
		       const struct gateway_target *wanted, struct err *err)
{
	struct sim_target *target = find_target(sim, wanted->pod);

	if (!target) {
		target = realloc(sim->targets, (sim->n_targets + 1) * sizeof(*target));
		if (!target)
			return err_oom(err);
		sim->targets = target;
		target = &sim->targets[sim->n_targets++];
		*target = (struct sim_target){ .routed_at = SIM_NEVER, .drained_at = SIM_NEVER };
		str_copy(target->host, sizeof(target->host), host);
		str_copy(target->pod, sizeof(target->pod), wanted->pod);
	}
	if (!str_equal(target->address, wanted->address) || target->drained_at != SIM_NEVER) {
		str_copy(target->address, sizeof(target->address), wanted->address);
		target->routed = false;
		target->drained_at = SIM_NEVER;
		target->routed_at = clock_of(sim) + route_delay(sim);
		ask_again(sim, host);
	}
	target->wanted = true;
	return 0;
}

static int sync_service(struct sim_gateway *sim, const char *host, struct err *err)
{
	if (find_service(sim, host))
		return 0;
	struct sim_service *service =
		realloc(sim->services, (sim->n_services + 1) * sizeof(*service));
	if (!service)
		return err_oom(err);
	sim->services = service;
	service = &sim->services[sim->n_services++];
	*service = (struct sim_service){ .probe_at = SIM_NEVER };
	str_copy(service->host, sizeof(service->host), host);
	return 0;
}

static int sim_sync(struct gateway *gateway, const struct gateway_service *services, size_t count,
		    struct err *err)
{
	struct sim_gateway *sim = sim_of(gateway);

	for (size_t i = 0; i < sim->n_targets; i++)
		sim->targets[i].wanted = false;
	for (size_t i = 0; i < count; i++) {
		if (sync_service(sim, services[i].host, err) < 0)
			return -1;
		for (size_t j = 0; j < services[i].n_targets; j++) {
			if (sync_target(sim, services[i].host, &services[i].targets[j], err) < 0)
				return -1;
		}
	}
	for (size_t i = 0; i < sim->n_targets; i++) {
		struct sim_target *target = &sim->targets[i];

		if (target->wanted || target->drained_at != SIM_NEVER)
			continue;
		target->routed = false;
		target->routed_at = SIM_NEVER;
		target->drained_at =
			clock_of(sim) + virtual_range(&sim->random, 0, 8000) * USEC_PER_MSEC;
		ask_again(sim, target->host);
		wake(sim);
	}
	return 0;
}

static int sim_observe(struct gateway *gateway, struct arena *arena,
		       struct gateway_state *ret_state, struct err *err)
{
	struct sim_gateway *sim = sim_of(gateway);
	struct gateway_target_state *targets =
		ARENA_ARRAY(arena, sim->n_targets + 1, struct gateway_target_state);
	struct gateway_service_state *services =
		ARENA_ARRAY(arena, sim->n_services + 1, struct gateway_service_state);

	if (!targets || !services)
		return err_oom(err);
	for (size_t i = 0; i < sim->n_targets; i++) {
		const struct sim_target *target = &sim->targets[i];

		targets[i] = (struct gateway_target_state){
			.host = arena_strdup(arena, target->host),
			.pod = arena_strdup(arena, target->pod),
			.routed = sim->up && target->routed,
			.draining = target->drained_at != SIM_NEVER,
			.sessions = target->drained_at != SIM_NEVER,
		};
	}
	for (size_t i = 0; i < sim->n_services; i++)
		services[i] = (struct gateway_service_state){
			.host = arena_strdup(arena, sim->services[i].host),
			.answers = sim->up && sim->services[i].answers,
		};
	*ret_state = (struct gateway_state){ .up = sim->up,
					     .why = sim->up ? NULL : "it ended with signal 9",
					     .targets = targets,
					     .n_targets = sim->n_targets,
					     .services = services,
					     .n_services = sim->n_services };
	return 0;
}

static void sim_watch(struct gateway *gateway, gateway_wake *wake_function, void *context)
{
	struct sim_gateway *sim = sim_of(gateway);

	sim->wake = wake_function;
	sim->wake_context = context;
}

static void sim_free(struct gateway *gateway)
{
	struct sim_gateway *sim = sim_of(gateway);

	free(sim->targets);
	free(sim->services);
	sim->magic = 0;
	free(sim);
}

static const struct gateway_ops sim_ops = {
	.name = "sim",
	.sync = sim_sync,
	.observe = sim_observe,
	.watch = sim_watch,
	.free = sim_free,
};

int sim_gateway_new(const struct sim_gateway_options *options, struct gateway **ret_gateway,
		    struct err *err)
{
	struct sim_gateway *sim = calloc(1, sizeof(*sim));

	if (!sim)
		return err_oom(err);
	sim->gateway.ops = &sim_ops;
	sim->magic = SIM_GATEWAY_MAGIC;
	sim->options = *options;
	sim->random = options->seed;
	sim->up = true;
	*ret_gateway = &sim->gateway;
	return 0;
}

bool sim_gateway_answers(struct gateway *gateway, const char *host)
{
	struct sim_gateway *sim = sim_of(gateway);

	for (size_t i = 0; sim->up && i < sim->n_targets; i++) {
		const struct sim_target *target = &sim->targets[i];

		if (target->routed && str_equal(target->host, host) &&
		    sim->options.probe(sim->options.probe_context, target->pod))
			return true;
	}
	return false;
}

static void run_targets(struct sim_gateway *sim)
{
	size_t kept = 0;

	for (size_t i = 0; i < sim->n_targets; i++) {
		struct sim_target target = sim->targets[i];

		if (target.drained_at <= clock_of(sim)) {
			wake(sim);
			continue;
		}
		if (sim->up && target.routed_at <= clock_of(sim)) {
			target.routed = true;
			target.routed_at = SIM_NEVER;
			wake(sim);
		}
		sim->targets[kept++] = target;
	}
	sim->n_targets = kept;
}

void sim_gateway_run(struct gateway *gateway)
{
	struct sim_gateway *sim = sim_of(gateway);

	run_targets(sim);
	for (size_t i = 0; sim->up && i < sim->n_services; i++) {
		struct sim_service *service = &sim->services[i];

		if (service->probe_at > clock_of(sim))
			continue;
		if (sim_gateway_targets(gateway, service->host) == 0) {
			service->probe_at = SIM_NEVER;
		} else if (sim_gateway_answers(gateway, service->host)) {
			service->answers = true;
			service->probe_at = SIM_NEVER;
			wake(sim);
		} else {
			service->probe_at = clock_of(sim) + 500 * USEC_PER_MSEC;
		}
	}
}

int64_t sim_gateway_next(struct gateway *gateway)
{
	struct sim_gateway *sim = sim_of(gateway);
	int64_t next = SIM_NEVER;

	for (size_t i = 0; i < sim->n_targets; i++) {
		const struct sim_target *target = &sim->targets[i];

		next = target->drained_at < next ? target->drained_at : next;
		if (sim->up && target->routed_at < next)
			next = target->routed_at;
	}
	for (size_t i = 0; sim->up && i < sim->n_services; i++) {
		if (sim->services[i].probe_at < next)
			next = sim->services[i].probe_at;
	}
	return next;
}

void sim_gateway_set_up(struct gateway *gateway, bool up)
{
	struct sim_gateway *sim = sim_of(gateway);

	if (sim->up == up)
		return;
	sim->up = up;
	for (size_t i = 0; up && i < sim->n_targets; i++) {
		struct sim_target *target = &sim->targets[i];

		target->routed = false;
		if (target->drained_at == SIM_NEVER)
			target->routed_at = clock_of(sim) + route_delay(sim);
		ask_again(sim, target->host);
	}
	wake(sim);
}

size_t sim_gateway_targets(struct gateway *gateway, const char *host)
{
	struct sim_gateway *sim = sim_of(gateway);
	size_t count = 0;

	for (size_t i = 0; i < sim->n_targets; i++)
		count += str_equal(sim->targets[i].host, host);
	return count;
}
