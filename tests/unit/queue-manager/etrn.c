/* etrn: what is deferred for a domain is due when its host asks, once per interval */
#include "tests/unit/queue-manager/asking.h"

#define INTERVAL_MS 300000

static struct heard w;
static struct heard_job job;

static enum intake_retry_outcome
etrn(struct harness *h, const char *domain, bool below)
{
	int fd = connect_to(h, "intake");
	const struct intake_retry m = {span_of(domain), below};
	struct intake_retrying answer;
	say(fd, intake_calls, INTAKE_RETRY, 5, &m);
	assert_int_equal(hear(h, fd, &w), INTAKE_RETRYING);
	assert_int_equal(w.header.request, 5);
	decode(&w, intake_answers, &answer);
	close(fd);
	turns(h);
	return (enum intake_retry_outcome)answer.outcome;
}

/* deferred, each; `trouble`: the site is dead then */
static void
defer(struct harness *h, const char *to, bool trouble)
{
	(void)accept_message(h, "anna@b.example", to);
	(void)answer_lookup(h, to_smarthost);
	if (h->parent < 0)
		h->parent = parent_of(h, JOBS_SMTP);
	int agent = agent_of(h, h->parent);
	assert_true(hear_job(h, agent, &job));
	say_result(agent, 1, FATE_DEFERRED, true, trouble);
	turns(h);
	close(agent);
	turns(h);
}

static int
deferred(struct harness *h)
{
	return list(h, "state=deferred", false, NULL);
}

static void
its_mail_is_due_and_nobody_elses(void **state)
{
	struct harness *h = *state;
	h->config.limits.etrn_interval = INTERVAL_MS;
	defer(h, "x@y.example", false);
	defer(h, "x@sub.y.example", false);
	defer(h, "x@ay.example", false);
	assert_int_equal(deferred(h), 3);
	assert_int_equal(etrn(h, "y.example", false), INTAKE_RETRY_STARTED);
	assert_int_equal(deferred(h), 2);
	assert_int_equal(list(h, "state=ready domain=y.example", false, NULL), 1);
	/* another name than before: `@` */
	assert_int_equal(etrn(h, "y.example", true), INTAKE_RETRY_STARTED);
	assert_int_equal(deferred(h), 1);
	assert_int_equal(etrn(h, "none.example", false), INTAKE_RETRY_NOTHING);
}

static void
once_per_interval(void **state)
{
	struct harness *h = *state;
	h->config.limits.etrn_interval = INTERVAL_MS;
	h->q->false_ms = clock_monotonic_ms();
	(void)accept_message(h, "anna@b.example", "x@y.example z@z.example");
	assert_int_equal(etrn(h, "y.example", false), INTAKE_RETRY_STARTED);
	assert_int_equal(etrn(h, "y.example", false), INTAKE_RETRY_SOON);
	assert_int_equal(etrn(h, "z.example", false), INTAKE_RETRY_STARTED);
	h->q->false_ms += INTERVAL_MS - 1;
	assert_int_equal(etrn(h, "y.example", false), INTAKE_RETRY_SOON);
	h->q->false_ms += 1;
	assert_int_equal(etrn(h, "y.example", false), INTAKE_RETRY_STARTED);
}

static void
no_more_domains_than_are_remembered(void **state)
{
	struct harness *h = *state;
	char domain[32];
	h->config.limits.etrn_interval = INTERVAL_MS;
	for (int i = 0; i <= ETRN_RECENT_MAX; i++) {
		snprintf(domain, sizeof(domain), "d%d.example", i);
		assert_int_equal(etrn(h, domain, true),
				 i < ETRN_RECENT_MAX ? INTAKE_RETRY_STARTED : INTAKE_RETRY_SOON);
	}
}

static void
a_site_in_trouble_is_tried_again(void **state)
{
	struct harness *h = *state;
	h->config.limits.etrn_interval = INTERVAL_MS;
	defer(h, "x@y.example", true);
	defer(h, "x@y.example", true);
	(void)answer_lookup(h, to_smarthost);
	assert_int_equal(deferred(h), 2);
	assert_int_equal(etrn(h, "y.example", false), INTAKE_RETRY_STARTED);
	(void)answer_lookup(h, to_smarthost);
	int agent = agent_of(h, h->parent);
	assert_true(hear_job(h, agent, &job));
	close(agent);
}

static void
what_is_held_stays(void **state)
{
	struct harness *h = *state;
	h->config.limits.etrn_interval = INTERVAL_MS;
	defer(h, "x@y.example", false);
	assert_int_equal(act(h, CONTROL_HOLD, "all"), 1);
	assert_int_equal(etrn(h, "y.example", false), INTAKE_RETRY_STARTED);
	assert_int_equal(list(h, "state=held", false, NULL), 1);
	struct message *m = h->q->messages.first;
	assert_int_equal(m->recipients[0].state, RECIPIENT_DEFERRED);
}

/* in the midst of a transaction it is out of turn */
static void
only_between_transactions(void **state)
{
	struct harness *h = *state;
	struct session s = {.fd = connect_to(h, "intake"), .writer = -1};
	const struct intake_retry m = {SPAN("y.example"), 0};
	session_open(h, &s);
	say(s.fd, intake_calls, INTAKE_RETRY, 5, &m);
	turns(h);
	assert_int_equal(hear(h, s.fd, &w), -1);
	session_close(&s);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(its_mail_is_due_and_nobody_elses),
		TEST(once_per_interval),
		TEST(no_more_domains_than_are_remembered),
		TEST(a_site_in_trouble_is_tried_again),
		TEST(what_is_held_stays),
		TEST(only_between_transactions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
