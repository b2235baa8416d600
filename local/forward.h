/*
 * forward - a user's .forward: found, looked at, read
 *
 * Called by recipient.c, as the user.  ~/.forward+EXT stands before ~/.forward.  A file that somebody else could have written is not
 * obeyed, and not silently passed over either: the mail goes back, and the bounce says why.  One that cannot be read or understood
 * keeps the mail waiting.
 */
#ifndef LOCAL_FORWARD_H
#define LOCAL_FORWARD_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/mail/reply.h"
#include "common/text/arena.h"
#include "common/text/span.h"
#include "local/list.h"

#define FORWARD_NAME ".forward"

/* whose it is */
struct forward_owner {
	const char *home;
	uid_t uid;
	gid_t gid;
};

enum forward_outcome {
	FORWARD_NONE, /* there is none, or it says nothing */
	FORWARD_READ,
	FORWARD_REFUSED, /* *v says why */
};

enum forward_outcome forward_read(const struct forward_owner *owner, char separator,
				  struct span ext, struct arena *arena, struct list *list,
				  struct verdict *v) __attribute__((warn_unused_result));
/* forward_is_unsafe - NULL, or why such a file (or directory) is not to be believed */
const char *forward_is_unsafe(const struct forward_owner *owner, const struct stat *st);

#endif
