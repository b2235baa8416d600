/*
 * sandbox - culver sandbox [--probe]: what confines each program
 */
#ifndef CULVER_SANDBOX_H
#define CULVER_SANDBOX_H

#include "culver/options.h"

#include "common/system/start.h"

/* what the kernel says about a process, from /proc/PID */
struct sandbox_process {
	char name[START_NAME_MAX];
	pid_t pid;
	uid_t uid;
	char groups[256];      /* numbers parted by blanks, the first is the gid */
	uint64_t capabilities; /* effective */
	int no_new_privs;
	int seccomp;		   /* 2: a filter */
	int filters;		   /* -1: this kernel does not say */
	int dumpable;		   /* -1: cannot be known from here (root's processes) */
	char root[START_PATH_MAX]; /* "?": may not be seen */
};

/*
 * sandbox - 0: every program that serves is confined as it must be; 1: one is not; 69: nothing runs
 *
 * With --probe nothing needs to run: each program is started once, confines itself, tries what it must not do, and ends; 1 when
 * something forbidden was allowed.
 */
int verb_sandbox(const struct culver_options *o, int argc, char **argv);
/* sandbox_parse - the text of /proc/PID/status; -1: a line is missing */
int sandbox_parse(struct span status, struct sandbox_process *p)
	__attribute__((warn_unused_result));
/* sandbox_complaint - NULL: confined as it must be; else what is wrong */
const char *sandbox_complaint(const struct sandbox_process *p, bool as_root);

#endif
