#include "base/probe.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <search.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/strings.h"

#define PROBER_MAGIC 0x50524f42u /* "PROB" */
#define TARGET_MAGIC 0x50545247u /* "PTRG" */

#define RETRY_FIRST_US (20 * USEC_PER_MSEC)
#define RETRY_LAST_US (500 * USEC_PER_MSEC)
/* About two minutes of failures; whatever is silent for that long is asked at its steady pace. */
#define RETRIES_OFTEN 250
#define EVENT_BATCH 64

struct target {
	unsigned magic;
	char *key;
	struct sockaddr_storage address;
	socklen_t address_length;
	char *request; /* NULL: a connection is the answer */
	char *foreign; /* NULL: any status line is an answer */
	int64_t timeout_us;
	int64_t steady_us;

	int64_t due; /* of the next try, or of the end of the one in flight */
	size_t heap_index;
	int fd; /* of the try in flight, else -1 */
	bool connected;
	size_t sent;
	struct buf answer;
	int failures; /* in a row */
	bool answers;
	bool removed;        /* waits in the graveyard */
	bool changed;        /* waits in `changed` for its wake */
	struct target *next; /* in the graveyard */
	struct target *next_changed;
};

struct heap {
	struct target **items;
	size_t count;
};

/* `lock` guards everything below it. Only the thread frees targets, and only between two rounds of
 * events, so that an event already fetched never points to a freed one. */
struct prober {
	unsigned magic;
	struct env *env;
	prober_wake *wake;
	void *context;
	int epoll_fd;
	int wake_fd;
	pthread_t thread;

	pthread_mutex_t lock;
	bool stop;
	void *by_key;        /* tsearch tree of struct target */
	struct heap waiting; /* for their next try */
	struct heap flying;  /* tries under way, by deadline */
	struct target *graveyard;
	struct target *changed;
};

static bool heap_before(const struct target *a, const struct target *b) { return a->due < b->due; }

static void heap_place(struct heap *heap, size_t index, struct target *target)
{
	heap->items[index] = target;
	target->heap_index = index;
}

static void heap_up(struct heap *heap, size_t index)
{
	struct target *target = heap->items[index];

	while (index > 0 && heap_before(target, heap->items[(index - 1) / 2])) {
		heap_place(heap, index, heap->items[(index - 1) / 2]);
		index = (index - 1) / 2;
	}
	heap_place(heap, index, target);
}

static void heap_down(struct heap *heap, size_t index)
{
	struct target *target = heap->items[index];

	for (;;) {
		size_t child = 2 * index + 1;
		if (child >= heap->count)
			break;
		if (child + 1 < heap->count &&
		    heap_before(heap->items[child + 1], heap->items[child]))
			child++;
		if (!heap_before(heap->items[child], target))
			break;
		heap_place(heap, index, heap->items[child]);
		index = child;
	}
	heap_place(heap, index, target);
}

static void heap_push(struct heap *heap, struct target *target)
{
	assert(heap->count < LIMIT_PROBE_TARGETS);
	heap_place(heap, heap->count++, target);
	heap_up(heap, heap->count - 1);
}

static void heap_take(struct heap *heap, struct target *target)
{
	size_t index = target->heap_index;

	assert(index < heap->count && heap->items[index] == target);
	struct target *last = heap->items[--heap->count];
	if (last == target)
		return;
	heap_place(heap, index, last);
	heap_up(heap, index);
	heap_down(heap, last->heap_index);
}

static int compare_keys(const void *a, const void *b)
{
	return strcmp(((const struct target *)a)->key, ((const struct target *)b)->key);
}

static struct target *find(struct prober *prober, const char *key)
{
	struct target wanted = { .key = (char *)(uintptr_t)key };
	void *node = tfind(&wanted, &prober->by_key, compare_keys);

	return node ? *(struct target **)node : NULL;
}

static struct target *target_free(struct target *target)
{
	if (!target)
		return NULL;
	assert(target->magic == TARGET_MAGIC);
	if (target->fd >= 0)
		(void)close(target->fd);
	buf_free(&target->answer);
	free(target->key);
	free(target->request);
	free(target->foreign);
	target->magic = 0;
	free(target);
	return NULL;
}

static int parse_address(struct target *target, const struct probe_target *spec, struct err *err)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&target->address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&target->address;

	if (inet_pton(AF_INET, spec->address, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(spec->port);
		target->address_length = sizeof(*v4);
		return 0;
	}
	if (inet_pton(AF_INET6, spec->address, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(spec->port);
		target->address_length = sizeof(*v6);
		return 0;
	}
	return err_set(err, ERR_INTERNAL, "\"%s\" is not a numeric IP address", spec->address);
}

static int target_new(const struct probe_target *spec, struct target **ret_target, struct err *err)
{
	struct target *target = calloc(1, sizeof(*target));

	if (!target)
		return err_oom(err);
	target->magic = TARGET_MAGIC;
	target->fd = -1;
	target->answer = (struct buf)BUF_INIT(LIMIT_PROBE_ANSWER_BYTES);
	target->timeout_us = spec->timeout_ms * USEC_PER_MSEC;
	target->steady_us = spec->steady_ms * USEC_PER_MSEC;
	if (parse_address(target, spec, err) < 0) {
		target_free(target);
		return -1;
	}
	target->key = strdup(spec->key);
	bool whole = target->key;
	if (spec->http_host) {
		int length = asprintf(&target->request,
				      "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: dure-probe\r\n"
				      "Accept: */*\r\nConnection: close\r\n\r\n",
				      spec->http_path ? spec->http_path : "/", spec->http_host);
		if (length < 0)
			target->request = NULL;
		whole = whole && target->request;
	}
	if (spec->http_host && spec->http_foreign_header) {
		target->foreign = strdup(spec->http_foreign_header);
		whole = whole && target->foreign;
	}
	if (!whole) {
		target_free(target);
		return err_oom(err);
	}
	*ret_target = target;
	return 0;
}

static bool same_target(const struct target *a, const struct target *b)
{
	return a->address_length == b->address_length &&
	       memcmp(&a->address, &b->address, a->address_length) == 0 &&
	       str_equal(a->request, b->request) && str_equal(a->foreign, b->foreign) &&
	       a->timeout_us == b->timeout_us && a->steady_us == b->steady_us;
}

static void close_try(struct target *target)
{
	assert(target->fd >= 0);
	(void)close(target->fd); /* leaves the epoll set with it */
	target->fd = -1;
	target->connected = false;
	target->sent = 0;
	buf_free(&target->answer);
}

static int64_t retry_us(const struct target *target)
{
	int64_t wait = RETRY_FIRST_US;

	if (target->failures > RETRIES_OFTEN && target->steady_us > RETRY_LAST_US)
		return target->steady_us;
	for (int i = 1; i < target->failures && wait < RETRY_LAST_US; i++)
		wait += wait / 4;
	return wait < RETRY_LAST_US ? wait : RETRY_LAST_US;
}

/* The try is over (or could not begin, then the target is in neither heap). */
static void settle(struct prober *prober, struct target *target, bool answers)
{
	if (target->fd >= 0) {
		heap_take(&prober->flying, target);
		close_try(target);
	}
	if (answers)
		target->failures = 0;
	else if (target->failures <= RETRIES_OFTEN)
		target->failures++;
	if (target->answers != answers && !target->changed) {
		target->changed = true;
		target->next_changed = prober->changed;
		prober->changed = target;
	}
	target->answers = answers;
	target->due = env_monotonic(prober->env) + (answers ? target->steady_us : retry_us(target));
	heap_push(&prober->waiting, target);
}

/* A connection to a free port of this machine can, with bad luck, meet itself (simultaneous open).
 */
static bool met_itself(int fd)
{
	struct sockaddr_storage here = { 0 }, there = { 0 };
	socklen_t here_length = sizeof(here), there_length = sizeof(there);

	if (getsockname(fd, (struct sockaddr *)&here, &here_length) < 0 ||
	    getpeername(fd, (struct sockaddr *)&there, &there_length) < 0)
		return true; /* gone again before it could be looked at */
	return here_length == there_length && memcmp(&here, &there, here_length) == 0;
}

enum verdict { VERDICT_OPEN, VERDICT_ANSWERS, VERDICT_SILENT };

static bool valid_status_line(const char *data, size_t length)
{
	static const char shape[] = "HTTP/0.0 000";

	if (length < sizeof(shape) - 1)
		return false;
	for (size_t i = 0; i < sizeof(shape) - 1; i++) {
		bool digit = data[i] >= '0' && data[i] <= '9';
		if (shape[i] == '0' ? !digit : data[i] != shape[i])
			return false;
	}
	return true;
}

static bool has_header(const char *line, const char *name)
{
	size_t length = strlen(name);

	return strncasecmp(line, name, length) == 0 && line[length] == ':';
}

/* What the bytes so far say. `ended`: no more will come. */
static enum verdict judge(const struct target *target, bool ended)
{
	const struct buf *answer = &target->answer;
	const char *line = answer->data;
	const char *end = line ? memchr(line, '\n', answer->length) : NULL;

	if (!end)
		return ended ? VERDICT_SILENT : VERDICT_OPEN;
	if (!valid_status_line(line, (size_t)(end - line)))
		return VERDICT_SILENT;
	if (!target->foreign)
		return VERDICT_ANSWERS;
	for (line = end + 1;; line = end + 1) {
		end = memchr(line, '\n', answer->length - (size_t)(line - answer->data));
		if (!end) /* a gateway's own page is short and whole; cut off, it says nothing */
			return ended ? VERDICT_SILENT : VERDICT_OPEN;
		if (end == line || (line[0] == '\r' && end == line + 1))
			return VERDICT_ANSWERS;
		if (has_header(line, target->foreign))
			return VERDICT_SILENT;
	}
}

static enum verdict receive(struct target *target)
{
	char bytes[4096];

	for (;;) {
		ssize_t got = recv(target->fd, bytes, sizeof(bytes), 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return VERDICT_OPEN;
		if (got <= 0)
			return judge(target, true);
		buf_append(&target->answer, bytes, (size_t)got);
		if (target->answer.failed) /* headers longer than the ceiling: no gateway's page */
			return judge(target, true) == VERDICT_SILENT ? VERDICT_SILENT
								     : VERDICT_ANSWERS;
		enum verdict verdict = judge(target, false);
		if (verdict != VERDICT_OPEN)
			return verdict;
	}
}

static enum verdict transmit(struct prober *prober, struct target *target)
{
	size_t length = strlen(target->request);

	while (target->sent < length) {
		ssize_t sent = send(target->fd, target->request + target->sent,
				    length - target->sent, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return errno == EAGAIN || errno == EWOULDBLOCK ? VERDICT_OPEN
								       : VERDICT_SILENT;
		target->sent += (size_t)sent;
	}
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = target };
	if (epoll_ctl(prober->epoll_fd, EPOLL_CTL_MOD, target->fd, &event) < 0)
		return VERDICT_SILENT;
	return VERDICT_OPEN;
}

static enum verdict advance(struct prober *prober, struct target *target)
{
	if (!target->connected) {
		int failure = 0;
		socklen_t length = sizeof(failure);
		if (getsockopt(target->fd, SOL_SOCKET, SO_ERROR, &failure, &length) < 0 ||
		    failure != 0 || met_itself(target->fd))
			return VERDICT_SILENT;
		target->connected = true;
		if (!target->request)
			return VERDICT_ANSWERS;
	}
	if (target->sent < strlen(target->request))
		return transmit(prober, target);
	return receive(target);
}

/* Takes the target out of `waiting` and begins its try. */
static void begin_try(struct prober *prober, struct target *target)
{
	struct epoll_event event = { .events = EPOLLOUT, .data.ptr = target };

	heap_take(&prober->waiting, target);
	int fd = socket(target->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) { /* no descriptor to ask with says nothing about who is asked */
		settle(prober, target, target->answers);
		return;
	}
	int one = 1;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if ((connect(fd, (struct sockaddr *)&target->address, target->address_length) < 0 &&
	     errno != EINPROGRESS) ||
	    epoll_ctl(prober->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
		(void)close(fd);
		settle(prober, target, false);
		return;
	}
	target->fd = fd;
	target->due = env_monotonic(prober->env) + target->timeout_us;
	heap_push(&prober->flying, target);
}

/* Ends tries whose time is over, begins those that are due; ms until the next of either, or -1. */
static int run_timers(struct prober *prober)
{
	int64_t now = env_monotonic(prober->env);
	int64_t next = INT64_MAX;

	while (prober->flying.count > 0 && prober->flying.items[0]->due <= now)
		settle(prober, prober->flying.items[0], false);
	while (prober->waiting.count > 0 && prober->waiting.items[0]->due <= now &&
	       prober->flying.count < LIMIT_PROBES_IN_FLIGHT)
		begin_try(prober, prober->waiting.items[0]);
	if (prober->flying.count > 0)
		next = prober->flying.items[0]->due;
	if (prober->waiting.count > 0 && prober->flying.count < LIMIT_PROBES_IN_FLIGHT &&
	    prober->waiting.items[0]->due < next)
		next = prober->waiting.items[0]->due;
	if (next == INT64_MAX)
		return -1;
	int64_t wait = (next - now + USEC_PER_MSEC - 1) / USEC_PER_MSEC;
	return wait < 0 ? 0 : wait > 60000 ? 60000 : (int)wait;
}

static void bury(struct prober *prober)
{
	while (prober->graveyard) {
		struct target *target = prober->graveyard;
		prober->graveyard = target->next;
		target_free(target);
	}
}

/* Calls the wakes without the lock, so that they may ask and set. A removed target may be in the
 * list: it is freed only in the next bury(). */
static void call_wakes(struct prober *prober)
{
	struct target *changed = prober->changed;

	prober->changed = NULL;
	while (changed) {
		struct target *target = changed;
		changed = target->next_changed;
		target->changed = false;
		bool answers = target->answers;
		if (target->removed || !prober->wake)
			continue;
		pthread_mutex_unlock(&prober->lock);
		prober->wake(prober->context, target->key, answers);
		pthread_mutex_lock(&prober->lock);
	}
}

static void handle_events(struct prober *prober, const struct epoll_event *events, int count)
{
	for (int i = 0; i < count; i++) {
		struct target *target = events[i].data.ptr;
		uint64_t drained;
		if (!target) {
			(void)!read(prober->wake_fd, &drained, sizeof(drained));
			continue;
		}
		assert(target->magic == TARGET_MAGIC);
		if (target->removed || target->fd < 0)
			continue;
		enum verdict verdict = advance(prober, target);
		if (verdict != VERDICT_OPEN)
			settle(prober, target, verdict == VERDICT_ANSWERS);
	}
}

static void *prober_run(void *context)
{
	struct prober *prober = context;
	struct epoll_event events[EVENT_BATCH];

	pthread_mutex_lock(&prober->lock);
	while (!prober->stop) {
		bury(prober);
		int wait = run_timers(prober);
		if (prober->changed) { /* a try that failed at once */
			call_wakes(prober);
			continue;
		}
		pthread_mutex_unlock(&prober->lock);
		int count = epoll_wait(prober->epoll_fd, events, EVENT_BATCH, wait);
		pthread_mutex_lock(&prober->lock);
		handle_events(prober, events, count);
		call_wakes(prober);
	}
	pthread_mutex_unlock(&prober->lock);
	return NULL;
}

static void nudge(struct prober *prober)
{
	uint64_t one = 1;

	(void)!write(prober->wake_fd, &one, sizeof(one)); /* full means already awake */
}

/* Signals belong to the main loop. */
static int start_thread(struct prober *prober, struct err *err)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int failure = pthread_create(&prober->thread, NULL, prober_run, prober);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failure != 0)
		return err_set_errno(err, ERR_INTERNAL, failure, "cannot start the prober");
	return 0;
}

static void release(struct prober *prober)
{
	if (prober->epoll_fd >= 0)
		(void)close(prober->epoll_fd);
	if (prober->wake_fd >= 0)
		(void)close(prober->wake_fd);
	free(prober->waiting.items);
	free(prober->flying.items);
	pthread_mutex_destroy(&prober->lock);
	prober->magic = 0;
	free(prober);
}

int prober_new(struct env *env, prober_wake *wake, void *context, struct prober **ret_prober,
	       struct err *err)
{
	struct prober *prober = calloc(1, sizeof(*prober));
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };

	if (!prober)
		return err_oom(err);
	prober->magic = PROBER_MAGIC;
	prober->env = env;
	prober->wake = wake;
	prober->context = context;
	pthread_mutex_init(&prober->lock, NULL);
	prober->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	prober->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	prober->waiting.items = calloc(LIMIT_PROBE_TARGETS, sizeof(struct target *));
	prober->flying.items = calloc(LIMIT_PROBE_TARGETS, sizeof(struct target *));
	if (prober->epoll_fd < 0 || prober->wake_fd < 0 || !prober->waiting.items ||
	    !prober->flying.items ||
	    epoll_ctl(prober->epoll_fd, EPOLL_CTL_ADD, prober->wake_fd, &event) < 0) {
		err_set_errno(err, ERR_INTERNAL, errno, "cannot set up the prober");
		release(prober);
		return -1;
	}
	if (start_thread(prober, err) < 0) {
		release(prober);
		return -1;
	}
	*ret_prober = prober;
	return 0;
}

/* Out of the tree and both heaps; freed by the thread. */
static void retire(struct prober *prober, struct target *target)
{
	(void)tdelete(target, &prober->by_key, compare_keys);
	if (target->fd >= 0) {
		heap_take(&prober->flying, target);
		close_try(target);
	} else {
		heap_take(&prober->waiting, target);
	}
	target->removed = true;
	target->next = prober->graveyard;
	prober->graveyard = target;
}

struct prober *prober_free(struct prober *prober)
{
	if (!prober)
		return NULL;
	assert(prober->magic == PROBER_MAGIC);
	pthread_mutex_lock(&prober->lock);
	prober->stop = true;
	pthread_mutex_unlock(&prober->lock);
	nudge(prober);
	pthread_join(prober->thread, NULL);
	while (prober->flying.count > 0)
		retire(prober, prober->flying.items[0]);
	while (prober->waiting.count > 0)
		retire(prober, prober->waiting.items[0]);
	assert(!prober->by_key);
	bury(prober);
	release(prober);
	return NULL;
}

static int set_locked(struct prober *prober, struct target *target, struct err *err)
{
	struct target *known = find(prober, target->key);

	if (known && same_target(known, target)) {
		target_free(target);
		return 0;
	}
	if (known)
		retire(prober, known);
	if (prober->waiting.count + prober->flying.count >= LIMIT_PROBE_TARGETS) {
		target_free(target);
		return err_set(err, ERR_UNAVAILABLE, "more than %d ports to watch",
			       LIMIT_PROBE_TARGETS);
	}
	if (!tsearch(target, &prober->by_key, compare_keys)) {
		target_free(target);
		return err_oom(err);
	}
	target->due = env_monotonic(prober->env);
	heap_push(&prober->waiting, target);
	nudge(prober);
	return 0;
}

int prober_set(struct prober *prober, const struct probe_target *spec, struct err *err)
{
	struct target *target = NULL;

	assert(prober && prober->magic == PROBER_MAGIC);
	assert(spec->key && spec->address && spec->timeout_ms > 0 && spec->steady_ms > 0);
	if (target_new(spec, &target, err) < 0)
		return -1;
	pthread_mutex_lock(&prober->lock);
	int status = set_locked(prober, target, err);
	pthread_mutex_unlock(&prober->lock);
	return status;
}

void prober_remove(struct prober *prober, const char *key)
{
	assert(prober && prober->magic == PROBER_MAGIC);
	pthread_mutex_lock(&prober->lock);
	struct target *target = find(prober, key);
	if (target) {
		retire(prober, target);
		nudge(prober); /* the thread frees it, and may have room for another try */
	}
	pthread_mutex_unlock(&prober->lock);
}

bool prober_answers(struct prober *prober, const char *key)
{
	assert(prober && prober->magic == PROBER_MAGIC);
	pthread_mutex_lock(&prober->lock);
	const struct target *target = find(prober, key);
	bool answers = target && target->answers;
	pthread_mutex_unlock(&prober->lock);
	return answers;
}
