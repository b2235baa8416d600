/*
 * copies - a file that master opens for another program
 *
 * It is copied by the kernel (sendfile) into a sealed memfd: so a program that is started again later gets the same bytes, whatever was written
 * into the file since, and what is secret in it is never in master's own memory.  Called by certificates.c and secrets.c.
 */
#ifndef MASTER_COPIES_H
#define MASTER_COPIES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <time.h>

#include "common/system/start.h"
#include "common/text/buffer.h"

/* one file as it was when it was copied */
struct copy {
	int fd; /* the memfd; -1: none */
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec changed; /* ctime */
};

/* copies_load - `wrong` (or NULL) may object to the open file by a sentence; -1: `why` names the file and what is wrong, and to->fd is -1 */
int copies_load(const char *path, size_t max, const char *(*wrong)(const struct stat *st),
		struct copy *to, struct buffer *why) __attribute__((warn_unused_result));
void copies_free(struct copy *c);
/* copies_identity - of the file as it is now, without a copy; what is not there has none */
struct copy copies_identity(const char *path);
bool copies_are_same(const struct copy *a, const struct copy *b);
/* copies_add - as the file KIND.NUMBER of a row */
void copies_add(struct start *s, const char *kind, size_t number, const struct copy *c);

#endif
