/* sites: windows, limits, trouble and recovery, as scenarios of text under a false clock (scenario.h) */
#include "tests/unit/queue-manager/scenario.h"

#include "queue-manager/retry.h"

SCENARIO(domains_behind_the_same_hosts_share_a_window,
	 "parent up\n"
	 "mail A mx.one 1\nmail B mx.one 1\nmail C mx.two 1\n"
	 /* nothing is known yet: a window each */
	 "wants mx.one 2\nwants mx.two 1\n"
	 "agent mx.one\nagent mx.two\n"
	 "site mx.one h1:25_h2:25\nsite mx.two h1:25_h2:25\n"
	 "site-agents mx.one 3\nsite-agents mx.two 3\n"
	 "window mx.one 2\n"
	 "done mx.one\n"
	 "window mx.two 3\n"
	 /* what is trouble for one is for the other */
	 "done mx.two\n"
	 "mail E mx.two 1\n"
	 "trouble mx.two\n"
	 "window mx.one 2\n")

SCENARIO(a_domain_that_moves_takes_its_connections_along,
	 "parent up\n"
	 "mail A mx.one 1\nmail B mx.two 1\n"
	 "agent mx.one\nagent mx.two\n"
	 "site mx.one h1:25\nsite mx.two h1:25\n"
	 "site-agents mx.one 2\n"
	 "site mx.two h2:25\n"
	 "site-agents mx.one 1\nsite-agents mx.two 1\n"
	 "done mx.one\ndone mx.two\n"
	 "connected mx.one 1\nconnected mx.two 1\n")

SCENARIO(a_domain_waits_for_a_connection_of_its_site_and_gets_it_in_turn,
	 "parent up\n"
	 "limit window 1\n"
	 "mail A mx.one 1\nagent mx.one\nsite mx.one h1:25\n"
	 "mail X mx.two 1\nagent mx.two\nsite mx.two h1:25\ndone mx.two\n"
	 "agents mx.two 0\n" /* one too many, now that they are one site */
	 "mail B mx.two 1\n"
	 "wants mx.two 0\n"
	 "mail C mx.one 1\n"
	 "done mx.one A\n"
	 /* its turn is not over */
	 "busy mx.one 1\nwants mx.two 0\n"
	 "done mx.one C\n"
	 "agents mx.one 0\nwants mx.two 1\n"
	 "agent mx.two\n"
	 "job mx.two B 1\n")

/* a receiver that takes five connections, and answers 421 beyond */
SCENARIO(a_connection_too_many_costs_nobody_an_attempt,
	 "parent up\n"
	 "mail A x 1\nmail B x 1\nmail C x 1\nmail D x 1\nmail E x 1\nmail F x 1\n"
	 "mail G x 1\nmail H x 1\n"
	 "agent x\nagent x\n"
	 "done x A\ndone x B\n"
	 "connected x 2\n"
	 "window x 4\n"
	 "agent x\nagent x\n"
	 "busy421 x E\nbusy421 x F\n"
	 "window x 2\n"
	 "deferred E 0\ndeferred F 0\n"
	 "agents x 2\n"
	 /* no more for a while, however well it goes */
	 "done x C\ndone x D\n"
	 "window x 2\n"
	 "wants x 0\n"
	 "+61000\n"
	 "done x\n"
	 "window x 3\n")

SCENARIO(a_host_that_turns_everybody_away_is_in_trouble, "parent up\n"
							 "limit window 1\n"
							 "mail A x 1\n"
							 "agent x\n"
							 "busy421 x\n"
							 "deferred A 1\n"
							 "+1000\n"
							 "mail B x 1\n"
							 "busy421 x B\n"
							 "deferred B 1\n")

SCENARIO(
	what_was_deferred_by_a_dead_site_goes_when_it_answers,
	"parent up\n"
	"limit window 1\n"
	"mail A x 1\n"
	"agent x\n"
	"trouble x\n" /* 2 is one now */
	"mail B x 1\n"
	"trouble x\n"
	"mail C x 1\nmail D x 1\nmail E x 1\nmail F x 1\n"
	"deferred C 1\ndeferred D 1\ndeferred E 1\ndeferred F 1\n"
	"parked x 5\n"
	"busy x 0\n"
	/* the back-off is over long before their own next attempt: one of them probes, and fails */
	"+76000\n"
	"wants x 1\nagent x\n"
	"parked x 4\n"
	"trouble x\n"
	"parked x 5\n"
	"+100000\n"
	"busy x 0\nwants x 0\n"
	/* the next probe finds it well: the others follow, one at a time */
	"+55000\n"
	"agent x\n"
	"done x\n"
	"parked x 0\n"
	"busy x 1\n"
	"done x\ndone x\ndone x\ndone x\n"
	"deferred C 0\ndeferred D 0\ndeferred E 0\ndeferred F 0\n")

SCENARIO(a_rate_answer_pauses_the_site_for_the_time_it_names, "parent up\n"
							      "mail A x 1\n"
							      "agent x\n"
							      "done x\n"
							      "mail B x 1\nmail C x 1\n"
							      "agent x\n"
							      "rate x B 600000\n"
							      "deferred B 1\n"
							      "done x C\n" /* was under way */
							      "mail D x 1\n"
							      "deferred D 1\n"
							      "+590000\n"
							      "wants x 0\nbusy x 0\n"
							      "+15000\n"
							      "wants x 1\n"
							      "agent x\n"
							      "window x 1\n"
							      "done x\n"
							      "window x 2\n"
							      "done x\n"
							      "deferred D 0\n"
							      "deferred B 0\n")

SCENARIO(a_connection_that_breaks_is_trouble_but_its_message_waits_its_own_time, "parent up\n"
										 "limit window 1\n"
										 "mail A x 1\n"
										 "agent x\n"
										 "broken x\n"
										 "mail B x 1\n"
										 "broken x\n"
										 "deferred B 1\n"
										 "parked x 0\n")

SCENARIO(a_rate_spreads_the_messages_of_a_site, "parent up\n"
						"limit rate 2000000\n"
						"mail A x 1\nmail B x 1\nmail C x 1\n"
						"agent x\n"
						"done x A\n"
						"busy x 0\n"
						"+1000\n"
						"busy x 0\n"
						"+1000\n"
						"busy x 1\n"
						"done x B\n"
						"+1000\nbusy x 0\n"
						"+1000\nbusy x 1\n")

SCENARIO(a_connection_ends_after_its_messages, "parent up\n"
					       "limit window 1\nlimit per-connection 2\n"
					       "mail A x 1\nmail B x 1\nmail C x 1\n"
					       "agent x\n"
					       "done x\ndone x\n"
					       "agents x 0\n"
					       "wants x 1\n")

/* by1's list is 25 transactions long, by2's letter comes after it */
SCENARIO(one_sender_does_not_delay_another, "parent up\n"
					    "limit window 1\nlimit per-job 50\n"
					    "mail A x 250 by1\n"
					    "agent x\n"
					    "mail B x 1 by2\n"
					    "done x A\n"
					    "job x B 1\n"
					    "done x B\n"
					    "job x A 50\n")

/* fifty letters of one, and then one of another */
SCENARIO(letters_of_senders_take_turns,
	 "parent up\n"
	 "limit window 1\n"
	 "mail a x 1 by1\nmail b x 1 by1\nmail c x 1 by1\nmail d x 1 by1\nmail e x 1 by1\n"
	 "mail f x 1 by1\nmail g x 1 by1\nmail h x 1 by1\nmail i x 1 by1\nmail j x 1 by1\n"
	 "mail k x 1 by1\nmail l x 1 by1\nmail m x 1 by1\nmail n x 1 by1\nmail o x 1 by1\n"
	 "mail Z x 1 by2\n"
	 "agent x\n"
	 "done x\ndone x\ndone x\ndone x\ndone x\ndone x\ndone x\ndone x\ndone x\ndone x\n"
	 "job x Z 1\n")

SCENARIO(a_site_that_hangs_does_not_grow_and_is_not_alive,
	 "parent up\n"
	 "mail A x 1\n"
	 "agent x\n"
	 "hangs x\n"
	 "window x 2\n" /* it may have been this message */
	 "mail B x 1\ntrouble x\n"
	 "mail C x 1\ntrouble x\n"
	 "mail D x 1\ndeferred D 1\n"
	 "+76000\n"
	 "agent x\n"
	 "hangs x\n" /* the probe */
	 "window x 1\n"
	 "mail E x 1\ndeferred E 1\n"
	 "+160000\n"
	 "agent x\ndone x\n"
	 "window x 2\n")

/* sites that hang, or of which nothing is known, do not get all slots */
SCENARIO(mailboxes_that_hang_are_probed_beside_those_that_do_not,
	 "parent up\n"
	 "limit mailbox-agents 4\n"
	 "mail A box.a 1\n"
	 "window box.a 2\n"
	 "agent box.a\n"
	 "overdue box.a\n"
	 "deferred A 1\n"
	 "mail A2 box.a 1\ndeferred A2 1\n" /* it was dead at once: nothing else hangs beside it */
	 "window box.a 1\nwants box.a 0\n"
	 "mail B box.b 1\nagent box.b\noverdue box.b\n"
	 "mail C box.c 1\nagent box.c\noverdue box.c\n"
	 "mail D box.d 1\nagent box.d\noverdue box.d\n"
	 "+80000\n"
	 "wants box.a 1\nwants box.b 1\nwants box.c 1\nwants box.d 0\n"
	 "mail E box.e 1\n"
	 "wants box.e 1\n"
	 "agent box.a\n"
	 "done box.a\n" /* its file system answers again */
	 "parked box.a 0\n")

SCENARIO(a_quick_site_finds_a_slot_beside_those_that_hang,
	 "parent up\n"
	 "limit agents 4\n"
	 "mail Q q 1\nagent q\ndone q\n"
	 "+6000\nagents q 0\n"
	 "mail A a 1\nmail B b 1\nmail C c 1\nmail D d 1\nmail E e 1\n"
	 "agent a\nagent b\nagent c\n"
	 "wants d 0\nwants e 0\n"
	 "mail R q 1\n"
	 "wants q 1\nagent q\ndone q R\n"
	 /* the slot is q's still; d's turn comes when one of the others is done, however slowly */
	 "wants d 0\n"
	 "+60000\n"
	 "done a\n"
	 "wants d 0\n"
	 "+6000\n"
	 "wants d 1\nwants e 0\n"
	 /* a was slow: it waits with the others */
	 "mail F a 1\n"
	 "wants a 0\n")

SCENARIO(greylisted_mail_is_tried_again_sooner, "parent up\n"
						"mail A x 1\nmail B x 1\n"
						"agent x\nagent x\n"
						"greylist x A\n"
						"defer x B\n"
						"deferred A 1\n"
						/* half of five minutes, give or take an eighth */
						"+125000\ndeferred A 1\n"
						"+50000\ndeferred A 0\ndeferred B 1\n"
						"agent x\n"
						"job x A 1\n"
						"done x A\n"
						"mail C x 1\n"
						"greylist x C 60000\n"
						"+60000\ndeferred C 1\n"
						"+15000\ndeferred C 0\n")

/* ---- five days of a dead site, and a herd ---- */

static void
start_play(struct harness *h)
{
	memset(&world, 0, sizeof(world));
	world.h = h;
	world.q = h->q;
	world.q->schedule.hands = &hands;
	world.q->false_ms = clock_monotonic_ms() + 1000000000;
	world.q->false_wall_us = clock_wall_us();
	schedule_parent(world.q, JOBS_SMTP, &world.parent);
}

static void
end_play(void)
{
	while (world.count > 0)
		hand_end(world.q, world.agents[0]);
	world.q->schedule.hands = &jobs_hands;
	world.q->false_ms = world.q->false_wall_us = 0;
	schedule_parent_gone(world.q, &world.parent);
}

static void
settle(struct harness *h)
{
	for (int i = 0; i < 3; i++) {
		fire_timers_by_hand();
		answer_lookup(h, by_domain);
	}
}

/* every WANT is answered, every job has that answer; how many jobs there were */
static unsigned
serve_all(struct harness *h, struct span where, struct span said)
{
	unsigned jobs = 0;
	for (int i = 0; i < 10000; i++) {
		bool any = false;
		settle(h);
		while (place(where)->wants > 0 && world.count < AGENTS_MAX) {
			agent(where);
			any = true;
			turns(h);
		}
		if (place(where)->busy > 0) {
			is_answer(said, where, SPAN_NONE, 0);
			jobs++;
			any = true;
		}
		if (!any)
			return jobs;
	}
	fail_msg("it does not end");
	return 0;
}

static void
five_days_of_a_dead_site(void **state)
{
	struct harness *h = *state;
	struct span x = SPAN("x");
	unsigned jobs = 0, failed = 0;
	start_play(h);
	mail(SPAN("A"), x, 1, false, 1);
	mail(SPAN("B"), x, 3, false, 1);
	/* a step is a minute; the longest back-off is half an hour */
	for (unsigned minute = 0; minute < 5 * 24 * 60 + 10; minute++) {
		jobs += serve_all(h, x, SPAN("trouble"));
		pass(60000);
	}
	jobs += serve_all(h, x, SPAN("trouble"));
	for (size_t i = 0; i < world.mail_count; i++) {
		const struct message *m = message_find(world.q, world.mails[i].id);
		if (m != NULL)
			failed +=
				message_in(m, RECIPIENT_FAILED) + message_in(m, RECIPIENT_TELLING);
	}
	/* given up at their time; and in five days it was asked seldom, but each half hour */
	assert_int_equal(failed, 4);
	assert_true(jobs >= 200 && jobs <= 400);
	end_play();
}

static void
a_site_that_is_dead_for_days_gets_no_new_mail(void **state)
{
	struct harness *h = *state;
	struct span x = SPAN("x");
	start_play(h);
	mail(SPAN("A"), x, 1, false, 1);
	for (unsigned hour = 0; hour < 3 * 24 + 2; hour++) {
		serve_all(h, x, SPAN("trouble"));
		pass(3600000);
	}
	serve_all(h, x, SPAN("trouble"));
	mail(SPAN("B"), x, 1, false, 1);
	settle(h);
	/* the sender is told at once; what has waited since waits on */
	struct message *a = message_find(world.q, world.mails[0].id);
	struct message *b = message_find(world.q, world.mails[1].id);
	assert_true(b == NULL ||
		    message_in(b, RECIPIENT_FAILED) + message_in(b, RECIPIENT_TELLING) == 1);
	assert_int_equal(message_in(a, RECIPIENT_FAILED) + message_in(a, RECIPIENT_TELLING), 0);
	/* it answers its probe: mail is taken again */
	pass(3600000);
	serve_all(h, x, SPAN("done"));
	assert_null(message_find(world.q, world.mails[0].id));
	mail(SPAN("C"), x, 1, false, 1);
	assert_int_equal(serve_all(h, x, SPAN("done")), 1);
	end_play();
}

#define HERD 50000

/* 50,000 letters wait for a site that comes back: nothing is done for all of them at once, and new mail goes before them */
static void
a_herd_follows_the_window(void **state)
{
	struct harness *h = *state;
	struct span x = SPAN("x");
	struct place *p;
	start_play(h);
	mail(SPAN("A"), x, 1, false, 1);
	for (int i = 0; i < 3; i++) {
		serve_all(h, x, SPAN("trouble"));
		mail(SPAN("B"), x, 1, false, 1);
	}
	serve_all(h, x, SPAN("trouble"));
	p = place(x);
	assert_true(p->site->is_dead);
	for (int i = 0; i < HERD; i++) {
		/* as if they had been deferred here; no file is made for each */
		struct message *m = message_new(world.q, (UINT64_C(1) << 52) + (uint64_t)i, 0,
						SPAN("s@b.example"));
		assert_int_equal(message_add(world.q, m, 0, SPAN("\"u\"@x"), 0, 0), 0);
		m->is_queued = m->is_kept = true;
		message_later(world.q, m, 1, message_tick(world.q) + 100000000);
		m->is_held = i % 2 == 1; /* half of them are held meanwhile: left out */
		parked_add(world.q, &p->site->parked, m, 1);
	}
	assert_true(p->site->parked.count >= HERD);
	/* one probe */
	pass(p->site->dead_until_ms - world.q->false_ms);
	settle(h);
	assert_true(p->site->parked.count >= HERD);
	assert_int_equal(p->site->agents + p->site->wants, 1);
	/* it answers: a few for each connection of its window, not all */
	agent(x);
	turns(h);
	is_answer(SPAN("done"), x, SPAN_NONE, 0);
	assert_false(p->site->is_dead);
	assert_true(p->site->parked.count >= HERD - 50);
	/* new mail is before them */
	mail(SPAN("N"), x, 1, false, 2);
	settle(h);
	assert_true(busy_agent(p, SPAN("N")) != NULL);
	end_play();
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(domains_behind_the_same_hosts_share_a_window),
		TEST(a_domain_that_moves_takes_its_connections_along),
		TEST(a_domain_waits_for_a_connection_of_its_site_and_gets_it_in_turn),
		TEST(a_connection_too_many_costs_nobody_an_attempt),
		TEST(a_host_that_turns_everybody_away_is_in_trouble),
		TEST(what_was_deferred_by_a_dead_site_goes_when_it_answers),
		TEST(a_rate_answer_pauses_the_site_for_the_time_it_names),
		TEST(a_connection_that_breaks_is_trouble_but_its_message_waits_its_own_time),
		TEST(a_rate_spreads_the_messages_of_a_site),
		TEST(a_connection_ends_after_its_messages),
		TEST(one_sender_does_not_delay_another),
		TEST(letters_of_senders_take_turns),
		TEST(a_site_that_hangs_does_not_grow_and_is_not_alive),
		TEST(mailboxes_that_hang_are_probed_beside_those_that_do_not),
		TEST(a_quick_site_finds_a_slot_beside_those_that_hang),
		TEST(greylisted_mail_is_tried_again_sooner),
		TEST(five_days_of_a_dead_site),
		TEST(a_site_that_is_dead_for_days_gets_no_new_mail),
		TEST(a_herd_follows_the_window),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
