/*
 * accounts - a source of accounts for tests: ann, whose password is "pencil", and nobody else
 */
#ifndef TESTS_UNIT_AUTH_ACCOUNTS_H
#define TESTS_UNIT_AUTH_ACCOUNTS_H

#include <stdlib.h>

#include "auth/sasl.h"
#include "common/text/base64.h"

#define ACCOUNTS_LOGIN "ann@example.org"
#define ACCOUNTS_PASSWORD "pencil"

struct accounts {
	struct verifier verifiers[2];
	enum sasl_found answer; /* SASL_UNKNOWN: the source is dead */
	bool refuses;
	int asked, judged;
};

static inline enum sasl_found
accounts_find(void *owner, struct span login, enum verifier_hash hash, struct verifier *v)
{
	struct accounts *a = owner;

	a->asked++;
	if (a->answer == SASL_UNKNOWN)
		return SASL_UNKNOWN;
	if (!span_equal(login, SPAN(ACCOUNTS_LOGIN))) {
		if (verifier_decoy(hash, SPAN("the secret of this test"), login, v) < 0)
			abort();
		return SASL_DECOY;
	}
	*v = a->verifiers[hash == VERIFIER_SHA1];
	return SASL_FOUND;
}

static inline bool
accounts_may_guess(void *owner, const char *login)
{
	struct accounts *a = owner;

	(void)login;
	a->judged++;
	return !a->refuses;
}

static inline struct sasl_source
accounts_source(struct accounts *a)
{
	*a = (struct accounts){.answer = SASL_FOUND};
	if (verifier_make(VERIFIER_SHA256, SPAN(ACCOUNTS_PASSWORD), &a->verifiers[0]) < 0 ||
	    verifier_make(VERIFIER_SHA1, SPAN(ACCOUNTS_PASSWORD), &a->verifiers[1]) < 0)
		abort();
	return (struct sasl_source){
		.owner = a, .find = accounts_find, .may_guess = accounts_may_guess};
}

#endif
