/*
 * keys - the private keys, and the one thing that is done with them
 *
 * Read from the descriptors of the row before signer confines itself; nothing else of the system ever has them in its memory.
 */
#ifndef SIGNER_KEYS_H
#define SIGNER_KEYS_H

#include <stddef.h>
#include <stdint.h>

#include "common/protocol/signer.h"
#include "common/system/start.h"
#include "common/text/buffer.h"

/* keys_take - all keys of the row; fatal() when one cannot be read: master has looked at them before */
void keys_take(const struct start *s);
/* keys_check - are the certificates and keys of the row pairs?  -1: `why` says which is not, by its number in the row */
int keys_check(const struct start *s, struct buffer *why) __attribute__((warn_unused_result));
/* keys_lock - what is in memory now is never written to a swap disk; the event `unlocked` when the kernel refuses */
void keys_lock(const struct start *s);
size_t keys_count(void);

/* keys_has - 0, or why not */
int keys_has(uint64_t number) __attribute__((warn_unused_result));
/* keys_sign - 0, with `signature` (SIGNER_SIGNATURE_MAX bytes) and its length; else an enum signer_refusal */
int keys_sign(const struct signer_sign *call, unsigned char *signature, size_t *len)
	__attribute__((warn_unused_result));

#endif
