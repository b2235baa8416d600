/*
 * check - culver check: every mistake in the configuration and in the alias files that it names
 */
#ifndef CULVER_CHECK_H
#define CULVER_CHECK_H

#include <stdbool.h>

#include "culver/options.h"

/*
 * check_command - reads all, starts nothing; each mistake is a line on stderr, `FILE:LINE:COLUMN: what is wrong`
 *
 * Warnings (`FILE:LINE:COLUMN: warning: ...`) do not count as mistakes.  Returns 0 when there is no mistake (and says so on stdout,
 * unless quiet), 1 when there is.
 */
int check_command(const char *config_path, bool quiet);
/* check_directives - the table of directives on stdout: a line each, tabs between word, place, arguments, default, meaning */
int check_directives(void);

/* culver check [--directives] */
int verb_check(const struct culver_options *o, int argc, char **argv);

#endif
