#include "monitor/nvml.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/strings.h"

/* The part of NVML's ABI that is used here, in our own words; stable since driver 410.
 * https://docs.nvidia.com/deploy/nvml-api/ */
#define NVML_OK 0
#define NVML_TEXT_BYTES 96 /* the library's longest name and UUID */

struct nvml_memory {
	unsigned long long total, free, used; /* bytes */
};

struct nvml {
	void *library;
	int (*init)(void);
	int (*shutdown)(void);
	int (*count)(unsigned int *count);
	int (*handle)(unsigned int index, void **device);
	int (*uuid)(void *device, char *text, unsigned int size);
	int (*name)(void *device, char *text, unsigned int size);
	int (*memory)(void *device, struct nvml_memory *memory);
	int (*cuda)(int *version);
};

/* POSIX promises that a function's address survives the void pointer; ISO C has no cast for it. */
static bool find(struct nvml *nvml, const char *symbol, void *function)
{
	void *address = dlsym(nvml->library, symbol);

	memcpy(function, &address, sizeof(address));
	return address != NULL;
}

static bool nvml_load(struct nvml *nvml, const char *library)
{
	nvml->library = dlopen(library, RTLD_NOW | RTLD_LOCAL);
	if (!nvml->library)
		return false;
	return find(nvml, "nvmlInit_v2", &nvml->init) &&
	       find(nvml, "nvmlShutdown", &nvml->shutdown) &&
	       find(nvml, "nvmlDeviceGetCount_v2", &nvml->count) &&
	       find(nvml, "nvmlDeviceGetHandleByIndex_v2", &nvml->handle) &&
	       find(nvml, "nvmlDeviceGetUUID", &nvml->uuid) &&
	       find(nvml, "nvmlDeviceGetName", &nvml->name) &&
	       find(nvml, "nvmlDeviceGetMemoryInfo", &nvml->memory) &&
	       find(nvml, "nvmlSystemGetCudaDriverVersion_v2", &nvml->cuda);
}

/* One device; a device that does not answer is left out, since no pod could use it. */
static int read_gpu(struct env *env, const struct nvml *nvml, unsigned int index,
		    struct nvml_facts *facts, struct err *err)
{
	char uuid[NVML_TEXT_BYTES] = "", name[NVML_TEXT_BYTES] = "";
	struct nvml_memory memory = { 0 };
	void *device = NULL;

	int status = nvml->handle(index, &device);
	if (status == NVML_OK)
		status = nvml->uuid(device, uuid, sizeof(uuid));
	if (status == NVML_OK)
		status = nvml->name(device, name, sizeof(name));
	if (status == NVML_OK)
		status = nvml->memory(device, &memory);
	if (status != NVML_OK) {
		log_warning(env->log, "monitor", "GPU %u does not answer (NVML status %d)", index,
			    status);
		return 0;
	}
	struct engine_gpu *gpu = &facts->gpus[facts->n_gpus];
	gpu->uuid = strndup(uuid, sizeof(uuid) - 1);
	gpu->product = strndup(name, sizeof(name) - 1);
	gpu->memory_mb = (int64_t)(memory.total / (1024 * 1024));
	facts->n_gpus++; /* also when half built, so that clear finds it */
	return gpu->uuid && gpu->product ? 0 : err_oom(err);
}

static int read_gpus(struct env *env, const struct nvml *nvml, struct nvml_facts *facts,
		     struct err *err)
{
	unsigned int count = 0;

	if (nvml->count(&count) != NVML_OK || count == 0)
		return 0;
	if (count > LIMIT_GPUS_PER_NODE) {
		log_warning(env->log, "monitor", "%u GPUs found, the first %d are used", count,
			    LIMIT_GPUS_PER_NODE);
		count = LIMIT_GPUS_PER_NODE;
	}
	facts->gpus = calloc(count, sizeof(*facts->gpus));
	if (!facts->gpus)
		return err_oom(err);
	for (unsigned int i = 0; i < count; i++)
		if (read_gpu(env, nvml, i, facts, err) < 0)
			return -1;
	return 0;
}

int nvml_facts_read(struct env *env, const char *library, struct nvml_facts *ret_facts,
		    struct err *err)
{
	struct nvml_facts facts = { NULL, 0, 0 };
	struct nvml nvml = { 0 };
	int result = 0;

	if (!nvml_load(&nvml, library)) {
		log_debug(env->log, "monitor", "no NVIDIA driver here: %s", library);
	} else if (nvml.init() != NVML_OK) {
		log_warning(env->log, "monitor", "%s is here but the driver does not start",
			    library);
	} else {
		if (nvml.cuda(&facts.cuda_version) != NVML_OK)
			facts.cuda_version = 0;
		result = read_gpus(env, &nvml, &facts, err);
		(void)nvml.shutdown();
	}
	if (nvml.library)
		dlclose(nvml.library);
	if (result < 0)
		nvml_facts_clear(&facts);
	else
		*ret_facts = facts;
	return result;
}

void nvml_facts_clear(struct nvml_facts *facts)
{
	for (size_t i = 0; i < facts->n_gpus; i++) {
		free((char *)facts->gpus[i].uuid);
		free((char *)facts->gpus[i].product);
	}
	free(facts->gpus);
	*facts = (struct nvml_facts){ NULL, 0, 0 };
}
