/*
 * signer - signatures of private keys that the caller does not have: smtpd (later delivery) -> signer
 *
 * A key is known by the first 64 bits of SHA-256 over its public half (common/tls/certificate.h), so that a caller of the generation before, which
 * still shows the certificate before, asks for the key that fits it.  The text comes whole: the signer looks at what it signs
 * (signer/shape.h) and hashes it itself.  One question at a time on a connection; the answer bears its request number.
 */
#ifndef COMMON_PROTOCOL_SIGNER_H
#define COMMON_PROTOCOL_SIGNER_H

#include "common/protocol/wire.h"

enum signer_type {		     /* numbers are never reused */
		   SIGNER_READY = 1, /* have you this key?  <- SIGNER_HAS | SIGNER_REFUSED */
		   SIGNER_SIGN = 2,  /* <- SIGNER_SIGNED | SIGNER_REFUSED */
		   SIGNER_HAS = 101,
		   SIGNER_SIGNED = 102,
		   SIGNER_REFUSED = 103,
};

/* why not */
enum signer_refusal {
	SIGNER_NO_KEY = 1,  /* there is none of that number */
	SIGNER_NO_SCHEME,   /* it does not fit the key, or the text */
	SIGNER_NO_SHAPE,    /* the text is nothing that a TLS server signs */
	SIGNER_CANNOT_SIGN, /* OpenSSL failed */
};

#define SIGNER_TEXT_MAX 512
#define SIGNER_SIGNATURE_MAX 1024 /* RSA of 8,192 bits */

struct signer_ready {
	uint64_t key;
};

struct signer_sign {
	uint64_t key;
	uint64_t scheme; /* RFC 8446, section 4.2.3 */
	struct span text;
};

struct signer_has {
	uint64_t key;
};

struct signer_signed {
	struct span signature;
};

struct signer_refused {
	uint64_t reason; /* enum signer_refusal */
};

extern const struct wire_shape signer_calls[];
extern const struct wire_shape signer_answers[];

#endif
