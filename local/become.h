/*
 * become - from root to the recipient, for good
 *
 * Called by agents.c in a fresh child that serves no job yet.  Afterwards the process has the uid, the gid and all groups of the
 * recipient and nothing else, and cannot come back: that is tried, and where the attempt succeeds the process ends.
 */
#ifndef LOCAL_BECOME_H
#define LOCAL_BECOME_H

#include "common/system/passwd.h"

/* become_user - fatal() unless it has succeeded wholly */
void become_user(const struct passwd_user *user);
/* become_user_with - the same with one group more: the one that may make mailboxes in their folder; (gid_t)-1: none */
void become_user_with(const struct passwd_user *user, gid_t group);
/*
 * become_keeper - for the mailbox of root: stays uid 0, but without any capability, so that the files of others are closed to
 * it as to any user; group adm, so that this group owns what it makes
 */
void become_keeper(void);

#endif
