#include "base/timefmt.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/env.h"

void timefmt_rfc3339(int64_t time_us, char *out)
{
	time_t seconds = (time_t)(time_us / USEC_PER_SEC);
	int64_t rest = time_us % USEC_PER_SEC;
	struct tm tm;
	char date[24];

	if (rest < 0) {
		rest += USEC_PER_SEC;
		seconds--;
	}
	if (!gmtime_r(&seconds, &tm) || strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
		date[0] = '\0';
	(void)snprintf(out, TIMEFMT_RFC3339_SIZE, "%s.%03dZ", date, (int)(rest / USEC_PER_MSEC));
}

/* Two-digit (or four-digit) number at *at, moved past; negative when there is none. */
static int number(const char **at, int digits)
{
	int value = 0;

	while (digits-- > 0) {
		if (**at < '0' || **at > '9')
			return -1;
		value = value * 10 + (*(*at)++ - '0');
	}
	return value;
}

static int fraction_us(const char **at)
{
	int value = 0, scale = 100000;

	if (**at != '.')
		return 0;
	(*at)++;
	if (**at < '0' || **at > '9')
		return -1;
	for (; **at >= '0' && **at <= '9'; (*at)++, scale /= 10)
		value += (**at - '0') * scale;
	return value;
}

/* Minutes east of UTC of "Z" or "±hh:mm"; negative return when it is neither. */
static int zone_minutes(const char **at, int *ret_minutes)
{
	int sign = **at == '-' ? -1 : 1;

	if (**at == 'Z' || **at == 'z') {
		(*at)++;
		*ret_minutes = 0;
		return 0;
	}
	if (**at != '+' && **at != '-')
		return -EINVAL;
	(*at)++;
	int hours = number(at, 2);
	if (hours < 0 || hours > 23 || *(*at)++ != ':')
		return -EINVAL;
	int minutes = number(at, 2);
	if (minutes < 0 || minutes > 59)
		return -EINVAL;
	*ret_minutes = sign * (hours * 60 + minutes);
	return 0;
}

int timefmt_parse_rfc3339(const char *text, int64_t *ret_time_us)
{
	struct tm tm = { 0 };
	const char *at = text;
	int zone = 0;

	tm.tm_year = number(&at, 4) - 1900;
	if (tm.tm_year < -1900 || *at++ != '-' || (tm.tm_mon = number(&at, 2) - 1) < 0 ||
	    *at++ != '-' || (tm.tm_mday = number(&at, 2)) < 1)
		return -EINVAL;
	if ((*at != 'T' && *at != 't' && *at != ' ') || (at++, (tm.tm_hour = number(&at, 2)) < 0) ||
	    *at++ != ':' || (tm.tm_min = number(&at, 2)) < 0 || *at++ != ':' ||
	    (tm.tm_sec = number(&at, 2)) < 0)
		return -EINVAL;
	if (tm.tm_mon > 11 || tm.tm_mday > 31 || tm.tm_hour > 23 || tm.tm_min > 59 ||
	    tm.tm_sec > 60)
		return -EINVAL;
	int fraction = fraction_us(&at);
	if (fraction < 0 || zone_minutes(&at, &zone) < 0 || *at != '\0')
		return -EINVAL;
	if (tm.tm_year == 1 - 1900) {
		*ret_time_us = 0; /* Go's zero time: "never" */
		return 0;
	}
	*ret_time_us = ((int64_t)timegm(&tm) - (int64_t)zone * 60) * USEC_PER_SEC + fraction;
	return 0;
}
