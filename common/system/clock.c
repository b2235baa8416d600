/*
 * clock - see clock.h
 */
#include "common/system/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t
read_us(clockid_t id)
{
	struct timespec t;
	clock_gettime(id, &t); /* cannot fail for these clocks */
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t
clock_monotonic_ms(void)
{
	return read_us(CLOCK_MONOTONIC) / 1000;
}

int64_t
clock_monotonic_us(void)
{
	return read_us(CLOCK_MONOTONIC);
}

int64_t
clock_wall_us(void)
{
	return read_us(CLOCK_REALTIME);
}

void
clock_iso(int64_t wall_us, char text[CLOCK_TEXT_MAX])
{
	time_t seconds = (time_t)(wall_us / 1000000);
	struct tm tm;
	char day[CLOCK_TEXT_MAX] = "";
	gmtime_r(&seconds, &tm);
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, CLOCK_TEXT_MAX, "%.28s.%06dZ", day, (int)(wall_us % 1000000));
}

void
clock_rfc5322(int64_t wall_us, char text[CLOCK_TEXT_MAX])
{
	static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
					   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	time_t seconds = (time_t)(wall_us / 1000000);
	struct tm tm;
	localtime_r(&seconds, &tm);
	int zone = (int)(tm.tm_gmtoff / 60);
	unsigned minutes = (unsigned)(zone < 0 ? -zone : zone);
	snprintf(text, CLOCK_TEXT_MAX, "%s, %d %s %d %02d:%02d:%02d %c%02u%02u", days[tm.tm_wday],
		 tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec,
		 zone < 0 ? '-' : '+', minutes / 60 % 100, minutes % 60);
}
