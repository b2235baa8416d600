/*
 * clock - what time it is
 *
 * Waiting and scheduling use the monotonic clock, in milliseconds; ids and journals the wall clock, in microseconds.
 * Code that decides takes the time as a parameter; only its callers ask here.
 */
#ifndef COMMON_SYSTEM_CLOCK_H
#define COMMON_SYSTEM_CLOCK_H

#include <stdint.h>

int64_t clock_monotonic_ms(void);
int64_t clock_monotonic_us(void);
int64_t clock_wall_us(void);

/* room for "2026-11-24T08:02:31.123456Z" and for "Tue, 24 Nov 2026 08:02:31 +0000", with the NUL */
#define CLOCK_TEXT_MAX 40
/* clock_iso - RFC 3339, UTC, microseconds */
void clock_iso(int64_t wall_us, char text[CLOCK_TEXT_MAX]);
/* clock_rfc5322 - a date-time of RFC 5322, section 3.3, in the local zone */
void clock_rfc5322(int64_t wall_us, char text[CLOCK_TEXT_MAX]);

#endif
