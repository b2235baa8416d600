/* control: who may ask, what is listed, what is done */
#include "tests/unit/queue-manager/harness.h"

#include "tests/unit/queue-manager/asking.h"

#define STRANGER 65534

static struct heard w;
static struct heard_job job;

static void
list_finds_what_the_selector_says(void **state)
{
	struct harness *h = *state;
	char id[24];
	uint64_t first = accept_message(h, "anna@b.example", "x@y.example list@z.example");
	(void)accept_message(h, "", "x@y.example");
	(void)accept_message(h, "bert@c.example", "q@y.example");
	snprintf(id, sizeof(id), "%013llX", (unsigned long long)first);
	assert_int_equal(list(h, "", false, NULL), 3);
	assert_int_equal(list(h, "all", false, NULL), 3);
	assert_int_equal(list(h, id, false, NULL), 1);
	assert_int_equal(list(h, "from=anna@b.example", false, NULL), 1);
	assert_int_equal(list(h, "from=ANNA@b.example", false, NULL), 1);
	assert_int_equal(list(h, "from=", false, NULL), 1);
	assert_int_equal(list(h, "from=*", false, NULL), 3);
	assert_int_equal(list(h, "from=*.example", false, NULL), 2);
	assert_int_equal(list(h, "from=anna*", false, NULL), 1);
	assert_int_equal(list(h, "from=*@b*", false, NULL), 1);
	assert_int_equal(list(h, "to=x@y.example", false, NULL), 2);
	assert_int_equal(list(h, "domain=y.example", false, NULL), 3);
	assert_int_equal(list(h, "domain=z.example", false, NULL), 1);
	assert_int_equal(list(h, "domain=example", false, NULL), 0);
	assert_int_equal(list(h, "to=x* from=anna*", false, NULL), 1);
	assert_int_equal(list(h, "state=ready", false, NULL), 3);
	assert_int_equal(list(h, "state=held", false, NULL), 0);
	assert_int_equal(list(h, "0000000000001", false, NULL), 0);
	unsigned recipients = 0;
	assert_int_equal(list(h, "", true, &recipients), 3);
	assert_int_equal(recipients, 4);
}

static void
selectors_that_are_not_understood_select_nothing(void **state)
{
	struct harness *h = *state;
	static const char *const wrong[] = {"nonsense",
					    "size=4",
					    "to=",
					    "state=sleeping",
					    "from=a*b",
					    "all from=x",
					    "0123456789ABCDE all",
					    "12",
					    "domain="};
	(void)accept_message(h, "anna@b.example", "x@y.example");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(list(h, wrong[i], false, NULL), -1);
	assert_int_equal(act(h, CONTROL_REMOVE, "nonsense"), -1);
	assert_int_equal(h->q->messages.count, 1);
}

static void
hold_release_retry_and_remove_do_what_they_say(void **state)
{
	struct harness *h = *state;
	uint64_t id = accept_message(h, "anna@b.example", "x@y.example");
	uint64_t other = accept_message(h, "bert@b.example", "x@y.example");
	(void)answer_lookup(h, to_smarthost);
	assert_int_equal(act(h, CONTROL_HOLD, "from=anna*"), 1);
	struct message *m = message_find(h->q, id);
	assert_true(m->is_held);
	assert_int_equal(m->class, MESSAGE_HELD);
	assert_int_equal(list(h, "state=held", false, NULL), 1);
	/* only the other one is delivered */
	h->parent = parent_of(h, JOBS_SMTP);
	int agent = agent_of(h, h->parent);
	assert_true(hear_job(h, agent, &job));
	assert_int_equal(job.job.id, other);
	say_result(agent, 1, FATE_DEFERRED, true, false);
	turns(h);
	assert_false(hear_job(h, agent, &job));
	char *text = file_text(h, id);
	assert_non_null(strstr(text, " held "));
	free(text);
	assert_int_equal(act(h, CONTROL_RETRY, "from=bert*"), 1);
	assert_int_equal(answer_lookup(h, to_smarthost), 1);
	assert_true(hear_job(h, agent, &job));
	assert_int_equal(job.job.id, other);
	say_result(agent, 1, FATE_DELIVERED, true, false);
	assert_int_equal(act(h, CONTROL_RELEASE, "all"), 1);
	assert_false(m->is_held);
	assert_int_equal(answer_lookup(h, to_smarthost), 1);
	assert_true(hear_job(h, agent, &job));
	assert_int_equal(job.job.id, id);
	/* removed while an agent has it: what it says then changes nothing */
	assert_int_equal(act(h, CONTROL_REMOVE, "all"), 1);
	assert_false(file_exists(h, id));
	say_result(agent, 1, FATE_DELIVERED, true, false);
	turns(h);
	assert_int_equal(h->q->messages.count, 0);
	close(agent);
}

static void
bounce_fails_every_recipient_that_is_left(void **state)
{
	struct harness *h = *state;
	struct jobs_failures failures;
	struct buffer to;
	buffer_init(&to, 60000);
	for (int i = 0; i < 2500; i++)
		buffer_format(&to, "u%d@y.example ", i);
	buffer_char(&to, '\0');
	uint64_t id = accept_message(h, "anna@b.example", to.at);
	buffer_free(&to);
	while (answer_lookup(h, to_smarthost) > 0)
		;
	struct message *m = message_find(h->q, id);
	assert_int_equal(message_in(m, RECIPIENT_READY), 2500);
	assert_int_equal(act(h, CONTROL_BOUNCE, "all"), 1);
	assert_int_equal(message_in(m, RECIPIENT_FAILED) + message_in(m, RECIPIENT_TELLING), 2500);
	int bounce = parent_of(h, JOBS_NOTICE);
	int agent = agent_of(h, bounce);
	assert_int_equal(hear(h, agent, &w), JOBS_JOB);
	channel_close_fds(&w.fds);
	unsigned told = 0;
	do {
		assert_int_equal(hear(h, agent, &w), JOBS_FAILURES);
		decode(&w, jobs_orders, &failures);
		told += (unsigned)failures.failures.count;
	} while ((w.header.flags & WIRE_MORE) != 0);
	assert_int_equal(told, QUEUE_NOTICE_MAX);
	close(agent);
	close(bounce);
}

static void
show_tells_each_recipient_with_its_last_reply(void **state)
{
	struct harness *h = *state;
	struct control_file f;
	struct control_message m;
	struct control_recipient r;
	uint64_t id = accept_message(h, "anna@b.example", "x@y.example z@y.example");
	(void)answer_lookup(h, to_smarthost);
	h->parent = parent_of(h, JOBS_SMTP);
	int agent = agent_of(h, h->parent);
	assert_true(hear_job(h, agent, &job));
	say_result(agent, 1, FATE_DELIVERED, false, false);
	say_result(agent, 2, FATE_DEFERRED, true, false);
	turns(h);
	int fd = connect_to(h, "control");
	const struct control_show show = {id};
	say(fd, control_calls, CONTROL_SHOW, 9, &show);
	assert_int_equal(hear(h, fd, &w), CONTROL_FILE);
	assert_int_equal(w.header.request, 9);
	decode(&w, control_answers, &f);
	char text[sizeof(CONTENT)] = "";
	assert_int_equal(pread(w.fds.fd[0], text, f.content_length, (off_t)f.content_at),
			 strlen(CONTENT));
	assert_string_equal(text, CONTENT);
	/* read only */
	assert_int_equal(pwrite(w.fds.fd[0], "x", 1, 0), -1);
	channel_close_fds(&w.fds);
	assert_int_equal(hear(h, fd, &w), CONTROL_MESSAGE);
	decode(&w, control_answers, &m);
	assert_true(span_equal(m.state, SPAN("deferred")));
	assert_int_equal(m.open, 1);
	assert_int_equal(m.attempts, 1);
	assert_true(m.next_us > m.arrived_us);
	assert_int_equal(hear(h, fd, &w), CONTROL_RECIPIENT);
	decode(&w, control_answers, &r);
	assert_true(span_equal(r.state, SPAN("delivered")));
	assert_int_equal(hear(h, fd, &w), CONTROL_RECIPIENT);
	decode(&w, control_answers, &r);
	assert_true(span_equal(r.state, SPAN("deferred")));
	assert_true(span_starts(r.reply, SPAN("451 4.2.0 so it is")));
	assert_int_equal(hear(h, fd, &w), CONTROL_DONE);
	const struct control_show none = {1};
	say(fd, control_calls, CONTROL_SHOW, 10, &none);
	assert_int_equal(hear(h, fd, &w), CONTROL_REFUSED);
	close(fd);
	close(agent);
}

static void
a_list_that_nobody_reads_stalls_nobody(void **state)
{
	struct harness *h = *state;
	for (int i = 0; i < 600; i++)
		(void)accept_message(h, "anna@b.example", "x@y.example");
	int fd = connect_to(h, "control");
	const struct control_list l = {words(""), 1};
	say(fd, control_calls, CONTROL_LIST, 1, &l);
	for (int i = 0; i < 50; i++)
		turns(h);
	size_t waiting = 0;
	for (struct peer *p = h->q->peers; p != NULL; p = p->next)
		waiting += p->waiting;
	assert_true(waiting < 65536);
	/* messages come and go meanwhile */
	(void)accept_message(h, "bert@b.example", "x@y.example");
	assert_int_equal(act(h, CONTROL_REMOVE, "from=anna*"), 600);
	unsigned count = 0;
	while (hear(h, fd, &w) != CONTROL_DONE)
		count += w.type == CONTROL_MESSAGE;
	assert_true(count > 0 && count < 600);
	close(fd);
}

static void
status_counts_messages(void **state)
{
	struct harness *h = *state;
	struct control_state s;
	(void)accept_message(h, "anna@b.example", "x@y.example z@y.example");
	struct session open = {.fd = connect_to(h, "intake"), .writer = -1};
	session_open(h, &open);
	int fd = connect_to(h, "control");
	say(fd, control_calls, CONTROL_STATUS, 1, NULL);
	assert_int_equal(hear(h, fd, &w), CONTROL_STATE);
	decode(&w, control_answers, &s);
	assert_int_equal(s.messages, 1);
	assert_int_equal(s.recipients, 2);
	assert_int_equal(s.ready, 1);
	assert_int_equal(s.incoming, 1);
	assert_int_equal(s.disk_low, 0);
	assert_true(s.memory_per_message > 0 && s.memory_per_message < 300);
	session_close(&open);
	close(fd);
}

/* as another uid: a child, since who asks is what the kernel says; what `run` returns */
static int
as_stranger(struct harness *h, int (*run)(const char *path))
{
	char path[128], x;
	int go[2], status = 0;
	assert_int_equal(chmod(h->folder, 0755), 0);
	snprintf(path, sizeof(path), "%s/control", h->folder);
	assert_int_equal(chmod(path, 0666), 0);
	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	pid_t child = fork();
	if (child == 0) {
		if (setresuid(STRANGER, STRANGER, STRANGER) != 0)
			_exit(100);
		(void)!write(go[1], "x", 1);
		_exit(run(path));
	}
	assert_int_equal(read(go[0], &x, 1), 1);
	for (int i = 0; i < 100 && waitpid(child, &status, WNOHANG) == 0; i++)
		run_for(h, 20);
	assert_true(WIFEXITED(status));
	close(go[0]);
	close(go[1]);
	return WEXITSTATUS(status);
}

/* the type of the answer to one question, *count of a DONE; 0: none came */
static int
question(int fd, uint16_t type, const void *m, uint64_t *count)
{
	static char datagram[CHANNEL_MAX];
	const int64_t deadline = clock_monotonic_ms() + 3000;
	struct control_done done;
	struct wire_header header;
	size_t len;
	if (wire_send_wait(fd, wire_find(control_calls, type), 0, 1, m, NULL, deadline) !=
	    CHANNEL_OK)
		return 0;
	do {
		if (channel_receive_wait(fd, datagram, &len, NULL, deadline) != CHANNEL_OK ||
		    wire_peek(span_from(datagram, len), &header) != 0)
			return 0;
	} while (header.type == CONTROL_MESSAGE || header.type == CONTROL_SITE);
	if (header.type == CONTROL_DONE && count != NULL &&
	    wire_decode(span_from(datagram, len), wire_find(control_answers, CONTROL_DONE),
			&done) == 0)
		*count = done.count;
	return header.type;
}

static int
count_refusals(const char *path)
{
	int fds[4], refused = 0;
	for (int i = 0; i < 4; i++) {
		fds[i] = channel_connect(path, 0);
		if (fds[i] < 0)
			return 101;
	}
	for (int i = 0; i < 4; i++)
		refused += question(fds[i], CONTROL_STATUS, NULL, NULL) == CONTROL_REFUSED;
	return refused;
}

static void
strangers_are_refused_and_few(void **state)
{
	struct harness *h = *state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(as_stranger(h, count_refusals), CONTROL_PEERS_MAX);
}

/* 0, or which step went wrong; two messages are there, one his */
static int
deal_with_own(const char *path)
{
	uint64_t count = 77;
	int fd = channel_connect(path, clock_monotonic_ms() + 3000);
	struct control_act a = {.verb = CONTROL_HOLD, .selector = words("all")};
	const struct control_list all = {words(""), 0};
	const struct control_sites sites = {words("")};
	if (question(fd, CONTROL_SITES, &sites, &count) != CONTROL_DONE || count != 1)
		return 6;
	if (question(fd, CONTROL_LIST, &all, &count) != CONTROL_DONE || count != 1)
		return 1;
	a.selector = words("all");
	if (question(fd, CONTROL_ACT, &a, &count) != CONTROL_REFUSED)
		return 2;
	a = (struct control_act){.verb = CONTROL_REDIRECT,
				 .selector = words("all"),
				 .address = SPAN("own@b.example")};
	if (question(fd, CONTROL_ACT, &a, &count) != CONTROL_REFUSED)
		return 7;
	a = (struct control_act){
		.verb = CONTROL_REMOVE, .selector = words("from=other@b.example"), .dry = 1};
	if (question(fd, CONTROL_ACT, &a, &count) != CONTROL_DONE || count != 0)
		return 8;
	a = (struct control_act){.verb = CONTROL_RETRY, .selector = words("all")};
	if (question(fd, CONTROL_ACT, &a, &count) != CONTROL_DONE || count != 1)
		return 3;
	a = (struct control_act){.verb = CONTROL_REMOVE, .selector = words("from=other@b.example")};
	if (question(fd, CONTROL_ACT, &a, &count) != CONTROL_DONE || count != 0)
		return 4;
	a = (struct control_act){.verb = CONTROL_REMOVE, .selector = words("all")};
	if (question(fd, CONTROL_ACT, &a, &count) != CONTROL_DONE || count != 1)
		return 5;
	return 0;
}

static void
a_user_deals_with_his_own_messages_and_sees_no_other(void **state)
{
	struct harness *h = *state;
	if (geteuid() != 0)
		skip();
	uint64_t own = accept_message(h, "own@b.example", "x@y.example");
	uint64_t other = accept_message(h, "other@b.example", "x@y.example");
	message_find(h->q, own)->whose = STRANGER + 1;
	message_find(h->q, other)->whose = 1 + 1;
	assert_int_equal(as_stranger(h, deal_with_own), 0);
	assert_null(message_find(h->q, own));
	assert_non_null(message_find(h->q, other));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(list_finds_what_the_selector_says),
		TEST(selectors_that_are_not_understood_select_nothing),
		TEST(hold_release_retry_and_remove_do_what_they_say),
		TEST(bounce_fails_every_recipient_that_is_left),
		TEST(show_tells_each_recipient_with_its_last_reply),
		TEST(a_list_that_nobody_reads_stalls_nobody),
		TEST(status_counts_messages),
		TEST(strangers_are_refused_and_few),
		TEST(a_user_deals_with_his_own_messages_and_sees_no_other),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
