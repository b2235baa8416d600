/* early: when a message may leave before KEEP, what its session hears, and what stays of it (the rules E1 to E9) */
#include "tests/unit/queue-manager/harness.h"

#include <arpa/inet.h>

#define WAIT_MS 5000
#define HOSTS "192.0.2.2:25" /* to_smarthost's */

static struct heard w;

static void
configure(struct harness *h, enum config_early how, uint64_t wait_ms)
{
	h->config.early = (struct config_early_delivery){how, wait_ms};
	early_configured(h->q);
}

/* a message whose session would wait: how long it is told to */
static uint64_t
queue_waiting(struct harness *h, struct session *s, const char *addresses, uint64_t notify)
{
	static struct wire list;
	struct intake_commit c = {0, 1};
	struct intake_queued q;
	struct span rest = span_of(addresses);
	*s = (struct session){.writer = -1, .fd = connect_to(h, "intake")};
	session_open(h, s);
	session_write(s, CONTENT);
	session_envelope(s, CONTENT, "a@b.example", "ESMTP");
	wire_list_start(&list);
	for (struct span word; (word = span_word(&rest)).len > 0; c.count++) {
		const struct intake_recipient r = {.address = word, .notify = notify};
		assert_int_equal(wire_list_add(&list, WIRE_LIST_ROOM, &intake_recipient_shape, &r),
				 0);
	}
	const struct intake_recipients all = {wire_list_get(&list)};
	say(s->fd, intake_calls, INTAKE_RECIPIENTS, 1, &all);
	say(s->fd, intake_calls, INTAKE_COMMIT, 1, &c);
	assert_int_equal(hear(h, s->fd, &w), INTAKE_QUEUED);
	decode(&w, intake_answers, &q);
	return q.wait_ms;
}

/* what FINISHED says; 0: there is none */
static enum intake_finish
finish_of(struct harness *h, struct session *s, struct intake_finished *f)
{
	struct intake_finished own;
	if (hear(h, s->fd, &w) == 0)
		return 0;
	assert_int_equal(w.type, INTAKE_FINISHED);
	decode(&w, intake_answers, f != NULL ? f : &own);
	return (enum intake_finish)(f != NULL ? f->finish : own.finish);
}

static void
keep_it(struct harness *h, struct session *s)
{
	say(s->fd, intake_calls, INTAKE_KEEP, 1, &(struct intake_keep){.sync_us = 700});
	turns(h);
}

struct scene {
	struct session s;
	struct heard_job job;
	int parent, agent;
};

/* a message that is early, up to the job at its agent */
static void
begin(struct harness *h, struct scene *c, const char *addresses)
{
	configure(h, CONFIG_EARLY_WAIT, WAIT_MS);
	c->parent = parent_of(h, JOBS_SMTP);
	assert_int_equal(queue_waiting(h, &c->s, addresses, 0), WAIT_MS);
	assert_true(answer_lookup(h, to_smarthost) > 0);
	c->agent = agent_of(h, c->parent);
	assert_true(c->agent >= 0);
	assert_true(hear_job(h, c->agent, &c->job));
	assert_int_equal(finish_of(h, &c->s, NULL), 0);
}

static void
end(struct harness *h, struct scene *c)
{
	session_close(&c->s);
	if (c->agent >= 0)
		close(c->agent);
	close(c->parent);
	turns(h);
}

/* what is told to the sender by a notice; 0: nothing */
static uint32_t
failures_of(struct harness *h, uint64_t id)
{
	const struct message *m = message_find(h->q, id);
	return m != NULL ? message_in(m, RECIPIENT_FAILED) + message_in(m, RECIPIENT_TELLING) : 0;
}

/* ---- E2: delivered ---- */

static void
early_is_done_when_everybody_has_it(void **state)
{
	struct harness *h = *state;
	struct scene c;
	begin(h, &c, "x@y.example z@y.example");
	say_result(c.agent, c.job.numbers[0], FATE_DELIVERED, false, false);
	assert_int_equal(finish_of(h, &c.s, NULL), 0);
	assert_true(file_exists(h, c.s.id));
	say_result(c.agent, c.job.numbers[1], FATE_DELIVERED, true, false);
	assert_int_equal(finish_of(h, &c.s, NULL), INTAKE_FINISH_DELIVERED);
	assert_false(file_exists(h, c.s.id));
	assert_int_equal(h->q->messages.count, 0);
	/* and the connection serves on, without another word about this one */
	close(c.s.reader);
	session_open(h, &c.s);
	end(h, &c);
	assert_false(file_exists(h, c.s.id));
}

static void
early_takes_words_that_crossed_its_own(void **state)
{
	struct harness *h = *state;
	const uint16_t words[] = {INTAKE_KEEP, INTAKE_ABANDON};
	for (size_t i = 0; i < 2; i++) {
		struct scene c;
		begin(h, &c, "x@y.example");
		say_result(c.agent, c.job.numbers[0], FATE_DELIVERED, true, false);
		turns(h);
		say(c.s.fd, intake_calls, words[i], 1, &(struct intake_keep){.sync_us = 1});
		assert_int_equal(finish_of(h, &c.s, NULL), INTAKE_FINISH_DELIVERED);
		close(c.s.reader);
		session_open(h, &c.s);
		end(h, &c);
		assert_int_equal(h->q->messages.count, 0);
		assert_int_equal(h->q->intake.open, 0);
	}
}

/* ---- E1 ---- */

static void
to_hold_for_z(const struct lookup_question *q, struct lookup_leaf *l)
{
	to_smarthost(q, l);
	if (q->address.at[0] == 'z')
		l->kind = LOOKUP_HOLD;
}

static void
early_gives_nothing_away_when_one_is_held(void **state)
{
	struct harness *h = *state;
	struct scene c = {.agent = -1};
	configure(h, CONFIG_EARLY_WAIT, WAIT_MS);
	c.parent = parent_of(h, JOBS_SMTP);
	queue_waiting(h, &c.s, "x@y.example z@y.example", 0);
	answer_lookup(h, to_hold_for_z);
	assert_int_equal(agent_of(h, c.parent), -1);
	assert_int_equal(finish_of(h, &c.s, NULL), INTAKE_FINISH_NOT);
	keep_it(h, &c.s);
	assert_true(message_find(h->q, c.s.id)->is_held);
	end(h, &c);
}

/* ---- E3 ---- */

static void
early_ends_at_a_deferral(void **state)
{
	struct harness *h = *state;
	struct scene c;
	begin(h, &c, "x@y.example z@y.example");
	say_result(c.agent, c.job.numbers[0], FATE_DEFERRED, false, false);
	assert_int_equal(finish_of(h, &c.s, NULL), INTAKE_FINISH_NOT);
	say_result(c.agent, c.job.numbers[1], FATE_DELIVERED, true, false);
	assert_int_equal(finish_of(h, &c.s, NULL), 0);
	keep_it(h, &c.s);
	assert_true(file_exists(h, c.s.id));
	end(h, &c);
}

static void
early_ends_when_an_agent_dies(void **state)
{
	struct harness *h = *state;
	struct scene c;
	begin(h, &c, "x@y.example");
	close(c.agent);
	c.agent = -1;
	assert_int_equal(finish_of(h, &c.s, NULL), INTAKE_FINISH_NOT);
	assert_true(file_exists(h, c.s.id));
	end(h, &c);
}

static void
early_ends_when_an_agent_does_not_take_the_job(void **state)
{
	struct harness *h = *state;
	struct scene c;
	begin(h, &c, "x@y.example");
	say(c.agent, jobs_calls, JOBS_LEAVE, 0, NULL);
	assert_int_equal(finish_of(h, &c.s, NULL), INTAKE_FINISH_NOT);
	/* it is routed anew, and leaves as soon as another one takes it */
	assert_int_equal(answer_lookup(h, to_smarthost), 1);
	close(c.agent);
	c.agent = agent_of(h, c.parent);
	assert_true(hear_job(h, c.agent, &c.job));
	say_result(c.agent, c.job.numbers[0], FATE_DELIVERED, true, false);
	turns(h);
	keep_it(h, &c.s);
	assert_false(file_exists(h, c.s.id));
	end(h, &c);
}

static void
early_makes_a_notice_of_one_refusal_beside_a_delivery(void **state)
{
	struct harness *h = *state;
	for (int order = 0; order < 2; order++) {
		struct scene c;
		begin(h, &c, "x@y.example z@y.example");
		say_result(c.agent, c.job.numbers[0], order == 0 ? FATE_FAILED : FATE_DELIVERED,
			   false, false);
		assert_int_equal(finish_of(h, &c.s, NULL), 0);
		say_result(c.agent, c.job.numbers[1], order == 0 ? FATE_DELIVERED : FATE_FAILED,
			   true, false);
		assert_int_equal(finish_of(h, &c.s, NULL), INTAKE_FINISH_NOT);
		keep_it(h, &c.s);
		assert_int_equal(failures_of(h, c.s.id), 1);
		end(h, &c);
	}
}

/* ---- E4: handed back ---- */

static void
refuse_all(struct harness *h, struct scene *c, struct intake_finished *f)
{
	begin(h, c, "x@y.example z@y.example");
	say_result(c->agent, c->job.numbers[0], FATE_FAILED, false, false);
	assert_int_equal(finish_of(h, &c->s, NULL), 0);
	say_result(c->agent, c->job.numbers[1], FATE_FAILED, true, false);
	assert_int_equal(finish_of(h, &c->s, f), INTAKE_FINISH_REFUSED);
	assert_true(file_exists(h, c->s.id));
	assert_int_equal(h->q->messages.count, 1);
}

static void
early_hands_back_what_all_have_refused(void **state)
{
	struct harness *h = *state;
	struct intake_finished f = {0};
	struct scene c;
	refuse_all(h, &c, &f);
	assert_int_equal(f.code, 550);
	assert_true(span_equal(f.status, SPAN("5.1.1")));
	assert_true(span_equal(f.text, SPAN("so it is")));
	say(c.s.fd, intake_calls, INTAKE_ANSWERED, 1, NULL);
	turns(h);
	assert_false(file_exists(h, c.s.id));
	assert_int_equal(h->q->messages.count, 0);
	end(h, &c);
}

static void
early_forgets_a_refusal_when_no_250_was_given(void **state)
{
	struct harness *h = *state;
	struct scene c;
	refuse_all(h, &c, NULL);
	end(h, &c); /* gone without KEEP */
	assert_false(file_exists(h, c.s.id));
	refuse_all(h, &c, NULL);
	say(c.s.fd, intake_calls, INTAKE_ABANDON, 1, NULL);
	end(h, &c);
	assert_false(file_exists(h, c.s.id));
	assert_int_equal(h->q->messages.count, 0);
}

static void
early_makes_a_notice_when_the_session_had_lost_patience(void **state)
{
	struct harness *h = *state;
	struct scene c;
	refuse_all(h, &c, NULL);
	keep_it(h, &c.s); /* crossed FINISHED */
	assert_true(file_exists(h, c.s.id));
	assert_int_equal(failures_of(h, c.s.id), 2);
	end(h, &c);
	assert_true(file_exists(h, c.s.id));
}

static void
early_takes_no_answered_that_is_not_due(void **state)
{
	struct harness *h = *state;
	struct scene c;
	begin(h, &c, "x@y.example");
	say(c.s.fd, intake_calls, INTAKE_ANSWERED, 1, NULL);
	assert_int_equal(hear(h, c.s.fd, &w), -1);
	assert_true(file_exists(h, c.s.id));
	assert_true(message_find(h->q, c.s.id)->is_kept);
	end(h, &c);
}

/* ---- E5: aliases ---- */

static unsigned leaves_of_alias;

/* every address but those of an expansion is an alias */
static void
answer_alias(struct harness *h)
{
	static struct wire list;
	struct lookup_questions questions;
	struct lookup_question one;
	accept_lookup(h);
	assert_int_equal(hear(h, h->lookup_fd, &w), LOOKUP_ROUTES);
	decode(&w, lookup_calls, &questions);
	assert_true(wire_list_next(&questions.questions, &lookup_question_shape, &one));
	wire_list_start(&list);
	for (unsigned i = 0; i < leaves_of_alias; i++) {
		char address[32];
		snprintf(address, sizeof(address), "secret%u@y.example", i);
		struct lookup_leaf l;
		to_smarthost(&one, &l);
		l.leaves = leaves_of_alias;
		l.address = span_of(address);
		assert_int_equal(wire_list_add(&list, WIRE_LIST_ROOM, &lookup_leaf_shape, &l), 0);
	}
	const struct lookup_leaves answer = {wire_list_get(&list)};
	say(h->lookup_fd, lookup_answers, LOOKUP_LEAVES, w.header.request, &answer);
	answer_lookup(h, to_smarthost);
}

static void
early_tells_nobody_what_is_behind_an_alias(void **state)
{
	struct harness *h = *state;
	struct intake_finished f = {0};
	struct scene c;
	configure(h, CONFIG_EARLY_WAIT, WAIT_MS);
	c.parent = parent_of(h, JOBS_SMTP);
	queue_waiting(h, &c.s, "front@b.example", 0);
	leaves_of_alias = 1;
	answer_alias(h);
	c.agent = agent_of(h, c.parent);
	assert_true(hear_job(h, c.agent, &c.job));
	assert_string_equal(c.job.addresses[0], "secret0@y.example");
	say_result(c.agent, c.job.numbers[0], FATE_FAILED, true, false);
	assert_int_equal(finish_of(h, &c.s, &f), INTAKE_FINISH_REFUSED);
	assert_int_equal(f.code, 550);
	assert_true(span_equal(f.status, SPAN("5.0.0")));
	assert_false(span_equal(f.text, SPAN("so it is")));
	end(h, &c);
}

/* ---- E6 ---- */

static void
early_counts_the_leaves(void **state)
{
	struct harness *h = *state;
	for (unsigned leaves = EARLY_LEAVES_MAX; leaves <= EARLY_LEAVES_MAX + 1; leaves++) {
		struct scene c = {.agent = -1};
		configure(h, CONFIG_EARLY_WAIT, WAIT_MS);
		c.parent = parent_of(h, JOBS_SMTP);
		assert_int_equal(queue_waiting(h, &c.s, "front@b.example", 0), WAIT_MS);
		leaves_of_alias = leaves;
		answer_alias(h);
		assert_int_equal(finish_of(h, &c.s, NULL),
				 leaves > EARLY_LEAVES_MAX ? INTAKE_FINISH_NOT : 0);
		end(h, &c);
		message_remove(h->q, message_find(h->q, c.s.id));
	}
}

static void
early_is_not_for_these(void **state)
{
	struct harness *h = *state;
	struct session s;
	configure(h, CONFIG_EARLY_WAIT, WAIT_MS);
	assert_int_equal(queue_waiting(h, &s, "x@y.example", INTAKE_NOTIFY_SUCCESS), 0);
	session_close(&s);
	assert_int_equal(queue_waiting(h, &s, "x@y.example", INTAKE_NOTIFY_FAILURE), WAIT_MS);
	session_close(&s);
	assert_int_equal(queue_waiting(h, &s, "a@y b@y c@y d@y e@y f@y g@y h@y i@y j@y k@y", 0), 0);
	session_close(&s);
	configure(h, CONFIG_EARLY_OFF, 0);
	assert_int_equal(queue_waiting(h, &s, "x@y.example", 0), 0);
	session_close(&s);
}

/* one message: is it early at its place? */
static bool
is_early(struct harness *h, leaf_maker *leaf)
{
	struct session s;
	queue_waiting(h, &s, "x@y.example", 0);
	answer_lookup(h, leaf);
	bool early = finish_of(h, &s, NULL) == 0;
	session_close(&s);
	turns(h);
	message_remove(h->q, message_find(h->q, s.id));
	return early;
}

static struct place *
place_here(struct harness *h)
{
	return queue_place(h->q, JOBS_SMTP, SPAN(HOSTS), SPAN("outbound"));
}

static void
to_name(const struct lookup_question *q, struct lookup_leaf *l)
{
	to_smarthost(q, l);
	l->hosts = SPAN("mx.example:25");
}

static void
early_knows_itself(void **state)
{
	struct harness *h = *state;
	struct config_listen l = {.address_len = sizeof(struct sockaddr_in)};
	struct sockaddr_in *a = (struct sockaddr_in *)&l.address;
	struct place *named = queue_place(h->q, JOBS_SMTP, SPAN("mx.example:25"), SPAN("outbound"));
	a->sin_family = AF_INET;
	a->sin_port = htons(25);
	assert_int_equal(inet_pton(AF_INET, "192.0.2.2", &a->sin_addr), 1);
	h->config.listens = &l;
	configure(h, CONFIG_EARLY_WAIT, WAIT_MS);
	assert_true(is_early(h, to_smarthost)); /* `listen` is not there yet */
	h->config.listen_count = 1;
	assert_false(is_early(h, to_smarthost));
	a->sin_port = htons(26);
	assert_true(is_early(h, to_smarthost));
	/* 0.0.0.0 is every address of this machine, and no other */
	a->sin_port = htons(25);
	a->sin_addr.s_addr = INADDR_ANY;
	assert_true(is_early(h, to_smarthost));
	h->q->early.address_count = 1;
	h->q->early.addresses[0] = (struct early_address){AF_INET, {192, 0, 2, 2}};
	assert_false(is_early(h, to_smarthost));
	/* where a name leads is known from who has answered */
	assert_false(is_early(h, to_name));
	early_answered(h->q, named, 100, SPAN("mx.example[198.51.100.7]:25"));
	assert_true(is_early(h, to_name));
	early_answered(h->q, named, 100, SPAN("mx.example[127.0.0.1]:25"));
	assert_false(is_early(h, to_name));
	h->config.listen_count = 0;
}

static void
early_obeys_the_innermost_line(void **state)
{
	struct harness *h = *state;
	configure(h, CONFIG_EARLY_WAIT, WAIT_MS);
	h->config.outbound.early.how = CONFIG_EARLY_OFF;
	assert_false(is_early(h, to_smarthost));
	h->config.outbound.early = (struct config_early_delivery){CONFIG_EARLY_WAIT, 2 * WAIT_MS};
	configure(h, CONFIG_EARLY_OFF, 0);
	assert_true(is_early(h, to_smarthost));
	h->config.outbound.early.how = CONFIG_EARLY_UNSAID;
}

/* ---- E7 ---- */

static void
early_is_automatic_only_where_it_is_quicker_than_the_disk(void **state)
{
	struct harness *h = *state;
	struct place *p = place_here(h);
	int parent = parent_of(h, JOBS_SMTP);
	struct agent *first = NULL;
	(void)first;
	configure(h, CONFIG_EARLY_AUTO, 0);
	assert_int_equal(h->q->early.longest_ms, EARLY_AUTO_MS);
	assert_false(is_early(h, to_smarthost)); /* nothing is known */
	int agent = agent_of(h, parent);
	assert_true(agent >= 0);
	early_synced(h->q, 2000);
	assert_false(is_early(h, to_smarthost)); /* the place is not */
	early_answered(h->q, p, 1500, SPAN("mx.example[192.0.2.2]:25"));
	assert_true(is_early(h, to_smarthost));
	p->answer_us = 2500;
	assert_false(is_early(h, to_smarthost)); /* slower than the disk */
	p->answer_us = 1500;
	p->site->back_off_ms = 1000;
	assert_false(is_early(h, to_smarthost)); /* in trouble */
	p->site->back_off_ms = 0;
	uint32_t jobs = (EARLY_BACKLOG_JOBS + 1) * p->site->agents;
	p->site->batches += jobs;
	assert_true(is_early(h, to_smarthost)); /* many, but they are quick */
	p->site->batches -= jobs;
	jobs = EARLY_AUTO_MS * 1000 / EARLY_BACKLOG_PART / 1500 * p->site->agents + 1;
	p->site->batches += jobs;
	assert_false(is_early(h, to_smarthost)); /* a backlog */
	p->site->batches -= jobs;
	close(agent);
	turns(h);
	assert_false(is_early(h, to_smarthost)); /* nobody is connected */
	close(parent);
}

static void
to_mailbox(const struct lookup_question *q, struct lookup_leaf *l)
{
	*l = (struct lookup_leaf){.number = q->number,
				  .leaves = 1,
				  .kind = LOOKUP_MAILBOX,
				  .address = q->address,
				  .user = SPAN("ann"),
				  .domain = SPAN("b.example")};
}

static void
early_measures_mailboxes_together(void **state)
{
	struct harness *h = *state;
	struct place *bob = queue_place(h->q, JOBS_MAILBOX, SPAN("bob"), SPAN("b.example"));
	configure(h, CONFIG_EARLY_AUTO, 0);
	assert_false(is_early(h, to_mailbox));
	early_answered(h->q, bob, EARLY_MAILBOX_US / 2, SPAN("/home/bob/Maildir"));
	assert_true(is_early(h, to_mailbox));
	h->q->early.mailbox_us = EARLY_MAILBOX_US + 1;
	assert_false(is_early(h, to_mailbox));
}

static void
early_measures_what_it_compares(void **state)
{
	struct harness *h = *state;
	struct scene c;
	begin(h, &c, "x@y.example");
	assert_int_equal(place_here(h)->answer_us, 0);
	say_result(c.agent, c.job.numbers[0], FATE_DELIVERED, true, false);
	turns(h);
	assert_true(place_here(h)->answer_us > 0);
	end(h, &c);
	assert_int_equal(h->q->early.sync_us, 0);
	struct session s;
	session_queue(h, &s, "a@b.example", "x@y.example");
	keep_it(h, &s);
	assert_int_equal(h->q->early.sync_us, 700);
	session_close(&s);
	/* the best counts, and fades */
	struct place *p = place_here(h);
	p->answer_us = 1000;
	early_answered(h->q, p, 500, SPAN_NONE);
	assert_int_equal(p->answer_us, 500);
	early_answered(h->q, p, 3700, SPAN_NONE);
	assert_int_equal(p->answer_us, 600);
}

/* ---- E8 ---- */

static void
early_ends_when_its_time_is_over(void **state)
{
	struct harness *h = *state;
	struct scene c;
	/* the longest of the configuration, until the place is known; then the place's own */
	h->config.outbound.early = (struct config_early_delivery){CONFIG_EARLY_WAIT, 120};
	configure(h, CONFIG_EARLY_WAIT, WAIT_MS);
	c.parent = parent_of(h, JOBS_SMTP);
	assert_int_equal(queue_waiting(h, &c.s, "x@y.example", 0), WAIT_MS);
	answer_lookup(h, to_smarthost);
	c.agent = agent_of(h, c.parent);
	assert_true(hear_job(h, c.agent, &c.job));
	run_for(h, 150);
	assert_int_equal(finish_of(h, &c.s, NULL), INTAKE_FINISH_NOT);
	/* the verdict comes after the deadline: it waits for KEEP */
	say_result(c.agent, c.job.numbers[0], FATE_FAILED, true, false);
	assert_int_equal(finish_of(h, &c.s, NULL), 0);
	assert_true(file_exists(h, c.s.id));
	assert_int_equal(message_in(message_find(h->q, c.s.id), RECIPIENT_TELLING), 0);
	keep_it(h, &c.s);
	assert_int_equal(message_in(message_find(h->q, c.s.id), RECIPIENT_TELLING), 1);
	end(h, &c);
	h->config.outbound.early.how = CONFIG_EARLY_UNSAID;
}

static void
early_ends_when_the_system_stops(void **state)
{
	struct harness *h = *state;
	struct scene c;
	begin(h, &c, "x@y.example");
	early_stop(h->q);
	assert_int_equal(finish_of(h, &c.s, NULL), INTAKE_FINISH_NOT);
	h->q->is_stopping = true;
	session_close(&c.s);
	turns(h);
	assert_true(file_exists(h, c.s.id));
	h->q->is_stopping = false;
	close(c.agent);
	close(c.parent);
	turns(h);
}

static void
early_ends_when_somebody_takes_the_message_away(void **state)
{
	struct harness *h = *state;
	struct scene c;
	begin(h, &c, "x@y.example");
	struct message *m = message_find(h->q, c.s.id);
	message_remove(h->q, m); /* the administrator */
	message_settle(h->q, m);
	assert_int_equal(finish_of(h, &c.s, NULL), INTAKE_FINISH_NOT);
	keep_it(h, &c.s);
	end(h, &c);
	assert_int_equal(h->q->messages.count, 0);
}

/* ---- E9: at each step between the next hop and 250 ---- */

static void
early_loses_nothing_in_a_crash(void **state)
{
	struct harness *h = *state;
	enum { QUEUED, GIVEN, ANSWERED, KEPT, STEPS };
	for (int step = QUEUED; step < STEPS; step++) {
		struct scene c = {.agent = -1};
		configure(h, CONFIG_EARLY_WAIT, WAIT_MS);
		c.parent = parent_of(h, JOBS_SMTP);
		queue_waiting(h, &c.s, "x@y.example z@y.example", 0);
		if (step >= GIVEN) {
			answer_lookup(h, to_smarthost);
			c.agent = agent_of(h, c.parent);
			assert_true(hear_job(h, c.agent, &c.job));
		}
		if (step >= ANSWERED) {
			say_result(c.agent, c.job.numbers[0], FATE_DELIVERED, false, false);
			turns(h);
		}
		if (step >= KEPT)
			keep_it(h, &c.s);
		restart(h, "boot-1");
		run_for(h, 20);
		assert_true(file_exists(h, c.s.id));
		struct message *m = message_find(h->q, c.s.id);
		assert_non_null(m);
		assert_true(m->is_kept);
		/* what was journaled is not done twice */
		assert_int_equal(message_in(m, RECIPIENT_DELIVERED), step >= ANSWERED ? 1 : 0);
		end(h, &c);
		message_remove(h->q, m);
	}
}

static void
early_makes_a_notice_of_a_refusal_after_a_crash(void **state)
{
	struct harness *h = *state;
	struct scene c;
	refuse_all(h, &c, NULL);
	restart(h, "boot-1"); /* a KEEP may have been on its way */
	run_for(h, 20);
	assert_true(file_exists(h, c.s.id));
	assert_int_equal(failures_of(h, c.s.id), 2);
	end(h, &c);
}

static void
early_keeps_what_a_dead_session_has_brought(void **state)
{
	struct harness *h = *state;
	struct scene c;
	begin(h, &c, "x@y.example");
	close(c.s.fd);
	turns(h);
	assert_true(message_find(h->q, c.s.id)->is_kept);
	assert_false(message_find(h->q, c.s.id)->is_waited);
	say_result(c.agent, c.job.numbers[0], FATE_DELIVERED, true, false);
	turns(h);
	assert_false(file_exists(h, c.s.id));
	close(c.s.reader);
	close(c.agent);
	close(c.parent);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(early_is_done_when_everybody_has_it),
		TEST(early_takes_words_that_crossed_its_own),
		TEST(early_gives_nothing_away_when_one_is_held),
		TEST(early_ends_at_a_deferral),
		TEST(early_ends_when_an_agent_dies),
		TEST(early_ends_when_an_agent_does_not_take_the_job),
		TEST(early_makes_a_notice_of_one_refusal_beside_a_delivery),
		TEST(early_hands_back_what_all_have_refused),
		TEST(early_forgets_a_refusal_when_no_250_was_given),
		TEST(early_makes_a_notice_when_the_session_had_lost_patience),
		TEST(early_takes_no_answered_that_is_not_due),
		TEST(early_tells_nobody_what_is_behind_an_alias),
		TEST(early_counts_the_leaves),
		TEST(early_is_not_for_these),
		TEST(early_knows_itself),
		TEST(early_obeys_the_innermost_line),
		TEST(early_is_automatic_only_where_it_is_quicker_than_the_disk),
		TEST(early_measures_mailboxes_together),
		TEST(early_measures_what_it_compares),
		TEST(early_ends_when_its_time_is_over),
		TEST(early_ends_when_the_system_stops),
		TEST(early_ends_when_somebody_takes_the_message_away),
		TEST(early_loses_nothing_in_a_crash),
		TEST(early_makes_a_notice_of_a_refusal_after_a_crash),
		TEST(early_keeps_what_a_dead_session_has_brought),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
