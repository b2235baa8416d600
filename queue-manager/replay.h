/*
 * replay - what is in the spool at start becomes messages again
 *
 * Started by main; runs in the background, in slices, while new mail is taken and delivered.  Starting after a crash is the same.  Files
 * with ids of this run are passed over: intake knows them.
 */
#ifndef QUEUE_MANAGER_REPLAY_H
#define QUEUE_MANAGER_REPLAY_H

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/system/loop.h"
#include "common/text/buffer.h"

#define REPLAY_PIECE 65536 /* bytes of a file read at a time */

struct manager;
struct message;

struct replay {
	bool is_done;
	unsigned folder;
	DIR *dir;
	/* the file at hand */
	int fd; /* -1: none */
	uint64_t id;
	struct message *message; /* NULL: its header was not read yet */
	uint64_t begin;		 /* of the journal in the file */
	uint64_t at;		 /* in the file: where the next line begins */
	uint64_t read_to;	 /* in the file: what follows is not in `bytes` yet */
	char *bytes;
	size_t from, len; /* of what is not parsed yet in `bytes` */
	bool has_from, is_at_end;
	bool is_searched; /* for a `queued` line behind damage */
	struct buffer words;
	/* counts, for the event */
	uint64_t queued, unqueued, damaged;
	struct loop_task task;
};

void replay_start(struct manager *q);
void replay_free(struct manager *q);

#endif
