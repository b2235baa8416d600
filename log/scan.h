/*
 * scan - finds in the store what belongs to a message, a session or an address
 *
 * Called in a child of log/trace.c, which may take its time; reads the files of log/store.h by their numbers and writes nothing.
 *
 * What is asked decides what is found:
 *     an id (13 or more upper-case hex digits)	every event in which it is a value
 *     a session (S and an id)			the same
 *     anything else, an address		the events in which it is a sender, recipient, client, host, user or HELO
 *						name (without case); then all events of the messages that these name
 *						and, of a session without message (refused), those of the session
 * An ordinary user is answered about the messages that he has sent, and about nothing else: those that the queue-manager has told as `queued`
 * with his uid (the newest SCAN_IDS_MAX, when he asks by an address).
 * At most SCAN_LINES_MAX lines, SCAN_BYTES_MAX bytes and SCAN_IDS_MAX messages are kept: the newest.  Lines that are no events of ours
 * (torn by a crash) are passed over.
 */
#ifndef LOG_SCAN_H
#define LOG_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/text/span.h"

#define SCAN_LINES_MAX 10000
#define SCAN_BYTES_MAX (16u << 20)
#define SCAN_IDS_MAX 200
#define SCAN_ID_MAX 24 /* bytes of an id or a session's */

enum scan_kind { SCAN_ID, SCAN_SESSION, SCAN_ADDRESS };

/* the files to read */
struct scan_store {
	int directory;
	uint64_t first, last;
};

/* ids, a ring: the newest SCAN_IDS_MAX */
struct scan_ids {
	char id[SCAN_IDS_MAX][SCAN_ID_MAX];
	size_t len[SCAN_IDS_MAX];
	size_t count, next;
};

struct scan_found {
	char *line; /* owned; without its line end */
	size_t len;
};

struct scan {
	enum scan_kind kind;
	struct span what;    /* as the store spells it: inside a JSON string */
	uint64_t only_uid;   /* the asker's uid plus 1; 0: he may see all */
	int64_t deadline_ms; /* monotonic */
	struct scan_ids ids, sessions, own;
	struct scan_found lines
		[SCAN_LINES_MAX]; /* a ring until the end of scan_run, then in the order of time */
	size_t count, oldest;
	size_t bytes;
	uint64_t matched; /* those that were not kept, too */
};

/* what kind of question `what` is */
enum scan_kind scan_kind_of(struct span what);
/* scan_run - *s is zeroed here; -1: errno (ETIMEDOUT: the deadline has passed), and nothing is kept */
int scan_run(struct scan *s, const struct scan_store *store, struct span what, uint64_t only_uid,
	     int64_t deadline_ms) __attribute__((warn_unused_result));
/* the n-th line, oldest first */
struct span scan_line(const struct scan *s, size_t n);
void scan_free(struct scan *s);

#endif
