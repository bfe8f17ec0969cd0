#include "api/html.h"

static const char style[] =
	"body{font:16px/1.6 system-ui,sans-serif;max-width:40rem;margin:12vh auto;padding:0 1rem;"
	"color:#1b1f24;background:#fff}h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}"
	"code,pre{background:#eef1f4;padding:.1rem .3rem;border-radius:3px}pre{padding:.8rem;"
	"overflow-x:auto}@media(prefers-color-scheme:dark){body{color:#e6e9ec;background:#14171a}"
	"code,pre{background:#23282d}a{color:#8ab8ff}}";

void api_html_text(struct buf *out, const char *text)
{
	for (; *text; text++)
		switch (*text) {
		case '&': buf_puts(out, "&amp;"); break;
		case '<': buf_puts(out, "&lt;"); break;
		case '>': buf_puts(out, "&gt;"); break;
		case '"': buf_puts(out, "&quot;"); break;
		case '\'': buf_puts(out, "&#39;"); break;
		default: buf_putc(out, *text);
		}
}

void api_html_begin(struct buf *out, const char *title, const char *refresh)
{
	buf_puts(out, "<!doctype html>\n<html lang=\"ko\">\n<head>\n<meta charset=\"utf-8\">\n"
		      "<meta name=\"viewport\" content=\"width=device-width\">\n");
	if (refresh)
		buf_printf(out, "<meta http-equiv=\"refresh\" content=\"%s\">\n", refresh);
	buf_puts(out, "<title>");
	api_html_text(out, title);
	buf_printf(out, "</title>\n<style>%s</style>\n</head>\n<body>\n", style);
}

void api_html_end(struct buf *out) { buf_puts(out, "</body>\n</html>\n"); }
