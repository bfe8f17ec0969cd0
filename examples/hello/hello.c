/* hello: the example workload. A small static HTTP/1.1 server in one epoll loop that shows which
 * pod answers, on which node, with which GPUs, its environment and how many requests it has had.
 *
 *     /            text, or HTML when the client prefers it
 *     /json        the same as JSON
 *     /healthz     "ok"
 *     /slow?ms=N   answers after N milliseconds (at most 60,000)
 *     /bytes?n=N   N bytes (at most 1 GiB)
 *     /exit?code=N answers, then the process ends with that code
 *     /eat?mb=N    takes that much memory and keeps it
 *
 * Arguments: [PORT] [--listen-after MS] [--exit-after MS] [--code N] [--say TEXT]. The port is
 * otherwise $PORT, otherwise 8080. SIGTERM lets answers under way finish and ends with 0. */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 4096 /* descriptors of one small server */
#define REQUEST_MAX 8192     /* request line and headers; bodies are read and dropped */
#define ANSWER_MAX 65536     /* head and body of every answer but /bytes */
#define SLOW_MAX_MS 60000
#define BYTES_MAX (INT64_C(1) << 30)
#define EAT_MAX_MB 65536

enum phase { READING, WAITING, WRITING };

struct connection {
	int fd; /* -1: free */
	enum phase phase;
	bool close_after;
	bool exit_after;
	size_t have;       /* bytes in `in` */
	size_t out_length; /* bytes in `out` */
	size_t out_sent;
	int64_t fill_left;  /* bytes of /bytes still to send behind `out` */
	int64_t skip_left;  /* bytes of a request body still to drop */
	int64_t answer_at;  /* ms: when a /slow answer is due */
	uint32_t waits_for; /* what epoll watches */
	char in[REQUEST_MAX];
	char *out; /* ANSWER_MAX bytes, allocated with the first answer */
};

struct options {
	int port;
	int64_t listen_after_ms;
	int64_t exit_after_ms; /* -1: never */
	int code;
	const char *say;
};

struct server {
	struct options options;
	int epoll_fd;
	int listen_fd;
	int64_t requests;
	int64_t slow; /* connections that wait */
	int exit_code;
	bool ending;
	sigset_t unblocked; /* SIGTERM comes in only while epoll waits, so that none is missed */
	struct connection *connections[CONNECTIONS_MAX]; /* by descriptor */
};

static volatile sig_atomic_t stop_asked;
static char filling[65536];

static void on_stop(int signal_number)
{
	(void)signal_number;
	stop_asked = 1;
}

static int64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void sleep_ms(int64_t ms)
{
	struct timespec wait = { ms / 1000, ms % 1000 * 1000000 };

	(void)nanosleep(&wait, NULL);
}

static int64_t number_of(const char *text, int64_t max)
{
	char *end = NULL;

	errno = 0;
	long long value = strtoll(text, &end, 10);
	if (errno || end == text || value < 0)
		return 0;
	return value > max ? max : value;
}

static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value ? value : "";
}

/* Text that grows within a fixed buffer and is cut at its end. */
struct text {
	char *data;
	size_t length;
	size_t size;
};

static void add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct text *text, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int n = vsnprintf(text->data + text->length, text->size - text->length, format, args);
	va_end(args);
	if (n > 0)
		text->length += (size_t)n;
	if (text->length >= text->size)
		text->length = text->size - 1;
}

static void add_html(struct text *text, const char *plain)
{
	for (; *plain; plain++) {
		switch (*plain) {
		case '<': add(text, "&lt;"); break;
		case '>': add(text, "&gt;"); break;
		case '&': add(text, "&amp;"); break;
		default: add(text, "%c", *plain); break;
		}
	}
}

static void add_json(struct text *text, const char *plain, size_t length)
{
	add(text, "\"");
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)plain[i];
		if (c == '"' || c == '\\')
			add(text, "\\%c", c);
		else if (c < 0x20)
			add(text, "\\u%04x", c);
		else
			add(text, "%c", c);
	}
	add(text, "\"");
}

/* What the user and Dure set, not what every container has. */
static bool is_shown(const char *entry)
{
	static const char *const usual[] = { "PATH=", "HOSTNAME=", "HOME=", "TERM=" };

	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
		if (strncmp(entry, usual[i], strlen(usual[i])) == 0)
			return false;
	return strchr(entry, '=') != NULL;
}

static void show_text(const struct server *server, struct text *body)
{
	const char *gpu = variable("DURE_GPU_MODEL");

	add(body, "Hello from pod %s\n", variable("DURE_POD"));
	add(body, "workload  %s\nnode      %s\n", variable("DURE_WORKLOAD"), variable("DURE_NODE"));
	add(body, "gpu       %s%s%s%s\n", *gpu ? gpu : "none", *gpu ? " x " : "",
	    *gpu ? variable("DURE_GPU_COUNT") : "",
	    strcmp(variable("DURE_GPU_SIMULATED"), "1") == 0 ? " (simulated)" : "");
	add(body, "requests  %" PRId64 "\n\n", server->requests);
	for (char **entry = environ; *entry; entry++)
		if (is_shown(*entry))
			add(body, "%s\n", *entry);
}

static void show_html(const struct server *server, struct text *body)
{
	static char plain[ANSWER_MAX / 8];
	struct text inner = { plain, 0, sizeof(plain) };

	show_text(server, &inner);
	add(body, "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">"
		  "<title>hello</title><body style=\"font-family:sans-serif\"><pre>");
	add_html(body, plain);
	add(body, "</pre></body></html>\n");
}

static void show_json(const struct server *server, struct text *body)
{
	bool first = true;

	add(body, "{\"pod\":");
	add_json(body, variable("DURE_POD"), strlen(variable("DURE_POD")));
	add(body, ",\"workload\":");
	add_json(body, variable("DURE_WORKLOAD"), strlen(variable("DURE_WORKLOAD")));
	add(body, ",\"node\":");
	add_json(body, variable("DURE_NODE"), strlen(variable("DURE_NODE")));
	add(body, ",\"requests\":%" PRId64 ",\"env\":{", server->requests);
	for (char **entry = environ; *entry; entry++) {
		if (!is_shown(*entry))
			continue;
		size_t name = (size_t)(strchr(*entry, '=') - *entry);
		add(body, "%s", first ? "" : ",");
		add_json(body, *entry, name);
		add(body, ":");
		add_json(body, *entry + name + 1, strlen(*entry + name + 1));
		first = false;
	}
	add(body, "}}\n");
}

static void answer(struct connection *connection, int status, const char *type,
		   const struct text *body, int64_t length)
{
	static const char *const reasons[] = { "OK", "Bad Request", "Not Found" };
	const char *reason = reasons[status == 200 ? 0 : status == 400 ? 1 : 2];

	struct text out = { connection->out, 0, ANSWER_MAX };
	add(&out,
	    "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %" PRId64
	    "\r\nX-Dure-Pod: %s\r\nConnection: %s\r\n\r\n",
	    status, reason, type, body ? (int64_t)body->length : length, variable("DURE_POD"),
	    connection->close_after ? "close" : "keep-alive");
	if (body && body->length < out.size - out.length) {
		memcpy(out.data + out.length, body->data, body->length);
		out.length += body->length;
	}
	connection->out_length = out.length;
	connection->out_sent = 0;
	connection->phase = WRITING;
}

static void eat(int64_t megabytes)
{
	static void *eaten[EAT_MAX_MB]; /* kept until the process ends */
	static size_t n;

	for (; megabytes > 0 && n < EAT_MAX_MB; megabytes--) {
		eaten[n] = malloc(1 << 20);
		if (!eaten[n])
			return;
		memset(eaten[n++], 1, 1 << 20);
	}
}

static int64_t query_number(const char *path, const char *key, int64_t max)
{
	const char *found = strchr(path, '?');

	return found && strncmp(found + 1, key, strlen(key)) == 0
		       ? number_of(found + 1 + strlen(key), max)
		       : 0;
}

static bool is_path(const char *path, const char *wanted)
{
	size_t length = strlen(wanted);

	return strncmp(path, wanted, length) == 0 && (path[length] == '\0' || path[length] == '?');
}

static void route(struct server *server, struct connection *connection, const char *path,
		  bool prefers_html)
{
	static char space[ANSWER_MAX / 2];
	struct text body = { space, 0, sizeof(space) };
	const char *type = "text/plain; charset=utf-8";
	int status = 200;

	server->requests++;
	if (is_path(path, "/bytes")) {
		connection->fill_left = query_number(path, "n=", BYTES_MAX);
		answer(connection, 200, "application/octet-stream", NULL, connection->fill_left);
		return;
	}
	if (is_path(path, "/") && prefers_html) {
		type = "text/html; charset=utf-8";
		show_html(server, &body);
	} else if (is_path(path, "/")) {
		show_text(server, &body);
	} else if (is_path(path, "/json")) {
		type = "application/json";
		show_json(server, &body);
	} else if (is_path(path, "/healthz")) {
		add(&body, "ok\n");
	} else if (is_path(path, "/slow")) {
		add(&body, "slept\n");
		connection->answer_at = now_ms() + query_number(path, "ms=", SLOW_MAX_MS);
	} else if (is_path(path, "/exit")) {
		server->exit_code = (int)query_number(path, "code=", 255);
		connection->exit_after = true;
		add(&body, "ending with %d\n", server->exit_code);
	} else if (is_path(path, "/eat")) {
		eat(query_number(path, "mb=", EAT_MAX_MB));
		add(&body, "eaten\n");
	} else {
		status = 404;
		add(&body, "there is no %s here\n", path);
	}
	answer(connection, status, type, &body, 0);
	if (connection->answer_at > 0) {
		connection->phase = WAITING;
		server->slow++;
	}
}

static const char *header(char *head, const char *name)
{
	for (char *line = strstr(head, "\r\n"); line; line = strstr(line + 2, "\r\n"))
		if (strncasecmp(line + 2, name, strlen(name)) == 0)
			return line + 2 + strlen(name);
	return NULL;
}

static bool line_has(const char *line, const char *word)
{
	const char *end = line ? strstr(line, "\r\n") : NULL;
	const char *found = line ? strcasestr(line, word) : NULL;

	return found && end && found < end;
}

/* One whole request stands in `in`, its head `length` bytes long with the empty line. */
static void handle(struct server *server, struct connection *connection, size_t length)
{
	char *head = connection->in;
	char saved = head[length];
	char path[1024] = "";

	head[length] = '\0';
	const char *start = strchr(head, ' ');
	const char *end = start ? strpbrk(start + 1, " \r") : NULL;
	bool bad = !end || end - start > (int)sizeof(path) - 1 || start[1] != '/';
	bool http10 = end && strncmp(end, " HTTP/1.0", 9) == 0;
	const char *body_length = header(head, "content-length:");
	bool html = line_has(header(head, "accept:"), "text/html");
	connection->close_after =
		bad || server->ending || http10 || line_has(header(head, "connection:"), "close");
	connection->skip_left = body_length ? number_of(body_length, INT64_MAX) : 0;
	if (!bad)
		memcpy(path, start + 1, (size_t)(end - start - 1));
	head[length] = saved;
	connection->have -= length;
	memmove(head, head + length, connection->have);
	if (!bad) {
		route(server, connection, path, html);
		return;
	}
	static char words[] = "that is not a request\n";
	struct text body = { words, sizeof(words) - 1, sizeof(words) };
	answer(connection, 400, "text/plain; charset=utf-8", &body, 0);
}

static void drop(struct server *server, struct connection *connection)
{
	if (connection->phase == WAITING)
		server->slow--;
	server->connections[connection->fd] = NULL;
	(void)close(connection->fd);
	free(connection->out);
	free(connection);
}

static void watch(struct server *server, struct connection *connection, uint32_t what)
{
	struct epoll_event event = { .events = what, .data.fd = connection->fd };

	if (connection->waits_for == what)
		return;
	connection->waits_for = what;
	(void)epoll_ctl(server->epoll_fd, EPOLL_CTL_MOD, connection->fd, &event);
}

/* 1: all is sent; 0: the socket is full; -1: the client has gone. */
static int send_out(struct connection *connection)
{
	while (connection->out_sent < connection->out_length || connection->fill_left > 0) {
		bool head = connection->out_sent < connection->out_length;
		size_t left = head ? connection->out_length - connection->out_sent
				   : (size_t)connection->fill_left;
		if (!head && left > sizeof(filling))
			left = sizeof(filling);
		ssize_t n = send(connection->fd,
				 head ? connection->out + connection->out_sent : filling, left,
				 MSG_NOSIGNAL);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -1;
		if (head)
			connection->out_sent += (size_t)n;
		else
			connection->fill_left -= n;
	}
	return 1;
}

/* 1: something arrived; 0: nothing now; -1: the client has gone or talks nonsense. */
static int receive(struct connection *connection)
{
	if (connection->have >= sizeof(connection->in) - 1)
		return -1;
	ssize_t n = recv(connection->fd, connection->in + connection->have,
			 sizeof(connection->in) - 1 - connection->have, 0);
	if (n == 0)
		return -1;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	connection->have += (size_t)n;
	connection->in[connection->have] = '\0';
	return 1;
}

static bool next_request(struct server *server, struct connection *connection)
{
	if (connection->skip_left > 0) {
		size_t n = connection->have;
		if ((int64_t)n > connection->skip_left)
			n = (size_t)connection->skip_left;
		connection->have -= n;
		connection->skip_left -= (int64_t)n;
		memmove(connection->in, connection->in + n, connection->have);
		connection->in[connection->have] = '\0';
		if (connection->skip_left > 0)
			return false;
	}
	char *end = connection->have > 0 ? strstr(connection->in, "\r\n\r\n") : NULL;
	if (!end)
		return false;
	handle(server, connection, (size_t)(end - connection->in) + 4);
	connection->in[connection->have] = '\0';
	return true;
}

/* Goes on with a connection as far as it can now; false when it was dropped. */
static bool proceed(struct server *server, struct connection *connection)
{
	for (;;) {
		if (connection->phase == WAITING) {
			watch(server, connection, 0);
			return true;
		}
		if (connection->phase == WRITING) {
			int r = send_out(connection);
			if (r == 0) {
				watch(server, connection, EPOLLOUT);
				return true;
			}
			if (r > 0 && connection->exit_after)
				exit(server->exit_code);
			if (r < 0 || connection->close_after)
				break;
			connection->phase = READING;
		}
		if (next_request(server, connection))
			continue;
		int r = receive(connection);
		if (r < 0)
			break;
		if (r == 0) {
			watch(server, connection, EPOLLIN);
			return true;
		}
	}
	drop(server, connection);
	return false;
}

static void accept_all(struct server *server)
{
	for (;;) {
		int on = 1;
		int fd = accept4(server->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			return;
		struct connection *connection =
			fd < CONNECTIONS_MAX ? calloc(1, sizeof(*connection)) : NULL;
		if (connection)
			connection->out = malloc(ANSWER_MAX);
		if (!connection || !connection->out) {
			free(connection);
			(void)close(fd);
			continue;
		}
		connection->fd = fd;
		connection->waits_for = EPOLLIN;
		server->connections[fd] = connection;
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };
		(void)epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, fd, &event);
		(void)proceed(server, connection);
	}
}

/* Sends the /slow answers that are due; gives the wait until the next one, -1 when none waits. */
static int answer_slow(struct server *server)
{
	int64_t now = now_ms(), next = -1;

	if (server->slow == 0)
		return -1;
	for (int fd = 0; fd < CONNECTIONS_MAX; fd++) {
		struct connection *connection = server->connections[fd];
		if (!connection || connection->phase != WAITING)
			continue;
		if (connection->answer_at <= now) {
			server->slow--;
			connection->answer_at = 0;
			connection->phase = WRITING;
			(void)proceed(server, connection);
		} else if (next < 0 || connection->answer_at - now < next) {
			next = connection->answer_at - now;
		}
	}
	return (int)next;
}

static int64_t connections_busy(const struct server *server)
{
	int64_t n = 0;

	for (int fd = 0; fd < CONNECTIONS_MAX; fd++)
		if (server->connections[fd] && server->connections[fd]->phase != READING)
			n++;
	return n;
}

static int listen_on(int port)
{
	struct sockaddr_in6 address = { .sin6_family = AF_INET6,
					.sin6_port = htons((uint16_t)port),
					.sin6_addr = IN6ADDR_ANY_INIT };
	struct sockaddr_in old = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int on = 1, off = 0;
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd >= 0) {
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		if (bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
		    listen(fd, SOMAXCONN) == 0)
			return fd;
		(void)close(fd);
	}
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0); /* no IPv6 here */
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (fd >= 0 && bind(fd, (struct sockaddr *)&old, sizeof(old)) == 0 &&
	    listen(fd, SOMAXCONN) == 0)
		return fd;
	return -1;
}

static int wait_time(const struct server *server, int64_t started, int slow)
{
	int64_t wait = slow;

	if (server->options.exit_after_ms >= 0) {
		int64_t left = started + server->options.exit_after_ms - now_ms();
		left = left < 0 ? 0 : left;
		wait = wait < 0 || left < wait ? left : wait;
	}
	return (int)wait;
}

static int serve(struct server *server)
{
	struct epoll_event events[256];
	int64_t started = now_ms();
	int slow = -1;

	while (!(server->ending && connections_busy(server) == 0)) {
		int n = epoll_pwait(server->epoll_fd, events, 256, wait_time(server, started, slow),
				    &server->unblocked);
		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;
			if (fd == server->listen_fd)
				accept_all(server);
			else if (server->connections[fd])
				(void)proceed(server, server->connections[fd]);
		}
		slow = answer_slow(server);
		if (stop_asked && !server->ending) {
			server->ending = true;
			(void)close(server->listen_fd);
			puts("hello: stopping");
		}
		if (server->options.exit_after_ms >= 0 &&
		    now_ms() - started >= server->options.exit_after_ms) {
			fprintf(stderr, "hello: ending with code %d\n", server->options.code);
			return server->options.code;
		}
	}
	return 0;
}

static int parse_options(int argc, char **argv, struct options *options)
{
	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : "";
		if (strcmp(argv[i], "--listen-after") == 0 && i++)
			options->listen_after_ms = number_of(value, INT32_MAX);
		else if (strcmp(argv[i], "--exit-after") == 0 && i++)
			options->exit_after_ms = number_of(value, INT32_MAX);
		else if (strcmp(argv[i], "--code") == 0 && i++)
			options->code = (int)number_of(value, 255);
		else if (strcmp(argv[i], "--say") == 0 && i++)
			options->say = value;
		else
			options->port = (int)number_of(argv[i], 65535);
	}
	return options->port >= 1 ? 0 : -1;
}

int main(int argc, char **argv)
{
	static struct server server;
	struct sigaction stop = { .sa_handler = on_stop };
	const char *port = getenv("PORT");

	server.options =
		(struct options){ port ? (int)number_of(port, 65535) : 8080, 0, -1, 1, NULL };
	if (parse_options(argc, argv, &server.options) < 0) {
		fputs("hello: the port must be 1 to 65535\n", stderr);
		return 2;
	}
	sigset_t stops;
	(void)sigemptyset(&stops);
	(void)sigaddset(&stops, SIGTERM);
	(void)sigaddset(&stops, SIGINT);
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	(void)sigaction(SIGTERM, &stop, NULL);
	(void)sigaction(SIGINT, &stop, NULL);
	memset(filling, 'x', sizeof(filling));
	if (server.options.say)
		puts(server.options.say);
	sleep_ms(server.options.listen_after_ms);
	(void)sigprocmask(SIG_BLOCK, &stops, &server.unblocked);
	server.listen_fd = listen_on(server.options.port);
	server.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = { .events = EPOLLIN, .data.fd = server.listen_fd };
	if (server.listen_fd < 0 || server.epoll_fd < 0 ||
	    epoll_ctl(server.epoll_fd, EPOLL_CTL_ADD, server.listen_fd, &event) < 0) {
		perror("hello: cannot listen");
		return 1;
	}
	printf("hello: listening on port %d\n", server.options.port);
	return serve(&server);
}
