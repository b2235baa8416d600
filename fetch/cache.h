/*
 * cache - the policies that are kept, one text file each, named by its domain
 *
 * The file is
 *
 *     culver-sts 1 <seconds since 1970 when it was fetched> <id of the record>\n
 *     the policy as it came
 *
 * and is believed only as a whole: what cannot be parsed is as good as none, and goes.
 *
 *     C1  A policy is written to a file of another name (".PID.NUMBER"), fsynced, and only then renamed: after any end the old one or the
 *         new one is there, whole.
 *     C2  Nothing removes or replaces a policy that holds yet but a newer one (RFC 8461, section 5.1: failures never do).
 *     C3  Files of other names that are older than CACHE_DRAFT_S are those of a process that was killed, and are removed at start.
 *
 * The file's mtime is when it was last of use: who sends to a domain no more lets its policy run out.
 */
#ifndef FETCH_CACHE_H
#define FETCH_CACHE_H

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/mail/sts.h"
#include "common/protocol/fetch.h"

#define CACHE_HEADER_MAX 128
#define CACHE_FILE_MAX (CACHE_HEADER_MAX + STS_POLICY_MAX)
#define CACHE_NAME_MAX 40 /* ".PID.NUMBER" */
#define CACHE_DRAFT_S 600 /* no download lasts so long */
#define CACHE_AGE_MIN 60  /* seconds that a policy holds at least, whatever it says */

struct cache_entry {
	int64_t fetched_s, ends_s; /* wall clock */
	char id[STS_ID_MAX + 1];
	struct sts_policy policy; /* points into `text` */
	char text[CACHE_FILE_MAX];
};

/* a policy that is being fetched: the child writes, its parent reads what came of it */
struct cache_draft {
	char name[CACHE_NAME_MAX];
	int fd;
};

/* cache_is_name - is it a name that a file can have?  domains are */
bool cache_is_name(struct span domain);

/* cache_read - false: there is none, or it holds no more at `now_s` */
bool cache_read(int directory, const char *domain, int64_t now_s, struct cache_entry *e)
	__attribute__((warn_unused_result));
/* cache_used - it was of use now; written once a day at most */
void cache_used(int directory, const char *domain, int64_t now_s);
/* cache_used_s - when it was last of use; -1: there is none */
int64_t cache_used_s(int directory, const char *domain);
void cache_remove(int directory, const char *domain);

/* cache_draft - -1 and errno: no file can be made */
int cache_draft(int directory, struct cache_draft *d) __attribute__((warn_unused_result));
/* cache_write - in the child; -1 and errno */
int cache_write(int fd, int64_t fetched_s, struct span id, struct span policy)
	__attribute__((warn_unused_result));
/*
 * cache_keep - the draft becomes the domain's policy if it is one; ends the draft in any case
 *
 * `used_s` is when the policy was last of use.  -1: `wrong` is a sentence.
 */
int cache_keep(int directory, struct cache_draft *d, const char *domain, int64_t used_s,
	       struct cache_entry *e, const char **wrong) __attribute__((warn_unused_result));
void cache_drop(int directory, struct cache_draft *d);

/* cache_list - for cache_next; closedir() ends it.  NULL: told as an event */
DIR *cache_list(int directory);
/* cache_next - the next policy, or the next draft; NULL at the end; valid until the next call */
const char *cache_next(DIR *list, bool drafts);
/* cache_sweep_drafts - C3 */
void cache_sweep_drafts(int directory, int64_t now_s);

#endif
