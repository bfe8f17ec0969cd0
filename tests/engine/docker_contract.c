/* The engine contract against a real Docker. test_docker.sh runs it, with a daemon of its own. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/strings.h"
#include "contract.h"
#include "engine/docker/docker.h"

static struct log test_log = { STDERR_FILENO, LOG_LEVEL_WARNING, false };
static struct env test_env;

/* Output of a shell command of this file, at most size - 1 bytes. Given up on, it ends the test. */
static void run(const char *command, char *out, size_t size)
{
	char *const argv[] = { "sh", "-c", (char *)command, NULL };
	posix_spawn_file_actions_t actions;
	size_t length = 0;
	int ends[2];
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) < 0)
		exit(1);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	int status = posix_spawn(&child, "/bin/sh", &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	if (status != 0) {
		fprintf(stderr, "%s: %s\n", command, strerror(status));
		exit(1);
	}
	for (ssize_t got;
	     length < size - 1 && (got = read(ends[0], out + length, size - 1 - length)) > 0;)
		length += (size_t)got;
	out[length] = '\0';
	close(ends[0]);
	(void)waitpid(child, NULL, 0);
}

static struct engine *new_engine(const char *instance)
{
	const struct docker_options options = { .env = &test_env,
						.socket = getenv("DURE_DOCKER_SOCKET"),
						.instance = instance,
						.network_pool = "10.213.0.0/16" };
	struct engine *engine = NULL;
	ERR_AUTO(err);

	if (docker_engine_new(&options, &engine, &err) < 0) {
		fprintf(stderr, "docker_engine_new: %s\n", err.message);
		exit(1);
	}
	return engine;
}

static int count_left(const char *instance)
{
	char command[512], out[64];

	(void)snprintf(command, sizeof(command),
		       "{ docker ps -aq -f label=dev.dure.instance=%s;"
		       " docker network ls -q -f label=dev.dure.instance=%s; } | wc -l",
		       instance, instance);
	run(command, out, sizeof(out));
	return (int)strtol(out, NULL, 10);
}

static bool http_get(const char *address, int port, char *out, size_t size)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	struct timeval timeout = { 5, 0 };
	char answer[4096];
	size_t length = 0;

	int fd = socket(AF_INET, SOCK_STREAM, 0);
	(void)inet_pton(AF_INET, address, &to.sin_addr);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 &&
	    write(fd, request, sizeof(request) - 1) > 0)
		for (ssize_t got;
		     length < sizeof(answer) - 1 &&
		     (got = read(fd, answer + length, sizeof(answer) - 1 - length)) > 0;)
			length += (size_t)got;
	close(fd);
	answer[length] = '\0';
	const char *body = strstr(answer, "\r\n\r\n");
	str_copy(out, size, body ? body + 4 : "");
	return str_starts(answer, "HTTP/1.1 200 ") && body;
}

static void restart_daemon(void)
{
	char out[4096];

	run("pid=$(cat $DURE_SANDBOX_DOCKER_PID); kill -TERM $pid;"
	    " while kill -0 $pid 2>/dev/null; do sleep 0.1; done; $DURE_SANDBOX_DOCKERD &"
	    " until docker version >/dev/null 2>&1; do sleep 0.1; done",
	    out, sizeof(out));
}

static void remove_container(const char *pod)
{
	char command[256], out[256];

	(void)snprintf(command, sizeof(command), "docker rm -f %s", pod);
	run(command, out, sizeof(out));
}

static void inspect(const char *pod, char *out, size_t size)
{
	char command[256];

	(void)snprintf(command, sizeof(command), "docker inspect %s", pod);
	run(command, out, size);
}

int main(void)
{
	const struct world world = { .image = getenv("DURE_TEST_IMAGE"),
				     .missing_image = "127.0.0.1:5000/nobody/has-this:1",
				     .engine = new_engine,
				     .left = count_left,
				     .get = http_get,
				     .restart = restart_daemon,
				     .remove = remove_container,
				     .inspect = inspect };

	if (!world.image || !getenv("DURE_DOCKER_SOCKET")) {
		fprintf(stderr, "run me by tests/engine/test_docker.sh\n");
		return 77;
	}
	test_env = env_system(&test_log);
	return contract_run(&world);
}
