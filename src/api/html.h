/* The frame of the few HTML pages that the API itself shows. No scripts, nothing from elsewhere. */
#ifndef DURE_API_HTML_H
#define DURE_API_HTML_H

#include "base/buf.h"

#define API_HTML_POLICY                                                                            \
	"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "     \
	"frame-ancestors 'none'"

/* `refresh`: seconds after which the browser asks again, or NULL. */
void api_html_begin(struct buf *out, const char *title, const char *refresh);
void api_html_end(struct buf *out);
/* Escaped for element content and quoted attributes. */
void api_html_text(struct buf *out, const char *text);

#endif
