/* What the files of the HAProxy gateway share. */
#ifndef DURE_GATEWAY_HAPROXY_INTERNAL_H
#define DURE_GATEWAY_HAPROXY_INTERNAL_H

#include <pthread.h>

#include "base/probe.h"
#include "gateway/haproxy/files.h"
#include "gateway/haproxy/haproxy.h"
#include "gateway/haproxy/process.h"
#include "gateway/haproxy/table.h"

#define HAPROXY_MAGIC 0x48415058u /* "HAPX" */

/* A table handed to gateway_sync(); never changed afterwards. `refs` under haproxy.lock. */
struct desired {
	int refs;
	struct arena *arena;
	struct gateway_service *services;
	size_t count;
};

struct haproxy {
	struct gateway gateway; /* first: the seam's handle is this object */
	unsigned magic;
	struct env *env;
	char *program, *directory, *listen, *domain, *fallback_address; /* of the options */
	char stats[108], master[108];                                   /* sockets */
	struct files files;
	struct prober *prober;
	int wake_fd;
	pthread_t thread;

	pthread_mutex_t lock; /* guards this paragraph */
	bool stop;
	struct desired *latest;
	struct arena *published; /* holds `state` */
	struct gateway_state state;
	gateway_wake *wake;
	void *wake_context;

	/* The thread's own. */
	struct desired *desired; /* NULL until the first sync: then nothing is taken out */
	struct table table;
	struct process process;
	pid_t worker;
	pid_t elders[LIMIT_GATEWAY_ELDERS]; /* workers that finish after a reload */
	size_t n_elders;
	unsigned generation;
	char node[32];  /* of the configuration last written */
	bool ready;     /* HAProxy runs it and the table was learned */
	bool reloading; /* an earlier one serves until it does */
	bool relearn;   /* HAProxy contradicted the table */
	bool elderly;   /* workers from before a reload may still run */
	int64_t start_due, started_at, backoff, apply_due, poll_due, survey_due, reload_due;
	char why[512];
	char *signature; /* of what was published, to notice changes */
};

#define NEVER INT64_MAX

/* control.c */
void *haproxy_control_run(void *haproxy);
void haproxy_publish(struct haproxy *haproxy);

/* learn.c: asking HAProxy what it has. */
int haproxy_learn(struct haproxy *haproxy, struct err *err);
/* Sessions and health of all servers, or only of services that drain. */
int haproxy_survey(struct haproxy *haproxy, bool all, struct err *err);
/* Workers that are leaving after reloads. */
int haproxy_find_elders(struct haproxy *haproxy, struct err *err);

/* apply.c: making HAProxy have what is desired. */
/* Room in the table for all that is desired. 1: HAProxy needs a reload for it. */
int haproxy_make_room(struct haproxy *haproxy, struct err *err);
/* Puts the desired into the table without telling HAProxy; `whole`: also takes the rest out. */
int haproxy_fold(struct haproxy *haproxy, bool whole, struct err *err);
/* By the runtime API. Fails after having tried everything; to be tried again. */
int haproxy_apply(struct haproxy *haproxy, struct err *err);
/* Drained servers are closed, closed ones deleted. True while there are any left. */
bool haproxy_finish(struct haproxy *haproxy);

#endif
