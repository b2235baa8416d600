/* schedule: scenarios in text under a false clock: what happens when, and what must follow */
#include "tests/unit/queue-manager/scenario.h"

#include "queue-manager/retry.h"

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

SCENARIO(a_place_with_new_mail_comes_before_those_with_retries, "parent up\n"
								"limit agents 1\n"
								"mail A x 1\n"
								"agent x\n"
								"mail R y 1 retry\n"
								"mail B z 1\n"
								"done x\n"
								"wants z 1\nwants y 0\n"
								"agent z\ndone z\n"
								"wants y 1\n")

SCENARIO(new_mail_brings_its_place_before_those_with_retries, "parent up\n"
							      "limit agents 1\n"
							      "mail A x 1\n"
							      "agent x\n"
							      "mail R y 1 retry\nmail S z 1 retry\n"
							      "mail B z 1\n"
							      "done x\n"
							      "wants z 1\nwants y 0\n"
							      "agent z\n"
							      "job z B 1\n")

SCENARIO(retries_have_a_turn_among_new_mail, "parent up\n"
					     "limit agents 1\n"
					     "mail A x 1\n"
					     "agent x\n"
					     "mail R r 1 retry\n"
					     "mail B b 1\nmail C c 1\nmail D d 1\n"
					     "done x\n"
					     "agent b\ndone b\n"
					     "agent c\ndone c\n"
					     "wants r 1\nwants d 0\n"
					     "agent r\ndone r\n"
					     "wants d 1\n")

SCENARIO(retries_to_sites_that_hang_leave_slots_for_new_mail,
	 "parent up\n"
	 "limit agents 8\n"
	 "mail A a 1 retry\nmail B b 1 retry\nmail C c 1 retry\nmail D d 1 retry\n"
	 "mail E e 1 retry\nmail F f 1 retry\nmail G g 1 retry\n"
	 "agent a\nagent b\nagent c\nagent d\nagent e\nagent f\n"
	 "wants g 0\n"
	 "mail N n 1\n"
	 "wants n 1\n"
	 "agent n\ndone n\n"
	 "wants g 0\n"
	 "mail O n 1\n"
	 "job n O 1\n")

SCENARIO(an_agent_in_the_share_of_new_mail_does_not_go_on_with_retries,
	 "parent up\n"
	 "limit agents 8\n"
	 "mail Q q 1\nagent q\ndone q\n"
	 "mail P q 1 retry\n"
	 "mail A a 1 retry\nmail B b 1 retry\nmail C c 1 retry\nmail D d 1 retry\n"
	 "mail E e 1 retry\nmail F f 1 retry\nmail G g 1 retry\n"
	 "agent a\nagent b\nagent c\nagent d\nagent e\nagent f\n"
	 "mail N n 1\n"
	 "agent n\n"
	 "mail R n 1 retry\n"
	 "done n\n"
	 "agents n 0\nwants n 0\n")

/* 14 of 16 agents are for sites that may hang; a sender alone has 12 of them */
#define LIST_TO_UNKNOWN_SITES \
	"parent up\n" \
	"limit agents 16\n" \
	"mail A a 1 by1\nmail B b 1 by1\nmail C c 1 by1\nmail D d 1 by1\nmail E e 1 by1\n" \
	"mail F f 1 by1\nmail G g 1 by1\nmail H h 1 by1\nmail I i 1 by1\nmail J j 1 by1\n" \
	"mail K k 1 by1\nmail L l 1 by1\nmail M m 1 by1\nmail N n 1 by1\n" \
	"agent a\nagent b\nagent c\nagent d\nagent e\nagent f\nagent g\nagent h\n" \
	"agent i\nagent j\nagent k\nagent l\n" \
	"wants m 0\nwants n 0\n"

SCENARIO(a_list_to_unknown_sites_leaves_agents_to_others,
	 LIST_TO_UNKNOWN_SITES "mail O o 1 by2\n"
			       "wants o 1\n"
			       "mail P p 1 by3\n"
			       "wants p 1\n"
			       "agent o\nagent p\n"
			       /* none is left: the next one comes before the list */
			       "mail Q q 1 by4\n"
			       "wants q 0\n"
			       "done a\n"
			       "wants q 1\nwants m 0\n"
			       "agent q\n"
			       "done b\n"
			       "wants m 0\n"
			       "done c\n"
			       "wants m 1\nwants n 0\n")

SCENARIO(a_place_waits_in_the_name_of_who_has_fewest_agents,
	 LIST_TO_UNKNOWN_SITES "mail O n 1 by2\n"
			       "wants n 2\nwants m 0\n")

SCENARIO(retries_to_unknown_sites_take_nothing_from_new_mail_of_their_sender,
	 "parent up\n"
	 "limit agents 8\n"
	 "mail A a 1 retry\nmail B b 1 retry\nmail C c 1 retry\nmail D d 1 retry\n"
	 "mail E e 1 retry\nmail F f 1 retry\n"
	 "agent a\nagent b\nagent c\nagent d\nagent e\nagent f\n"
	 "mail N n 1\n"
	 "wants n 1\n")

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
	 "ready x 2\n" /* E, and B, which would have been the probe if nothing new had come */
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
		TEST(a_place_with_new_mail_comes_before_those_with_retries),
		TEST(new_mail_brings_its_place_before_those_with_retries),
		TEST(retries_have_a_turn_among_new_mail),
		TEST(retries_to_sites_that_hang_leave_slots_for_new_mail),
		TEST(an_agent_in_the_share_of_new_mail_does_not_go_on_with_retries),
		TEST(a_list_to_unknown_sites_leaves_agents_to_others),
		TEST(a_place_waits_in_the_name_of_who_has_fewest_agents),
		TEST(retries_to_unknown_sites_take_nothing_from_new_mail_of_their_sender),
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
