/*
 * intake-client - the asking end of the intake, for those who may block: smtpd's sessions and bounce
 *
 * A transaction, in the order of the calls:
 *
 *     intake_client_connect            once; the connection serves any number of transactions
 *     intake_client_open               a message, please (may be said ahead, before it is needed)
 *     intake_client_await_file         id, writer, reader; the caller writes the content and closes the writer; the reader is for its fsync
 *     intake_client_envelope           the caller's writer is closed by now: it is a promise
 *     intake_client_recipient          for each
 *     intake_client_commit
 *     intake_client_await_queued       it is ours once the reader is fsynced
 *     intake_client_await_finished     if QUEUED named a time to wait: perhaps that is not necessary
 *     intake_client_keep, or intake_client_abandon when the fsync failed, or intake_client_answered
 *
 * After every outcome but OK and REFUSED the connection is closed: what had no QUEUED yet is then gone by itself, what had
 * one is kept (docs/architecture.md, "How a message comes in").  Nothing here decides about mail; the caller does.
 */
#ifndef COMMON_PROTOCOL_INTAKE_CLIENT_H
#define COMMON_PROTOCOL_INTAKE_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/protocol/intake.h"

enum intake_outcome {
	INTAKE_CLIENT_OK,
	INTAKE_CLIENT_REFUSED, /* c->refused says why; the transaction is over, the connection is not */
	INTAKE_CLIENT_LATE, /* the deadline has passed */
	INTAKE_CLIENT_GONE, /* the queue-manager is not there, or went away */
	INTAKE_CLIENT_WRONG, /* it sent what is no answer, or was asked what cannot be spelled: the caller says so in an event */
};

/* about 200 KB, of which only what is used becomes resident: a static, or on the heap */
struct intake_client {
	int fd; /* -1: not connected */
	uint32_t request;
	uint64_t count;		       /* recipients of this transaction */
	struct intake_refused refused; /* its spans live until the next call */
	struct wire recipients;	       /* those not put into a message yet */
	struct wire out;	       /* messages that go out as one datagram */
	char in[CHANNEL_MAX];
};

void intake_client_init(struct intake_client *c);
/* `path` as start_path gives it; deadlines are monotonic milliseconds everywhere here */
enum intake_outcome intake_client_connect(struct intake_client *c, const char *path,
					  int64_t deadline_ms) __attribute__((warn_unused_result));
/* fine when it is closed already */
void intake_client_close(struct intake_client *c);

/* `size`: bytes that were announced; 0 unknown */
enum intake_outcome intake_client_open(struct intake_client *c, uint64_t size, int64_t deadline_ms)
	__attribute__((warn_unused_result));
/* intake_client_await_file - on OK both descriptors are the caller's, and the writer stands where the content begins */
enum intake_outcome intake_client_await_file(struct intake_client *c, uint64_t *id, int *writer,
					     int *reader, int64_t deadline_ms)
	__attribute__((warn_unused_result));
/* intake_client_envelope - goes out with what follows it, by commit at the latest */
enum intake_outcome intake_client_envelope(struct intake_client *c,
					   const struct intake_envelope *envelope,
					   int64_t deadline_ms) __attribute__((warn_unused_result));
/* gathered as the envelope is; sent when a datagram is full, and by commit */
enum intake_outcome intake_client_recipient(struct intake_client *c,
					    const struct intake_recipient *recipient,
					    int64_t deadline_ms)
	__attribute__((warn_unused_result));
/* `early`: the caller would wait for FINISHED */
enum intake_outcome intake_client_commit(struct intake_client *c, bool early, int64_t deadline_ms)
	__attribute__((warn_unused_result));
/*
 * on OK fsync of the reader, then keep; *wait_ms: how long FINISHED may be waited for, 0: not at all.  A letter (`once`) that was queued
 * before: *reader is closed, and is of that file from now on.
 */
enum intake_outcome intake_client_await_queued(struct intake_client *c, uint64_t *wait_ms,
					       int *reader, int64_t deadline_ms)
	__attribute__((warn_unused_result));
/*
 * intake_client_await_finished - its spans live until the next call
 *
 * After LATE, and only here, the connection stays open: the transaction goes on with KEEP, and what crosses that is passed over.
 */
enum intake_outcome intake_client_await_finished(struct intake_client *c,
						 struct intake_finished *finished,
						 int64_t deadline_ms)
	__attribute__((warn_unused_result));
/* `sync_us`: what the fsync took, 0: not measured */
enum intake_outcome intake_client_keep(struct intake_client *c, uint64_t sync_us,
				       int64_t deadline_ms) __attribute__((warn_unused_result));
enum intake_outcome intake_client_answered(struct intake_client *c, int64_t deadline_ms)
	__attribute__((warn_unused_result));
enum intake_outcome intake_client_abandon(struct intake_client *c, int64_t deadline_ms)
	__attribute__((warn_unused_result));

/*
 * intake_client_retry - what is deferred for the domain is sent now; outside of a transaction, with nothing asked ahead
 *
 * On OK *outcome says what it came to.
 */
enum intake_outcome intake_client_retry(struct intake_client *c, const struct intake_retry *retry,
					enum intake_retry_outcome *outcome, int64_t deadline_ms)
	__attribute__((warn_unused_result));

#endif
