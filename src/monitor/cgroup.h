/* Limits that the control groups above us set. Read at the top of what is visible: in a container
 * that is the container's own limit, which everything beside Dure (Docker too) shares; on a bare
 * machine there is none. A limit of Dure's own service does not count: pods do not run under it. */
#ifndef DURE_MONITOR_CGROUP_H
#define DURE_MONITOR_CGROUP_H

#include <stdint.h>

/* `root`: where control groups are mounted, "/sys/fs/cgroup"; versions 1 and 2.
 * INT64_MAX where nothing is limited. */
int64_t cgroup_cpu_milli(const char *root);
int64_t cgroup_memory_mb(const char *root);

#endif
