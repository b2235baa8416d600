/*
 * runner - local -> runner: one command of one user
 *
 * Who connects is a fresh child of local's parent that is still root (or the ordinary user who runs the whole).  It says BIND, once: for
 * whom the connection is.  Then it becomes that user for good, and all that can ever be asked on the connection is run as him.
 * RUN comes with one descriptor, the command's standard input; the answer is RESULT.  One command at a time; a close ends what runs.
 *
 * A connection bound to RUNNER_DOMAIN runs nothing but the command that `deliver pipe`, or a `delivery` of that block, names, whatever is
 * asked.  For whom of the block's virtual users it is, and where he is at home, is bound as well.
 */
#ifndef COMMON_PROTOCOL_RUNNER_H
#define COMMON_PROTOCOL_RUNNER_H

#include "common/protocol/wire.h"

enum runner_type { /* numbers are never reused */
		   RUNNER_BIND = 1,
		   RUNNER_RUN = 2, /* + its standard input */
		   RUNNER_RESULT = 101,
};

enum runner_what {
	RUNNER_LINE = 1,   /* the command stands in RUN, for the shell */
	RUNNER_DOMAIN = 2, /* the command of the block's `deliver pipe` */
};

#define RUNNER_COMMAND_MAX 8192
#define RUNNER_OUTPUT_MAX 400 /* bytes of what a command says that are kept */

struct runner_bind {
	struct span user;     /* login name */
	uint64_t what;	      /* enum runner_what */
	struct span domain;   /* the block, by its first name; of RUNNER_DOMAIN: */
	struct span delivery; /* which of the block's, by its name; empty: `deliver` */
	struct span virtual;  /* the name of a virtual user; empty: the user himself */
	struct span home;     /* his home; empty: the user's own */
};

struct runner_run {
	struct span command;   /* of RUNNER_LINE */
	struct span sender;    /* empty: null reverse-path */
	struct span recipient; /* address */
	struct span original;  /* what the sender gave */
	struct span ext;
	uint64_t id;
	uint64_t size;
};

enum runner_how {
	RUNNER_EXITED = 1, /* value: status */
	RUNNER_KILLED = 2, /* value: signal */
	RUNNER_LATE = 3,   /* was not done in time, and was killed */
	RUNNER_CANNOT = 4, /* value: errno */
};

struct runner_result {
	uint64_t how; /* enum runner_how */
	uint64_t value;
	struct span output; /* the beginning of what it wrote on its standard output and error */
};

extern const struct wire_shape runner_calls[];
extern const struct wire_shape runner_answers[];

#endif
