/*
 * hosts - from the hops of a place to addresses, in their order; and what is said where there are none (RFC 5321, section 5.1)
 */
#include "delivery/hosts.h"
#include "tests/unit/delivery/names.h"

#define MX(name_, preference_, host_) \
	{ \
		name_, RESOLVER_MX, RESOLVER_FOUND, preference_, host_ \
	}
#define A(name_, address_) \
	{ \
		name_, RESOLVER_A, RESOLVER_FOUND, 0, address_ \
	}
#define AAAA(name_, address_) \
	{ \
		name_, RESOLVER_AAAA, RESOLVER_FOUND, 0, address_ \
	}
#define TROUBLE(name_, rr_, text_) \
	{ \
		name_, rr_, RESOLVER_TROUBLE, 0, text_ \
	}

static const struct names_row rows[] = {
	A("two.test", "192.0.2.1"),
	A("two.test", "192.0.2.2"),
	A("two.test", "192.0.2.3"),
	AAAA("two.test", "2001:db8::1"),
	AAAA("two.test", "2001:db8::2"),
	MX("sorted.test", 20, "b.test"),
	MX("sorted.test", 5, "a.test"),
	MX("sorted.test", 30, "c.test"),
	A("a.test", "192.0.2.11"),
	A("b.test", "192.0.2.12"),
	A("c.test", "192.0.2.13"),
	MX("equal.test", 10, "a.test"),
	MX("equal.test", 10, "b.test"),
	MX("equal.test", 10, "c.test"),
	A("implicit.test", "192.0.2.20"),
	MX("null.test", 0, ""),
	MX("part-null.test", 0, ""),
	MX("part-null.test", 10, "a.test"),
	MX("partly.test", 10, "nowhere.test"),
	MX("partly.test", 20, "a.test"),
	MX("dangling.test", 10, "nowhere.test"),
	MX("later.test", 10, "nowhere.test"),
	MX("later.test", 20, "trouble.test"),
	TROUBLE("trouble.test", RESOLVER_A, "SERVFAIL"),
	TROUBLE("trouble.test", RESOLVER_MX, "SERVFAIL"),
	{"nothing.test", RESOLVER_TXT, RESOLVER_FOUND, 0, ""},
	MX("backup.test", 10, "a.test"),
	MX("backup.test", 20, "me.test"),
	MX("backup.test", 20, "b.test"),
	MX("backup.test", 30, "c.test"),
	MX("only-us.test", 10, "me.test"),
	MX("by-address.test", 5, "a.test"),
	MX("by-address.test", 10, "alias-of-me.test"),
	MX("by-address.test", 20, "b.test"),
	A("alias-of-me.test", "127.0.0.1"),
	A("me.test", "127.0.0.1"),
	MX("numbers.test", 10, "192.0.2.1"),
	MX("numbers.test", 20, "a_b.test"),
	A("a_b.test", "192.0.2.30"),
	MX("mixed.test", 10, "B.test"),
	MX("mixed.test", 20, "a.test"),
	MX("xedim.test", 10, "a.test"),
	MX("xedim.test", 10, "b.test"),
	{NULL, 0, 0, 0, NULL},
};

static struct names names;
static struct hosts hosts;
static char hostname[] = "me.test";
static struct config_listen listens[2];
static struct config config = {.hostname = hostname};

static int
start(void **state)
{
	(void)state;
	names_start(&names, rows);
	hosts_init(&hosts, &config, names.path);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	hosts_free(&hosts);
	names_end(&names);
	return 0;
}

/* all addresses, parted by blanks */
static const char *
all_of(const char *place)
{
	static char text[4096];
	const struct hosts_address *a;

	text[0] = '\0';
	hosts_start(&hosts, span_of(place), SPAN_NONE);
	while ((a = hosts_next(&hosts)) != NULL) {
		size_t len = strlen(text);

		snprintf(text + len, sizeof(text) - len, "%s%s", len > 0 ? " " : "", a->text);
	}
	assert_false(hosts_has_more(&hosts));
	return text;
}

static void
expect_none(const char *place, enum fate fate, int code, const char *status, const char *part)
{
	assert_string_equal(all_of(place), "");
	assert_int_equal(hosts.why.fate, fate);
	assert_int_equal(hosts.why.code, code);
	assert_string_equal(hosts.why.status, status);
	if (strstr(hosts.why.text, part) == NULL)
		fail_msg("%s: %s", place, hosts.why.text);
}

static void
literals_ask_nobody(void **state)
{
	(void)state;
	assert_string_equal(all_of("192.0.2.7:25 [2001:db8::7]:587"),
			    "192.0.2.7[192.0.2.7]:25 2001:db8::7[2001:db8::7]:587");
	assert_int_equal(names.asked, 0);
}

static void
a_host_is_tried_at_all_its_addresses_of_both_kinds(void **state)
{
	(void)state;
	assert_string_equal(
		all_of("two.test:26"),
		"two.test[2001:db8::1]:26 two.test[192.0.2.1]:26 two.test[2001:db8::2]:26 "
		"two.test[192.0.2.2]:26 two.test[192.0.2.3]:26");
}

static void
hops_are_asked_for_when_it_is_their_turn(void **state)
{
	(void)state;
	hosts_start(&hosts, SPAN("192.0.2.7:25 a.test:25 b.test:25"), SPAN_NONE);
	assert_non_null(hosts_next(&hosts));
	assert_true(hosts_has_more(&hosts));
	assert_int_equal(names.asked, 0);
	assert_string_equal(hosts_next(&hosts)->text, "a.test[192.0.2.11]:25");
	assert_int_equal(names.asked, 2);
	assert_string_equal(hosts_next(&hosts)->text, "b.test[192.0.2.12]:25");
	assert_null(hosts_next(&hosts));
	assert_null(hosts_next(&hosts));
}

static void
mx_are_tried_by_preference(void **state)
{
	(void)state;
	assert_string_equal(all_of("mx:sorted.test:25"),
			    "a.test[192.0.2.11]:25 b.test[192.0.2.12]:25 "
			    "c.test[192.0.2.13]:25");
}

static void
equal_mx_are_shuffled(void **state)
{
	unsigned first[3] = {0};

	(void)state;
	for (int i = 0; i < 300; i++) {
		hosts_start(&hosts, SPAN("mx:equal.test:25"), SPAN_NONE);
		first[hosts_next(&hosts)->text[0] - 'a']++;
	}
	/* each 100 times; less than 50 is one in 10^9 runs */
	for (int i = 0; i < 3; i++)
		assert_true(first[i] > 50);
}

static void
without_mx_the_domain_is_the_host(void **state)
{
	(void)state;
	assert_string_equal(all_of("mx:implicit.test:27"), "implicit.test[192.0.2.20]:27");
	expect_none("mx:nothing.test:25", FATE_FAILED, 0, "5.4.4", "neither MX nor address");
	assert_true(span_equal(hosts.domain, SPAN("nothing.test")));
}

static void
a_null_mx_is_no_place(void **state)
{
	(void)state;
	expect_none("mx:null.test:25", FATE_FAILED, 556, "5.1.10", "takes no mail");
	/* RFC 7505, section 3: it must stand alone */
	assert_string_equal(all_of("mx:part-null.test:25"), "a.test[192.0.2.11]:25");
}

static void
no_such_domain_is_for_good_and_no_answer_is_not(void **state)
{
	(void)state;
	expect_none("mx:unknown.test:25", FATE_FAILED, 0, "5.1.2", "no domain unknown.test");
	expect_none("mx:trouble.test:25", FATE_DEFERRED, 0, "4.4.3", "SERVFAIL");
	expect_none("trouble.test:25", FATE_DEFERRED, 0, "4.4.3", "SERVFAIL");
	/* a line of the configuration names it: that is to be mended, and nobody's mail is to be returned for it */
	expect_none("unknown.test:25", FATE_DEFERRED, 0, "4.4.4", "no address");
	/* what is uncertain decides */
	expect_none("mx:unknown.test:25 trouble.test:25", FATE_DEFERRED, 0, "4.4.3", "SERVFAIL");
}

static void
mx_hosts_without_address_are_passed_over(void **state)
{
	(void)state;
	assert_string_equal(all_of("mx:partly.test:25"), "a.test[192.0.2.11]:25");
	expect_none("mx:dangling.test:25", FATE_FAILED, 0, "5.4.4", "nowhere.test");
	expect_none("mx:later.test:25", FATE_DEFERRED, 0, "4.4.3", "trouble.test");
	assert_string_equal(all_of("mx:numbers.test:25"), "a_b.test[192.0.2.30]:25");
}

static void
we_and_who_is_not_better_are_left_out(void **state)
{
	(void)state;
	assert_string_equal(all_of("mx:backup.test:25"), "a.test[192.0.2.11]:25");
	expect_none("mx:only-us.test:25", FATE_FAILED, 0, "5.4.6", "come back");
	/* it is our name; nobody has said that we listen there */
	assert_string_equal(all_of("me.test:25"), "me.test[127.0.0.1]:25");
}

static void
we_are_known_by_the_address_that_we_listen_on(void **state)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&listens[1].address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&listens[0].address;

	(void)state;
	hosts_load_local();
	config.listens = listens;
	config.listen_count = 2;
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(26);
	v4->sin_family = AF_INET;
	v4->sin_port = htons(25);
	v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_string_equal(all_of("mx:by-address.test:25"), "a.test[192.0.2.11]:25");
	/* by the wildcard */
	assert_string_equal(all_of("mx:by-address.test:26"), "a.test[192.0.2.11]:26");
	/* another port is another server */
	assert_string_equal(
		all_of("mx:by-address.test:27"),
		"a.test[192.0.2.11]:27 alias-of-me.test[127.0.0.1]:27 b.test[192.0.2.12]:27");
	config.listen_count = 0;
}

static void
lmtp_may_go_to_a_path(void **state)
{
	const struct hosts_address *a;

	(void)state;
	hosts_start(&hosts, SPAN("lmtp:/run/lmtp lmtp:192.0.2.7:24"), SPAN_NONE);
	a = hosts_next(&hosts);
	assert_true(a->is_lmtp && a->address.ss_family == AF_UNIX);
	assert_string_equal(a->text, "/run/lmtp");
	a = hosts_next(&hosts);
	assert_true(a->is_lmtp && a->address.ss_family == AF_INET);
	assert_null(hosts_next(&hosts));
}

static void
what_is_no_hop_gives_a_sentence(void **state)
{
	struct verdict why;

	(void)state;
	expect_none("nonsense", FATE_DEFERRED, 0, "4.3.5", "no HOST:PORT");
	expect_none("", FATE_DEFERRED, 0, "4.3.5", "no host is named");
	assert_int_equal(hosts_check(SPAN(" "), &why), -1);
	assert_int_equal(hosts_check(SPAN("nonsense"), &why), -1);
	assert_int_equal(why.fate, FATE_DEFERRED);
	assert_int_equal(hosts_check(SPAN("nonsense mx:a.test:25"), &why), 0);
}

static void
without_a_resolver_all_is_deferred(void **state)
{
	struct hosts alone;

	(void)state;
	hosts_init(&alone, &config, NULL);
	hosts_start(&alone, SPAN("mx:sorted.test:25"), SPAN_NONE);
	assert_null(hosts_next(&alone));
	assert_int_equal(alone.why.fate, FATE_DEFERRED);
	assert_non_null(strstr(alone.why.text, "resolver"));
	hosts_free(&alone);
}

static void
domains_with_the_same_hosts_are_one_site(void **state)
{
	(void)state;
	(void)all_of("mx:null.test:25");
	assert_string_equal(hosts.site, "");
	(void)all_of("mx:mixed.test:25");
	assert_string_equal(hosts.site, "a.test:25 b.test:25");
	/* in another order of preference */
	(void)all_of("mx:xedim.test:25");
	assert_string_equal(hosts.site, "a.test:25 b.test:25");
	(void)all_of("mx:a.test:2525");
	assert_string_equal(hosts.site, "a.test:2525");
	/* sites are of MX alone */
	(void)all_of("mx:mixed.test:25 a.test:25");
	assert_string_equal(hosts.site, "");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)
	const struct CMUnitTest tests[] = {
		TEST(literals_ask_nobody),
		TEST(domains_with_the_same_hosts_are_one_site),
		TEST(a_host_is_tried_at_all_its_addresses_of_both_kinds),
		TEST(hops_are_asked_for_when_it_is_their_turn),
		TEST(mx_are_tried_by_preference),
		TEST(equal_mx_are_shuffled),
		TEST(without_mx_the_domain_is_the_host),
		TEST(a_null_mx_is_no_place),
		TEST(no_such_domain_is_for_good_and_no_answer_is_not),
		TEST(mx_hosts_without_address_are_passed_over),
		TEST(we_and_who_is_not_better_are_left_out),
		TEST(we_are_known_by_the_address_that_we_listen_on),
		TEST(lmtp_may_go_to_a_path),
		TEST(what_is_no_hop_gives_a_sentence),
		TEST(without_a_resolver_all_is_deferred),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
