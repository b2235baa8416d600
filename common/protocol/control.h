/*
 * control - the administrator's questions: culver -> queue-manager
 *
 * One request at a time on a connection.  A selector travels as words `KEY=VALUE`, bare ids, or `all`, checked by the queue-manager (control.c), which
 * answers CONTROL_REFUSED with a sentence for what it does not understand.  Who asks is known by the kernel: root, the group
 * culver-admin and the user who runs the whole see and do all; everybody else
 * sees the messages that his uid has sent, and may RETRY and REMOVE them; others are not there for him.
 */
#ifndef COMMON_PROTOCOL_CONTROL_H
#define COMMON_PROTOCOL_CONTROL_H

#include "common/protocol/wire.h"

enum control_type {		      /* numbers are never reused */
		    CONTROL_LIST = 1, /* <- CONTROL_MESSAGE ... CONTROL_DONE */
		    CONTROL_SHOW =
			    2, /* <- CONTROL_MESSAGE + CONTROL_RECIPIENT ... CONTROL_DONE; CONTROL_FILE first */
		    CONTROL_ACT = 3,	/* <- CONTROL_DONE */
		    CONTROL_STATUS = 4, /* <- CONTROL_STATE */
		    CONTROL_MESSAGE = 101,
		    CONTROL_RECIPIENT = 102,
		    CONTROL_FILE = 103,
		    CONTROL_STATE = 104,
		    CONTROL_DONE = 105,
		    CONTROL_REFUSED = 106,
};

enum control_verb {
	CONTROL_RETRY = 1, /* due now */
	CONTROL_HOLD = 2,
	CONTROL_RELEASE = 3,
	CONTROL_REMOVE = 4, /* gone, nobody is told */
	CONTROL_BOUNCE = 5, /* every recipient that is left fails; the sender is told */
};

#define CONTROL_SELECTOR_MAX 8192
#define CONTROL_TEXT_MAX 1024

struct control_word {
	struct span word;
};

struct control_list {
	struct wire_list selector; /* of control_word; empty: all */
	uint64_t recipients;	   /* 1: CONTROL_RECIPIENT follow each message */
};

struct control_show {
	uint64_t id;
};

struct control_act {
	uint64_t verb;
	struct wire_list selector;
};

struct control_message {
	uint64_t id;
	struct span state;   /* incoming, ready, active, deferred, held */
	uint64_t size;	     /* content, bytes */
	uint64_t arrived_us; /* wall clock */
	uint64_t next_us;    /* wall clock of the next attempt; 0: none planned */
	uint64_t attempts;
	struct span sender;
	uint64_t recipients; /* in all */
	uint64_t open;	     /* recipients still to be served */
};

struct control_recipient {
	uint64_t id; /* of the message */
	uint64_t number;
	struct span address;
	struct span state; /* waiting, active, deferred, delivered, failed, expanded */
	struct span reply; /* the last one */
};

/* CONTROL_FILE brings a read-only descriptor of the message's file */
struct control_file {
	uint64_t content_at;
	uint64_t content_length;
};

struct control_state {
	uint64_t messages, recipients, incoming, ready, active, deferred, held;
	uint64_t replaying;	     /* 1: the queue is still being read */
	uint64_t disk_low;	     /* 1: below the floor, nothing is taken in */
	uint64_t longest_turn_us;    /* of the loop, since the last STATUS */
	uint64_t memory_per_message; /* bytes */
};

struct control_done {
	uint64_t count; /* messages listed or acted upon */
};

struct control_refused {
	struct span text;
};

extern const struct wire_shape control_word_shape;
extern const struct wire_shape control_calls[];
extern const struct wire_shape control_answers[];

#endif
