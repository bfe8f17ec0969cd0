/* gateway: a real HAProxy on loopback, with servers of this process behind it.
 *
 * Timeout: 180 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lab.h"

extern char **environ;

static int setup(void **state)
{
	static struct lab lab; /* one test at a time */

	lab_start(&lab);
	*state = &lab;
	return 0;
}

static int teardown(void **state)
{
	lab_stop(*state);
	return 0;
}

static void requests_go_to_the_host_they_name(void **state)
{
	struct lab *lab = *state;
	struct backend a, b;
	struct reply reply;
	ERR_AUTO(err);

	backend_start(&a, "A");
	backend_start(&b, "B");
	lab_open(lab);
	struct gateway_target targets[] = { { "pod-a", "127.0.0.1", a.port },
					    { "pod-b", "127.0.0.1", b.port } };
	struct gateway_service services[] = { { "aaaa0001", &targets[0], 1, 5 },
					      { "bbbb0002", &targets[1], 1, 5 } };
	assert_int_equal(gateway_sync(lab->gateway, services, 2, &err), 0);
	assert_true(lab_wait_routed(lab, "pod-a", 5000));
	assert_true(lab_wait_answers(lab, "aaaa0001", 5000));
	assert_true(lab_wait_answers(lab, "bbbb0002", 5000));
	assert_true(atomic_load(&lab->wakes) > 0);

	char host[64];
	(void)snprintf(host, sizeof(host), "AAAA0001.LocalHost:%u", lab->port);
	reply = lab_get(lab->port, host, "/x");
	assert_int_equal(reply.status, 200);
	assert_string_equal(reply.body, "A GET /x HTTP/1.1\n");
	assert_false(reply.error); /* a pod cannot pretend to be the gateway */
	reply = lab_get(lab->port, "bbbb0002.localhost", "/");
	assert_string_equal(reply.body, "B GET / HTTP/1.1\n");

	const char *unknown[] = { "cccc0003.localhost", "aaaa0001.example", "aaaa0001",
				  "x.aaaa0001.localhost" };
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		reply = lab_get(lab->port, unknown[i], "/secret?q=1");
		assert_true(reply.error);
		assert_string_equal(reply.body, "fallback GET /_service HTTP/1.1 for-service\n");
	}
	lab->gateway = gateway_free(lab->gateway);
	backend_stop(&a);
	backend_stop(&b);
}

static void errors_of_the_gateway_say_so(void **state)
{
	struct lab *lab = *state;
	uint16_t dead = lab_free_port();

	lab_open(lab);
	lab_sync_one(lab, "aaaa0001", "pod-a", dead, 1);
	assert_true(lab_wait_up(lab, 5000));
	struct reply reply = lab_get(lab->port, "aaaa0001.localhost", "/");
	assert_true(reply.error);
	assert_false(lab_wait_answers(lab, "aaaa0001", 300));
	lab->gateway = gateway_free(lab->gateway);
	lab->fallback.port = dead; /* Dure itself does not answer either */
	lab_open(lab);
	assert_true(lab_wait_up(lab, 5000));
	reply = lab_get(lab->port, "bbbb0002.localhost", "/");
	assert_int_equal(reply.status, 503);
	assert_true(reply.error);
	assert_non_null(strstr(reply.body, "서비스가 응답하지 않습니다"));
}

static void draining_lets_requests_finish(void **state)
{
	struct lab *lab = *state;
	struct backend a, b;
	struct reply reply;

	backend_start(&a, "A");
	backend_start(&b, "B");
	lab_open(lab);
	lab_sync_one(lab, "aaaa0001", "pod-a", a.port, 20);
	assert_true(lab_wait_answers(lab, "aaaa0001", 5000));
	int slow = lab_connect(lab->port);
	assert_true(lab_send(slow, "aaaa0001.localhost", "/slow1500"));
	lab_nap(100);
	lab_sync_one(lab, "aaaa0001", "pod-b", b.port, 20);
	assert_true(lab_wait_routed(lab, "pod-b", 2000));
	lab_nap(200);
	int before = atomic_load(&a.requests);
	for (int i = 0; i < 20; i++) {
		reply = lab_get(lab->port, "aaaa0001.localhost", "/");
		assert_string_equal(reply.body, "B GET / HTTP/1.1\n");
	}
	assert_int_equal(atomic_load(&a.requests), before);
	assert_false(lab_wait_gone(lab, "pod-a", 100));
	lab_receive(slow, &reply);
	assert_string_equal(reply.body, "A GET /slow1500 HTTP/1.1\n");
	(void)close(slow);
	assert_true(lab_wait_gone(lab, "pod-a", 3000));
	lab->gateway = gateway_free(lab->gateway);
	backend_stop(&a);
	backend_stop(&b);
}

static void grace_ends_what_does_not_finish(void **state)
{
	struct lab *lab = *state;
	struct backend a;
	struct reply reply;

	backend_start(&a, "A");
	lab_open(lab);
	lab_sync_one(lab, "aaaa0001", "pod-a", a.port, 1);
	assert_true(lab_wait_answers(lab, "aaaa0001", 5000));
	int slow = lab_connect(lab->port);
	assert_true(lab_send(slow, "aaaa0001.localhost", "/slow4000"));
	lab_nap(100);
	lab_sync_none(lab);
	assert_true(lab_wait_gone(lab, "pod-a", 2500));
	lab_receive(slow, &reply);
	assert_true(reply.status == 0 || reply.error);
	(void)close(slow);
	lab->gateway = gateway_free(lab->gateway);
	backend_stop(&a);
}

static void changed_address_is_followed(void **state)
{
	struct lab *lab = *state;
	struct backend a, b;

	backend_start(&a, "A");
	backend_start(&b, "B");
	lab_open(lab);
	lab_sync_one(lab, "aaaa0001", "pod-a", a.port, 1);
	assert_true(lab_wait_answers(lab, "aaaa0001", 5000));
	lab_sync_one(lab, "aaaa0001", "pod-a", b.port, 1);
	struct reply reply = { 0 };
	for (int i = 0; i < 200 && reply.body[0] != 'B'; i++) {
		reply = lab_get(lab->port, "aaaa0001.localhost", "/");
		lab_nap(5);
	}
	assert_int_equal(reply.body[0], 'B');
	lab->gateway = gateway_free(lab->gateway);
	backend_stop(&a);
	backend_stop(&b);
}

static void killed_haproxy_comes_back(void **state)
{
	struct lab *lab = *state;
	struct backend a;

	backend_start(&a, "A");
	lab_open(lab);
	lab_sync_one(lab, "aaaa0001", "pod-a", a.port, 1);
	assert_true(lab_wait_answers(lab, "aaaa0001", 5000));
	int pid = lab_pid(lab);
	assert_true(pid > 1);
	assert_int_equal(kill(pid, SIGKILL), 0);
	struct reply reply = { .status = 0 };
	for (int i = 0; i < 100 && lab_pid(lab) == pid; i++)
		lab_nap(50);
	assert_int_not_equal(lab_pid(lab), pid);
	for (int i = 0; i < 100 && reply.body[0] != 'A'; i++) {
		reply = lab_get(lab->port, "aaaa0001.localhost", "/");
		lab_nap(20);
	}
	assert_int_equal(reply.body[0], 'A');
	assert_true(lab_wait_routed(lab, "pod-a", 3000));
	lab->gateway = gateway_free(lab->gateway);
	backend_stop(&a);
}

static void taken_port_is_said_honestly(void **state)
{
	struct lab *lab = *state;

	lab->port = lab->fallback.port; /* somebody else listens there */
	lab_open(lab);
	assert_false(lab_wait_up(lab, 1500));
	ARENA_AUTO arena = arena_new(1 << 20);
	struct gateway_state seen;
	ERR_AUTO(err);
	assert_int_equal(gateway_observe(lab->gateway, arena, &seen, &err), 0);
	assert_false(seen.up);
	assert_non_null(strcasestr(seen.why, "address already in use"));
}

struct client {
	uint16_t port;
	atomic_bool stop;
	int asked, refused, wrong;
};

/* Asks on and on, half of it on a connection that is kept. A kept connection may be closed between
 * two requests, as HTTP allows; a new one must always be taken and answered. */
static void *ask_on(void *context)
{
	struct client *client = context;
	struct reply reply;
	int kept = -1;

	while (!atomic_load(&client->stop)) {
		bool fresh = kept < 0;
		if (fresh)
			kept = lab_connect(client->port);
		if (kept < 0) {
			client->refused++;
			print_message("refused: %s\n", strerror(-kept));
			continue;
		}
		reply.status = 0;
		if (lab_send(kept, "aaaa0001.localhost", "/"))
			lab_receive(kept, &reply);
		client->asked++;
		if (reply.status != 200) {
			client->wrong += fresh;
			(void)close(kept);
			kept = -1;
		} else if (client->asked % 2 == 0) {
			(void)close(kept);
			kept = -1;
		}
	}
	if (kept >= 0)
		(void)close(kept);
	return NULL;
}

static pid_t start_owner(struct lab *lab, const struct backend *backend)
{
	char port[8], fallback[8], target[8];
	char program[] = GATEWAY_OWNER;
	char *words[] = { program, lab->directory, port, fallback, target, NULL };
	pid_t pid;

	(void)snprintf(port, sizeof(port), "%u", lab->port);
	(void)snprintf(fallback, sizeof(fallback), "%u", lab->fallback.port);
	(void)snprintf(target, sizeof(target), "%u", backend->port);
	assert_int_equal(posix_spawn(&pid, program, NULL, NULL, words, environ), 0);
	return pid;
}

static void killed_owner_is_succeeded_without_a_refusal(void **state)
{
	struct lab *lab = *state;
	struct backend a;
	struct client client = { .port = lab->port };
	pthread_t thread;

	backend_start(&a, "A");
	pid_t owner = start_owner(lab, &a);
	for (int i = 0; i < 500 && lab_get(lab->port, "aaaa0001.localhost", "/").body[0] != 'A';
	     i++)
		lab_nap(10);
	int old = lab_pid(lab);
	assert_int_equal(pthread_create(&thread, NULL, ask_on, &client), 0);
	lab_nap(100);
	assert_int_equal(kill(owner, SIGKILL), 0);
	assert_int_equal(waitpid(owner, NULL, 0), owner);
	lab_nap(100);
	lab_open(lab); /* knows no table yet: what was routed stays routed */
	assert_true(lab_wait_routed(lab, "pod-a", 5000));
	assert_int_not_equal(lab_pid(lab), old);
	lab_nap(300);
	lab_sync_one(lab, "aaaa0001", "pod-a", a.port, 1);
	assert_true(lab_wait_answers(lab, "aaaa0001", 5000));
	atomic_store(&client.stop, true);
	(void)pthread_join(thread, NULL);
	assert_int_equal(client.refused, 0);
	assert_int_equal(client.wrong, 0);
	assert_true(client.asked > 50);
	for (int i = 0; i < 300 && kill(old, 0) == 0; i++)
		lab_nap(10);
	assert_true(kill(old, 0) < 0 && errno == ESRCH);
	lab->gateway = gateway_free(lab->gateway);
	backend_stop(&a);
}

enum { MANY = 200, HELD = 20 };

static void fill_table(char hosts[MANY][16], char pods[MANY][16],
		       struct gateway_target targets[MANY], struct gateway_service services[MANY],
		       uint16_t port, int grace_s)
{
	for (int i = 0; i < MANY; i++) {
		(void)snprintf(hosts[i], 16, "aaaa%04d", i + 1);
		(void)snprintf(pods[i], 16, "pod-%d", i);
		targets[i] = (struct gateway_target){ pods[i], "127.0.0.1", port };
		services[i] = (struct gateway_service){ hosts[i], &targets[i], 1, grace_s };
	}
}

static void more_services_than_spares_drop_no_connection(void **state)
{
	struct lab *lab = *state;
	static char hosts[MANY][16], pods[MANY][16];
	struct gateway_target targets[MANY];
	struct gateway_service services[MANY];
	struct client client = { .port = lab->port };
	struct backend a;
	pthread_t thread;
	int held[HELD];
	ERR_AUTO(err);

	backend_start(&a, "A");
	fill_table(hosts, pods, targets, services, a.port, 5);
	lab_open(lab);
	assert_int_equal(gateway_sync(lab->gateway, services, 10, &err), 0);
	assert_true(lab_wait_answers(lab, hosts[9], 5000));
	assert_true(lab_wait_answers(lab, hosts[0], 5000));
	for (int i = 0; i < HELD; i++) {
		held[i] = lab_connect(lab->port);
		assert_true(lab_send(held[i], "aaaa0002.localhost", "/slow1500"));
	}
	assert_int_equal(pthread_create(&thread, NULL, ask_on, &client), 0);
	lab_nap(100);
	assert_int_equal(gateway_sync(lab->gateway, services, MANY, &err), 0);
	assert_true(lab_wait_answers(lab, hosts[MANY - 1], 10000));
	assert_true(lab_get(lab->port, "aaaa0150.localhost", "/").body[0] == 'A');
	for (int i = 0; i < HELD; i++) {
		struct reply reply;
		lab_receive(held[i], &reply);
		assert_int_equal(reply.status, 200);
		(void)close(held[i]);
	}
	atomic_store(&client.stop, true);
	(void)pthread_join(thread, NULL);
	assert_int_equal(client.refused, 0);
	assert_int_equal(client.wrong, 0);
	lab->gateway = gateway_free(lab->gateway);
	backend_stop(&a);
}

static void drain_counts_what_runs_in_a_worker_before_a_reload(void **state)
{
	struct lab *lab = *state;
	static char hosts[MANY][16], pods[MANY][16];
	struct gateway_target targets[MANY];
	struct gateway_service services[MANY];
	struct backend a;
	struct reply reply;
	ERR_AUTO(err);

	backend_start(&a, "A");
	fill_table(hosts, pods, targets, services, a.port, 20);
	lab_open(lab);
	assert_int_equal(gateway_sync(lab->gateway, services, 1, &err), 0);
	assert_true(lab_wait_answers(lab, hosts[0], 5000));
	int slow = lab_connect(lab->port);
	assert_true(lab_send(slow, "aaaa0001.localhost", "/slow3000"));
	lab_nap(100);
	assert_int_equal(gateway_sync(lab->gateway, services, 100, &err), 0);
	assert_true(lab_wait_answers(lab, hosts[99], 5000));
	assert_int_equal(gateway_sync(lab->gateway, services + 1, 99, &err), 0);
	assert_false(lab_wait_gone(lab, "pod-0", 600));
	lab_receive(slow, &reply);
	assert_int_equal(reply.status, 200);
	(void)close(slow);
	assert_true(lab_wait_gone(lab, "pod-0", 3000));
	lab->gateway = gateway_free(lab->gateway);
	backend_stop(&a);
}

static void grace_ends_also_in_a_worker_before_a_reload(void **state)
{
	struct lab *lab = *state;
	static char hosts[MANY][16], pods[MANY][16];
	struct gateway_target targets[MANY];
	struct gateway_service services[MANY];
	struct backend a;
	struct reply reply;
	ERR_AUTO(err);

	backend_start(&a, "A");
	fill_table(hosts, pods, targets, services, a.port, 1);
	lab_open(lab);
	assert_int_equal(gateway_sync(lab->gateway, services, 1, &err), 0);
	assert_true(lab_wait_answers(lab, hosts[0], 5000));
	int slow = lab_connect(lab->port);
	assert_true(lab_send(slow, "aaaa0001.localhost", "/slow5000"));
	lab_nap(100);
	assert_int_equal(gateway_sync(lab->gateway, services, 100, &err), 0);
	assert_true(lab_wait_answers(lab, hosts[99], 5000));
	assert_int_equal(gateway_sync(lab->gateway, services + 1, 99, &err), 0);
	assert_true(lab_wait_gone(lab, "pod-0", 2500));
	lab_receive(slow, &reply);
	assert_int_not_equal(reply.status, 200);
	(void)close(slow);
	lab->gateway = gateway_free(lab->gateway);
	backend_stop(&a);
}

static int count_descriptors(int pid)
{
	char path[64];
	int count = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	DIR *directory = opendir(path);
	assert_non_null(directory);
	while (readdir(directory))
		count++;
	(void)closedir(directory);
	return count;
}

static int worker_pid(struct lab *lab)
{
	const char *pid = strstr(lab_ask_haproxy(lab, "show info"), "\nPid: ");

	assert_non_null(pid);
	return (int)strtol(pid + 6, NULL, 10);
}

static void coming_and_going_leaves_nothing(void **state)
{
	struct lab *lab = *state;
	struct backend a;
	char pod[32], host[16], command[128];

	backend_start(&a, "A");
	lab_open(lab);
	lab_sync_one(lab, "aaaa0000", "warm", a.port, 0);
	assert_true(lab_wait_answers(lab, "aaaa0000", 5000));
	int ours = count_descriptors(getpid()), theirs = count_descriptors(worker_pid(lab));
	for (int i = 0; i < 500; i++) {
		(void)snprintf(pod, sizeof(pod), "pod-%d", i);
		(void)snprintf(host, sizeof(host), "aaaa%04d", i);
		lab_sync_one(lab, host, pod, a.port, 0);
		assert_true(lab_wait_routed(lab, pod, 5000));
		if (i % 50 == 0)
			assert_int_equal(lab_get(lab->port, "aaaa0000.localhost", "/").error,
					 i != 0);
	}
	lab_sync_none(lab);
	assert_true(lab_wait_gone(lab, pod, 5000));
	(void)snprintf(command, sizeof(command), "show map %s/hosts.map", lab->directory);
	for (int i = 0; i < 100 && (strstr(lab_ask_haproxy(lab, command), "aaaa") ||
				    strstr(lab_ask_haproxy(lab, "show servers state"), "pod-"));
	     i++)
		lab_nap(100);
	assert_null(strstr(lab_ask_haproxy(lab, command), "aaaa"));
	assert_null(strstr(lab_ask_haproxy(lab, "show servers state"), "pod-"));
	assert_true(count_descriptors(getpid()) <= ours + 4);
	assert_true(count_descriptors(worker_pid(lab)) <= theirs + 8);
	lab->gateway = gateway_free(lab->gateway);
	backend_stop(&a);
}

static void bad_names_are_refused(void **state)
{
	struct lab *lab = *state;
	ERR_AUTO(err);
	struct gateway_target target = { "pod a; shutdown", "127.0.0.1", 80 };
	struct gateway_service service = { "aaaa0001", &target, 1, 1 };

	lab_open(lab);
	assert_int_equal(gateway_sync(lab->gateway, &service, 1, &err), -1);
	target = (struct gateway_target){ "pod-a", "localhost", 80 };
	assert_int_equal(gateway_sync(lab->gateway, &service, 1, &err), -1);
	target = (struct gateway_target){ "pod-a", "127.0.0.1", 80 };
	service.host = "a b";
	assert_int_equal(gateway_sync(lab->gateway, &service, 1, &err), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
		T(requests_go_to_the_host_they_name),
		T(errors_of_the_gateway_say_so),
		T(draining_lets_requests_finish),
		T(grace_ends_what_does_not_finish),
		T(changed_address_is_followed),
		T(killed_haproxy_comes_back),
		T(taken_port_is_said_honestly),
		T(killed_owner_is_succeeded_without_a_refusal),
		T(more_services_than_spares_drop_no_connection),
		T(drain_counts_what_runs_in_a_worker_before_a_reload),
		T(grace_ends_also_in_a_worker_before_a_reload),
		T(coming_and_going_leaves_nothing),
		T(bad_names_are_refused),
#undef T
	};
	cmocka_set_test_filter(getenv("DURE_TEST_ONLY"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
