/* site-list: what waits for which site, and the limit that binds */
#include "tests/unit/queue-manager/asking.h"

#include "queue-manager/site-list.h"

static struct heard w;
static struct heard_job job;

struct found {
	unsigned count;
	struct control_site site;
	char name[DESTINATION_NAME_MAX + 1], limit[CONTROL_TEXT_MAX + 1],
		reply[CONTROL_TEXT_MAX + 1];
};

static void
keep(struct span s, char *to, size_t size)
{
	assert_int_equal(span_copy(s, to, size), 0);
}

/* the site that is named so among those that are listed */
static struct found
site(struct harness *h, const char *selector, const char *name)
{
	int fd = connect_to(h, "control");
	const struct control_sites s = {words(selector)};
	struct found f = {.count = 0};
	struct control_site one;
	say(fd, control_calls, CONTROL_SITES, 1, &s);
	while (hear(h, fd, &w) == CONTROL_SITE) {
		decode(&w, control_answers, &one);
		f.count++;
		if (!span_equal(one.name, span_of(name)))
			continue;
		f.site = one;
		keep(one.name, f.name, sizeof(f.name));
		keep(one.limit, f.limit, sizeof(f.limit));
		keep(one.reply, f.reply, sizeof(f.reply));
	}
	assert_int_equal(w.type, CONTROL_DONE);
	close(fd);
	turns(h);
	return f;
}

#define SMARTHOST "192.0.2.2:25"

static void
recipients_are_counted_by_site_and_age(void **state)
{
	struct harness *h = *state;
	uint64_t old = accept_message(h, "anna@b.example", "x@y.example q@z.example");
	(void)answer_lookup(h, to_smarthost);
	message_find(h->q, old)->arrived_us -= INT64_C(2 * 3600) * 1000000;
	(void)accept_message(h, "bert@b.example", "x@y.example");
	(void)answer_lookup(h, to_smarthost);
	(void)accept_message(h, "bert@b.example", "x@new.example");
	struct found f = site(h, "", SMARTHOST);
	assert_int_equal(f.count, 2);
	assert_int_equal(f.site.recipients, 3);
	assert_int_equal(f.site.age[0], 1);
	assert_int_equal(f.site.age[2], 2);
	assert_int_equal(f.site.oldest_us, message_find(h->q, old)->arrived_us);
	assert_int_equal(f.site.known, 1);
	/* not routed yet: its domain stands for it */
	f = site(h, "", "new.example");
	assert_int_equal(f.site.recipients, 1);
	assert_int_equal(f.site.known, 0);
	/* a selector counts whom it means */
	f = site(h, "domain=z.example", SMARTHOST);
	assert_int_equal(f.count, 1);
	assert_int_equal(f.site.recipients, 1);
	f = site(h, "from=nobody", SMARTHOST);
	assert_int_equal(f.count, 0);
}

static void
reload_site(struct manager *q, struct place *p)
{
	site_reload(q, p->site);
}

static void
the_limit_that_binds_is_named(void **state)
{
	struct harness *h = *state;
	(void)accept_message(h, "anna@b.example", "x@y.example");
	(void)answer_lookup(h, to_smarthost);
	struct found f = site(h, "", SMARTHOST);
	assert_string_equal(f.limit, "the program that delivers is not there");
	h->parent = parent_of(h, JOBS_SMTP);
	int agent = agent_of(h, h->parent);
	assert_true(hear_job(h, agent, &job));
	f = site(h, "", SMARTHOST);
	assert_int_equal(f.site.active, 1);
	assert_int_equal(f.site.agents, 1);
	assert_int_equal(f.site.window, SITE_WINDOW_FIRST);
	assert_int_equal(f.site.window_max, h->config.limits.concurrency);
	assert_string_equal(f.limit, "");
	/* more than the window has room for, two of which are asked for */
	for (int i = 0; i < 3; i++)
		(void)accept_message(h, "anna@b.example", "x@y.example");
	(void)answer_lookup(h, to_smarthost);
	f = site(h, "", SMARTHOST);
	assert_string_equal(f.limit, "its window, which grows while it answers well");
	h->config.limits.concurrency = 1;
	queue_places_each(h->q, reload_site);
	f = site(h, "", SMARTHOST);
	assert_string_equal(f.limit, "its connections: limit concurrency");
	h->config.limits.concurrency = 20;
	queue_places_each(h->q, reload_site);
	say_result(agent, 1, FATE_DEFERRED, true, false);
	assert_int_equal(act(h, CONTROL_HOLD, "state=ready"), 2); /* the agent has the third */
	f = site(h, "state=deferred", SMARTHOST);
	assert_string_equal(f.limit, "each message waits for its own next attempt");
	close(agent);
}

static void
a_site_in_trouble_tells_its_last_reply(void **state)
{
	struct harness *h = *state;
	(void)accept_message(h, "anna@b.example", "x@y.example");
	(void)answer_lookup(h, to_smarthost);
	h->parent = parent_of(h, JOBS_SMTP);
	for (int i = 0; i < 2; i++) { /* its window of two, then of one */
		int agent = agent_of(h, h->parent);
		assert_true(hear_job(h, agent, &job));
		say_result(agent, 1, FATE_DEFERRED, true, true);
		turns(h);
		close(agent);
		turns(h);
		if (i == 0) {
			assert_int_equal(act(h, CONTROL_RETRY, "all"), 1);
			(void)answer_lookup(h, to_smarthost);
		}
	}
	struct found f = site(h, "", SMARTHOST);
	assert_true(strncmp(f.limit, "the site is in trouble: tried again in ", 39) == 0);
	assert_string_equal(f.reply, "451 4.2.0 so it is (mx.example[192.0.2.2]:25)");
	assert_true(f.site.back_off_ms > 0);
	assert_true(f.site.probe_ms > 0 && f.site.probe_ms <= f.site.back_off_ms);
}

/* names stay whole while domains come and go below the list */
static void
a_name_is_its_own_while_it_is_listed(void **state)
{
	struct harness *h = *state;
	struct site_list l = {.count = 0};
	uint64_t id = accept_message(h, "anna@b.example", "x@y.example");
	struct message *m = message_find(h->q, id);
	site_list_count(h->q, &l, m, &m->recipients[0]);
	assert_int_equal(act(h, CONTROL_REMOVE, "all"), 1);
	(void)accept_message(h, "anna@b.example", "x@other.example");
	assert_true(span_equal(name_text(l.rows[1].name), SPAN("y.example")));
	site_list_free(h->q, &l);
	assert_null(names_find(&h->q->destinations.domains, SPAN("y.example")));
	assert_non_null(names_find(&h->q->destinations.domains, SPAN("other.example")));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(recipients_are_counted_by_site_and_age),
		TEST(the_limit_that_binds_is_named),
		TEST(a_site_in_trouble_tells_its_last_reply),
		TEST(a_name_is_its_own_while_it_is_listed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
