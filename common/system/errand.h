/*
 * errand - a child that does one thing and tells what came of it, for a program that has an event loop
 *
 * What meets strangers, or has a secret, does so in a process that lives for it alone.  The parent is told that something can be heard, or that it
 * took too long; it reads, and believes nothing of it that it has not looked at.
 */
#ifndef COMMON_SYSTEM_ERRAND_H
#define COMMON_SYSTEM_ERRAND_H

#include <stdint.h>
#include <sys/types.h>

#include "common/system/loop.h"

struct errand {
	struct loop *loop;
	pid_t pid;		    /* 0: none is under way */
	struct loop_watch result;   /* of our end: SOCK_SEQPACKET, blocking */
	struct loop_timer given_up; /* as long as none has called errand_end */
	void *owner;
	/* heard - there is something to receive at e->result.fd, or the child is gone; calls errand_end once it has it */
	void (*heard)(struct errand *e);
	/* late - its time is over; calls errand_end */
	void (*late)(struct errand *e);
};

/*
 * errand_start - forks; owner, heard and late are set by the caller
 *
 * `work` runs in the child, tells its result by `back`, and does not return.  -1 and errno: there is no process.
 */
int errand_start(struct errand *e, struct loop *loop, int64_t time_ms,
		 void (*work)(const void *what, int back), const void *what)
	__attribute__((warn_unused_result));

/* errand_end - kills it, where it still runs, and waits for it; its status, 0 where none is under way, -1: it is not known */
int errand_end(struct errand *e);

#endif
