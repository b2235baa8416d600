/*
 * check-logins - culver check: the files of `login`
 */
#ifndef CULVER_CHECK_LOGINS_H
#define CULVER_CHECK_LOGINS_H

#include <stddef.h>

#include "common/config/config.h"
#include "common/text/buffer.h"

/* check_logins - a line in `output` for each mistake; their number */
size_t check_logins(const struct config *c, struct buffer *output);

#endif
