/*
 * shortage - do sessions run short?
 *
 * The listener counts, each session asks: then it does not wait for early delivery, so that its place is free the sooner.  One word of memory
 * that all of them share.  A session that was taken over could write to it: the others would then wait, or fsync, without
 * need, and nothing worse.
 */
#ifndef SMTPD_SHORTAGE_H
#define SMTPD_SHORTAGE_H

#include <stdbool.h>
#include <stdint.h>

/* shortage_start - in the listener, before the first session; without it nobody is ever short */
void shortage_start(void);
/* shortage_tell - `sessions` are there of at most `max`: short is above SHORTAGE_PERCENT of them */
#define SHORTAGE_PERCENT 75
void shortage_tell(uint64_t sessions, uint64_t max);
bool shortage_is(void);

#endif
