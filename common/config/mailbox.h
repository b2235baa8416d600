/*
 * mailbox - where the home of a virtual user is: `home`, else as `deliver maildir /var/mail/{domain}/{user}/Maildir` says
 *
 * lookup makes the home, local checks it again, since it is told it by others.  In such a path
 *     /var/mail              is the prefix: all homes lie below, and nothing of this block elsewhere
 *     {domain}/{user}        ends in the component with {user}; prefix and this are the home, unless the table of users says `home=`
 *     /Maildir               is the tail: the Maildir within the home; may be empty
 */
#ifndef COMMON_CONFIG_MAILBOX_H
#define COMMON_CONFIG_MAILBOX_H

#include <stdbool.h>

#include "common/text/buffer.h"
#include "common/text/span.h"

#define MAILBOX_HOME_MAX 512 /* bytes */

/* the components before the first word, without a slash at the end; empty: there is none */
struct span mailbox_prefix(const char *path);
/* what stands behind the component with {user} (empty, or begins with a slash); NULL: no path for virtual users */
const char *mailbox_tail(const char *path);
/* mailbox_is_at_home - does the path begin at the home of the user: `~/` or `{home}`? */
bool mailbox_is_at_home(const char *path);
/* mailbox_value_ok - may it be one component of a path? */
bool mailbox_value_ok(struct span value);
/* mailbox_home - the home of a user whose table names none; false: user or domain cannot be a component, or it is too long */
bool mailbox_home(const char *path, struct span user, struct span domain, struct buffer *to);
/* mailbox_home_ok - below the prefix, no `.` or `..`, no control characters, at most MAILBOX_HOME_MAX */
bool mailbox_home_ok(const char *path, struct span home);

#endif
