/*
 * message - the messages that are queued, their recipients, and every change of one
 *
 * Called by intake and replay (which make them), route, queue and jobs (which move them on), control and verify.  A change is first
 * a line for the journal, then a state in memory; lines of one turn of the loop are written together (message_flush), and always before
 * anything follows from them outside of this process.  Nobody else sets a state.
 */
#ifndef QUEUE_MANAGER_MESSAGE_H
#define QUEUE_MANAGER_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/mail/reply.h"
#include "common/protocol/jobs.h"
#include "common/system/loop.h"
#include "common/text/buffer.h"
#include "common/text/span.h"
#include "queue-manager/journal.h"
#include "queue-manager/names.h"

struct manager;
struct batch;
struct early;

#define MESSAGE_RECIPIENTS_MAX 2000000 /* with all that were expanded */
#define MESSAGE_FEW UINT8_MAX	       /* recipients that are counted in bytes */
#define MESSAGE_OPEN_MAX 512	       /* files kept open, least recently used first closed */
#define MESSAGE_KEPT_MAX 4096	       /* of which more than that is kept: lines, and their heads */
#define MESSAGE_HEAD_MAX 8192	       /* of a fresh message, kept for who asks next */
#define MESSAGE_PENDING_MAX (64u << 20) /* lines of one message that wait to be written */
#define MESSAGE_DEPTH_MAX 10		/* an expansion of an expansion of ... */
#define MESSAGE_TICK_MS 100		/* unit of `due` */

enum recipient_state {
	RECIPIENT_ORPHAN,  /* a child whose expansion was never completed: does not count (J4) */
	RECIPIENT_WAITING, /* to be routed */
	RECIPIENT_ASKED,   /* lookup is asked */
	RECIPIENT_READY,   /* in a batch of its place */
	RECIPIENT_ACTIVE,  /* an agent has it */
	RECIPIENT_DEFERRED,
	RECIPIENT_FAILED, /* the sender is still to be told */
	RECIPIENT_SUCCEEDED, /* delivered or expanded, and the sender, who asked for it, still to be told */
	RECIPIENT_TELLING, /* one of both, in a batch of the notices or with their agent */
	RECIPIENT_DELIVERED,
	RECIPIENT_EXPANDED,
	RECIPIENT_NOTIFIED, /* one of both, and the sender was told, or wanted to hear nothing */
	RECIPIENT_STATES
};

struct recipient {
	uint32_t at;   /* of its `to` line, from the begin of the journal */
	uint32_t last; /* of the line of its last reply; 0: none yet */
	uint32_t due;  /* DEFERRED: tick; READY, TELLING: the next of the batch (number, 0: last) */
	uint32_t domain; /* of its address (destination.h) */
	uint8_t state;
	uint8_t attempts;	/* stays at 255 */
	uint8_t depth : 4;	/* of expansions */
	uint8_t has_owner : 1;	/* the owner of a list is its sender (message_owner) */
	uint8_t notify : 4;	/* enum intake_notify: its own, or from what it was expanded from */
	uint8_t answered : 1;	/* has had its first answer */
	uint8_t is_success : 1; /* what the sender is, or was, told of: no failure */
	uint8_t is_delay_told : 1; /* and that it is delayed he was told */
	uint8_t is_parked : 1;	   /* its message is in the ring of a site (parked.h) */
};

/* what the administrator sees */
enum message_class {
	MESSAGE_INCOMING,
	MESSAGE_READY,
	MESSAGE_ACTIVE,
	MESSAGE_DEFERRED,
	MESSAGE_HELD,
	MESSAGE_CLASSES
};

struct message {
	uint64_t id;
	struct message *hash_next;
	struct message *previous, *next; /* all, in the order in which they became known */
	struct message *work_next;	 /* in the queue of route or verify */
	uint64_t length;		 /* of the content */
	int64_t arrived_us;		 /* wall clock */
	union {
		uint64_t checksum;   /* of the content; kept while it is unverified */
		struct early *early; /* early.c's; while it is waited for */
	};
	struct name *sender;
	struct recipient *recipients;	       /* number N is at N - 1; the only one is `only` */
	struct open_file *file;		       /* NULL: not open */
	struct batch *batches;		       /* of its READY and TELLING recipients; queue.c's */
	union {				       /* recipients in each state: message_in() */
		uint8_t few[RECIPIENT_STATES]; /* up to MESSAGE_FEW recipients */
		uint32_t *many;
	} states;
	struct recipient only;
	uint32_t count;	     /* recipients */
	uint32_t unanswered; /* recipients that have had no answer yet */
	uint32_t written;    /* bytes of the journal on disk */
	uint32_t due;	     /* tick of the earliest that is DEFERRED, or of the notice */
	uint32_t due_slot;   /* in the heap; 0: not there */
	uint32_t notice_due; /* tick; not before */
	uint32_t uses;	     /* jobs, and the queue of route or verify, that point here */
	uint32_t asks;	     /* recipients in questions */
	uint32_t
		whose; /* message_uid(), or, if is_login, a number of the names of senders; 0: nobody's */
	uint32_t flow;	     /* whose it is, for taking turns (flow.h) */
	uint32_t route_from; /* route.c: those before are not WAITING, as far as it knows */
	uint8_t deaths;	     /* agents that died over it, in a row */
	uint8_t notice_attempts;
	uint8_t class;
	uint8_t origin;	      /* enum intake_origin */
	bool is_queued : 1;   /* `queued` is written */
	bool is_kept : 1;     /* and the session has said 250, or is gone */
	bool is_waited : 1;   /* its session waits: early.c */
	bool is_released : 1; /* may be given to agents before KEEP */
	bool is_held : 1;
	bool is_login : 1;
	bool is_over_budget : 1; /* for that alone (budget.h) */
	bool is_gone : 1;	 /* the file is removed; the struct waits for `uses` */
	bool is_unverified : 1;	 /* of another boot */
	bool is_working : 1;	 /* in the queue of route or verify */
	bool has_retries : 1;	 /* something of it was deferred once */
	bool is_eight_bit : 1;
	bool is_double_bounce : 1;
	bool has_delayed : 1; /* somebody is deferred of whom the sender is to be told in time */
	bool is_telling_delay : 1; /* a batch of the notices, or their agent, has that */
};

/* may agents have it? (M4) */
static inline bool
message_may_leave(const struct message *m)
{
	return m->is_kept || m->is_released;
}

/* message_uid - of the local user it is from, plus 1; 0: it is from none */
static inline uint32_t
message_uid(const struct message *m)
{
	return m->is_login ? 0 : m->whose;
}

/* message_in - how many of its recipients are in that state */
static inline uint32_t
message_in(const struct message *m, enum recipient_state state)
{
	return m->count <= MESSAGE_FEW ? m->states.few[state] : m->states.many[state];
}

/* message-recipients.c: room for one more recipient, number m->count, counted in its state; the others may move */
struct recipient *message_recipient_new(struct message *m, enum recipient_state state);
/* one recipient goes from a state to another one: counted, nothing else */
void message_count(struct message *m, enum recipient_state from, enum recipient_state to);
void message_recipients_free(struct manager *q, struct message *m);

/* one that walks over all messages in slices; messages may come and go meanwhile */
struct message_cursor {
	struct message *at; /* the next one; NULL: the end */
	struct message_cursor *next;
};

struct open_file {
	int fd; /* read and write; ours alone; -1: not open now */
	struct message *message;
	struct buffer pending; /* lines not yet written */
	char *head;	       /* the first bytes of the journal, NULL: not kept */
	uint32_t head_len;
	bool is_dirty; /* in the list of those to be written */
	struct open_file *dirty_next;
	struct open_file *older, *younger; /* by use */
};

struct messages {
	struct message **buckets; /* linear hashing: grows by one bucket at a time */
	size_t bucket_size, bucket_count, split, half;
	size_t count;
	struct message *first, *last;
	struct message_cursor *cursors;
	struct message **heap; /* by due, from slot 1 */
	size_t heap_len, heap_size;
	struct loop_timer due_timer;
	struct loop_task flush_task, due_task;
	struct open_file *oldest, *youngest, *dirty;
	struct open_file *oldest_open; /* those that are older have no descriptor */
	size_t kept_count, open_count;
	struct names senders;
	uint64_t classes[MESSAGE_CLASSES];
	uint64_t recipients;
	/* the last piece of a journal that was read */
	struct {
		uint64_t id;
		uint32_t at, len;
		char *bytes;
	} window;
	struct buffer words; /* of the line that was read last */
};

/* an answer about a recipient */
struct answer {
	uint64_t code;
	struct span status, reply, host;
	struct span tls;	    /* as in jobs_result */
	enum jobs_relayed relayed;  /* of what was delivered */
	enum reply_meaning meaning; /* of what was refused */
	uint64_t pause_ms;	    /* that was asked for; 0: none */
};

void messages_start(struct manager *q);
void messages_free(struct manager *q);
/* message-file.c's part of both */
void message_files_start(struct manager *q);
void message_files_free(struct manager *q);

/* ---- message-table.c: all of them, and who is due ---- */

void message_table_add(struct manager *q, struct message *m);
void message_table_drop(struct manager *q, struct message *m);
/* wakes the message at `due` (tick), if it is not to be woken before */
void message_due(struct manager *q, struct message *m, uint32_t due);
void message_due_clear(struct manager *q, struct message *m);
/* message.c: called when it is due */
void message_wake(struct manager *q, struct message *m);

/* ---- making one ---- */

/* message_new - known by its id from now on, without recipients, neither queued nor kept */
struct message *message_new(struct manager *q, uint64_t id, uint64_t length, struct span sender);
/* message_from - once: whose it is: a local user's (uid plus 1), else that of who had logged in, else of a client's network */
void message_from(struct manager *q, struct message *m, uint64_t uid, struct span login,
		  struct span client);
/* message_login - who had logged in; empty: nobody */
struct span message_login(const struct manager *q, const struct message *m);
struct message *message_find(struct manager *q, uint64_t id);
/* message_add - the next recipient, whose `to` line begins at `at` of the journal and says `notify`; -1: too many */
int message_add(struct manager *q, struct message *m, uint32_t at, struct span address,
		uint32_t parent, uint64_t notify) __attribute__((warn_unused_result));
/* message_set - for replay: what its journal says */
void message_set(struct manager *q, struct message *m, uint32_t number, enum recipient_state state);
/* does the sender want to hear that of the recipient? */
bool message_wants(const struct message *m, uint32_t number, enum intake_notify what);
/* message_set, with what follows for notices: whoever says it, a program or a journal */
void message_set_delivered(struct manager *q, struct message *m, uint32_t number,
			   enum jobs_relayed relayed);
void message_set_failed(struct manager *q, struct message *m, uint32_t number);
/* the parent's `count` children, each by message_adopt before */
void message_set_expanded(struct manager *q, struct message *m, uint32_t parent, size_t count);
/* a child is WAITING, and inherits what its parent's sender wants to hear of; `is_alone`: it has no siblings */
void message_adopt(struct manager *q, struct message *m, uint32_t child, uint32_t parent,
		   bool is_alone);
/* deferred once: the sender is perhaps to be told in time */
void message_set_delayed(struct message *m, uint32_t number);
/* message_forget - out of memory, the file stays as it is; nothing may use it any more */
void message_forget(struct manager *q, struct message *m);
/* message_remove - the file goes, and the message as soon as nothing uses it */
void message_remove(struct manager *q, struct message *m);
/* message_vanished - somebody took its file away; it lives until message_settle */
void message_vanished(struct manager *q, struct message *m);
/* message_set_aside - to damaged/; told as an event */
void message_set_aside(struct manager *q, struct message *m, const char *reason);

/* ---- moving on ---- */

/* message_settle - after changes: what is to be done next with it; may free it */
void message_settle(struct manager *q, struct message *m);

void message_delivered(struct manager *q, struct message *m, uint32_t number,
		       const struct answer *a);
/* deferred, or, when its time is over, failed; not tried again before `not_before` (tick, 0: as its retries say) */
void message_deferred(struct manager *q, struct message *m, uint32_t number, const struct answer *a,
		      uint32_t not_before);
void message_failed(struct manager *q, struct message *m, uint32_t number, const struct answer *a);
/* back to where it is routed anew; no answer was had */
void message_again(struct manager *q, struct message *m, uint32_t number);
/* the same, but at `due` */
void message_later(struct manager *q, struct message *m, uint32_t number, uint32_t due);

/* an expansion: the children first, then message_expanded with the numbers that message_child gave (0: too many, too deep) */
uint32_t message_child(struct manager *q, struct message *m, uint32_t parent,
		       const struct jobs_child *child);
void message_expanded(struct manager *q, struct message *m, uint32_t parent,
		      const uint32_t *children, size_t count);

/* the notice about the recipients `numbers` (rising) is on its way */
void message_notified(struct manager *q, struct message *m, const uint32_t *numbers, size_t count,
		      uint64_t notice);
/* it is not told of now: FAILED or SUCCEEDED again */
void message_untold(struct manager *q, struct message *m, uint32_t number);
/* no notice now: again later */
void message_not_notified(struct manager *q, struct message *m, const uint32_t *numbers,
			  size_t count);

/* is there anybody of whose delay the sender is still to be told? */
void message_find_delayed(struct message *m);
/* up to `max` recipients whose delay the sender is to be told of; how many */
size_t message_delayed(struct manager *q, struct message *m, uint32_t *numbers, size_t max);
/* the notice about their delay is on its way (0: none can be made, and none is asked for again); `numbers` is used up */
void message_delay_told(struct manager *q, struct message *m, uint32_t *numbers, size_t count,
			uint64_t notice);
/* not now */
void message_delay_untold(struct message *m);

/* by the administrator, or because nothing else is right */
void message_hold(struct manager *q, struct message *m, const char *reason);
void message_release(struct manager *q, struct message *m);
/* all that is deferred is due now */
void message_retry(struct manager *q, struct message *m);
/* all that waits, or is deferred, fails: MESSAGE_BOUNCE_MAX of them; false: there are more */
#define MESSAGE_BOUNCE_MAX 1000
bool message_bounce(struct manager *q, struct message *m);

/*
 * message_redirect - the recipient is expanded into `address`; told as `expanded`
 *
 * *child is the number of the recipient that stands for it, made here when it is 0; the same one serves all recipients of a message that go
 * to one address.  False: nothing is left of it to be redirected, it is with an agent, or it is that address.
 */
bool message_redirect(struct manager *q, struct message *m, uint32_t number, struct span address,
		      uint32_t *child);

/* ---- what its file says ---- */

/*
 * message_line - the line at `at` of its journal; the spans of *e live until the next call
 *
 * -1 and errno: it cannot be read now (or ever: ENOENT, EBADMSG).
 */
int message_line(struct manager *q, struct message *m, uint32_t at, struct journal_entry *e)
	__attribute__((warn_unused_result));
/* the `to` line of a recipient */
int message_recipient(struct manager *q, struct message *m, uint32_t number,
		      struct journal_entry *e) __attribute__((warn_unused_result));
/* message_owner - the recipient in whose stead the owner of a list is the sender of this one; 0: the message's sender is */
uint32_t message_owner(struct manager *q, struct message *m, uint32_t number);
/* message_sender - of a recipient: the message's, or the owner of the list it comes from; the span lives as those of message_line */
int message_sender(struct manager *q, struct message *m, uint32_t number, struct span *sender)
	__attribute__((warn_unused_result));
/* message_own - a child whose `to` line names an owner has him as its sender; a notice stays one, whatever it passes through */
void message_own(struct message *m, uint32_t number, struct span owner);
/* the first recipient that it comes from: itself, when it is no child.  The spans live as those of message_line. */
uint32_t message_origin(struct manager *q, struct message *m, uint32_t number);
/* the header lines put on top, with CRLF each, appended to `to` */
int message_top(struct manager *q, struct message *m, struct buffer *to)
	__attribute__((warn_unused_result));

/*
 * message_flush - its lines are written; -1: not now (they stay, and disk.c tries again)
 *
 * Before a job, a question or an answer that follows from them.
 */
int message_flush(struct manager *q, struct message *m) __attribute__((warn_unused_result));
/* message_append - a line, to be written in this turn; where it begins */
uint32_t message_append(struct manager *q, struct message *m, const struct journal_entry *e);
/* its lines need not be written: the file is gone */
void message_close(struct manager *q, struct message *m);
/* message_head - intake: the journal up to `queued` is on disk by this descriptor, which becomes the message's */
void message_head(struct manager *q, struct message *m, int fd, struct span head, uint64_t length);
/* all that is still to be written; -1: not all */
int message_flush_all(struct manager *q) __attribute__((warn_unused_result));
/* forgets what need not be kept, until of `most` files more is known than their messages */
void message_close_files(struct manager *q, size_t most);

/* ---- asked by others ---- */

/* nothing final is known of it */
bool message_is_undelivered(const struct recipient *r);
/* recipients for whom something is still to be done */
uint32_t message_open_recipients(const struct message *m);
uint32_t message_tick(const struct manager *q);
/* wall clock of the next attempt; 0: none is planned */
int64_t message_next_us(const struct manager *q, const struct message *m);
/* the highest number of attempts of a recipient */
uint32_t message_attempts(const struct message *m);
const char *message_class_name(enum message_class class);

void message_cursor_start(struct manager *q, struct message_cursor *c);
struct message *message_cursor_next(struct manager *q, struct message_cursor *c);
void message_cursor_end(struct manager *q, struct message_cursor *c);

#endif
