/*
 * verbs - the table of commands: what may be said when, and by whom it is done
 *
 * Called by session.c for each command.  RFC 5321, section 4.1.4 (order of commands); RFC 2920, section 3.1 (groups).  What is
 * not offered here is answered 502 when a standard names it, else 500.
 */
#include "smtpd/verbs.h"

#include "smtpd/chunks.h"
#include "smtpd/content.h"
#include "smtpd/envelope.h"
#include "smtpd/etrn.h"
#include "smtpd/expn.h"
#include "smtpd/hello.h"
#include "smtpd/login.h"
#include "smtpd/queries.h"
#include "smtpd/starttls.h"

#define ANY (STAGE_GREETED | STAGE_READY | STAGE_MAIL | STAGE_RCPT | STAGE_CHUNKS)
#define LISTED_WORDS 11 /* the first rows; those below are for few, or known only to be refused */

static const struct verb verbs[] = {
	{"EHLO", ANY, hello_ehlo, "", .ends_group = true},
	{"HELO", ANY, hello_helo, "", .ends_group = true},
	{"MAIL", STAGE_READY, envelope_mail, "MAIL comes after EHLO, and once in a transaction",
	 .ends_group = false},
	{"RCPT", STAGE_MAIL | STAGE_RCPT, envelope_rcpt, "RCPT comes after MAIL",
	 .joins_group = true},
	{"DATA", STAGE_MAIL | STAGE_RCPT, content_data, "DATA comes after MAIL and RCPT",
	 .ends_group = true},
	/* its chunk follows at once: it says itself what is out of turn, behind the chunk */
	{"BDAT", ANY, chunks_bdat, "", .ends_group = false},
	{"RSET", ANY, envelope_rset, "", .ends_group = false},
	{"NOOP", ANY, queries_noop, "", .ends_group = true},
	{"VRFY", ANY, queries_vrfy, "", .ends_group = true},
	{"HELP", ANY, queries_help, "", .ends_group = false},
	{"QUIT", ANY, queries_quit, "", .ends_group = false},
	{"EXPN", ANY, expn_expn, "", .ends_group = true},
	{"ETRN", STAGE_READY, etrn_etrn, "ETRN comes after EHLO, and outside of a transaction",
	 .ends_group = true},
	{"TURN", ANY, queries_unsupported, "", .ends_group = true},
	{"AUTH", STAGE_GREETED | STAGE_READY, login_auth, "AUTH comes outside of a transaction",
	 .ends_group = true},
	/* what follows it is dropped by its own handler */
	{"STARTTLS", STAGE_GREETED | STAGE_READY, starttls_starttls,
	 "STARTTLS comes outside of a transaction", .ends_group = false},
	/* a browser was made to speak to us: nothing that follows is a command */
	{"GET", ANY, queries_other_protocol, "", .ends_group = false},
	{"POST", ANY, queries_other_protocol, "", .ends_group = false},
	{"PUT", ANY, queries_other_protocol, "", .ends_group = false},
	{"HEAD", ANY, queries_other_protocol, "", .ends_group = false},
	{"OPTIONS", ANY, queries_other_protocol, "", .ends_group = false},
	{"CONNECT", ANY, queries_other_protocol, "", .ends_group = false},
};

const struct verb *
verb_find(struct span word)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (span_equal_nocase(word, span_of(verbs[i].word)))
			return &verbs[i];
	}
	return NULL;
}

const struct verb *
verb_listed(size_t n)
{
	return n < LISTED_WORDS ? &verbs[n] : NULL;
}
