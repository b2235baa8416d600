/*
 * passwd - a system user, asked of NSS with every outcome told apart
 *
 * lookup asks whether there is such a user, local who he is.  "There is none" is only what every source of nsswitch.conf that was
 * asked has said; a source that did not answer is trouble, or else mail for existing users would bounce while a directory
 * server is down.
 */
#ifndef COMMON_SYSTEM_PASSWD_H
#define COMMON_SYSTEM_PASSWD_H

#include <limits.h>
#include <sys/types.h>

#include "common/text/span.h"

#define PASSWD_NAME_MAX 255

enum passwd_outcome {
	PASSWD_FOUND,
	PASSWD_ABSENT,	/* there is no such user */
	PASSWD_TROUBLE, /* cannot be said now; errno */
};

struct passwd_user {
	char name[PASSWD_NAME_MAX + 1]; /* as the system writes it */
	uid_t uid;
	gid_t gid;
	char home[PATH_MAX];
};

/* passwd_find - by login name; blocks for as long as NSS does */
enum passwd_outcome passwd_find(struct span name, struct passwd_user *user)
	__attribute__((warn_unused_result));
/* passwd_find_uid - the same, by uid */
enum passwd_outcome passwd_find_uid(uid_t uid, struct passwd_user *user)
	__attribute__((warn_unused_result));
/*
 * passwd_preload - before confine(): loads what NSS loads at its first question (its modules, nsswitch.conf)
 *
 * Questions for users, and for a user's groups.
 */
void passwd_preload(void);

#endif
