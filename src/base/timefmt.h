/* Times as text. All times inside Dure are µs since the epoch, UTC. */
#ifndef DURE_BASE_TIMEFMT_H
#define DURE_BASE_TIMEFMT_H

#include <stdint.h>

#define TIMEFMT_RFC3339_SIZE 32

/* "2026-11-23T23:21:07.123Z" into `out` (TIMEFMT_RFC3339_SIZE bytes). */
void timefmt_rfc3339(int64_t time_us, char *out);
/* Parses RFC 3339 with any number of fraction digits (Docker gives nine) and Z or ±hh:mm.
 * Docker's "0001-01-01T00:00:00Z" gives 0. Negative when it is not such a time. */
int timefmt_parse_rfc3339(const char *text, int64_t *ret_time_us);

#endif
