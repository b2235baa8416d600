/*
 * list - any .forward and any list: it ends, and what is read is what the journal can name again
 *
 * Every value is a whole line or less of the text; an address stands as the queue-manager takes it (canonical with its domain); the
 * same text gives the same values, and of a list that was read each value is found again by its hash.
 */
#include <stdint.h>
#include <stdlib.h>

#include "common/mail/address.h"
#include "local/list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool holds)
{
	if (!holds)
		abort();
}

static void
check_value(const struct alias_value *v)
{
	char whole[ADDRESS_MAX + sizeof("@x.test")];
	struct address a;
	size_t len = v->text.len;

	must(v->text.len > 0 && memchr(v->text.at, '\n', v->text.len) == NULL &&
	     memchr(v->text.at, '\0', v->text.len) == NULL);
	must(v->kind != ALIAS_DOMAIN);
	must(!v->direct || v->kind == ALIAS_ADDRESS);
	if (v->kind == ALIAS_FILE)
		must(v->text.at[0] == '/');
	if (v->kind != ALIAS_ADDRESS)
		return;
	must(len <= ADDRESS_MAX);
	memcpy(whole, v->text.at, len);
	if (span_ends(v->text, SPAN("\"")) || address_domain_of(v->text).len == 0) {
		memcpy(whole + len, "@x.test", 7);
		len += 7;
	}
	if (len <= ADDRESS_MAX)
		must(address_mailbox(span_from(whole, len), &a) == ADDRESS_OK && a.len == len &&
		     memcmp(a.text, whole, len) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_from((const char *)data, size);
	struct list one = {.count = 0}, two = {.count = 0};
	struct arena arena;

	arena_init(&arena, 64u << 20);
	enum list_outcome first = list_parse(text, &arena, &one);
	enum list_outcome second = list_parse(text, &arena, &two);

	must(first == second && first != LIST_ABSENT && first != LIST_UNUSABLE);
	must((first == LIST_WRONG) == (one.wrong[0] != '\0'));
	must(one.count <= LIST_VALUES_MAX && one.count == two.count);
	for (size_t i = 0; i < one.count; i++) {
		check_value(&one.values[i]);
		must(alias_value_hash(&one.values[i]) == alias_value_hash(&two.values[i]));
	}
	arena_free(&arena);
	return 0;
}
