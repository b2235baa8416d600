/* status: what master and queue-manager say is shown; a part that cannot be had is named, makes it 1, and the others are shown */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/protocol/control.h"
#include "common/protocol/state.h"
#include "common/system/channel.h"
#include "common/system/clock.h"
#include "culver/status.h"

static char runtime[] = "/tmp/culver-status-XXXXXX";
static char said[65536]; /* stdout and stderr of the last call */
static struct state state_now;
static int lock_fd = -1, listener = -1;
static struct span refusal; /* what the queue-manager answers instead, when not empty */
static pthread_t server;

static const char *
path_of(const char *name)
{
	static char paths[4][200];
	static unsigned n;
	char *path = paths[n++ % 4];
	snprintf(path, sizeof(paths[0]), "%s/%s", runtime, name);
	return path;
}

/* ---- a master and a queue-manager ---- */

static void
write_file(const char *name, struct span text)
{
	FILE *f = fopen(path_of(name), "we");
	assert_non_null(f);
	assert_int_equal(fwrite(text.at, 1, text.len, f), text.len);
	assert_int_equal(fclose(f), 0);
}

static void
write_state(void)
{
	struct buffer text;
	buffer_init(&text, STATE_TEXT_MAX);
	state_encode(&state_now, &text);
	assert_false(text.failed);
	write_file(STATE_FILE, buffer_get(&text));
	buffer_free(&text);
}

static void
hold_lock(void)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	write_file(STATE_PID_FILE, SPAN("77\n"));
	lock_fd = open(path_of(STATE_PID_FILE), O_RDWR | O_CLOEXEC);
	assert_true(lock_fd >= 0);
	assert_int_equal(fcntl(lock_fd, F_OFD_SETLK, &lock), 0);
}

static void *
answer_once(void *argument)
{
	static char datagram[CHANNEL_MAX];
	static const struct control_state q = {
		.messages = 3, .recipients = 7, .deferred = 2, .held = 1, .disk_low = 1};
	const struct control_refused refused = {refusal};
	const char *nonsense = argument;
	struct wire_header h;
	size_t len;
	int fd = accept(listener, NULL, NULL);
	int64_t deadline_ms = clock_monotonic_ms() + 5000;
	enum channel_outcome o = CHANNEL_OK;
	if (fd < 0)
		return NULL;
	if (channel_receive_wait(fd, datagram, &len, NULL, deadline_ms) == CHANNEL_OK &&
	    wire_peek(span_from(datagram, len), &h) == 0 && refusal.len > 0)
		o = wire_send(fd, wire_find(control_answers, CONTROL_REFUSED), 0, h.request,
			      &refused, NULL);
	else
		o = nonsense != NULL ? channel_send(fd, span_of(nonsense), NULL, 0)
				     : wire_send(fd, wire_find(control_answers, CONTROL_STATE), 0,
						 h.request, &q, NULL);
	close(fd);
	return o == CHANNEL_OK ? NULL : argument;
}

/* `nonsense` NULL: it answers as it should */
static void
serve_queue(const char *nonsense)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path_of("control"));
	listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (const struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 5), 0);
	assert_int_equal(pthread_create(&server, NULL, answer_once, (void *)(uintptr_t)nonsense),
			 0);
}

static int
set_up(void **state)
{
	(void)state;
	state_now = (struct state){.version = "0.1",
				   .master = 77,
				   .since_us = 1795507351000000,
				   .ready = true,
				   .generation = 2,
				   .config = "/etc/culver/\"culver\".conf",
				   .program_count = 2};
	snprintf(state_now.root_mail, sizeof(state_now.root_mail), "%s", path_of("root"));
	state_now.programs[0] =
		(struct state_program){"log", 78, STATE_SERVING, 2, 0, 1795507351000000};
	state_now.programs[1] =
		(struct state_program){"smtpd", 79, STATE_SERVING, 2, 4, 1795507351000000};
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	if (listener >= 0) {
		shutdown(listener, SHUT_RDWR); /* ends the accept when nobody has come */
		pthread_join(server, NULL);
		close(listener);
	}
	if (lock_fd >= 0)
		close(lock_fd);
	listener = lock_fd = -1;
	refusal = SPAN_NONE;
	unlink(path_of("control"));
	unlink(path_of(STATE_FILE));
	unlink(path_of(STATE_PID_FILE));
	return 0;
}

/* with both outputs in a file; its exit status */
static int
status(bool json)
{
	const struct culver_options o = {.config = "/nonexistent", .json = json, .usage = "status"};
	char *argv[] = {(char[]){"status"}, NULL};
	int out = open(path_of("said"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(out >= 0);
	fflush(NULL);
	int before[2] = {dup(1), dup(2)};
	dup2(out, 1);
	dup2(out, 2);
	int result = verb_status(&o, 1, argv);
	fflush(NULL);
	for (int fd = 1; fd <= 2; fd++) {
		dup2(before[fd - 1], fd);
		close(before[fd - 1]);
	}
	ssize_t len = pread(out, said, sizeof(said) - 1, 0);
	assert_true(len >= 0);
	said[len] = '\0';
	close(out);
	unlink(path_of("said"));
	return result;
}

static void
assert_said(const char *text)
{
	if (strstr(said, text) == NULL)
		fail_msg("said: %sexpected: %s", said, text);
}

/* ---- */

static void
where_no_master_lives_it_is_69(void **state)
{
	(void)state;
	assert_int_equal(status(false), 69);
	assert_said("culver: not running");
	/* the files of one that was killed are no master */
	write_file(STATE_PID_FILE, SPAN("77\n"));
	write_state();
	assert_int_equal(status(false), 69);
}

static void
all_parts_are_shown_and_it_is_0(void **state)
{
	(void)state;
	hold_lock();
	write_state();
	serve_queue(NULL);
	assert_int_equal(status(false), 0);
	assert_said("culver 0.1 runs as an ordinary user (master 77) since 2026-11-24T08:02:31Z\n");
	assert_said("generation 2\n");
	assert_said("smtpd                79  serving            2        4  2026-11-24T08:02:31Z");
	assert_said("queue: 3 messages, 7 recipients to be served");
	assert_said("queue: THE DISK IS FULL");
	assert_said("mail for root: 0 new, 0 seen");
}

static void
json_is_one_object_a_line_with_a_kind(void **state)
{
	(void)state;
	state_now.reloads = 1;
	state_now.reload_refused = true;
	snprintf(state_now.reload_reason, sizeof(state_now.reload_reason), "line \"3\"");
	hold_lock();
	write_state();
	serve_queue(NULL);
	assert_int_equal(status(true), 0);
	assert_said("{\"kind\":\"system\",\"master\":77,\"version\":\"0.1\"");
	assert_said("\"config\":\"/etc/culver/\\\"culver\\\".conf\"");
	assert_said("\"reload_refused\":true");
	assert_said("\"reload_reason\":\"line \\\"3\\\"\"}\n");
	assert_said("{\"kind\":\"program\",\"program\":\"smtpd\",\"pid\":79,\"state\":\"serving\"");
	assert_said("{\"kind\":\"queue\",\"messages\":3,\"recipients\":7");
	assert_said("{\"kind\":\"root-mail\",\"new\":0,\"seen\":0");
	for (char *line = strtok(said, "\n"); line != NULL; line = strtok(NULL, "\n")) {
		assert_int_equal(strncmp(line, "{\"kind\":\"", 9), 0);
		assert_int_equal(line[strlen(line) - 1], '}');
	}
}

static void
a_program_that_does_not_serve_makes_it_1(void **state)
{
	(void)state;
	state_now.programs[1].condition = STATE_WAITING;
	hold_lock();
	write_state();
	serve_queue(NULL);
	assert_int_equal(status(false), 1);
	assert_said("waiting");
	assert_said("queue: 3 messages");
}

static void
sessions_of_a_former_generation_are_no_trouble(void **state)
{
	(void)state;
	state_now.programs[state_now.program_count++] =
		(struct state_program){"smtpd", 60, STATE_RETIRED, 1, 0, 1795507351000000};
	hold_lock();
	write_state();
	serve_queue(NULL);
	assert_int_equal(status(false), 0);
	assert_said("retired");
}

static void
a_queue_manager_that_does_not_answer_right_is_named_and_the_rest_is_shown(void **state)
{
	(void)state;
	hold_lock();
	write_state();
	assert_int_equal(status(false), 1);
	assert_said("nothing serves");
	assert_said("culver 0.1 runs");
	serve_queue("nonsense");
	assert_int_equal(status(false), 1);
	assert_said("culver 0.1 runs");
	assert_null(strstr(said, "queue: "));
}

static void
who_may_not_see_the_queue_is_told_so_and_the_system_is_well(void **state)
{
	(void)state;
	hold_lock();
	write_state();
	refusal = SPAN("only root may do this");
	serve_queue(NULL);
	assert_int_equal(status(false), 0);
	assert_said("culver 0.1 runs");
	assert_said("culver: the queue is not shown: only root may do this\n");
	assert_null(strstr(said, "no answer"));
}

static void
a_master_that_has_written_nothing_yet_is_1(void **state)
{
	(void)state;
	hold_lock();
	assert_int_equal(status(false), 1);
	assert_said("master is at its start or its end");
	write_file(STATE_FILE, SPAN("culver-state 1\nhalf"));
	assert_int_equal(status(false), 1);
}

static void
the_letters_of_root_are_counted_hidden_files_are_not(void **state)
{
	(void)state;
	hold_lock();
	write_state();
	serve_queue(NULL);
	assert_int_equal(mkdir(path_of("root"), 0700), 0);
	assert_int_equal(mkdir(path_of("root/new"), 0700), 0);
	assert_int_equal(mkdir(path_of("root/cur"), 0700), 0);
	write_file("root/new/1", SPAN(""));
	write_file("root/new/2", SPAN(""));
	write_file("root/new/.3", SPAN(""));
	write_file("root/cur/4:2,S", SPAN(""));
	assert_int_equal(status(false), 0);
	assert_said("mail for root: 2 new, 1 seen, in ");
	static const char *const files[] = {"root/new/1", "root/new/2", "root/new/.3",
					    "root/cur/4:2,S"};
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(unlink(path_of(files[i])), 0);
	assert_int_equal(rmdir(path_of("root/new")), 0);
	assert_int_equal(rmdir(path_of("root/cur")), 0);
	assert_int_equal(rmdir(path_of("root")), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	if (mkdtemp(runtime) == NULL)
		return 1;
	setenv("CULVER_RUNTIME", runtime, 1);
	const struct CMUnitTest tests[] = {
		TEST(where_no_master_lives_it_is_69),
		TEST(all_parts_are_shown_and_it_is_0),
		TEST(json_is_one_object_a_line_with_a_kind),
		TEST(a_program_that_does_not_serve_makes_it_1),
		TEST(sessions_of_a_former_generation_are_no_trouble),
		TEST(a_queue_manager_that_does_not_answer_right_is_named_and_the_rest_is_shown),
		TEST(who_may_not_see_the_queue_is_told_so_and_the_system_is_well),
		TEST(a_master_that_has_written_nothing_yet_is_1),
		TEST(the_letters_of_root_are_counted_hidden_files_are_not),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(runtime);
	return failed;
}
