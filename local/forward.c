/*
 * forward - see forward.h
 */
#include "local/forward.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char *
forward_is_unsafe(const struct forward_owner *owner, const struct stat *st)
{
	/* a group that is one user's own, by the custom of most systems: same number */
	bool is_private_group = st->st_gid == owner->gid && owner->gid == (gid_t)owner->uid;

	if (st->st_uid != owner->uid && st->st_uid != 0)
		return "belongs to somebody else";
	if ((st->st_mode & S_IWOTH) != 0 && !(S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX) != 0))
		return "may be written by everybody";
	if ((st->st_mode & S_IWGRP) != 0 && !is_private_group && st->st_uid != 0)
		return "may be written by its group";
	return NULL;
}

static enum forward_outcome
refuse(struct verdict *v, const struct forward_owner *owner, const char *name, const char *why)
{
	verdict_set(v, FATE_FAILED, 550, "5.7.0",
		    "%s%s%s %s, so it is not obeyed; its owner must change that (chmod go-w)",
		    owner->home, name[0] != '\0' ? "/" : "", name, why);
	return FORWARD_REFUSED;
}

static enum forward_outcome
defer(struct verdict *v, const struct forward_owner *owner, const char *name, const char *why)
{
	verdict_set(v, FATE_DEFERRED, 451, "4.3.5", "%s/%s: %s", owner->home, name, why);
	return FORWARD_REFUSED;
}

/* read_one - of that name in the home */
static enum forward_outcome
read_one(const struct forward_owner *owner, int home, const char *name, struct arena *arena,
	 struct list *list, struct verdict *v)
{
	struct span text;
	struct stat st;
	const char *unsafe;
	enum list_outcome o = list_read(home, name, arena, &text, &st);

	if (o == LIST_OK) {
		unsafe = forward_is_unsafe(owner, &st);
		if (unsafe != NULL)
			return refuse(v, owner, name, unsafe);
		o = list_parse(text, arena, list);
	}
	switch (o) {
	case LIST_OK:
		return list->count > 0 ? FORWARD_READ : FORWARD_NONE;
	case LIST_ABSENT:
		return FORWARD_NONE;
	case LIST_UNUSABLE:
		return defer(v, owner, name,
			     errno == 0	      ? "is no file"
			     : errno == ELOOP ? "is a symbolic link, which is not followed"
					      : strerror(errno));
	case LIST_TOO_LONG:
		verdict_set(v, FATE_FAILED, 550, "5.3.4",
			    "%s/%s is longer than %u bytes, or names more than %d addresses",
			    owner->home, name, LIST_FILE_MAX, LIST_VALUES_MAX);
		return FORWARD_REFUSED;
	case LIST_WRONG:
		return defer(v, owner, name, list->wrong);
	case LIST_NO_MEMORY:
		break;
	}
	return defer(v, owner, name, "out of memory");
}

enum forward_outcome
forward_read(const struct forward_owner *owner, char separator, struct span ext,
	     struct arena *arena, struct list *list, struct verdict *v)
{
	int home = openat(AT_FDCWD, owner->home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum forward_outcome outcome = FORWARD_NONE;
	char name[NAME_MAX + 1];
	const char *unsafe;
	struct stat st;

	*list = (struct list){.count = 0};
	/* he has no home (a daemon), or it cannot be there: where it is his mailbox too, his agent says so */
	if (home < 0 && (errno == ENOENT || errno == ENOTDIR))
		return FORWARD_NONE;
	if (home < 0 || fstat(home, &st) < 0) {
		outcome = defer(v, owner, FORWARD_NAME, strerror(errno));
		if (home >= 0)
			close(home);
		return outcome;
	}
	unsafe = forward_is_unsafe(owner, &st);
	if (unsafe != NULL) {
		/* of a home that anybody may write nothing is believed; mail without a .forward is not kept from it */
		outcome = fstatat(home, FORWARD_NAME, &st, AT_SYMLINK_NOFOLLOW) == 0
				  ? refuse(v, owner, "", unsafe)
				  : FORWARD_NONE;
		close(home);
		return outcome;
	}
	if (ext.len > 0 && !span_has(ext, '/') && memchr(ext.at, '\0', ext.len) == NULL &&
	    snprintf(name, sizeof(name), "%s%c%.*s", FORWARD_NAME, separator, SPAN_ARG(ext)) <
		    (int)sizeof(name))
		outcome = read_one(owner, home, name, arena, list, v);
	if (outcome == FORWARD_NONE)
		outcome = read_one(owner, home, FORWARD_NAME, arena, list, v);
	close(home);
	return outcome;
}
