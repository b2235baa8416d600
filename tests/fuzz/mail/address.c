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
check(const struct address *a)
{
	struct address again;
	char local[ADDRESS_LOCAL_MAX + 1];
	struct span text = span_from(a->text, a->len);

	assert(a->len <= ADDRESS_MAX && strlen(a->text) == a->len);
	for (size_t i = 0; i < a->len; i++)
		assert(a->text[i] >= ' ' && a->text[i] <= '~');
	if (a->len == 0)
		return;
	address_local(a, local);
	assert(strlen(local) <= ADDRESS_LOCAL_MAX);
	if (a->domain_at == 0) {
		assert(strcmp(a->text, "postmaster") == 0);
		return;
	}
	struct span domain = address_domain(a);
	assert(domain_is_valid(domain) || domain_is_literal(domain));
	assert(span_equal(address_domain_of(text), domain));
	assert(address_local_of(text).len + 1 + domain.len == a->len);
	assert(address_mailbox(text, &again) == ADDRESS_OK);
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

	if (address_path(&path, &a) == ADDRESS_OK) {
		check(&a);
		assert(path.len <= size);
	} else {
		assert(span_equal(path, whole));
	}
	if (address_mailbox(whole, &a) == ADDRESS_OK) {
		assert(a.len > 0 && a.domain_at > 0);
		check(&a);
	} else {
		assert(a.len == 0);
	}
	address_local_of(whole);
	free(copy);
	return 0;
}
