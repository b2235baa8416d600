/*
 * obtain - a domain's policy, from its record to the draft of its file (RFC 8461, section 3)
 *
 * Runs in the child of a download, which may break: what it wrote is looked at by the parent.
 */
#ifndef FETCH_OBTAIN_H
#define FETCH_OBTAIN_H

#include <openssl/types.h>
#include <stdbool.h>

#include "common/protocol/fetch.h"

#define OBTAIN_DNS_MS 30000 /* for the record, and again for the addresses */

enum obtain_outcome {
	OBTAIN_WRITTEN = 1, /* a draft */
	OBTAIN_NO_RECORD,   /* the domain has no record (any more) */
	OBTAIN_FAILED,
};

/* what the child tells its parent, as it lies in its memory: both ends are one binary */
struct obtain_result {
	enum obtain_outcome outcome;
	char reason[FETCH_REASON_MAX + 1];
};

/* obtain - `draft` is open for writing, `resolver` the path of the socket */
void obtain(const char *domain, const char *resolver, X509_STORE *authorities, int draft,
	    struct obtain_result *result);

/* obtain_is_sound - of a result that a child has sent, which may have been broken into */
bool obtain_is_sound(const void *result);

#endif
