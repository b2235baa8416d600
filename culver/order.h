/*
 * order - what the words of a sendmail command line ask for
 *
 * Called by culver/sendmail.c.  Every option letter of Postfix's sendmail(1) is known: carried out, or taken and without a meaning here, as man/sendmail.1
 * says of each.
 */
#ifndef CULVER_ORDER_H
#define CULVER_ORDER_H

#include <stdbool.h>

#include "culver/options.h"

#define ORDER_ENVID_MAX 100 /* bytes of -V (RFC 3461, section 4.4) */

enum order_mode {
	ORDER_DELIVER,
	ORDER_SMTP,    /* -bs */
	ORDER_VERIFY,  /* -bv */
	ORDER_LIST,    /* -bp */
	ORDER_ALIASES, /* -bi, -I */
	ORDER_START,   /* -bd, -bl */
	ORDER_RETRY,   /* -q */
	ORDER_NOTHING, /* -bh, -bH: there is no cache of hosts to show or to empty */
};

struct order {
	struct culver_options options;
	enum order_mode mode;
	bool from_header;     /* -t */
	bool dot_is_text;     /* -i */
	bool is_verbose;      /* -v */
	bool is_from_mailbox; /* rmail: the sender stands in the lines `From ` before the header */
	const char *sender;   /* -f; NULL: not given */
	const char *name;     /* -F; NULL: not given */
	const char *body;     /* -B, as BODY= of SMTP has it; NULL: not given, or unknown there */
	const char *notify, *ret, *envid;
	char *retry;	   /* ORDER_RETRY: a word for `culver queue retry`; NULL: all */
	char **recipients; /* the words behind the options */
};

/* order_read - takes all options; 0, or the exit status after a sentence on stderr */
int order_read(struct order *o, int argc, char **argv) __attribute__((warn_unused_result));

/* order_say - a sentence of sendmail on stderr; returns `status` */
int order_say(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
