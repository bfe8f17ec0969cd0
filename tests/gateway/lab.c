#include "lab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <arpa/inet.h>
#include <errno.h>
#include <ftw.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/strings.h"
#include "gateway/haproxy/cli.h"

void lab_nap(int ms)
{
	struct timespec wait = { ms / 1000, ms % 1000 * 1000000L };

	(void)nanosleep(&wait, NULL);
}

struct visit {
	struct backend *backend;
	int fd;
};

static bool answer_one(struct visit *visit)
{
	char request[8192], answer[9000], line[512];
	size_t length = 0;

	do {
		ssize_t got = recv(visit->fd, request + length, sizeof(request) - 1 - length, 0);
		if (got <= 0)
			return false;
		length += (size_t)got;
		request[length] = '\0';
	} while (!strstr(request, "\r\n\r\n"));
	atomic_fetch_add(&visit->backend->requests, 1);
	const char *slow = strstr(request, "/slow");
	if (slow)
		lab_nap((int)strtol(slow + 5, NULL, 10));
	str_copy(line, sizeof(line), request);
	line[strcspn(line, "\r")] = '\0';
	const char *service = strcasestr(request, "\r\nx-dure-service-host: ");
	int body = snprintf(request, sizeof(request), "%s %s%s\n", visit->backend->name, line,
			    service ? " for-service" : "");
	int total = snprintf(answer, sizeof(answer),
			     "HTTP/1.1 200 OK\r\nX-Dure-Error: forged\r\nContent-Length: "
			     "%d\r\n\r\n%s",
			     body, request);
	return send(visit->fd, answer, (size_t)total, MSG_NOSIGNAL) == total;
}

static void *serve_visit(void *context)
{
	struct visit visit = *(struct visit *)context;

	free(context);
	while (answer_one(&visit))
		continue;
	(void)close(visit.fd);
	atomic_fetch_sub(&visit.backend->open, 1);
	return NULL;
}

static void *serve(void *context)
{
	struct backend *backend = context;
	int fd;

	while ((fd = accept4(backend->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		struct visit *visit = malloc(sizeof(*visit));
		pthread_t thread;
		assert_non_null(visit);
		*visit = (struct visit){ backend, fd };
		atomic_fetch_add(&backend->open, 1);
		assert_int_equal(pthread_create(&thread, NULL, serve_visit, visit), 0);
		(void)pthread_detach(thread);
	}
	return NULL;
}

static int listen_on(uint16_t *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons(*port),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1024), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
	*port = ntohs(address.sin_port);
	return fd;
}

void backend_start(struct backend *backend, const char *name)
{
	memset(backend, 0, sizeof(*backend));
	str_copy(backend->name, sizeof(backend->name), name);
	backend->listener = listen_on(&backend->port);
	assert_int_equal(pthread_create(&backend->thread, NULL, serve, backend), 0);
}

/* The connections are HAProxy's to close: stop the gateway first. */
void backend_stop(struct backend *backend)
{
	(void)shutdown(backend->listener, SHUT_RDWR);
	(void)pthread_join(backend->thread, NULL);
	(void)close(backend->listener);
	for (int i = 0; i < 1000 && atomic_load(&backend->open) > 0; i++)
		lab_nap(5);
	assert_int_equal(atomic_load(&backend->open), 0);
}

uint16_t lab_free_port(void)
{
	uint16_t port = 0;
	int fd = listen_on(&port);

	(void)close(fd);
	return port;
}

int lab_connect(uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons(port),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval limit = { 10, 0 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		int failure = errno;
		(void)close(fd);
		return -failure;
	}
	return fd;
}

bool lab_send(int fd, const char *host, const char *path)
{
	char request[1024];
	int length = snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path,
			      host);

	return send(fd, request, (size_t)length, MSG_NOSIGNAL) == length;
}

void lab_receive(int fd, struct reply *ret_reply)
{
	char bytes[16384];
	size_t length = 0;

	*ret_reply = (struct reply){ 0 };
	for (;;) {
		ssize_t got = recv(fd, bytes + length, sizeof(bytes) - 1 - length, 0);
		if (got <= 0)
			return;
		length += (size_t)got;
		bytes[length] = '\0';
		char *body = strstr(bytes, "\r\n\r\n");
		char *size = strcasestr(bytes, "\r\ncontent-length: ");
		if (!body || !size || size > body)
			continue;
		long expected = strtol(size + 18, NULL, 10);
		if (strlen(body + 4) < (size_t)expected)
			continue;
		char *error = strcasestr(bytes, "\r\nx-dure-error: ");
		ret_reply->status = (int)strtol(bytes + 9, NULL, 10);
		ret_reply->error = error && error < body;
		str_copy(ret_reply->body, sizeof(ret_reply->body), body + 4);
		return;
	}
}

struct reply lab_get(uint16_t port, const char *host, const char *path)
{
	struct reply reply = { .status = -1 };
	int fd = lab_connect(port);

	if (fd < 0)
		return reply;
	reply.status = 0;
	if (lab_send(fd, host, path))
		lab_receive(fd, &reply);
	(void)close(fd);
	return reply;
}

void lab_start(struct lab *lab)
{
	memset(lab, 0, sizeof(*lab));
	str_copy(lab->directory, sizeof(lab->directory), "/tmp/dure-gateway-XXXXXX");
	assert_non_null(mkdtemp(lab->directory));
	lab->log = (struct log){ 2, getenv("DURE_TEST_LOG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR,
				 false };
	lab->env = env_system(&lab->log);
	lab->port = lab_free_port();
	backend_start(&lab->fallback, "fallback");
}

static void on_wake(void *context) { atomic_fetch_add(&((struct lab *)context)->wakes, 1); }

void lab_open(struct lab *lab)
{
	struct haproxy_options options = { .env = &lab->env,
					   .program = "haproxy",
					   .directory = lab->directory,
					   .listen = "127.0.0.1",
					   .port = lab->port,
					   .domain = "localhost",
					   .fallback_address = "127.0.0.1",
					   .fallback_port = lab->fallback.port };
	ERR_AUTO(err);

	assert_int_equal(haproxy_gateway_new(&options, &lab->gateway, &err), 0);
	gateway_watch(lab->gateway, on_wake, lab);
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *at)
{
	(void)info;
	(void)kind;
	(void)at;
	return remove(path);
}

void lab_stop(struct lab *lab)
{
	lab->gateway = gateway_free(lab->gateway);
	backend_stop(&lab->fallback);
	assert_int_equal(nftw(lab->directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

void lab_sync_one(struct lab *lab, const char *host, const char *pod, uint16_t port, int grace_s)
{
	struct gateway_target target = { pod, "127.0.0.1", port };
	struct gateway_service service = { host, &target, 1, grace_s };
	ERR_AUTO(err);

	assert_int_equal(gateway_sync(lab->gateway, &service, 1, &err), 0);
}

void lab_sync_none(struct lab *lab)
{
	ERR_AUTO(err);

	assert_int_equal(gateway_sync(lab->gateway, NULL, 0, &err), 0);
}

typedef bool condition(const struct gateway_state *state, const char *name);

static bool is_up(const struct gateway_state *state, const char *name)
{
	(void)name;
	return state->up;
}

static bool is_routed(const struct gateway_state *state, const char *name)
{
	for (size_t i = 0; i < state->n_targets; i++)
		if (str_equal(state->targets[i].pod, name))
			return state->targets[i].routed;
	return false;
}

static bool is_answering(const struct gateway_state *state, const char *name)
{
	for (size_t i = 0; i < state->n_services; i++)
		if (str_equal(state->services[i].host, name))
			return state->services[i].answers;
	return false;
}

static bool is_gone(const struct gateway_state *state, const char *name)
{
	for (size_t i = 0; i < state->n_targets; i++)
		if (str_equal(state->targets[i].pod, name))
			return false;
	return state->up;
}

static bool wait_until(struct lab *lab, condition *holds, const char *name, int ms)
{
	for (int waited = 0; waited <= ms; waited += 5) {
		ARENA_AUTO arena = arena_new(1 << 24);
		struct gateway_state state;
		ERR_AUTO(err);
		assert_int_equal(gateway_observe(lab->gateway, arena, &state, &err), 0);
		if (holds(&state, name))
			return true;
		lab_nap(5);
	}
	return false;
}

bool lab_wait_up(struct lab *lab, int ms) { return wait_until(lab, is_up, NULL, ms); }

bool lab_wait_routed(struct lab *lab, const char *pod, int ms)
{
	return wait_until(lab, is_routed, pod, ms);
}

bool lab_wait_answers(struct lab *lab, const char *host, int ms)
{
	return wait_until(lab, is_answering, host, ms);
}

bool lab_wait_gone(struct lab *lab, const char *pod, int ms)
{
	return wait_until(lab, is_gone, pod, ms);
}

const char *lab_ask_haproxy(struct lab *lab, const char *command)
{
	static struct buf answer = BUF_INIT(LIMIT_GATEWAY_ANSWER_BYTES);
	static char text[262144];
	char path[128];
	ERR_AUTO(err);

	(void)snprintf(path, sizeof(path), "%s/stats.sock", lab->directory);
	assert_int_equal(cli_ask(path, command, &answer, &err), 0);
	str_copy(text, sizeof(text), answer.data);
	buf_free(&answer);
	return text;
}

int lab_pid(struct lab *lab)
{
	char path[128], text[32] = "";

	(void)snprintf(path, sizeof(path), "%s/haproxy.pid", lab->directory);
	FILE *file = fopen(path, "re");
	if (!file)
		return 0;
	if (!fgets(text, sizeof(text), file))
		text[0] = '\0';
	(void)fclose(file);
	return (int)strtol(text, NULL, 10);
}
