/* Facts of this machine: CPU, memory, disk from the system, GPUs from NVML. */
#ifndef DURE_MONITOR_MACHINE_H
#define DURE_MONITOR_MACHINE_H

#include "base/env.h"
#include "base/err.h"
#include "engine/engine.h"

/* `nvml_library`: soname to dlopen, NULL: "libnvidia-ml.so.1"; absent is fine (no GPUs).
 * `disk_path`: file system whose size counts. The caller frees with machine_facts_free(). */
int machine_facts(struct env *env, const char *nvml_library, const char *disk_path,
		  struct engine_node **ret_node, struct err *err);
struct engine_node *machine_facts_free(struct engine_node *node); /* takes NULL; returns NULL */

#endif
