/*
 * users - is there such a system user?  NSS with a cache, for routes
 *
 * An answer of NSS, also "no such user", is taken again for USERS_CACHE_MS; trouble never is.  A name is asked for in lower case,
 * since the local part of an address is not told apart by case here.
 */
#ifndef LOOKUP_USERS_H
#define LOOKUP_USERS_H

#include <stdint.h>
#include <sys/types.h>

#include "common/system/passwd.h"
#include "common/text/span.h"

#define USERS_CACHE_MS 5000
#define USERS_CACHE_MAX 8192 /* names; when they are that many all are forgotten */

struct users;

struct users *users_new(void); /* fatal() when memory is out */
void users_free(struct users *u);

/* users_find - `name` in lower case; `now_ms` is monotonic; the uid is set when PASSWD_FOUND */
enum passwd_outcome users_find(struct users *u, struct span name, int64_t now_ms, uid_t *uid)
	__attribute__((warn_unused_result));

#endif
