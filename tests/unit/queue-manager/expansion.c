/* expansion: what an agent makes of a .forward or a list is journaled once, believed as little as a stranger, and ends */
#include "tests/unit/queue-manager/harness.h"

static struct heard w;
static struct heard_job job;

/* a mailbox; a line of the user's .forward; list@ is an alias with an owner, whose one value is a line */
static void
to_places(const struct lookup_question *q, struct lookup_leaf *l)
{
	bool is_list = span_starts(q->address, SPAN("list@"));

	to_smarthost(q, l);
	l->kind = is_list ? LOOKUP_ALIAS : q->line != 0 ? LOOKUP_LINE : LOOKUP_MAILBOX;
	l->hosts = SPAN_NONE;
	l->user = SPAN("ann");
	l->domain = SPAN("y.example");
	l->home = is_list ? SPAN("/etc/aliases") : SPAN_NONE;
	l->direct = q->direct;
	l->line = is_list ? 7 : q->line;
	if (is_list && q->line == 0)
		l->owner = SPAN("owner-list@y.example");
}

static int
mailbox_agent(struct harness *h)
{
	(void)answer_lookup(h, to_places);
	if (h->parent < 0)
		h->parent = parent_of(h, JOBS_MAILBOX);
	int agent = agent_of(h, h->parent);
	assert_true(agent >= 0);
	assert_true(hear_job(h, agent, &job));
	return agent;
}

static void
say_expanded(int agent, uint64_t number, bool more, bool last, const struct jobs_child *children,
	     size_t count)
{
	static struct wire list;
	struct jobs_expanded m = {.number = number, .last = last};
	wire_list_start(&list);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(
			wire_list_add(&list, WIRE_LIST_ROOM, &jobs_child_shape, &children[i]), 0);
	m.children = wire_list_get(&list);
	assert_int_equal(wire_send(agent, wire_find(jobs_calls, JOBS_EXPANDED),
				   more ? WIRE_MORE : 0, 0, &m, NULL),
			 CHANNEL_OK);
}

static void
assert_journal(struct harness *h, uint64_t id, const char *what)
{
	char *text = file_text(h, id);
	if (strstr(text, what) == NULL)
		fail_msg("no `%s` in:\n%s", what, text);
	free(text);
}

static void
a_forward_is_journaled_once_and_its_lines_are_asked_for_by_their_hash(void **state)
{
	static const struct jobs_child first = {SPAN("ann@y.example"), LOOKUP_DIRECT_MAILBOX, 0,
						SPAN("")},
				       second = {SPAN("ann@y.example"), LOOKUP_DIRECT_USER, 0xABC,
						 SPAN("")};
	struct harness *h = *state;
	uint64_t id = accept_message(h, "s@b.example", "ann@y.example");
	int agent = mailbox_agent(h);
	say_expanded(agent, 1, true, false, &first, 1);
	turns(h);
	/* a crash now leaves the recipient as it was */
	assert_int_equal(message_in(message_find(h->q, id), RECIPIENT_ACTIVE), 1);
	say_expanded(agent, 1, false, true, &second, 1);
	turns(h);
	assert_journal(h, id, " to 2 ann@y.example parent=1 mailbox\n");
	assert_journal(h, id, " to 3 ann@y.example parent=1 direct line=0000000000000ABC\n");
	assert_journal(h, id, " expanded 1 -> 2-3\n");
	/* after a restart it is the children that are asked for, each as what it is */
	restart(h, "boot-1");
	turns(h);
	h->parent = -1;
	close(agent);
	agent = mailbox_agent(h);
	assert_int_equal(job.count, 1);
	assert_int_equal(job.numbers[0], 2);
	int other = agent_of(h, h->parent);
	assert_true(hear_job(h, other, &job));
	assert_int_equal(job.numbers[0], 3);
	say_result(agent, 2, FATE_DELIVERED, true, false);
	say_result(other, 3, FATE_DELIVERED, true, false);
	turns(h);
	assert_false(file_exists(h, id));
	close(agent);
	close(other);
}

static void
what_is_no_expansion_ends_the_agent_and_nothing_is_lost(void **state)
{
	static const struct jobs_child good = {SPAN("b@y.example"), 0, 0, SPAN("")};
	static const struct {
		uint64_t number;
		struct jobs_child child;
		bool more, result_between;
	} cases[] = {
		{2, {SPAN("b@y.example"), 0, 0, SPAN("")}, false, false}, /* not given */
		{1, {SPAN("b@Y.EXAMPLE"), 0, 0, SPAN("")}, false, false}, /* not canonical */
		{1, {SPAN("b@y.example\n"), 0, 0, SPAN("")}, false, false},
		{1, {SPAN("b@y.example"), 0, 0, SPAN("")}, true, true},
	};
	struct harness *h = *state;
	uint64_t id = accept_message(h, "s@b.example", "ann@y.example");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int agent = mailbox_agent(h);
		say_expanded(agent, cases[i].number, cases[i].more, !cases[i].more, &cases[i].child,
			     1);
		if (cases[i].result_between)
			say_result(agent, 1, FATE_DELIVERED, true, false);
		turns(h);
		assert_int_equal(hear(h, agent, &w), -1);
		close(agent);
		assert_int_equal(message_in(message_find(h->q, id), RECIPIENT_EXPANDED), 0);
		run_for(h, SCHEDULE_PAUSE_MS + 200);
	}
	int agent = mailbox_agent(h);
	say_expanded(agent, 1, false, true, &good, 1);
	turns(h);
	assert_int_equal(message_in(message_find(h->q, id), RECIPIENT_EXPANDED), 1);
	close(agent);
}

static void
who_forwards_in_a_circle_gets_it_back_and_no_copies(void **state)
{
	static const struct jobs_child circle[] = {{SPAN("ann@y.example"), 0, 0, SPAN("")},
						   {SPAN("bob@y.example"), 0, 0, SPAN("")}};
	struct harness *h = *state;
	uint64_t id = accept_message(h, "s@b.example", "ann@y.example");
	int agent = mailbox_agent(h);
	/* ann -> ann, bob: the first is herself again, and is dropped */
	say_expanded(agent, 1, false, true, circle, 2);
	turns(h);
	assert_journal(h, id, " expanded 1 -> 2\n");
	(void)answer_lookup(h, to_places);
	assert_true(hear_job(h, agent, &job));
	/* bob -> ann: nobody is left */
	say_expanded(agent, 2, false, true, circle, 1);
	turns(h);
	assert_journal(h, id, " failed 2 ");
	assert_journal(h, id, " 5.4.6 ");
	close(agent);
}

static void
the_owner_of_a_list_is_the_sender_of_what_goes_through_it(void **state)
{
	static const struct jobs_child members[] = {{SPAN("ann@y.example"), 0, 0, SPAN("")},
						    {SPAN("bob@y.example"), 0, 0, SPAN("")}};
	struct harness *h = *state;
	uint64_t id = accept_message(h, "s@b.example", "list@y.example ann@y.example");
	(void)answer_lookup(h, to_places);
	assert_journal(h, id,
		       " to 3 list@y.example parent=1 line=0000000000000007 "
		       "owner=owner-list@y.example\n");
	/* ann's own copy is the author's; that of the list comes by another job */
	int agent = mailbox_agent(h);
	assert_int_equal(job.count, 1);
	assert_string_equal(job.sender, "s@b.example");
	int list = agent_of(h, h->parent);
	assert_true(hear_job(h, list, &job));
	assert_string_equal(job.sender, "owner-list@y.example");
	say_expanded(list, 3, false, true, members, 2);
	turns(h);
	close(list);
	close(agent);
	/* also when only the journal is left */
	restart(h, "boot-1");
	turns(h);
	h->parent = -1;
	bool seen_author = false, seen_owner = false;
	for (int i = 0; i < 2; i++) {
		agent = mailbox_agent(h);
		seen_author =
			seen_author || (strcmp(job.sender, "s@b.example") == 0 && job.count == 1);
		seen_owner = seen_owner ||
			     (strcmp(job.sender, "owner-list@y.example") == 0 && job.count == 2);
		close(agent);
	}
	assert_true(seen_author && seen_owner);
}

static void
a_notice_has_no_owner_whatever_list_it_goes_through(void **state)
{
	struct harness *h = *state;
	(void)accept_message(h, "", "list@y.example");
	int agent = mailbox_agent(h);
	(void)agent;
	assert_string_equal(job.sender, "");
	close(agent);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_forward_is_journaled_once_and_its_lines_are_asked_for_by_their_hash),
		TEST(what_is_no_expansion_ends_the_agent_and_nothing_is_lost),
		TEST(who_forwards_in_a_circle_gets_it_back_and_no_copies),
		TEST(the_owner_of_a_list_is_the_sender_of_what_goes_through_it),
		TEST(a_notice_has_no_owner_whatever_list_it_goes_through),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
