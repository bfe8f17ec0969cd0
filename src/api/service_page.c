/* The page a service URL shows while no pod answers behind it. The gateway sends such requests here
 * as /_service, whatever their method and path were.
 *
 * Strangers read it: it tells the state and what to do, never the workload's own messages, which
 * may quote its log. */
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "api/html.h"
#include "api/internal.h"
#include "base/strings.h"
#include "workload/workload.h"

#define HOST_HEX 8
#define REFRESH_SECONDS "2"

struct page {
	int status;
	const char *word; /* X-Dure-Error */
	const char *korean_title, *english_title;
	const char *korean, *english;
	bool refresh;
};

static const struct page unknown = {
	404,
	"unknown",
	"없는 서비스입니다",
	"There is no such service",
	"주소를 다시 확인해 주세요. 삭제된 워크로드의 주소일 수 있습니다.",
	"Check the address. The workload may have been deleted.",
	false,
};

static const struct page pages[WORKLOAD_STATE_COUNT] = {
	[WORKLOAD_REGISTERED] = { 503, "registered", "아직 배포되지 않은 서비스입니다",
				  "This service is not deployed yet",
				  "워크로드가 등록되어 있습니다. 소유자가 배포하면 이 주소에서 "
				  "열립니다.",
				  "The workload is registered. It opens here once its owner "
				  "deploys it.",
				  false },
	[WORKLOAD_DEPLOYING] = { 503, "deploying", "서비스를 배포하고 있습니다",
				 "This service is being deployed",
				 "준비가 끝나면 이 페이지가 자동으로 바뀝니다.",
				 "This page turns into the service as soon as it is ready.", true },
	[WORKLOAD_DEPLOYED] = { 503, "deployed", "서비스가 잠시 응답하지 않습니다",
				"This service does not answer at the moment",
				"배포된 파드가 요청을 받지 못하고 있습니다. 자동으로 다시 "
				"시도합니다.",
				"Its pods are not taking requests. Trying again by itself.", true },
	[WORKLOAD_DEGRADED] = { 503, "degraded", "서비스가 잠시 응답하지 않습니다",
				"This service does not answer at the moment",
				"응답하는 파드가 없습니다. 자동으로 다시 시도합니다.",
				"None of its pods answers. Trying again by itself.", true },
	[WORKLOAD_TERMINATING] = { 503, "terminating", "서비스를 종료하고 있습니다",
				   "This service is being terminated",
				   "소유자가 다시 배포하면 이 주소에서 열립니다.",
				   "It opens here again once its owner deploys it.", false },
	[WORKLOAD_TERMINATED] = { 503, "terminated", "종료된 서비스입니다",
				  "This service has been terminated",
				  "소유자가 다시 배포하면 이 주소에서 열립니다.",
				  "It opens here again once its owner deploys it.", false },
	[WORKLOAD_FAILED] = { 503, "failed", "서비스 배포에 실패했습니다",
			      "This service has failed",
			      "소유자는 워크로드의 이벤트에서 원인을 확인할 수 있습니다.",
			      "Its owner finds the cause in the workload's events.", false },
};

/* The first label of the host, if it is one of ours. */
static bool host_label(const struct api_request *request, char out[HOST_HEX + 1])
{
	const char *host = request->service_host ? request->service_host : request->host;

	if (!host)
		return false;
	size_t length = strcspn(host, ".:");
	if (length != HOST_HEX)
		return false;
	for (size_t i = 0; i < HOST_HEX; i++) {
		unsigned char c = (unsigned char)host[i];
		if (!isxdigit(c))
			return false;
		out[i] = (char)tolower(c);
	}
	out[HOST_HEX] = '\0';
	return true;
}

struct lookup {
	struct arena *arena;
	const char *host;
	struct workload workload;
};

static int lookup_run(struct db_tx *tx, void *argument, struct err *err)
{
	struct lookup *lookup = argument;

	return workload_get_by_host(tx, lookup->host, lookup->arena, &lookup->workload, err);
}

static void write_page(struct buf *out, const struct page *page, const struct workload *workload)
{
	api_html_begin(out, page->english_title, page->refresh ? REFRESH_SECONDS : NULL);
	buf_puts(out, "<h1 lang=\"ko\">");
	api_html_text(out, page->korean_title);
	buf_puts(out, "</h1>\n<p lang=\"ko\">");
	api_html_text(out, page->korean);
	buf_puts(out, "</p>\n<h2 lang=\"en\">");
	api_html_text(out, page->english_title);
	buf_puts(out, "</h2>\n<p lang=\"en\">");
	api_html_text(out, page->english);
	buf_puts(out, "</p>\n");
	if (workload && page->refresh) {
		buf_printf(out,
			   "<p>파드 · pods: %" PRId64 " / %" PRId64
			   "</p>\n<p>현재 단계 · now: <code>",
			   workload->pods_ready, workload->spec.replicas);
		api_html_text(out, str_empty(workload->reason) ? page->word : workload->reason);
		buf_puts(out, "</code></p>\n");
	}
	api_html_end(out);
}

int api_service_page(struct api_request *request, struct err *err)
{
	char host[HOST_HEX + 1];
	struct lookup lookup = { .arena = request->arena, .host = host };
	const struct page *page = &unknown;
	bool known = host_label(request, host);

	if (known && db_read(request->api->options.db, lookup_run, &lookup, err) < 0) {
		if (err->code != ERR_NOT_FOUND)
			return -1;
		err_clear(err);
		known = false;
	}
	if (known)
		page = &pages[lookup.workload.state];
	request->reply.status = page->status;
	request->reply.content_type = "text/html; charset=utf-8";
	write_page(&request->reply.text, page, known ? &lookup.workload : NULL);
	api_header(request, "X-Dure-Error", page->word);
	api_header(request, "Content-Security-Policy", API_HTML_POLICY);
	if (page->status == 503)
		api_header(request, "Retry-After", page->refresh ? REFRESH_SECONDS : "60");
	return 0;
}
