/*
 * tlsa - where TLSA records of a host are looked for, and where not (RFC 7672, section 2.2.2)
 */
#include "tests/unit/delivery/names.h"

#include "common/protocol/resolver-client.h"
#include "common/text/arena.h"
#include "delivery/dane.h"

#define EE \
	"030101" \
	"abababababababababababababababababababababababababababababababab"
#define PKIX \
	"010101" \
	"abababababababababababababababababababababababababababababababab"

static struct names names;
static struct resolver_client client;
static struct arena arena;

static struct dane
find(const struct names_row *rows, const char *name, const char *canonical, bool is_secure)
{
	struct dane found;

	names_start(&names, rows);
	resolver_client_init(&client, names.path);
	arena_init(&arena, 1u << 20);
	dane_find(&client,
		  &(struct dane_host){.name = span_of(name),
				      .canonical = span_of(canonical),
				      .port = 25,
				      .is_secure = is_secure},
		  &arena, &found);
	return found;
}

static void
end(void)
{
	resolver_client_close(&client);
	arena_free(&arena);
	names_end(&names);
}

static void
assert_base(const struct dane *found, const char *base)
{
	assert_true(span_equal(found->base, span_of(base)));
}

static void
at_the_host_itself(void **state)
{
	static const struct names_row rows[] = {
		{"_25._tcp.mx.test", RESOLVER_TLSA, RESOLVER_FOUND, 0, EE, RESOLVER_SECURE},
		{NULL}};
	struct dane found = find(rows, "mx.test", "mx.test", true);

	(void)state;
	assert_int_equal(found.outcome, DANE_FOUND);
	assert_int_equal(found.count, 1);
	assert_int_equal(found.records[0].usage, DANE_EE);
	assert_base(&found, "mx.test");
	assert_int_equal(names.asked, 1);
	end();
}

static void
where_its_aliases_lead_first(void **state)
{
	static const struct names_row both[] = {
		{"_25._tcp.mx.test", RESOLVER_TLSA, RESOLVER_FOUND, 0, EE, RESOLVER_SECURE},
		{"_25._tcp.real.test", RESOLVER_TLSA, RESOLVER_FOUND, 0, EE, RESOLVER_SECURE},
		{NULL}};
	struct dane found = find(both, "mx.test", "real.test", true);

	(void)state;
	assert_base(&found, "real.test");
	end();
	/* none there: those of the alias */
	found = find((const struct names_row[]){both[0], {NULL}}, "mx.test", "real.test", true);
	assert_int_equal(found.outcome, DANE_FOUND);
	assert_base(&found, "mx.test");
	end();
}

static void
a_signed_alias_of_what_is_not_signed_has_its_own(void **state)
{
	static const struct names_row rows[] = {
		{"mx.test", RESOLVER_CNAME, RESOLVER_FOUND, 0, "real.test", RESOLVER_SECURE},
		{"_25._tcp.mx.test", RESOLVER_TLSA, RESOLVER_FOUND, 0, EE, RESOLVER_SECURE},
		{NULL}};
	struct dane found = find(rows, "mx.test", "real.test", false);

	(void)state;
	assert_int_equal(found.outcome, DANE_FOUND);
	assert_base(&found, "mx.test");
	end();
}

static void
nobody_is_asked_about_a_host_that_is_not_signed(void **state)
{
	static const struct names_row rows[] = {
		{"_25._tcp.mx.test", RESOLVER_TLSA, RESOLVER_FOUND, 0, EE, RESOLVER_SECURE},
		{NULL}};
	struct dane found = find(rows, "mx.test", "mx.test", false);

	(void)state;
	assert_int_equal(found.outcome, DANE_ABSENT);
	assert_int_equal(names.asked, 0);
	end();
}

static void
an_alias_that_is_not_signed_has_none(void **state)
{
	static const struct names_row rows[] = {
		{"mx.test", RESOLVER_CNAME, RESOLVER_FOUND, 0, "real.test", RESOLVER_INSECURE},
		{"_25._tcp.mx.test", RESOLVER_TLSA, RESOLVER_FOUND, 0, EE, RESOLVER_SECURE},
		{NULL}};
	struct dane found = find(rows, "mx.test", "real.test", false);

	(void)state;
	assert_int_equal(found.outcome, DANE_ABSENT);
	assert_int_equal(names.asked, 1);
	end();
}

static void
trouble_is_never_none(void **state)
{
	static const struct names_row rows[] = {{"_25._tcp.real.test", RESOLVER_TLSA,
						 RESOLVER_TROUBLE, 0, "signed wrongly",
						 RESOLVER_BOGUS},
						{NULL}};
	static const struct names_row alias[] = {
		{"mx.test", RESOLVER_CNAME, RESOLVER_TROUBLE, 0, "SERVFAIL"}, {NULL}};
	struct dane found = find(rows, "mx.test", "real.test", true);

	(void)state;
	assert_int_equal(found.outcome, DANE_TROUBLE);
	assert_true(span_equal(found.text, SPAN("signed wrongly")));
	/* and the other name is not asked about, which would answer that there are none */
	assert_int_equal(names.asked, 1);
	end();
	found = find(alias, "mx.test", "real.test", false);
	assert_int_equal(found.outcome, DANE_TROUBLE);
	end();
}

static void
what_is_not_signed_or_not_usable_tells_nothing(void **state)
{
	static const struct names_row unsigned_rows[] = {
		{"_25._tcp.mx.test", RESOLVER_TLSA, RESOLVER_FOUND, 0, EE, RESOLVER_INSECURE},
		{NULL}};
	static const struct names_row useless[] = {
		{"_25._tcp.mx.test", RESOLVER_TLSA, RESOLVER_FOUND, 0, PKIX, RESOLVER_SECURE},
		{"_25._tcp.mx.test", RESOLVER_TLSA, RESOLVER_FOUND, 0, "030101abab",
		 RESOLVER_SECURE},
		/* whole, but neither a certificate nor a key */
		{"_25._tcp.mx.test", RESOLVER_TLSA, RESOLVER_FOUND, 0, "030000abab",
		 RESOLVER_SECURE},
		{"_25._tcp.mx.test", RESOLVER_TLSA, RESOLVER_FOUND, 0, "030100abab",
		 RESOLVER_SECURE},
		{NULL}};
	struct dane found = find(unsigned_rows, "mx.test", "mx.test", true);

	(void)state;
	assert_int_equal(found.outcome, DANE_ABSENT);
	end();
	found = find(useless, "mx.test", "mx.test", true);
	assert_int_equal(found.outcome, DANE_UNUSABLE);
	assert_int_equal(found.count, 0);
	end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(at_the_host_itself),
		cmocka_unit_test(where_its_aliases_lead_first),
		cmocka_unit_test(a_signed_alias_of_what_is_not_signed_has_its_own),
		cmocka_unit_test(nobody_is_asked_about_a_host_that_is_not_signed),
		cmocka_unit_test(an_alias_that_is_not_signed_has_none),
		cmocka_unit_test(trouble_is_never_none),
		cmocka_unit_test(what_is_not_signed_or_not_usable_tells_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
