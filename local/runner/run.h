/*
 * run - one command after another, as the user who asks for it
 *
 * Called by serve.c in a child that has become the user.  A command gets the message on its standard input, an environment made anew, limits,
 * a session of its own, and no other descriptor.  It is done when its first process has ended, or its time is over, or nobody waits
 * for it any more; whatever it has left running then is killed, also what went into the background.
 */
#ifndef LOCAL_RUNNER_RUN_H
#define LOCAL_RUNNER_RUN_H

#include "common/config/config.h"
#include "common/system/passwd.h"
#include "local/runner/groups.h"

#define RUN_DESCRIPTORS 256
#define RUN_KILL_MS \
	5000 /* for what a command has left to be gone; what the kernel does not let go stays */

struct run {
	int channel;
	struct groups_files group; /* that its commands are put into; -1: none */
	const struct config *config;
	const struct passwd_user *user;
	const struct config_delivery *delivery; /* whose command is run; NULL: what RUN says */
	const char *virtual; /* name of a virtual user; empty: the user himself */
	const char *home;    /* of the one or the other */
};

/* run_serve - until the channel closes; returns the exit status */
int run_serve(struct run *r);

#endif
