/* Configuration of `dure serve`: one table of settings, read from defaults, dure.yaml, the
 * environment and flags, each overriding the one before. "service.port" in YAML (a mapping
 * `service:` with `port:`) is DURE_SERVICE_PORT in the environment and --service-port as a flag. */
#ifndef DURE_CONFIG_H
#define DURE_CONFIG_H

#include <stdint.h>

#include "base/err.h"

/* X(member, path, kind, default, min, max, help). Kinds: TEXT, NUMBER (int64), WORD (one of min's
 * list). */
#define CONFIG_SETTINGS(X)                                                                         \
	X(listen, "listen", TEXT, "127.0.0.1:8080", 0, 0,                                          \
	  "address:port of API and console; port 0 takes any")                                     \
	X(data_dir, "data_dir", TEXT, "", 0, 0, "where Dure keeps its database and sockets")       \
	X(port_file, "port_file", TEXT, "", 0, 0, "write the API's port here once it serves")      \
	X(log_level, "log.level", TEXT, "info", 0, 0, "debug, info, warning or error")             \
	X(log_format, "log.format", TEXT, "text", 0, 0, "text or json")                            \
	X(api_threads, "api.threads", NUMBER, "4", 1, 64, "threads that answer requests")          \
	X(service_listen, "service.listen", TEXT, "127.0.0.1", 0, 0,                               \
	  "address that service URLs are served at")                                               \
	X(service_port, "service.port", NUMBER, "8000", 1, 65535, "port of the service URLs")      \
	X(service_domain, "service.domain", TEXT, "localhost", 0, 0,                               \
	  "services answer at <8 hex>.<domain>")                                                   \
	X(haproxy_program, "haproxy.program", TEXT, "haproxy", 0, 0, "HAProxy's executable")       \
	X(docker_socket, "docker.socket", TEXT, "/var/run/docker.sock", 0, 0,                      \
	  "Unix socket of the Docker engine")                                                      \
	X(docker_network_pool, "docker.network_pool", TEXT, "10.213.0.0/16", 0, 0,                 \
	  "IPv4 range that workloads' networks are cut from")                                      \
	X(docker_runtime, "docker.runtime", TEXT, "", 0, 0, "OCI runtime, empty: Docker's own")    \
	X(docker_workers, "docker.workers", NUMBER, "8", 1, 64, "Docker operations at once")       \
	X(nvml_library, "nvml.library", TEXT, "libnvidia-ml.so.1", 0, 0,                           \
	  "NVIDIA's management library; absent: no GPUs")                                          \
	X(node_tier, "node.tier", NUMBER, "2", 1, 3, "tier of this machine when first registered") \
	X(deploy_pull_timeout, "deploy.pull_timeout", NUMBER, "300", 1, 86400,                     \
	  "seconds an image pull may make no progress")                                            \
	X(deploy_ready_timeout, "deploy.ready_timeout", NUMBER, "300", 1, 86400,                   \
	  "seconds a running pod may take until its port answers")                                 \
	X(deploy_timeout, "deploy.timeout", NUMBER, "1800", 1, 604800,                             \
	  "seconds a deploy may take")                                                             \
	X(deploy_retry_min, "deploy.retry_min", NUMBER, "1", 1, 3600,                              \
	  "seconds before the first restart of a pod that ended")                                  \
	X(deploy_retry_max, "deploy.retry_max", NUMBER, "60", 1, 3600,                             \
	  "seconds between restarts at most")                                                      \
	X(deploy_failures_limit, "deploy.failures_limit", NUMBER, "5", 1, 1000,                    \
	  "ends in a row after which a pod has failed")                                            \
	X(deploy_stable, "deploy.stable", NUMBER, "60", 1, 86400,                                  \
	  "seconds of running that forgive earlier ends")                                          \
	X(deploy_stop_grace, "deploy.stop_grace", NUMBER, "10", 0, 600,                            \
	  "seconds between SIGTERM and SIGKILL")                                                   \
	X(deploy_drain_grace, "deploy.drain_grace", NUMBER, "5", 0, 600,                           \
	  "seconds for requests under way when a pod is taken away")

struct config {
#define CONFIG_MEMBER_TEXT(member) char *member;
#define CONFIG_MEMBER_NUMBER(member) int64_t member;
#define X(member, path, kind, fallback, min, max, help) CONFIG_MEMBER_##kind(member)
	CONFIG_SETTINGS(X)
#undef X
};

#define CONFIG_AUTO(name) __attribute__((cleanup(config_clear))) struct config name = { 0 }

/* Defaults < the file (--config, DURE_CONFIG, else ./dure.yaml or /etc/dure/dure.yaml if there) <
 * environment < flags. `argv[0]` is skipped. A flag or variable or key that is not known is an
 * error that names the nearest one. Prints help and exits with 0 for --help. The caller clears. */
int config_load(int argc, char **argv, struct config *ret_config, struct err *err);
void config_clear(struct config *config);

/* "address:port" or "[v6]:port" → its parts; `address` holds at least 64 bytes. */
int config_split_listen(const char *listen, char *address, uint16_t *ret_port, struct err *err);

#endif
