/* The Docker engine's parts, as they see each other.
 *
 * Everything wanted and everything known lies in one tree under `lock`: workloads, their pods and
 * networks, and the images that somebody waits for. Nothing is queued: whoever changes the tree
 * signals `changed`, and workers look for the object whose next step is due (work.c). A step
 * depends on the object alone, so it does not matter in which order news arrive. */
#ifndef DURE_ENGINE_DOCKER_PARTS_H
#define DURE_ENGINE_DOCKER_PARTS_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/probe.h"
#include "engine/docker/docker.h"
#include "engine/docker/http.h"

#define DOCKER_ID_BYTES 65
#define DOCKER_NAME_BYTES 128
#define DOCKER_CALL_MS                                                                             \
	30000 /* a create under load takes seconds; half a minute is a dead daemon                 \
	       */
#define DOCKER_STOP_GRACE_S 10 /* where nobody said (an orphan of an earlier run) */
#define DOCKER_PULLERS 2
#define DOCKER_WORKERS_MAX 32

#define LABEL_INSTANCE "dev.dure.instance"
#define LABEL_SER "dev.dure.ser"
#define LABEL_POD "dev.dure.pod"
#define LABEL_NODE "dev.dure.node"
#define LABEL_PORT "dev.dure.port"

/* Has anybody said what should be? What was found and never spoken of is left alone. */
enum intent { INTENT_UNTOLD, INTENT_WANTED, INTENT_GONE };

/* What every object that steps are taken on has. */
struct task {
	bool busy;     /* a worker has it: only that worker changes or frees the object */
	int64_t due;   /* monotonic µs before which nothing is tried */
	int64_t pause; /* the last back-off */
	enum engine_trouble trouble;
	char *message;
};

/* A copy of what ensure() was given; immutable, shared by reference. */
struct spec {
	int references; /* under the engine's lock */
	struct arena *arena;
	struct engine_workload workload;
};

struct pod {
	struct pod *next;
	struct workload *workload;
	char name[DOCKER_NAME_BYTES];
	bool wanted;
	int64_t restart_past;
	struct task task;
	bool exists;        /* a container of this name is known */
	bool stale;         /* what is known may be old: inspect */
	bool unseen;        /* not inspected since the engine connected */
	bool listed;        /* by the list being applied */
	bool image_missing; /* waits for an image */
	enum engine_phase phase;
	char id[DOCKER_ID_BYTES];
	char address[46];
	char stop_signal[32];
	uint16_t port;
	int64_t stop_deadline; /* monotonic; 0: not asked to stop */
	int64_t created_at, started_at, finished_at;
	int64_t logged_end; /* the end that `last_log` belongs to */
	int exit_code;
	bool oom_killed;
	char *last_log;
};

struct network {
	struct task task;
	bool exists;
	bool listed;
	char id[DOCKER_ID_BYTES];
};

struct workload {
	struct workload *next; /* ascending ser */
	int64_t ser;
	enum intent intent;
	struct spec *spec; /* INTENT_WANTED only */
	int stop_grace_s;
	struct pod *pods;
	struct network network;
};

struct image {
	struct image *next;
	char *reference;
	struct task task;
	int64_t done, total; /* bytes */
	struct http *puller; /* while busy: whom to cancel */
};

struct worker {
	struct docker *docker;
	pthread_t thread;
	struct http *http;
	bool pulls; /* images; else pods and networks */
	bool started;
};

struct docker {
	struct engine engine; /* first: the seam's pointer */
	unsigned magic;
	struct env *env;
	const struct engine_node *machine;
	char *socket, *runtime;
	char instance[16];
	uint32_t pool_base, pool_networks; /* IPv4, host order; how many /26 it holds */
	atomic_bool stop;
	struct prober *prober;
	struct worker workers[DOCKER_WORKERS_MAX + DOCKER_PULLERS];
	int n_workers;
	struct worker watcher;

	/* `lock` guards all below. Invariants: workloads ascend by ser, once each; a pod's name is
	 * once in its workload; who sets `busy` clears it; objects are freed only by sweep() and
	 * only while not busy; no network call is made under it. */
	pthread_mutex_t lock;
	pthread_cond_t changed; /* CLOCK_MONOTONIC */
	bool reachable, listed;
	char why[512];
	struct workload *workloads;
	struct image *images;

	/* Guards the two below; held while calling, so that after watch() no old call runs.
	 * Nothing else is taken under it. */
	pthread_mutex_t wake_lock;
	engine_wake *wake;
	void *wake_context;
};

/* docker.c */
struct docker *docker_of(struct engine *engine);
void docker_wake(struct docker *docker); /* not under `lock` */

/* cache.c: all under `lock` */
struct workload *workload_find(struct docker *docker, int64_t ser);
struct workload *known_workload_get(struct docker *docker, int64_t ser); /* made; NULL: memory */
struct pod *pod_find(const struct workload *workload, const char *name);
struct pod *pod_get(struct workload *workload, const char *name); /* made; NULL: memory */
struct image *image_find(struct docker *docker, const char *reference);
struct image *image_get(struct docker *docker, const char *reference); /* made; NULL: memory */
void sweep(struct docker *docker); /* forgets what is neither wanted nor there */
void cache_free(struct docker *docker);
void task_failed(struct docker *docker, struct task *task, enum engine_trouble trouble,
		 const struct err *err);
void task_succeeded(struct task *task);
bool pod_is_wanted(const struct pod *pod);
void pod_forget_container(struct docker *docker, struct pod *pod);
void pod_watch_port(struct docker *docker, struct pod *pod);
int docker_observe(struct engine *engine, struct arena *arena, struct engine_world *ret_world,
		   struct err *err);

/* spec.c */
int spec_copy(const struct engine_workload *from, struct spec **ret_spec, struct err *err);
struct spec *spec_release(struct spec *spec); /* takes NULL; returns NULL */
bool spec_same(const struct engine_workload *a, const struct engine_workload *b);
int pod_body(const struct docker *docker, const struct spec *spec, const struct engine_pod *pod,
	     struct buf *body, struct err *err);

/* work.c */
void *work_run(void *worker);
void network_name(const struct docker *docker, int64_t ser, char *out, size_t size);

/* Steps: called by the worker that set `busy`, without `lock`. */
void pod_inspect(struct worker *worker, struct pod *pod);
void pod_create(struct worker *worker, struct pod *pod);
void pod_start(struct worker *worker, struct pod *pod);
void pod_stop(struct worker *worker, struct pod *pod);
void pod_remove(struct worker *worker, struct pod *pod);
void network_create(struct worker *worker, struct workload *workload);
void network_remove(struct worker *worker, struct workload *workload);
void image_pull(struct worker *worker, struct image *image);

/* watcher.c */
void *watcher_run(void *worker);

/* logs.c: the last `keep` bytes of the last `lines` lines; *ret_text is the caller's. */
int logs_fetch(struct http *http, const char *container, int lines, size_t keep, char **ret_text,
	       struct err *err);

/* trouble.c */
enum engine_trouble trouble_of_pull(const char *message);
enum engine_trouble trouble_of_create(const char *message);
enum engine_trouble trouble_of_start(const char *message);

#endif
