/*
 * installed - where the programs are, seen from where culver is
 *
 * An installation can be moved, or staged by DESTDIR: nothing is compiled in.
 */
#ifndef CULVER_INSTALLED_H
#define CULVER_INSTALLED_H

#include <stdbool.h>

#include "common/system/start.h"

struct installed {
	char programs[START_PATH_MAX]; /* absolute */
	bool build_tree;	       /* programs/NAME/NAME instead of programs/NAME */
	char master[START_PATH_MAX + 16];
};

/*
 * installed_find - from /proc/self/exe: .../sbin/culver or .../bin/culver: .../libexec/culver; DIR/culver/culver: DIR
 *
 * -1 after a sentence on stderr: exit with EXIT_CONFIGURATION.  As root a build tree is refused, and so is a
 * directory that somebody else could write to.
 */
int installed_find(struct installed *i) __attribute__((warn_unused_result));
/* the same for any path of culver's binary; -1: neither */
int installed_from(const char *self, struct installed *i) __attribute__((warn_unused_result));

#endif
