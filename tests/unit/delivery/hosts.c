/*
 * hosts - from the words of a place to addresses
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "delivery/hosts.h"

static struct hosts_list hosts;
static struct verdict why;

static const char hosts_file[] = "# comment\n"
				 "127.0.0.1 localhost\n"
				 "::1\tlocalhost ip6-localhost\n"
				 "192.0.2.1  Mail.Example.ORG mail # the old one\r\n"
				 "2001:db8::1 mail.example.org\n"
				 "not-an-address broken.example.org\n"
				 "192.0.2.9";

static void
literals_are_taken_with_and_without_brackets(void **state)
{
	(void)state;
	assert_int_equal(
		hosts_find(SPAN("192.0.2.7:25 [2001:db8::7]:587 2001:db8::8:26"), &hosts, &why), 0);
	assert_int_equal(hosts.count, 3);
	assert_string_equal(hosts.list[0].text, "192.0.2.7[192.0.2.7]:25");
	assert_string_equal(hosts.list[1].text, "2001:db8::7[2001:db8::7]:587");
	assert_string_equal(hosts.list[2].text, "2001:db8::8[2001:db8::8]:26");
	assert_int_equal(hosts.list[1].address.ss_family, AF_INET6);
}

static void
names_of_the_file_give_all_their_addresses_in_order(void **state)
{
	(void)state;
	hosts_load_text(SPAN(hosts_file));
	assert_int_equal(hosts_find(SPAN("mail.example.org:25 mail:26"), &hosts, &why), 0);
	assert_int_equal(hosts.count, 3);
	assert_string_equal(hosts.list[0].text, "mail.example.org[192.0.2.1]:25");
	assert_string_equal(hosts.list[1].text, "mail.example.org[2001:db8::1]:25");
	assert_string_equal(hosts.list[2].text, "mail[192.0.2.1]:26");
}

static void
localhost_is_known_without_a_file(void **state)
{
	(void)state;
	hosts_load_text(SPAN_NONE);
	assert_int_equal(hosts_find(SPAN("LOCALHOST:2525"), &hosts, &why), 0);
	assert_int_equal(hosts.count, 2);
	assert_string_equal(hosts.list[0].text, "LOCALHOST[127.0.0.1]:2525");
}

static void
another_name_is_deferred_with_a_sentence(void **state)
{
	(void)state;
	hosts_load_text(SPAN(hosts_file));
	assert_int_equal(hosts_find(SPAN("smtp.example.net:25"), &hosts, &why), -1);
	assert_int_equal(why.fate, FATE_DEFERRED);
	assert_string_equal(why.status, "4.4.3");
	assert_string_equal(why.text, "the host name smtp.example.net is not in /etc/hosts; other "
				      "names need the resolver");
	assert_int_equal(hosts_find(SPAN("broken.example.org:25"), &hosts, &why), -1);
	/* one that is known makes the place reachable */
	assert_int_equal(hosts_find(SPAN("smtp.example.net:25 192.0.2.1:25"), &hosts, &why), 0);
	assert_int_equal(hosts.count, 1);
}

static void
what_is_no_host_and_port_is_not_guessed(void **state)
{
	static const char *const words[] = {
		"",    ":",	":25",	   "host",    "host:",	     "host:0",	   "host:65536",
		"h:x", "[]:25", "[::1:25", "[::1]25", "1.2.3.4:+25", "1.2.3.4:25x"};
	(void)state;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		assert_int_equal(hosts_find(span_of(words[i]), &hosts, &why), -1);
		assert_int_equal(why.fate, FATE_DEFERRED);
	}
}

static void
a_place_has_a_maximum_of_addresses(void **state)
{
	char place[HOSTS_ADDRESSES_MAX * 2 * 13 + 1] = "";
	(void)state;

	for (int i = 0; i < HOSTS_ADDRESSES_MAX * 2; i++)
		strcat(place, "192.0.2.1:25 ");
	assert_int_equal(hosts_find(span_of(place), &hosts, &why), 0);
	assert_int_equal(hosts.count, HOSTS_ADDRESSES_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(literals_are_taken_with_and_without_brackets),
		cmocka_unit_test(names_of_the_file_give_all_their_addresses_in_order),
		cmocka_unit_test(localhost_is_known_without_a_file),
		cmocka_unit_test(another_name_is_deferred_with_a_sentence),
		cmocka_unit_test(what_is_no_host_and_port_is_not_guessed),
		cmocka_unit_test(a_place_has_a_maximum_of_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
