/*
 * names - see names.h; called by dovecot.c
 */
#include "auth/names.h"

/* [authzid] NUL authcid NUL passwd (RFC 4616) */
static struct span
of_plain(struct span response)
{
	(void)span_cut(&response, '\0');
	return span_cut(&response, '\0');
}

/* FLAG,[a=NAME],...: `attribute` is `a` of OAUTHBEARER's header (RFC 7628), or `n` of SCRAM's message behind it (RFC 5802) */
static struct span
of_gs2(struct span response, char attribute)
{
	struct span rest = response;

	for (int i = 0; i < 3; i++) {
		struct span piece = span_cut(&rest, ',');

		if (piece.len > 2 && piece.at[0] == attribute && piece.at[1] == '=')
			return span_skip(piece, 2);
	}
	return SPAN_NONE;
}

/* user=NAME ^A auth=Bearer TOKEN ^A ^A */
static struct span
of_xoauth2(struct span response)
{
	struct span field = span_cut(&response, '\1');

	return span_starts(field, SPAN("user=")) ? span_skip(field, 5) : SPAN_NONE;
}

/* NAME blank DIGEST; a name may have blanks (RFC 2195) */
static struct span
of_cram(struct span response)
{
	size_t len = response.len;

	while (len > 0 && response.at[len - 1] != ' ')
		len--;
	return span_from(response.at, len > 0 ? len - 1 : 0);
}

void
names_take(struct sasl_exchange *x, struct span response)
{
	struct span name = SPAN_NONE;

	/* of LOGIN the second response is the password */
	if (x->is_named)
		return;
	x->is_named = true;
	switch (x->mechanism) {
	case AUTH_PLAIN:
		name = of_plain(response);
		break;
	case AUTH_LOGIN:
		name = response;
		break;
	case AUTH_SCRAM_SHA_256:
	case AUTH_SCRAM_SHA_1:
	case AUTH_SCRAM_SHA_256_PLUS:
	case AUTH_SCRAM_SHA_1_PLUS:
		name = of_gs2(response, 'n');
		break;
	case AUTH_OAUTHBEARER:
		name = of_gs2(response, 'a');
		break;
	case AUTH_XOAUTH2:
		name = of_xoauth2(response);
		break;
	case AUTH_CRAM_MD5:
		name = of_cram(response);
		break;
	case AUTH_EXTERNAL:
		name = span_of(x->certificate);
		break;
	case AUTH_GSSAPI:
		break;
	}
	/* nobody who can be: then it stays empty */
	(void)sasl_take_login(x, name);
}
