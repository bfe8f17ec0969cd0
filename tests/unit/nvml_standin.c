/* A stand-in for NVIDIA's libnvidia-ml.so.1, for tests on machines without GPUs. It has the real
 * library's ABI (names, argument types, nvmlMemory_t, status codes) for the calls Dure makes, and
 * invents three devices, of which the second has fallen off the bus. It says nothing about whether
 * Dure works with the real driver. */
#include <stdio.h>
#include <string.h>

#define SUCCESS 0
#define ERROR_UNINITIALIZED 1
#define ERROR_INVALID_ARGUMENT 2
#define ERROR_INSUFFICIENT_SIZE 7
#define ERROR_GPU_IS_LOST 15

struct nvmlDevice_st {
	const char *uuid, *name;
	unsigned long long memory;
	int lost;
};
typedef struct nvmlDevice_st *nvmlDevice_t;
typedef struct {
	unsigned long long total, free, used;
} nvmlMemory_t;

int nvmlInit_v2(void);
int nvmlShutdown(void);
int nvmlDeviceGetCount_v2(unsigned int *count);
int nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *device);
int nvmlDeviceGetUUID(nvmlDevice_t device, char *uuid, unsigned int length);
int nvmlDeviceGetName(nvmlDevice_t device, char *name, unsigned int length);
int nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *memory);
int nvmlSystemGetCudaDriverVersion_v2(int *version);

static struct nvmlDevice_st devices[] = {
	{ "GPU-11111111-0000-0000-0000-000000000001", "NVIDIA GeForce RTX 4090", 25757220864ULL,
	  0 },
	{ "GPU-22222222-0000-0000-0000-000000000002", "NVIDIA GeForce RTX 4090", 25757220864ULL,
	  1 },
	{ "GPU-33333333-0000-0000-0000-000000000003", "NVIDIA H100 80GB HBM3", 85520809984ULL, 0 },
};
static int users;

int nvmlInit_v2(void)
{
	users++;
	return SUCCESS;
}

int nvmlShutdown(void)
{
	if (users == 0)
		return ERROR_UNINITIALIZED;
	users--;
	return SUCCESS;
}

int nvmlDeviceGetCount_v2(unsigned int *count)
{
	if (users == 0)
		return ERROR_UNINITIALIZED;
	*count = sizeof(devices) / sizeof(devices[0]);
	return SUCCESS;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *device)
{
	if (index >= sizeof(devices) / sizeof(devices[0]))
		return ERROR_INVALID_ARGUMENT;
	if (devices[index].lost)
		return ERROR_GPU_IS_LOST;
	*device = &devices[index];
	return SUCCESS;
}

static int give(const char *text, char *out, unsigned int length)
{
	if (strlen(text) >= length)
		return ERROR_INSUFFICIENT_SIZE;
	(void)snprintf(out, length, "%s", text);
	return SUCCESS;
}

int nvmlDeviceGetUUID(nvmlDevice_t device, char *uuid, unsigned int length)
{
	return give(device->uuid, uuid, length);
}

int nvmlDeviceGetName(nvmlDevice_t device, char *name, unsigned int length)
{
	return give(device->name, name, length);
}

int nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *memory)
{
	*memory = (nvmlMemory_t){ device->memory, device->memory, 0 };
	return SUCCESS;
}

int nvmlSystemGetCudaDriverVersion_v2(int *version)
{
	*version = 12080;
	return SUCCESS;
}
