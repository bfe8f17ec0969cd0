/* What stands at "/": what this is and how to begin. */
#include "api/html.h"
#include "api/internal.h"

int api_landing(struct api_request *request, struct err *err)
{
	struct buf *out = &request->reply.text;

	(void)err;
	request->reply.status = 200;
	request->reply.content_type = "text/html; charset=utf-8";
	api_html_begin(out, "Dure", NULL);
	buf_puts(out,
		 "<h1>Dure 두레</h1>\n"
		 "<p lang=\"ko\">GPU 워크로드를 등록하고, 배포하고, 서비스 URL로 열고, "
		 "종료하는 셀프 호스팅 클라우드입니다.</p>\n"
		 "<p lang=\"en\">A self-hosted GPU cloud: register a workload, deploy it, reach "
		 "it at its service URL, terminate it.</p>\n"
		 "<pre>dure login --url http://");
	api_html_text(out, request->host ? request->host : "127.0.0.1:8080");
	buf_puts(out, "\ndure gpu list\ndure workload register --help</pre>\n"
		      "<p><a href=\"/api/openapi.json\">API</a> · <a href=\"/api/v1/health\">"
		      "health</a> · ");
	api_html_text(out, request->api->options.version);
	buf_puts(out, "</p>\n");
	api_html_end(out);
	api_header(request, "Content-Security-Policy", API_HTML_POLICY);
	return 0;
}
