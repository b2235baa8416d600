/*
 * request - what an administrator, or a user, has asked for and is being carried out: one at a time on a connection
 *
 * Shared by the files that serve the socket `control`: control.c takes it, walk.c carries it out, tell.c says what a message is,
 * site-list.c what waits for whom.  See common/protocol/control.h.
 */
#ifndef QUEUE_MANAGER_REQUEST_H
#define QUEUE_MANAGER_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/mail/address.h"
#include "common/protocol/control.h"
#include "queue-manager/message.h"
#include "queue-manager/peer.h"
#include "queue-manager/select.h"
#include "queue-manager/site-list.h"

/* stages of a connection of `control` */
enum request_stage { REQUEST_IDLE = 1, REQUEST_WORKING = 2 };

/* what is done with the messages that are meant */
enum request_aim {
	REQUEST_LIST,	 /* they are told */
	REQUEST_ACT,	 /* `verb` */
	REQUEST_DRY,	 /* told, those that `verb` would be done to */
	REQUEST_SITES,	 /* counted where they go */
	REQUEST_BUDGETS, /* none is: who has used how much */
};

enum request_phase {
	REQUEST_NEXT,	    /* which message? */
	REQUEST_MATCH,	    /* is one of its recipients meant? */
	REQUEST_MESSAGE,    /* it is: say so, or */
	REQUEST_DO,	    /* do it, */
	REQUEST_RECIPIENTS, /* or go over its recipients, one after another */
	REQUEST_REDIRECT,
	REQUEST_COUNT,
	REQUEST_TELL_BUDGETS, /* one sender after another */
	REQUEST_TELL_SITES, /* no message any more: the sites that were found, one after another */
};

struct request {
	uint32_t number;
	enum request_aim aim;
	enum request_phase phase;
	enum control_verb verb;
	bool with_recipients;
	struct selector selector;
	struct address address; /* REDIRECT: where to */
	struct message_cursor cursor;
	size_t id_at;	/* the next of the selector's ids, or of the senders */
	uint64_t id;	/* of the message at hand */
	uint32_t index; /* of the recipient at hand */
	uint32_t
		end; /* recipients that it had when it was found: those that we add are not looked at */
	uint32_t child;	 /* REDIRECT: the one that stands for those who were redirected */
	uint64_t looked; /* at so many messages */
	uint64_t count;	 /* of which so many were meant */
	int64_t told_ms; /* the last PROGRESS */
	bool is_admin;	 /* else only what this uid has sent is there for it */
	struct site_list sites;
};

static inline struct request *
request_of(struct peer *p)
{
	return p->state;
}

/* request_is_there - a local user sees and ends what he has sent himself, and nothing else */
bool request_is_there(struct peer *p, const struct message *m);
/* request_begin - the walk begins; selector, verb and address are set */
void request_begin(struct peer *p, uint32_t number, enum request_aim aim);
/* request_begin_at - the same for one message alone, with its recipients */
void request_begin_at(struct peer *p, uint32_t number, uint64_t id);
/* request_end - what the request holds goes, whether it is over or not */
void request_end(struct peer *p);

/* request_work - a slice of it, until end_us; true: there is more that can be done now */
bool request_work(struct peer *p, int64_t end_us);

/* tell.c: answers about a message; false: the peer is gone */
bool tell_message(struct peer *p, struct message *m);
bool tell_recipient(struct peer *p, struct message *m, uint32_t number);

#endif
