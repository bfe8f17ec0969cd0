/* catalog: models, nodes, prices, reservations, offers. On a database of its own in memory. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/strings.h"
#include "catalog_world.h"

#define POINT INT64_C(1000000)

/* Tests ------------------------------------------------------------------------------------- */

#define SIZE "\"cpu_milli\":8000,\"memory_mb\":32768,"
#define PRICE "\"base_per_hour\":300000000,\"usage_per_hour\":200000000"
#define NODE(name, tier, gpu)                                                                      \
	"{\"name\":\"" name "\",\"tier\":" #tier ",\"gpu\":" gpu "," SIZE PRICE "}"
#define RTX4090(count) "{\"model\":\"rtx4090\",\"count\":" #count "}"

static void shipped_models_are_sound(void **state)
{
	size_t count;
	const struct gpu_model *models = catalog_models(&count);

	(void)state;
	assert_in_range(count, 50, 200);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(strspn(models[i].code, "abcdefghijklmnopqrstuvwxyz0123456789-"),
				 strlen(models[i].code));
		assert_ptr_equal(catalog_model_find(models[i].code), &models[i]);
		/* Its own name leads back to it. */
		assert_ptr_equal(catalog_model_by_product(models[i].name, models[i].memory_mb),
				 &models[i]);
		if (i == 0)
			continue;
		int order = strcmp(models[i - 1].series, models[i].series);
		assert_true(order < 0 ||
			    (order == 0 && models[i - 1].memory_mb <= models[i].memory_mb));
	}
	assert_null(catalog_model_find("rtx9999"));
	assert_null(catalog_model_find(NULL));
}

static void product_names_lead_to_models(void **state)
{
	static const struct {
		const char *product;
		int64_t memory_mb; /* as NVML reports it */
		const char *code;
	} products[] = {
		{ "NVIDIA GeForce RTX 4090", 24564, "rtx4090" },
		{ "GeForce RTX 3090", 24268, "rtx3090" },
		{ "Tesla T4", 15360, "t4" },
		{ "NVIDIA Tesla T4", 15109, "t4" },
		{ "NVIDIA GeForce RTX 3080", 10240, "rtx3080-10g" },
		{ "NVIDIA GeForce RTX 3080", 12288, "rtx3080-12g" },
		{ "NVIDIA GeForce RTX 4060 Ti", 8188, "rtx4060ti-8g" },
		{ "NVIDIA GeForce RTX 4060 Ti", 16380, "rtx4060ti-16g" },
		{ "NVIDIA GeForce RTX 5060 Ti", 16311, "rtx5060ti-16g" },
		{ "NVIDIA A100-SXM4-40GB", 40960, "a100-sxm-40g" },
		{ "A100-SXM4-80GB", 81920, "a100-sxm-80g" },
		{ "NVIDIA H100 80GB HBM3", 81559, "h100-sxm-80g" },
		{ "NVIDIA H200", 143771, "h200-sxm-141g" },
		{ "NVIDIA L40", 46068, "l40" },
		{ "NVIDIA L40S", 46068, "l40s" },
		{ "NVIDIA RTX PRO 6000 Blackwell Server Edition", 97887, "rtxpro6000" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(products) / sizeof(products[0]); i++) {
		const struct gpu_model *model =
			catalog_model_by_product(products[i].product, products[i].memory_mb);
		if (!model)
			fail_msg("%s is not known", products[i].product);
		assert_string_equal(model->code, products[i].code);
	}
	assert_null(catalog_model_by_product("NVIDIA GeForce GTX 1080", 8192));
	assert_null(catalog_model_by_product("NVIDIA A100-SXM4-40GB MIG 1g.5gb", 4864));
	assert_null(catalog_model_by_product(NULL, 0));
	assert_null(catalog_model_by_product("", 0));
}

static void declared_node_is_shown(void **state)
{
	struct world *world = *state;
	struct node node;
	ERR_AUTO(err);

	if (create(world,
		   "{\"name\":\"cafe-1\",\"tier\":3,\"gpu\":{\"model\":\"rtx4090\",\"count\":2},"
		   "\"disk_mb\":1000,\"cuda\":\"12.8\"," SIZE PRICE "}",
		   &node, &err) < 0)
		fail_msg("%s", err.message);
	node = get(world, "cafe-1");
	assert_string_equal(node.name, "cafe-1");
	assert_string_equal(node.owner, "operator");
	assert_string_equal(node.kind, "declared");
	assert_true(node.simulated && node.sharing && node.up);
	assert_int_equal(node.tier, 3);
	assert_string_equal(node.gpu_model, "rtx4090");
	assert_int_equal(node.gpu_count, 2);
	assert_int_equal(node.gpu_free, 2);
	assert_int_equal(node.gpu_memory_mb, 24576);
	assert_int_equal(node.cpu_milli, 8000);
	assert_int_equal(node.cpu_free_milli, 8000);
	assert_int_equal(node.memory_free_mb, 32768);
	assert_int_equal(node.disk_mb, 1000);
	assert_int_equal(node.cuda_version, 12080);
	assert_int_equal(node.base_per_hour, 300 * POINT);
	assert_int_equal(node.usage_per_hour, 200 * POINT);
	assert_true(node.created_at > 0 && node.created_at == node.updated_at);
	assert_int_equal(create(world, NODE("cafe-1", 1, "null"), NULL, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
}

static void bad_nodes_are_refused(void **state)
{
	static const struct {
		const char *json, *problems;
	} bads[] = {
		{ "[]", "=type" },
		{ "{}", "/name=required /tier=required /base_per_hour=required "
			"/usage_per_hour=required /cpu_milli=required /memory_mb=required" },
		{ NODE("Cafe", 1, "null"), "/name=format" },
		{ NODE("-a", 1, "null"), "/name=format" },
		{ NODE("a.", 1, "null"), "/name=format" },
		{ NODE("a_b", 1, "null"), "/name=format" },
		{ NODE("", 1, "null"), "/name=length" },
		{ NODE("a", 4, "null"), "/tier=range" },
		{ NODE("a", 1, "7"), "/gpu=type" },
		{ NODE("a", 1, "{}"), "/gpu/model=required /gpu/count=required" },
		{ NODE("a", 1, "{\"model\":\"none\",\"count\":0,\"x\":1}"),
		  "/gpu/x=unknown /gpu/model=choice /gpu/count=range" },
		{ NODE("a", 1, "{\"model\":\"t4\",\"count\":65}"), "/gpu/count=range" },
		{ NODE("a", 1, "{\"model\":\"t4\",\"count\":1,\"memory_mb\":0}"),
		  "/gpu/memory_mb=range" },
		{ NODE("a", 1, "{\"model\":\"t4\",\"count\":2,\"uuids\":[\"GPU-1\"]}"),
		  "/gpu/count=conflict" },
		{ NODE("a", 1, "{\"model\":\"t4\",\"uuids\":[\"GPU-1\",\"GPU-1\",3,\"x\"]}"),
		  "/gpu/uuids/1=duplicate /gpu/uuids/2=type /gpu/uuids/3=format" },
		{ NODE("a", 1, "{\"model\":\"t4\",\"count\":1,\"uuids\":[]}"),
		  "/gpu/uuids=length" },
		{ "{\"name\":\"a\",\"tier\":1,\"cuda\":\"x\",\"sharing\":1," SIZE
		  "\"base_per_hour\":-1,\"usage_per_hour\":1.5,\"extra\":0}",
		  "/extra=unknown /base_per_hour=range /usage_per_hour=type /sharing=type "
		  "/cuda=format" },
	};
	struct world *world = *state;

	for (size_t i = 0; i < sizeof(bads) / sizeof(bads[0]); i++) {
		ERR_AUTO(err);
		assert_int_equal(create(world, bads[i].json, NULL, &err), -1);
		assert_int_equal(err.code, ERR_FIELDS);
		assert_string_equal(problems_of(world, &err), bads[i].problems);
	}
}

static void only_operators_write(void **state)
{
	struct world *world = *state;
	struct node_call call = { .actor = &world->user, .json = NODE("a", 1, "null") };
	ERR_AUTO(err);

	assert_int_equal(in_write(world, step_create, &call, &err), -1);
	assert_int_equal(err.code, ERR_FORBIDDEN);
	assert_int_equal(create(world, NODE("a", 1, "null"), NULL, &err), 0);
	call.name = "a";
	call.json = "{\"tier\":2}";
	assert_int_equal(in_write(world, step_create, &call, &err), -1);
	assert_int_equal(err.code, ERR_FORBIDDEN);
	world->operator.role = ROLE_PROVIDER;
	assert_int_equal(in_write(world, step_remove, (char[]){ "a" }, &err), -1);
	assert_int_equal(err.code, ERR_FORBIDDEN);
	assert_int_equal(get(world, "a").tier, 1);
}

static void price_is_rates_times_what_is_held(void **state)
{
	struct node node = { .gpu_model = "t4", .base_per_hour = 7, .usage_per_hour = 5 };
	int64_t min, max;

	(void)state;
	catalog_pod_price(&node, 3, 4000, &min, &max);
	assert_int_equal(min, 21);
	assert_int_equal(max, 36);
	node.gpu_model = NULL;
	catalog_pod_price(&node, 0, 1500, &min, &max);
	assert_int_equal(min, 11); /* 10.5, rounded up */
	assert_int_equal(max, 11 + 8);
	node.base_per_hour = node.usage_per_hour = INT64_C(1000000000000);
	catalog_pod_price(&node, 0, 512000, &min, &max);
	assert_int_equal(max, INT64_C(1024000000000000));
}

static void gpus_are_reserved_until_none_is_left(void **state)
{
	struct world *world = *state;
	ERR_AUTO(err);

	assert_int_equal(create(world, NODE("a", 1, RTX4090(3)), NULL, &err), 0);
	assert_int_equal(reserve(world, "a", "pod1", 2, 1000, 1024, &err), 0);
	assert_string_equal(positions(world, "pod1"), "0 1");
	assert_int_equal(get(world, "a").gpu_free, 1);
	assert_int_equal(reserve(world, "a", "pod2", 2, 1000, 1024, &err), -1);
	assert_int_equal(err.code, ERR_NO_CAPACITY);
	assert_string_equal(positions(world, "pod2"), "");
	assert_int_equal(reserve(world, "a", "pod2", 1, 1000, 1024, &err), 0);
	assert_int_equal(reserve(world, "a", "pod3", 1, 1000, 1024, &err), -1);
	struct node node = get(world, "a");
	assert_int_equal(node.gpu_free, 0);
	assert_int_equal(node.pods, 2);
	assert_int_equal(node.cpu_free_milli, 6000);
	assert_int_equal(node.memory_free_mb, 32768 - 2048);
	release(world, "pod1");
	release(world, "pod1");
	assert_int_equal(reserve(world, "a", "pod4", 1, 1000, 1024, &err), 0);
	assert_string_equal(positions(world, "pod4"), "0");
	assert_string_equal(positions(world, "pod2"), "2");
	assert_int_equal(get(world, "a").gpu_free, 1);
}

static void cpu_and_memory_are_kept_too(void **state)
{
	struct world *world = *state;
	ERR_AUTO(err);

	assert_int_equal(create(world, NODE("a", 1, "null"), NULL, &err), 0);
	assert_int_equal(reserve(world, "a", "p1", 1, 1000, 1024, &err), -1);
	assert_int_equal(err.code, ERR_NO_CAPACITY);
	/* With the pod's row written before and after: its own row is not counted against it. */
	assert_int_equal(reserve(world, "a", "p1", 0, 5000, 1024, &err), 0);
	assert_int_equal(reserve(world, "a", "b1", 0, 3001, 1024, &err), -1);
	assert_non_null(strstr(err.message, "3001 CPU (milli) are asked for and 3000 are free"));
	assert_int_equal(reserve(world, "a", "b1", 0, 3000, 31745, &err), -1);
	assert_non_null(strstr(err.message, "31745 MiB of memory are asked for and 31744"));
	assert_int_equal(reserve(world, "a", "b1", 0, 3000, 31744, &err), 0);
	assert_int_equal(reserve(world, "a", "p2", 0, 10, 8, &err), -1);
	release(world, "p1");
	assert_int_equal(reserve(world, "a", "p2", 0, 5000, 1024, &err), 0);
}

static void closed_nodes_take_no_pods(void **state)
{
	struct world *world = *state;
	ERR_AUTO(err);

	assert_int_equal(create(world, NODE("a", 1, RTX4090(1)), NULL, &err), 0);
	assert_int_equal(edit(world, "a", "{\"sharing\":false}", NULL, &err), 0);
	assert_int_equal(reserve(world, "a", "p", 1, 10, 8, &err), -1);
	assert_int_equal(err.code, ERR_NO_CAPACITY);
	assert_int_equal(edit(world, "a", "{\"sharing\":true}", NULL, &err), 0);
	assert_int_equal(reserve(world, "a", "p", 1, 10, 8, &err), 0);
}

static void edit_changes_what_it_names(void **state)
{
	struct world *world = *state;
	struct node node;
	ERR_AUTO(err);

	assert_int_equal(create(world, NODE("a", 1, RTX4090(2)), NULL, &err), 0);
	if (edit(world, "a",
		 "{\"tier\":2,\"base_per_hour\":1,\"gpu\":{\"count\":4},\"cuda\":\"12.1\"}", &node,
		 &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(node.tier, 2);
	assert_int_equal(node.base_per_hour, 1);
	assert_int_equal(node.usage_per_hour, 200 * POINT);
	assert_int_equal(node.gpu_count, 4);
	assert_int_equal(node.cuda_version, 12010);
	assert_int_equal(node.cpu_milli, 8000);
	assert_int_equal(
		edit(world, "a", "{\"gpu\":{\"model\":\"l40s\"},\"cuda\":null}", &node, &err), 0);
	assert_string_equal(node.gpu_model, "l40s");
	assert_int_equal(node.gpu_memory_mb, 49152);
	assert_int_equal(node.gpu_count, 4);
	assert_int_equal(node.cuda_version, 0);
	assert_int_equal(edit(world, "a", "{\"gpu\":null}", &node, &err), 0);
	assert_null(node.gpu_model);
	assert_int_equal(node.gpu_count, 0);
	assert_false(node.simulated);
	assert_int_equal(
		edit(world, "a", "{\"name\":\"b\",\"tier\":null,\"nonsense\":null}", &node, &err),
		-1);
	assert_string_equal(problems_of(world, &err),
			    "/name=unknown /nonsense=unknown /tier=required");
	err_clear(&err);
	assert_int_equal(edit(world, "a", "[]", &node, &err), -1);
	assert_int_equal(err.code, ERR_FIELDS);
	assert_int_equal(edit(world, "zzz", "{}", &node, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void edit_never_takes_what_pods_hold(void **state)
{
	static const char *const refused[] = {
		"{\"cpu_milli\":1999}",
		"{\"memory_mb\":2047}",
		"{\"gpu\":{\"count\":1}}",
		"{\"gpu\":null}",
		"{\"gpu\":{\"model\":\"t4\"}}",
		"{\"gpu\":{\"uuids\":[\"GPU-a\",\"GPU-b\",\"GPU-c\"]}}",
	};
	struct world *world = *state;
	struct node node;
	ERR_AUTO(err);

	assert_int_equal(create(world, NODE("a", 1, RTX4090(4)), NULL, &err), 0);
	assert_int_equal(reserve(world, "a", "gone", 2, 1000, 1024, &err), 0);
	assert_int_equal(reserve(world, "a", "p", 2, 2000, 2048, &err), 0);
	release(world, "gone");
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		assert_int_equal(edit(world, "a", refused[i], NULL, &err), -1);
		if (err.code != ERR_STATE)
			fail_msg("%s: %s", refused[i], err.message);
	}
	assert_int_equal(edit(world, "a",
			      "{\"cpu_milli\":2000,\"memory_mb\":2048,\"gpu\":{\"count\":2}}",
			      &node, &err),
			 0);
	assert_int_equal(node.gpu_count, 2);
	assert_int_equal(node.gpu_free, 0);
	assert_string_equal(positions(world, "p"), "2 3"); /* its own GPUs stayed */
	assert_int_equal(edit(world, "a", "{\"gpu\":{\"count\":3}}", &node, &err), 0);
	assert_int_equal(node.gpu_free, 1);
}

static int step_uuids(struct db_tx *tx, struct world *world, void *data, struct err *err)
{
	struct positions_call *call = data;
	const char *const *uuids;
	size_t count;

	if (catalog_reserved_uuids(tx, world->arena, call->pod, &uuids, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		(void)snprintf(call->list + strlen(call->list),
			       sizeof(call->list) - strlen(call->list), "%s%s", i ? " " : "",
			       uuids[i]);
	return 0;
}

static const char *uuids_of(struct world *world, const char *pod)
{
	struct positions_call call = { pod, "" };
	ERR_AUTO(err);

	assert_int_equal(in_write(world, step_uuids, &call, &err), 0);
	return arena_strdup(world->arena, call.list);
}

static void real_gpus_go_by_uuid(void **state)
{
	struct world *world = *state;
	struct node node;
	ERR_AUTO(err);

	assert_int_equal(create(world,
				NODE("a", 2, "{\"model\":\"t4\",\"uuids\":[\"GPU-a\",\"GPU-b\"]}"),
				&node, &err),
			 0);
	assert_false(node.simulated);
	assert_int_equal(node.gpu_count, 2);
	assert_int_equal(reserve(world, "a", "p", 1, 10, 8, &err), 0);
	assert_string_equal(uuids_of(world, "p"), "GPU-a");
	assert_int_equal(
		create(world, NODE("b", 2, "{\"model\":\"t4\",\"uuids\":[\"GPU-b\"]}"), NULL, &err),
		-1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_non_null(strstr(err.message, "belongs to node \"a\""));
	assert_int_equal(
		edit(world, "a", "{\"gpu\":{\"uuids\":[\"GPU-b\",\"GPU-c\"]}}", NULL, &err), -1);
	assert_int_equal(err.code, ERR_STATE); /* p holds GPU-a */
	assert_int_equal(
		edit(world, "a", "{\"gpu\":{\"uuids\":[\"GPU-c\",\"GPU-a\"]}}", &node, &err), 0);
	assert_int_equal(node.gpu_count, 2);
	assert_int_equal(node.gpu_free, 1);
	assert_string_equal(uuids_of(world, "p"), "GPU-a");
	/* GPU-b is free for another node now. */
	assert_int_equal(
		create(world, NODE("b", 2, "{\"model\":\"t4\",\"uuids\":[\"GPU-b\"]}"), NULL, &err),
		0);
	assert_int_equal(create(world, NODE("c", 2, RTX4090(1)), NULL, &err), 0);
	assert_int_equal(reserve(world, "c", "q", 1, 10, 8, &err), 0);
	assert_string_equal(uuids_of(world, "q"), ""); /* simulated */
	release(world, "p");
	assert_int_equal(edit(world, "a", "{\"gpu\":{\"uuids\":null,\"count\":5}}", &node, &err),
			 0);
	assert_true(node.simulated);
	assert_int_equal(node.gpu_free, 5);
}

static void removed_nodes_free_their_name(void **state)
{
	struct world *world = *state;
	struct node_call call = { .name = "a" };
	struct node first;
	ERR_AUTO(err);

	assert_int_equal(create(world, NODE("a", 2, "{\"model\":\"t4\",\"uuids\":[\"GPU-a\"]}"),
				&first, &err),
			 0);
	assert_int_equal(reserve(world, "a", "p", 1, 10, 8, &err), 0);
	assert_int_equal(in_write(world, step_remove, (char[]){ "a" }, &err), -1);
	assert_int_equal(err.code, ERR_STATE);
	release(world, "p");
	assert_int_equal(in_write(world, step_remove, (char[]){ "a" }, &err), 0);
	assert_int_equal(in_write(world, step_get, &call, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(in_write(world, step_remove, (char[]){ "a" }, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_string_equal(offered(world, (struct gpu_filter){ 0 }), "");
	/* Name and GPU can come back; history still has the old node. */
	assert_int_equal(
		create(world, NODE("a", 2, "{\"model\":\"t4\",\"uuids\":[\"GPU-a\"]}"), NULL, &err),
		0);
	assert_int_not_equal(get(world, "a").id, first.id);
	/* Without history it goes for good. */
	assert_int_equal(in_write(world, step_remove, (char[]){ "a" }, &err), 0);
}

struct machine_call {
	struct catalog_machine machine;
	int tier;
};

static int step_machine(struct db_tx *tx, struct world *world, void *data, struct err *err)
{
	struct machine_call *call = data;

	return catalog_machine_register(tx, &world->env, &call->machine, call->tier, err);
}

static void machine_registers_once(void **state)
{
	const char *const uuids[] = { "GPU-a", "GPU-b", "GPU-c" };
	struct machine_call call = { { "host1", 16000, 65536, 500000, 12020,
				       "NVIDIA GeForce RTX 4090", 24564, uuids, 2 },
				     2 };
	struct world *world = *state;
	ERR_AUTO(err);

	for (int i = 0; i < 2; i++)
		if (in_write(world, step_machine, &call, &err) < 0)
			fail_msg("%s", err.message);
	struct node node = get(world, "host1");
	assert_string_equal(node.kind, "machine");
	assert_string_equal(node.owner, "operator");
	assert_false(node.simulated);
	assert_int_equal(node.tier, 2);
	assert_int_equal(node.gpu_count, 2);
	assert_int_equal(node.gpu_memory_mb, 24576); /* as sold */
	assert_int_equal(node.cuda_version, 12020);
	assert_int_equal(node.base_per_hour, 0);
	/* Price and tier are the operator's: later starts refresh the facts only. */
	assert_int_equal(edit(world, "host1", "{\"tier\":1,\"base_per_hour\":9}", NULL, &err), 0);
	assert_int_equal(reserve(world, "host1", "p", 1, 1000, 1024, &err), 0);
	call.machine.memory_mb = 32768;
	call.machine.gpu_uuids = uuids + 1; /* GPU-a is gone, GPU-c is new; p holds GPU-a */
	assert_int_equal(in_write(world, step_machine, &call, &err), 0);
	node = get(world, "host1");
	assert_int_equal(node.tier, 1);
	assert_int_equal(node.base_per_hour, 9);
	assert_int_equal(node.memory_mb, 32768);
	assert_int_equal(node.gpu_count, 3);
	assert_int_equal(node.gpu_free, 2);
	assert_string_equal(uuids_of(world, "p"), "GPU-a");
	release(world, "p");
	assert_int_equal(in_write(world, step_machine, &call, &err), 0);
	assert_int_equal(get(world, "host1").gpu_count, 2);
	/* Its size is not the operator's, and it cannot be removed. */
	assert_int_equal(
		edit(world, "host1", "{\"cpu_milli\":1,\"gpu\":null,\"cuda\":null}", NULL, &err),
		-1);
	assert_string_equal(problems_of(world, &err),
			    "/gpu=conflict /cpu_milli=conflict /cuda=conflict");
	err_clear(&err);
	assert_int_equal(in_write(world, step_remove, (char[]){ "host1" }, &err), -1);
	assert_int_equal(err.code, ERR_STATE);
}

static void machine_without_known_gpus_registers(void **state)
{
	const char *const uuids[] = { "GPU-a" };
	struct machine_call plain = { { .name = "host1", .cpu_milli = 4000, .memory_mb = 8192 },
				      1 };
	struct machine_call odd = { { .name = "host2",
				      .cpu_milli = 4000,
				      .memory_mb = 8192,
				      .gpu_product = "NVIDIA GeForce GTX 480",
				      .gpu_memory_mb = 1536,
				      .gpu_uuids = uuids,
				      .n_gpus = 1 },
				    1 };
	struct world *world = *state;
	ERR_AUTO(err);

	assert_int_equal(in_write(world, step_machine, &plain, &err), 0);
	assert_int_equal(in_write(world, step_machine, &odd, &err), 0);
	assert_null(get(world, "host1").gpu_model);
	assert_null(get(world, "host2").gpu_model);
	assert_int_equal(get(world, "host2").gpu_count, 0);
	assert_int_equal(create(world, NODE("host3", 1, "null"), NULL, &err), 0);
	plain.machine.name = "host3";
	assert_int_equal(in_write(world, step_machine, &plain, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
}

static void make_market(struct world *world)
{
	static const char *const nodes[] = {
		NODE("a", 1, RTX4090(4)),
		NODE("b", 3, RTX4090(2)),
		NODE("c", 1, "{\"model\":\"t4\",\"count\":1}"),
		NODE("d", 1, "null"),
		"{\"name\":\"e\",\"tier\":3,\"gpu\":" RTX4090(
			8) "," SIZE
			   "\"base_per_hour\":100,\"usage_per_hour\":50,\"cuda\":\"12.8\"}",
		"{\"name\":\"f\",\"tier\":3,\"sharing\":false,\"gpu\":" RTX4090(8) "," SIZE PRICE
										   "}",
	};
	ERR_AUTO(err);

	for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++)
		if (create(world, nodes[i], NULL, &err) < 0)
			fail_msg("%s", err.message);
	assert_int_equal(reserve(world, "a", "p1", 1, 1000, 1024, &err), 0);
	assert_int_equal(reserve(world, "b", "p2", 2, 1000, 1024, &err), 0);
	assert_int_equal(reserve(world, "d", "p3", 0, 2500, 1024, &err), 0);
}

static void offers_add_up(void **state)
{
	struct world *world = *state;

	make_market(world);
	struct offers_call call = offers(world, (struct gpu_filter){ 0 });
	assert_int_equal(call.count, 4);
	const struct gpu_offer *third = &call.offers[2]; /* t4, rtx4090/1, rtx4090/3, CPU */
	assert_string_equal(third->model, "rtx4090");
	assert_string_equal(third->name, "NVIDIA GeForce RTX 4090");
	assert_string_equal(third->series, "geforce");
	assert_int_equal(third->tier, 3);
	assert_int_equal(third->memory_mb, 24576);
	assert_int_equal(third->total, 10); /* f does not share */
	assert_int_equal(third->free, 8);
	assert_int_equal(third->largest_free, 8);
	assert_int_equal(third->min_per_hour, 100);
	assert_int_equal(third->max_per_hour, 500 * POINT);
	assert_int_equal(third->max_cuda_version, 12080);
	assert_int_equal(third->nodes, 2);
	assert_true(third->simulated);
	const struct gpu_offer *cpu = &call.offers[3];
	assert_null(cpu->model);
	assert_null(cpu->name);
	assert_int_equal(cpu->total, 8);
	assert_int_equal(cpu->free, 5); /* 5.5 vCPU */
	assert_int_equal(cpu->min_per_hour, 300 * POINT);
	assert_false(cpu->simulated);
}

static void offers_are_filtered(void **state)
{
	static const struct {
		struct gpu_filter filter;
		const char *offered;
	} cases[] = {
		{ { 0 }, "t4/1 1/1, rtx4090/1 3/4, rtx4090/3 8/10, -/1 5/8" },
		{ { .tier = 1 }, "t4/1 1/1, rtx4090/1 3/4, -/1 5/8" },
		{ { .model = "rtx4090" }, "rtx4090/1 3/4, rtx4090/3 8/10" },
		{ { .model = "rtx4090", .tier = 2 }, "" },
		{ { .min_memory_mb = 16384 }, "t4/1 1/1, rtx4090/1 3/4, rtx4090/3 8/10" },
		{ { .min_memory_mb = 16385 }, "rtx4090/1 3/4, rtx4090/3 8/10" },
		{ { .max_price = 100 }, "rtx4090/3 8/8" },
		{ { .max_price = 99 }, "" },
		{ { .min_price = 101, .tier = 3 }, "rtx4090/3 0/2" },
		{ { .min_price = 101, .tier = 3, .available_only = true }, "" },
		{ { .min_price = 101, .available_only = true },
		  "t4/1 1/1, rtx4090/1 3/4, -/1 5/8" },
	};
	struct world *world = *state;

	make_market(world);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(offered(world, cases[i].filter), cases[i].offered);
}

/* What is shown as free can be had: not on a node whose CPU is all taken. */
static void starved_gpus_are_not_free(void **state)
{
	struct world *world = *state;
	ERR_AUTO(err);

	assert_int_equal(create(world, NODE("a", 1, RTX4090(4)), NULL, &err), 0);
	assert_int_equal(reserve(world, "a", "p", 1, 7995, 1024, &err), 0);
	assert_string_equal(offered(world, (struct gpu_filter){ 0 }), "rtx4090/1 0/4");
	release(world, "p");
	assert_string_equal(offered(world, (struct gpu_filter){ 0 }), "rtx4090/1 4/4");
}

static int step_list(struct db_tx *tx, struct world *world, void *data, struct err *err)
{
	char *list = data;
	struct node *nodes;
	size_t count;

	if (catalog_node_list(tx, world->arena, &nodes, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		(void)snprintf(list + strlen(list), 256 - strlen(list),
			       "%s%s %" PRId64 "/%" PRId64 "/%" PRId64, i ? ", " : "",
			       nodes[i].name, nodes[i].gpu_free, nodes[i].gpu_count, nodes[i].pods);
	return 0;
}

static void list_is_ordered_and_complete(void **state)
{
	struct world *world = *state;
	char list[256] = "";
	ERR_AUTO(err);

	make_market(world);
	assert_int_equal(in_write(world, step_list, list, &err), 0);
	assert_string_equal(list, "a 3/4/1, b 0/2/1, c 1/1/0, d 0/0/1, e 8/8/0, f 8/8/0");
}

#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, world_make, world_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shipped_models_are_sound),
		cmocka_unit_test(product_names_lead_to_models),
		cmocka_unit_test(price_is_rates_times_what_is_held),
		WORLD_TEST(declared_node_is_shown),
		WORLD_TEST(bad_nodes_are_refused),
		WORLD_TEST(only_operators_write),
		WORLD_TEST(gpus_are_reserved_until_none_is_left),
		WORLD_TEST(cpu_and_memory_are_kept_too),
		WORLD_TEST(closed_nodes_take_no_pods),
		WORLD_TEST(edit_changes_what_it_names),
		WORLD_TEST(edit_never_takes_what_pods_hold),
		WORLD_TEST(real_gpus_go_by_uuid),
		WORLD_TEST(removed_nodes_free_their_name),
		WORLD_TEST(machine_registers_once),
		WORLD_TEST(machine_without_known_gpus_registers),
		WORLD_TEST(offers_add_up),
		WORLD_TEST(offers_are_filtered),
		WORLD_TEST(starved_gpus_are_not_free),
		WORLD_TEST(list_is_ordered_and_complete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
