/* schedule: scenarios in text under a false clock: what happens when, and what must follow */
#include "tests/unit/queue-manager/harness.h"

#include "queue-manager/queue.h"
#include "queue-manager/retry.h"

/*
 * A scenario is lines of
 *
 *     +MS                      time passes
 *     limit agents N           also: window N (of a place), per-job N
 *     parent up|down           of smtp
 *     mail NAME PLACE N [retry] a message with N recipients for PLACE (retry: it was deferred before)
 *     agent PLACE              the parent answers its WANT for the place
 *     cannot PLACE fail|defer  the parent refuses it
 *     done PLACE [NAME]        the agent of the place with the oldest job (of that message) delivers all of it
 *     defer PLACE | trouble PLACE | dies PLACE   its recipients are deferred, for a 4xx; for trouble with the place; it ends
 *     wants PLACE N            must hold: N wants are under way
 *     agents PLACE N | busy PLACE N | ready PLACE N | window PLACE N
 *     job PLACE NAME N         an agent of the place has a job of N recipients of that message
 *     deferred NAME N | failed NAME N | ends
 *
 * A place is a host; agents are the hands of the test.
 */

#define AGENTS_MAX 64

static struct {
	struct manager *q;
	struct harness *h;
	struct agent *agents[AGENTS_MAX];
	size_t count;
	struct {
		char name[16];
		uint64_t id;
	} mails[64];
	size_t mail_count;
	unsigned line;
	struct peer parent;
} world;

static bool
hand_want(struct manager *q, struct peer *parent, uint32_t number, const struct place *p)
{
	(void)q;
	(void)parent;
	(void)number;
	(void)p;
	return true;
}

static enum schedule_given
hand_give(struct manager *q, struct agent *a)
{
	(void)q;
	(void)a;
	return SCHEDULE_GIVEN;
}

static void
hand_end(struct manager *q, struct agent *a)
{
	size_t i = 0;
	while (world.agents[i] != a)
		i++;
	world.agents[i] = world.agents[--world.count];
	schedule_agent_gone(q, a, false);
	free(a->numbers);
	free(a);
}

static void
hand_end_parent(struct manager *q, struct peer *parent, const char *reason)
{
	(void)reason;
	schedule_parent_gone(q, parent);
}

static const struct schedule_hands hands = {hand_want, hand_give, hand_end, hand_end_parent};

static struct place *
place(struct span name)
{
	return queue_place(world.q, JOBS_SMTP, name, SPAN("outbound"), SPAN_NONE);
}

static uint64_t
mail_id(struct span name)
{
	for (size_t i = 0; i < world.mail_count; i++)
		if (span_equal(span_of(world.mails[i].name), name))
			return world.mails[i].id;
	fail_msg("line %u: no mail %.*s", world.line, SPAN_ARG(name));
	return 0;
}

/* the longest busy agent of the place, perhaps of that message only */
static struct agent *
busy_agent(struct place *p, struct span name)
{
	struct agent *found = NULL;
	for (size_t i = 0; i < world.count; i++) {
		struct agent *a = world.agents[i];
		if (a->place != p || a->message == NULL ||
		    (name.len > 0 && a->message->id != mail_id(name)))
			continue;
		if (found == NULL || a->since_ms < found->since_ms)
			found = a;
	}
	if (found == NULL)
		fail_msg("line %u: no agent is busy there", world.line);
	return found;
}

static void
mail(struct span name, struct span where, uint64_t count, bool is_retry)
{
	char addresses[4096] = "";
	for (uint64_t i = 0; i < count; i++)
		snprintf(addresses + strlen(addresses), sizeof(addresses) - strlen(addresses),
			 "u%u@x ", (unsigned)i);
	uint64_t id = accept_message(world.h, "s@b.example", addresses);
	struct message *m = message_find(world.q, id);
	assert_int_equal(span_copy(name, world.mails[world.mail_count].name, 16), 0);
	world.mails[world.mail_count++].id = id;
	m->has_retries = is_retry;
	for (uint32_t n = 1; n <= count; n++) {
		m->recipients[n - 1].attempts = is_retry;
		queue_add(world.q, place(where), m, n);
	}
	message_settle(world.q, m);
}

static struct want *
want_for(struct place *p)
{
	struct service *s = &world.q->schedule.service[JOBS_SMTP];
	for (size_t i = 0; i < SCHEDULE_WANTS_MAX; i++)
		if (s->want[i].number != 0 && s->want[i].place == p)
			return &s->want[i];
	fail_msg("line %u: nothing is wanted for the place", world.line);
	return NULL;
}

static void
agent(struct span where)
{
	struct agent *a = calloc(1, sizeof(*a));
	a->room = 128;
	a->numbers = calloc(a->room, sizeof(*a->numbers));
	world.agents[world.count++] = a;
	schedule_agent(world.q, want_for(place(where)), a);
}

static void
answer(struct span where, struct span name, bool delivered, bool trouble)
{
	struct agent *a = busy_agent(place(where), name);
	const struct answer good = {250, SPAN("2.0.0"), SPAN("ok"), SPAN("h")};
	const struct answer bad = {451, SPAN("4.0.0"), SPAN("not now"), SPAN("h")};
	for (uint32_t i = 0; i < a->count; i++) {
		if (delivered)
			message_delivered(world.q, a->message, a->numbers[i], &good);
		else
			message_deferred(world.q, a->message, a->numbers[i], &bad, 0);
		a->numbers[i] = 0;
		schedule_answered(world.q, a, &bad, trouble);
	}
	a->left = 0;
	schedule_agent_free(world.q, a);
}

static void
must_be(struct span word, uint64_t is, uint64_t wanted)
{
	if (is != wanted)
		fail_msg("line %u: %.*s: is %u, must be %u", world.line, SPAN_ARG(word),
			 (unsigned)is, (unsigned)wanted);
}

static uint64_t
number(struct span s)
{
	uint64_t v = 0;
	for (size_t i = 0; i < s.len; i++)
		v = v * 10 + (uint64_t)(s.at[i] - '0');
	return v;
}

static void
set_limit(struct span what, uint64_t value)
{
	struct config_limits *l = &world.h->config.limits;
	if (span_equal(what, SPAN("agents")))
		l->agents = value;
	else if (span_equal(what, SPAN("window")))
		l->concurrency = value;
	else
		l->recipients_per_transaction = value;
}

static void
carry_out(struct span word, struct span a, struct span b, struct span c, struct span d)
{
	struct message *m;
	if (word.at[0] == '+')
		world.q->false_ms += (int64_t)number(span_skip(word, 1));
	else if (span_equal(word, SPAN("limit")))
		set_limit(a, number(b));
	else if (span_equal(word, SPAN("parent")) && span_equal(a, SPAN("up")))
		schedule_parent(world.q, JOBS_SMTP, &world.parent);
	else if (span_equal(word, SPAN("parent")))
		schedule_parent_gone(world.q, &world.parent);
	else if (span_equal(word, SPAN("mail")))
		mail(a, b, number(c), d.len > 0);
	else if (span_equal(word, SPAN("agent")))
		agent(a);
	else if (span_equal(word, SPAN("cannot"))) {
		struct verdict v;
		verdict_set(&v, span_equal(b, SPAN("fail")) ? FATE_FAILED : FATE_DEFERRED, 0,
			    "4.3.0", "no");
		schedule_cannot(world.q, want_for(place(a)), &v);
	} else if (span_equal(word, SPAN("done")))
		answer(a, b, true, false);
	else if (span_equal(word, SPAN("defer")))
		answer(a, b, false, false);
	else if (span_equal(word, SPAN("trouble")))
		answer(a, b, false, true);
	else if (span_equal(word, SPAN("dies")))
		hand_end(world.q, busy_agent(place(a), b));
	else if (span_equal(word, SPAN("wants")))
		must_be(word, place(a)->wants, number(b));
	else if (span_equal(word, SPAN("agents")))
		must_be(word, place(a)->agents, number(b));
	else if (span_equal(word, SPAN("busy")))
		must_be(word, place(a)->busy, number(b));
	else if (span_equal(word, SPAN("ready")))
		must_be(word, place(a)->ready, number(b));
	else if (span_equal(word, SPAN("window")))
		must_be(word, place(a)->window, number(b));
	else if (span_equal(word, SPAN("job")))
		must_be(word, busy_agent(place(a), b)->count, number(c));
	else if (span_equal(word, SPAN("deferred"))) {
		m = message_find(world.q, mail_id(a));
		must_be(word, m == NULL ? 0 : message_in(m, RECIPIENT_DEFERRED), number(b));
	} else if (span_equal(word, SPAN("failed"))) {
		m = message_find(world.q, mail_id(a));
		must_be(word,
			m == NULL ? 0
				  : message_in(m, RECIPIENT_FAILED) +
					    message_in(m, RECIPIENT_TELLING),
			number(b));
	} else if (!span_equal(word, SPAN("ends")))
		fail_msg("line %u: what is that?", world.line);
}

static void
fire_timers_by_hand(void)
{
	/* the loop's clock is the true one: what is due by the false one is fired here */
	struct service *s = &world.q->schedule.service[JOBS_SMTP];
	if (s->timer.slot != 0 && s->timer.at_ms <= world.q->false_ms) {
		loop_timer_clear(world.q->loop, &s->timer);
		s->timer.fire(&s->timer);
	}
}

static void
play(struct harness *h, const char *text)
{
	struct span rest = span_of(text);
	memset(&world, 0, sizeof(world));
	world.h = h;
	world.q = h->q;
	world.q->schedule.hands = &hands;
	/* far ahead: no timer of the loop itself fires */
	world.q->false_ms = clock_monotonic_ms() + 1000000000;
	while (rest.len > 0) {
		struct span line = span_cut(&rest, '\n');
		struct span word = span_word(&line), a = span_word(&line), b = span_word(&line),
			    c = span_word(&line), d = span_word(&line);
		world.line++;
		if (word.len == 0)
			continue;
		carry_out(word, a, b, c, d);
		fire_timers_by_hand();
		turns(h);
	}
	while (world.count > 0)
		hand_end(world.q, world.agents[0]);
	world.q->schedule.hands = &jobs_hands;
	schedule_parent_gone(world.q, &world.parent);
}

#define SCENARIO(name, text) \
	static void name(void **state) \
	{ \
		play(*state, text); \
	}

SCENARIO(a_place_gets_one_agent_for_one_message, "parent up\n"
						 "mail A x 1\n"
						 "wants x 1\n"
						 "agent x\n"
						 "wants x 0\n"
						 "job x A 1\n"
						 "done x\n"
						 "agents x 1\n" /* kept for what comes next */
						 "mail B x 1\n"
						 "job x B 1\n"
						 "wants x 0\n")

SCENARIO(nothing_is_wanted_while_no_parent_is_there, "mail A x 1\n"
						     "wants x 0\n"
						     "parent up\n"
						     "wants x 1\n"
						     "parent down\n"
						     "wants x 0\n"
						     "parent up\n"
						     "wants x 1\n")

SCENARIO(a_window_begins_small_and_grows_with_success,
	 "parent up\n"
	 "limit window 4\n"
	 "mail A x 1\nmail B x 1\nmail C x 1\nmail D x 1\nmail E x 1\nmail F x 1\n"
	 "window x 2\n"
	 "wants x 2\n"
	 "agent x\nagent x\n"
	 "busy x 2\n"
	 "wants x 0\n"
	 "done x\n"
	 "window x 3\n"
	 "busy x 2\n"
	 "wants x 1\n"
	 "done x\n"
	 "window x 4\n"
	 "done x\n"
	 "window x 4\n")

SCENARIO(a_long_list_goes_in_parts_and_in_parallel, "parent up\n"
						    "limit per-job 10\n"
						    "mail A x 25\n"
						    "wants x 2\n"
						    "agent x\nagent x\n"
						    "job x A 10\n"
						    "ready x 5\n"
						    "done x A\n"
						    "ready x 0\n"
						    "busy x 2\n")

SCENARIO(a_long_list_does_not_delay_the_letter_of_another,
	 "parent up\n"
	 "limit per-job 10\n"
	 "limit window 1\n"
	 "mail A x 100\n"
	 "agent x\n"
	 "mail B x 1\n"
	 "job x A 10\n"
	 "done x A\n"
	 "job x A 10\n" /* it stood alone before; now it goes behind B */
	 "done x A\n"
	 "job x B 1\n"
	 "done x B\n"
	 "job x A 10\n")

SCENARIO(new_mail_does_not_wait_behind_retries, "parent up\n"
						"limit window 1\n"
						"mail A x 1\n"
						"agent x\n"
						"mail R x 1 retry\nmail S x 1 retry\n"
						"mail B x 1\n"
						"done x A\n"
						"job x B 1\n"
						"done x B\n"
						"job x R 1\n")

SCENARIO(places_take_turns_for_the_last_slots,
	 "parent up\n"
	 "limit agents 2\n"
	 "mail A x 1\nmail B x 1\nmail C x 1\nmail D x 1\n"
	 "wants x 2\n"
	 "agent x\nagent x\n"
	 "mail Y y 1\n"
	 "wants y 0\n"
	 "done x\ndone x\n" /* C and D go on: their place has not had its turn yet */
	 "wants y 0\n"
	 "busy x 2\n"
	 "done x\n" /* an agent with nothing to do makes room */
	 "wants y 1\n"
	 "agents x 1\n")

SCENARIO(a_place_with_endless_work_gives_way_after_its_turn,
	 "parent up\n"
	 "limit agents 1\n"
	 "mail A x 1\nmail B x 1\nmail C x 1\nmail D x 1\nmail E x 1\nmail F x 1\nmail G x 1\nmail "
	 "H x 1\nmail I x 1\nmail J x 1\nmail K x 1\n"
	 "agent x\n"
	 "mail Y y 1\n"
	 "done x\ndone x\ndone x\ndone x\ndone x\ndone x\ndone x\ndone x\ndone x\n"
	 "wants y 0\n"
	 "done x\n" /* the tenth */
	 "agents x 0\n"
	 "wants y 1\n"
	 "wants x 0\n"
	 "agent y\n"
	 "done y\n"
	 "wants x 1\n")

SCENARIO(an_idle_agent_is_let_go_after_a_while, "parent up\n"
						"mail A x 1\n"
						"agent x\n"
						"done x\n"
						"+4000\n"
						"agents x 1\n"
						"+2000\n"
						"agents x 0\n")

SCENARIO(a_place_in_trouble_dies_and_is_probed_by_one_job,
	 "parent up\n"
	 "mail A x 1\n"
	 "agent x\n"
	 "trouble x\n"
	 "window x 1\n"
	 "mail B x 1\n"
	 "job x B 1\n"
	 "trouble x\n"
	 "deferred B 1\n"
	 /* dead: those who come are deferred with its answer, nobody is sent */
	 "mail C x 3\n"
	 "deferred C 3\n"
	 "busy x 0\n"
	 /* the back-off is a quarter of the first retry, give no more than one probe then */
	 "+76000\n"
	 "mail D x 1\nmail E x 1\n"
	 "wants x 1\n"
	 "agent x\n"
	 "job x D 1\n"
	 "ready x 1\n"
	 "wants x 0\n"
	 "trouble x\n"
	 "deferred E 1\n"
	 /* twice as long now */
	 "+76000\n"
	 "mail F x 1\n"
	 "deferred F 1\n"
	 "+80000\n"
	 "mail G x 1\nmail H x 1\n"
	 "wants x 1\n"
	 "agent x\n"
	 "done x\n"
	 /* it lives: a window that grows from one */
	 "window x 2\n"
	 "job x H 1\n")

SCENARIO(trouble_of_one_job_counts_once, "parent up\n"
					 "mail A x 8\n"
					 "agent x\n"
					 "trouble x\n"
					 "window x 1\n"
					 "mail B x 1\n"
					 "job x B 1\n")

SCENARIO(a_deferral_of_a_recipient_is_no_trouble_of_its_place, "parent up\n"
							       "mail A x 1\n"
							       "agent x\n"
							       "defer x\n"
							       "deferred A 1\n"
							       "window x 3\n")

SCENARIO(a_parent_that_cannot_defers_or_fails_all_who_wait, "parent up\n"
							    "mail A x 3\nmail B x 1\n"
							    "cannot x defer\n"
							    "deferred A 3\n"
							    "deferred B 1\n"
							    "mail C y 2\n"
							    "cannot y fail\n"
							    "failed C 2\n"
							    "+1500\n"
							    "mail D y 1\n"
							    "wants y 1\n")

SCENARIO(an_agent_that_dies_costs_a_pause_and_no_attempt, "parent up\n"
							  "mail A x 2\n"
							  "agent x\n"
							  "dies x\n"
							  "deferred A 2\n"
							  "agents x 0\n"
							  "mail B x 1\n"
							  "wants x 1\n")

SCENARIO(a_parent_that_does_not_answer_is_ended, "parent up\n"
						 "mail A x 1\n"
						 "wants x 1\n"
						 "+31000\n"
						 "wants x 0\n"
						 "parent up\n"
						 "wants x 1\n")

/* ---- retry ---- */

static void
retries_double_with_jitter_up_to_the_maximum(void **state)
{
	const struct config_outbound o = {
		.retry_first = 300000, .retry_max = 14400000, .lifetime = 432000000};
	(void)state;
	for (uint64_t seed = 0; seed < 200; seed++) {
		int64_t middle = 300000;
		for (uint32_t attempt = 1; attempt < 300; attempt++) {
			int64_t d = retry_delay_ms(&o, attempt, seed);
			assert_true(d >= middle - middle / 8 && d <= middle + middle / 8);
			assert_int_equal(d, retry_delay_ms(&o, attempt, seed));
			middle = middle * 2 < 14400000 ? middle * 2 : 14400000;
		}
	}
	assert_int_not_equal(retry_delay_ms(&o, 1, 1), retry_delay_ms(&o, 1, 2));
	assert_int_equal(retry_lifetime_ms(&o, false), 432000000);
	assert_int_equal(retry_lifetime_ms(&o, true), 86400000);
}

static void
five_days_of_retries_pass_in_a_moment(void **state)
{
	struct harness *h = *state;
	const struct answer a = {451, SPAN("4.2.1"), SPAN("later"), SPAN("h")};
	uint64_t id = accept_message(h, "s@b.example", "x@y.example");
	struct message *m = message_find(h->q, id);
	int64_t start_ms = clock_monotonic_ms(), start_us = clock_wall_us(), gap = 0;
	unsigned attempts = 0;
	h->q->false_ms = start_ms;
	h->q->false_wall_us = start_us;
	while (message_in(m, RECIPIENT_FAILED) + message_in(m, RECIPIENT_TELLING) == 0) {
		message_deferred(h->q, m, 1, &a, 0);
		attempts++;
		if (message_in(m, RECIPIENT_DEFERRED) == 0)
			break;
		int64_t next_ms = (int64_t)m->recipients[0].due * MESSAGE_TICK_MS;
		assert_true(next_ms > h->q->false_ms);
		assert_true(next_ms - h->q->false_ms <= 14400000 + 14400000 / 8 + MESSAGE_TICK_MS);
		if (next_ms - h->q->false_ms > gap)
			gap = next_ms - h->q->false_ms;
		h->q->false_ms = next_ms;
		h->q->false_wall_us = start_us + (next_ms - start_ms) * 1000;
		message_due_clear(h->q, m);
	}
	/* it ends within the lifetime and one last attempt */
	assert_true(h->q->false_ms - start_ms >= 432000000);
	assert_true(h->q->false_ms - start_ms <= 432000000 + 10000);
	assert_true(attempts > 30 && attempts < 60);
	assert_true(gap > 12000000);
	h->q->false_ms = h->q->false_wall_us = 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_place_gets_one_agent_for_one_message),
		TEST(nothing_is_wanted_while_no_parent_is_there),
		TEST(a_window_begins_small_and_grows_with_success),
		TEST(a_long_list_goes_in_parts_and_in_parallel),
		TEST(a_long_list_does_not_delay_the_letter_of_another),
		TEST(new_mail_does_not_wait_behind_retries),
		TEST(places_take_turns_for_the_last_slots),
		TEST(a_place_with_endless_work_gives_way_after_its_turn),
		TEST(an_idle_agent_is_let_go_after_a_while),
		TEST(a_place_in_trouble_dies_and_is_probed_by_one_job),
		TEST(trouble_of_one_job_counts_once),
		TEST(a_deferral_of_a_recipient_is_no_trouble_of_its_place),
		TEST(a_parent_that_cannot_defers_or_fails_all_who_wait),
		TEST(an_agent_that_dies_costs_a_pause_and_no_attempt),
		TEST(a_parent_that_does_not_answer_is_ended),
		TEST(retries_double_with_jitter_up_to_the_maximum),
		TEST(five_days_of_retries_pass_in_a_moment),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
