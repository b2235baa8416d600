/*
 * spool - the files of SPOOL: created in their place, opened, removed; ids; the ballast
 *
 * Called by intake, message, replay, control; nobody else touches SPOOL.  All is done below one directory descriptor,
 * opened before confinement.  What may be on disk stands at the head of spool.c, numbered.
 */
#ifndef QUEUE_MANAGER_SPOOL_H
#define QUEUE_MANAGER_SPOOL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/text/span.h"

#define SPOOL_FOLDERS 256
#define SPOOL_ID_AHEAD_US \
	(UINT64_C(60) * 1000000) /* SPOOL/id is raised by so much beyond what is given */
#define SPOOL_NAME_MAX 32	 /* "queue/A3/0006A2B4C5D6E7A3", with the NUL */
#define SPOOL_BOOT_MAX 64

struct spool {
	int dir;     /* SPOOL */
	int lock;    /* SPOOL/lock, held while we live */
	int id_file; /* SPOOL/id */
	int reserve; /* SPOOL/reserve; -1: not there */
	uint64_t last_id;
	uint64_t id_bound; /* what SPOOL/id says: above all given */
	uint64_t first_id; /* of this run: files with lower ones were there before */
	/* files with lower ids were written in another boot: their content is to be verified */
	uint64_t older;
	char boot[SPOOL_BOOT_MAX];
};

/* spool_take - before confinement: SPOOL as a descriptor, and the id of this boot; fatal() when there is none */
void spool_take(struct spool *s, const char *path);
/* spool_use - for tests: any directory, any boot */
void spool_use(struct spool *s, int dir, const char *boot);
/*
 * spool_start - after confinement, before anything is served: the lock, the folders, the ids, the probe of leases
 *
 * A second queue-manager waits SPOOL_LOCK_WAIT_S for the lock and then ends with EXIT_TRY_LATER.  fatal(), with a
 * sentence, when the spool cannot be used or leases do not work there.
 */
#define SPOOL_LOCK_WAIT_S 10
void spool_start(struct spool *s, int64_t wall_us);
/* spool_end - ordered: SPOOL/id says exactly what was given */
void spool_end(struct spool *s);

/* spool_next_id - never given before; 0 and errno: the bound cannot be raised */
uint64_t spool_next_id(struct spool *s, int64_t wall_us);
/* the name below SPOOL */
void spool_name(uint64_t id, char name[SPOOL_NAME_MAX]);

/*
 * spool_create - a new file, as a writer that stands where the content begins, and a reader
 *
 * -1 and errno; then nothing is left.  The caller owns both.
 */
int spool_create(struct spool *s, uint64_t id, int *writer, int *reader)
	__attribute__((warn_unused_result));
/* spool_open - O_RDONLY or O_RDWR; -1 and errno */
int spool_open(const struct spool *s, uint64_t id, int flags) __attribute__((warn_unused_result));
int spool_remove(const struct spool *s, uint64_t id) __attribute__((warn_unused_result));
/* spool_set_aside - to SPOOL/damaged/, for the administrator */
int spool_set_aside(const struct spool *s, uint64_t id) __attribute__((warn_unused_result));

/*
 * spool_has_writer - is the file of this read-only descriptor open for writing anywhere, even in flight on a socket?
 *
 * Asks the kernel for a read lease and gives it back at once (fcntl(2), F_SETLEASE).  0: no writer; 1: there is one; -1 and errno.
 */
int spool_has_writer(int reader) __attribute__((warn_unused_result));

/* spool_append - all of `bytes` at `at`, or none: what was written by half is cut off again; -1 and errno */
int spool_append(int fd, struct span bytes, uint64_t at) __attribute__((warn_unused_result));

/* bytes and inodes that an ordinary user may still take; -1 and errno */
int spool_free(const struct spool *s, uint64_t *bytes, uint64_t *inodes)
	__attribute__((warn_unused_result));
/* the ballast: made whole (-1 and errno: no room), or given up */
int spool_reserve_make(struct spool *s, uint64_t size) __attribute__((warn_unused_result));
void spool_reserve_free(struct spool *s);
bool spool_reserve_whole(const struct spool *s, uint64_t size);

/* tests: called before each change of the disk; an errno makes it fail, 0 lets it pass */
enum spool_change { SPOOL_CREATE, SPOOL_APPEND, SPOOL_REMOVE, SPOOL_SET_ASIDE, SPOOL_RESERVE };
extern int (*spool_fault)(enum spool_change change);

#endif
