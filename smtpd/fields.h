/*
 * fields - which fields the header of a message has, and what becomes of them while they pass by
 *
 * Called by content.c, line by line and in pieces of any size; what was found is read by alignment.c and received.c.
 */
#ifndef SMTPD_FIELDS_H
#define SMTPD_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/text/span.h"

#define FIELDS_NAME_MAX 40	/* bytes of a line within which a name that matters has ended */
#define FIELDS_AUTHOR_MAX 16384 /* bytes of a From or Sender */
#define FIELDS_WAIVER_MAX \
	32 /* bytes of a TLS-Required within which its value stands; a longer one is another */

/* which fields there are: one bit each */
enum field {
	FIELD_RECEIVED = 1,
	FIELD_DATE = 2,
	FIELD_FROM = 4,
	FIELD_MESSAGE_ID = 8,
	FIELD_SENDER = 16,
	FIELD_PRIVATE = 32,	 /* one that tells what its recipients need not know */
	FIELD_TLS_REQUIRED = 64, /* RFC 8689, section 5 */
	FIELD_TLS_WAIVED = 128,	 /* and its value is No */
};

/* From or Sender; a message with two of one kind has both values in it */
struct author {
	unsigned count; /* fields */
	bool is_too_long;
	size_t len;
	char value[FIELDS_AUTHOR_MAX]; /* behind the colon, without line ends */
};

struct fields {
	/* given */
	bool is_private;	      /* private fields are left out, */
	struct span received;	      /* and each Received is this one, with CRLF */
	struct author *from, *sender; /* kept there; NULL: not */
	/* found */
	unsigned has;  /* bits of enum field */
	uint64_t hops; /* fields Received */
	/* of the line at hand */
	bool is_known;	  /* its field is known */
	bool is_left_out; /* its field is not in the message, */
	bool is_replaced; /* but `received`, once */
	struct author *author;
	bool is_waiver; /* TLS-Required; its value so far: */
	size_t waiver_len;
	char waiver[FIELDS_WAIVER_MAX];
	size_t begin_len;
	char begin[FIELDS_NAME_MAX]; /* the bytes that are held back until it is known */
};

/*
 * fields_begin - how many of these bytes of a line were held back: all, or, when is_known is true from now on, up to the colon
 *
 * Not to be called when is_known.  Then f->begin, if the field is not left out, is to be put into the message.
 */
size_t fields_begin(struct fields *f, const char *at, size_t len);
/* fields_value - more bytes of a line whose field is known */
void fields_value(struct fields *f, const char *at, size_t len);
/* fields_end_line - the line is over: the next one begins */
void fields_end_line(struct fields *f);
/* fields_end_name - the line is over without a colon: it is none of the fields that matter */
void fields_end_name(struct fields *f);

#endif
