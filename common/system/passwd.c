/*
 * passwd - see passwd.h; getpwnam_r(3), nsswitch.conf(5)
 *
 * glibc returns 0 without a user when the last source that was asked said "not found", and errno's value when that source did
 * not answer.  A source whose module is not installed leaves errno alone: 0, "not found".
 */
#include "common/system/passwd.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_FIRST 4096
#define ROOM_MAX (1u << 20) /* bytes of one entry: a longer one is trouble */

/* by name, or by uid where name is NULL; returns what getpwnam_r does */
static int
ask(const char *name, uid_t uid, struct passwd *entry, char *room, size_t size,
    struct passwd **found)
{
	int error;

	do {
		errno = 0;
		error = name != NULL ? getpwnam_r(name, entry, room, size, found)
				     : getpwuid_r(uid, entry, room, size, found);
	} while (error == EINTR);
	return error;
}

static enum passwd_outcome
find(const char *name, uid_t uid, struct passwd_user *user)
{
	char first[ROOM_FIRST], *room = first, *more = NULL;
	size_t size = sizeof(first);
	struct passwd entry, *found = NULL;
	enum passwd_outcome outcome = PASSWD_TROUBLE;
	int error;

	while ((error = ask(name, uid, &entry, room, size, &found)) == ERANGE && size < ROOM_MAX) {
		free(more);
		size *= 4;
		room = more = malloc(size);
		if (room == NULL) {
			errno = ENOMEM;
			return PASSWD_TROUBLE;
		}
	}
	if (error == 0 && found == NULL) {
		outcome = PASSWD_ABSENT;
	} else if (error == 0) {
		user->uid = entry.pw_uid;
		user->gid = entry.pw_gid;
		if (span_copy(span_of(entry.pw_name), user->name, sizeof(user->name)) == 0 &&
		    span_copy(span_of(entry.pw_dir), user->home, sizeof(user->home)) == 0)
			outcome = PASSWD_FOUND;
		else
			error = ENAMETOOLONG;
	}
	free(more);
	errno = error;
	return outcome;
}

enum passwd_outcome
passwd_find(struct span name, struct passwd_user *user)
{
	char text[PASSWD_NAME_MAX + 1];

	if (name.len == 0 || span_copy(name, text, sizeof(text)) < 0)
		return PASSWD_ABSENT;
	return find(text, 0, user);
}

enum passwd_outcome
passwd_find_uid(uid_t uid, struct passwd_user *user)
{
	return find(NULL, uid, user);
}

void
passwd_preload(void)
{
	struct passwd_user user;
	gid_t groups[1];
	int count = 1;

	/* whatever they say: only that they were asked counts */
	(void)!passwd_find(SPAN("root"), &user);
	(void)!passwd_find(SPAN("culver-no-such-user"), &user);
	(void)getgrouplist("culver-no-such-user", 0, groups, &count);
	(void)getgrnam("adm");
}
