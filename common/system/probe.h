/*
 * probe - tries what a confined process must not be able to do, and reports what the kernel answers
 *
 * Used by confine() in a row with `probe`, for `culver sandbox --probe`: one child an attempt, each confined as the
 * program is, since some attempts end in death.  One line an attempt on stderr:
 *
 *     PROGRAM: ATTEMPT: refused|allowed|died: ANSWER
 */
#ifndef COMMON_SYSTEM_PROBE_H
#define COMMON_SYSTEM_PROBE_H

#include <stddef.h>

#include "common/system/start.h"

/* probe_fork - returns in each child with the number of its attempt; the parent reports all and exits: 0 when all was refused, else 1 */
int probe_fork(const struct start *s);
/* the child's end; its exit status is the answer */
_Noreturn void probe_attempt(const struct start *s, size_t attempt);

#endif
