/*
 * gates - the steps of a session at which others have a word: access rules, policy servers, milters
 *
 * Called by session.c and the verbs, when all that this program knows by itself has been checked.  Each gate asks in that order, cheapest first, and
 * the first that refuses is the last that is asked.  Who refuses has answered the client: false says just that.  Nothing costs where nothing is
 * configured.
 */
#ifndef SMTPD_GATES_H
#define SMTPD_GATES_H

#include <stdbool.h>
#include <stddef.h>

struct check;
struct content;
struct intake_recipient;
struct session;

/* gates_connect - before the banner, or, where the listener has greeted, before the first command; false: and the session is ended */
bool gates_connect(struct session *s);
/* gates_hello - s->helo is who the client says it is; false: it has not said it */
bool gates_hello(struct session *s);
/* gates_mail - the transaction's sender and its parameters are known; false: there is no transaction */
bool gates_mail(struct session *s);
/* gates_recipients - of these recipients those with code 250 are taken so far; the gates change `checks` and answer nobody */
void gates_recipients(struct session *s, const struct intake_recipient *to, size_t count,
		      struct check *checks);
/* gates_data - the recipients are complete, the content may come; false: it may not, and the transaction is over */
bool gates_data(struct session *s);
/* gates_message - the content is in the file whole, from INTAKE_CONTENT_AT on, and can be read by s->accept.reader; false: it is refused */
bool gates_message(struct session *s, const struct content *c);
/* gates_reset - the transaction is over, or was given up; also where none was begun */
void gates_reset(struct session *s);
/* gates_end - the session is over */
void gates_end(struct session *s);

#endif
