#include "serve.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <netdb.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "account/account.h"
#include "api/api.h"
#include "base/arena.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/strings.h"
#include "catalog/catalog.h"
#include "datadir.h"
#include "engine/docker/docker.h"
#include "gateway/haproxy/haproxy.h"
#include "monitor/machine.h"
#include "store/db.h"
#include "workload/reconcile.h"

#define INSTANCE_SIZE 9 /* 8 characters and NUL */

/* Everything that runs, in the order in which it starts; it stops in the opposite order. */
struct server {
	const struct config *config;
	struct log log;
	struct env env;
	int lock_fd;
	struct db *db;
	struct engine_node *machine;
	char instance[INSTANCE_SIZE];
	char *password; /* of the operator, at the first start only */
	struct engine *engine;
	sd_event *event;
	int listen_fd;
	char address[64];
	uint16_t port;
	char gateway_dir[PATH_MAX];
	struct gateway *gateway;
	struct reconciler *reconciler;
	struct api *api;
};

static int start_log(struct server *server, struct err *err)
{
	const struct config *config = server->config;

	server->log.fd = STDERR_FILENO;
	if (log_level_parse(config->log_level, &server->log.level) < 0)
		return err_set(err, ERR_INVALID,
			       "log.level: \"%s\" is none of debug, info, warning, error",
			       config->log_level);
	server->log.json = str_equal(config->log_format, "json");
	if (!server->log.json && !str_equal(config->log_format, "text"))
		return err_set(err, ERR_INVALID, "log.format: \"%s\" is neither text nor json",
			       config->log_format);
	server->env = env_system(&server->log);
	return 0;
}

/* Descriptors up to the hard limit, few malloc arenas (one a thread would cost megabytes), signals
 * to the main loop only: every thread that starts later inherits the mask. */
static int prepare_process(struct err *err)
{
	struct rlimit files;
	sigset_t signals;

	(void)mallopt(M_ARENA_MAX, 2);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR || sigemptyset(&signals) < 0 ||
	    sigaddset(&signals, SIGTERM) < 0 || sigaddset(&signals, SIGINT) < 0 ||
	    sigaddset(&signals, SIGCHLD) < 0 || sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
		return err_set_errno(err, ERR_INTERNAL, errno, "cannot set up signals");
	if (sodium_init() < 0)
		return err_set(err, ERR_INTERNAL, "libsodium does not start");
	return 0;
}

static int listen_on(struct server *server, struct err *err)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
				  .ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL;
	struct sockaddr_storage bound;
	socklen_t length = sizeof(bound);
	char port[8];
	int on = 1;

	if (config_split_listen(server->config->listen, server->address, &server->port, err) < 0)
		return -1;
	(void)snprintf(port, sizeof(port), "%u", server->port);
	if (getaddrinfo(server->address, port, &hints, &found) != 0)
		return err_set(err, ERR_INVALID, "listen: \"%s\" is not a numeric address",
			       server->address);
	int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool ok = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
		  bind(fd, found->ai_addr, found->ai_addrlen) == 0 && listen(fd, SOMAXCONN) == 0 &&
		  getsockname(fd, (struct sockaddr *)&bound, &length) == 0;
	int error = errno;
	freeaddrinfo(found);
	if (!ok) {
		if (fd >= 0)
			(void)close(fd);
		return err_set_errno(err, ERR_UNAVAILABLE, error, "cannot listen on %s",
				     server->config->listen);
	}
	char service[8];
	(void)getnameinfo((struct sockaddr *)&bound, length, NULL, 0, service, sizeof(service),
			  NI_NUMERICSERV);
	server->port = (uint16_t)strtoul(service, NULL, 10);
	server->listen_fd = fd;
	return 0;
}

/* Database ------------------------------------------------------------------------------------- */

static int read_instance(struct db_tx *tx, struct server *server, struct err *err)
{
	DB_ROWS_AUTO rows = NULL;

	if (db_query(tx, "SELECT value FROM setting WHERE name = 'instance'", DB_NO_ARGS, &rows,
		     err) < 0)
		return -1;
	int r = db_rows_next(rows, err);
	if (r > 0)
		str_copy(server->instance, sizeof(server->instance), db_rows_text(rows, 0));
	return r;
}

/* The instance marks this Dure's objects in the engine; it is made once and stays. */
static int load_instance(struct db_tx *tx, struct server *server, struct err *err)
{
	unsigned char random[4];
	int r = read_instance(tx, server, err);

	if (r != 0)
		return r < 0 ? -1 : 0;
	env_random(&server->env, random, sizeof(random));
	hex_encode(random, sizeof(random), server->instance);
	return db_exec(tx, "INSERT INTO setting (name, value) VALUES ('instance', $1)",
		       DB_ARGS(db_text(server->instance)), NULL, err);
}

static int register_machine(struct db_tx *tx, struct server *server, struct err *err)
{
	const struct engine_node *node = server->machine;
	const char *uuids[LIMIT_GPUS_PER_NODE];
	size_t n = node->n_gpus < LIMIT_GPUS_PER_NODE ? node->n_gpus : LIMIT_GPUS_PER_NODE;

	for (size_t i = 0; i < n; i++)
		uuids[i] = node->gpus[i].uuid;
	struct catalog_machine machine = {
		.name = node->name,
		.cpu_milli = node->cpu_milli,
		.memory_mb = node->memory_mb,
		.disk_mb = node->disk_mb,
		.cuda_version = node->cuda_version,
		.gpu_product = n > 0 ? node->gpus[0].product : NULL,
		.gpu_memory_mb = n > 0 ? node->gpus[0].memory_mb : 0,
		.gpu_uuids = uuids,
		.n_gpus = n,
	};
	return catalog_machine_register(tx, &server->env, &machine, (int)server->config->node_tier,
					err);
}

static int seed_store(struct db_tx *tx, void *argument, struct err *err)
{
	struct server *server = argument;

	if (catalog_models_store(tx, err) < 0 || load_instance(tx, server, err) < 0)
		return -1;
	return register_machine(tx, server, err);
}

static int start_store(struct server *server, struct err *err)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/dure.db", server->config->data_dir);
	struct db_options options = { .env = &server->env, .path = path };
	if (db_open(&options, &server->db, err) < 0)
		return -1;
	if (machine_facts(&server->env, server->config->nvml_library, server->config->data_dir,
			  &server->machine, err) < 0)
		return -1;
	if (account_bootstrap(server->db, &server->env, &server->password, err) < 0)
		return -1;
	return db_write(server->db, seed_store, server, err);
}

/* Engine, gateway, reconciler, API ----------------------------------------------------------------
 */

static int start_engine(struct server *server, struct err *err)
{
	const struct config *config = server->config;
	struct docker_options options = {
		.env = &server->env,
		.socket = config->docker_socket,
		.instance = server->instance,
		.network_pool = config->docker_network_pool,
		.runtime = str_empty(config->docker_runtime) ? NULL : config->docker_runtime,
		.machine = server->machine,
		.workers = (int)config->docker_workers,
	};

	return docker_engine_new(&options, &server->engine, err);
}

static int start_gateway(struct server *server, struct err *err)
{
	const struct config *config = server->config;
	bool any = str_equal(server->address, "0.0.0.0") || str_equal(server->address, "::");
	struct haproxy_options options = {
		.env = &server->env,
		.program = config->haproxy_program,
		.directory = server->gateway_dir,
		.listen = config->service_listen,
		.port = (uint16_t)config->service_port,
		.domain = config->service_domain,
		.fallback_address = any ? "127.0.0.1" : server->address,
		.fallback_port = server->port,
	};

	(void)snprintf(server->gateway_dir, sizeof(server->gateway_dir), "%s/gateway",
		       config->data_dir);
	if (mkdir(server->gateway_dir, 0700) < 0 && errno != EEXIST)
		return err_set_errno(err, ERR_UNAVAILABLE, errno, "cannot create %s",
				     server->gateway_dir);
	return haproxy_gateway_new(&options, &server->gateway, err);
}

static struct reconcile_rules rules_of(const struct config *config)
{
	struct reconcile_rules rules = reconcile_rules_default();

	rules.pull_timeout_us = config->deploy_pull_timeout * USEC_PER_SEC;
	rules.ready_timeout_us = config->deploy_ready_timeout * USEC_PER_SEC;
	rules.deploy_timeout_us = config->deploy_timeout * USEC_PER_SEC;
	rules.retry_min_us = config->deploy_retry_min * USEC_PER_SEC;
	rules.retry_max_us = config->deploy_retry_max * USEC_PER_SEC;
	rules.failures_limit = (int)config->deploy_failures_limit;
	rules.stable_us = config->deploy_stable * USEC_PER_SEC;
	rules.stop_grace_s = (int)config->deploy_stop_grace;
	rules.drain_grace_s = (int)config->deploy_drain_grace;
	return rules;
}

static int start_reconciler(struct server *server, struct err *err)
{
	struct reconcile_options options = {
		.env = &server->env,
		.db = server->db,
		.engine = server->engine,
		.gateway = server->gateway,
		.rules = rules_of(server->config),
	};

	if (reconcile_new(&options, &server->reconciler, err) < 0)
		return -1;
	return reconcile_start(server->reconciler, err);
}

static int start_api(struct server *server, struct err *err)
{
	struct api_options options = {
		.env = &server->env,
		.db = server->db,
		.engine = server->engine,
		.gateway = server->gateway,
		.reconciler = server->reconciler,
		.listen_fd = server->listen_fd,
		.threads = (int)server->config->api_threads,
		.service_scheme = "http",
		.service_domain = server->config->service_domain,
		.service_port = (uint16_t)server->config->service_port,
		.version = DURE_VERSION,
	};

	if (api_start(&options, &server->api, err) < 0)
		return -1;
	server->listen_fd = -1; /* the API's now */
	return 0;
}

/* Main loop --------------------------------------------------------------------------------------
 */

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	struct server *server = userdata;

	(void)source;
	log_info(&server->log, "serve", "stopping: %s", strsignal((int)info->ssi_signo));
	return sd_event_exit(server->event, 0);
}

static int start_event(struct server *server, struct err *err)
{
	int r = sd_event_default(&server->event);

	if (r >= 0)
		r = sd_event_add_signal(server->event, NULL, SIGTERM, on_signal, server);
	if (r >= 0)
		r = sd_event_add_signal(server->event, NULL, SIGINT, on_signal, server);
	if (r >= 0)
		r = sd_event_set_watchdog(server->event, 1);
	if (r < 0)
		return err_set_errno(err, ERR_INTERNAL, -r, "cannot start the main loop");
	return 0;
}

/* Written beside and renamed, so that whoever waits for it never reads half a number. */
static int write_port_file(const struct server *server, struct err *err)
{
	const char *path = server->config->port_file;
	char beside[PATH_MAX];

	if (str_empty(path))
		return 0;
	(void)snprintf(beside, sizeof(beside), "%s.new", path);
	FILE *file = fopen(beside, "we");
	bool ok = file && fprintf(file, "%u\n", server->port) > 0;
	if (file && fclose(file) != 0)
		ok = false;
	if (!ok || rename(beside, path) < 0)
		return err_set_errno(err, ERR_UNAVAILABLE, errno, "cannot write %s", path);
	return 0;
}

static void announce(const struct server *server)
{
	bool v6 = strchr(server->address, ':') != NULL;

	printf("\nDure %s is running.\n\n  Console and API  http://%s%s%s:%u/\n"
	       "  Service URLs     http://<8 hex>.%s:%d/\n",
	       DURE_VERSION, v6 ? "[" : "", server->address, v6 ? "]" : "", server->port,
	       server->config->service_domain, (int)server->config->service_port);
	if (server->password)
		printf("\n  First login      operator\n  Password         %s\n"
		       "  (shown this once; change it with: dure password)\n",
		       server->password);
	printf("\n");
	(void)fflush(stdout);
}

static int start(struct server *server, struct err *err)
{
	const struct config *config = server->config;

	if (start_log(server, err) < 0 || prepare_process(err) < 0 ||
	    datadir_open(config->data_dir, &server->lock_fd, err) < 0 ||
	    listen_on(server, err) < 0 || start_event(server, err) < 0 ||
	    start_store(server, err) < 0 || start_engine(server, err) < 0 ||
	    start_gateway(server, err) < 0 || start_reconciler(server, err) < 0 ||
	    start_api(server, err) < 0)
		return -1;
	return write_port_file(server, err);
}

static void stop(struct server *server)
{
	server->api = api_stop(server->api);
	server->reconciler = reconcile_free(server->reconciler);
	server->gateway = gateway_free(server->gateway);
	server->engine = engine_free(server->engine);
	server->db = db_close(server->db);
	server->machine = machine_facts_free(server->machine);
	if (server->password) {
		sodium_memzero(server->password, strlen(server->password));
		free(server->password);
	}
	server->event = sd_event_unref(server->event);
	if (server->listen_fd >= 0)
		(void)close(server->listen_fd);
	if (server->lock_fd >= 0)
		(void)close(server->lock_fd);
}

int serve(const struct config *config, struct err *err)
{
	struct server server = { .config = config, .lock_fd = -1, .listen_fd = -1 };
	int r = start(&server, err);

	if (r == 0) {
		announce(&server);
		(void)sd_notify(0, "READY=1");
		r = sd_event_loop(server.event);
		if (r < 0)
			(void)err_set_errno(err, ERR_INTERNAL, -r, "the main loop failed");
		(void)sd_notify(0, "STOPPING=1");
	}
	stop(&server);
	return r < 0 ? -1 : 0;
}
