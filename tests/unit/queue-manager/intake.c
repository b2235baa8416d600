/* intake: the five steps, and everything that may go wrong in each */
#include "tests/unit/queue-manager/harness.h"

#include <poll.h>

static struct heard w;

static void
intake_queues_a_message_as_one_text_file(void **state)
{
	struct harness *h = *state;
	uint64_t id = accept_message(h, "a@b.example", "x@y.example z@y.example");
	char *text = file_text(h, id);
	assert_non_null(strstr(text, "culver-message 1 "));
	assert_memory_equal(text + 40, CONTENT, strlen(CONTENT));
	const char *journal = text + 40 + strlen(CONTENT);
	assert_non_null(
		strstr(journal, " from network 192.0.2.1 client.example ESMTP a@b.example 7bit\n"));
	assert_non_null(strstr(journal, " top \"Received: from x\"\n"));
	assert_non_null(strstr(journal, " to 2 z@y.example\n"));
	assert_non_null(strstr(journal, " queued "));
	struct message *m = message_find(h->q, id);
	assert_non_null(m);
	assert_true(m->is_kept);
	assert_int_equal(m->count, 2);
	free(text);
}

static void
intake_gives_ids_that_only_rise(void **state)
{
	struct harness *h = *state;
	uint64_t before = 0;
	h->q->false_wall_us = 1000; /* a clock that stands still, and in the past */
	for (int i = 0; i < 5; i++) {
		uint64_t id = accept_message(h, "", "x@y.example");
		assert_true(id > before);
		before = id;
	}
	restart(h, "boot-1");
	h->q->false_wall_us = 1000;
	assert_true(accept_message(h, "", "x@y.example") > before);
}

static void
intake_removes_what_was_never_committed(void **state)
{
	struct harness *h = *state;
	struct session s = {.fd = connect_to(h, "intake"), .writer = -1};
	session_open(h, &s);
	assert_true(file_exists(h, s.id));
	session_close(&s);
	turns(h);
	assert_false(file_exists(h, s.id));
	s = (struct session){.fd = connect_to(h, "intake"), .writer = -1};
	session_open(h, &s);
	session_write(&s, CONTENT);
	session_envelope(&s, CONTENT, "a@b.example", "ESMTP");
	(void)session_recipients(&s, "x@y.example");
	turns(h);
	assert_non_null(message_find(h->q, s.id));
	session_close(&s);
	turns(h);
	assert_false(file_exists(h, s.id));
	assert_null(message_find(h->q, s.id));
	assert_int_equal(h->q->messages.count, 0);
	assert_int_equal(h->q->intake.open, 0);
}

static void
intake_keeps_what_was_queued_when_the_session_dies(void **state)
{
	struct harness *h = *state;
	struct session s = {.writer = -1};
	session_queue(h, &s, "a@b.example", "x@y.example");
	assert_false(message_find(h->q, s.id)->is_kept);
	session_close(&s);
	turns(h);
	assert_true(file_exists(h, s.id));
	assert_true(message_find(h->q, s.id)->is_kept);
}

static void
intake_ends_a_message_that_is_abandoned(void **state)
{
	struct harness *h = *state;
	struct session s = {.writer = -1};
	session_queue(h, &s, "a@b.example", "x@y.example");
	say(s.fd, intake_calls, INTAKE_ABANDON, 1, NULL);
	turns(h);
	assert_false(file_exists(h, s.id));
	assert_int_equal(h->q->messages.count, 0);
	/* and the connection serves on */
	struct session again = {.fd = s.fd, .writer = -1};
	session_open(h, &again);
	close(again.reader);
	session_close(&s);
}

static void
assert_cut_off(struct harness *h, struct session *s)
{
	assert_int_equal(hear(h, s->fd, &w), -1);
	assert_false(file_exists(h, s->id));
	assert_int_equal(h->q->messages.count, 0);
}

static void
intake_finds_a_kept_writer(void **state)
{
	struct harness *h = *state;
	struct session s = {.fd = connect_to(h, "intake"), .writer = -1};
	session_open(h, &s);
	assert_int_equal(write(s.writer, CONTENT, strlen(CONTENT)), strlen(CONTENT));
	session_envelope(&s, CONTENT, "a@b.example", "ESMTP");
	assert_cut_off(h, &s);
	session_close(&s);
}

static void
intake_finds_a_duplicate_of_the_writer(void **state)
{
	struct harness *h = *state;
	struct session s = {.fd = connect_to(h, "intake"), .writer = -1};
	session_open(h, &s);
	int copy = dup(s.writer);
	session_write(&s, CONTENT);
	session_envelope(&s, CONTENT, "a@b.example", "ESMTP");
	assert_cut_off(h, &s);
	close(copy);
	session_close(&s);
}

static void
intake_finds_a_writer_in_flight(void **state)
{
	struct harness *h = *state;
	struct session s = {.fd = connect_to(h, "intake"), .writer = -1};
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	session_open(h, &s);
	assert_int_equal(channel_send(pair[0], SPAN("x"), &s.writer, 1), CHANNEL_OK);
	session_write(&s, CONTENT);
	session_envelope(&s, CONTENT, "a@b.example", "ESMTP");
	assert_cut_off(h, &s);
	close(pair[0]);
	close(pair[1]);
	session_close(&s);
}

static void
intake_takes_no_content_of_another_length(void **state)
{
	struct harness *h = *state;
	struct session s = {.fd = connect_to(h, "intake"), .writer = -1};
	session_open(h, &s);
	session_write(&s, CONTENT "more");
	session_envelope(&s, CONTENT, "a@b.example", "ESMTP");
	assert_cut_off(h, &s);
	session_close(&s);
}

static void
intake_takes_no_other_number_of_recipients(void **state)
{
	struct harness *h = *state;
	struct session s = {.fd = connect_to(h, "intake"), .writer = -1};
	session_open(h, &s);
	session_write(&s, CONTENT);
	session_envelope(&s, CONTENT, "a@b.example", "ESMTP");
	session_commit(&s, session_recipients(&s, "a@x.example b@x.example") + 1);
	assert_cut_off(h, &s);
	session_close(&s);
}

/* what has no answer may come with what follows it, in the order that holds for datagrams */
static void
intake_takes_several_messages_in_one_datagram(void **state)
{
	static struct wire together, list;
	struct harness *h = *state;
	struct session s = {.fd = connect_to(h, "intake"), .writer = -1};
	const struct intake_recipient r = {.address = SPAN("x@y.example")};
	const struct intake_envelope e = {.origin = INTAKE_NETWORK,
					  .protocol = SPAN("ESMTP"),
					  .sender = SPAN("a@b.example"),
					  .length = strlen(CONTENT),
					  .checksum = checksum_of(CONTENT, strlen(CONTENT))};
	session_open(h, &s);
	session_write(&s, CONTENT);
	wire_list_start(&list);
	assert_int_equal(wire_list_add(&list, WIRE_LIST_ROOM, &intake_recipient_shape, &r), 0);
	const struct intake_recipients all = {wire_list_get(&list)};
	assert_int_equal(wire_encode(&together, wire_find(intake_calls, INTAKE_ENVELOPE), 0, 1, &e),
			 0);
	assert_int_equal(
		wire_append(&together, wire_find(intake_calls, INTAKE_RECIPIENTS), 0, 1, &all), 0);
	assert_int_equal(wire_append(&together, wire_find(intake_calls, INTAKE_COMMIT), 0, 1,
				     &(struct intake_commit){1, 0}),
			 0);
	assert_int_equal(channel_send(s.fd, span_from(together.at, together.len), NULL, 0),
			 CHANNEL_OK);
	assert_int_equal(hear(h, s.fd, &w), INTAKE_QUEUED);
	/* KEEP, and the next file with it */
	assert_int_equal(wire_encode(&together, wire_find(intake_calls, INTAKE_KEEP), 0, 1,
				     &(struct intake_keep){0}),
			 0);
	assert_int_equal(wire_append(&together, wire_find(intake_calls, INTAKE_OPEN), 0, 2,
				     &(struct intake_open){0}),
			 0);
	assert_int_equal(channel_send(s.fd, span_from(together.at, together.len), NULL, 0),
			 CHANNEL_OK);
	assert_int_equal(hear(h, s.fd, &w), INTAKE_FILE);
	assert_true(message_find(h->q, s.id)->is_kept);
	channel_close_fds(&w.fds);
	session_close(&s);
}

/* nobody has a longer turn by saying much at once, and what is half a message ends its peer */
static void
intake_ends_a_peer_that_says_too_much_at_once(void **state)
{
	static struct wire together;
	struct harness *h = *state;
	for (int half = 0; half < 2; half++) {
		int fd = connect_to(h, "intake");
		together.len = 0;
		for (uint32_t i = 0; i < (half ? 1 : 3); i++) {
			assert_int_equal(wire_append(&together,
						     wire_find(intake_calls, INTAKE_OPEN), 0, i,
						     &(struct intake_open){0}),
					 0);
			assert_int_equal(wire_append(&together,
						     wire_find(intake_calls, INTAKE_ABANDON), 0, i,
						     NULL),
					 0);
		}
		assert_int_equal(
			channel_send(fd, span_from(together.at, together.len - half), NULL, 0),
			CHANNEL_OK);
		while (hear(h, fd, &w) == INTAKE_FILE)
			channel_close_fds(&w.fds);
		assert_int_equal(w.type, -1);
		close(fd);
	}
}

static void
intake_ends_a_peer_out_of_turn(void **state)
{
	struct harness *h = *state;
	const struct intake_commit c = {1, 0};
	const struct intake_keep k = {0};
	const struct intake_open o = {0};
	const struct {
		uint16_t type;
		const void *message;
	} wrong[] = {{INTAKE_KEEP, &k}, {INTAKE_ABANDON, NULL}, {INTAKE_COMMIT, &c}};
	for (size_t i = 0; i < 3; i++) {
		int fd = connect_to(h, "intake");
		say(fd, intake_calls, wrong[i].type, 1, wrong[i].message);
		assert_int_equal(hear(h, fd, &w), -1);
		close(fd);
	}
	struct session s = {.fd = connect_to(h, "intake"), .writer = -1};
	session_open(h, &s);
	say(s.fd, intake_calls, INTAKE_OPEN, 2, &o); /* one file a connection */
	assert_cut_off(h, &s);
	session_close(&s);
}

/* opens, writes and says that local user `uid` (plus 1) has sent it; false: that ended the connection */
static bool
is_believed(struct harness *h, struct session *s, uint64_t uid)
{
	struct pollfd gone = {.events = POLLIN};
	*s = (struct session){.fd = connect_to(h, "intake"), .writer = -1};
	session_open(h, s);
	session_write(s, CONTENT);
	session_envelope_of(s, CONTENT, "a@b.example", "LOCAL", uid);
	turns(h);
	gone.fd = s->fd;
	return poll(&gone, 1, 0) == 0;
}

/* a queued message of that login, all of them from one client; its id */
static uint64_t
send_by(struct harness *h, const char *login)
{
	struct session s = {.fd = connect_to(h, "intake"), .writer = -1};
	session_open(h, &s);
	session_write(&s, CONTENT);
	session_envelope_by(&s, CONTENT, "a@b.example", "ESMTPSA", 0, login);
	session_commit(&s, session_recipients(&s, "x@y.example"));
	turns(h);
	session_close(&s);
	turns(h);
	return s.id;
}

static void
intake_tells_senders_behind_one_address_apart_by_login(void **state)
{
	struct harness *h = *state;
	uint64_t ann = send_by(h, "ann"), again = send_by(h, "ann"), bob = send_by(h, "bob"),
		 nobody = send_by(h, "");
	for (int round = 0; round < 2; round++) {
		uint32_t flow = message_find(h->q, ann)->flow;
		assert_int_equal(message_find(h->q, again)->flow, flow);
		assert_int_not_equal(message_find(h->q, bob)->flow, flow);
		assert_int_not_equal(message_find(h->q, nobody)->flow, flow);
		assert_int_not_equal(message_find(h->q, nobody)->flow,
				     message_find(h->q, bob)->flow);
		assert_true(span_equal(message_login(h->q, message_find(h->q, bob)), SPAN("bob")));
		assert_int_equal(message_login(h->q, message_find(h->q, nobody)).len, 0);
		/* and after a restart */
		restart(h, "boot-1");
		turns(h);
	}
}

static void
intake_believes_a_local_user_from_submit_alone(void **state)
{
	struct harness *h = *state;
	struct session s;
	char *submit = h->intake.peers[1].program;
	assert_string_equal(submit, "submit");
	submit[0] = 'S';
	assert_false(is_believed(h, &s, 1001));
	assert_false(file_exists(h, s.id));
	session_close(&s);
	submit[0] = 's';
	assert_true(is_believed(h, &s, 1001));
	session_commit(&s, session_recipients(&s, "x@y.example"));
	turns(h);
	session_close(&s);
	turns(h);
	assert_int_equal(message_uid(message_find(h->q, s.id)), 1001);
	/* and it is known after a restart */
	restart(h, "boot-1");
	turns(h);
	assert_non_null(message_find(h->q, s.id));
	assert_int_equal(message_uid(message_find(h->q, s.id)), 1001);
	assert_int_equal(message_find(h->q, s.id)->origin, INTAKE_LOCAL);
}

static void
intake_takes_100000_recipients(void **state)
{
	struct harness *h = *state;
	static struct wire list;
	char address[64];
	struct session s = {.fd = connect_to(h, "intake"), .writer = -1};
	session_open(h, &s);
	session_write(&s, CONTENT);
	session_envelope(&s, CONTENT, "a@b.example", "ESMTP");
	int64_t start = clock_monotonic_ms();
	for (unsigned i = 0; i < 100000;) {
		wire_list_start(&list);
		for (unsigned n = 0; n < 1000; n++, i++) {
			snprintf(address, sizeof(address), "user%u@list.example", i);
			const struct intake_recipient r = {span_of(address)};
			assert_int_equal(
				wire_list_add(&list, WIRE_LIST_ROOM, &intake_recipient_shape, &r),
				0);
		}
		const struct intake_recipients all = {wire_list_get(&list)};
		say(s.fd, intake_calls, INTAKE_RECIPIENTS, 1, &all);
		turns(h);
	}
	session_commit(&s, 100000);
	assert_int_equal(hear(h, s.fd, &w), INTAKE_QUEUED);
	say(s.fd, intake_calls, INTAKE_KEEP, 1, &(struct intake_keep){0});
	turns(h);
	struct message *m = message_find(h->q, s.id);
	assert_int_equal(m->count, 100000);
	/* all are routed, in parts */
	for (unsigned asked = 0; asked < 100000;) {
		unsigned n = answer_lookup(h, to_smarthost);
		assert_true(n > 0);
		assert_true(m->asks <= 1000);
		asked += n;
	}
	assert_int_equal(message_in(m, RECIPIENT_READY), 100000);
	assert_true(clock_monotonic_ms() - start < 10000);
	session_close(&s);
	restart(h, "boot-1");
	while (!h->q->replay.is_done)
		turns(h);
	assert_int_equal(message_find(h->q, s.id)->count, 100000);
}

static void
intake_keeps_header_lines_as_they_came(void **state)
{
	struct harness *h = *state;
	struct buffer top;
	uint64_t id = accept_message(h, "a@b.example", "x@y.example");
	buffer_init(&top, 32768);
	assert_int_equal(message_top(h->q, message_find(h->q, id), &top), 0);
	assert_int_equal(top.len, strlen("Received: from x\r\n\tby y; now\r\n"));
	assert_memory_equal(top.at, "Received: from x\r\n\tby y; now\r\n", top.len);
	buffer_free(&top);
}

/* ---- faults ---- */

static int fail_at, changes, fail_with;

static int
fail_kth(enum spool_change change)
{
	(void)change;
	return ++changes == fail_at ? fail_with : 0;
}

static void
intake_refuses_or_keeps_whatever_change_of_the_disk_fails(void **state)
{
	struct harness *h = *state;
	bool failed = true;
	fail_with = ENOSPC;
	for (fail_at = 1; failed; fail_at++) {
		struct session s = {.fd = connect_to(h, "intake"), .writer = -1};
		bool accepted = false;
		changes = 0;
		spool_fault = fail_kth;
		const struct intake_open o = {0};
		say(s.fd, intake_calls, INTAKE_OPEN, 1, &o);
		if (hear(h, s.fd, &w) == INTAKE_FILE) {
			struct intake_file f;
			decode(&w, intake_answers, &f);
			s.id = f.id;
			s.writer = w.fds.fd[0];
			s.reader = w.fds.fd[1];
			session_write(&s, CONTENT);
			session_envelope(&s, CONTENT, "a@b.example", "ESMTP");
			session_commit(&s, session_recipients(&s, "x@y.example"));
			accepted = hear(h, s.fd, &w) == INTAKE_QUEUED;
			if (!accepted)
				assert_int_equal(w.type, INTAKE_REFUSED);
			close(s.reader);
		} else {
			assert_int_equal(w.type, INTAKE_REFUSED);
		}
		failed = changes >= fail_at;
		spool_fault = NULL;
		/* refused: nothing of it is left; accepted: it is on disk */
		if (s.id != 0)
			assert_int_equal(file_exists(h, s.id), accepted);
		assert_int_equal(h->q->messages.count, accepted ? 1 : 0);
		assert_true(accepted || failed);
		close(s.fd);
		turns(h);
		/* and room is found again without hands */
		run_for(h, 2 * DISK_AGAIN_MS);
		assert_int_equal(h->q->disk.state, DISK_FINE);
		if (accepted)
			message_remove(h->q, message_find(h->q, s.id));
	}
	assert_true(fail_at > 3);
}

static void
intake_refuses_below_the_floor_before_the_data(void **state)
{
	struct harness *h = *state;
	int fd = connect_to(h, "intake");
	struct intake_refused r;
	const struct intake_open o = {0};
	h->config.limits.disk_floor = UINT64_MAX / 2;
	h->q->disk.looked_ms = 0;
	say(fd, intake_calls, INTAKE_OPEN, 1, &o);
	assert_int_equal(hear(h, fd, &w), INTAKE_REFUSED);
	decode(&w, intake_answers, &r);
	assert_int_equal(r.code, 452);
	assert_true(span_equal(r.status, SPAN("4.3.1")));
	assert_true(disk_is_low(h->q));
	h->config.limits.disk_floor = 0;
	run_for(h, 2 * DISK_AGAIN_MS);
	assert_false(disk_is_low(h->q));
	say(fd, intake_calls, INTAKE_OPEN, 2, &o);
	assert_int_equal(hear(h, fd, &w), INTAKE_FILE);
	channel_close_fds(&w.fds);
	close(fd);
}

/* ---- hostile peers ---- */

static uint64_t seed = 1;

static unsigned
dice(unsigned sides)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % sides;
}

static void
hostile_peers_leave_nothing_behind(void **state)
{
	struct harness *h = *state;
	static const char *const sockets[] = {"intake", "jobs", "control"};
	static const struct wire_shape *const shapes[] = {intake_calls, jobs_calls, control_calls};
	char bytes[2048];
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	turns(h);
	unsigned before = count_open_fds();
	for (int round = 0; round < 3000; round++) {
		unsigned which = dice(3);
		int fd = connect_to(h, sockets[which]);
		for (unsigned n = dice(5); n > 0; n--) {
			size_t len = 1 + dice(sizeof(bytes));
			for (size_t i = 0; i < len; i++)
				bytes[i] = (char)dice(256);
			if (dice(2) == 0 && len > WIRE_HEADER) {
				/* a header that is right, around nonsense */
				uint32_t body = (uint32_t)(len - WIRE_HEADER);
				uint16_t type = shapes[which][dice(4)].type,
					 flags = (uint16_t)dice(2);
				memcpy(bytes, &type, 2);
				memcpy(bytes + 2, &flags, 2);
				memcpy(bytes + 4, &body, 4);
			}
			if (channel_send(fd, span_from(bytes, len), &null, dice(4) == 0) !=
			    CHANNEL_OK)
				break;
		}
		if (dice(2) == 0)
			turns(h);
		close(fd);
	}
	for (int i = 0; i < 20; i++)
		turns(h);
	assert_int_equal(count_open_fds(), before);
	assert_int_equal(h->q->messages.count, 0);
	assert_null(h->q->peers);
	close(null);
	/* and it serves as before */
	assert_true(accept_message(h, "a@b.example", "x@y.example") != 0);
}

static void
a_peer_that_does_not_read_is_ended(void **state)
{
	struct harness *h = *state;
	const struct intake_open o = {0};
	unsigned before = count_open_fds();
	int fd = connect_to(h, "intake");
	bool ended = false;
	for (int i = 0; i < 300000 && !ended; i++) {
		if (wire_send(fd, wire_find(intake_calls, INTAKE_OPEN), 0, 1, &o, NULL) ==
			    CHANNEL_CLOSED ||
		    wire_send(fd, wire_find(intake_calls, INTAKE_ABANDON), 0, 1, NULL, NULL) ==
			    CHANNEL_CLOSED)
			ended = true;
		run_for(h, 0);
	}
	assert_true(ended);
	close(fd);
	turns(h);
	assert_int_equal(count_open_fds(), before);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* ---- the drop directory's letters (once.h) ---- */

/* QUEUED or TAKEN */
static uint16_t
session_of_letter(struct harness *h, struct session *s, const char *once, const char *addresses)
{
	const struct intake_envelope e = {.origin = INTAKE_LOCAL,
					  .uid = 1001,
					  .protocol = SPAN("LOCAL"),
					  .sender = SPAN("a@b.example"),
					  .once = span_of(once),
					  .length = strlen(CONTENT),
					  .checksum = checksum_of(CONTENT, strlen(CONTENT))};
	*s = (struct session){.fd = connect_to(h, "intake"), .writer = -1};
	session_open(h, s);
	session_write(s, CONTENT);
	say(s->fd, intake_calls, INTAKE_ENVELOPE, 1, &e);
	session_commit(s, session_recipients(s, addresses));
	return hear(h, s->fd, &w);
}

static bool
is_file_of(struct harness *h, int fd, uint64_t id)
{
	struct stat a, b;
	char path[128];
	path_of(h, id, path);
	return fstat(fd, &a) == 0 && stat(path, &b) == 0 && a.st_ino == b.st_ino;
}

static void
say_keep(struct harness *h, struct session *s)
{
	channel_close_fds(&w.fds);
	say(s->fd, intake_calls, INTAKE_KEEP, 1, &(struct intake_keep){0});
	turns(h);
	session_close(s);
	turns(h);
}

static void
intake_takes_a_letter_once(void **state)
{
	struct harness *h = *state;
	struct session first, again;
	/* the session dies between QUEUED and KEEP: nobody knows whether it was brought to the disk */
	assert_int_equal(session_of_letter(h, &first, "1000.7.8.9.A", "x@y.example"),
			 INTAKE_QUEUED);
	channel_close_fds(&w.fds);
	session_close(&first);
	turns(h);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(session_of_letter(h, &again, "1000.7.8.9.A", "x@y.example"),
				 INTAKE_TAKEN);
		assert_true(is_file_of(h, w.fds.fd[0], first.id));
		say_keep(h, &again);
		assert_false(file_exists(h, again.id));
		assert_int_equal(h->q->messages.count, 1);
		restart(h, "boot-1"); /* and it is known after a crash */
		turns(h);
	}
	/* also when nothing is left of it */
	message_remove(h->q, message_find(h->q, first.id));
	assert_int_equal(session_of_letter(h, &again, "1000.7.8.9.A", "x@y.example"), INTAKE_TAKEN);
	assert_true(w.fds.fd[0] >= 0);
	say_keep(h, &again);
	assert_int_equal(h->q->messages.count, 0);
	/* another one is another one */
	assert_int_equal(session_of_letter(h, &again, "1000.7.8.9.B", "x@y.example"),
			 INTAKE_QUEUED);
	say_keep(h, &again);
	assert_true(file_exists(h, again.id));
}

static void
intake_takes_a_letter_again_that_was_dropped(void **state)
{
	struct harness *h = *state;
	struct session s;
	assert_int_equal(session_of_letter(h, &s, "1.2.3", "x@y.example"), INTAKE_QUEUED);
	channel_close_fds(&w.fds);
	say(s.fd, intake_calls, INTAKE_ABANDON, 1, NULL);
	turns(h);
	session_close(&s);
	assert_false(file_exists(h, s.id));
	restart(h, "boot-1");
	assert_int_equal(session_of_letter(h, &s, "1.2.3", "x@y.example"), INTAKE_QUEUED);
	say_keep(h, &s);
	assert_true(file_exists(h, s.id));
}

static int
fail_every_append(enum spool_change change)
{
	return change == SPOOL_APPEND ? ENOSPC : 0;
}

static void
intake_forgets_what_was_dropped_when_the_disk_is_full(void **state)
{
	struct harness *h = *state;
	struct session s;
	assert_int_equal(session_of_letter(h, &s, "1.2.3", "x@y.example"), INTAKE_QUEUED);
	channel_close_fds(&w.fds);
	spool_fault = fail_every_append;
	say(s.fd, intake_calls, INTAKE_ABANDON, 1, NULL);
	turns(h);
	spool_fault = NULL;
	session_close(&s);
	assert_false(file_exists(h, s.id));
	restart(h, "boot-1");
	assert_int_equal(session_of_letter(h, &s, "1.2.3", "x@y.example"), INTAKE_QUEUED);
	say_keep(h, &s);
	assert_true(file_exists(h, s.id));
}

static void
intake_believes_no_key_of_another_boot(void **state)
{
	struct harness *h = *state;
	struct session s;
	assert_int_equal(session_of_letter(h, &s, "1.2.3", "x@y.example"), INTAKE_QUEUED);
	say_keep(h, &s);
	restart(h,
		"boot-2"); /* a power cut: the message may be gone, and the record of it be there */
	turns(h);
	assert_int_equal(session_of_letter(h, &s, "1.2.3", "x@y.example"), INTAKE_QUEUED);
	say_keep(h, &s);
	assert_true(file_exists(h, s.id));
}

static void
intake_remembers_the_last_letters_of_many(void **state)
{
	struct harness *h = *state;
	struct session s;
	char key[32];
	for (int i = 0; i < ONCE_MAX + 10; i++) {
		snprintf(key, sizeof(key), "%d", i);
		assert_int_equal(session_of_letter(h, &s, key, "x@y.example"), INTAKE_QUEUED);
		say_keep(h, &s);
	}
	uint64_t count = h->q->messages.count;
	restart(h, "boot-1");
	while (h->q->messages.count < count)
		turns(h);
	/* the youngest is not written over first */
	for (int i = 0; i < 20; i++) {
		char other[32];
		snprintf(other, sizeof(other), "A%d", i);
		assert_int_equal(session_of_letter(h, &s, other, "x@y.example"), INTAKE_QUEUED);
		say_keep(h, &s);
	}
	assert_int_equal(session_of_letter(h, &s, key, "x@y.example"), INTAKE_TAKEN);
	say_keep(h, &s);
	assert_int_equal(h->q->messages.count, count + 20);
}

static void
intake_takes_a_key_from_submit_alone(void **state)
{
	struct harness *h = *state;
	const char *const keys[] = {"1.2.3", "a key", "1.2.3"};
	for (int i = 0; i < 3; i++) {
		const struct intake_envelope e = {.origin = i == 1 ? INTAKE_LOCAL : INTAKE_NETWORK,
						  .uid = i == 1 ? 1001 : 0,
						  .protocol = SPAN("LOCAL"),
						  .once = span_of(keys[i]),
						  .length = strlen(CONTENT),
						  .checksum =
							  checksum_of(CONTENT, strlen(CONTENT))};
		struct session s = {.fd = connect_to(h, "intake"), .writer = -1};
		session_open(h, &s);
		session_write(&s, CONTENT);
		say(s.fd, intake_calls, INTAKE_ENVELOPE, 1, &e);
		assert_cut_off(h, &s);
		session_close(&s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(intake_queues_a_message_as_one_text_file),
		TEST(intake_gives_ids_that_only_rise),
		TEST(intake_removes_what_was_never_committed),
		TEST(intake_keeps_what_was_queued_when_the_session_dies),
		TEST(intake_ends_a_message_that_is_abandoned),
		TEST(intake_finds_a_kept_writer),
		TEST(intake_finds_a_duplicate_of_the_writer),
		TEST(intake_finds_a_writer_in_flight),
		TEST(intake_takes_no_content_of_another_length),
		TEST(intake_takes_no_other_number_of_recipients),
		TEST(intake_takes_several_messages_in_one_datagram),
		TEST(intake_ends_a_peer_that_says_too_much_at_once),
		TEST(intake_ends_a_peer_out_of_turn),
		TEST(intake_tells_senders_behind_one_address_apart_by_login),
		TEST(intake_believes_a_local_user_from_submit_alone),
		TEST(intake_takes_100000_recipients),
		TEST(intake_keeps_header_lines_as_they_came),
		TEST(intake_refuses_or_keeps_whatever_change_of_the_disk_fails),
		TEST(intake_refuses_below_the_floor_before_the_data),
		TEST(hostile_peers_leave_nothing_behind),
		TEST(a_peer_that_does_not_read_is_ended),
		TEST(intake_takes_a_letter_once),
		TEST(intake_takes_a_letter_again_that_was_dropped),
		TEST(intake_forgets_what_was_dropped_when_the_disk_is_full),
		TEST(intake_believes_no_key_of_another_boot),
		TEST(intake_remembers_the_last_letters_of_many),
		TEST(intake_takes_a_key_from_submit_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
