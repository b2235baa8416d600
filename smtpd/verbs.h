/*
 * verbs - the table of commands
 */
#ifndef SMTPD_VERBS_H
#define SMTPD_VERBS_H

#include <stdbool.h>

#include "smtpd/session.h"

struct verb {
	const char *word;
	unsigned stages; /* enum session_stage: when it may be said */
	void (*handle)(struct session *s, struct span argument);
	const char *needs; /* what a client that said it too early or too late reads */
	bool ends_group;   /* RFC 2920, section 3.1: nothing may follow before its answer */
	bool joins_group;  /* RCPT: its answer may wait for those of the next */
};

/* NULL when there is no such command; any case */
const struct verb *verb_find(struct span word);
/* the n-th that HELP lists, NULL at the end */
const struct verb *verb_listed(size_t n);

#endif
