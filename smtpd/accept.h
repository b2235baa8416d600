/*
 * accept - the promise: a message becomes ours, and the client is told
 */
#ifndef SMTPD_ACCEPT_H
#define SMTPD_ACCEPT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/protocol/intake-client.h"

struct session;
struct content;

/* the connection to the intake, kept for the session, and the file of the message at hand */
struct accept {
	const char *path;
	bool is_asked;	    /* a file was asked for, and neither refused nor used up */
	uint64_t announced; /* the size that was named then */
	int writer;  /* -1: no file yet, or its content is whole; else the content goes here */
	int reader;  /* of the same file, for fsync; -1: no file */
	uint64_t id; /* of that file */
	struct intake_client client;
};

void accept_init(struct accept *a, const char *path);

/* accept_open - at MAIL: asks for a file and does not wait; trouble is kept for accept_file to tell */
void accept_open(struct session *s);
/* accept_file - at DATA: waits for the file; false: there is none, and the client was told why */
bool accept_file(struct session *s) __attribute__((warn_unused_result));
/* accept_message - the content is in the file, whole, and nothing is to be said against it; answers the client, in every case */
void accept_message(struct session *s, const struct content *c);
/* accept_abandon - the file was written to, and no message comes of it; the caller answers the client */
void accept_abandon(struct session *s);

#endif
