/* message: what becomes of recipients, and that nothing but the end of all of them takes the file away */
#include "tests/unit/queue-manager/harness.h"

static struct heard w;
static struct heard_job job;

/* parent, agent, routed: the agent has the job of the message */
static int
agent_with_job(struct harness *h)
{
	(void)answer_lookup(h, to_smarthost);
	if (h->parent < 0)
		h->parent = parent_of(h, JOBS_SMTP);
	int agent = agent_of(h, h->parent);
	assert_true(agent >= 0);
	assert_true(hear_job(h, agent, &job));
	return agent;
}

static void
message_goes_when_every_recipient_is_delivered(void **state)
{
	struct harness *h = *state;
	uint64_t id = accept_message(h, "a@b.example", "x@y.example z@y.example");
	int agent = agent_with_job(h);
	assert_int_equal(job.count, 2);
	assert_int_equal(job.job.id, id);
	assert_int_equal(job.job.content_length, strlen(CONTENT));
	assert_string_equal(job.sender, "a@b.example");
	assert_string_equal(job.addresses[0], "x@y.example");
	say_result(agent, job.numbers[0], FATE_DELIVERED, false, false);
	turns(h);
	assert_true(file_exists(h, id));
	say_result(agent, job.numbers[1], FATE_DELIVERED, true, false);
	turns(h);
	assert_false(file_exists(h, id));
	assert_int_equal(h->q->messages.count, 0);
	assert_int_equal(h->q->messages.open_count, 0);
	close(agent);
}

static void
message_tries_a_deferred_recipient_again_and_no_other(void **state)
{
	struct harness *h = *state;
	h->config.outbound.retry_first = 200;
	h->config.outbound.retry_max = 200;
	uint64_t id = accept_message(h, "a@b.example", "x@y.example z@y.example");
	int agent = agent_with_job(h);
	say_result(agent, 1, FATE_DELIVERED, false, false);
	say_result(agent, 2, FATE_DEFERRED, true, false);
	turns(h);
	char *text = file_text(h, id);
	assert_non_null(strstr(text, " delivered 1 "));
	assert_non_null(strstr(text, " deferred 2 "));
	free(text);
	assert_int_equal(message_find(h->q, id)->class, MESSAGE_DEFERRED);
	run_for(h, 500);
	/* asked again: a changed table takes effect */
	assert_int_equal(answer_lookup(h, to_smarthost), 1);
	assert_true(hear_job(h, agent, &job));
	assert_int_equal(job.count, 1);
	assert_int_equal(job.numbers[0], 2);
	say_result(agent, 2, FATE_DELIVERED, true, false);
	turns(h);
	assert_false(file_exists(h, id));
	close(agent);
}

/* ---- expansions ---- */

static unsigned parts;

/* list@ becomes a@ and b@; `direct` ones and others are themselves */
static void
answer_expanding(struct harness *h)
{
	static struct wire list;
	struct lookup_questions questions;
	struct lookup_question one;
	accept_lookup(h);
	while (hear(h, h->lookup_fd, &w) == LOOKUP_ROUTES) {
		decode(&w, lookup_calls, &questions);
		while (wire_list_next(&questions.questions, &lookup_question_shape, &one)) {
			bool is_list = span_starts(one.address, SPAN("list@"));
			struct lookup_leaf l;
			to_smarthost(&one, &l);
			l.leaves = is_list ? 2 : 1;
			wire_list_start(&list);
			if (is_list) {
				/* in two parts, each a datagram */
				l.address = SPAN("a@y.example");
				assert_int_equal(wire_list_add(&list, WIRE_LIST_ROOM,
							       &lookup_leaf_shape, &l),
						 0);
				const struct lookup_leaves part = {wire_list_get(&list)};
				assert_int_equal(wire_send(h->lookup_fd,
							   wire_find(lookup_answers, LOOKUP_LEAVES),
							   WIRE_MORE, w.header.request, &part,
							   NULL),
						 CHANNEL_OK);
				turns(h);
				wire_list_start(&list);
				l.address = SPAN("b@y.example");
				parts++;
			}
			assert_int_equal(
				wire_list_add(&list, WIRE_LIST_ROOM, &lookup_leaf_shape, &l), 0);
			const struct lookup_leaves part = {wire_list_get(&list)};
			bool more = questions.questions.count > 0;
			assert_int_equal(
				wire_send(h->lookup_fd, wire_find(lookup_answers, LOOKUP_LEAVES),
					  more ? WIRE_MORE : 0, w.header.request, &part, NULL),
				CHANNEL_OK);
			turns(h);
		}
	}
}

static void
message_expands_a_recipient_once(void **state)
{
	struct harness *h = *state;
	uint64_t id = accept_message(h, "s@b.example", "list@y.example x@y.example");
	answer_expanding(h);
	struct message *m = message_find(h->q, id);
	assert_int_equal(m->count, 4);
	assert_int_equal(message_in(m, RECIPIENT_EXPANDED), 1);
	assert_int_equal(message_in(m, RECIPIENT_READY), 3);
	char *text = file_text(h, id);
	assert_non_null(strstr(text, " to 3 a@y.example parent=1\n"));
	assert_non_null(strstr(text, " expanded 1 -> 3-4\n"));
	assert_true(strstr(text, " to 4 ") < strstr(text, " expanded 1 "));
	free(text);
	/* an alias is told of by the address that the sender gave; nothing is expanded twice after a restart */
	restart(h, "boot-1");
	turns(h);
	answer_expanding(h);
	h->parent = parent_of(h, JOBS_SMTP);
	int agent = agent_of(h, h->parent);
	assert_true(hear_job(h, agent, &job));
	assert_int_equal(job.count, 3);
	assert_string_equal(job.addresses[1], "a@y.example");
	assert_string_equal(job.originals[1], "list@y.example");
	assert_string_equal(job.originals[0], "");
	close(agent);
}

static void
message_forgets_children_of_an_expansion_that_was_torn(void **state)
{
	struct harness *h = *state;
	uint64_t id = accept_message(h, "s@b.example", "list@y.example");
	answer_expanding(h);
	char path[128];
	char *text = file_text(h, id);
	size_t keep = (size_t)(strstr(text, " expanded 1 ") - text) -
		      3; /* in the midst of its check word */
	free(text);
	end_manager(h);
	path_of(h, id, path);
	assert_int_equal(truncate(path, (off_t)keep), 0);
	begin_manager(h, "boot-1");
	turns(h);
	struct message *m = message_find(h->q, id);
	assert_int_equal(message_in(m, RECIPIENT_ORPHAN), 2);
	assert_int_equal(message_open_recipients(m), 1);
	answer_expanding(h);
	assert_int_equal(m->count, 5);
	assert_int_equal(message_in(m, RECIPIENT_READY), 2);
}

static void
endless(const struct lookup_question *q, struct lookup_leaf *l)
{
	static char address[64];
	static unsigned n;
	to_smarthost(q, l);
	snprintf(address, sizeof(address), "again%u@y.example", n++);
	l->address = span_of(address);
}

static void
message_that_expands_without_end_fails(void **state)
{
	struct harness *h = *state;
	uint64_t id = accept_message(h, "s@b.example", "loop@y.example");
	for (int i = 0; i < 20; i++)
		(void)answer_lookup(h, endless);
	struct message *m = message_find(h->q, id);
	assert_int_equal(message_in(m, RECIPIENT_TELLING), 1);
	char *text = file_text(h, id);
	assert_non_null(strstr(text, "5.4.6"));
	free(text);
}

/* ---- failures ---- */

static void
message_tells_of_failures_once_all_have_an_answer(void **state)
{
	struct harness *h = *state;
	static struct heard n;
	struct jobs_failures failures;
	struct jobs_failure f;
	uint64_t id = accept_message(h, "s@b.example", "x@y.example z@y.example ok@y.example");
	int bounce = parent_of(h, JOBS_NOTICE);
	int agent = agent_with_job(h);
	say_result(agent, 1, FATE_FAILED, false, false);
	assert_int_equal(hear(h, bounce, &n), 0);
	say_result(agent, 2, FATE_FAILED, false, false);
	say_result(agent, 3, FATE_DEFERRED, true, false);
	int notifier = agent_of(h, bounce);
	assert_true(notifier >= 0);
	assert_int_equal(hear(h, notifier, &n), JOBS_JOB);
	channel_close_fds(&n.fds);
	assert_int_equal(hear(h, notifier, &n), JOBS_FAILURES);
	decode(&n, jobs_orders, &failures);
	assert_int_equal(failures.failures.count, 2);
	assert_true(wire_list_next(&failures.failures, &jobs_failure_shape, &f));
	assert_true(span_equal(f.address, SPAN("x@y.example")));
	assert_int_equal(f.code, 550);
	assert_true(span_equal(f.status, SPAN("5.1.1")));
	assert_true(span_equal(f.reply, SPAN("so it is")));
	const struct jobs_result done = {.number = 0,
					 .fate = FATE_DELIVERED,
					 .status = SPAN("2.0.0"),
					 .host = SPAN("66101D47CF6B0"),
					 .last = 1};
	say(notifier, jobs_calls, JOBS_RESULT, 0, &done);
	turns(h);
	char *text = file_text(h, id);
	assert_non_null(strstr(text, " 66101D47CF6B0 1-2\n"));
	free(text);
	struct message *m = message_find(h->q, id);
	assert_int_equal(message_in(m, RECIPIENT_NOTIFIED), 2);
	assert_int_equal(message_open_recipients(m), 1);
	/* nobody is told twice, also after a restart */
	restart(h, "boot-1");
	turns(h);
	close(bounce);
	bounce = parent_of(h, JOBS_NOTICE);
	assert_int_equal(hear(h, bounce, &n), 0);
	assert_int_equal(message_in(message_find(h->q, id), RECIPIENT_NOTIFIED), 2);
	close(agent);
	close(notifier);
	close(bounce);
}

static void
refused(const struct lookup_question *q, struct lookup_leaf *l)
{
	*l = (struct lookup_leaf){.number = q->number,
				  .leaves = 1,
				  .kind = LOOKUP_REFUSE,
				  .address = q->address,
				  .code = 550,
				  .status = SPAN("5.1.1"),
				  .text = SPAN("no such user")};
}

static void
message_holds_a_double_bounce_that_fails(void **state)
{
	struct harness *h = *state;
	struct session s = {.fd = connect_to(h, "intake"), .writer = -1};
	session_open(h, &s);
	session_write(&s, CONTENT);
	session_envelope(&s, CONTENT, "", "DOUBLE-BOUNCE");
	session_commit(&s, session_recipients(&s, "postmaster@y.example"));
	assert_int_equal(hear(h, s.fd, &w), INTAKE_QUEUED);
	say(s.fd, intake_calls, INTAKE_KEEP, 1, &(struct intake_keep){0});
	(void)answer_lookup(h, refused);
	struct message *m = message_find(h->q, s.id);
	assert_true(m->is_held);
	int bounce = parent_of(h, JOBS_NOTICE);
	assert_int_equal(hear(h, bounce, &w), 0);
	restart(h, "boot-1");
	turns(h);
	m = message_find(h->q, s.id);
	assert_true(m->is_held);
	/* released, it is tried again */
	message_release(h->q, m);
	message_settle(h->q, m);
	assert_int_equal(answer_lookup(h, to_smarthost), 1);
	assert_int_equal(message_in(m, RECIPIENT_READY), 1);
	close(bounce);
	session_close(&s);
}

static void
message_gives_up_when_its_time_is_over(void **state)
{
	struct harness *h = *state;
	uint64_t id = accept_message(h, "s@b.example", "x@y.example");
	int agent = agent_with_job(h);
	h->q->false_wall_us = clock_wall_us() + 5 * 86400000000LL + 1000000;
	say_result(agent, 1, FATE_DEFERRED, true, false);
	turns(h);
	char *text = file_text(h, id);
	assert_non_null(strstr(text, " failed 1 "));
	/* no server said that: a code of its own would be a lie in the notice */
	assert_non_null(strstr(text, " 0 5.4.7 "));
	assert_non_null(strstr(text, "expired; the last answer was: 451 so it is"));
	free(text);
	close(agent);
}

static void
message_of_the_future_is_delivered(void **state)
{
	struct harness *h = *state;
	h->q->false_wall_us = clock_wall_us() + 3650 * 86400000000LL;
	uint64_t id = accept_message(h, "s@b.example", "x@y.example");
	h->q->false_wall_us = 0;
	restart(h, "boot-1");
	h->config.outbound.retry_first = h->config.outbound.retry_max = 200;
	turns(h);
	int agent = agent_with_job(h);
	say_result(agent, 1, FATE_DEFERRED, true, false);
	turns(h);
	run_for(h, 500);
	(void)answer_lookup(h, to_smarthost);
	assert_true(hear_job(h, agent, &job));
	say_result(agent, 1, FATE_DELIVERED, true, false);
	turns(h);
	assert_false(file_exists(h, id));
	/* and ids go on above it */
	assert_true(accept_message(h, "s@b.example", "x@y.example") > id);
	close(agent);
}

/* ---- before KEEP ---- */

static void
message_is_routed_but_not_delivered_before_keep(void **state)
{
	struct harness *h = *state;
	struct session s = {.writer = -1};
	session_queue(h, &s, "a@b.example", "x@y.example");
	assert_int_equal(answer_lookup(h, to_smarthost), 1);
	h->parent = parent_of(h, JOBS_SMTP);
	assert_int_equal(hear(h, h->parent, &w), 0);
	assert_int_equal(message_in(message_find(h->q, s.id), RECIPIENT_READY), 1);
	say(s.fd, intake_calls, INTAKE_KEEP, 1, &(struct intake_keep){0});
	assert_int_equal(hear(h, h->parent, &w), JOBS_WANT);
	session_close(&s);
}

/* the WANT is for `hosts`, and its agent gets a job of so many recipients */
static void
assert_goes_to(struct harness *h, const char *hosts, unsigned count)
{
	struct jobs_want want;
	assert_int_equal(hear(h, h->parent, &w), JOBS_WANT);
	decode(&w, jobs_orders, &want);
	assert_true(span_equal(want.hosts, span_of(hosts)));
	const struct jobs_agent a = {w.header.request};
	int agent = connect_to(h, "jobs");
	say(agent, jobs_calls, JOBS_AGENT, 1, &a);
	turns(h);
	assert_true(hear_job(h, agent, &job));
	assert_int_equal(job.count, count);
	close(agent);
}

static void
what_is_none_of_ours_is_routed_without_lookup(void **state)
{
	struct harness *h = *state;
	h->parent = parent_of(h, JOBS_SMTP);
	uint64_t id = accept_message(h, "a@b.example", "x@far.test y@far.test");
	assert_goes_to(h, "mx:far.test:25", 2);
	assert_int_equal(answer_lookup(h, to_smarthost), 0);
	/* beside one that lookup knows */
	uint64_t other = accept_message(h, "a@b.example", "x@y.example x@near.test");
	assert_goes_to(h, "mx:near.test:25", 1);
	assert_int_equal(message_in(message_find(h->q, other), RECIPIENT_ASKED), 1);
	assert_int_equal(answer_lookup(h, to_smarthost), 1);
	assert_int_equal(message_in(message_find(h->q, other), RECIPIENT_ASKED), 0);
	assert_non_null(message_find(h->q, id));
}

/* an alias of a domain that is ours no more: its line */
static void
to_a_line_outside(const struct lookup_question *q, struct lookup_leaf *l)
{
	to_smarthost(q, l);
	if (q->line != 0) {
		l->line = q->line;
		l->kind = LOOKUP_DEFER;
		return;
	}
	l->address = SPAN("x@far.test");
	l->line = 5;
}

static void
a_line_of_an_alias_is_lookups_wherever_it_is(void **state)
{
	struct harness *h = *state;
	h->parent = parent_of(h, JOBS_SMTP);
	uint64_t id = accept_message(h, "a@b.example", "x@y.example");
	/* the address, then the line that it stands for */
	assert_int_equal(answer_lookup(h, to_a_line_outside), 2);
	assert_int_equal(hear(h, h->parent, &w), 0); /* nothing is sent */
	assert_int_equal(message_in(message_find(h->q, id), RECIPIENT_DEFERRED), 1);
}

static void
message_abandoned_after_it_was_routed_leaves_nothing(void **state)
{
	struct harness *h = *state;
	struct session s = {.writer = -1};
	session_queue(h, &s, "a@b.example", "x@y.example z@y.example");
	assert_int_equal(answer_lookup(h, to_smarthost), 2);
	say(s.fd, intake_calls, INTAKE_ABANDON, 1, NULL);
	turns(h);
	assert_int_equal(h->q->messages.count, 0);
	h->parent = parent_of(h, JOBS_SMTP);
	assert_int_equal(hear(h, h->parent, &w), 0);
	session_close(&s);
}

/* ---- agents and lookups that die ---- */

static void
message_survives_agents_that_die(void **state)
{
	struct harness *h = *state;
	uint64_t id = accept_message(h, "s@b.example", "x@y.example z@y.example");
	for (int i = 0; i < SCHEDULE_DEATHS_MAX; i++) {
		int agent = agent_with_job(h);
		assert_int_equal(job.count, 2);
		close(agent);
		turns(h);
		struct message *m = message_find(h->q, id);
		assert_int_equal(message_in(m, RECIPIENT_DEFERRED), 2);
		assert_int_equal(m->recipients[0].attempts, i == SCHEDULE_DEATHS_MAX - 1);
		if (i < SCHEDULE_DEATHS_MAX - 1)
			run_for(h, SCHEDULE_PAUSE_MS + 300);
	}
}

static void
message_is_asked_for_again_when_lookup_dies(void **state)
{
	struct harness *h = *state;
	uint64_t id = accept_message(h, "s@b.example", "x@y.example");
	accept_lookup(h);
	assert_int_equal(hear(h, h->lookup_fd, &w), LOOKUP_ROUTES);
	close(h->lookup_fd);
	h->lookup_fd = -1;
	turns(h);
	assert_int_equal(message_in(message_find(h->q, id), RECIPIENT_WAITING), 1);
	run_for(h, 2 * ROUTE_AGAIN_MIN_MS);
	assert_int_equal(answer_lookup(h, to_smarthost), 1);
	assert_int_equal(message_in(message_find(h->q, id), RECIPIENT_READY), 1);
}

static void
message_believes_no_answer_that_was_not_asked_for(void **state)
{
	struct harness *h = *state;
	static struct wire list;
	uint64_t id = accept_message(h, "s@b.example", "x@y.example");
	const struct lookup_question other = {2, SPAN("z@y.example"), 0};
	struct lookup_leaf l;
	accept_lookup(h);
	assert_int_equal(hear(h, h->lookup_fd, &w), LOOKUP_ROUTES);
	to_smarthost(&other, &l);
	wire_list_start(&list);
	assert_int_equal(wire_list_add(&list, WIRE_LIST_ROOM, &lookup_leaf_shape, &l), 0);
	const struct lookup_leaves answer = {wire_list_get(&list)};
	say(h->lookup_fd, lookup_answers, LOOKUP_LEAVES, w.header.request, &answer);
	assert_int_equal(hear(h, h->lookup_fd, &w), -1);
	assert_int_equal(message_in(message_find(h->q, id), RECIPIENT_READY), 0);
}

static void
an_agent_tells_only_of_what_it_was_given(void **state)
{
	struct harness *h = *state;
	uint64_t id = accept_message(h, "s@b.example", "x@y.example z@y.example");
	const struct {
		uint64_t number;
		bool last;
	} wrong[] = {{3, false}, {0, false}, {1, true}};
	for (size_t i = 0; i < 3; i++) {
		int agent = agent_with_job(h);
		say_result(agent, wrong[i].number, FATE_DELIVERED, wrong[i].last, false);
		assert_int_equal(hear(h, agent, &w), -1);
		close(agent);
		assert_true(file_exists(h, id));
		assert_int_equal(message_in(message_find(h->q, id), RECIPIENT_DEFERRED), 2);
		run_for(h, SCHEDULE_PAUSE_MS + 300);
	}
	/* twice the same */
	int agent = agent_with_job(h);
	say_result(agent, 1, FATE_DELIVERED, false, false);
	say_result(agent, 1, FATE_FAILED, false, false);
	assert_int_equal(hear(h, agent, &w), -1);
	assert_int_equal(message_in(message_find(h->q, id), RECIPIENT_DELIVERED), 1);
	close(agent);
	/* and nobody is an agent whom nobody asked for */
	agent = connect_to(h, "jobs");
	const struct jobs_agent a = {77};
	say(agent, jobs_calls, JOBS_AGENT, 1, &a);
	assert_int_equal(hear(h, agent, &w), -1);
	close(agent);
}

static void
message_of_an_agent_that_leaves_is_given_to_the_next(void **state)
{
	struct harness *h = *state;
	(void)accept_message(h, "s@b.example", "x@y.example");
	int agent = agent_with_job(h);
	say(agent, jobs_calls, JOBS_LEAVE, 0, NULL); /* it crossed the job on its way */
	assert_int_equal(hear(h, agent, &w), -1);
	close(agent);
	agent = agent_with_job(h);
	assert_int_equal(job.count, 1);
	close(agent);
}

/* ---- the disk ---- */

static bool is_full;

static int
full(enum spool_change change)
{
	return is_full && change == SPOOL_APPEND ? ENOSPC : 0;
}

static void
message_keeps_its_lines_while_the_disk_is_full(void **state)
{
	struct harness *h = *state;
	uint64_t id = accept_message(h, "s@b.example", "x@y.example z@y.example");
	int agent = agent_with_job(h);
	uint64_t other = accept_message(h, "s@b.example", "x@y.example");
	is_full = true;
	spool_fault = full;
	say_result(agent, 1, FATE_DELIVERED, false, false);
	say_result(agent, 2, FATE_DEFERRED, true, false);
	turns(h);
	assert_int_equal(h->q->disk.state, DISK_FULL);
	run_for(h, DISK_AGAIN_MS + 100);
	assert_int_equal(h->q->disk.state, DISK_FULL);
	/* no job is given meanwhile, nothing is taken */
	(void)answer_lookup(h, to_smarthost);
	assert_false(hear_job(h, agent, &job));
	int fd = connect_to(h, "intake");
	const struct intake_open o = {0};
	say(fd, intake_calls, INTAKE_OPEN, 1, &o);
	assert_int_equal(hear(h, fd, &w), INTAKE_REFUSED);
	is_full = false;
	run_for(h, 2 * DISK_AGAIN_MS + 100);
	assert_int_equal(h->q->disk.state, DISK_FINE);
	char *text = file_text(h, id);
	assert_non_null(strstr(text, " delivered 1 "));
	assert_non_null(strstr(text, " deferred 2 "));
	free(text);
	(void)answer_lookup(h, to_smarthost);
	assert_true(hear_job(h, agent, &job));
	assert_int_equal(job.job.id, other);
	close(fd);
	close(agent);
}

static void
message_whose_file_was_taken_away_ends(void **state)
{
	struct harness *h = *state;
	char path[128];
	uint64_t id = accept_message(h, "s@b.example", "x@y.example");
	message_close_files(h->q, 0);
	path_of(h, id, path);
	assert_int_equal(unlink(path), 0);
	(void)answer_lookup(h, to_smarthost);
	h->parent = parent_of(h, JOBS_SMTP);
	int agent = agent_of(h, h->parent);
	assert_false(agent >= 0 && hear_job(h, agent, &job));
	assert_int_equal(h->q->messages.count, 0);
	if (agent >= 0)
		close(agent);
}

static void
message_keeps_not_more_files_open_than_allowed(void **state)
{
	struct harness *h = *state;
	for (int i = 0; i < MESSAGE_OPEN_MAX + 50; i++)
		(void)accept_message(h, "s@b.example", "x@y.example");
	assert_int_equal(h->q->messages.open_count, MESSAGE_OPEN_MAX);
	assert_int_equal(h->q->messages.kept_count, MESSAGE_OPEN_MAX + 50);
	assert_int_equal(h->q->messages.count, MESSAGE_OPEN_MAX + 50);
	/* what is closed is opened again by who must write, in the place of another one */
	for (struct message *m = h->q->messages.first; m != NULL; m = m->next)
		message_hold(h->q, m, "a test");
	assert_int_equal(message_flush_all(h->q), 0);
	assert_int_equal(h->q->messages.open_count, MESSAGE_OPEN_MAX);
	for (struct message *m = h->q->messages.first; m != NULL; m = m->next)
		assert_true(m->is_held);
	message_close_files(h->q, 0);
	assert_int_equal(h->q->messages.open_count, 0);
	assert_int_equal(h->q->messages.kept_count, 0);
	assert_true(sizeof(struct message) < 256);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(message_goes_when_every_recipient_is_delivered),
		TEST(message_tries_a_deferred_recipient_again_and_no_other),
		TEST(message_expands_a_recipient_once),
		TEST(message_forgets_children_of_an_expansion_that_was_torn),
		TEST(message_that_expands_without_end_fails),
		TEST(message_tells_of_failures_once_all_have_an_answer),
		TEST(message_holds_a_double_bounce_that_fails),
		TEST(message_gives_up_when_its_time_is_over),
		TEST(message_of_the_future_is_delivered),
		TEST(message_is_routed_but_not_delivered_before_keep),
		TEST(message_abandoned_after_it_was_routed_leaves_nothing),
		TEST(what_is_none_of_ours_is_routed_without_lookup),
		TEST(a_line_of_an_alias_is_lookups_wherever_it_is),
		TEST(message_survives_agents_that_die),
		TEST(message_is_asked_for_again_when_lookup_dies),
		TEST(message_believes_no_answer_that_was_not_asked_for),
		TEST(an_agent_tells_only_of_what_it_was_given),
		TEST(message_of_an_agent_that_leaves_is_given_to_the_next),
		TEST(message_keeps_its_lines_while_the_disk_is_full),
		TEST(message_whose_file_was_taken_away_ends),
		TEST(message_keeps_not_more_files_open_than_allowed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
