/* logins: mail of one host by two logins is of two places and two sites, and nobody's agent gets the other's */
#include "tests/unit/queue-manager/harness.h"

static struct heard_job job;
static char asked[8][64]; /* senders, as lookup was told */
static unsigned asked_count;

/* the login is the local part of the sender */
static void
by_sender(const struct lookup_question *q, struct lookup_leaf *l)
{
	struct span rest = q->sender;
	to_smarthost(q, l);
	if (asked_count < 8)
		assert_int_equal(span_copy(q->sender, asked[asked_count++], sizeof(asked[0])), 0);
	l->user = span_cut(&rest, '@');
}

/* the next WANT: the login it is for, and an agent for it */
static int
agent_for(struct harness *h, const char *login)
{
	static struct heard w;
	struct jobs_want want;
	assert_int_equal(hear(h, h->parent, &w), JOBS_WANT);
	decode(&w, jobs_orders, &want);
	assert_true(span_equal(want.home, span_of(login)));
	assert_true(span_equal(want.hosts, SPAN("192.0.2.2:25")));
	const struct jobs_agent a = {w.header.request};
	int fd = connect_to(h, "jobs");
	say(fd, jobs_calls, JOBS_AGENT, 1, &a);
	turns(h);
	return fd;
}

static void
each_login_has_a_place_and_a_site(void **state)
{
	struct harness *h = *state;
	static char *words[] = {(char *)(uintptr_t) "/senders"};
	h->config.outbound.sent_as.senders = (struct config_tables){words, 1};
	asked_count = 0;
	(void)accept_message(h, "ann@s.example", "x@remote.example");
	(void)accept_message(h, "bob@s.example", "x@remote.example");
	(void)answer_lookup(h, by_sender);
	assert_int_equal(asked_count, 2);
	assert_string_equal(asked[0], "ann@s.example");
	assert_string_equal(asked[1], "bob@s.example");
	h->parent = parent_of(h, JOBS_SMTP);
	int ann = agent_for(h, "ann");
	int bob = agent_for(h, "bob");
	assert_true(hear_job(h, ann, &job));
	assert_string_equal(job.sender, "ann@s.example");
	assert_true(hear_job(h, bob, &job));
	assert_string_equal(job.sender, "bob@s.example");
	/* the agent that is free gets what is its own, and what is the other's waits for the other */
	(void)accept_message(h, "bob@s.example", "y@remote.example");
	(void)answer_lookup(h, by_sender);
	say_result(ann, 1, FATE_DELIVERED, true, false);
	turns(h);
	assert_false(hear_job(h, ann, &job));
	say_result(bob, 1, FATE_DELIVERED, true, false);
	turns(h);
	assert_true(hear_job(h, bob, &job));
	assert_string_equal(job.addresses[0], "y@remote.example");
	/* what is trouble for one is none for the other */
	struct place *of_ann =
		queue_place(h->q, JOBS_SMTP, SPAN("192.0.2.2:25"), SPAN("outbound"), SPAN("ann"));
	struct place *of_bob =
		queue_place(h->q, JOBS_SMTP, SPAN("192.0.2.2:25"), SPAN("outbound"), SPAN("bob"));
	assert_ptr_not_equal(of_ann->site, of_bob->site);
	assert_string_equal(of_bob->site->name, "192.0.2.2:25 (bob)");
	close(ann);
	close(bob);
}

/* what needs no table is settled without lookup, and by the login of its block all the same */
static void
without_a_table_it_is_the_login_of_the_block(void **state)
{
	struct harness *h = *state;
	static char hops[] = "192.0.2.2:25", login[] = "relay";
	static char *words[] = {(char *)(uintptr_t) "/senders"};
	h->config.outbound.hops = hops;
	h->config.outbound.sent_as.login = login;
	asked_count = 0;
	(void)accept_message(h, "ann@s.example", "x@remote.example");
	(void)answer_lookup(h, by_sender);
	assert_int_equal(asked_count, 0);
	h->parent = parent_of(h, JOBS_SMTP);
	int agent = agent_for(h, "relay");
	assert_true(hear_job(h, agent, &job));
	say_result(agent, 1, FATE_DELIVERED, true, false);
	/* with one the null sender needs no question, everybody else does */
	h->config.outbound.sent_as.senders = (struct config_tables){words, 1};
	(void)accept_message(h, "", "x@remote.example");
	(void)answer_lookup(h, by_sender);
	assert_int_equal(asked_count, 0);
	assert_true(hear_job(h, agent, &job));
	assert_string_equal(job.sender, "");
	say_result(agent, 1, FATE_DELIVERED, true, false);
	(void)accept_message(h, "ann@s.example", "x@remote.example");
	(void)answer_lookup(h, by_sender);
	assert_int_equal(asked_count, 1);
	assert_false(hear_job(h, agent, &job));
	close(agent_for(h, "ann"));
	close(agent);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_login_has_a_place_and_a_site, setup, teardown),
		cmocka_unit_test_setup_teardown(without_a_table_it_is_the_login_of_the_block, setup,
						teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
