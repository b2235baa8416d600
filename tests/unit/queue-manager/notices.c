/* notices: who is told of what, as RFC 3461 has it, and of nothing twice */
#include "tests/unit/queue-manager/harness.h"

static struct heard w;
static struct heard_job job;

struct told {
	unsigned count;
	char addresses[8][64], originals[8][64], orcpts[8][64];
	uint64_t actions[8], numbers[8], until[8];
	struct jobs_job job;
	char envid[128];
};

static uint64_t
accept_with(struct harness *h, const char *sender, const struct intake_recipient *list,
	    size_t count)
{
	static struct wire items;
	struct session s = {.fd = connect_to(h, "intake"), .writer = -1};
	const struct intake_envelope e = {.origin = INTAKE_NETWORK,
					  .client = SPAN("192.0.2.1"),
					  .helo = SPAN("client.example"),
					  .protocol = SPAN("ESMTP"),
					  .sender = span_of(sender),
					  .utf8 = 1,
					  .tls_demand = INTAKE_TLS_REQUIRED,
					  .ret = INTAKE_RET_HDRS,
					  .envid = SPAN("a b=c"),
					  .length = strlen(CONTENT),
					  .checksum = checksum_of(CONTENT, strlen(CONTENT)),
					  .top = SPAN_NONE};
	session_open(h, &s);
	session_write(&s, CONTENT);
	say(s.fd, intake_calls, INTAKE_ENVELOPE, 1, &e);
	wire_list_start(&items);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(
			wire_list_add(&items, WIRE_LIST_ROOM, &intake_recipient_shape, &list[i]),
			0);
	const struct intake_recipients all = {wire_list_get(&items)};
	say(s.fd, intake_calls, INTAKE_RECIPIENTS, 1, &all);
	session_commit(&s, count);
	assert_int_equal(hear(h, s.fd, &w), INTAKE_QUEUED);
	say(s.fd, intake_calls, INTAKE_KEEP, 1, &(struct intake_keep){0});
	turns(h);
	session_close(&s);
	turns(h);
	return s.id;
}

static uint64_t
accept_one(struct harness *h, const char *sender, uint64_t notify)
{
	const struct intake_recipient r = {
		.address = SPAN("x@y.example"), .notify = notify, .orcpt = SPAN("rfc822;x y")};
	return accept_with(h, sender, &r, 1);
}

static int
agent_with_job(struct harness *h, leaf_maker *leaf)
{
	while (answer_lookup(h, leaf) > 0)
		;
	h->parent = parent_of(h, JOBS_SMTP);
	int agent = agent_of(h, h->parent);
	assert_true(agent >= 0);
	assert_true(hear_job(h, agent, &job));
	return agent;
}

static void
say_delivered(int agent, uint64_t number, enum jobs_relayed relayed, bool last)
{
	const struct jobs_result r = {.number = number,
				      .fate = FATE_DELIVERED,
				      .code = 250,
				      .status = SPAN("2.0.0"),
				      .text = SPAN("ok"),
				      .host = SPAN("mx.example[192.0.2.2]:25"),
				      .last = last,
				      .relayed = relayed};
	say(agent, jobs_calls, JOBS_RESULT, 0, &r);
}

/* the job of a notice; false: there is none */
static bool
hear_notice(struct harness *h, int notifier, struct told *t)
{
	struct jobs_failures failures;
	struct jobs_failure f;
	*t = (struct told){.count = 0};
	if (hear(h, notifier, &w) != JOBS_JOB)
		return false;
	decode(&w, jobs_orders, &t->job);
	assert_int_equal(span_copy(t->job.envid, t->envid, sizeof(t->envid)), 0);
	channel_close_fds(&w.fds);
	assert_int_equal(hear(h, notifier, &w), JOBS_FAILURES);
	decode(&w, jobs_orders, &failures);
	for (; wire_list_next(&failures.failures, &jobs_failure_shape, &f); t->count++) {
		assert_int_equal(span_copy(f.address, t->addresses[t->count], 64), 0);
		assert_int_equal(span_copy(f.original, t->originals[t->count], 64), 0);
		assert_int_equal(span_copy(f.orcpt, t->orcpts[t->count], 64), 0);
		t->actions[t->count] = f.action;
		t->numbers[t->count] = f.number;
		t->until[t->count] = f.until_us;
	}
	return true;
}

static void
say_told(struct harness *h, int notifier)
{
	const struct jobs_result done = {.fate = FATE_DELIVERED,
					 .status = SPAN("2.0.0"),
					 .text = SPAN_NONE,
					 .host = SPAN("66101D47CF6B0"),
					 .last = 1};
	say(notifier, jobs_calls, JOBS_RESULT, 0, &done);
	turns(h);
}

static void
success_is_told_of_by_us_where_nobody_else_will(void **state)
{
	static const struct {
		uint64_t notify;
		enum jobs_relayed relayed;
		uint64_t action; /* 0: nothing is told */
	} cases[] = {
		{INTAKE_NOTIFY_SUCCESS, JOBS_RELAYED_FINAL, JOBS_ACTION_DELIVERED},
		{INTAKE_NOTIFY_SUCCESS, JOBS_RELAYED_SILENT, JOBS_ACTION_RELAYED},
		{INTAKE_NOTIFY_SUCCESS, JOBS_RELAYED_PASSED, 0},
		{INTAKE_NOTIFY_FAILURE, JOBS_RELAYED_SILENT, 0},
		{INTAKE_NOTIFY_NEVER, JOBS_RELAYED_FINAL, 0},
		{0, JOBS_RELAYED_FINAL, 0},
	};
	struct harness *h = *state;
	struct told t;
	int bounce = parent_of(h, JOBS_NOTICE), notifier = -1;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t id = accept_one(h, "s@b.example", cases[i].notify);
		int agent = agent_with_job(h, to_smarthost);
		assert_int_equal(job.job.utf8, 1);
		assert_int_equal(job.job.tls_demand, INTAKE_TLS_REQUIRED);
		assert_int_equal(job.job.ret, INTAKE_RET_HDRS);
		say_delivered(agent, 1, cases[i].relayed, true);
		turns(h);
		assert_int_equal(file_exists(h, id), cases[i].action != 0);
		if (cases[i].action != 0) {
			if (notifier < 0)
				notifier = agent_of(h, bounce);
			assert_true(hear_notice(h, notifier, &t));
			assert_int_equal(t.count, 1);
			assert_int_equal(t.actions[0], cases[i].action);
			assert_string_equal(t.orcpts[0], "rfc822;x y");
			assert_string_equal(t.envid, "a b=c");
			say_told(h, notifier);
			assert_false(file_exists(h, id));
		}
		close(agent);
		close(h->parent);
		turns(h);
	}
	h->parent = -1;
	close(notifier);
	close(bounce);
}

static void
the_null_sender_hears_of_no_success(void **state)
{
	struct harness *h = *state;
	uint64_t id = accept_one(h, "", INTAKE_NOTIFY_SUCCESS);
	int agent = agent_with_job(h, to_smarthost);
	say_delivered(agent, 1, JOBS_RELAYED_FINAL, true);
	turns(h);
	assert_false(file_exists(h, id));
	close(agent);
}

static void
a_failure_nobody_wants_to_hear_of_ends_in_silence(void **state)
{
	struct harness *h = *state;
	static const uint64_t notifies[] = {INTAKE_NOTIFY_NEVER,
					    INTAKE_NOTIFY_SUCCESS | INTAKE_NOTIFY_DELAY};
	for (size_t i = 0; i < 2; i++) {
		uint64_t id = accept_one(h, "s@b.example", notifies[i]);
		int agent = agent_with_job(h, to_smarthost);
		say_result(agent, 1, FATE_FAILED, true, false);
		turns(h);
		assert_false(file_exists(h, id));
		close(agent);
		close(h->parent);
	}
	h->parent = -1;
}

static void
success_that_was_not_told_of_is_after_a_restart(void **state)
{
	struct harness *h = *state;
	struct told t;
	uint64_t id = accept_one(h, "s@b.example", INTAKE_NOTIFY_SUCCESS);
	int agent = agent_with_job(h, to_smarthost);
	say_delivered(agent, 1, JOBS_RELAYED_SILENT, true);
	turns(h);
	char *text = file_text(h, id);
	assert_non_null(strstr(text, " 7bit utf8 requiretls ret=hdrs envid=\"a b=c\"\n"));
	assert_non_null(strstr(text, " to 1 x@y.example notify=success orcpt=\"rfc822;x y\"\n"));
	assert_non_null(strstr(text, " ok relayed\n"));
	free(text);
	close(agent);
	restart(h, "boot-1");
	turns(h);
	int bounce = parent_of(h, JOBS_NOTICE);
	int notifier = agent_of(h, bounce);
	assert_true(hear_notice(h, notifier, &t));
	assert_int_equal(t.actions[0], JOBS_ACTION_RELAYED);
	/* an agent that dies over it takes nothing away */
	close(notifier);
	run_for(h, SCHEDULE_PAUSE_MS + 400);
	notifier = agent_of(h, bounce);
	assert_true(hear_notice(h, notifier, &t));
	say_told(h, notifier);
	assert_false(file_exists(h, id));
	close(notifier);
	close(bounce);
}

/* ---- delay ---- */

static void
delay_is_told_once_to_those_who_want_it(void **state)
{
	struct harness *h = *state;
	struct told t;
	const struct intake_recipient list[] = {
		{.address = SPAN("a@y.example"), .notify = 0, .orcpt = SPAN_NONE},
		{.address = SPAN("b@y.example"), .notify = INTAKE_NOTIFY_DELAY, .orcpt = SPAN_NONE},
		{.address = SPAN("c@y.example"),
		 .notify = INTAKE_NOTIFY_FAILURE,
		 .orcpt = SPAN_NONE},
		{.address = SPAN("d@y.example"), .notify = INTAKE_NOTIFY_NEVER, .orcpt = SPAN_NONE},
	};
	h->config.outbound.delay_notice = 500;
	uint64_t id = accept_with(h, "s@b.example", list, 4);
	int bounce = parent_of(h, JOBS_NOTICE);
	int agent = agent_with_job(h, to_smarthost);
	for (uint64_t n = 1; n <= 4; n++)
		say_result(agent, n, FATE_DEFERRED, n == 4, false);
	assert_int_equal(hear(h, bounce, &w), 0);
	run_for(h, 900);
	int notifier = agent_of(h, bounce);
	assert_true(notifier >= 0);
	assert_true(hear_notice(h, notifier, &t));
	assert_int_equal(t.count, 2);
	assert_string_equal(t.addresses[0], "a@y.example");
	assert_string_equal(t.addresses[1], "b@y.example");
	assert_int_equal(t.actions[0], JOBS_ACTION_DELAYED);
	assert_true(t.until[0] > 0);
	/* not told yet: nobody is kept from being tried */
	struct message *m = message_find(h->q, id);
	assert_int_equal(message_in(m, RECIPIENT_DEFERRED), 4);
	message_retry(h->q, m);
	message_settle(h->q, m);
	assert_int_equal(answer_lookup(h, to_smarthost), 4);
	assert_true(hear_job(h, agent, &job));
	say_result(agent, 1, FATE_FAILED, false, false);
	turns(h);
	say_told(h, notifier);
	char *text = file_text(h, id);
	assert_non_null(strstr(text, " 66101D47CF6B0 2\n"));
	free(text);
	/* the failure is another matter; of the delay nobody hears again */
	for (uint64_t n = 2; n <= 4; n++)
		say_result(agent, n, FATE_DEFERRED, n == 4, false);
	assert_true(hear_notice(h, notifier, &t));
	assert_int_equal(t.count, 1);
	assert_int_equal(t.actions[0], JOBS_ACTION_FAILED);
	say_told(h, notifier);
	run_for(h, 600);
	assert_int_equal(hear(h, notifier, &w), 0);
	restart(h, "boot-1");
	turns(h);
	m = message_find(h->q, id);
	assert_true(m->recipients[1].is_delay_told);
	assert_int_equal(message_in(m, RECIPIENT_NOTIFIED), 1);
	close(bounce);
	bounce = parent_of(h, JOBS_NOTICE);
	run_for(h, 300);
	assert_int_equal(hear(h, bounce, &w), 0);
	close(agent);
	close(notifier);
	close(bounce);
}

/* ---- aliases ---- */

static unsigned members;

/* list@ stands for `members`, everything else for itself */
static void
answer_expanding(struct harness *h)
{
	static struct wire list;
	struct lookup_questions questions;
	struct lookup_question one;
	accept_lookup(h);
	while (hear(h, h->lookup_fd, &w) == LOOKUP_ROUTES) {
		decode(&w, lookup_calls, &questions);
		wire_list_start(&list);
		while (wire_list_next(&questions.questions, &lookup_question_shape, &one)) {
			bool is_list = span_starts(one.address, SPAN("list@"));
			for (unsigned i = 0; i < (is_list ? members : 1); i++) {
				struct lookup_leaf l;
				to_smarthost(&one, &l);
				l.leaves = is_list ? members : 1;
				if (is_list)
					l.address =
						i == 0 ? SPAN("a@y.example") : SPAN("b@y.example");
				assert_int_equal(wire_list_add(&list, WIRE_LIST_ROOM,
							       &lookup_leaf_shape, &l),
						 0);
			}
		}
		const struct lookup_leaves answer = {wire_list_get(&list)};
		say(h->lookup_fd, lookup_answers, LOOKUP_LEAVES, w.header.request, &answer);
	}
	turns(h);
}

static void
an_alias_for_one_passes_on_what_was_asked_for(void **state)
{
	struct harness *h = *state;
	struct told t;
	const struct intake_recipient r = {.address = SPAN("list@y.example"),
					   .notify = INTAKE_NOTIFY_SUCCESS,
					   .orcpt = SPAN("rfc822;l@o")};
	members = 1;
	uint64_t id = accept_with(h, "s@b.example", &r, 1);
	answer_expanding(h);
	h->parent = parent_of(h, JOBS_SMTP);
	int bounce = parent_of(h, JOBS_NOTICE);
	int agent = agent_of(h, h->parent);
	assert_true(hear_job(h, agent, &job));
	say_delivered(agent, 2, JOBS_RELAYED_FINAL, true);
	int notifier = agent_of(h, bounce);
	assert_true(hear_notice(h, notifier, &t));
	assert_int_equal(t.count, 1);
	assert_int_equal(t.actions[0], JOBS_ACTION_DELIVERED);
	assert_string_equal(t.originals[0], "list@y.example");
	assert_string_equal(t.orcpts[0], "rfc822;l@o");
	say_told(h, notifier);
	assert_false(file_exists(h, id));
	close(agent);
	close(notifier);
	close(bounce);
}

static void
an_alias_for_several_is_expanded_and_that_is_all_the_success(void **state)
{
	struct harness *h = *state;
	struct told t;
	const struct intake_recipient r = {.address = SPAN("list@y.example"),
					   .notify = INTAKE_NOTIFY_SUCCESS | INTAKE_NOTIFY_FAILURE,
					   .orcpt = SPAN_NONE};
	members = 2;
	uint64_t id = accept_with(h, "s@b.example", &r, 1);
	answer_expanding(h);
	/* what was inherited is so again after a restart */
	restart(h, "boot-1");
	turns(h);
	answer_expanding(h);
	struct message *m = message_find(h->q, id);
	assert_int_equal(m->recipients[1].notify, INTAKE_NOTIFY_FAILURE);
	h->parent = parent_of(h, JOBS_SMTP);
	int bounce = parent_of(h, JOBS_NOTICE);
	int agent = agent_of(h, h->parent);
	assert_true(hear_job(h, agent, &job));
	assert_int_equal(job.count, 2);
	say_delivered(agent, 2, JOBS_RELAYED_FINAL, false);
	say_result(agent, 3, FATE_FAILED, true, false);
	int notifier = agent_of(h, bounce);
	assert_true(hear_notice(h, notifier, &t));
	assert_int_equal(t.count, 2);
	assert_int_equal(t.numbers[0], 1);
	assert_int_equal(t.actions[0], JOBS_ACTION_EXPANDED);
	assert_int_equal(t.numbers[1], 3);
	assert_int_equal(t.actions[1], JOBS_ACTION_FAILED);
	say_told(h, notifier);
	assert_false(file_exists(h, id));
	close(agent);
	close(notifier);
	close(bounce);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(success_is_told_of_by_us_where_nobody_else_will),
		TEST(the_null_sender_hears_of_no_success),
		TEST(a_failure_nobody_wants_to_hear_of_ends_in_silence),
		TEST(success_that_was_not_told_of_is_after_a_restart),
		TEST(delay_is_told_once_to_those_who_want_it),
		TEST(an_alias_for_one_passes_on_what_was_asked_for),
		TEST(an_alias_for_several_is_expanded_and_that_is_all_the_success),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
