/* hosts that take no connection: who is told to try which of them last, and when one is tried again */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "queue-manager/host.h"

#define A "a[192.0.2.1]:25"
#define B "b[192.0.2.2]:25"

static struct hosts hosts;
static struct buffer text;

static const char *
avoided(struct site_hosts *of, int64_t now_ms, bool may_probe)
{
	if (text.max == 0)
		buffer_init(&text, 4096);
	buffer_clear(&text);
	host_avoid(&hosts, of, now_ms, may_probe, &text);
	buffer_char(&text, '\0');
	return text.at;
}

static void
a_dead_host_is_avoided_until_one_agent_tries_it(void **state)
{
	struct site_hosts site = {.count = 0};
	(void)state;
	assert_string_equal(avoided(&site, 0, true), "");
	host_down(&hosts, &site, SPAN(A), 1000);
	host_down(&hosts, &site, SPAN(B), 2000);
	assert_string_equal(avoided(&site, 2000, true), A " " B);
	/* a's time is over: an agent that has a connection leaves it alone, the next one tries it, no other does */
	assert_string_equal(avoided(&site, 61000, false), A " " B);
	assert_string_equal(avoided(&site, 61000, true), B);
	assert_string_equal(avoided(&site, 61000, true), A " " B);
	/* still dead: twice as long */
	host_down(&hosts, &site, SPAN(A), 66000);
	assert_string_equal(avoided(&site, 185000, true), A);
	/* well: nothing is known of them any more */
	host_up(&hosts, SPAN(A));
	host_up(&hosts, SPAN(B));
	assert_string_equal(avoided(&site, 185000, true), "");
	assert_int_equal(hosts.count, 0);
	host_forget(&hosts, &site);
}

static void
those_under_way_when_it_was_found_dead_say_it_once(void **state)
{
	struct site_hosts site = {.count = 0};
	(void)state;
	for (int i = 0; i < 20; i++)
		host_down(&hosts, &site, SPAN(A), 1000 + i);
	assert_string_equal(avoided(&site, 61020, true), "");
	host_forget(&hosts, &site);
	assert_int_equal(hosts.count, 0);
}

static void
what_one_site_finds_out_another_that_knows_the_host_is_told(void **state)
{
	struct site_hosts one = {.count = 0}, two = {.count = 0};
	(void)state;
	host_down(&hosts, &one, SPAN(A), 1000);
	host_share(&one, &two);
	assert_string_equal(avoided(&two, 2000, true), A);
	host_up(&hosts, SPAN(A));
	host_down(&hosts, &one, SPAN(A), 5000);
	assert_string_equal(avoided(&two, 6000, true), A);
	host_forget(&hosts, &one);
	assert_int_equal(hosts.count, 1);
	host_forget(&hosts, &two);
	assert_int_equal(hosts.count, 0);
}

static void
a_site_that_comes_later_knows_what_others_found_out(void **state)
{
	struct site_hosts one = {.count = 0}, later = {.count = 0};
	(void)state;
	host_down(&hosts, &one, SPAN("Mx1.example[192.0.2.1]:25"), 1000);
	host_down(&hosts, &one, SPAN("mx1.example[2001:db8::1]:25"), 1000);
	host_down(&hosts, &one, SPAN("mx2.example[192.0.2.2]:25"), 1000);
	host_down(&hosts, &one, SPAN("mx1.example[192.0.2.1]:2525"), 1000);
	host_up(&hosts, SPAN("mx2.example[192.0.2.2]:25"));
	host_learn(&hosts, &later, SPAN("mx0.example:25 mx1.example:25 mx2.example:25"));
	assert_int_equal(later.count, 2);
	assert_string_equal(avoided(&later, 2000, true),
			    later.host[0]->name[0] == 'M'
				    ? "Mx1.example[192.0.2.1]:25 mx1.example[2001:db8::1]:25"
				    : "mx1.example[2001:db8::1]:25 Mx1.example[192.0.2.1]:25");
	host_forget(&hosts, &one);
	host_forget(&hosts, &later);
	assert_int_equal(hosts.count, 0);
}

static void
there_are_bounds(void **state)
{
	struct site_hosts sites[HOSTS_MAX / SITE_HOSTS_MAX + 2];
	char name[64];
	(void)state;
	for (size_t s = 0; s < sizeof(sites) / sizeof(sites[0]); s++) {
		sites[s].count = 0;
		for (int i = 0; i < SITE_HOSTS_MAX + 4; i++) {
			snprintf(name, sizeof(name), "h%zu-%d[192.0.2.1]:25", s, i);
			host_down(&hosts, &sites[s], span_of(name), 1000);
		}
		assert_true(sites[s].count <= SITE_HOSTS_MAX);
	}
	assert_int_equal(hosts.count, HOSTS_MAX);
	for (size_t s = 0; s < sizeof(sites) / sizeof(sites[0]); s++)
		host_forget(&hosts, &sites[s]);
	assert_int_equal(hosts.count, 0);
	hosts_free(&hosts);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_dead_host_is_avoided_until_one_agent_tries_it),
		cmocka_unit_test(those_under_way_when_it_was_found_dead_say_it_once),
		cmocka_unit_test(what_one_site_finds_out_another_that_knows_the_host_is_told),
		cmocka_unit_test(a_site_that_comes_later_knows_what_others_found_out),
		cmocka_unit_test(there_are_bounds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
