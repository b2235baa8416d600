/*
 * feeder - the process that feeds letters of the drop directory: begun at start, again while something waits there
 *
 * Called by smtpd/listener.c, in `submit` alone.  One at a time.
 */
#ifndef SMTPD_FEEDER_H
#define SMTPD_FEEDER_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/system/loop.h"
#include "smtpd/drop.h"

struct feeder {
	struct drop_start drop; /* drop.directory -1: there is none to feed */
	struct loop *loop;
	void (*leave)(void *owner); /* in the new process: gives up what is the listener's */
	void *owner;
	pid_t pid; /* 0: none runs */
	bool is_closing;
	struct loop_timer again;
};

/* feeder_begin - the first look; the fields above `pid` are set.  A process that cannot be had is tried again. */
void feeder_begin(struct feeder *f);
/* feeder_ended - process `pid` has ended; false: it was not the feeder */
bool feeder_ended(struct feeder *f, pid_t pid, int status);
/* feeder_close - no further look; the letter in hand is ended first, when `is_stopping` the rest is left for the next start */
void feeder_close(struct feeder *f, bool is_stopping);

#endif
