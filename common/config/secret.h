/*
 * secret - a file with a password or a token in it
 *
 * Read by delivery, from a descriptor of master's, and by `culver check`, so that both say the same of it.
 */
#ifndef COMMON_CONFIG_SECRET_H
#define COMMON_CONFIG_SECRET_H

#include <sys/stat.h>

#include "common/text/span.h"

#define SECRET_MAX 8192	      /* bytes of one */
#define SECRET_FILE_MAX 65536 /* of its file */

/* secret_file_wrong - what is wrong with the file, which is the superuser's or `owner`'s own; NULL: nothing */
const char *secret_file_wrong(const struct stat *st, uid_t owner);
/* secret_take - the first line, without its end and blanks around it; NULL, or what is wrong */
const char *secret_take(struct span text, struct span *secret);

#endif
