/* Pulling one image: however many pods wait for it, it is fetched once. */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/strings.h"
#include "engine/docker/parts.h"

#define STALL_MS (10 * 60 * 1000) /* above the reconciler's own patience, which speaks first */
#define TELL_US (USEC_PER_SEC / 2)
#define LAYER_ID_BYTES 16

struct layer {
	char id[LAYER_ID_BYTES];
	int64_t done, total;
};

struct pull {
	struct docker *docker;
	struct image *image;
	struct buf line;
	struct layer layers[LIMIT_IMAGE_LAYERS];
	size_t n_layers;
	int64_t told_at;
	char error[ERR_MESSAGE_MAX]; /* Docker's words once it has failed */
};

static struct layer *layer_get(struct pull *pull, const char *id)
{
	for (size_t i = 0; i < pull->n_layers; i++)
		if (str_equal(pull->layers[i].id, id))
			return &pull->layers[i];
	if (pull->n_layers == LIMIT_IMAGE_LAYERS || strlen(id) >= LAYER_ID_BYTES)
		return NULL;
	struct layer *layer = &pull->layers[pull->n_layers++];
	str_copy(layer->id, sizeof(layer->id), id);
	return layer;
}

static void tell_progress(struct pull *pull)
{
	int64_t done = 0, total = 0, now = env_monotonic(pull->docker->env);

	for (size_t i = 0; i < pull->n_layers; i++) {
		done += pull->layers[i].done;
		total += pull->layers[i].total;
	}
	pthread_mutex_lock(&pull->docker->lock);
	pull->image->done = done;
	pull->image->total = total;
	pthread_mutex_unlock(&pull->docker->lock);
	if (now - pull->told_at >= TELL_US) {
		pull->told_at = now;
		docker_wake(pull->docker);
	}
}

static void take_line(struct pull *pull, const char *text, size_t length)
{
	json_t *root = json_loadb(text, length, 0, NULL);
	const char *error = json_string_value(json_object_get(root, "error"));
	const char *status = json_string_value(json_object_get(root, "status"));
	const char *id = json_string_value(json_object_get(root, "id"));

	if (error)
		str_copy(pull->error, sizeof(pull->error), error);
	struct layer *layer = NULL;
	if (status && id &&
	    (str_equal(status, "Downloading") || str_equal(status, "Download complete") ||
	     str_equal(status, "Pull complete")))
		layer = layer_get(pull, id);
	if (layer && str_equal(status, "Downloading")) {
		const json_t *detail = json_object_get(root, "progressDetail");
		int64_t total = json_integer_value(json_object_get(detail, "total"));
		layer->done = json_integer_value(json_object_get(detail, "current"));
		if (total > 0)
			layer->total = total;
	} else if (layer) {
		layer->done = layer->total;
	}
	json_decref(root);
	if (layer)
		tell_progress(pull);
}

static bool take_chunk(void *context, const char *data, size_t length)
{
	struct pull *pull = context;

	buf_append(&pull->line, data, length);
	for (;;) {
		char *end = pull->line.length > 0 ? memchr(pull->line.data, '\n', pull->line.length)
						  : NULL;
		if (!end)
			break;
		size_t line = (size_t)(end - pull->line.data) + 1;
		take_line(pull, pull->line.data, line);
		buf_consume(&pull->line, line);
	}
	return !pull->line.failed;
}

static int pull_call(struct worker *worker, struct pull *pull, struct err *err)
{
	BUF_AUTO path = BUF_INIT(4096);

	buf_puts(&path, "/images/create?fromImage=");
	http_escape(&path, pull->image->reference);
	if (path.failed)
		return err_oom(err);
	const struct http_request request = { .method = "POST",
					      .path = path.data,
					      .stall_ms = STALL_MS,
					      .chunk = take_chunk,
					      .context = pull };
	if (http_call(worker->http, &request, NULL, err) < 0)
		return -1;
	if (pull->line.failed)
		return err_set(err, ERR_TOO_LARGE, "a line of Docker's pull progress is too long");
	if (pull->error[0])
		return err_set(err, ERR_INTERNAL, "%s", pull->error);
	return 0;
}

/* Under the lock: those that waited may go on; the image's record goes with the next sweep. */
static void release_waiting(struct docker *docker, const char *reference)
{
	for (struct workload *at = docker->workloads; at; at = at->next) {
		if (at->intent != INTENT_WANTED || !str_equal(at->spec->workload.image, reference))
			continue;
		for (struct pod *pod = at->pods; pod; pod = pod->next)
			pod->image_missing = false;
	}
}

void image_pull(struct worker *worker, struct image *image)
{
	struct docker *docker = worker->docker;
	struct pull *pull = calloc(1, sizeof(*pull));
	ERR_AUTO(err);
	int result;

	log_info(docker->env->log, "docker", "pulling %s", image->reference);
	docker_wake(docker);
	if (pull) {
		pull->docker = docker;
		pull->image = image;
		pull->line = (struct buf)BUF_INIT(LIMIT_ENGINE_LINE_BYTES);
		result = pull_call(worker, pull, &err);
		buf_free(&pull->line);
	} else {
		result = err_oom(&err);
	}
	free(pull);
	if (result < 0)
		log_warning(docker->env->log, "docker", "pull of %s: %s", image->reference,
			    err.message);
	pthread_mutex_lock(&docker->lock);
	if (result == 0) {
		task_succeeded(&image->task);
		release_waiting(docker, image->reference);
	} else {
		task_failed(docker, &image->task, trouble_of_pull(err.message), &err);
	}
	pthread_mutex_unlock(&docker->lock);
}
