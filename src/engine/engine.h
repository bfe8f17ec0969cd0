/* The engine seam: what runs pods. Docker on one machine, Kubernetes on many, `sim` in tests.
 *
 * Level-triggered and non-blocking from above: engine_ensure() says what should be and returns at
 * once; the engine works towards it on its own threads; engine_observe() says what is, from a cache
 * that the engine keeps fresh by watching. The reconciler compares, decides and says again. An
 * engine keeps nothing of its own that a restart could lose: desired state comes from above,
 * observed state from the world, whose objects carry Dure's labels.
 *
 * The unit is the workload with its pods: Docker takes each pod's name and place from above; an
 * engine that places by itself (Kubernetes) reads the count and constraints and reports the names
 * it gave. Room is left for sample (monitoring), exec and follow-logs; they join with the issues
 * that need them. */
#ifndef DURE_ENGINE_ENGINE_H
#define DURE_ENGINE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/env.h"
#include "base/err.h"

/* What should run -------------------------------------------------------------------------------
 */

struct engine_pod {
	const char *name;      /* dep<ser>-<hash>-<5 letters> */
	const char *node;      /* catalogue name of the node it is reserved on */
	const char *gpu_model; /* code, NULL without GPUs */
	const char *const
		*gpu_uuids; /* real devices to hand in; none where the node is simulated */
	size_t n_gpu_uuids;
	int gpu_count;        /* reserved, real or simulated */
	bool simulated;       /* the node's GPUs are declared, not real */
	int64_t restart_past; /* start it again if its last end (finished_at, µs) is at or before
				 this; 0: an ended pod is left ended */
};

struct engine_workload {
	int64_t ser;
	const char *image;              /* canonical reference, docker.io/library/… written out */
	const char *const *argv;        /* command, NULL-terminated; NULL: the image's own */
	const char *const *environment; /* "NAME=value", NULL-terminated; NULL: none */
	uint16_t port;                  /* the container's port */
	int64_t cpu_milli;              /* limit, 1000 = one core */
	int64_t memory_mb;              /* limit, MiB */
	int64_t shared_memory_mb;       /* /dev/shm, MiB */
	int stop_grace_s;               /* SIGTERM to SIGKILL */
	const struct engine_pod
		*pods; /* exactly these; others of this workload are stopped and removed */
	size_t n_pods;
};

/* What is ----------------------------------------------------------------------------------------
 */

/* X(symbol, word): where a pod stands with its engine */
#define ENGINE_PHASES(X)                                                                           \
	X(WAITING, "waiting") /* known, nothing of it in the world yet */                          \
	X(PULLING, "pulling") /* its image is being fetched */                                     \
	X(CREATED, "created") /* exists, never started */                                          \
	X(RUNNING, "running")                                                                      \
	X(EXITED, "exited")                                                                        \
	X(REMOVING, "removing") /* being stopped or removed */

enum engine_phase {
#define X(symbol, word) ENGINE_##symbol,
	ENGINE_PHASES(X)
#undef X
};

/* X(symbol, slug, permanent): why a pod does not get on. Permanent: trying again cannot help. */
#define ENGINE_TROUBLES(X)                                                                         \
	X(NONE, "", false)                                                                         \
	X(IMAGE_NOT_FOUND, "image_not_found", true)                                                \
	X(IMAGE_UNAUTHORIZED, "image_unauthorized", true)                                          \
	X(IMAGE_PLATFORM, "image_platform", true)                                                  \
	X(REGISTRY_UNREACHABLE, "registry_unreachable", false)                                     \
	X(PULL_FAILED, "pull_failed", false)                                                       \
	X(DISK_FULL, "disk_full", false)                                                           \
	X(COMMAND_INVALID, "command_invalid", true) /* the container cannot execute its command */ \
	X(GPU_UNAVAILABLE, "gpu_unavailable", false)                                               \
	X(NETWORK_FAILED, "network_failed", false)                                                 \
	X(CREATE_FAILED, "create_failed", false)                                                   \
	X(START_FAILED, "start_failed", false)                                                     \
	X(STOP_FAILED, "stop_failed", false)

enum engine_trouble {
#define X(symbol, slug, permanent) ENGINE_TROUBLE_##symbol,
	ENGINE_TROUBLES(X)
#undef X
};

struct engine_pod_state {
	int64_t ser;
	const char *name;
	enum engine_phase phase;
	bool ready;          /* running, and its port accepts connections */
	const char *address; /* IP the gateway reaches it at, NULL while it has none */
	int64_t created_at;  /* µs UTC, as the engine reports; 0 unknown */
	int64_t started_at;  /* of the current or last run; 0 never */
	int64_t finished_at; /* end of the last run; 0 while it runs or never ran */
	int exit_code;       /* of the last run */
	bool oom_killed;
	const char *last_log; /* EXITED: the last lines it wrote, at most LIMIT_LOG_TAIL_BYTES; or
				 NULL */
	enum engine_trouble trouble;
	const char *message; /* the engine's own words about the trouble, or NULL */
	int64_t pull_done;   /* bytes, while PULLING */
	int64_t pull_total;  /* bytes, 0 while unknown */
};

struct engine_world {
	bool reachable;  /* false: the rest is the last that was known, or empty */
	bool synced;     /* the cache has been filled at least once since (re)connecting */
	const char *why; /* unreachable: why */
	const struct engine_pod_state *pods;
	size_t n_pods;
	const int64_t
		*sers; /* workloads of which anything (pod, network, task) is left; ascending */
	size_t n_sers;
};

struct engine_gpu {
	const char *uuid;
	const char *product; /* NVML's product name, "NVIDIA GeForce RTX 4090" */
	int64_t memory_mb;
};

/* A machine as the engine sees it: the catalogue registers it. */
struct engine_node {
	const char *name;
	int64_t cpu_milli;
	int64_t memory_mb;
	int64_t disk_mb;
	int cuda_version; /* 12080 means 12.8; 0 without a driver */
	const struct engine_gpu *gpus;
	size_t n_gpus;
};

/* Called from any thread when engine_observe() would say something new. Must not block. */
typedef void engine_wake(void *context);

/* The seam ---------------------------------------------------------------------------------------
 */

struct engine;

struct engine_ops {
	const char *name; /* "docker", "sim", "kubernetes" */
	int (*ensure)(struct engine *engine, const struct engine_workload *workload,
		      struct err *err);
	int (*remove)(struct engine *engine, int64_t ser, struct err *err);
	int (*observe)(struct engine *engine, struct arena *arena, struct engine_world *ret_world,
		       struct err *err);
	int (*logs)(struct engine *engine, const char *pod, int tail_lines, struct arena *arena,
		    char **ret_text, struct err *err);
	int (*nodes)(struct engine *engine, struct arena *arena, struct engine_node **ret_nodes,
		     size_t *ret_count, struct err *err);
	void (*watch)(struct engine *engine, engine_wake *wake, void *context);
	void (*free)(struct engine *engine);
};

/* First member of every engine's own struct. */
struct engine {
	const struct engine_ops *ops;
};

/* Says what should run; everything is copied. Cheap when it is so already: called every pass.
 * Fails only on what the caller did wrong or on memory; trouble in the world shows in observe. */
int engine_ensure(struct engine *engine, const struct engine_workload *workload, struct err *err);
/* Says that nothing of the workload should be left: pods (stopped with grace), network, tasks. */
int engine_remove(struct engine *engine, int64_t ser, struct err *err);
/* Snapshot of the cache, in `arena`. Never waits for the network. */
int engine_observe(struct engine *engine, struct arena *arena, struct engine_world *ret_world,
		   struct err *err);
/* The last lines of a pod's log. Waits for the engine (with a timeout). ERR_NOT_FOUND,
 * ERR_UNAVAILABLE. */
int engine_logs(struct engine *engine, const char *pod, int tail_lines, struct arena *arena,
		char **ret_text, struct err *err);
/* The machines it can use. May wait. */
int engine_nodes(struct engine *engine, struct arena *arena, struct engine_node **ret_nodes,
		 size_t *ret_count, struct err *err);
/* Whom to wake; NULL for nobody. Set before the first ensure. */
void engine_watch(struct engine *engine, engine_wake *wake, void *context);
/* Ends its threads, leaves the world as it is. Takes NULL; returns NULL. */
struct engine *engine_free(struct engine *engine);

const char *engine_phase_word(enum engine_phase phase);
const char *engine_trouble_slug(enum engine_trouble trouble);
bool engine_trouble_permanent(enum engine_trouble trouble);

#endif
