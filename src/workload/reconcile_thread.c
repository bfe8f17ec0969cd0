/* The reconciler's own thread: a round whenever something woke it or a deadline came. */
#include <assert.h>
#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "workload/reconciler.h"

/* Wakes are how it hears of things; this is only for one that was lost. */
#define HEARTBEAT_US (30 * USEC_PER_SEC)
/* A round that failed (disk full, memory short) is tried again after this, doubled up to the other.
 */
#define FAILED_MIN_US (100 * USEC_PER_MSEC)
#define FAILED_MAX_US (10 * USEC_PER_SEC)

static void wait_until(struct reconciler *reconciler, int64_t due, bool ignore_wakes)
{
	struct timespec until = { .tv_sec = due / USEC_PER_SEC,
				  .tv_nsec = due % USEC_PER_SEC * 1000 };
	int rc = 0;

	(void)pthread_mutex_lock(&reconciler->mutex);
	while (!reconciler->stopping && (ignore_wakes || !reconciler->woken) && rc == 0)
		rc = pthread_cond_timedwait(&reconciler->cond, &reconciler->mutex, &until);
	reconciler->woken = false;
	(void)pthread_mutex_unlock(&reconciler->mutex);
}

static bool is_stopping(struct reconciler *reconciler)
{
	(void)pthread_mutex_lock(&reconciler->mutex);
	bool stopping = reconciler->stopping;
	(void)pthread_mutex_unlock(&reconciler->mutex);
	return stopping;
}

/* The condition waits on the system's monotonic clock, and so does everything real: the thread is
 * never started on a virtual one. */
static void *run(void *argument)
{
	struct reconciler *reconciler = argument;
	struct env *env = reconciler->options.env;
	int64_t backoff = FAILED_MIN_US;

	while (!is_stopping(reconciler)) {
		ERR_AUTO(err);
		int64_t next = INT64_MAX;

		if (reconcile_pass(reconciler, &next, &err) < 0) {
			log_error(env->log, "reconcile", "%s", err.message);
			wait_until(reconciler, env_monotonic(env) + backoff, true);
			backoff = backoff * 2 < FAILED_MAX_US ? backoff * 2 : FAILED_MAX_US;
			continue;
		}
		backoff = FAILED_MIN_US;
		int64_t heartbeat = env_monotonic(env) + HEARTBEAT_US;
		wait_until(reconciler, next < heartbeat ? next : heartbeat, false);
	}
	return NULL;
}

static void wake(void *context) { reconcile_wake(context); }

int reconcile_start(struct reconciler *reconciler, struct err *err)
{
	assert(reconciler->magic == RECONCILER_MAGIC);
	assert(!reconciler->started);
	engine_watch(reconciler->options.engine, wake, reconciler);
	gateway_watch(reconciler->options.gateway, wake, reconciler);
	int rc = pthread_create(&reconciler->thread, NULL, run, reconciler);
	if (rc != 0)
		return err_set_errno(err, ERR_UNAVAILABLE, rc, "starting the reconciler's thread");
	reconciler->started = true;
	return 0;
}

void reconcile_wake(struct reconciler *reconciler)
{
	assert(reconciler->magic == RECONCILER_MAGIC);
	(void)pthread_mutex_lock(&reconciler->mutex);
	if (!reconciler->woken) {
		reconciler->woken = true;
		(void)pthread_cond_signal(&reconciler->cond);
	}
	(void)pthread_mutex_unlock(&reconciler->mutex);
}

struct reconciler *reconcile_free(struct reconciler *reconciler)
{
	if (!reconciler)
		return NULL;
	assert(reconciler->magic == RECONCILER_MAGIC);
	if (reconciler->started) {
		(void)pthread_mutex_lock(&reconciler->mutex);
		reconciler->stopping = true;
		(void)pthread_cond_signal(&reconciler->cond);
		(void)pthread_mutex_unlock(&reconciler->mutex);
		(void)pthread_join(reconciler->thread, NULL);
		engine_watch(reconciler->options.engine, NULL, NULL);
		gateway_watch(reconciler->options.gateway, NULL, NULL);
	}
	(void)pthread_cond_destroy(&reconciler->cond);
	(void)pthread_mutex_destroy(&reconciler->mutex);
	reconciler->rows_arena = arena_free(reconciler->rows_arena);
	reconciler->arena = arena_free(reconciler->arena);
	free(reconciler->pod_memos);
	free(reconciler->workload_memos);
	reconciler->magic = 0;
	free(reconciler);
	return NULL;
}
