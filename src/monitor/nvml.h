/* NVIDIA's GPUs by the driver's own library, opened at run time: Dure needs no NVIDIA package to
 * build, and a machine without the driver is a machine without GPUs. */
#ifndef DURE_MONITOR_NVML_H
#define DURE_MONITOR_NVML_H

#include "base/env.h"
#include "base/err.h"
#include "engine/engine.h"

struct nvml_facts {
	struct engine_gpu *gpus; /* NULL without any */
	size_t n_gpus;
	int cuda_version; /* 12080 means 12.8; 0 without a driver */
};

/* `library`: soname or path. No such library, or a driver that does not start: no GPUs, logged.
 * Fails on memory only. The caller frees with nvml_facts_clear(). */
int nvml_facts_read(struct env *env, const char *library, struct nvml_facts *ret_facts,
		    struct err *err);
void nvml_facts_clear(struct nvml_facts *facts);

#endif
