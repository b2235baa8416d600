/*
 * check-tables - the tables that the domains of a configuration use, read as lookup reads them
 */
#ifndef CULVER_CHECK_TABLES_H
#define CULVER_CHECK_TABLES_H

#include "common/config/config.h"
#include "common/text/buffer.h"

/* check_tables - a line for each mistake and warning; how many mistakes there are */
size_t check_tables(const struct config *c, struct buffer *output);

#endif
