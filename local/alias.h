/*
 * alias - the lines of one alias, as the administrator's own file has them
 *
 * Called by agents.c: alias_open as root, which looks at nothing but who the file belongs to, and alias_read as the user that follows
 * from it.  What lookup or a journal says of a line is only its hash.
 */
#ifndef LOCAL_ALIAS_H
#define LOCAL_ALIAS_H

#include <sys/types.h>

#include "common/config/config.h"
#include "common/text/arena.h"
#include "local/list.h"

#define ALIAS_FILE_MAX (64u << 20)

/* alias_table - the path of the block's text table that `word` names; NULL: the block has none of that name */
const char *alias_table(const struct config *c, const struct config_domain *d, struct span word);
/* alias_open - the descriptor and its owner; -1: *why (static, or strerror) */
int alias_open(const char *path, uid_t *owner, const char **why)
	__attribute__((warn_unused_result));
/* alias_read - the values of that name, in the arena; -1: *why.  A name that is not there has none.  Closes `fd`. */
int alias_read(int fd, struct span name, struct arena *arena, struct list *list, const char **why)
	__attribute__((warn_unused_result));

#endif
