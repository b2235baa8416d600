/*
 * shape - see shape.h; called by keys.c for each text, before anything else is done with it
 */
#include "signer/shape.h"

#include <stdbool.h>
#include <stddef.h>

#define BLANKS 64	  /* in front of a CertificateVerify */
#define RANDOMS (32 + 32) /* the client's, the server's */
#define NAMED_CURVE 3
#define PARAMETERS_HEAD 4 /* kind of curve, its number (2 bytes), length of the point */
#define UNCOMPRESSED 4

static bool
is_verify(struct span text)
{
	/* its NUL is the octet that parts it from the hash */
	static const char context[] = "TLS 1.3, server CertificateVerify";
	size_t head = BLANKS + sizeof(context);

	for (size_t i = 0; i < BLANKS && i < text.len; i++)
		if (text.at[i] != ' ')
			return false;
	/* the transcript by SHA-256 or SHA-384: TLS 1.3 has no other */
	return (text.len == head + 32 || text.len == head + 48) &&
	       span_starts(span_skip(text, BLANKS), span_from(context, sizeof(context)));
}

struct curve {
	unsigned number; /* RFC 8422, section 5.1.1 */
	size_t point;	 /* bytes */
	bool has_form;	 /* the first of them says that it is uncompressed */
};

static bool
is_exchange(struct span text)
{
	static const struct curve curves[] = {
		{0x17, 65, true},  {0x18, 97, true},  {0x19, 133, true},
		{0x1d, 32, false}, {0x1e, 56, false},
	};
	struct span p = span_skip(text, RANDOMS);
	const unsigned char *at = (const unsigned char *)p.at;

	if (p.len < PARAMETERS_HEAD + 1 || at[0] != NAMED_CURVE || at[1] != 0)
		return false;
	for (size_t i = 0; i < sizeof(curves) / sizeof(curves[0]); i++) {
		const struct curve *c = &curves[i];
		if (at[2] == c->number)
			return at[3] == c->point && p.len == PARAMETERS_HEAD + c->point &&
			       (!c->has_form || at[PARAMETERS_HEAD] == UNCOMPRESSED);
	}
	return false;
}

enum shape
shape_of(struct span text)
{
	if (is_verify(text))
		return SHAPE_VERIFY;
	return is_exchange(text) ? SHAPE_EXCHANGE : SHAPE_NONE;
}
