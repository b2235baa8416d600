/*
 * drop - a letter left in the drop directory, for submit(8) to feed when the system starts
 *
 * Called by culver/sendmail.c when nobody serves `submission`.  The directory is open only while the system is stopped in order.
 */
#ifndef CULVER_DROP_H
#define CULVER_DROP_H

#include "culver/envelope.h"
#include "culver/letter.h"
#include "culver/order.h"

#define DROP_SLOTS_MAX 1000 /* names that are tried: others may have taken some of ours */

/*
 * drop_leave - the exit status, after a sentence if it is not 0
 *
 * 0: the letter is on the disk, whole, with its last line.
 */
int drop_leave(const char *runtime, const struct order *o, const struct envelope *e,
	       struct letter *l) __attribute__((warn_unused_result));

#define DROP_NOWHERE \
	(-1) /* of drop_leave: there is no directory, or it is closed; errno; nothing was said or read */

#endif
