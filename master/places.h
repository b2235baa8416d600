/*
 * places - the directories of the system: RUNTIME with its rooms, the spool, the trace store, the log's
 *
 * Made where they do not exist, checked where they do: master gives no directory to a program that somebody else owns or could
 * exchange.
 */
#ifndef MASTER_PLACES_H
#define MASTER_PLACES_H

#include "common/config/config.h"
#include "common/text/buffer.h"
#include "master/sockets.h"
#include "master/trust.h"

/*
 * places_make - all directories that `c` names; -1: `why` says which, and what is wrong with it
 *
 * As root each component above them must be owned by root and not writable by others (sticky ones excepted); the directory itself
 * must belong to the program's user.  What exists with another owner is refused, not taken over.
 */
int places_make(const struct config *c, const struct trust_people *people, struct buffer *why)
	__attribute__((warn_unused_result));

/*
 * places_close_drop - the drop directory, made where it is missing, and shut: submit feeds what is in it.  Only under the lock of RUNTIME.
 * places_open_drop - the last thing of a system that stops: sendmail(1) may leave letters again
 */
int places_close_drop(const struct config *c, const struct trust_people *people, struct buffer *why)
	__attribute__((warn_unused_result));
int places_open_drop(const struct config *c, struct buffer *why)
	__attribute__((warn_unused_result));

/* places_path_is_safe - every component of `path` is owned by root (as root) and writable by nobody else */
int places_path_is_safe(const char *path, struct buffer *why) __attribute__((warn_unused_result));

/* places_rooms - for each row with a room: a folder that holds nothing but hard links to the sockets it reaches */
int places_rooms(const struct config *c, const struct trust_people *people, struct buffer *why)
	__attribute__((warn_unused_result));
/* at the end; what cannot be removed stays */
void places_rooms_remove(const char *runtime);

#endif
