/*
 * control - the administrator's questions: culver -> queue-manager
 *
 * One request at a time on a connection.  A selector travels as words `KEY=VALUE`, bare ids, or `all`, checked by the queue-manager (select.c), which
 * answers CONTROL_REFUSED with a sentence for what it does not understand; `user=` is a number there.  Who asks is known by the kernel: root, the group
 * culver-admin and the user who runs the whole see and do all; everybody else
 * sees the messages that his uid has sent, and may RETRY and REMOVE them; others are not there for him, nor is what they have used of their budgets.
 *
 * While a request takes its time, CONTROL_PROGRESS comes among its answers every CONTROL_PROGRESS_MS.
 */
#ifndef COMMON_PROTOCOL_CONTROL_H
#define COMMON_PROTOCOL_CONTROL_H

#include "common/protocol/wire.h"

enum control_type {		      /* numbers are never reused */
		    CONTROL_LIST = 1, /* <- CONTROL_MESSAGE ... CONTROL_DONE */
		    CONTROL_SHOW =
			    2, /* <- CONTROL_MESSAGE + CONTROL_RECIPIENT ... CONTROL_DONE; CONTROL_FILE first */
		    CONTROL_ACT = 3,	/* <- CONTROL_DONE; dry: CONTROL_MESSAGE ... first */
		    CONTROL_STATUS = 4, /* <- CONTROL_STATE */
		    CONTROL_SITES = 5,	/* <- CONTROL_SITE ... CONTROL_DONE */
		    CONTROL_BUDGET = 6, /* <- CONTROL_USE ... CONTROL_DONE */
		    CONTROL_MESSAGE = 101,
		    CONTROL_RECIPIENT = 102,
		    CONTROL_FILE = 103,
		    CONTROL_STATE = 104,
		    CONTROL_DONE = 105,
		    CONTROL_REFUSED = 106,
		    CONTROL_SITE = 107,
		    CONTROL_PROGRESS = 108,
		    CONTROL_USE = 109,
};

enum control_verb {
	CONTROL_RETRY = 1, /* due now */
	CONTROL_HOLD = 2,
	CONTROL_RELEASE = 3,
	CONTROL_REMOVE = 4, /* gone, nobody is told */
	CONTROL_BOUNCE = 5, /* every recipient that is left fails; the sender is told */
	CONTROL_REDIRECT =
		6, /* what is left for the recipients that are meant goes to an address instead */
};

#define CONTROL_SELECTOR_MAX 8192
#define CONTROL_TEXT_MAX 1024
#define CONTROL_NAME_MAX 512
#define CONTROL_PROGRESS_MS 1000
#define CONTROL_AGES 6 /* classes of ages, see control_ages_ms */

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
	uint64_t dry;	     /* 1: only say which messages it would be done to */
	struct span address; /* REDIRECT: where to; else empty */
};

struct control_sites {
	struct wire_list selector; /* of control_word; empty: all */
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

/* where mail goes, with what is still to be served there */
struct control_site {
	struct span
		name; /* a domain, hosts of the configuration parted by commas, mailbox:DOMAIN; empty: all others together */
	uint64_t recipients;
	uint64_t age[CONTROL_AGES]; /* of them, by how long ago their messages came */
	uint64_t active;	    /* of them, with an agent */
	uint64_t oldest_us;	    /* wall clock: when the oldest came */
	uint64_t known;	 /* 1: something was sent there since the start; else what follows is 0 */
	uint64_t agents; /* connections now */
	uint64_t window; /* how many there may be now, */
	uint64_t window_max;  /* and at best */
	uint64_t back_off_ms; /* the pause it is in, or was in last; 0: none */
	uint64_t probe_ms;    /* until it is tried again; 0: it is not paused */
	struct span limit;    /* a sentence: what keeps the mail from going; empty: nothing does */
	struct span reply;    /* the last one that was trouble of the site itself */
};

#define CONTROL_SENDER_MAX 255

/* what a sender has used of his budget in the last hour and the last day, and how much that has; 0: it has no such bound */
struct control_use {
	struct span sender; /* a login, or uid:NUMBER */
	uint64_t messages[2], messages_max[2];
	uint64_t recipients[2], recipients_max[2];
	uint64_t bytes[2], bytes_max[2];
	uint64_t held; /* messages, that are not counted in the others */
};

struct control_progress {
	uint64_t looked; /* at so many messages, */
	uint64_t of;	 /* of so many, */
	uint64_t count;	 /* of which so many were meant */
};

struct control_done {
	uint64_t count; /* messages listed or acted upon */
};

struct control_refused {
	struct span text;
};

/* the classes of control_site.age: younger than so much; the last one has no bound */
extern const uint64_t control_ages_ms[CONTROL_AGES];

extern const struct wire_shape control_word_shape;
extern const struct wire_shape control_calls[];
extern const struct wire_shape control_answers[];

#endif
