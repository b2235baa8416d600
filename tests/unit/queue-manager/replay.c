/* replay: what is on disk, and only that, is what a start finds; nothing accepted goes away, whatever was cut or changed */
#include "tests/unit/queue-manager/harness.h"

static struct heard w;
static struct heard_job job;

static void
replayed(struct harness *h, const char *boot)
{
	begin_manager(h, boot);
	while (!h->q->replay.is_done)
		turns(h);
}

static void
put_file(struct harness *h, uint64_t id, const char *bytes, size_t len)
{
	char path[128];
	path_of(h, id, path);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
}

static size_t
get_file(struct harness *h, uint64_t id, char *bytes, size_t size)
{
	char path[128];
	path_of(h, id, path);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	ssize_t n = read(fd, bytes, size);
	assert_true(n >= 0);
	close(fd);
	return (size_t)n;
}

/* a message with a history: delivered 1, deferred 2, failed 3 and told of, held, released */
static uint64_t
with_history(struct harness *h)
{
	uint64_t id =
		accept_message(h, "s@b.example", "a@y.example b@y.example c@y.example d@y.example");
	(void)answer_lookup(h, to_smarthost);
	h->parent = parent_of(h, JOBS_SMTP);
	int agent = agent_of(h, h->parent);
	assert_true(hear_job(h, agent, &job));
	say_result(agent, 1, FATE_DELIVERED, false, false);
	say_result(agent, 2, FATE_DEFERRED, false, false);
	say_result(agent, 3, FATE_FAILED, false, false);
	say_result(agent, 4, FATE_DEFERRED, true, false);
	turns(h);
	struct message *m = message_find(h->q, id);
	message_hold(h->q, m, "a test");
	message_settle(h->q, m);
	turns(h);
	message_release(h->q, m);
	message_settle(h->q, m);
	turns(h);
	close(agent);
	turns(h);
	return id;
}

static void
replay_finds_every_state_again(void **state)
{
	struct harness *h = *state;
	uint64_t id = with_history(h);
	end_manager(h);
	replayed(h, "boot-1");
	assert_int_equal(h->q->replay.queued, 1);
	struct message *m = message_find(h->q, id);
	assert_int_equal(m->recipients[0].state, RECIPIENT_DELIVERED);
	assert_int_equal(m->recipients[1].state, RECIPIENT_DEFERRED);
	assert_int_equal(m->recipients[1].attempts, 1);
	assert_int_equal(m->recipients[2].state, RECIPIENT_TELLING);
	assert_false(m->is_held);
	assert_true(span_equal(name_text(m->sender), SPAN("s@b.example")));
	int64_t next_ms = (message_next_us(h->q, m) - clock_wall_us()) / 1000;
	assert_true(next_ms > 200000 && next_ms < 400000);
}

static void
replay_after_every_cut_loses_nothing_accepted(void **state)
{
	struct harness *h = *state;
	static char bytes[65536];
	uint64_t id = with_history(h);
	end_manager(h);
	size_t len = get_file(h, id, bytes, sizeof(bytes));
	const char *queued = memmem(bytes, len, " queued ", 8);
	assert_non_null(queued);
	size_t accepted_at = (size_t)((const char *)memchr(queued, '\n', 200) - bytes) + 1;
	for (size_t cut = 0; cut <= len; cut += cut < 40 || cut > accepted_at - 3 ? 1 : 7) {
		put_file(h, id, bytes, cut);
		replayed(h, "boot-1");
		assert_int_equal(h->q->replay.damaged, 0);
		assert_int_equal(h->q->replay.queued, cut >= accepted_at);
		assert_int_equal(h->q->replay.unqueued, cut < accepted_at);
		assert_int_equal(file_exists(h, id), cut >= accepted_at);
		if (cut >= accepted_at)
			assert_int_equal(message_find(h->q, id)->count, 4);
		end_manager(h);
	}
}

static void
replay_after_every_changed_byte_loses_nothing_accepted(void **state)
{
	struct harness *h = *state;
	static char bytes[65536], changed[65536];
	uint64_t id = with_history(h);
	end_manager(h);
	size_t len = get_file(h, id, bytes, sizeof(bytes));
	size_t journal = 40 + strlen(CONTENT);
	for (size_t at = 0; at < len; at += at < 40 ? 1 : 5) {
		if (at >= 40 && at < journal)
			continue; /* the content is verify's matter */
		memcpy(changed, bytes, len);
		changed[at] ^= 1;
		put_file(h, id, changed, len);
		replayed(h, "boot-1");
		/* a line of the head: set aside; one behind: what follows is done again; the `queued` line itself: only here it cannot be known */
		const char *queued = memmem(bytes, len, " queued ", 8);
		const char *line_begin = memrchr(bytes, '\n', (size_t)(queued - bytes));
		const char *line_end = memchr(queued, '\n', 200);
		bool is_queued_line = bytes + at > line_begin && bytes + at <= line_end;
		if (!is_queued_line)
			assert_true(file_exists(h, id) || is_damaged(h, id));
		end_manager(h);
		char path[128];
		snprintf(path, sizeof(path), "%s/spool/damaged/%013llX", h->folder,
			 (unsigned long long)id);
		(void)unlink(path);
	}
}

static void
replay_goes_on_behind_a_torn_tail(void **state)
{
	struct harness *h = *state;
	static char bytes[65536];
	uint64_t id = accept_message(h, "s@b.example", "x@y.example");
	end_manager(h);
	size_t len = get_file(h, id, bytes, sizeof(bytes) - 100);
	memcpy(bytes + len, "0BADBEEF deliv", 14);
	put_file(h, id, bytes, len + 14);
	replayed(h, "boot-1");
	struct message *m = message_find(h->q, id);
	message_hold(h->q, m, "x");
	turns(h);
	end_manager(h);
	replayed(h, "boot-1");
	assert_true(message_find(h->q, id)->is_held);
}

static void
replay_removes_what_is_done(void **state)
{
	struct harness *h = *state;
	uint64_t id = accept_message(h, "s@b.example", "x@y.example");
	struct message *m = message_find(h->q, id);
	const struct answer a = {250, SPAN("2.0.0"), SPAN("ok"), SPAN("h")};
	message_delivered(h->q, m, 1, &a);
	turns(h); /* written; a crash before the file is removed: */
	static char bytes[65536];
	size_t len = get_file(h, id, bytes, sizeof(bytes));
	end_manager(h);
	put_file(h, id, bytes, len);
	replayed(h, "boot-1");
	assert_false(file_exists(h, id));
	assert_int_equal(h->q->messages.count, 0);
}

static void
replay_leaves_what_is_not_ours(void **state)
{
	struct harness *h = *state;
	char path[128];
	end_manager(h);
	snprintf(path, sizeof(path), "%s/spool/queue/00/readme", h->folder);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	close(fd);
	replayed(h, "boot-1");
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(h->q->replay.unqueued + h->q->replay.damaged + h->q->replay.queued, 0);
}

static void
new_mail_is_taken_while_the_queue_is_read(void **state)
{
	struct harness *h = *state;
	for (int i = 0; i < 300; i++)
		(void)accept_message(h, "s@b.example", "x@y.example");
	end_manager(h);
	begin_manager(h, "boot-1");
	uint64_t id = accept_message(h, "s@b.example", "new@y.example");
	while (!h->q->replay.is_done)
		turns(h);
	assert_int_equal(h->q->replay.queued, 300);
	assert_int_equal(h->q->messages.count, 301);
	assert_non_null(message_find(h->q, id));
}

/* ---- another boot ---- */

static void
content_of_another_boot_is_verified_before_it_is_sent(void **state)
{
	struct harness *h = *state;
	static char bytes[65536];
	uint64_t right = accept_message(h, "s@b.example", "right@y.example");
	uint64_t wrong = accept_message(h, "s@b.example", "wrong@y.example");
	end_manager(h);
	size_t len = get_file(h, wrong, bytes, sizeof(bytes));
	bytes[45] ^= 1;
	put_file(h, wrong, bytes, len);
	/* in the same boot the page cache is believed */
	replayed(h, "boot-1");
	assert_false(message_find(h->q, wrong)->is_unverified);
	end_manager(h);
	replayed(h, "boot-2");
	turns(h);
	assert_true(is_damaged(h, wrong));
	assert_null(message_find(h->q, wrong));
	assert_false(message_find(h->q, right)->is_unverified);
	assert_int_equal(answer_lookup(h, to_smarthost), 1);
	/* a message of this boot needs no look, also after a second start in it */
	uint64_t fresh = accept_message(h, "s@b.example", "fresh@y.example");
	end_manager(h);
	replayed(h, "boot-2");
	assert_false(message_find(h->q, fresh)->is_unverified);
}

static void
a_hole_before_queued_is_set_aside(void **state)
{
	struct harness *h = *state;
	static char bytes[65536];
	uint64_t id = accept_message(h, "s@b.example", "x@y.example");
	end_manager(h);
	size_t len = get_file(h, id, bytes, sizeof(bytes));
	memset(bytes, 0,
	       40); /* the page with the header never reached the disk, the one with `queued` did */
	put_file(h, id, bytes, len);
	replayed(h, "boot-2");
	assert_true(is_damaged(h, id));
	assert_int_equal(h->q->replay.damaged, 1);
	(void)w;
}

/* ---- faults: the k-th append fails, for each k ---- */

static int fail_at, changes;

static int
fail_kth(enum spool_change change)
{
	return change == SPOOL_APPEND && ++changes == fail_at ? ENOSPC : 0;
}

static void
whatever_append_fails_nothing_is_lost_or_told_wrongly(void **state)
{
	struct harness *h = *state;
	bool failed = true;
	for (fail_at = 1; failed; fail_at++) {
		uint64_t id =
			accept_message(h, "s@b.example", "a@y.example b@y.example c@y.example");
		changes = 0;
		spool_fault = fail_kth;
		(void)answer_lookup(h, to_smarthost);
		h->parent = parent_of(h, JOBS_SMTP);
		int agent = agent_of(h, h->parent);
		assert_true(hear_job(h, agent, &job));
		for (unsigned i = 0; i < job.count; i++) {
			say_result(agent, job.numbers[i], i == 0 ? FATE_DELIVERED : FATE_DEFERRED,
				   i + 1 == job.count, false);
			turns(h);
		}
		failed = changes >= fail_at;
		run_for(h, failed ? 2 * DISK_AGAIN_MS : 0);
		spool_fault = NULL;
		/* crash: what is on disk now is all there is */
		end_manager(h);
		replayed(h, "boot-1");
		struct message *m = message_find(h->q, id);
		assert_non_null(m);
		assert_int_equal(message_in(m, RECIPIENT_DELIVERED), 1);
		assert_int_equal(message_in(m, RECIPIENT_DEFERRED), 2);
		message_remove(h->q, m);
		close(agent);
	}
	assert_true(fail_at > 3);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(replay_finds_every_state_again),
		TEST(replay_after_every_cut_loses_nothing_accepted),
		TEST(replay_after_every_changed_byte_loses_nothing_accepted),
		TEST(replay_goes_on_behind_a_torn_tail),
		TEST(replay_removes_what_is_done),
		TEST(replay_leaves_what_is_not_ours),
		TEST(new_mail_is_taken_while_the_queue_is_read),
		TEST(content_of_another_boot_is_verified_before_it_is_sent),
		TEST(a_hole_before_queued_is_set_aside),
		TEST(whatever_append_fails_nothing_is_lost_or_told_wrongly),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
