/* Docker sends a log as frames of stdout and stderr: one byte stream number, three zero bytes, four
 * bytes of length (big endian), then so many bytes of text. */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/strings.h"
#include "engine/docker/parts.h"

#define HEADER_BYTES 8
#define LOGS_MS 20000

struct tail {
	struct buf text; /* at most twice `keep`, so that dropping the front is seldom */
	size_t keep;
	unsigned char header[HEADER_BYTES];
	size_t header_length;
	size_t frame_left;
};

static void take_text(struct tail *tail, const char *data, size_t length)
{
	if (length > tail->keep) {
		data += length - tail->keep;
		length = tail->keep;
	}
	if (tail->text.length + length > 2 * tail->keep)
		buf_consume(&tail->text, tail->text.length + length - tail->keep);
	buf_append(&tail->text, data, length);
}

static bool take_frames(void *context, const char *data, size_t length)
{
	struct tail *tail = context;

	while (length > 0) {
		if (tail->frame_left > 0) {
			size_t step = length < tail->frame_left ? length : tail->frame_left;
			take_text(tail, data, step);
			tail->frame_left -= step;
			data += step;
			length -= step;
			continue;
		}
		tail->header[tail->header_length++] = (unsigned char)*data++;
		length--;
		if (tail->header_length == HEADER_BYTES) {
			const unsigned char *h = tail->header;
			tail->frame_left = (size_t)h[4] << 24 | (size_t)h[5] << 16 |
					   (size_t)h[6] << 8 | (size_t)h[7];
			tail->header_length = 0;
		}
	}
	return !tail->text.failed;
}

int logs_fetch(struct http *http, const char *container, int lines, size_t keep, char **ret_text,
	       struct err *err)
{
	struct tail tail = { .text = BUF_INIT(2 * keep), .keep = keep };
	BUF_AUTO path = BUF_INIT(1024);

	buf_puts(&path, "/containers/");
	http_escape(&path, container);
	buf_printf(&path, "/logs?stdout=true&stderr=true&tail=%d", lines);
	struct http_request request = { .method = "GET",
					.path = path.data,
					.timeout_ms = LOGS_MS,
					.chunk = take_frames,
					.context = &tail };
	int result = path.failed ? err_oom(err) : http_call(http, &request, NULL, err);
	if (result == 0 && tail.text.failed)
		result = err_oom(err);
	if (result == 0) {
		if (tail.text.length > keep)
			buf_consume(&tail.text, tail.text.length - keep);
		/* Do not begin inside a character. */
		while (tail.text.length > 0 && ((unsigned char)tail.text.data[0] & 0xc0) == 0x80)
			buf_consume(&tail.text, 1);
		char *text = strndup(tail.text.data ? tail.text.data : "", tail.text.length);
		result = text ? 0 : err_oom(err);
		if (text)
			*ret_text = text;
	}
	buf_free(&tail.text);
	return result;
}
