/* HAProxy as a child process: start (taking over from one that a killed Dure left), watch, stop. */
#ifndef DURE_GATEWAY_HAPROXY_PROCESS_H
#define DURE_GATEWAY_HAPROXY_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"

struct process {
	pid_t pid;    /* of the master; 0: none */
	int pid_fd;   /* readable when it has ended; -1 */
	int words_fd; /* its standard error, not blocking; -1 */
	char line[512];
	size_t line_length;
	bool ready;      /* it serves: alerts are about pods now, not about itself */
	char alert[256]; /* the first thing it complained of before it served */
	pid_t elders[LIMIT_GATEWAY_ELDERS]; /* left by a killed Dure; they finish what they began */
	size_t n_elders;
};

#define PROCESS_INIT                                                                               \
	{                                                                                          \
		0, -1, -1, "", 0, false, "", { 0 }, 0                                              \
	}

/* Starts the master, which takes over from all that run our configuration. `worker`: of a HAProxy
 * that answers on the stats socket and shall hand its listening sockets over, or 0. */
int process_start(struct process *process, const char *program, const char *directory, pid_t worker,
		  struct err *err);
/* Reads what it said: logs it, keeps the first alert. */
void process_listen(struct process *process, struct log *log);
/* Has it ended? Then it is reaped and `alert` says how. */
bool process_ended(struct process *process, struct log *log);
/* Lets it finish for a bounded time, then ends it. Also the elders. */
void process_stop(struct process *process, const char *directory, pid_t worker, struct log *log);

#endif
