/*
 * groups - a control group (version 2) for each process that runs commands, where such groups are ours
 *
 * Called by serve.c as root.  In the group are a command and all that it starts, not the process that watches it: so memory and processes
 * are bounded in sum, and all of it is killed at once, whatever it forks meanwhile.  A user's process cannot leave it, since the files that
 * move processes are root's; those that it needs it is given open, and the kernel (5.16) goes by who opened them.  Where there are no
 * such groups the limits of each process, and the death of each child, are as they are without (run.c).
 *
 * The groups are named PID.N after the runner, so that each start removes what a killed one has left.
 */
#ifndef LOCAL_RUNNER_GROUPS_H
#define LOCAL_RUNNER_GROUPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/config/config.h"

#define GROUPS_NAME_ROOM 64

struct group {
	struct group *next;
	pid_t pid; /* of the process whose commands it is for; 0: that has ended */
	char name[GROUPS_NAME_ROOM];
};

struct groups {
	int base; /* -1: there are none here */
	const struct config_limits *limits;
	struct group *first;
	uint64_t last;
};

/* of one group, for the process that it is for; -1: there is none */
struct groups_files {
	int procs; /* what writes "0" is in the group from then on */
	int kill;  /* "1" kills all that is in it */
};

/* groups_open - as `command-cgroup` says; tells what there is.  What is left of others is to be swept. */
void groups_open(struct groups *g, const struct config *c);
/* groups_make - for a process that is about to be forked; the files are the caller's to close */
struct groups_files groups_make(struct groups *g);
/* groups_forked - it is that one (-1: there was no fork) */
void groups_forked(struct groups *g, pid_t pid);
/* groups_ended - the process is gone: what is in its group is killed, and the group goes, at the latest by groups_sweep */
void groups_ended(struct groups *g, pid_t pid);
/* groups_sweep - removes those that can be removed by now; false: some are left */
bool groups_sweep(struct groups *g);
/* groups_close - kills and removes, as far as that can be at once */
void groups_close(struct groups *g);

#endif
