/*
 * certificates - the files of `tls`: opened by master, looked at once a minute, exchanged when a new pair fits
 *
 * A file is copied by the kernel (sendfile) into a sealed memfd: so a program that is started again later gets the same bytes, whatever was written
 * into the file since, and no key is ever in master's own memory.  Whether they are pairs is said by a short-lived `signer` (its row has
 * `check`), for master parses nothing of the kind.
 *
 * The keys before the present ones are kept beside them, for sessions of the smtpd before, which still show the certificates before.
 */
#ifndef MASTER_CERTIFICATES_H
#define MASTER_CERTIFICATES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <time.h>

#include "common/config/config.h"
#include "common/system/start.h"
#include "common/text/buffer.h"
#include "master/trust.h"

#define CERTIFICATES_LOOK_MS 60000
#define CERTIFICATES_CHECK_MS 10000 /* the short-lived signer has this long */
#define CERTIFICATES_FILE_MAX (1u << 20)

struct master;

/* one file as it was when it was copied */
struct certificates_file {
	int fd; /* the memfd; -1: none */
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec changed; /* ctime */
};

struct certificates_set {
	struct certificates_file certificates[CONFIG_PAIRS_MAX];
	struct certificates_file keys[CONFIG_PAIRS_MAX];
	size_t count;
	struct certificates_file authorities[CONFIG_AUTHORITIES_MAX]; /* files of `client-ca` */
	size_t authority_count;
};

struct certificates {
	struct certificates_set now, before;
	struct certificates_set
		found; /* what was looked at last, identities alone: what is refused is told once */
};

/*
 * certificates_load - copies of what `c` names, and they are pairs; -1: `why` names the file and what is wrong
 *
 * Waits for the short-lived signer, CERTIFICATES_CHECK_MS at most.
 */
int certificates_load(const struct master *m, const struct config *c, struct certificates_set *to,
		      struct buffer *why) __attribute__((warn_unused_result));
void certificates_free(struct certificates_set *set);
/* certificates_put - they are the present ones from now on, those before are kept; the same files as now: nothing changes.  Takes them. */
void certificates_put(struct certificates *c, struct certificates_set *set);
/*
 * certificates_look - once a minute: has a file changed?
 *
 * true: there are new pairs, and the programs must be renewed.  A set that is no pair is told once, and the present one stays.
 */
bool certificates_look(struct master *m);
/* certificates_fill - the files of a row */
void certificates_fill(const struct certificates *c, const struct trust_row *row, struct start *s);

#endif
