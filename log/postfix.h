/*
 * postfix - an event in the words of Postfix, for whoever reads logs of Postfix: fail2ban, pflogsumm, log analysers
 *
 *     Nov 24 08:02:31 mx postfix/smtpd[412]: NOQUEUE: reject: RCPT from unknown[192.0.2.1]: 550 5.1.1 <x@example.org>: Recipient address rejected: ...
 *
 * Called by log/output.c for `log ... { format postfix }`.  The shapes are facts of Postfix 3.7's programs and of the patterns that read them; where
 * Postfix has no word for an event, an ordinary one is left out (culver trace has it) and trouble is a `warning:` in our own words.
 */
#ifndef LOG_POSTFIX_H
#define LOG_POSTFIX_H

#include <stdbool.h>

#include "common/text/buffer.h"
#include "common/text/span.h"
#include "log/line.h"
#include "log/render.h"

#define POSTFIX_LINES_MAX 2 /* of one event */

/* render_postfix - no line, one or two, each DAEMON[PID]: TEXT and a line end, behind what is in `to` */
void render_postfix(struct buffer *to, const struct origin *from, const struct line *l);
/* render_postfix_head - what stands before: the time and the host, or (for syslog, which knows the host) the priority and the time; "postfix/" */
void render_postfix_head(struct buffer *to, int64_t time_us, const char *host, bool for_syslog);

#endif
