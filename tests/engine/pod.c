/* A pod for the engine tests: static, one file, misbehaves on request.
 *
 *   pod serve [PORT]        answers every request with 200 and its name
 *   pod exit CODE MS        writes two lines, ends after MS
 *   pod eat                 takes memory until it is killed
 *   pod mute                runs, never listens
 *   pod stubborn [PORT]     serves, ignores SIGTERM */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A container's first process gets no default action: it must say that it ends. */
static void end(int number)
{
	(void)number;
	_exit(0);
}

static void serve(int port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	const char *name = getenv("DURE_POD");
	int yes = 1, listener = socket(AF_INET, SOCK_STREAM, 0);

	(void)setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(listener, 64) < 0) {
		perror("listen");
		exit(9);
	}
	printf("listening on %d\n", port);
	for (;;) {
		char request[4096], answer[512];
		int fd = accept(listener, NULL, NULL);
		if (fd < 0)
			continue;
		if (read(fd, request, sizeof(request)) > 0) {
			int length = snprintf(answer, sizeof(answer),
					      "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n"
					      "Connection: close\r\n\r\n%s",
					      strlen(name ? name : ""), name ? name : "");
			(void)!write(fd, answer, (size_t)length);
		}
		close(fd);
	}
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "serve";

	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGTERM, end);
	if (strcmp(mode, "exit") == 0 && argc > 3) {
		printf("about to end\n");
		fprintf(stderr, "with code %s\n", argv[2]);
		usleep((useconds_t)strtol(argv[3], NULL, 10) * 1000);
		return (int)strtol(argv[2], NULL, 10);
	}
	if (strcmp(mode, "eat") == 0) {
		for (;;) {
			char *piece = malloc(1 << 20);
			if (piece)
				memset(piece, 1, 1 << 20);
		}
	}
	if (strcmp(mode, "mute") == 0)
		for (;;)
			pause();
	if (strcmp(mode, "stubborn") == 0) {
		signal(SIGTERM, SIG_IGN);
		mode = "serve";
	}
	if (strcmp(mode, "serve") == 0)
		serve(argc > 2 ? (int)strtol(argv[2], NULL, 10) : 8080);
	fprintf(stderr, "unknown mode %s\n", mode);
	return 2;
}
