/*
 * journal - the lines of a message's file; nobody else knows their spelling (spool(5))
 *
 * Called by intake (the head), message (what happened after), replay and whoever re-reads a line.  One line is
 *
 *     CHECK VERB ARGUMENTS\n
 *
 * CHECK being eight upper-case hex digits: checksum_word of all behind its blank, seeded with the id of the message, so
 * that a torn line, or one of another file, is none.  Words of strangers are spelled by common/text/escape.h, times by RFC 3339.
 */
#ifndef QUEUE_MANAGER_JOURNAL_H
#define QUEUE_MANAGER_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/protocol/intake.h"
#include "common/protocol/jobs.h"
#include "common/text/buffer.h"
#include "common/text/span.h"

#define JOURNAL_HEADER_SIZE INTAKE_CONTENT_AT
#define JOURNAL_LINE_MAX \
	(4 * INTAKE_TOP_MAX + 1024) /* the longest: a header line, each byte as \xHH */
#define JOURNAL_LENGTH_MAX (UINT64_C(1) << 48)

enum journal_verb {
	JOURNAL_FROM = 1,  /* how it came; always the first */
	JOURNAL_TOP,	   /* a header line put on top, without its CRLF */
	JOURNAL_TO,	   /* a recipient: numbered from 1, in order */
	JOURNAL_QUEUED,	   /* accepted; before it nothing counts */
	JOURNAL_DELIVERED, /* what became of a recipient ... */
	JOURNAL_DEFERRED,
	JOURNAL_FAILED,
	JOURNAL_EXPANDED, /* the recipients `numbers` stand for it; their TO lines come before */
	JOURNAL_HELD,
	JOURNAL_RELEASED,
	JOURNAL_NOTIFIED, /* the sender was told of the recipients `numbers` */
};

/* one line; which members count depends on the verb */
struct journal_entry {
	enum journal_verb verb;
	uint64_t number; /* of the recipient */
	uint64_t parent; /* to: the recipient it was expanded from; 0: none */
	uint64_t direct; /* to: enum lookup_direct */
	struct span
		owner; /* to: who is its sender, and that of its children; empty: as the parent's */
	uint64_t line; /* to: the hash of the line of an alias or .forward that it is; 0: none */
	uint64_t origin;			    /* from: enum intake_origin */
	bool eight_bit;				    /* from */
	uint64_t uid;				    /* from: of a local sender, plus 1; 0: none */
	bool utf8;				    /* from: SMTPUTF8 */
	uint64_t tls_demand;			    /* from: enum intake_tls_demand */
	uint64_t ret;				    /* from: enum intake_ret */
	struct span client, helo, protocol, sender; /* from */
	struct span tls;	  /* from: version and cipher; empty: plain text */
	struct span envid;	  /* from: ENVID; empty: none */
	struct span login;	  /* from: who had logged in; empty: nobody */
	uint64_t notify;	  /* to: bits of enum intake_notify */
	struct span orcpt;	  /* to: ORCPT; empty: none */
	uint64_t relayed;	  /* delivered: enum jobs_relayed, where success was asked for */
	struct span text;	  /* top: the line; to: the address; held: the reason */
	int64_t time_us;	  /* wall clock */
	int64_t next_us;	  /* deferred: when again */
	uint64_t attempt;	  /* deferred: how often it was tried */
	uint64_t checksum, count; /* queued: of the content; recipients */
	struct span host, status, reply; /* delivered, deferred, failed */
	uint64_t code;
	struct span numbers; /* expanded, notified: journal_number_add's */
	uint64_t notice;     /* notified: its id, 0 unknown */
};

/* journal_header - the first line of the file, JOURNAL_HEADER_SIZE bytes */
void journal_header(uint64_t length, char to[JOURNAL_HEADER_SIZE]);
int journal_header_read(const char from[JOURNAL_HEADER_SIZE], uint64_t *length)
	__attribute__((warn_unused_result));

/* journal_write - appends the line to `to` (to->failed when it did not fit) */
void journal_write(struct buffer *to, uint64_t id, const struct journal_entry *e);

enum journal_outcome {
	JOURNAL_LINE,
	JOURNAL_PARTIAL, /* no line end in what is there: read on; at the end of the file it is a torn tail */
	JOURNAL_BAD, /* the check word is wrong, or the line makes no sense */
};

/*
 * journal_read - takes the first line off *rest
 *
 * The spans of *e lie in `words`, which is cleared first and must be able to hold JOURNAL_LINE_MAX.  On PARTIAL and BAD *rest stays.
 */
enum journal_outcome journal_read(struct span *rest, uint64_t id, struct buffer *words,
				  struct journal_entry *e) __attribute__((warn_unused_result));

/* journal_queued_in - is there a whole `queued` line somewhere in these bytes?  For files that are damaged before it. */
bool journal_queued_in(struct span bytes, uint64_t id);

/* sets of numbers as one word: 1-3,7.  To be added in rising order. */
struct journal_numbers {
	struct buffer text;
	uint64_t first, last; /* the run under way; 0: none */
};

#define JOURNAL_NUMBERS_MAX 65536

void journal_numbers_start(struct journal_numbers *n);
void journal_numbers_add(struct journal_numbers *n, uint64_t number);
/* the word; valid until the next call.  text.failed when it did not fit. */
struct span journal_numbers_end(struct journal_numbers *n);
void journal_numbers_free(struct journal_numbers *n);
/* the next run; false at the end; a wrong word was found by journal_read already */
bool journal_numbers_next(struct span *numbers, uint64_t *first, uint64_t *last);

#endif
