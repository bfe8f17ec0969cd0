/* What the gateway's tests stand on: HTTP servers and a client of this process, and a gateway with
 * a real HAProxy in a directory of its own. */
#ifndef DURE_TESTS_GATEWAY_LAB_H
#define DURE_TESTS_GATEWAY_LAB_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/log.h"
#include "gateway/haproxy/haproxy.h"

/* Answers every request with its name and the request line; "/slow<ms>" waits first. */
struct backend {
	char name[32];
	uint16_t port;
	int listener;
	pthread_t thread;
	atomic_int requests;
	atomic_int open; /* connections */
};

void backend_start(struct backend *backend, const char *name);
void backend_stop(struct backend *backend);

struct reply {
	int status; /* 0: no answer; -1: the connection was refused */
	bool error; /* has X-Dure-Error */
	char body[1024];
};

int lab_connect(uint16_t port); /* negative errno */
bool lab_send(int fd, const char *host, const char *path);
void lab_receive(int fd, struct reply *ret_reply);
struct reply lab_get(uint16_t port, const char *host, const char *path);
uint16_t lab_free_port(void);
void lab_nap(int ms);

struct lab {
	char directory[64];
	struct log log;
	struct env env;
	uint16_t port;
	struct backend fallback;
	struct gateway *gateway;
	atomic_int wakes;
};

void lab_start(struct lab *lab); /* the directory, port and fallback; no gateway yet */
void lab_open(struct lab *lab);  /* the gateway */
void lab_stop(struct lab *lab);
/* One service of one target. */
void lab_sync_one(struct lab *lab, const char *host, const char *pod, uint16_t port, int grace_s);
void lab_sync_none(struct lab *lab);
bool lab_wait_up(struct lab *lab, int ms);
bool lab_wait_routed(struct lab *lab, const char *pod, int ms);
bool lab_wait_answers(struct lab *lab, const char *host, int ms);
bool lab_wait_gone(struct lab *lab, const char *pod, int ms);
/* The whole answer of HAProxy's stats socket, in a static buffer. */
const char *lab_ask_haproxy(struct lab *lab, const char *command);
int lab_pid(struct lab *lab); /* of HAProxy's master */

#endif
