/*
 * query - a conversation with the queue-manager by the socket `control` (common/protocol/control.h)
 *
 * Called by queue and sites.  A query is opened, asked one thing after another, and ended; what the answers say is rendered as they come.
 * Selectors are passed on as they stand, but for `user=NAME`, which becomes a number: the queue-manager knows them and answers with a sentence
 * what it does not understand.  On a terminal a long request says every second how far it is.
 */
#ifndef CULVER_QUERY_H
#define CULVER_QUERY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/protocol/control.h"
#include "common/system/channel.h"
#include "common/text/buffer.h"
#include "culver/listing.h"
#include "culver/options.h"
#include "culver/sites.h"

struct query {
	const struct culver_options *o;
	int fd;
	struct listing listing;
	struct sites sites;
	struct buffer out;
	struct channel_fds fds;
	struct control_file file;
	int content;	  /* descriptor of the message's file; -1 */
	uint64_t count;	  /* of DONE, all requests together */
	uint64_t senders; /* told of their budgets */
	int status;	  /* exit with this when a request failed */
	bool may_show_progress, has_progress;
	char datagram[CHANNEL_MAX];
};

/* query_open - 0, or the exit status after a sentence on stderr */
int query_open(struct query *q, const struct culver_options *o);
/* query_end - prints what is left; the exit status; `wrong` < 0: q->status says it */
int query_end(struct query *q, int wrong);

/* the sentence on stderr; -1, always, and q->status is set */
int query_fail(struct query *q, int status, const char *sentence);

/* query_ask - sends a question and takes all of its answer; -1: q->status */
int query_ask(struct query *q, enum control_type type, const void *question)
	__attribute__((warn_unused_result));
/* query_list, query_act, query_sites - one question for all words, or, for ids, as many as are needed; -1: q->status */
int query_list(struct query *q, char **words) __attribute__((warn_unused_result));
int query_act(struct query *q, char **words, enum control_verb verb, const char *address)
	__attribute__((warn_unused_result));
int query_sites(struct query *q, char **words) __attribute__((warn_unused_result));

bool query_is_id(const char *word);

#endif
