/* What a user registers: the fields of the guide, parsed, checked and given back as JSON. */
#ifndef DURE_WORKLOAD_SPEC_H
#define DURE_WORKLOAD_SPEC_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/jsonw.h"

/* X(symbol, word, host, label): registry types of the guide. `host`: the one its references have.
 */
#define SPEC_REGISTRIES(X)                                                                         \
	X(DOCKER_HUB, "docker_hub", "docker.io", "Docker Hub")                                     \
	X(GITHUB, "github", "ghcr.io", "GitHub")                                                   \
	X(NGC, "ngc", "nvcr.io", "NVIDIA NGC")                                                     \
	X(QUAY, "quay", "quay.io", "Red Hat Quay")                                                 \
	X(HUGGING_FACE, "hugging_face", "registry.hf.space", "Hugging Face")                       \
	X(OTHER, "other", NULL, "other")

enum spec_registry {
#define X(symbol, word, host, label) SPEC_REGISTRY_##symbol,
	SPEC_REGISTRIES(X)
#undef X
};

struct spec_variable {
	const char *name;
	const char *value;
};

struct spec {
	const char *description;     /* 설명: 2–80 characters */
	enum spec_registry registry; /* 저장소 유형 */
	const char *image;           /* 컨테이너 이미지 as given */
	const char *image_reference; /* canonical: host/path:tag or @digest, written out */
	const char *const *argv;     /* 컨테이너 명령; n_argv 0: the image's own */
	size_t n_argv;
	bool shell_form;       /* given as one string: run by the image's /bin/sh -c; argv[0] is the
				  string */
	uint16_t port;         /* 컨테이너 포트 */
	int target_tier;       /* 목적노드: 0 any, 1, 2, 3 */
	int64_t replicas;      /* 레플리카 */
	const char *gpu_model; /* NULL: any */
	int64_t gpu_count;     /* per replica; 0: CPU only */
	int64_t gpu_memory_mb; /* GPU 메모리: at least, per GPU; 0: any */
	const struct spec_variable *variables;
	size_t n_variables;
	int64_t shared_memory_mb;
	int64_t cpu_milli;
	int64_t memory_mb;
	int64_t min_cuda_version;   /* 12080 = 12.8; 0: any */
	int64_t max_price_per_hour; /* µP a replica, base + usage; 0: any */
	bool deploy_now;            /* 즉시배포: an order, not part of what is stored */
};

/* Parses and checks a JSON object (openapi: WorkloadSpec). All offending fields at once: ERR_FIELDS
 * with extra "fields": [{pointer, code, message, given?, allowed?}]. Unknown members are offending.
 * Everything in *ret_spec lives in `arena`. */
int spec_parse(const json_t *body, struct arena *arena, struct spec *ret_spec, struct err *err);
/* The same after an RFC 7396 merge of `patch` into `spec`; pointers refer to the patch's members.
 */
int spec_patch(const struct spec *spec, const json_t *patch, struct arena *arena,
	       struct spec *ret_spec, struct err *err);
/* The members of the spec (without braces, without deploy_now) into an open object. spec_parse()
 * takes back what this writes. */
void spec_write(const struct spec *spec, struct jsonw *w);
/* Stored form (one JSON object) ↔ spec. */
char *spec_store(const struct spec *spec, struct arena *arena);
int spec_load(const char *stored, struct arena *arena, struct spec *ret_spec, struct err *err);
/* 8 hex digits over what pods are made from (image, command, environment, port, resources): pods of
 * equal hash are interchangeable. */
void spec_hash(const struct spec *spec, char ret_hash[9]);

const char *spec_registry_word(enum spec_registry registry);

/* "12.8" ↔ 12080. Format writes at most 15 bytes. Parse is negative on anything else. */
int spec_cuda_parse(const char *text, int64_t *ret_version);
void spec_cuda_format(int64_t version, char ret_text[16]);

#endif
