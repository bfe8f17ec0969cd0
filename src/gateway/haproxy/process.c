#include "gateway/haproxy/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/strings.h"

#define PATH_SIZE 512
#define SOFT_STOP_MS 5000
#define HARD_STOP_MS 2000
#define END_TRIES 50
#define END_PAUSE_MS 10

static ssize_t read_small(const char *path, char *out, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	ssize_t got = read(fd, out, size - 1);
	(void)close(fd);
	if (got >= 0)
		out[got] = '\0';
	return got;
}

/* Does this process run our configuration? Ids are reused; a foreign process is never touched. */
static bool is_ours(pid_t pid, const char *directory)
{
	char path[64], config[PATH_SIZE], words[4096];

	(void)snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	(void)snprintf(config, sizeof(config), "%s/haproxy.cfg", directory);
	ssize_t length = read_small(path, words, sizeof(words));
	if (length <= 0)
		return false;
	for (char *word = words; word < words + length; word += strlen(word) + 1)
		if (str_equal(word, config))
			return true;
	return false;
}

/* Masters and workers that run our configuration. Not by the pid file alone: a Dure that is killed
 * right after it started HAProxy leaves one that has not written it yet, and since HAProxy binds
 * with SO_REUSEPORT, that one would go on answering every other connection, without a route. */
static size_t find_elders(const char *directory, pid_t elders[LIMIT_GATEWAY_ELDERS])
{
	DIR *processes = opendir("/proc");
	struct dirent *entry;
	size_t count = 0;
	int64_t pid;

	if (!processes)
		return 0;
	while (count < LIMIT_GATEWAY_ELDERS && (entry = readdir(processes)))
		if (str_to_int64(entry->d_name, 2, INT32_MAX, &pid) == 0 &&
		    is_ours((pid_t)pid, directory))
			elders[count++] = (pid_t)pid;
	(void)closedir(processes);
	return count;
}

/* One that does not answer on its stats socket has nothing to hand over: it is just starting (and
 * would lose a polite signal), or stuck. Its master first, so that no worker is made anew. */
static void end_elders(const char *directory)
{
	pid_t elders[LIMIT_GATEWAY_ELDERS];

	for (int try = 0; try < END_TRIES; try++) {
		size_t count = find_elders(directory, elders);
		if (count == 0)
			return;
		for (size_t i = 0; i < count; i++)
			(void)kill(elders[i], SIGKILL);
		(void)poll(NULL, 0, END_PAUSE_MS);
	}
}

static int spawn(pid_t *ret_pid, const char *const *words, int words_fd)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none, all;

	sigemptyset(&none);
	sigfillset(&all);
	if (posix_spawn_file_actions_init(&files) != 0)
		return ENOMEM;
	if (posix_spawnattr_init(&attributes) != 0) {
		(void)posix_spawn_file_actions_destroy(&files);
		return ENOMEM;
	}
	/* A group of its own: Ctrl-C in a terminal is for Dure, which ends HAProxy in order. */
	(void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
							    POSIX_SPAWN_SETPGROUP);
	(void)posix_spawnattr_setsigmask(&attributes, &none);
	(void)posix_spawnattr_setsigdefault(&attributes, &all);
	(void)posix_spawnattr_setpgroup(&attributes, 0);
	int failure = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	if (failure == 0)
		failure = posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
	if (failure == 0)
		failure = posix_spawn_file_actions_adddup2(&files, words_fd, 2);
	if (failure == 0)
		failure = posix_spawnp(ret_pid, words[0], &files, &attributes,
				       (char *const *)(uintptr_t)words, environ);
	(void)posix_spawnattr_destroy(&attributes);
	(void)posix_spawn_file_actions_destroy(&files);
	return failure;
}

int process_start(struct process *process, const char *program, const char *directory, pid_t worker,
		  struct err *err)
{
	char config[PATH_SIZE], pid_file[PATH_SIZE], master[PATH_SIZE], stats[PATH_SIZE];
	char elders[LIMIT_GATEWAY_ELDERS][16];
	int ends[2];

	if (worker == 0)
		end_elders(directory);
	process->n_elders = find_elders(directory, process->elders);
	(void)snprintf(config, sizeof(config), "%s/haproxy.cfg", directory);
	(void)snprintf(pid_file, sizeof(pid_file), "%s/haproxy.pid", directory);
	(void)snprintf(master, sizeof(master), "%s/master.sock,mode,600", directory);
	(void)snprintf(stats, sizeof(stats), "%s/stats.sock", directory);
	/* 9 words, -x with its socket, -sf, and NULL at the end */
	const char *words[13 + LIMIT_GATEWAY_ELDERS] = { program, "-W",     "-db", "-f",  config,
							 "-p",    pid_file, "-S",  master };
	size_t count = 9;
	if (worker != 0) {
		words[count++] = "-x";
		words[count++] = stats;
	}
	if (process->n_elders > 0)
		words[count++] = "-sf";
	for (size_t i = 0; i < process->n_elders; i++) {
		(void)snprintf(elders[i], sizeof(elders[i]), "%d", (int)process->elders[i]);
		words[count++] = elders[i];
	}
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_set_errno(err, ERR_UNAVAILABLE, errno, "no pipe for HAProxy");
	pid_t pid;
	int failure = spawn(&pid, words, ends[1]);
	(void)close(ends[1]);
	if (failure != 0) {
		(void)close(ends[0]);
		return err_set_errno(err, ERR_UNAVAILABLE, failure, "cannot start %s", program);
	}
	process->pid = pid;
	process->pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
	process->words_fd = ends[0];
	process->line_length = 0;
	process->ready = false;
	process->alert[0] = '\0';
	return 0;
}

static void take_line(struct process *process, struct log *log)
{
	const char *line = process->line;

	process->line[process->line_length] = '\0';
	process->line_length = 0;
	if (str_starts(line, "[ALERT]") || str_starts(line, "[WARNING]")) {
		log_debug(log, "haproxy", "%s", line);
		const char *words = strstr(line, ") : ");
		/* The first one names the cause, later ones only what follows from it. */
		if (str_starts(line, "[ALERT]") && !process->ready && str_empty(process->alert))
			str_copy(process->alert, sizeof(process->alert), words ? words + 4 : line);
	}
}

void process_listen(struct process *process, struct log *log)
{
	char bytes[1024];
	ssize_t got;

	while (process->words_fd >= 0 &&
	       (got = read(process->words_fd, bytes, sizeof(bytes))) != -1) {
		if (got == 0) {
			(void)close(process->words_fd);
			process->words_fd = -1;
		}
		for (ssize_t i = 0; i < got; i++) {
			if (bytes[i] == '\n' || process->line_length + 1 == sizeof(process->line))
				take_line(process, log);
			if (bytes[i] != '\n')
				process->line[process->line_length++] = bytes[i];
		}
	}
}

static void forget(struct process *process)
{
	if (process->pid_fd >= 0)
		(void)close(process->pid_fd);
	if (process->words_fd >= 0)
		(void)close(process->words_fd);
	process->pid_fd = process->words_fd = -1;
	process->pid = 0;
}

bool process_ended(struct process *process, struct log *log)
{
	int status;

	if (process->pid == 0 || waitpid(process->pid, &status, WNOHANG) != process->pid)
		return false;
	process_listen(process, log);
	if (str_empty(process->alert)) {
		if (WIFSIGNALED(status))
			(void)snprintf(process->alert, sizeof(process->alert),
				       "killed by signal %d", WTERMSIG(status));
		else
			(void)snprintf(process->alert, sizeof(process->alert), "exit code %d",
				       WEXITSTATUS(status));
	}
	forget(process);
	return true;
}

static bool wait_end(struct process *process, struct log *log, int ms)
{
	for (int waited = 0;; waited += 10) {
		process_listen(process, log); /* or it might wait for room in the pipe */
		if (process_ended(process, log))
			return true;
		if (waited >= ms)
			return false;
		struct pollfd end = { process->pid_fd, POLLIN, 0 };
		(void)poll(&end, 1, 10);
	}
}

void process_stop(struct process *process, const char *directory, pid_t worker, struct log *log)
{
	for (size_t i = 0; i < process->n_elders; i++)
		if (is_ours(process->elders[i], directory))
			(void)kill(process->elders[i], SIGTERM);
	process->n_elders = 0;
	if (process->pid == 0)
		return;
	(void)kill(process->pid, SIGUSR1);
	if (wait_end(process, log, SOFT_STOP_MS))
		return;
	(void)kill(process->pid, SIGTERM);
	if (wait_end(process, log, HARD_STOP_MS))
		return;
	if (worker != 0 && is_ours(worker, directory))
		(void)kill(worker, SIGKILL);
	(void)kill(process->pid, SIGKILL);
	(void)wait_end(process, log, HARD_STOP_MS);
}
