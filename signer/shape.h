/*
 * shape - what a TLS server signs, and nothing else
 *
 * A text is one of two: the CertificateVerify of a TLS 1.3 server (RFC 8446, section 4.4.3), or the two randoms and the parameters of a TLS 1.2
 * ServerKeyExchange on an elliptic curve (RFC 5246, section 7.4.3; RFC 8422, section 5.4).  No text is both.
 */
#ifndef SIGNER_SHAPE_H
#define SIGNER_SHAPE_H

#include "common/text/span.h"

enum shape { SHAPE_NONE, SHAPE_VERIFY, SHAPE_EXCHANGE };

enum shape shape_of(struct span text);

#endif
