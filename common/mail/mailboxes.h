/*
 * mailboxes - the addresses in the value of a header field, or in a word of the command line
 *
 * Called by sendmail(1), and by smtpd for From and Sender.  RFC 5322, section 3.4, as people write it: names, comments, groups, routes, folded lines.
 */
#ifndef COMMON_MAIL_MAILBOXES_H
#define COMMON_MAIL_MAILBOXES_H

#include "common/text/buffer.h"
#include "common/text/span.h"

#define MAILBOXES_MAX 1000 /* bytes of an address */

enum mailboxes_outcome {
	MAILBOXES_ONE, /* an address is in `to` */
	MAILBOXES_LOOSE, /* the same, and words behind its closing bracket, which others may take for the address */
	MAILBOXES_END,	 /* there is no more */
	MAILBOXES_WRONG, /* what stands there is no address; *rest is behind it */
};

/*
 * mailboxes_next - takes the next address off *rest, without brackets, names, comments and blanks
 *
 * What is in `to` has no control characters, and nothing that would end a path of SMTP; the server judges the rest.  `<>` is
 * an empty address: the caller decides what that means.
 */
enum mailboxes_outcome mailboxes_next(struct span *rest, struct buffer *to)
	__attribute__((warn_unused_result));

#endif
