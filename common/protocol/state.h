/*
 * state - what master tells whoever asks how the system is: RUNTIME/state, RUNTIME/master.pid
 *
 * A text file that master replaces (write, rename) at every change, so a reader always has a whole one: master -> culver status,
 * reload, sandbox.  Lines of `key word...` (words by escape_word); unknown keys are passed over, so that an older culver reads a newer file.
 * master.pid holds the pid of master, who keeps a write lock (fcntl, OFD) on it while it lives: a file without the lock is of one that was
 * killed.
 */
#ifndef COMMON_PROTOCOL_STATE_H
#define COMMON_PROTOCOL_STATE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/system/start.h"
#include "common/text/buffer.h"
#include "common/text/span.h"

#define STATE_FILE "state"
#define STATE_PID_FILE "master.pid"
#define STATE_TEXT_MAX (256u << 10)
#define STATE_PROGRAMS_MAX \
	200 /* processes of former generations that are listed; more are left out */
#define STATE_REASON_MAX 1024

enum state_condition {
	STATE_STARTING = 1, /* execed, does not serve yet */
	STATE_SERVING,
	STATE_WAITING,	/* has ended; will be started again */
	STATE_STOPPING, /* was told to end */
	STATE_RETIRED,	/* of a former generation: ends with its last session */
};

struct state_program {
	char name[START_NAME_MAX];
	pid_t pid; /* 0: no process now */
	enum state_condition condition;
	uint64_t generation;
	uint64_t restarts; /* since master started */
	int64_t since_us;  /* wall clock: of this condition's process start */
};

struct state {
	char version[START_NAME_MAX];
	pid_t master;
	int64_t since_us;
	bool as_root, strict;
	bool ready;	     /* every program serves, or did once since the last start or reload */
	uint64_t generation; /* of the configuration: 1, and one more for each reload */
	char config[START_PATH_MAX];
	char root_mail[START_PATH_MAX];
	uint64_t reloads; /* tried: carried out or refused */
	bool reload_refused;
	int64_t reload_us;
	char reload_reason[STATE_REASON_MAX]; /* why it was refused */
	struct state_program programs[STATE_PROGRAMS_MAX];
	size_t program_count;
};

const char *state_condition_name(enum state_condition c);
void state_encode(const struct state *s, struct buffer *to);
/* -1: not a state file, or damaged; *s is undefined then */
int state_decode(struct span text, struct state *s) __attribute__((warn_unused_result));

/* state_read - RUNTIME/state; -1 and errno (ENOENT: nothing runs; EBADMSG: not a state file) */
int state_read(const char *runtime, struct state *s) __attribute__((warn_unused_result));

/*
 * state_master - the pid of the master that holds RUNTIME/master.pid; 0 when none lives; -1 and errno when it cannot be known
 */
pid_t state_master(const char *runtime) __attribute__((warn_unused_result));

#endif
