/* walk: which messages a selector means, what is only said, what goes elsewhere, how far it is */
#include "tests/unit/queue-manager/asking.h"

#include "queue-manager/request.h"

static struct heard w;
static struct heard_job job;

static void
to_own_mx(const struct lookup_question *q, struct lookup_leaf *l)
{
	static char hosts[300];
	struct span domain = address_domain_of(q->address);
	snprintf(hosts, sizeof(hosts), "mx:%.*s:25", SPAN_ARG(domain));
	to_smarthost(q, l);
	l->hosts = span_of(hosts);
}

/* one message that was deferred with "451 4.2.0 so it is" */
static uint64_t
deferred(struct harness *h, const char *sender, const char *to)
{
	uint64_t id = accept_message(h, sender, to);
	(void)answer_lookup(h, to_smarthost);
	if (h->parent < 0)
		h->parent = parent_of(h, JOBS_SMTP);
	int agent = agent_of(h, h->parent);
	assert_true(hear_job(h, agent, &job));
	say_result(agent, 1, FATE_DEFERRED, true, false);
	turns(h);
	close(agent);
	turns(h);
	return id;
}

static void
age_size_and_user_are_the_messages(void **state)
{
	struct harness *h = *state;
	uint64_t old = accept_message(h, "anna@b.example", "x@y.example");
	uint64_t own = accept_message(h, "bert@b.example", "x@y.example");
	message_find(h->q, old)->arrived_us -= INT64_C(3 * 3600) * 1000000;
	message_find(h->q, own)->whose = 1000 + 1;
	assert_int_equal(list(h, "older=2h", false, NULL), 1);
	assert_int_equal(list(h, "older=4h", false, NULL), 0);
	assert_int_equal(list(h, "older=0s", false, NULL), 2);
	assert_int_equal(list(h, "older=2h from=anna*", false, NULL), 1);
	assert_int_equal(list(h, "older=2h from=bert*", false, NULL), 0);
	assert_int_equal(list(h, "user=1000", false, NULL), 1);
	assert_int_equal(list(h, "user=0", false, NULL), 0);
	assert_int_equal(list(h, "user=*", false, NULL), 1);
	assert_int_equal(list(h, "larger=0", false, NULL), 2);
	message_find(h->q, own)->length = 2000000;
	assert_int_equal(list(h, "larger=1M", false, NULL), 1);
	message_find(h->q, own)->length = 1024;
	assert_int_equal(list(h, "larger=1K", false, NULL), 0);
}

static void
a_login_is_no_user_of_this_host(void **state)
{
	struct harness *h = *state;
	uint64_t id = accept_message(h, "anna@b.example", "x@y.example");
	(void)accept_message(h, "bert@b.example", "x@y.example");
	struct message *m = message_find(h->q, id);
	message_from(h->q, m, 0, SPAN("root"), SPAN_NONE);
	assert_int_equal(list(h, "user=*", false, NULL), 0);
	assert_int_equal(list(h, "user=0", false, NULL), 0);
	assert_int_equal(list(h, "login=root", false, NULL), 1);
	assert_int_equal(list(h, "login=ro*", false, NULL), 1);
	assert_int_equal(list(h, "login=*", false, NULL), 1);
	assert_int_equal(list(h, "login=anna", false, NULL), 0);
	/* whatever the number of its name: that uid does not have it */
	for (uint32_t uid = 0; uid < 8; uid++) {
		struct request r = {.is_admin = false};
		struct peer p = {.q = h->q, .state = &r, .who = {.uid = uid}};
		assert_false(request_is_there(&p, m));
		assert_int_equal(message_uid(m), 0);
	}
}

static void
a_site_is_where_mail_is_sent(void **state)
{
	struct harness *h = *state;
	(void)accept_message(h, "anna@b.example", "x@y.example q@z.example");
	/* before it was routed, the domain stands for it */
	assert_int_equal(list(h, "site=y.example", false, NULL), 1);
	assert_int_equal(list(h, "site=192.0.2.2:25", false, NULL), 0);
	assert_int_equal(answer_lookup(h, to_smarthost), 2);
	assert_int_equal(list(h, "site=192.0.2.2:25", false, NULL), 1);
	assert_int_equal(list(h, "site=192.*", false, NULL), 1);
	assert_int_equal(list(h, "site=y.example", false, NULL), 0);
	/* the words hold for one recipient, or for none */
	assert_int_equal(list(h, "site=192.* domain=z.example", false, NULL), 1);
	assert_int_equal(list(h, "to=x@y.example domain=z.example", false, NULL), 0);
	(void)accept_message(h, "anna@b.example", "x@w.example");
	assert_int_equal(answer_lookup(h, to_own_mx), 1);
	assert_int_equal(list(h, "site=w.example", false, NULL), 1);
}

static void
a_reason_is_a_part_of_the_last_reply(void **state)
{
	struct harness *h = *state;
	uint64_t id = deferred(h, "anna@b.example", "x@y.example");
	(void)accept_message(h, "bert@b.example", "x@y.example");
	assert_int_equal(list(h, "reason=so*it*is", false, NULL), 0);
	assert_int_equal(list(h, "reason=4.2.0", false, NULL), 1);
	assert_int_equal(list(h, "reason=451", false, NULL), 1);
	assert_int_equal(list(h, "reason=*SO", false, NULL), 1);
	assert_int_equal(list(h, "reason=*SO*", false, NULL), 1);
	assert_int_equal(list(h, "reason=550", false, NULL), 0);
	assert_int_equal(list(h, "reason=451 state=held", false, NULL), 0);
	/* it is over for whom it was said of */
	assert_int_equal(act(h, CONTROL_BOUNCE, "reason=451"), 1);
	assert_int_equal(list(h, "reason=451", false, NULL), 0);
	assert_int_equal(list(h, "reason=returned", false, NULL), 0);
	assert_non_null(message_find(h->q, id));
}

static void
wrong_values_are_named(void **state)
{
	struct harness *h = *state;
	static const char *const wrong[] = {
		"older=2",   "older=",	 "older=*",	    "larger=x",	  "larger=",
		"user=anna", "user=",	 "user=4294967295", "reason=",	  "reason=*",
		"site=",     "site=a*b", "site=a id",	    "younger=2h", "user=*1000"};
	(void)accept_message(h, "anna@b.example", "x@y.example");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(list(h, wrong[i], false, NULL), -1);
}

static void
dry_says_what_would_be_done_and_does_nothing(void **state)
{
	struct harness *h = *state;
	unsigned told = 0;
	uint64_t id = accept_message(h, "anna@b.example", "x@y.example");
	(void)accept_message(h, "bert@b.example", "x@y.example");
	for (int verb = CONTROL_RETRY; verb <= CONTROL_REDIRECT; verb++) {
		const struct control_act a = {.verb = (uint64_t)verb,
					      .selector = words("from=anna*"),
					      .dry = 1,
					      .address = SPAN("new@z.example")};
		told = 0;
		assert_int_equal(order(h, &a, &told), 1);
		assert_int_equal(told, 1);
	}
	assert_false(message_find(h->q, id)->is_held);
	assert_int_equal(h->q->messages.count, 2);
	assert_true(file_exists(h, id));
	assert_int_equal(list(h, "to=new@z.example", false, NULL), 0);
}

static void
redirect_moves_those_who_are_meant_and_nobody_else(void **state)
{
	struct harness *h = *state;
	uint64_t id = accept_message(h, "anna@b.example", "x@y.example q@z.example p@y.example");
	(void)answer_lookup(h, to_smarthost);
	const struct control_act a = {.verb = CONTROL_REDIRECT,
				      .selector = words("domain=y.example"),
				      .address = SPAN("new@n.example")};
	assert_int_equal(order(h, &a, NULL), 1);
	struct message *m = message_find(h->q, id);
	/* both became one; the third goes where it did */
	assert_int_equal(m->count, 4);
	assert_int_equal(m->recipients[0].state, RECIPIENT_EXPANDED);
	assert_int_equal(m->recipients[2].state, RECIPIENT_EXPANDED);
	assert_int_equal(list(h, "to=new@n.example", false, NULL), 1);
	char *text = file_text(h, id);
	assert_non_null(strstr(text, "expanded 1 -> 4"));
	assert_non_null(strstr(text, "expanded 3 -> 4"));
	assert_null(strstr(text, "expanded 2"));
	free(text);
	assert_int_equal(answer_lookup(h, to_smarthost), 2);
	h->parent = parent_of(h, JOBS_SMTP);
	int agent = agent_of(h, h->parent);
	assert_true(hear_job(h, agent, &job));
	assert_int_equal(job.count, 2);
	say_result(agent, 2, FATE_DELIVERED, false, false);
	say_result(agent, 4, FATE_DELIVERED, true, false);
	turns(h);
	assert_int_equal(h->q->messages.count, 0);
	close(agent);
}

static void
redirect_is_there_after_a_crash(void **state)
{
	struct harness *h = *state;
	uint64_t id = accept_message(h, "anna@b.example", "x@y.example p@y.example");
	struct message *m = message_find(h->q, id);
	m->recipients[0].notify = INTAKE_NOTIFY_FAILURE;
	m->recipients[1].notify = INTAKE_NOTIFY_NEVER;
	const struct control_act a = {.verb = CONTROL_REDIRECT,
				      .selector = words("all"),
				      .address = SPAN("new@n.example")};
	assert_int_equal(order(h, &a, NULL), 1);
	/* the one that stands for both has what the first wanted to be told: so a replay says, too */
	assert_int_equal(m->recipients[2].notify, INTAKE_NOTIFY_FAILURE);
	restart(h, "boot-1");
	for (int i = 0; i < 100 && !h->q->replay.is_done; i++)
		turns(h);
	m = message_find(h->q, id);
	assert_non_null(m);
	assert_int_equal(m->count, 3);
	assert_int_equal(message_open_recipients(m), 1);
	assert_int_equal(m->unanswered, 1);
	assert_int_equal(list(h, "domain=n.example", false, NULL), 1);
}

static void
redirect_leaves_what_is_done_or_under_way(void **state)
{
	struct harness *h = *state;
	uint64_t id = accept_message(h, "anna@b.example", "x@y.example");
	(void)answer_lookup(h, to_smarthost);
	h->parent = parent_of(h, JOBS_SMTP);
	int agent = agent_of(h, h->parent);
	assert_true(hear_job(h, agent, &job));
	struct control_act a = {.verb = CONTROL_REDIRECT,
				.selector = words("all"),
				.address = SPAN("new@n.example")};
	assert_int_equal(order(h, &a, NULL), 0);
	assert_int_equal(message_find(h->q, id)->count, 1);
	say_result(agent, 1, FATE_DEFERRED, true, false);
	turns(h);
	/* to itself: nothing changes */
	a.selector = words("all");
	a.address = SPAN("x@y.example");
	assert_int_equal(order(h, &a, NULL), 0);
	a.selector = words("all");
	a.address = SPAN("no address");
	assert_int_equal(order(h, &a, NULL), -1);
	a.selector = words("all");
	a.address = SPAN("new@n.example");
	assert_int_equal(order(h, &a, NULL), 1);
	/* what was added is not redirected again */
	assert_int_equal(message_find(h->q, id)->count, 2);
	close(agent);
}

static struct request *
only_request(struct harness *h)
{
	for (struct peer *p = h->q->peers; p != NULL; p = p->next)
		if (p->stage == REQUEST_WORKING)
			return request_of(p);
	return NULL;
}

static void
a_long_request_says_how_far_it_is(void **state)
{
	struct harness *h = *state;
	struct control_progress progress = {0};
	struct request *r;
	enum { COUNT = 100000 };
	char sender[400]; /* long, so that it takes many slices to look into all */
	memset(sender, 'a', sizeof(sender));
	for (uint64_t id = 1; id <= COUNT; id++)
		(void)message_new(h->q, id, 0, span_from(sender, sizeof(sender)));
	int fd = connect_to(h, "control");
	const struct control_list l = {words("from=*nobody*"), 0};
	say(fd, control_calls, CONTROL_LIST, 1, &l);
	/* a second is over whenever it looks at the clock */
	while ((r = only_request(h)) == NULL)
		run_for(h, 0);
	r->told_ms -= CONTROL_PROGRESS_MS;
	assert_int_equal(hear(h, fd, &w), CONTROL_PROGRESS);
	decode(&w, control_answers, &progress);
	assert_int_equal(progress.of, COUNT);
	assert_true(progress.looked > 0 && progress.looked < COUNT);
	assert_int_equal(progress.count, 0);
	while (hear(h, fd, &w) != CONTROL_DONE)
		;
	close(fd);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(age_size_and_user_are_the_messages),
		TEST(a_login_is_no_user_of_this_host),
		TEST(a_site_is_where_mail_is_sent),
		TEST(a_reason_is_a_part_of_the_last_reply),
		TEST(wrong_values_are_named),
		TEST(dry_says_what_would_be_done_and_does_nothing),
		TEST(redirect_moves_those_who_are_meant_and_nobody_else),
		TEST(redirect_is_there_after_a_crash),
		TEST(redirect_leaves_what_is_done_or_under_way),
		TEST(a_long_request_says_how_far_it_is),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
