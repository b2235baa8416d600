/*
 * signer-client - asking signer, for a session (later an agent) that may wait
 *
 * The connection is made at the first question and kept.  A question that was not taken, since a new generation of signer serves
 * the socket now, is asked there; one that was taken and not answered (signer died of it, or meanwhile) is asked once more.
 */
#ifndef COMMON_PROTOCOL_SIGNER_CLIENT_H
#define COMMON_PROTOCOL_SIGNER_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/protocol/signer.h"

struct signer_client {
	const char *path; /* NULL: there is none */
	int fd;
	uint32_t request;
	const char *wrong; /* why the last question was in vain (static); NULL: it was not */
};

void signer_client_init(struct signer_client *c, const char *path);
void signer_client_close(struct signer_client *c);
/* signer_client_ready - does it answer, and has it the key? */
bool signer_client_ready(struct signer_client *c, uint64_t key, int64_t deadline_ms)
	__attribute__((warn_unused_result));
/* signer_client_sign - the length of the signature in `to` (SIGNER_SIGNATURE_MAX bytes); 0: there is none */
size_t signer_client_sign(struct signer_client *c, uint64_t key, uint16_t scheme, struct span text,
			  unsigned char *to, int64_t deadline_ms)
	__attribute__((warn_unused_result));

#endif
