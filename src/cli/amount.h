/* Amounts as people write them ↔ the whole numbers of the API. No floating point anywhere: a
 * decimal that does not come out even is refused, not rounded. */
#ifndef DURE_CLI_AMOUNT_H
#define DURE_CLI_AMOUNT_H

#include <stdint.h>

#include "base/arena.h"

/* "500", "0.5", "1,234.5 P" → µP. At most 6 decimals. Negative when it is no such amount. */
int amount_points_parse(const char *text, int64_t *ret_micro);
/* µP → "1,234.5 P" */
char *amount_points(struct arena *arena, int64_t micro);
/* "1,000 – 1,500.5 P"; one figure when both are equal */
char *amount_points_range(struct arena *arena, int64_t min, int64_t max);

/* "24G", "24GB", "24GiB", "1.5T", "512M", "512" (MB) → MB of 1024 × 1024 bytes. */
int amount_size_parse(const char *text, int64_t *ret_mb);
/* MB → "24 GB", "1.5 GB", "512 MB"; exact, or to one decimal with "~" in front */
char *amount_size(struct arena *arena, int64_t mb);

/* "0.5", "2", "500m" → thousandths of a CPU. */
int amount_cpu_parse(const char *text, int64_t *ret_milli);
/* thousandths → "0.5", "2" */
char *amount_cpu(struct arena *arena, int64_t milli);

/* "90s", "10m", "24h", "30d", "45" (seconds) → seconds. */
int amount_duration_parse(const char *text, int64_t *ret_seconds);
/* µs → "0.4 s", "12.3 s", "2 min 5 s", "3 h 12 min", "5 d 2 h" */
char *amount_duration(struct arena *arena, int64_t us);

#endif
