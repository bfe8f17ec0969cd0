/* The shipped catalogue of GPU models, from NVML's product names to it, and CUDA versions. */
#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/strings.h"
#include "catalog/catalog.h"

#define GB(n) ((int64_t)(n)*1024)
#define DATA_CENTER "data-center"
#define GEFORCE "geforce"
#define WORKSTATION "workstation"

/* Ordered by series, then memory; the unit test holds it to that. */
static const struct gpu_model models[] = {
	{ "a2", "NVIDIA A2", DATA_CENTER, GB(16) },
	{ "a16", "NVIDIA A16", DATA_CENTER, GB(16) },
	{ "p100-pcie-16g", "Tesla P100-PCIE-16GB", DATA_CENTER, GB(16) },
	{ "p100-sxm-16g", "Tesla P100-SXM2-16GB", DATA_CENTER, GB(16) },
	{ "t4", "Tesla T4", DATA_CENTER, GB(16) },
	{ "v100-pcie-16g", "Tesla V100-PCIE-16GB", DATA_CENTER, GB(16) },
	{ "v100-sxm-16g", "Tesla V100-SXM2-16GB", DATA_CENTER, GB(16) },
	{ "a10", "NVIDIA A10", DATA_CENTER, GB(24) },
	{ "a10g", "NVIDIA A10G", DATA_CENTER, GB(24) },
	{ "a30", "NVIDIA A30", DATA_CENTER, GB(24) },
	{ "l4", "NVIDIA L4", DATA_CENTER, GB(24) },
	{ "v100-pcie-32g", "Tesla V100-PCIE-32GB", DATA_CENTER, GB(32) },
	{ "v100-sxm-32g", "Tesla V100-SXM2-32GB", DATA_CENTER, GB(32) },
	{ "a100-pcie-40g", "NVIDIA A100-PCIE-40GB", DATA_CENTER, GB(40) },
	{ "a100-sxm-40g", "NVIDIA A100-SXM4-40GB", DATA_CENTER, GB(40) },
	{ "a40", "NVIDIA A40", DATA_CENTER, GB(48) },
	{ "l40", "NVIDIA L40", DATA_CENTER, GB(48) },
	{ "l40s", "NVIDIA L40S", DATA_CENTER, GB(48) },
	{ "a100-pcie-80g", "NVIDIA A100 80GB PCIe", DATA_CENTER, GB(80) },
	{ "a100-sxm-80g", "NVIDIA A100-SXM4-80GB", DATA_CENTER, GB(80) },
	{ "h100-pcie-80g", "NVIDIA H100 PCIe", DATA_CENTER, GB(80) },
	{ "h100-sxm-80g", "NVIDIA H100 80GB HBM3", DATA_CENTER, GB(80) },
	{ "h100-nvl-94g", "NVIDIA H100 NVL", DATA_CENTER, GB(94) },
	{ "gh200-96g", "NVIDIA GH200 480GB", DATA_CENTER, GB(96) },
	{ "h200-nvl-141g", "NVIDIA H200 NVL", DATA_CENTER, GB(141) },
	{ "h200-sxm-141g", "NVIDIA H200", DATA_CENTER, GB(141) },
	{ "b200", "NVIDIA B200", DATA_CENTER, GB(180) },

	{ "rtx3060ti", "NVIDIA GeForce RTX 3060 Ti", GEFORCE, GB(8) },
	{ "rtx3070", "NVIDIA GeForce RTX 3070", GEFORCE, GB(8) },
	{ "rtx3070ti", "NVIDIA GeForce RTX 3070 Ti", GEFORCE, GB(8) },
	{ "rtx4060", "NVIDIA GeForce RTX 4060", GEFORCE, GB(8) },
	{ "rtx4060ti-8g", "NVIDIA GeForce RTX 4060 Ti", GEFORCE, GB(8) },
	{ "rtx5060", "NVIDIA GeForce RTX 5060", GEFORCE, GB(8) },
	{ "rtx5060ti-8g", "NVIDIA GeForce RTX 5060 Ti", GEFORCE, GB(8) },
	{ "rtx3080-10g", "NVIDIA GeForce RTX 3080", GEFORCE, GB(10) },
	{ "rtx3060", "NVIDIA GeForce RTX 3060", GEFORCE, GB(12) },
	{ "rtx3080-12g", "NVIDIA GeForce RTX 3080", GEFORCE, GB(12) },
	{ "rtx3080ti", "NVIDIA GeForce RTX 3080 Ti", GEFORCE, GB(12) },
	{ "rtx4070", "NVIDIA GeForce RTX 4070", GEFORCE, GB(12) },
	{ "rtx4070super", "NVIDIA GeForce RTX 4070 SUPER", GEFORCE, GB(12) },
	{ "rtx4070ti", "NVIDIA GeForce RTX 4070 Ti", GEFORCE, GB(12) },
	{ "rtx5070", "NVIDIA GeForce RTX 5070", GEFORCE, GB(12) },
	{ "rtx4060ti-16g", "NVIDIA GeForce RTX 4060 Ti", GEFORCE, GB(16) },
	{ "rtx4070tisuper", "NVIDIA GeForce RTX 4070 Ti SUPER", GEFORCE, GB(16) },
	{ "rtx4080", "NVIDIA GeForce RTX 4080", GEFORCE, GB(16) },
	{ "rtx4080super", "NVIDIA GeForce RTX 4080 SUPER", GEFORCE, GB(16) },
	{ "rtx5060ti-16g", "NVIDIA GeForce RTX 5060 Ti", GEFORCE, GB(16) },
	{ "rtx5070ti", "NVIDIA GeForce RTX 5070 Ti", GEFORCE, GB(16) },
	{ "rtx5080", "NVIDIA GeForce RTX 5080", GEFORCE, GB(16) },
	{ "rtx3090", "NVIDIA GeForce RTX 3090", GEFORCE, GB(24) },
	{ "rtx3090ti", "NVIDIA GeForce RTX 3090 Ti", GEFORCE, GB(24) },
	{ "rtx4090", "NVIDIA GeForce RTX 4090", GEFORCE, GB(24) },
	{ "rtx4090d", "NVIDIA GeForce RTX 4090 D", GEFORCE, GB(24) },
	{ "rtx5090", "NVIDIA GeForce RTX 5090", GEFORCE, GB(32) },

	{ "rtxa4000", "NVIDIA RTX A4000", WORKSTATION, GB(16) },
	{ "rtxa5000", "NVIDIA RTX A5000", WORKSTATION, GB(24) },
	{ "rtx6000ada", "NVIDIA RTX 6000 Ada Generation", WORKSTATION, GB(48) },
	{ "rtxa6000", "NVIDIA RTX A6000", WORKSTATION, GB(48) },
	{ "rtxpro6000", "NVIDIA RTX PRO 6000 Blackwell Workstation Edition", WORKSTATION, GB(96) },
};

/* Further names under which NVML knows a model. */
static const struct {
	const char *product;
	const char *code;
} aliases[] = {
	{ "NVIDIA RTX PRO 6000 Blackwell Server Edition", "rtxpro6000" },
	{ "NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition", "rtxpro6000" },
	{ "NVIDIA GH200 120GB", "gh200-96g" },
};

const struct gpu_model *catalog_models(size_t *ret_count)
{
	*ret_count = sizeof(models) / sizeof(models[0]);
	return models;
}

const struct gpu_model *catalog_model_find(const char *code)
{
	for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++)
		if (str_equal(models[i].code, code))
			return &models[i];
	return NULL;
}

/* Drivers before 470 leave "NVIDIA " out; some later ones put it before "Tesla ". */
static const char *bare_product(const char *product)
{
	if (str_starts(product, "NVIDIA "))
		product += strlen("NVIDIA ");
	if (str_starts(product, "Tesla "))
		product += strlen("Tesla ");
	return product;
}

const struct gpu_model *catalog_model_by_product(const char *product, int64_t memory_mb)
{
	const struct gpu_model *best = NULL;
	int64_t best_distance = INT64_MAX;

	if (str_empty(product))
		return NULL;
	/* NVML reports up to 7 % less than what is sold (ECC, firmware): the nearest size is it. */
	for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++) {
		int64_t distance = models[i].memory_mb - memory_mb;
		if (!str_equal(bare_product(models[i].name), bare_product(product)))
			continue;
		distance = distance < 0 ? -distance : distance;
		if (distance < best_distance) {
			best = &models[i];
			best_distance = distance;
		}
	}
	for (size_t i = 0; !best && i < sizeof(aliases) / sizeof(aliases[0]); i++)
		if (str_equal(bare_product(aliases[i].product), bare_product(product)))
			best = catalog_model_find(aliases[i].code);
	return best;
}

/* One or two digits without a leading zero; moves *at behind them. */
static int cuda_part(const char **at, int64_t *ret_number)
{
	const char *c = *at;
	int64_t number = 0;
	size_t digits = 0;

	for (; c[digits] >= '0' && c[digits] <= '9'; digits++)
		if (digits == 2)
			return -1;
		else
			number = number * 10 + (c[digits] - '0');
	if (digits == 0 || (digits > 1 && c[0] == '0'))
		return -1;
	*at = c + digits;
	*ret_number = number;
	return 0;
}

int catalog_cuda_parse(const char *text, int64_t *ret_version)
{
	int64_t major, minor;

	if (cuda_part(&text, &major) < 0 || major == 0 || *text++ != '.')
		return -1;
	if (cuda_part(&text, &minor) < 0 || *text != '\0')
		return -1;
	*ret_version = major * 1000 + minor * 10;
	return 0;
}

void catalog_cuda_format(int64_t version, char ret_text[16])
{
	assert(version >= 0 && version < 100000);
	(void)snprintf(ret_text, 16, "%d.%d", (int)version / 1000, (int)version % 1000 / 10);
}
