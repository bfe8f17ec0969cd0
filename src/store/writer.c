/* The one writer: functions queue, a thread runs up to LIMIT_WRITE_GROUP of them in one
 * transaction, each inside a savepoint, and wakes their callers after the commit. */
#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/limits.h"
#include "store/driver.h"

#define WRITER_MAGIC 0x77726974u

/* A call that waits; lives on its caller's stack. */
struct request {
	db_function *function;
	void *argument;
	bool may_write;
	struct err *err;
	int result;
	bool done;
	pthread_cond_t woken;
	struct request *next;
};

struct writer {
	uint32_t magic;
	struct connection *connection;
	bool is_inline;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t work;
	struct request *first, **last;
	size_t queued;
	bool ending;
	atomic_uint_fast64_t version;
};

/* Runs one function of the group. Negative only when the whole group is lost, with the cause in
 * `lost`; how the function itself fared stands in the request. */
static int request_run(struct connection *connection, struct request *request, bool *changed,
		       struct err *lost)
{
	const struct driver *driver = connection->driver;
	int64_t before = driver->changes(connection);

	if (driver->savepoint(connection, lost) < 0)
		return -1;
	request->result = tx_call(connection, request->may_write, request->function,
				  request->argument, request->err);
	if (!driver->in_transaction(connection))
		return err_set(lost, ERR_UNAVAILABLE, "the database gave the transaction up: %s",
			       request->err->message);
	if (request->result < 0)
		return driver->savepoint_undo(connection, lost);
	*changed = *changed || driver->changes(connection) != before;
	return driver->savepoint_release(connection, lost);
}

static void group_run(struct writer *writer, struct request *group)
{
	struct connection *connection = writer->connection;
	const struct driver *driver = connection->driver;
	ERR_AUTO(lost);
	bool changed = false;

	int r = driver->begin(connection, true, &lost);
	for (struct request *request = group; request && r == 0; request = request->next)
		r = request_run(connection, request, &changed, &lost);
	if (r == 0)
		r = driver->commit(connection, &lost);
	if (r == 0) {
		if (changed)
			atomic_fetch_add(&writer->version, 1);
		return;
	}
	/* Whatever a function answered, it saw changes of its group that are gone now. */
	driver->rollback(connection);
	for (struct request *request = group; request; request = request->next)
		request->result = err_set(request->err, lost.code, "%s", lost.message);
}

static struct request *group_take(struct writer *writer)
{
	struct request *group = writer->first, *end = group;

	if (!group)
		return NULL;
	size_t count = 1;
	while (count < LIMIT_WRITE_GROUP && end->next) {
		end = end->next;
		count++;
	}
	writer->first = end->next;
	if (!writer->first)
		writer->last = &writer->first;
	end->next = NULL;
	assert(writer->queued >= count);
	writer->queued -= count;
	return group;
}

static void *writer_thread(void *argument)
{
	struct writer *writer = argument;

	assert(writer->magic == WRITER_MAGIC);
	(void)pthread_mutex_lock(&writer->mutex);
	for (;;) {
		struct request *group = group_take(writer);
		if (!group && writer->ending)
			break;
		if (!group) {
			(void)pthread_cond_wait(&writer->work, &writer->mutex);
			continue;
		}
		(void)pthread_mutex_unlock(&writer->mutex);
		group_run(writer, group);
		(void)pthread_mutex_lock(&writer->mutex);
		while (group) {
			/* Once done is seen, the request's stack is its caller's again. */
			struct request *next = group->next;
			group->done = true;
			(void)pthread_cond_signal(&group->woken);
			group = next;
		}
	}
	(void)pthread_mutex_unlock(&writer->mutex);
	return NULL;
}

static int thread_start(struct writer *writer, struct err *err)
{
	sigset_t all, before;

	/* Signals belong to the main loop. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_BLOCK, &all, &before);
	int r = pthread_create(&writer->thread, NULL, writer_thread, writer);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r != 0)
		return err_set_errno(err, ERR_UNAVAILABLE, r, "cannot start the writer's thread");
	(void)pthread_setname_np(writer->thread, "dure-writer");
	return 0;
}

static void writer_release(struct writer *writer)
{
	(void)pthread_cond_destroy(&writer->work);
	(void)pthread_mutex_destroy(&writer->mutex);
	writer->magic = 0;
	free(writer);
}

int writer_new(struct connection *connection, bool is_inline, struct writer **ret, struct err *err)
{
	struct writer *writer = calloc(1, sizeof(*writer));
	pthread_mutexattr_t checked;

	if (!writer)
		return err_oom(err);
	writer->magic = WRITER_MAGIC;
	writer->connection = connection;
	writer->is_inline = is_inline;
	writer->last = &writer->first;
	atomic_init(&writer->version, 1);
	/* A call from inside a transaction would wait for itself: this kind of mutex says so. */
	(void)pthread_mutexattr_init(&checked);
	(void)pthread_mutexattr_settype(&checked, PTHREAD_MUTEX_ERRORCHECK);
	(void)pthread_mutex_init(&writer->mutex, &checked);
	(void)pthread_mutexattr_destroy(&checked);
	(void)pthread_cond_init(&writer->work, NULL);
	if (!is_inline && thread_start(writer, err) < 0) {
		writer_release(writer);
		return -1;
	}
	*ret = writer;
	return 0;
}

struct writer *writer_free(struct writer *writer)
{
	if (!writer)
		return NULL;
	assert(writer->magic == WRITER_MAGIC);
	if (!writer->is_inline) {
		(void)pthread_mutex_lock(&writer->mutex);
		writer->ending = true;
		(void)pthread_cond_signal(&writer->work);
		(void)pthread_mutex_unlock(&writer->mutex);
		(void)pthread_join(writer->thread, NULL);
	}
	assert(!writer->first && writer->queued == 0);
	writer_release(writer);
	return NULL;
}

static int run_inline(struct writer *writer, struct request *request)
{
	int r = pthread_mutex_lock(&writer->mutex);

	assert(r == 0);
	(void)r;
	group_run(writer, request);
	(void)pthread_mutex_unlock(&writer->mutex);
	return request->result;
}

static int run_queued(struct writer *writer, struct request *request)
{
	assert(!pthread_equal(pthread_self(), writer->thread));
	(void)pthread_mutex_lock(&writer->mutex);
	if (writer->ending || writer->queued >= LIMIT_WRITE_QUEUE) {
		bool ending = writer->ending;
		(void)pthread_mutex_unlock(&writer->mutex);
		return err_set(request->err, ERR_UNAVAILABLE,
			       ending ? "Dure is shutting down"
				      : "too many changes wait to be stored; try again shortly");
	}
	(void)pthread_cond_init(&request->woken, NULL);
	*writer->last = request;
	writer->last = &request->next;
	writer->queued++;
	(void)pthread_cond_signal(&writer->work);
	while (!request->done)
		(void)pthread_cond_wait(&request->woken, &writer->mutex);
	(void)pthread_mutex_unlock(&writer->mutex);
	(void)pthread_cond_destroy(&request->woken);
	return request->result;
}

int writer_run(struct writer *writer, bool may_write, db_function *function, void *argument,
	       struct err *err)
{
	struct request request = {
		.function = function, .argument = argument, .may_write = may_write, .err = err
	};

	assert(writer->magic == WRITER_MAGIC);
	return writer->is_inline ? run_inline(writer, &request) : run_queued(writer, &request);
}

uint64_t writer_version(struct writer *writer) { return atomic_load(&writer->version); }
