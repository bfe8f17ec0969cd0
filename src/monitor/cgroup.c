#include "monitor/cgroup.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/strings.h"

/* The first line of root/name; negative when there is none. */
static int read_line(const char *root, const char *name, char *out, size_t size)
{
	char path[512];

	if (snprintf(path, sizeof(path), "%s/%s", root, name) >= (int)sizeof(path))
		return -1;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ssize_t length = read(fd, out, size - 1);
	close(fd);
	if (length < 0)
		return -1;
	out[length] = '\0';
	out[strcspn(out, "\n")] = '\0';
	return 0;
}

static int64_t quota_milli(const char *quota_text, const char *period_text)
{
	int64_t quota = 0, period = 0;

	/* "max" (version 2) and -1 (version 1) are no numbers above 0: no limit. */
	if (str_to_int64(quota_text, 1, INT64_MAX / 1000, &quota) < 0 ||
	    str_to_int64(period_text, 1, INT64_MAX, &period) < 0)
		return INT64_MAX;
	int64_t milli = quota * 1000 / period;
	return milli > 0 ? milli : 1;
}

int64_t cgroup_cpu_milli(const char *root)
{
	char quota[128], period[128];

	if (read_line(root, "cpu.max", quota, sizeof(quota)) == 0) {
		char *space = strchr(quota, ' ');
		if (!space)
			return INT64_MAX;
		*space = '\0';
		return quota_milli(quota, space + 1);
	}
	if (read_line(root, "cpu/cpu.cfs_quota_us", quota, sizeof(quota)) < 0 ||
	    read_line(root, "cpu/cpu.cfs_period_us", period, sizeof(period)) < 0)
		return INT64_MAX;
	return quota_milli(quota, period);
}

int64_t cgroup_memory_mb(const char *root)
{
	char text[128];
	int64_t bytes = 0;

	if (read_line(root, "memory.max", text, sizeof(text)) < 0 &&
	    read_line(root, "memory/memory.limit_in_bytes", text, sizeof(text)) < 0)
		return INT64_MAX;
	if (str_to_int64(text, 1, INT64_MAX, &bytes) < 0)
		return INT64_MAX;
	/* Version 1 says "no limit" as a number near 2^63. */
	return bytes >= INT64_MAX - (1 << 20) ? INT64_MAX : bytes / (1024 * 1024);
}
