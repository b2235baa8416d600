/*
 * address - a mailbox as SMTP writes it (RFC 5321, section 4.1.2)
 *
 * The text of an address is canonical: the domain in lower case, the local part as it came but quoted only where it
 * must be ("a"@x is a@x).  The null reverse-path is the empty text.
 */
#ifndef COMMON_MAIL_ADDRESS_H
#define COMMON_MAIL_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/text/span.h"

/* The RFC's minimum for a local part is 64; VERP and SRS make longer ones, so we take 255.  Domains: RFC 1035's 255. */
#define ADDRESS_LOCAL_MAX 255
#define ADDRESS_DOMAIN_MAX 255
#define ADDRESS_MAX 512

struct address {
	char text[ADDRESS_MAX + 1]; /* canonical, NUL-terminated */
	size_t len;
	size_t domain_at; /* where the domain begins in text; 0: there is none (null path, or `postmaster`) */
};

enum address_outcome {
	ADDRESS_OK,
	ADDRESS_SYNTAX,	   /* 501 5.1.3 (5.1.7 for a sender) */
	ADDRESS_TOO_LONG,  /* the same, saying so */
	ADDRESS_NO_DOMAIN, /* a local part alone, and it is not postmaster */
	ADDRESS_UTF8,	   /* fine, but only with SMTPUTF8; all is set as for OK */
};

/*
 * address_path - the path at the front of an argument of MAIL or RCPT
 *
 * `*text` stands behind "FROM:" or "TO:"; on ADDRESS_OK it becomes what follows the path (parameters, trimmed).  Lenient: blanks
 * before the path, missing angle brackets, `<postmaster>` without domain (RFC 5321, section 4.5.1).  A source route is read and
 * ignored (appendix C).  `<>` is ADDRESS_OK with len 0: the caller decides whether it may stand there.
 * Address literals [1.2.3.4] and [IPv6:...] are checked.
 */
enum address_outcome address_path(struct span *text, struct address *to)
	__attribute__((warn_unused_result));
/* address_path_at - the same for who is at home here: a name alone is that name at the domain `origin` */
enum address_outcome address_path_at(struct span *text, struct span origin, struct address *to)
	__attribute__((warn_unused_result));
/* address_mailbox - `local@domain` alone, nothing around it */
enum address_outcome address_mailbox(struct span text, struct address *to)
	__attribute__((warn_unused_result));

/* the local part unquoted, into `to` (ADDRESS_LOCAL_MAX + 1 bytes, C string) */
void address_local(const struct address *a, char *to);
/* the domain as it stands in `a->text` (lower case; a literal with its brackets); empty if none */
struct span address_domain(const struct address *a);
/* the parts of a canonical text, nothing checked */
struct span address_domain_of(struct span text);
struct span address_local_of(struct span text); /* as written: perhaps quoted */

#endif
