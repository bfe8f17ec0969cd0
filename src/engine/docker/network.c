/* One bridge network a workload, so that strangers' pods cannot reach each other. Its subnet is
 * given explicitly: Docker's own pools end after some 30 networks. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/failpoint.h"
#include "base/jsonw.h"
#include "base/log.h"
#include "base/strings.h"
#include "engine/docker/parts.h"

#define SUBNET_BITS 26
#define SUBNET_SIZE (UINT32_C(1) << (32 - SUBNET_BITS))
#define TRIES 8 /* others take subnets between our look and our call */
#define BODY_BYTES 2048

/* FNV-1a: where the search for a free subnet begins, so that two seldom begin at one place. */
static uint32_t place_of(const struct docker *docker, int64_t ser)
{
	uint32_t hash = 2166136261u;
	char text[64];

	(void)snprintf(text, sizeof(text), "%s%lld", docker->instance, (long long)ser);
	for (const char *at = text; *at; at++)
		hash = (hash ^ (unsigned char)*at) * 16777619u;
	return hash % docker->pool_networks;
}

static void body_of(const struct docker *docker, int64_t ser, uint32_t place, struct buf *body)
{
	struct jsonw writer = jsonw_begin(body), *w = &writer;
	struct in_addr address = { htonl(docker->pool_base + place * SUBNET_SIZE) };
	char name[64], number[32], subnet[32], text[INET_ADDRSTRLEN];

	network_name(docker, ser, name, sizeof(name));
	(void)snprintf(number, sizeof(number), "%lld", (long long)ser);
	(void)snprintf(subnet, sizeof(subnet), "%s/%d",
		       inet_ntop(AF_INET, &address, text, sizeof(text)), SUBNET_BITS);
	jsonw_object(w);
	jsonw_kv_string(w, "Name", name);
	jsonw_kv_bool(w, "CheckDuplicate", true);
	jsonw_kv_string(w, "Driver", "bridge");
	jsonw_kv_bool(w, "EnableIPv6", false);
	jsonw_key(w, "IPAM");
	jsonw_object(w);
	jsonw_key(w, "Config");
	jsonw_array(w);
	jsonw_object(w);
	jsonw_kv_string(w, "Subnet", subnet);
	jsonw_object_end(w);
	jsonw_array_end(w);
	jsonw_object_end(w);
	jsonw_key(w, "Options"); /* replicas of one workload may talk to each other */
	jsonw_raw(w, "{\"com.docker.network.bridge.enable_icc\":\"true\"}");
	jsonw_key(w, "Labels");
	jsonw_object(w);
	jsonw_kv_string(w, LABEL_INSTANCE, docker->instance);
	jsonw_kv_string(w, LABEL_SER, number);
	jsonw_object_end(w);
	jsonw_object_end(w);
}

static void mark_subnet(const struct docker *docker, const char *subnet, unsigned char *used)
{
	char text[64];
	struct in_addr address;
	int64_t bits = 32;

	str_copy(text, sizeof(text), subnet);
	char *slash = strchr(text, '/');
	if (slash) {
		*slash = '\0';
		if (str_to_int64(slash + 1, 0, 32, &bits) < 0)
			return;
	}
	if (inet_pton(AF_INET, text, &address) != 1)
		return; /* IPv6 */
	uint64_t first = ntohl(address.s_addr), end = first + (UINT64_C(1) << (32 - bits));
	for (uint32_t i = 0; i < docker->pool_networks; i++) {
		uint64_t start = (uint64_t)docker->pool_base + (uint64_t)i * SUBNET_SIZE;
		if (start < end && first < start + SUBNET_SIZE)
			used[i] = 1;
	}
}

/* Which places of the pool Docker's networks already take, ours and others'. */
static int look_around(struct worker *worker, unsigned char *used, struct err *err)
{
	const struct http_request request = { .method = "GET",
					      .path = "/networks",
					      .timeout_ms = DOCKER_CALL_MS };
	json_t *list = NULL, *network, *config;
	size_t i, j;

	if (http_call_json(worker->http, &request, &list, err) < 0)
		return -1;
	json_array_foreach(list, i, network)
	{
		const json_t *configs = json_object_get(json_object_get(network, "IPAM"), "Config");
		json_array_foreach(configs, j, config)
		{
			const char *subnet = json_string_value(json_object_get(config, "Subnet"));
			if (subnet)
				mark_subnet(worker->docker, subnet, used);
		}
	}
	json_decref(list);
	return 0;
}

static int create_at(struct worker *worker, int64_t ser, uint32_t place, json_t **ret_answer,
		     struct err *err)
{
	BUF_AUTO body = BUF_INIT(BODY_BYTES);

	body_of(worker->docker, ser, place, &body);
	if (body.failed)
		return err_oom(err);
	const struct http_request request = { .method = "POST",
					      .path = "/networks/create",
					      .body = body.data,
					      .timeout_ms = DOCKER_CALL_MS };
	return http_call_json(worker->http, &request, ret_answer, err);
}

static bool overlaps(const struct err *err) { return strstr(err->message, "overlap") != NULL; }

static int create_somewhere(struct worker *worker, int64_t ser, unsigned char *used,
			    json_t **ret_answer, struct err *err)
{
	struct docker *docker = worker->docker;
	uint32_t place = place_of(docker, ser);

	for (int try = 0; try < TRIES; try++) {
		if (create_at(worker, ser, place, ret_answer, err) == 0)
			return 0;
		if (!overlaps(err))
			return -1;
		used[place] = 1; /* also what is no network of Docker's: a route of the host */
		if (look_around(worker, used, err) < 0)
			return -1;
		for (uint32_t i = 0; i < docker->pool_networks && used[place]; i++)
			place = (place + 1) % docker->pool_networks;
		if (used[place])
			return err_set(err, ERR_NO_CAPACITY, "the network pool has no free subnet");
	}
	return -1;
}

/* Our networks of the workload. Names are no key: Docker lets two creations at once have one name,
 * as when a Dure is killed while its creation is under way and the next one begins its own. */
static int list_ours(struct worker *worker, int64_t ser, json_t **ret_list, struct err *err)
{
	BUF_AUTO path = BUF_INIT(1024);
	char filter[192];

	(void)snprintf(filter, sizeof(filter), "{\"label\":[\"%s=%s\",\"%s=%lld\"]}",
		       LABEL_INSTANCE, worker->docker->instance, LABEL_SER, (long long)ser);
	buf_puts(&path, "/networks?filters=");
	http_escape(&path, filter);
	if (path.failed)
		return err_oom(err);
	const struct http_request request = { .method = "GET",
					      .path = path.data,
					      .timeout_ms = DOCKER_CALL_MS };
	return http_call_json(worker->http, &request, ret_list, err);
}

static int remove_by_id(struct worker *worker, const char *id, struct err *err)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "/networks/%s", id);
	const struct http_request request = { .method = "DELETE",
					      .path = path,
					      .timeout_ms = DOCKER_CALL_MS };
	if (http_call(worker->http, &request, NULL, err) == 0)
		return 0;
	if (err->code != ERR_NOT_FOUND)
		return -1;
	err_clear(err);
	return 0;
}

static const char *id_at(const json_t *list, size_t i)
{
	return json_string_value(json_object_get(json_array_get(list, i), "Id"));
}

/* The network that has the name already, if it is ours; of twins one is kept: while there are two,
 * no container can start. A network that cannot be removed is in use and so the one to keep. */
static int adopt(struct worker *worker, int64_t ser, json_t **ret_answer, struct err *err)
{
	json_t *list = NULL;
	size_t kept = 0;
	char name[64];

	if (list_ours(worker, ser, &list, err) < 0)
		return -1;
	network_name(worker->docker, ser, name, sizeof(name));
	if (json_array_size(list) == 0) {
		json_decref(list);
		return err_set(err, ERR_CONFLICT, "a network named %s exists that is not Dure's",
			       name);
	}
	for (size_t i = 1; i < json_array_size(list); i++) {
		const char *id = id_at(list, i);
		log_warning(worker->docker->env->log, "docker", "there are two networks %s", name);
		if (id && remove_by_id(worker, id, err) == 0)
			continue;
		err_clear(err);
		if (id_at(list, kept) && remove_by_id(worker, id_at(list, kept), err) < 0) {
			json_decref(list);
			return -1;
		}
		kept = i;
	}
	*ret_answer = json_incref(json_array_get(list, kept));
	json_decref(list);
	err_clear(err);
	return 0;
}

static int make(struct worker *worker, int64_t ser, json_t **ret_answer, struct err *err)
{
	if (FAILPOINT(docker_before_network))
		return err_set(err, ERR_INTERNAL, "failpoint");
	unsigned char *used = calloc(worker->docker->pool_networks, 1);
	if (!used)
		return err_oom(err);
	int result = create_somewhere(worker, ser, used, ret_answer, err);
	free(used);
	if (result < 0 && err->code == ERR_CONFLICT)
		result = adopt(worker, ser, ret_answer, err);
	if (result == 0 && FAILPOINT(docker_after_network)) {
		json_decref(*ret_answer);
		return err_set(err, ERR_INTERNAL, "failpoint");
	}
	return result;
}

void network_create(struct worker *worker, struct workload *workload)
{
	struct docker *docker = worker->docker;
	json_t *answer = NULL;
	ERR_AUTO(err);

	int result = make(worker, workload->ser, &answer, &err);
	pthread_mutex_lock(&docker->lock);
	if (result == 0) {
		const char *id = json_string_value(json_object_get(answer, "Id"));
		str_copy(workload->network.id, sizeof(workload->network.id), id ? id : "");
		workload->network.exists = true;
		task_succeeded(&workload->network.task);
	} else {
		task_failed(docker, &workload->network.task, ENGINE_TROUBLE_NETWORK_FAILED, &err);
	}
	pthread_mutex_unlock(&docker->lock);
	if (result == 0)
		json_decref(answer);
}

void network_remove(struct worker *worker, struct workload *workload)
{
	struct docker *docker = worker->docker;
	json_t *list = NULL;
	ERR_AUTO(err);

	int result = list_ours(worker, workload->ser, &list, &err);
	for (size_t i = 0; result == 0 && i < json_array_size(list); i++)
		if (id_at(list, i))
			result = remove_by_id(worker, id_at(list, i), &err);
	json_decref(list);
	if (result == 0 && FAILPOINT(docker_after_network_remove))
		result = err_set(&err, ERR_INTERNAL, "failpoint");
	pthread_mutex_lock(&docker->lock);
	if (result == 0) {
		workload->network.exists = false;
		workload->network.id[0] = '\0';
		task_succeeded(&workload->network.task);
	} else {
		task_failed(docker, &workload->network.task, ENGINE_TROUBLE_NETWORK_FAILED, &err);
	}
	pthread_mutex_unlock(&docker->lock);
}
