/*
 * drop - a letter left in the drop directory while nobody serves `submission`: sendmail(1) writes it, submit(8) feeds it
 *
 *     culver-drop 1                       LF ends each line of the head
 *     NAME full name                      perhaps: for a From field, if there is none
 *     MAIL FROM:<sender> parameters
 *     RCPT TO:<recipient> parameters      one line each
 *     DATA
 *     content, CRLF kept
 *     end LENGTH                          bytes of the content: without this line the file is no letter
 *
 * The lines are what the same user could say to submit himself: whoever forges a file gains nothing by it.  Who sends is the file's
 * owner.  The writer holds the file by flock(2) until the last line is on the disk: a file that nobody holds and that has no end is
 * left by a writer that died, who has promised nothing.
 */
#ifndef COMMON_PROTOCOL_DROP_H
#define COMMON_PROTOCOL_DROP_H

#include <stddef.h>
#include <stdint.h>

#include "common/text/buffer.h"
#include "common/text/span.h"

#define DROP_LINK "drop" /* in RUNTIME: a symbolic link to the directory */
#define DROP_SYSTEM \
	"/var/lib/culver/drop" /* where no link is yet, since the machine has just started */
#define DROP_OPEN 03733	       /* while the system is stopped: anybody may add, nobody may look */
#define DROP_CLOSED 03700
#define DROP_FILE_MODE 0640
#define DROP_NAME_MAX 64
#define DROP_HEAD_MAX (4u << 20)    /* bytes up to the content */
#define DROP_LINE_MAX 4000	    /* bytes of one line of the head */
#define DROP_END_MAX 32		    /* bytes of the last line */
#define DROP_FILES_MAX 100	    /* of one uid */
#define DROP_BYTES_MAX (100u << 20) /* of one uid, all files */

/* what a whole head says; all of it lies in the text that was read */
struct drop_head {
	struct span name;
	struct span mail;	/* FROM:<...> and what follows */
	struct span recipients; /* the lines RCPT; see drop_recipient */
	size_t count;
};

/* drop_write_head - for the writer; drop_write_end: the last line */
void drop_write_head(struct buffer *to, struct span name, struct span mail);
void drop_write_recipient(struct buffer *to, struct span recipient);
void drop_write_data(struct buffer *to);
void drop_write_end(struct buffer *to, uint64_t length);

/*
 * drop_end - the last line in the last bytes of a file of `size` bytes; -1: there is none, or it does not fit the size
 *
 * *content_at, *length: where the content lies; what is before it is the head.
 */
int drop_end(struct span tail, uint64_t size, uint64_t *content_at, uint64_t *length)
	__attribute__((warn_unused_result));
/* drop_head_read - the whole head; -1: it is none.  Its lines hold no control characters. */
int drop_head_read(struct span text, struct drop_head *h) __attribute__((warn_unused_result));
/* drop_recipient - takes the next TO:<...> off *rest; len 0: that was all */
struct span drop_recipient(struct span *rest);

#endif
