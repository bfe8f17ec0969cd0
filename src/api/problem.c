/* Errors as RFC 9457 problem documents. */
#include "api/internal.h"

void api_problem_write(struct jsonw *w, const struct err *err, const char *instance)
{
	const char *key;
	json_t *value;

	jsonw_object(w);
	jsonw_key(w, "type");
	buf_puts(w->out, "\"https://dure.dev/problems/");
	buf_puts(w->out, err_slug(err->code));
	buf_putc(w->out, '"');
	w->comma = true;
	jsonw_kv_string(w, "title", err_title(err->code));
	jsonw_kv_int(w, "status", err_status(err->code));
	jsonw_kv_string(w, "detail", err->message);
	jsonw_kv_string(w, "instance", instance);
	json_object_foreach(err->extra, key, value)
	{
		jsonw_key(w, key);
		jsonw_json(w, value);
	}
	jsonw_object_end(w);
}

void api_problem(struct api_request *request, const struct err *err)
{
	buf_clear(&request->reply.text);
	struct jsonw w = api_write(request, err_status(err->code));

	api_problem_write(&w, err, request->id);
	request->reply.content_type = "application/problem+json";
	if (err_status(err->code) == 401)
		api_header(request, "WWW-Authenticate", "Bearer realm=\"dure\"");
	if (err->code == ERR_UNAVAILABLE)
		api_header(request, "Retry-After", "1");
}
