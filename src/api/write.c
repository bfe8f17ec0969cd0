#include "api/write.h"

#include "api/internal.h"
#include "workload/spec.h"

void api_write_price(struct jsonw *w, int64_t min, int64_t max)
{
	jsonw_key(w, "price_per_hour");
	jsonw_object(w);
	jsonw_kv_int(w, "min", min);
	jsonw_kv_int(w, "max", max);
	jsonw_object_end(w);
}

void api_write_cuda(struct jsonw *w, const char *key, int64_t version)
{
	char text[16];

	if (version > 0)
		spec_cuda_format(version, text);
	jsonw_kv_string(w, key, version > 0 ? text : NULL);
}

struct jsonw api_list_begin(struct api_request *request)
{
	struct jsonw w = api_write(request, 200);

	jsonw_object(&w);
	jsonw_key(&w, "items");
	jsonw_array(&w);
	return w;
}

void api_list_end(struct jsonw *w, const char *next)
{
	jsonw_array_end(w);
	jsonw_kv_string(w, "next", next);
	jsonw_object_end(w);
}
