/*
 * signer - the shapes of its messages; see signer.h
 */
#include "common/protocol/signer.h"

const struct wire_shape signer_calls[] = {
	WIRE_SHAPE(SIGNER_READY, signer_ready, 0, WIRE_FIELD_U64(signer_ready, key, 0, UINT64_MAX)),
	WIRE_SHAPE(SIGNER_SIGN, signer_sign, 0, WIRE_FIELD_U64(signer_sign, key, 0, UINT64_MAX),
		   WIRE_FIELD_U64(signer_sign, scheme, 0, UINT16_MAX),
		   WIRE_FIELD_SPAN(signer_sign, text, 1, SIGNER_TEXT_MAX)),
	{.name = NULL},
};

const struct wire_shape signer_answers[] = {
	WIRE_SHAPE(SIGNER_HAS, signer_has, 0, WIRE_FIELD_U64(signer_has, key, 0, UINT64_MAX)),
	WIRE_SHAPE(SIGNER_SIGNED, signer_signed, 0,
		   WIRE_FIELD_SPAN(signer_signed, signature, 1, SIGNER_SIGNATURE_MAX)),
	WIRE_SHAPE(SIGNER_REFUSED, signer_refused, 0,
		   WIRE_FIELD_U64(signer_refused, reason, SIGNER_NO_KEY, SIGNER_CANNOT_SIGN)),
	{.name = NULL},
};
