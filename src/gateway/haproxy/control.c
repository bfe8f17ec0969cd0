/* The one thread that owns HAProxy: starts and watches it, brings its table to the desired one,
 * follows draining, and publishes what is. */
#include <assert.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/strings.h"
#include "gateway/haproxy/cli.h"
#include "gateway/haproxy/internal.h"

#define ROOM "gateway"
#define AWAIT_US (5 * USEC_PER_MSEC) /* between looks whether HAProxy answers */
#define DRAIN_POLL_US (100 * USEC_PER_MSEC)
#define POLL_US USEC_PER_SEC
#define RETRY_US (200 * USEC_PER_MSEC)
#define BACKOFF_FIRST_US USEC_PER_SEC
#define BACKOFF_LAST_US (30 * USEC_PER_SEC)
#define STEADY_US (10 * USEC_PER_SEC) /* who ran that long is restarted at once */
#define RELOAD_US (10 * USEC_PER_SEC)

static void say(struct haproxy *haproxy, const struct err *err)
{
	if (!str_equal(haproxy->why, err->message))
		log_warning(haproxy->env->log, ROOM, "%s", err->message);
	str_copy(haproxy->why, sizeof(haproxy->why), err->message);
}

static void back_off(struct haproxy *haproxy, bool steady)
{
	int64_t now = env_monotonic(haproxy->env);

	if (steady) {
		haproxy->backoff = BACKOFF_FIRST_US;
		haproxy->start_due = now;
		return;
	}
	haproxy->start_due = now + haproxy->backoff;
	haproxy->backoff *= 2;
	if (haproxy->backoff > BACKOFF_LAST_US)
		haproxy->backoff = BACKOFF_LAST_US;
}

static void name_generation(struct haproxy *haproxy)
{
	uint32_t salt;

	env_random(haproxy->env, &salt, sizeof(salt));
	(void)snprintf(haproxy->node, sizeof(haproxy->node), "dure-%u-%08x", ++haproxy->generation,
		       salt);
}

static int write_files(struct haproxy *haproxy, struct err *err)
{
	name_generation(haproxy);
	return files_write(&haproxy->files, &haproxy->table, haproxy->node, err);
}

static int start(struct haproxy *haproxy, struct err *err)
{
	ERR_AUTO(ignored);
	char node[32];
	pid_t worker = 0;

	/* Whoever answers on the socket was left by a Dure that was killed: it knows what is routed
	 * (nothing may be lost before the first sync) and holds the listening sockets. */
	if (cli_info(haproxy->stats, &worker, node, sizeof(node), &ignored) == 0) {
		if (!haproxy->desired && haproxy->generation == 0 &&
		    haproxy_learn(haproxy, &ignored) < 0)
			log_warning(haproxy->env->log, ROOM, "cannot take over all routes: %s",
				    ignored.message);
	} else {
		worker = 0;
	}
	if (haproxy_make_room(haproxy, err) < 0 || haproxy_fold(haproxy, true, err) < 0 ||
	    write_files(haproxy, err) < 0)
		return -1;
	haproxy->ready = haproxy->reloading = false;
	haproxy->n_elders = 0;
	haproxy->elderly = false;
	if (process_start(&haproxy->process, haproxy->program, haproxy->directory, worker, err) < 0)
		return -1;
	haproxy->started_at = env_monotonic(haproxy->env);
	log_info(haproxy->env->log, ROOM, "HAProxy started, pid %d%s", (int)haproxy->process.pid,
		 worker != 0 ? ", taking over the sockets of one before it" : "");
	return 0;
}

static void try_start(struct haproxy *haproxy)
{
	ERR_AUTO(err);

	if (start(haproxy, &err) == 0)
		return;
	say(haproxy, &err);
	back_off(haproxy, false);
}

static void notice_end(struct haproxy *haproxy)
{
	ERR_AUTO(err);

	if (!process_ended(&haproxy->process, haproxy->env->log))
		return;
	bool steady =
		haproxy->ready && env_monotonic(haproxy->env) - haproxy->started_at >= STEADY_US;
	err_set(&err, ERR_UNAVAILABLE, "HAProxy %s: %s", haproxy->ready ? "ended" : "cannot start",
		haproxy->process.alert);
	say(haproxy, &err);
	haproxy->ready = haproxy->reloading = false;
	back_off(haproxy, steady);
}

/* Runs it the configuration that was written last? Then the table is learned from it. */
static void await(struct haproxy *haproxy)
{
	ERR_AUTO(err);
	char node[32];
	pid_t worker;
	int64_t now = env_monotonic(haproxy->env);

	if (cli_info(haproxy->stats, &worker, node, sizeof(node), &err) == 0 &&
	    str_equal(node, haproxy->node) && haproxy_learn(haproxy, &err) == 0) {
		haproxy->worker = worker;
		haproxy->ready = haproxy->process.ready = true;
		haproxy->reloading = haproxy->relearn = false;
		haproxy->why[0] = '\0';
		haproxy->apply_due = haproxy->poll_due = haproxy->survey_due = now;
	} else if (haproxy->reloading && now >= haproxy->reload_due) {
		log_error(haproxy->env->log, ROOM,
			  "HAProxy does not take its new configuration: %s",
			  str_empty(err.message) ? haproxy->process.alert : err.message);
		haproxy->reloading = false;
		haproxy->relearn = true; /* from the one that still serves */
		haproxy->apply_due = now + RELOAD_US;
	} else if (!haproxy->ready && now - haproxy->started_at >= RELOAD_US) {
		err_set(&err, ERR_UNAVAILABLE, "HAProxy has started but does not answer");
		say(haproxy, &err);
	}
}

static int reload(struct haproxy *haproxy, struct err *err)
{
	BUF_AUTO answer = BUF_INIT(LIMIT_GATEWAY_ANSWER_BYTES);

	if (haproxy_fold(haproxy, false, err) < 0 || write_files(haproxy, err) < 0)
		return -1;
	log_info(haproxy->env->log, ROOM, "reloading HAProxy for %u backends",
		 haproxy->table.n_slots);
	haproxy->reloading = haproxy->elderly = true;
	haproxy->reload_due = env_monotonic(haproxy->env) + RELOAD_US;
	return cli_ask(haproxy->master, "reload", &answer, err);
}

static void apply(struct haproxy *haproxy)
{
	ERR_AUTO(err);
	int64_t now = env_monotonic(haproxy->env);
	int room = 0;

	haproxy->apply_due = NEVER;
	if (haproxy->relearn && haproxy_learn(haproxy, &err) == 0)
		haproxy->relearn = false;
	else if (haproxy->relearn)
		goto failed;
	room = haproxy_make_room(haproxy, &err);
	if (room < 0)
		goto failed;
	if (room > 0 && reload(haproxy, &err) == 0)
		return;
	if (room > 0 || haproxy_apply(haproxy, &err) < 0)
		goto failed;
	haproxy->poll_due = now;
	return;
failed:
	if (err.code == ERR_CONFLICT)
		haproxy->relearn = true;
	log_warning(haproxy->env->log, ROOM, "%s; trying again", err.message);
	haproxy->apply_due = now + RETRY_US;
	haproxy->poll_due = now;
}

static void look(struct haproxy *haproxy)
{
	ERR_AUTO(err);
	int64_t now = env_monotonic(haproxy->env);
	bool all = now >= haproxy->survey_due;

	if (all)
		haproxy->survey_due = now + POLL_US;
	/* What nobody could be asked about is not over. */
	if ((haproxy->elderly && haproxy_find_elders(haproxy, &err) < 0) ||
	    haproxy_survey(haproxy, all, &err) < 0)
		log_debug(haproxy->env->log, ROOM, "%s", err.message);
	else if (haproxy_finish(haproxy)) {
		haproxy->poll_due = now + DRAIN_POLL_US;
		return;
	}
	haproxy->poll_due = haproxy->survey_due;
}

/* Takes what gateway_sync() left. */
static bool take_desired(struct haproxy *haproxy)
{
	struct desired *old = NULL;

	pthread_mutex_lock(&haproxy->lock);
	bool fresh = haproxy->latest != haproxy->desired;
	if (fresh) {
		old = haproxy->desired;
		haproxy->desired = haproxy->latest;
		haproxy->desired->refs++;
		if (old && --old->refs > 0)
			old = NULL;
	}
	bool stop = haproxy->stop;
	pthread_mutex_unlock(&haproxy->lock);
	if (old)
		arena_free(old->arena);
	if (fresh)
		haproxy->apply_due = env_monotonic(haproxy->env);
	return !stop;
}

static void step(struct haproxy *haproxy)
{
	process_listen(&haproxy->process, haproxy->env->log);
	notice_end(haproxy);
	if (haproxy->process.pid == 0) {
		if (env_monotonic(haproxy->env) >= haproxy->start_due)
			try_start(haproxy);
		return;
	}
	if (!haproxy->ready || haproxy->reloading)
		await(haproxy);
	if (!haproxy->ready)
		return;
	if (!haproxy->reloading && env_monotonic(haproxy->env) >= haproxy->apply_due)
		apply(haproxy);
	if (!haproxy->reloading && env_monotonic(haproxy->env) >= haproxy->poll_due)
		look(haproxy);
}

static int64_t next_due(const struct haproxy *haproxy)
{
	int64_t due;

	if (haproxy->process.pid == 0)
		return haproxy->start_due;
	if (!haproxy->ready || haproxy->reloading)
		return env_monotonic(haproxy->env) + AWAIT_US;
	due = haproxy->apply_due < haproxy->poll_due ? haproxy->apply_due : haproxy->poll_due;
	return due;
}

static void rest(struct haproxy *haproxy)
{
	struct pollfd fds[] = { { haproxy->wake_fd, POLLIN, 0 },
				{ haproxy->process.pid_fd, POLLIN, 0 },
				{ haproxy->process.words_fd, POLLIN, 0 } };
	int64_t wait = next_due(haproxy) - env_monotonic(haproxy->env);
	uint64_t drained;

	wait = wait < 0 ? 0 : (wait + USEC_PER_MSEC - 1) / USEC_PER_MSEC;
	if (poll(fds, 3, wait > 1000 ? 1000 : (int)wait) > 0 && (fds[0].revents & POLLIN))
		(void)!read(haproxy->wake_fd, &drained, sizeof(drained));
}

void *haproxy_control_run(void *context)
{
	struct haproxy *haproxy = context;

	assert(haproxy->magic == HAPROXY_MAGIC);
	while (take_desired(haproxy)) {
		step(haproxy);
		haproxy_publish(haproxy);
		rest(haproxy);
	}
	process_stop(&haproxy->process, haproxy->directory, haproxy->worker, haproxy->env->log);
	return NULL;
}

static void put_service_state(struct haproxy *haproxy, struct arena *arena,
			      const struct service *service, struct gateway_state *state,
			      struct buf *signature)
{
	const char *host = arena_strdup(arena, service->host);
	bool answers = service->asked && prober_answers(haproxy->prober, service->host);

	buf_printf(signature, "%s %d\n", service->host, answers);
	state->n_services++;
	*(struct gateway_service_state *)(uintptr_t)&state->services[state->n_services - 1] =
		(struct gateway_service_state){ host, answers };
	for (size_t i = 0; i < service->count; i++) {
		const struct server *server = &service->servers[i];
		if (server->state == SERVER_CLOSING)
			continue;
		bool draining = server->state == SERVER_DRAINING;
		bool routed = !draining && server->healthy && service->mapped && haproxy->ready;
		buf_printf(signature, " %s %d%d\n", server->pod, routed, draining);
		state->n_targets++;
		*(struct gateway_target_state *)(uintptr_t)&state->targets[state->n_targets - 1] =
			(struct gateway_target_state){ host, arena_strdup(arena, server->pod),
						       routed, draining, server->sessions };
	}
}

static int build_state(struct haproxy *haproxy, struct arena *arena, struct gateway_state *state,
		       struct buf *signature)
{
	size_t n_targets = 0;

	for (unsigned i = 0; i < haproxy->table.n_slots; i++)
		if (haproxy->table.slots[i])
			n_targets += haproxy->table.slots[i]->count;
	state->up = haproxy->ready;
	state->why = arena_strdup(arena, haproxy->ready            ? ""
					 : str_empty(haproxy->why) ? "HAProxy is starting"
								   : haproxy->why);
	state->targets = ARENA_ARRAY(arena, n_targets + 1, struct gateway_target_state);
	state->services =
		ARENA_ARRAY(arena, haproxy->table.n_used + 1, struct gateway_service_state);
	if (!state->why || !state->targets || !state->services)
		return -1;
	buf_printf(signature, "%d %s\n", state->up, state->why);
	for (unsigned i = 0; i < haproxy->table.n_slots; i++)
		if (haproxy->table.slots[i])
			put_service_state(haproxy, arena, haproxy->table.slots[i], state,
					  signature);
	return signature->failed ? -1 : 0;
}

void haproxy_publish(struct haproxy *haproxy)
{
	BUF_AUTO signature = BUF_INIT(LIMIT_GATEWAY_OBSERVE_BYTES);
	struct gateway_state state = { 0 };
	struct arena *arena = arena_new(LIMIT_GATEWAY_OBSERVE_BYTES);

	if (!arena || build_state(haproxy, arena, &state, &signature) < 0) {
		arena_free(arena); /* the last one stands until memory is there again */
		return;
	}
	bool changed = !str_equal(haproxy->signature, signature.data);
	pthread_mutex_lock(&haproxy->lock);
	struct arena *old = haproxy->published;
	haproxy->published = arena;
	haproxy->state = state;
	gateway_wake *wake = haproxy->wake;
	void *context = haproxy->wake_context;
	pthread_mutex_unlock(&haproxy->lock);
	arena_free(old);
	if (!changed)
		return;
	free(haproxy->signature);
	haproxy->signature = buf_take(&signature, NULL);
	if (wake)
		wake(context);
}
