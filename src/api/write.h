/* Pieces of JSON that several resources write. */
#ifndef DURE_API_WRITE_H
#define DURE_API_WRITE_H

#include <stdint.h>

#include "base/jsonw.h"

/* "price_per_hour": {"min", "max"} */
void api_write_price(struct jsonw *w, int64_t min, int64_t max);
/* `key`: "12.8", or null for 0 */
void api_write_cuda(struct jsonw *w, const char *key, int64_t version);

#endif
