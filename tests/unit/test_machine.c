/* monitor: facts of this machine; NVML through the tests' stand-in library (nvml_standin.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "monitor/cgroup.h"
#include "monitor/machine.h"

static struct log quiet = { STDERR_FILENO, LOG_LEVEL_ERROR, false };

/* The stand-in lies beside this program. */
static void standin_path(char *out, size_t size)
{
	char self[512];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);

	assert_true(length > 0);
	self[length] = '\0';
	*strrchr(self, '/') = '\0';
	assert_true(snprintf(out, size, "%s/libnvml_standin.so", self) < (int)size);
}

static void machine_without_driver_has_no_gpus(void **state)
{
	struct env env = env_system(&quiet);
	struct engine_node *node = NULL;
	ERR_AUTO(err);

	(void)state;
	assert_int_equal(machine_facts(&env, "libno-such-driver.so.9", "/", &node, &err), 0);
	assert_int_equal(node->n_gpus, 0);
	assert_int_equal(node->cuda_version, 0);
	assert_true(node->cpu_milli > 0);
	assert_true(node->memory_mb > 64);
	assert_true(node->disk_mb > 64);
	assert_true(strlen(node->name) > 0);
	assert_int_equal(strspn(node->name, "abcdefghijklmnopqrstuvwxyz0123456789.-"),
			 strlen(node->name));
	assert_null(machine_facts_free(node));
}

static void memory_is_what_the_kernel_says(void **state)
{
	struct env env = env_system(&quiet);
	struct engine_node *node = NULL;
	long long kib = 0;
	ERR_AUTO(err);

	(void)state;
	FILE *info = fopen("/proc/meminfo", "re");
	assert_non_null(info);
	assert_int_equal(fscanf(info, "MemTotal: %lld", &kib), 1);
	fclose(info);
	assert_int_equal(machine_facts(&env, "libno-such-driver.so.9", "/", &node, &err), 0);
	assert_true(node->memory_mb <= kib / 1024 + 1);
	node = machine_facts_free(node);
}

static void gpus_come_from_nvml_and_lost_ones_are_left_out(void **state)
{
	struct env env = env_system(&quiet);
	struct engine_node *node = NULL;
	char library[600];
	ERR_AUTO(err);

	(void)state;
	standin_path(library, sizeof(library));
	assert_int_equal(machine_facts(&env, library, "/", &node, &err), 0);
	assert_int_equal(node->cuda_version, 12080);
	assert_int_equal(node->n_gpus, 2);
	assert_string_equal(node->gpus[0].uuid, "GPU-11111111-0000-0000-0000-000000000001");
	assert_string_equal(node->gpus[0].product, "NVIDIA GeForce RTX 4090");
	assert_int_equal(node->gpus[0].memory_mb, 24564);
	assert_string_equal(node->gpus[1].uuid, "GPU-33333333-0000-0000-0000-000000000003");
	assert_int_equal(node->gpus[1].memory_mb, 81559);
	node = machine_facts_free(node);
}

static void missing_disk_is_an_error(void **state)
{
	struct env env = env_system(&quiet);
	struct engine_node *node = NULL;
	ERR_AUTO(err);

	(void)state;
	assert_int_equal(machine_facts(&env, NULL, "/no/such/path", &node, &err), -1);
	assert_non_null(strstr(err.message, "/no/such/path"));
	assert_null(node);
}

static void write_file(const char *root, const char *name, const char *text)
{
	char path[600];

	assert_true(snprintf(path, sizeof(path), "%s/%s", root, name) < (int)sizeof(path));
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void control_group_limits_count(void **state)
{
	char root[] = "/tmp/dure-cgroup-XXXXXX", sub[64];

	(void)state;
	assert_non_null(mkdtemp(root));
	assert_true(cgroup_cpu_milli(root) == INT64_MAX);
	assert_true(cgroup_memory_mb(root) == INT64_MAX);
	(void)snprintf(sub, sizeof(sub), "%s/cpu", root);
	assert_int_equal(mkdir(sub, 0700), 0);
	(void)snprintf(sub, sizeof(sub), "%s/memory", root);
	assert_int_equal(mkdir(sub, 0700), 0);
	write_file(root, "cpu/cpu.cfs_quota_us", "-1\n");
	write_file(root, "cpu/cpu.cfs_period_us", "100000\n");
	assert_true(cgroup_cpu_milli(root) == INT64_MAX);
	write_file(root, "cpu/cpu.cfs_quota_us", "150000\n");
	assert_int_equal(cgroup_cpu_milli(root), 1500);
	write_file(root, "memory/memory.limit_in_bytes", "9223372036854771712\n");
	assert_true(cgroup_memory_mb(root) == INT64_MAX);
	write_file(root, "memory/memory.limit_in_bytes", "536870912\n");
	assert_int_equal(cgroup_memory_mb(root), 512);
	/* Version 2's files win where both are mounted. */
	write_file(root, "cpu.max", "max 100000\n");
	write_file(root, "memory.max", "max\n");
	assert_true(cgroup_cpu_milli(root) == INT64_MAX);
	assert_true(cgroup_memory_mb(root) == INT64_MAX);
	write_file(root, "cpu.max", "25000 100000\n");
	write_file(root, "memory.max", "1073741824\n");
	assert_int_equal(cgroup_cpu_milli(root), 250);
	assert_int_equal(cgroup_memory_mb(root), 1024);
	static const char *const left[] = { "cpu.max",
					    "memory.max",
					    "cpu/cpu.cfs_quota_us",
					    "cpu/cpu.cfs_period_us",
					    "memory/memory.limit_in_bytes",
					    "cpu",
					    "memory" };
	for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++) {
		char path[600];
		(void)snprintf(path, sizeof(path), "%s/%s", root, left[i]);
		assert_int_equal(remove(path), 0);
	}
	assert_int_equal(remove(root), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(machine_without_driver_has_no_gpus),
		cmocka_unit_test(memory_is_what_the_kernel_says),
		cmocka_unit_test(gpus_come_from_nvml_and_lost_ones_are_left_out),
		cmocka_unit_test(missing_disk_is_an_error),
		cmocka_unit_test(control_group_limits_count),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
