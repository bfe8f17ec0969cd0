#include "monitor/machine.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/strings.h"
#include "monitor/cgroup.h"
#include "monitor/nvml.h"

#define NVML_SONAME "libnvidia-ml.so.1"
#define CGROUP_ROOT "/sys/fs/cgroup"
#define NAME_BYTES 64         /* Linux's longest host name and its NUL */
#define CPUS_MAX (64 * 1024)  /* the kernel's mask may be wider than glibc's 1,024 */
#define NAME_FALLBACK "local" /* a machine whose host name has no usable character */

#define MIN(a, b) ((a) < (b) ? (a) : (b))

/* A node's name in the catalogue: [a-z0-9.-], starting and ending with a letter or digit. */
static void name_from_host(const char *host, char *out)
{
	size_t length = 0;

	for (; *host && length < NAME_BYTES - 1; host++) {
		char c = *host;
		if (c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		bool alnum = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
		if (!alnum && length == 0)
			continue;
		out[length++] = (alnum || c == '.') ? c : '-';
	}
	while (length > 0 && (out[length - 1] == '-' || out[length - 1] == '.'))
		length--;
	out[length] = '\0';
	if (length == 0)
		str_copy(out, NAME_BYTES, NAME_FALLBACK);
}

static int64_t cpu_milli(void)
{
	int64_t milli = (int64_t)sysconf(_SC_NPROCESSORS_ONLN) * 1000;
	cpu_set_t *set = CPU_ALLOC(CPUS_MAX);
	size_t size = CPU_ALLOC_SIZE(CPUS_MAX);

	if (set && sched_getaffinity(0, size, set) == 0)
		milli = (int64_t)CPU_COUNT_S(size, set) * 1000;
	CPU_FREE(set);
	return MIN(milli, cgroup_cpu_milli(CGROUP_ROOT));
}

static int64_t memory_mb(void)
{
	int64_t pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);

	return MIN(pages * (page / 1024) / 1024, cgroup_memory_mb(CGROUP_ROOT));
}

static int disk_mb(const char *path, int64_t *ret_mb, struct err *err)
{
	struct statvfs disk;

	if (statvfs(path, &disk) < 0)
		return err_set_errno(err, ERR_UNAVAILABLE, errno, "size of the disk of %s", path);
	*ret_mb = (int64_t)(disk.f_blocks / 1024 * disk.f_frsize / 1024);
	return 0;
}

int machine_facts(struct env *env, const char *nvml_library, const char *disk_path,
		  struct engine_node **ret_node, struct err *err)
{
	char host[NAME_BYTES + 1] = "", name[NAME_BYTES];
	struct nvml_facts facts = { NULL, 0, 0 };
	int64_t disk = 0;

	if (gethostname(host, sizeof(host) - 1) < 0)
		host[0] = '\0';
	name_from_host(host, name);
	if (disk_mb(disk_path, &disk, err) < 0)
		return -1;
	if (nvml_facts_read(env, nvml_library ? nvml_library : NVML_SONAME, &facts, err) < 0)
		return -1;
	struct engine_node *node = calloc(1, sizeof(*node));
	if (node)
		node->name = strdup(name);
	if (!node || !node->name) {
		nvml_facts_clear(&facts);
		free(node);
		return err_oom(err);
	}
	node->cpu_milli = cpu_milli();
	node->memory_mb = memory_mb();
	node->disk_mb = disk;
	node->cuda_version = facts.cuda_version;
	node->gpus = facts.gpus;
	node->n_gpus = facts.n_gpus;
	*ret_node = node;
	return 0;
}

struct engine_node *machine_facts_free(struct engine_node *node)
{
	if (!node)
		return NULL;
	struct nvml_facts facts = { (struct engine_gpu *)node->gpus, node->n_gpus, 0 };
	nvml_facts_clear(&facts);
	free((char *)node->name);
	free(node);
	return NULL;
}
