/* budget: what is over it is held, told of once, kept over restarts, and leaves by time or by command */
#include "tests/unit/queue-manager/harness.h"

#include "common/protocol/jobs.h"
#include "queue-manager/budget.h"
#include "queue-manager/request.h"

#define NOW_US (INT64_C(1800000000) * 1000000) /* the begin of a slot */
#define MINUTE_US (INT64_C(60) * 1000000)

static struct heard w;

static int
setup_with_budget(void **state)
{
	int result = setup(state);
	struct harness *h = *state;
	static struct config_budget budget;
	budget = (struct config_budget){.sender_count = 0};
	h->config.budgets = &budget;
	h->config.budget_count = 1;
	h->q->false_wall_us = NOW_US;
	return result;
}

static void
set_limit(struct harness *h, enum config_budget_kind kind, enum config_budget_period period,
	  uint64_t limit)
{
	h->config.budgets[0].limit[kind][period] = limit;
}

/* a message of local user `uid`, or, where there is a login, of that, to so many recipients; kept */
static struct message *
send_from(struct harness *h, uint32_t uid, const char *login, unsigned recipients)
{
	struct session s = {.fd = connect_to(h, "intake"), .writer = -1};
	char addresses[1024] = "";
	for (unsigned i = 0; i < recipients; i++)
		snprintf(addresses + strlen(addresses), sizeof(addresses) - strlen(addresses),
			 "r%u@y.example ", i);
	session_open(h, &s);
	session_write(&s, CONTENT);
	if (login[0] != '\0')
		session_envelope_by(&s, CONTENT, "a@b.example", "ESMTPSA", 0, login);
	else
		session_envelope_of(&s, CONTENT, "a@b.example", "LOCAL", uid + 1);
	session_commit(&s, session_recipients(&s, addresses));
	assert_int_equal(hear(h, s.fd, &w), INTAKE_QUEUED);
	channel_close_fds(&w.fds);
	say(s.fd, intake_calls, INTAKE_KEEP, 1, &(struct intake_keep){0});
	turns(h);
	session_close(&s);
	turns(h);
	return message_find(h->q, s.id);
}

static struct message *
send_as(struct harness *h, uint32_t uid, unsigned recipients)
{
	return send_from(h, uid, "", recipients);
}

static struct message *
send_by(struct harness *h, const char *login)
{
	return send_from(h, 0, login, 1);
}

/* time passes, and what is held is looked at */
static void
pass(struct harness *h, int64_t us)
{
	h->q->false_wall_us += us;
	if (h->q->budget.walk_timer.fire != NULL)
		h->q->budget.walk_timer.fire(&h->q->budget.walk_timer);
	turns(h);
}

static void
restart_at(struct harness *h, int64_t us)
{
	/* as after a kill a second later: nothing is said at the end */
	h->q->budget.save_timer.fire(&h->q->budget.save_timer);
	end_manager(h);
	begin_manager(h, "boot-1");
	h->q->false_wall_us = us;
	/* it began with the true clock */
	ledger_free(&h->q->budget.ledger);
	ledger_start(&h->q->budget.ledger, h->q->spool.dir, us);
	turns(h);
}

static void
budget_holds_what_is_more_and_nobody_elses(void **state)
{
	struct harness *h = *state;
	set_limit(h, CONFIG_BUDGET_MESSAGES, CONFIG_BUDGET_HOUR, 3);
	for (int i = 0; i < 3; i++)
		assert_false(send_as(h, 1000, 1)->is_held);
	struct message *m = send_as(h, 1000, 1);
	assert_true(m->is_held);
	char *text = file_text(h, m->id);
	assert_non_null(strstr(text, " held "));
	assert_non_null(strstr(text, "over budget: 3 messages an hour"));
	free(text);
	assert_false(send_as(h, 1001, 1)->is_held);
	/* strangers and notices have none */
	for (int i = 0; i < 5; i++)
		assert_false(message_find(h->q, accept_message(h, "a@b.example", "x@y.example"))
				     ->is_held);
}

static void
budget_bounds_recipients_and_bytes_and_days(void **state)
{
	struct harness *h = *state;
	set_limit(h, CONFIG_BUDGET_RECIPIENTS, CONFIG_BUDGET_HOUR, 10);
	assert_false(send_as(h, 1, 6)->is_held);
	assert_true(send_as(h, 1, 5)->is_held);
	assert_false(send_as(h, 2, 10)->is_held);
	set_limit(h, CONFIG_BUDGET_RECIPIENTS, CONFIG_BUDGET_HOUR, 0);
	set_limit(h, CONFIG_BUDGET_BYTES, CONFIG_BUDGET_DAY, 2 * strlen(CONTENT));
	assert_false(send_as(h, 3, 6)->is_held);
	assert_false(send_as(h, 3, 6)->is_held);
	assert_true(send_as(h, 3, 1)->is_held);
	pass(h, 23 * 60 * MINUTE_US);
	assert_int_equal(h->q->budget.held, 1); /* that of 1, who has room now, has left */
	assert_true(send_as(h, 3, 1)->is_held);
	pass(h, 66 * MINUTE_US);
	assert_int_equal(h->q->budget.held, 0);
}

static void
budget_lets_go_as_the_window_frees_in_order(void **state)
{
	struct harness *h = *state;
	struct message *m[6];
	set_limit(h, CONFIG_BUDGET_MESSAGES, CONFIG_BUDGET_HOUR, 2);
	m[0] = send_as(h, 7, 1);
	h->q->false_wall_us += 30 * MINUTE_US;
	for (int i = 1; i < 6; i++)
		m[i] = send_as(h, 7, 1);
	assert_false(m[1]->is_held);
	assert_true(m[2]->is_held);
	pass(h, 29 * MINUTE_US);
	assert_true(m[2]->is_held);
	pass(h, 6 * MINUTE_US); /* the slot of the first is over for an hour */
	assert_false(m[2]->is_held);
	assert_true(m[3]->is_held);
	/* who comes now is behind them, also when there is room that nobody has looked at */
	assert_true(send_as(h, 7, 1)->is_held);
	h->q->false_wall_us += 31 * MINUTE_US;
	assert_true(send_as(h, 7, 1)->is_held);
	h->q->false_wall_us -= 31 * MINUTE_US;
	pass(h, 30 * MINUTE_US);
	assert_false(m[3]->is_held);
	assert_true(m[4]->is_held);
	for (int i = 0; i < 3; i++)
		pass(h, 66 * MINUTE_US);
	assert_false(m[5]->is_held);
	assert_int_equal(h->q->budget.held, 0);
	assert_false(send_as(h, 7, 1)->is_held);
}

static void
budget_keeps_what_never_fits_for_the_administrator(void **state)
{
	struct harness *h = *state;
	set_limit(h, CONFIG_BUDGET_RECIPIENTS, CONFIG_BUDGET_HOUR, 10);
	struct message *big = send_as(h, 7, 11);
	assert_true(big->is_held);
	assert_false(send_as(h, 7, 1)->is_held); /* and delays nobody */
	pass(h, 48 * 60 * MINUTE_US);
	assert_true(big->is_held);
	message_release(h->q, big);
	message_settle(h->q, big);
	assert_false(big->is_held);
	assert_true(send_as(h, 7, 1)->is_held); /* which counts */
}

static void
budget_is_kept_over_restarts(void **state)
{
	struct harness *h = *state;
	set_limit(h, CONFIG_BUDGET_MESSAGES, CONFIG_BUDGET_HOUR, 3);
	(void)send_as(h, 7, 1);
	assert_true(ledger_save(&h->q->budget.ledger)); /* a second later */
	h->q->false_wall_us += 10 * MINUTE_US;
	(void)send_as(h, 7, 1);
	(void)send_as(h, 7, 1);
	uint64_t held = send_as(h, 7, 1)->id;
	restart_at(h, NOW_US + 20 * MINUTE_US);
	struct message *m = message_find(h->q, held);
	assert_true(m->is_held);
	assert_true(m->is_over_budget);
	assert_int_equal(h->q->budget.held, 1);
	assert_true(send_as(h, 7, 1)->is_held);
	pass(h, 50 * MINUTE_US); /* room for one */
	assert_false(message_find(h->q, held)->is_held);
	assert_int_equal(h->q->budget.held, 1);
	restart_at(h, NOW_US + 71 * MINUTE_US);
	assert_false(message_find(h->q, held)->is_held);
	assert_int_equal(h->q->budget.held, 1);
	pass(h, 6 * MINUTE_US);
	assert_int_equal(h->q->budget.held, 0);
}

static void
budget_survives_torn_lines_and_a_day(void **state)
{
	struct harness *h = *state;
	char path[128];
	struct ledger l;
	(void)send_as(h, 7, 2);
	restart_at(h, NOW_US);
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/spool/budget.%d", h->folder, i);
		FILE *f = fopen(path, "a");
		assert_non_null(f);
		fputs("00000000 6000000 99 99 99 uid:7\nhalf a li", f);
		fclose(f);
	}
	const struct {
		int64_t after_us;
		uint64_t messages;
	} cases[] = {{0, 1}, {24 * 60 * MINUTE_US, 1}, {25 * 60 * MINUTE_US, 0}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t at = NOW_US + cases[i].after_us;
		ledger_start(&l, h->q->spool.dir, at);
		struct ledger_amount used =
			ledger_used(ledger_sender(&l, SPAN("uid:7")), LEDGER_DAY_SLOTS, at);
		assert_int_equal(used.messages, cases[i].messages);
		ledger_free(&l);
	}
	/* what is added stands behind the torn line, not in it */
	ledger_start(&l, h->q->spool.dir, NOW_US);
	(void)ledger_add(&l, ledger_sender(&l, SPAN("uid:7")), &(struct ledger_amount){1, 1, 1},
			 NOW_US);
	assert_true(ledger_save(&l));
	ledger_free(&l);
	ledger_start(&l, h->q->spool.dir, NOW_US);
	struct ledger_sender *seven = ledger_sender(&l, SPAN("uid:7"));
	assert_int_equal(ledger_used(seven, LEDGER_HOUR_SLOTS, NOW_US).messages, 2);
	ledger_free(&l);
	/* its file is emptied when its turn comes again */
	ledger_start(&l, h->q->spool.dir, NOW_US);
	for (int day = 0; day < 3; day++) {
		int64_t at = NOW_US + day * 24 * 60 * MINUTE_US;
		(void)ledger_add(&l, ledger_sender(&l, SPAN("a b\n")),
				 &(struct ledger_amount){1, 1, 1}, at);
		assert_true(ledger_save(&l));
	}
	ledger_free(&l);
	ledger_start(&l, h->q->spool.dir, NOW_US);
	assert_int_equal(l.count, 1);
	assert_int_equal(
		ledger_used(l.senders[0], LEDGER_DAY_SLOTS, NOW_US + 72 * 60 * MINUTE_US).messages,
		1);
	ledger_free(&l);
}

static int
fail_every_append(enum spool_change change)
{
	return change == SPOOL_APPEND ? ENOSPC : 0;
}

static void
ledger_tries_again_what_could_not_be_written(void **state)
{
	struct harness *h = *state;
	struct ledger l;
	ledger_start(&l, h->q->spool.dir, NOW_US);
	const struct ledger_amount one = {1, 1, 1};
	struct ledger_sender *s = ledger_sender(&l, SPAN("ann@example.org"));
	(void)ledger_add(&l, s, &one, NOW_US);
	spool_fault = fail_every_append;
	assert_false(ledger_save(&l));
	spool_fault = NULL;
	(void)ledger_add(&l, s, &one, NOW_US);
	assert_true(ledger_save(&l));
	ledger_free(&l);
	ledger_start(&l, h->q->spool.dir, NOW_US);
	s = ledger_sender(&l, SPAN("ann@example.org"));
	assert_int_equal(ledger_used(s, LEDGER_HOUR_SLOTS, NOW_US).messages, 2);
	/* a clock that was set back blocks nobody for longer than a day */
	int64_t before = NOW_US - 365 * 24 * 60 * MINUTE_US;
	assert_int_equal(ledger_used(s, LEDGER_HOUR_SLOTS, before).messages, 2);
	before += 25 * 60 * MINUTE_US;
	assert_int_equal(ledger_used(s, LEDGER_DAY_SLOTS, before).messages, 0);
	ledger_forget_idle(&l, before);
	assert_int_equal(l.count, 0);
	/* and senders are bounded */
	for (int i = 0; i < LEDGER_SENDERS_MAX + 10; i++) {
		char name[32];
		snprintf(name, sizeof(name), "uid:%d", i);
		(void)ledger_add(&l, ledger_sender(&l, span_of(name)), &one, NOW_US);
	}
	assert_true(l.count <= LEDGER_SENDERS_MAX + 1);
	ledger_free(&l);
}

static void
budget_counts_a_login_wherever_it_comes_from(void **state)
{
	struct harness *h = *state;
	set_limit(h, CONFIG_BUDGET_MESSAGES, CONFIG_BUDGET_HOUR, 1);
	assert_false(send_by(h, "ann@a.example")->is_held);
	uint64_t held = send_by(h, "ann@a.example")->id;
	assert_true(message_find(h->q, held)->is_held);
	assert_false(send_by(h, "bob")->is_held);
	/* what it has used, and what is held, stays through a kill */
	restart_at(h, NOW_US + 10 * MINUTE_US);
	assert_true(message_find(h->q, held)->is_over_budget);
	assert_true(send_by(h, "ann@a.example")->is_held);
	assert_true(send_by(h, "bob")->is_held);
	pass(h, 66 * MINUTE_US);
	assert_false(message_find(h->q, held)->is_held);
	assert_int_equal(h->q->budget.held, 1);
}

static void
budget_takes_no_login_for_a_user_of_this_host(void **state)
{
	static const char *const logins[] = {"uid:7", "7", "login:uid:7", LEDGER_OTHERS};
	struct harness *h = *state;
	set_limit(h, CONFIG_BUDGET_MESSAGES, CONFIG_BUDGET_HOUR, 1);
	for (size_t i = 0; i < sizeof(logins) / sizeof(logins[0]); i++)
		assert_false(send_by(h, logins[i])->is_held);
	assert_false(send_as(h, 7, 1)->is_held);
	assert_true(send_as(h, 7, 1)->is_held);
	assert_true(send_by(h, "uid:7")->is_held);
	assert_int_equal(ledger_sender(&h->q->budget.ledger, SPAN(LEDGER_OTHERS))->count, 0);
}

/* JOB and FAILURES as bounce gets them; how many recipients they tell of, and the reply of the last */
static unsigned
hear_notice(struct harness *h, int agent, char reply[256], char status[16])
{
	struct jobs_failures part;
	struct jobs_failure f;
	unsigned count = 0;
	if (hear(h, agent, &w) != JOBS_JOB)
		return 0;
	channel_close_fds(&w.fds);
	assert_int_equal(hear(h, agent, &w), JOBS_FAILURES);
	decode(&w, jobs_orders, &part);
	for (; wire_list_next(&part.failures, &jobs_failure_shape, &f); count++) {
		assert_int_equal(f.action, JOBS_ACTION_DELAYED);
		assert_int_equal(span_copy(f.reply, reply, 256), 0);
		assert_int_equal(span_copy(f.status, status, 16), 0);
	}
	const struct jobs_result r = {.fate = FATE_DELIVERED,
				      .status = SPAN("2.0.0"),
				      .text = SPAN("notice"),
				      .host = SPAN("0006A2B4C5D6E"),
				      .last = 1};
	say(agent, jobs_calls, JOBS_RESULT, 0, &r);
	turns(h);
	return count;
}

static void
budget_tells_once(void **state)
{
	struct harness *h = *state;
	char reply[256], status[16];
	h->config.outbound.delay_notice = 4 * 3600000;
	set_limit(h, CONFIG_BUDGET_MESSAGES, CONFIG_BUDGET_HOUR, 1);
	(void)send_as(h, 7, 1);
	int parent = parent_of(h, JOBS_NOTICE);
	struct message *m = send_as(h, 7, 2);
	int agent = agent_of(h, parent);
	assert_true(agent >= 0);
	assert_int_equal(hear_notice(h, agent, reply, status), 2);
	assert_non_null(strstr(reply, "1 messages an hour"));
	assert_string_equal(status, JOBS_STATUS_BUDGET);
	char *text = file_text(h, m->id);
	assert_non_null(strstr(text, " notified "));
	free(text);
	(void)send_as(h, 7, 1);
	assert_int_equal(hear_notice(h, agent, reply, status), 0);
	/* nor after a restart */
	restart_at(h, h->q->false_wall_us);
	close(agent);
	close(parent);
	parent = parent_of(h, JOBS_NOTICE);
	(void)send_as(h, 7, 1);
	assert_int_equal(agent_of(h, parent), -1);
	/* when all has left, the next time is another one */
	pass(h, 66 * MINUTE_US);
	pass(h, 66 * MINUTE_US);
	pass(h, 66 * MINUTE_US);
	pass(h, 66 * MINUTE_US);
	assert_int_equal(h->q->budget.held, 0);
	m = send_as(h, 7, 1);
	m = m->is_held ? m : send_as(h, 7, 1);
	assert_true(m->is_held);
	agent = agent_of(h, parent);
	assert_true(agent >= 0);
	assert_int_equal(hear_notice(h, agent, reply, status), 1);
	close(agent);
	close(parent);
}

static void
budget_counts_what_is_held_whatever_becomes_of_it(void **state)
{
	struct harness *h = *state;
	set_limit(h, CONFIG_BUDGET_MESSAGES, CONFIG_BUDGET_HOUR, 1);
	(void)send_as(h, 7, 1);
	struct message *first = send_as(h, 7, 1), *second = send_as(h, 7, 1),
		       *third = send_as(h, 7, 1);
	assert_int_equal(h->q->budget.held, 3);
	message_remove(h->q, first);
	assert_int_equal(h->q->budget.held, 2);
	/* the administrator's word stands, whatever room there is */
	message_hold(h->q, second, "by the administrator");
	assert_int_equal(h->q->budget.held, 1);
	uint64_t id = second->id, other = third->id;
	pass(h, 66 * MINUTE_US);
	assert_true(message_find(h->q, id)->is_held);
	assert_false(message_find(h->q, other)->is_held);
	restart_at(h, h->q->false_wall_us);
	assert_true(message_find(h->q, id)->is_held);
	assert_false(message_find(h->q, id)->is_over_budget);
	assert_int_equal(h->q->budget.held, 0);
	/* a budget that is gone, or greater, lets go at once */
	(void)send_as(h, 7, 1);
	struct message *m = send_as(h, 7, 1);
	assert_true(m->is_held);
	set_limit(h, CONFIG_BUDGET_MESSAGES, CONFIG_BUDGET_HOUR, 100);
	budget_configured(h->q);
	turns(h);
	assert_false(m->is_held);
}

static void
budget_is_told_to_who_may_know(void **state)
{
	struct harness *h = *state;
	struct control_use u = {.held = 0};
	set_limit(h, CONFIG_BUDGET_MESSAGES, CONFIG_BUDGET_HOUR, 1);
	(void)send_as(h, 7, 2);
	(void)send_as(h, 7, 3);
	(void)send_as(h, (uint32_t)getuid() + 5, 1);
	int fd = connect_to(h, "control");
	say(fd, control_calls, CONTROL_BUDGET, 1, NULL);
	assert_int_equal(hear(h, fd, &w), CONTROL_USE);
	decode(&w, control_answers, &u);
	assert_true(span_equal(u.sender, SPAN("uid:7")));
	assert_int_equal(u.messages[0], 1);
	assert_int_equal(u.messages_max[0], 1);
	assert_int_equal(u.recipients[1], 2);
	assert_int_equal(u.held, 1);
	assert_int_equal(hear(h, fd, &w), CONTROL_USE);
	assert_int_equal(hear(h, fd, &w), CONTROL_DONE);
	/* somebody else hears of himself alone */
	for (struct peer *p = h->q->peers; p != NULL; p = p->next)
		if (p->state != NULL && p->who.pid == getpid() &&
		    strcmp(p->kind->name, "control") == 0)
			((struct request *)p->state)->is_admin = false;
	say(fd, control_calls, CONTROL_BUDGET, 1, NULL);
	assert_int_equal(hear(h, fd, &w), CONTROL_DONE);
	(void)send_as(h, (uint32_t)getuid(), 1);
	say(fd, control_calls, CONTROL_BUDGET, 1, NULL);
	assert_int_equal(hear(h, fd, &w), CONTROL_USE);
	assert_int_equal(hear(h, fd, &w), CONTROL_DONE);
	close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_with_budget, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(budget_holds_what_is_more_and_nobody_elses),
		TEST(budget_bounds_recipients_and_bytes_and_days),
		TEST(budget_lets_go_as_the_window_frees_in_order),
		TEST(budget_keeps_what_never_fits_for_the_administrator),
		TEST(budget_is_kept_over_restarts),
		TEST(budget_survives_torn_lines_and_a_day),
		TEST(ledger_tries_again_what_could_not_be_written),
		TEST(budget_tells_once),
		TEST(budget_counts_what_is_held_whatever_becomes_of_it),
		TEST(budget_counts_a_login_wherever_it_comes_from),
		TEST(budget_takes_no_login_for_a_user_of_this_host),
		TEST(budget_is_told_to_who_may_know),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
