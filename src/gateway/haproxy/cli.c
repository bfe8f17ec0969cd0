#include "gateway/haproxy/cli.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/strings.h"

#define CLI_TIMEOUT_MS 3000
#define COLUMNS_MAX 32
#define COMMAND_MAX 1024

static int connect_socket(const char *path, struct err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval limit = { CLI_TIMEOUT_MS / 1000, 0 };

	if (strlen(path) >= sizeof(address.sun_path))
		return err_set(err, ERR_INTERNAL, "the path %s is too long for a socket", path);
	str_copy(address.sun_path, sizeof(address.sun_path), path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_set_errno(err, ERR_UNAVAILABLE, errno, "no socket for HAProxy");
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		err_set_errno(err, ERR_UNAVAILABLE, errno, "HAProxy's socket %s", path);
		(void)close(fd);
		return -1;
	}
	return fd;
}

static int64_t monotonic_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int send_all(int fd, const char *data, size_t length)
{
	while (length > 0) {
		ssize_t sent = send(fd, data, length, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return -1;
		data += sent;
		length -= (size_t)sent;
	}
	return 0;
}

static int receive_all(int fd, struct buf *answer)
{
	int64_t deadline = monotonic_ms() + CLI_TIMEOUT_MS;
	char bytes[16384];

	for (;;) {
		ssize_t got = recv(fd, bytes, sizeof(bytes), 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			return 0;
		buf_append(answer, bytes, (size_t)got);
		if (answer->failed || monotonic_ms() > deadline) {
			errno = answer->failed ? EMSGSIZE : ETIMEDOUT;
			return -1;
		}
	}
}

int cli_ask(const char *socket_path, const char *command, struct buf *answer, struct err *err)
{
	int fd = connect_socket(socket_path, err);

	buf_clear(answer);
	if (fd < 0)
		return -1;
	/* The master's socket stays open until our side is shut; the worker's does not mind. */
	int status = send_all(fd, command, strlen(command));
	if (status == 0)
		status = send_all(fd, "\n", 1);
	if (status == 0 && shutdown(fd, SHUT_WR) == 0)
		status = receive_all(fd, answer);
	if (status < 0)
		err_set_errno(err, ERR_UNAVAILABLE, errno, "HAProxy did not answer \"%s\"",
			      command);
	(void)close(fd);
	if (status == 0 && !answer->data) {
		buf_puts(answer, "");
		if (answer->failed)
			return err_oom(err);
	}
	return status;
}

static bool is_blank(const char *text) { return text[strspn(text, " \r\n")] == '\0'; }

int cli_do(const char *socket_path, const char *success, struct err *err, const char *format, ...)
{
	BUF_AUTO answer = BUF_INIT(LIMIT_GATEWAY_ANSWER_BYTES);
	char command[COMMAND_MAX];
	va_list args;

	va_start(args, format);
	int length = vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	if (length < 0 || (size_t)length >= sizeof(command))
		return err_set(err, ERR_INTERNAL, "a command to HAProxy is too long");
	if (cli_ask(socket_path, command, &answer, err) < 0)
		return -1;
	if (is_blank(answer.data) || (success && strstr(answer.data, success)))
		return 0;
	answer.data[strcspn(answer.data, "\r\n")] = '\0';
	return err_set(err, ERR_CONFLICT, "HAProxy refused \"%s\": %s", command, answer.data);
}

int cli_info(const char *socket_path, pid_t *ret_worker, char *node, size_t node_size,
	     struct err *err)
{
	BUF_AUTO answer = BUF_INIT(LIMIT_GATEWAY_ANSWER_BYTES);
	int64_t pid = 0;

	if (cli_ask(socket_path, "show info", &answer, err) < 0)
		return -1;
	if (node_size > 0)
		node[0] = '\0';
	char *cursor = answer.data;
	for (char *line; (line = strsep(&cursor, "\n"));) {
		if (str_starts(line, "Pid: "))
			(void)str_to_int64(line + 5, 2, INT32_MAX, &pid);
		else if (str_starts(line, "node: "))
			str_copy(node, node_size, line + 6);
	}
	if (pid == 0)
		return err_set(err, ERR_UNAVAILABLE, "HAProxy does not say its process id");
	*ret_worker = (pid_t)pid;
	return 0;
}

/* Cuts a line at `separator`; how many columns. */
static size_t split(char *line, const char *separator, const char *columns[COLUMNS_MAX])
{
	size_t count = 0;

	for (char *part; count < COLUMNS_MAX && (part = strsep(&line, separator));)
		columns[count++] = part;
	return count;
}

static int64_t number(const char *text)
{
	int64_t value = 0;

	(void)str_to_int64(text, 0, INT64_MAX, &value);
	return value;
}

bool cli_next_state(char **cursor, struct cli_server *ret_server)
{
	const char *columns[COLUMNS_MAX];

	for (char *line; (line = strsep(cursor, "\n"));) {
		if (line[0] == '#' || split(line, " ", columns) < 19)
			continue;
		int64_t admin = number(columns[6]);
		*ret_server = (struct cli_server){ .backend = columns[1],
						   .name = columns[3],
						   .address = columns[4],
						   .port = (uint16_t)number(columns[18]),
						   .up = number(columns[5]) != 0,
						   .drain = (admin & 0x08) != 0,
						   .maint = (admin & 0x05) != 0 };
		return true;
	}
	return false;
}

bool cli_next_stat(char **cursor, struct cli_server *ret_server)
{
	const char *columns[COLUMNS_MAX];

	for (char *line; (line = strsep(cursor, "\n"));) {
		if (line[0] == '#' || split(line, ",", columns) < 18)
			continue;
		const char *status = columns[17];
		*ret_server = (struct cli_server){ .backend = columns[0],
						   .name = columns[1],
						   .sessions = number(columns[4]),
						   .up = str_starts(status, "UP") ||
							 str_starts(status, "no check"),
						   .drain = str_starts(status, "DRAIN"),
						   .maint = str_starts(status, "MAINT") };
		return true;
	}
	return false;
}

bool cli_next_conn(char **cursor, struct cli_server *ret_server)
{
	const char *columns[COLUMNS_MAX];

	for (char *line; (line = strsep(cursor, "\n"));) {
		char *slash = strchr(line, '/');
		if (line[0] == '#' || !slash || split(line, " ", columns) < 7)
			continue;
		*slash = '\0';
		*ret_server = (struct cli_server){ .backend = columns[0],
						   .name = slash + 1,
						   .sessions = number(columns[6]) };
		return true;
	}
	return false;
}

bool cli_next_session(char **cursor, const char *backend, const char *server, const char **ret_id)
{
	char wanted[COMMAND_MAX];

	(void)snprintf(wanted, sizeof(wanted), " be=%s srv=%s ", backend, server);
	for (char *line; (line = strsep(cursor, "\n"));) {
		char *end = strchr(line, ':');
		if (!end || !str_starts(line, "0x") || !strstr(line, wanted))
			continue;
		*end = '\0';
		*ret_id = line;
		return true;
	}
	return false;
}

bool cli_next_map(char **cursor, const char **ret_key, const char **ret_value)
{
	const char *columns[COLUMNS_MAX];

	for (char *line; (line = strsep(cursor, "\n"));) {
		if (split(line, " ", columns) < 3)
			continue;
		*ret_key = columns[1];
		*ret_value = columns[2];
		return true;
	}
	return false;
}

bool cli_next_old_worker(char **cursor, pid_t *ret_pid)
{
	char *start = *cursor ? strstr(*cursor, "# old workers") : NULL;

	if (start) /* skip to the section; later calls stand in it */
		*cursor = start;
	else if (*cursor && (*cursor)[0] == '#')
		*cursor = NULL;
	for (char *line; (line = strsep(cursor, "\n"));) {
		if (str_starts(line, "# programs"))
			break;
		line[strcspn(line, " \t")] = '\0';
		int64_t pid = number(line);
		if (pid > 1 && pid <= INT32_MAX) {
			*ret_pid = (pid_t)pid;
			return true;
		}
	}
	*cursor = NULL;
	return false;
}
