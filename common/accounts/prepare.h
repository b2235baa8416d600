/*
 * prepare - names and passwords as they are compared (SASLprep, RFC 4013, by libidn)
 *
 * Used by auth for what clients send, and by `culver user` for what is stored.  RFC 4013 has stored strings without code points that
 * Unicode 3.2 did not assign, and lets queries have them.
 */
#ifndef COMMON_ACCOUNTS_PREPARE_H
#define COMMON_ACCOUNTS_PREPARE_H

#include <stdbool.h>

#include "common/text/span.h"

#define PREPARE_LOGIN_MAX 255	  /* bytes of a login, prepared */
#define PREPARE_PASSWORD_MAX 1000 /* bytes of a password, prepared */

/*
 * Both: -1 when it is no UTF-8, has what SASLprep forbids, is empty or too long; `to` is a C string then too, an empty one.
 *
 * prepare_login also makes A-Z lower case: nobody shall have to know how his address was written when it was entered.
 */
int prepare_login(struct span text, bool is_stored, char to[PREPARE_LOGIN_MAX + 1])
	__attribute__((warn_unused_result));
int prepare_password(struct span text, bool is_stored, char to[PREPARE_PASSWORD_MAX + 1])
	__attribute__((warn_unused_result));

#endif
