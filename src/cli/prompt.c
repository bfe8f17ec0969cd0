#include "cli/prompt.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* Ctrl-C. While echo is off it comes as a character: a signal would leave the terminal mute. */
#define INTERRUPT '\003'

/* Reads up to the newline, byte by byte: what stands behind it is the next reader's. */
static int read_line(int fd, char *out, size_t size)
{
	size_t used = 0;
	char c;
	ssize_t got;

	while ((got = read(fd, &c, 1)) == 1 && c != '\n') {
		if (c == INTERRUPT || used + 1 >= size)
			return -1;
		out[used++] = c;
	}
	while (used > 0 && out[used - 1] == '\r')
		used--;
	out[used] = '\0';
	return used > 0 || got == 1 ? 0 : -1;
}

int prompt_line(const char *question, bool secret, char *out, size_t size, struct err *err)
{
	struct termios before, silent;
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return err_set(err, ERR_INVALID,
			       "there is no terminal to ask for \"%s\"; give --user and "
			       "--password-stdin",
			       question);
	bool hidden = secret && tcgetattr(fd, &before) == 0;
	if (hidden) {
		silent = before;
		silent.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ISIG);
		silent.c_cc[VEOL] = INTERRUPT; /* it ends the line, so that it is read at once */
		(void)tcsetattr(fd, TCSAFLUSH, &silent);
	}
	dprintf(fd, "%s: ", question); /* after the flush: what is typed now is the answer */
	int rc = read_line(fd, out, size);
	if (hidden) {
		(void)tcsetattr(fd, TCSAFLUSH, &before);
		dprintf(fd, "\n");
	}
	close(fd);
	return rc < 0 ? err_set(err, ERR_INVALID, "no answer to \"%s\"", question) : 0;
}

int prompt_stdin_line(char *out, size_t size, struct err *err)
{
	if (read_line(STDIN_FILENO, out, size) < 0 || out[0] == '\0')
		return err_set(err, ERR_INVALID, "the standard input holds no password");
	return 0;
}

bool prompt_confirm(const char *question)
{
	char answer[16];

	if (!isatty(STDIN_FILENO))
		return true;
	fflush(stdout);
	fprintf(stderr, "%s [y/N] ", question);
	fflush(stderr);
	if (read_line(STDIN_FILENO, answer, sizeof(answer)) < 0)
		return false;
	return strcmp(answer, "y") == 0 || strcmp(answer, "Y") == 0 || strcmp(answer, "yes") == 0;
}
