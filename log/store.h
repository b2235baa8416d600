/*
 * store - the bounded memory of everything that happened: JSON lines, from which `culver trace` is answered
 *
 * Files NNNNNNNN.json in the directory `trace`, numbered without gaps, oldest lowest; each holds whole lines, at
 * most a sixteenth of the whole; when the whole would pass `limit trace-size`, the oldest goes.  Written by log/output.c, read by the
 * children of log/trace.c, which open what is there by number.
 *
 * Promises: never more than the maximum and one line; never a wait; a full disk loses lines here (counted), never the program.
 * Nothing is synced: after a power failure the last lines may be missing or torn, and a reader passes over what is no line.
 */
#ifndef LOG_STORE_H
#define LOG_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/text/buffer.h"
#include "common/text/span.h"

#define STORE_PARTS 16		     /* files, at most */
#define STORE_PART_MIN 4096	     /* bytes of a file, at least */
#define STORE_WAITING_MAX (4u << 20) /* bytes that wait for a full disk */
#define STORE_NAME_MAX 16	     /* "00000001.json" and the NUL */
#define STORE_NUMBER_MAX 99999999

struct store {
	int directory;	      /* owned */
	int fd;		      /* the newest file; -1 */
	uint64_t first, last; /* numbers in use; last 0: none yet */
	uint64_t size;	      /* of the newest file */
	uint64_t part_max;    /* bytes of a file */
	struct buffer waiting;
	uint64_t lost;
	int error;
};

/*
 * store_find - takes the descriptor of the directory and sees what is there; before the program confines itself
 *
 * `max` bytes in all.  -1 and errno.
 */
int store_find(struct store *s, int directory, uint64_t max) __attribute__((warn_unused_result));
void store_close(struct store *s);
void store_limit(struct store *s, uint64_t max);

/* one line with its line end; written by store_flush */
void store_add(struct store *s, struct span line);
/* true when nothing is left to write */
bool store_flush(struct store *s);
uint64_t store_take_lost(struct store *s);

void store_name(uint64_t number, char name[STORE_NAME_MAX]);

#endif
