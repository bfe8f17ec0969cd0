/* Client of the Engine API: one a thread, one connection kept, interruptible from other threads. */
#ifndef DURE_ENGINE_DOCKER_HTTP_H
#define DURE_ENGINE_DOCKER_HTTP_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"

struct http;

/* A piece of a streamed answer. False ends the request without an error. */
typedef bool http_chunk(void *context, const char *data, size_t length);

struct http_request {
	const char *method;
	const char *path; /* with query, "/containers/json?all=true" */
	const char *body; /* JSON, NULL: none */
	int timeout_ms;   /* of all of it; 0: none, then `stall_ms` must be set */
	int stall_ms;     /* so long without a byte; 0: not watched */
	size_t ceiling;   /* of the answer, streams apart; 0: LIMIT_ENGINE_ANSWER_BYTES */
	http_chunk *chunk;
	void *context;
};

/* `stop`: ends every call soon once true (after http_interrupt()). */
int http_new(const char *socket, const atomic_bool *stop, struct http **ret_http, struct err *err);
struct http *http_free(struct http *http);

/* A status of 400 and above is an error with Docker's own message: 404 ERR_NOT_FOUND, 409
 * ERR_CONFLICT, 400 and 403 ERR_INVALID, else ERR_INTERNAL. Docker that does not answer is
 * ERR_UNAVAILABLE or ERR_TIMEOUT; an interrupted call ERR_UNAVAILABLE. `answer` (may be NULL) is
 * replaced. */
int http_call(struct http *http, const struct http_request *request, struct buf *answer,
	      struct err *err);
/* The same with the answer parsed; the caller owns the tree. */
int http_call_json(struct http *http, const struct http_request *request, json_t **ret_json,
		   struct err *err);

/* From any thread: look at `stop` now. */
void http_interrupt(struct http *http);
/* From any thread: end the call under way; holds until http_arm(). */
void http_cancel(struct http *http);
void http_arm(struct http *http);
/* Appends `text` percent-encoded. */
void http_escape(struct buf *path, const char *text);

#endif
