/*
 * names - the classic names of this binary: sendmail, mailq, newaliases
 */
#ifndef CULVER_NAMES_H
#define CULVER_NAMES_H

#include <stdbool.h>

#include "culver/options.h"

/* names_run - was it called by a classic name?  Then that command was carried out, and *status is what to exit with. */
bool names_run(int argc, char **argv, int *status);

/* the options of a command that was called by such a name */
void names_options(struct culver_options *o);
/* names_config - Postfix's -c: the folder that the configuration is in */
void names_config(struct culver_options *o, const char *folder);
/* the queue, as Postfix's mailq prints it */
int names_list(const struct culver_options *o);
/* what `selector` (NULL: all) selects is tried now, if it is deferred and the caller's (or he may administer) */
int names_retry(const struct culver_options *o, char *selector);
/* nothing is to be done: tables are read as they are */
int names_aliases(void);

#endif
