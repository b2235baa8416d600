/*
 * password - a new password, from whoever sits at the terminal or from a line of the standard input
 */
#ifndef CULVER_PASSWORD_H
#define CULVER_PASSWORD_H

#include "common/accounts/prepare.h"

/*
 * password_read - prepared for storing; the caller wipes it
 *
 * At a terminal it is asked for twice, without echo.  -1 after a sentence on stderr; then there is nothing to wipe.
 */
int password_read(char to[PREPARE_PASSWORD_MAX + 1]) __attribute__((warn_unused_result));

#endif
