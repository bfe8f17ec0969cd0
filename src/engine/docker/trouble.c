/* What Docker's sentences mean. Docker has no error codes beyond HTTP's; the phrases below are
 * those of dockerd, containerd, runc and the distribution client, engine 20.10 to 28. */
#include <string.h>

#include "engine/docker/parts.h"

struct phrase {
	const char *text;
	enum engine_trouble trouble;
};

/* The first phrase that occurs decides: narrow ones stand before wide ones. */
static const struct phrase pull_phrases[] = {
	{ "no space left on device", ENGINE_TROUBLE_DISK_FULL },
	{ "disk quota exceeded", ENGINE_TROUBLE_DISK_FULL },
	{ "dial tcp", ENGINE_TROUBLE_REGISTRY_UNREACHABLE },
	{ "no such host", ENGINE_TROUBLE_REGISTRY_UNREACHABLE },
	{ "i/o timeout", ENGINE_TROUBLE_REGISTRY_UNREACHABLE },
	{ "connection refused", ENGINE_TROUBLE_REGISTRY_UNREACHABLE },
	{ "connection reset", ENGINE_TROUBLE_REGISTRY_UNREACHABLE },
	{ "TLS handshake", ENGINE_TROUBLE_REGISTRY_UNREACHABLE },
	{ "Client.Timeout", ENGINE_TROUBLE_REGISTRY_UNREACHABLE },
	{ "request canceled", ENGINE_TROUBLE_REGISTRY_UNREACHABLE },
	{ "no matching manifest", ENGINE_TROUBLE_IMAGE_PLATFORM },
	{ "does not match the specified platform", ENGINE_TROUBLE_IMAGE_PLATFORM },
	{ "cannot be used on this platform", ENGINE_TROUBLE_IMAGE_PLATFORM },
	/* Docker Hub's answer to a name that nobody has; seldom a private one. */
	{ "repository does not exist", ENGINE_TROUBLE_IMAGE_NOT_FOUND },
	{ "unauthorized", ENGINE_TROUBLE_IMAGE_UNAUTHORIZED },
	{ "authentication required", ENGINE_TROUBLE_IMAGE_UNAUTHORIZED },
	{ "no basic auth credentials", ENGINE_TROUBLE_IMAGE_UNAUTHORIZED },
	{ "denied", ENGINE_TROUBLE_IMAGE_UNAUTHORIZED },
	{ "forbidden", ENGINE_TROUBLE_IMAGE_UNAUTHORIZED },
	{ "manifest unknown", ENGINE_TROUBLE_IMAGE_NOT_FOUND },
	{ "name unknown", ENGINE_TROUBLE_IMAGE_NOT_FOUND },
	{ "not found", ENGINE_TROUBLE_IMAGE_NOT_FOUND },
	{ "does not exist", ENGINE_TROUBLE_IMAGE_NOT_FOUND },
};

static const struct phrase gpu_phrases[] = {
	{ "could not select device driver", ENGINE_TROUBLE_GPU_UNAVAILABLE },
	{ "nvidia-container", ENGINE_TROUBLE_GPU_UNAVAILABLE },
	{ "nvml error", ENGINE_TROUBLE_GPU_UNAVAILABLE },
	{ "unknown device", ENGINE_TROUBLE_GPU_UNAVAILABLE },
	{ "no space left on device", ENGINE_TROUBLE_DISK_FULL },
	{ "disk quota exceeded", ENGINE_TROUBLE_DISK_FULL },
};

static const struct phrase create_phrases[] = {
	{ "No command specified", ENGINE_TROUBLE_COMMAND_INVALID },
};

static const struct phrase start_phrases[] = {
	{ "executable file not found", ENGINE_TROUBLE_COMMAND_INVALID },
	{ "no such file or directory: unknown", ENGINE_TROUBLE_COMMAND_INVALID },
	{ "permission denied: unknown", ENGINE_TROUBLE_COMMAND_INVALID },
	{ "exec format error", ENGINE_TROUBLE_COMMAND_INVALID },
	{ "is a directory: unknown", ENGINE_TROUBLE_COMMAND_INVALID },
	{ "failed to set up container networking", ENGINE_TROUBLE_NETWORK_FAILED },
	{ "failed to create endpoint", ENGINE_TROUBLE_NETWORK_FAILED },
	{ "no available IPv4 addresses", ENGINE_TROUBLE_NETWORK_FAILED },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static enum engine_trouble look(const struct phrase *phrases, size_t count, const char *message,
				enum engine_trouble otherwise)
{
	for (size_t i = 0; i < count; i++)
		if (strstr(message, phrases[i].text))
			return phrases[i].trouble;
	return otherwise;
}

enum engine_trouble trouble_of_pull(const char *message)
{
	return look(pull_phrases, COUNT(pull_phrases), message, ENGINE_TROUBLE_PULL_FAILED);
}

enum engine_trouble trouble_of_create(const char *message)
{
	enum engine_trouble trouble =
		look(create_phrases, COUNT(create_phrases), message, ENGINE_TROUBLE_CREATE_FAILED);
	return look(gpu_phrases, COUNT(gpu_phrases), message, trouble);
}

enum engine_trouble trouble_of_start(const char *message)
{
	enum engine_trouble trouble =
		look(start_phrases, COUNT(start_phrases), message, ENGINE_TROUBLE_START_FAILED);
	return look(gpu_phrases, COUNT(gpu_phrases), message, trouble);
}
