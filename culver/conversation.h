/*
 * conversation - a letter handed to submit(8): the envelope, the content, and what is answered
 *
 * Called by culver/sendmail.c.  Promises: status 0 means that submit has said 250, for all recipients; with any other status nothing was sent to anybody.
 */
#ifndef CULVER_CONVERSATION_H
#define CULVER_CONVERSATION_H

#include "culver/envelope.h"
#include "culver/letter.h"
#include "culver/order.h"

#define CONVERSATION_PARAMETERS_MAX 500 /* bytes of those of MAIL */

/* conversation_hold - takes the descriptor; the exit status. *is_unheard: submit has not even said its banner, the letter is as it was. */
int conversation_hold(int fd, const struct order *o, const struct envelope *e, struct letter *l,
		      bool *is_unheard) __attribute__((warn_unused_result));

/* conversation_verify - -bv: a line on stdout for each recipient; takes the descriptor; the exit status */
int conversation_verify(int fd, const struct order *o, const struct envelope *e)
	__attribute__((warn_unused_result));

/* conversation_parameters - MAIL's, each with a blank before it, for a server that knows all extensions */
void conversation_parameters(const struct order *o, const struct envelope *e, struct buffer *mail);

#endif
