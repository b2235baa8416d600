/*
 * store - what next hops have said of recipients: a database that may be lost
 *
 * VERIFIED/verified.db, written by the program verify, looked at and forgotten from by `culver verified`.  It is a cache and no truth: nothing waits
 * for the disk, and what a crash has damaged is set aside (verified_open) and begun anew.  An address has one row.  Rows of addresses that were taken and of
 * those that were refused are bounded apart, each kind by the oldest of its own: who tries names at random pushes out no good one.
 *
 * One process uses a struct store at a time; times are wall clock, in milliseconds, and come from the caller.
 */
#ifndef COMMON_VERIFIED_STORE_H
#define COMMON_VERIFIED_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/protocol/verify.h"
#include "common/text/span.h"

#define VERIFIED_FILE "verified.db"
#define VERIFIED_DAMAGED "verified.db.damaged" /* the last one that was set aside */
#define VERIFIED_TAKEN_MAX 200000	       /* rows */
#define VERIFIED_REFUSED_MAX 50000
#define VERIFIED_WAIT_MS 200 /* for another process that writes */
#define VERIFIED_REASON_MAX 200

struct verified_store;

struct verified_row {
	enum verify_outcome outcome; /* TAKEN or REFUSED */
	int64_t asked_ms;	     /* when it was answered so */
	unsigned code;
	char address[VERIFY_ADDRESS_MAX + 1];
	char status[VERIFY_STATUS_MAX + 1];
	char reply[VERIFY_REPLY_MAX + 1];
	char host[VERIFY_HOST_MAX + 1];
};

enum verified_outcome {
	VERIFIED_DONE,
	VERIFIED_ABSENT,
	VERIFIED_TROUBLE, /* see the reason; nothing has changed */
	VERIFIED_DAMAGE,  /* this is no database any more: to be opened anew */
};

/* who may open it: verify makes and mends, `culver verified` takes it as it is */
enum verified_mode { VERIFIED_OWNER, VERIFIED_VISITOR };

/*
 * verified_open - no further file is opened later: what uses it may then be confined
 *
 * As OWNER a damaged file becomes VERIFIED_DAMAGED (*was_damaged).  NULL: `reason` says why; of a VISITOR also when there is none.
 */
struct verified_store *verified_open(const char *directory, enum verified_mode mode,
				     bool *was_damaged, char reason[VERIFIED_REASON_MAX]);
void verified_close(struct verified_store *s);

/* verified_bounds - other maxima than those above (tests) */
void verified_bounds(struct verified_store *s, uint64_t taken, uint64_t refused);

enum verified_outcome verified_find(struct verified_store *s, struct span address,
				    struct verified_row *row, char reason[VERIFIED_REASON_MAX])
	__attribute__((warn_unused_result));
/* verified_put - instead of what was known of the address; the oldest of the same outcome make room */
enum verified_outcome verified_put(struct verified_store *s, const struct verified_row *row,
				   char reason[VERIFIED_REASON_MAX])
	__attribute__((warn_unused_result));
/* verified_forget - one address; empty: all.  ABSENT: there was none. */
enum verified_outcome verified_forget(struct verified_store *s, struct span address,
				      char reason[VERIFIED_REASON_MAX])
	__attribute__((warn_unused_result));
/* verified_list - every row by its address; of one `address` alone unless it is empty */
enum verified_outcome verified_list(struct verified_store *s, struct span address,
				    void (*tell)(void *owner, const struct verified_row *row),
				    void *owner, char reason[VERIFIED_REASON_MAX])
	__attribute__((warn_unused_result));

#endif
