/*
 * address - whatever is read as a path: its canonical text is read again as itself, its parts make it up, and no byte is in it
 * that could break a header line, a journal line or a reply
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/mail/address.h"
#include "common/mail/domain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const struct address *a, enum address_outcome outcome)
{
	struct address again;
	char local[ADDRESS_LOCAL_MAX + 1];
	struct span text = span_from(a->text, a->len);

	assert(a->len <= ADDRESS_MAX && strlen(a->text) == a->len);
	for (size_t i = 0; i < a->len; i++) {
		unsigned char c = (unsigned char)a->text[i];
		assert(c >= ' ' && c != 0x7f && (c < 0x80 || outcome == ADDRESS_UTF8));
	}
	if (a->len == 0)
		return;
	address_local(a, local);
	assert(strlen(local) <= ADDRESS_LOCAL_MAX);
	if (a->domain_at == 0) {
		assert(strcmp(a->text, "postmaster") == 0);
		return;
	}
	struct span domain = address_domain(a);
	assert(domain_is_valid(domain) || domain_is_literal(domain) || outcome == ADDRESS_UTF8);
	assert(span_equal(address_domain_of(text), domain));
	assert(address_local_of(text).len + 1 + domain.len == a->len);
	assert(address_mailbox(text, &again) == outcome);
	assert(again.len == a->len && memcmp(again.text, a->text, a->len) == 0);
	assert(again.domain_at == a->domain_at);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* exactly these bytes, so that a read beyond them is seen */
	char *copy = malloc(size + 1);
	if (copy == NULL)
		return 0;
	memcpy(copy, data, size);
	struct span whole = span_from(copy, size), path = whole;
	struct address a;

	enum address_outcome outcome = address_path(&path, &a);

	if (outcome == ADDRESS_OK || outcome == ADDRESS_UTF8) {
		check(&a, outcome);
		assert(path.len <= size);
	} else {
		assert(span_equal(path, whole));
	}
	outcome = address_mailbox(whole, &a);
	if (outcome == ADDRESS_OK || outcome == ADDRESS_UTF8) {
		assert(a.len > 0 && a.domain_at > 0);
		check(&a, outcome);
	} else {
		assert(a.len == 0);
	}
	address_local_of(whole);
	free(copy);
	return 0;
}
