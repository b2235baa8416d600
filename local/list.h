/*
 * list - what a .forward, or a file that an :include: names, says: one value after another
 *
 * Called by recipient.c, as the user.  The values are those of /etc/aliases (common/config/aliases.h); they stand on lines of their own or are
 * parted by commas, and a line that begins with `#` is a comment.  Files are opened without following a link in their last component
 * and without waiting; what is not a regular file is none.
 */
#ifndef LOCAL_LIST_H
#define LOCAL_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "common/config/aliases.h"
#include "common/text/arena.h"

#define LIST_FILE_MAX (4u << 20) /* bytes */
#define LIST_VALUES_MAX 50000	 /* of all files of one address */
#define LIST_WRONG_MAX 200

enum list_outcome {
	LIST_OK,
	LIST_ABSENT,   /* there is no such file */
	LIST_UNUSABLE, /* cannot be read now: errno; 0: not a regular file */
	LIST_TOO_LONG,
	LIST_WRONG, /* a line is not understood: `wrong` says which */
	LIST_NO_MEMORY,
};

struct list {
	struct alias_value *values; /* in the arena */
	size_t count, room;
	char wrong[LIST_WRONG_MAX];
};

/* list_read - the file's text in the arena; *st is what it is */
enum list_outcome list_read(int directory, const char *path, struct arena *arena, struct span *text,
			    struct stat *st) __attribute__((warn_unused_result));
/* list_add - one value; false: no memory, or too many */
bool list_add(struct list *list, struct arena *arena, const struct alias_value *v)
	__attribute__((warn_unused_result));
/* list_parse - the values of `text`, added to those that are there */
enum list_outcome list_parse(struct span text, struct arena *arena, struct list *list)
	__attribute__((warn_unused_result));

#endif
