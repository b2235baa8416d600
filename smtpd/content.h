/*
 * content - DATA: from the line end behind 354 to the dot
 */
#ifndef SMTPD_CONTENT_H
#define SMTPD_CONTENT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/text/checksum.h"
#include "common/text/span.h"
#include "smtpd/fields.h"

struct session;

#define CONTENT_OUT_MAX 131072 /* bytes gathered before they are written */

/* where in the lines the next byte stands */
enum content_place {
	CONTENT_LINE_START, /* behind a CRLF, or at the very start */
	CONTENT_IN_LINE,
	CONTENT_AFTER_CR,     /* a CR was read that may be half of a line end */
	CONTENT_AFTER_DOT,    /* a dot at the start of a line, not yet written */
	CONTENT_AFTER_DOT_CR, /* and a CR: the end, if a LF follows */
};

struct content {
	/* given */
	int to; /* what is decoded goes here */
	uint64_t size_max, line_max, hops_max;
	bool may_repair; /* a bare CR or LF becomes CRLF */
	bool is_counted; /* BDAT: no dots, no end but the last byte that was announced */
	/* found */
	uint64_t
		size; /* bytes decoded, also those that were not kept, but not those of fields that are left out */
	bool has_high; /* bytes above 127 */
	bool has_bare; /* CR or LF alone */
	bool has_nul;
	bool has_long_line;
	int write_errno; /* 0: all was written */
	/* under way */
	enum content_place place;
	bool is_discarding; /* refused already: only the end is looked for */
	bool in_header;
	struct fields fields; /* of the header; what is given there is set by the caller too */
	uint64_t left_out;    /* bytes of fields that are not in the message */
	uint64_t line_len;
	struct checksum *checksum; /* owned */
	char *out;		   /* CONTENT_OUT_MAX bytes, the caller's */
	size_t out_len;
};

/* content_start - a message that is decoded into descriptor `to`; limits are set by the caller afterwards; -1: no memory */
int content_start(struct content *c, int to, char *out) __attribute__((warn_unused_result));
/*
 * content_scan - decodes `chunk`; true when the end was in it
 *
 * *used: the bytes that belong to this message (all of them, unless the end was found).  Each byte is looked at a bounded number
 * of times, whatever it is.
 */
bool content_scan(struct content *c, struct span chunk, size_t *used)
	__attribute__((warn_unused_result));
/* content_finish - after the end: writes what is left */
void content_finish(struct content *c);
uint64_t content_checksum(const struct content *c);
void content_free(struct content *c);

/* content_begin - into the file that accept_file had, with the session's limits; false: no memory, and the client was told */
bool content_begin(struct session *s, struct content *c) __attribute__((warn_unused_result));
/* content_is_refused - answers what is to be said against the content; false: nothing, and no answer was given */
bool content_is_refused(struct session *s, const struct content *c);
/* the command DATA */
void content_data(struct session *s, struct span argument);

#endif
