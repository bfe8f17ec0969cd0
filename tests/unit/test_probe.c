/* base/probe: a real prober against real sockets of this machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/probe.h"

struct fixture {
	struct log log;
	struct env env;
	struct prober *prober;
	atomic_int wakes;
	atomic_bool last;
};

static void on_wake(void *context, const char *key, bool answers)
{
	struct fixture *f = context;

	/* A wake may ask back: the prober must not hold its lock here. */
	(void)prober_answers(f->prober, key);
	atomic_store(&f->last, answers);
	atomic_fetch_add(&f->wakes, 1);
}

static int setup(void **state)
{
	static struct fixture fixture; /* one test at a time */
	ERR_AUTO(err);

	fixture = (struct fixture){ .log = { 2, LOG_LEVEL_ERROR, false } };
	fixture.env = env_system(&fixture.log);
	*state = &fixture;
	return prober_new(&fixture.env, on_wake, &fixture, &fixture.prober, &err);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	f->prober = prober_free(f->prober);
	return 0;
}

static void nap(int ms)
{
	struct timespec wait = { ms / 1000, ms % 1000 * 1000000L };

	(void)nanosleep(&wait, NULL);
}

static int listen_on(uint16_t *ret_port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons(*ret_port),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	int one = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 4096), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
	*ret_port = ntohs(address.sin_port);
	return fd;
}

static bool wait_for(struct fixture *f, const char *key, bool answers, int ms)
{
	for (int waited = 0; waited < ms; waited += 5) {
		if (prober_answers(f->prober, key) == answers)
			return true;
		nap(5);
	}
	return prober_answers(f->prober, key) == answers;
}

static struct probe_target tcp_target(const char *key, uint16_t port)
{
	return (struct probe_target){
		.key = key, .address = "127.0.0.1", .port = port, .timeout_ms = 200, .steady_ms = 50
	};
}

static struct probe_target http_target(const char *key, uint16_t port)
{
	struct probe_target target = tcp_target(key, port);

	target.http_host = "abcd.localhost";
	target.http_path = "/x";
	target.http_foreign_header = "x-dure-error";
	return target;
}

static void set(struct fixture *f, const struct probe_target *target)
{
	ERR_AUTO(err);

	assert_int_equal(prober_set(f->prober, target, &err), 0);
}

/* Accepts one connection, reads its request, says `answer` in two pieces; what was asked comes
 * back in `request`. */
static void serve_once(int listener, const char *answer, char *request, size_t size)
{
	struct pollfd wait = { listener, POLLIN, 0 };
	size_t length = 0;

	assert_int_equal(poll(&wait, 1, 3000), 1);
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fd >= 0);
	do {
		ssize_t got = recv(fd, request + length, size - 1 - length, 0);
		assert_true(got > 0);
		length += (size_t)got;
		request[length] = '\0';
	} while (!strstr(request, "\r\n\r\n"));
	size_t half = strlen(answer) / 2;
	(void)send(fd, answer, half, MSG_NOSIGNAL);
	nap(5);
	(void)send(fd, answer + half, strlen(answer) - half, MSG_NOSIGNAL);
	(void)shutdown(fd, SHUT_WR);
	while (recv(fd, (char[256]){ 0 }, 256, 0) > 0)
		continue;
	(void)close(fd);
}

static void port_that_opens_late_is_noticed_soon(void **state)
{
	struct fixture *f = *state;
	uint16_t port = 0;
	int fd = listen_on(&port);

	(void)close(fd);
	struct probe_target target = tcp_target("p", port);
	set(f, &target);
	nap(100);
	assert_false(prober_answers(f->prober, "p"));
	fd = listen_on(&port);
	assert_true(wait_for(f, "p", true, 1000));
	assert_int_equal(atomic_load(&f->wakes), 1);
	assert_true(atomic_load(&f->last));
	(void)close(fd);
	assert_true(wait_for(f, "p", false, 1000));
	for (int i = 0; i < 200 && atomic_load(&f->wakes) < 2; i++)
		nap(5);
	assert_int_equal(atomic_load(&f->wakes), 2);
	assert_false(atomic_load(&f->last));
}

static void unknown_and_removed_keys_do_not_answer(void **state)
{
	struct fixture *f = *state;
	uint16_t port = 0;
	int fd = listen_on(&port);
	struct probe_target target = tcp_target("p", port);

	assert_false(prober_answers(f->prober, "p"));
	prober_remove(f->prober, "p");
	set(f, &target);
	assert_true(wait_for(f, "p", true, 1000));
	prober_remove(f->prober, "p");
	assert_false(prober_answers(f->prober, "p"));
	(void)close(fd);
}

static void http_answer_of_any_status_counts(void **state)
{
	struct fixture *f = *state;
	uint16_t port = 0;
	int fd = listen_on(&port);
	char request[4096];
	struct probe_target target = http_target("h", port);

	set(f, &target);
	serve_once(fd, "HTTP/1.1 500 Oops\r\nX-Dure-Errors: no\r\n\r\n", request, sizeof(request));
	assert_true(wait_for(f, "h", true, 1000));
	assert_non_null(strstr(request, "GET /x HTTP/1.1\r\n"));
	assert_non_null(strstr(request, "\r\nHost: abcd.localhost\r\n"));
	assert_non_null(strstr(request, "\r\nConnection: close\r\n"));
	(void)close(fd);
}

static void foreign_garbled_and_cut_answers_do_not_count(void **state)
{
	static const char *const answers[] = {
		"HTTP/1.1 200 OK\r\nServer: x\r\nX-Dure-Error: no-pods\r\n\r\n",
		"SSH-2.0-OpenSSH_9.2\r\n",
		"HTTP/1.1 200 O",
		"HTTP/1.1 200 OK\r\nX-Du",
		"HTTP/1.1 2x0 OK\r\n\r\n",
		"",
	};
	struct fixture *f = *state;
	uint16_t port = 0;
	int fd = listen_on(&port);
	char request[4096];
	struct probe_target target = http_target("h", port);

	set(f, &target);
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		serve_once(fd, answers[i], request, sizeof(request));
		nap(10);
		assert_false(prober_answers(f->prober, "h"));
	}
	assert_int_equal(atomic_load(&f->wakes), 0);
	serve_once(fd, "HTTP/1.0 204 No Content\n\n", request, sizeof(request));
	assert_true(wait_for(f, "h", true, 1000));
	(void)close(fd);
}

static void silent_server_times_out_and_is_asked_again(void **state)
{
	struct fixture *f = *state;
	uint16_t port = 0;
	int fd = listen_on(&port);
	struct probe_target target = http_target("h", port);

	target.timeout_ms = 60;
	set(f, &target);
	for (int tries = 0; tries < 3; tries++) {
		struct pollfd wait = { fd, POLLIN, 0 };
		char request[1024];
		assert_int_equal(poll(&wait, 1, 1000), 1);
		int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		assert_true(peer >= 0);
		assert_true(recv(peer, request, sizeof(request), 0) > 0);
		assert_int_equal(recv(peer, request, sizeof(request), 0), 0); /* it gave up */
		(void)close(peer);
	}
	assert_false(prober_answers(f->prober, "h"));
	(void)close(fd);
}

static void removal_in_flight_closes_the_try(void **state)
{
	struct fixture *f = *state;
	uint16_t port = 0;
	int fd = listen_on(&port);
	struct probe_target target = http_target("h", port);
	struct pollfd wait = { fd, POLLIN, 0 };
	char request[1024];

	target.timeout_ms = 60000;
	set(f, &target);
	assert_int_equal(poll(&wait, 1, 1000), 1);
	int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	assert_true(recv(peer, request, sizeof(request), 0) > 0);
	prober_remove(f->prober, "h");
	assert_true(recv(peer, request, sizeof(request), 0) <= 0);
	(void)close(peer);
	(void)close(fd);
}

static void changed_target_starts_anew(void **state)
{
	struct fixture *f = *state;
	uint16_t open_port = 0, closed_port = 0;
	int fd = listen_on(&open_port);
	int closed = listen_on(&closed_port);

	(void)close(closed);
	struct probe_target target = tcp_target("p", open_port);
	set(f, &target);
	assert_true(wait_for(f, "p", true, 1000));
	set(f, &target); /* the same: a no-op that keeps the result */
	assert_true(prober_answers(f->prober, "p"));
	target.port = closed_port;
	set(f, &target);
	assert_false(prober_answers(f->prober, "p"));
	nap(60);
	assert_false(prober_answers(f->prober, "p"));
	(void)close(fd);
}

static void bad_address_is_refused(void **state)
{
	struct fixture *f = *state;
	ERR_AUTO(err);
	struct probe_target target = tcp_target("p", 80);

	target.address = "localhost";
	assert_int_equal(prober_set(f->prober, &target, &err), -1);
	assert_non_null(strstr(err.message, "localhost"));
}

static void *accept_all(void *context)
{
	int listener = *(int *)context;
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		(void)close(fd);
	return NULL;
}

static int64_t cpu_us(void)
{
	struct rusage use;

	assert_int_equal(getrusage(RUSAGE_SELF, &use), 0);
	return (use.ru_utime.tv_sec + use.ru_stime.tv_sec) * USEC_PER_SEC + use.ru_utime.tv_usec +
	       use.ru_stime.tv_usec;
}

static void thousands_of_targets_are_cheap(void **state)
{
	struct fixture *f = *state;
	enum { COUNT = 5000 };
	uint16_t port = 0;
	int fd = listen_on(&port);
	pthread_t thread;
	char key[32];

	assert_int_equal(pthread_create(&thread, NULL, accept_all, &fd), 0);
	int64_t before = cpu_us();
	for (int i = 0; i < COUNT; i++) {
		struct probe_target target = tcp_target(key, port);
		(void)snprintf(key, sizeof(key), "t%d", i);
		target.timeout_ms = 5000;
		target.steady_ms = 60000;
		set(f, &target);
	}
	for (int i = 0; i < 4000 && atomic_load(&f->wakes) < COUNT; i++)
		nap(5);
	assert_int_equal(atomic_load(&f->wakes), COUNT);
	assert_true(cpu_us() - before < 15 * USEC_PER_SEC); /* 3 ms a target, with sanitizers */
	for (int i = 0; i < COUNT; i++) {
		(void)snprintf(key, sizeof(key), "t%d", i);
		assert_true(prober_answers(f->prober, key));
		if (i % 2)
			prober_remove(f->prober, key);
	}
	assert_true(prober_answers(f->prober, "t0"));
	assert_false(prober_answers(f->prober, "t1"));
	(void)shutdown(fd, SHUT_RDWR);
	(void)pthread_join(thread, NULL);
	(void)close(fd);
}

static void tries_wait_when_too_many_are_in_flight(void **state)
{
	struct fixture *f = *state;
	enum { COUNT = 1200 }; /* more than twice what may be in flight; all silent */
	uint16_t port = 0;
	int fd = listen_on(&port);
	char key[32];

	for (int i = 0; i < COUNT; i++) {
		struct probe_target target = http_target(key, port);
		(void)snprintf(key, sizeof(key), "s%d", i);
		target.timeout_ms = 100;
		target.steady_ms = 60000;
		set(f, &target);
	}
	uint16_t other_port = 0;
	int other = listen_on(&other_port);
	struct probe_target target = tcp_target("live", other_port);
	set(f, &target);
	assert_true(wait_for(f, "live", true, 5000));
	(void)close(other);
	(void)close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
		T(port_that_opens_late_is_noticed_soon),
		T(unknown_and_removed_keys_do_not_answer),
		T(http_answer_of_any_status_counts),
		T(foreign_garbled_and_cut_answers_do_not_count),
		T(silent_server_times_out_and_is_asked_again),
		T(removal_in_flight_closes_the_try),
		T(changed_target_starts_anew),
		T(bad_address_is_refused),
		T(thousands_of_targets_are_cheap),
		T(tries_wait_when_too_many_are_in_flight),
#undef T
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
