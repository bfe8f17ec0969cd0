/* Every ceiling of Dure, with its reason. Nothing in Dure grows without one of these. */
#ifndef DURE_BASE_LIMITS_H
#define DURE_BASE_LIMITS_H

/* HTTP */
#define LIMIT_BODY_BYTES                                                                           \
	(1024 * 1024)       /* a spec with 256 variables of 4 KiB is the largest request */
#define LIMIT_JSON_DEPTH 32 /* the deepest document of ours has 5 levels */
#define LIMIT_RESPONSE_BYTES (16 * 1024 * 1024) /* 200 rows of the longest spec */
#define LIMIT_PAGE_ROWS 200 /* a page of a list; more belongs on the next page */
#define LIMIT_PAGE_ROWS_DEFAULT 50
#define LIMIT_CONNECTIONS 4096 /* descriptors: the soft limit of a bare machine is 20,000 */
#define LIMIT_BODY_DROPPED_BYTES                                                                   \
	(64 * 1024 * 1024) /* of a body that is too large: read and dropped, so that the client    \
			      hears why; a longer one is cut off */
#define LIMIT_CACHED_ANSWERS 512             /* pages that browsers and scripts ask for again */
#define LIMIT_CACHED_BYTES (8 * 1024 * 1024) /* of their bodies together */
#define LIMIT_CACHED_TOKENS 256              /* sessions and API tokens in use at a time */
#define LIMIT_CONNECTION_IDLE_SECONDS 60     /* keep-alive, and a request that stalls */
#define LIMIT_STOP_SECONDS 5                 /* requests under way when the server stops */
#define LIMIT_REQUEST_ARENA_BYTES (32 * 1024 * 1024) /* parse + answer of the largest request */

/* Workload spec */
#define LIMIT_DESCRIPTION_MIN 2 /* the guide: 2–80 characters (code points) */
#define LIMIT_DESCRIPTION_MAX 80
#define LIMIT_IMAGE_BYTES                                                                          \
	512 /* distribution allows 255 for the name, plus host, tag and digest                     \
	     */
#define LIMIT_COMMAND_WORDS 128
#define LIMIT_COMMAND_BYTES 8192 /* well under ARG_MAX, enough for a real command line */
#define LIMIT_ENV_COUNT 256
#define LIMIT_ENV_NAME_BYTES 256
#define LIMIT_ENV_VALUE_BYTES 4096
#define LIMIT_REPLICAS 32         /* one /26 network a workload has 61 usable addresses */
#define LIMIT_GPUS_PER_REPLICA 16 /* the largest boards hold 16 */
#define LIMIT_GPU_MEMORY_MB (1024 * 1024)
#define LIMIT_CPU_MILLI_MIN 10
#define LIMIT_CPU_MILLI 512000
#define LIMIT_MEMORY_MB_MIN 8 /* Docker refuses under 6 MB */
#define LIMIT_MEMORY_MB (4 * 1024 * 1024)
#define LIMIT_PRICE_PER_HOUR INT64_C(1000000000000) /* µP: 1,000,000 P an hour */
#define LIMIT_EVENTS_PER_WORKLOAD 1000 /* a pod that fails once a minute: most of a day */
#define LIMIT_PIDS 4096 /* processes and threads in a pod; training loaders use some hundred */

#define LIMIT_WORKLOAD_ARENA_BYTES (32 * 1024 * 1024) /* 10,000 nodes and the largest spec */

/* Accounts */
#define LIMIT_PASSWORD_BYTES 1024 /* Argon2id takes any length; a megabyte of it is an attack */
#define LIMIT_PASSWORD_CHARACTERS_MIN 8
#define LIMIT_PASSWORD_HASHES 2   /* at once: each takes 64 MiB and a core for 0.1 s */
#define LIMIT_PASSWORD_WAITING 64 /* for one of those; the last waits some 3 s, more answer 429 */
#define LIMIT_LOGIN_BYTES 128     /* room for a mail address */
#define LIMIT_SESSIONS_PER_ACCOUNT 100 /* the oldest goes when one more logs in */
#define LIMIT_TOKENS_PER_ACCOUNT 100
#define LIMIT_TOKEN_NAME_CHARACTERS 64
#define LIMIT_WORKLOADS_PER_ACCOUNT 100000 /* a test lists 10,000; a runaway script makes more */

/* Nodes */
#define LIMIT_NODES 10000
#define LIMIT_GPUS_PER_NODE 64
#define LIMIT_DISK_MB INT64_C(1073741824) /* 1 PiB: more is a slip of the finger */

/* Store */
#define LIMIT_WRITE_QUEUE 1024     /* callers that wait for the writer; more answer 503 */
#define LIMIT_WRITE_GROUP 256      /* transactions committed together */
#define LIMIT_STORE_READERS 32     /* connections; each costs a page cache */
#define LIMIT_STORE_STATEMENTS 128 /* prepared ones a connection keeps, some KiB each */
#define LIMIT_SQL_PARAMETERS 64    /* of one statement; the widest table has under 40 columns */

/* Engine */
#define LIMIT_ENGINE_ANSWER_BYTES (8 * 1024 * 1024) /* Docker's list of 2,000 containers */
#define LIMIT_LOG_TAIL_BYTES 4096                   /* last log lines kept with an exit */
#define LIMIT_LOG_BYTES (1024 * 1024) /* one answer of logs; more belongs to following them */
#define LIMIT_ENGINE_LINE_BYTES                                                                    \
	(256 * 1024)           /* an event of Docker carries all labels of an image                \
				*/
#define LIMIT_IMAGE_LAYERS 256 /* overlayfs stacks 128 at most */

/* Gateway */
#define LIMIT_GATEWAY_SERVICES 4096     /* backends of one HAProxy; each costs some ten KiB */
#define LIMIT_GATEWAY_SERVICES_SPARE 64 /* backends before the first reload */
#define LIMIT_GATEWAY_NAME_BYTES 128    /* of a pod or a host's first label */
#define LIMIT_GATEWAY_ANSWER_BYTES (32 * 1024 * 1024) /* show stat of 16,384 servers */
#define LIMIT_GATEWAY_FILE_BYTES (16 * 1024 * 1024)   /* configuration of as many */
#define LIMIT_GATEWAY_ELDERS 16 /* workers that finish old connections after reloads */
#define LIMIT_GATEWAY_OBSERVE_BYTES (16 * 1024 * 1024) /* the state of as many servers */

/* Prober */
#define LIMIT_PROBE_TARGETS 16384            /* pods and services of one machine, and to spare */
#define LIMIT_PROBES_IN_FLIGHT 512           /* descriptors; the rest waits its turn */
#define LIMIT_PROBE_ANSWER_BYTES (16 * 1024) /* status line and headers; no body is kept */

/* Times */
#define LIMIT_SESSION_SECONDS (14 * 24 * 3600)

#endif
