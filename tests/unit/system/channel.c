/* channel: one datagram is one message; descriptors that nobody asked for are closed */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <dirent.h>
#include <string.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/system/channel.h"
#include "common/system/clock.h"

static char room[CHANNEL_MAX];

static int
open_descriptors(void)
{
	int n = 0;
	DIR *d = opendir("/proc/self/fd");
	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

static void
pair(int fd[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd), 0);
}

static void
a_datagram_of_the_largest_size_passes(void **state)
{
	int fd[2];
	size_t len;
	char *large = calloc(1, CHANNEL_MAX);
	(void)state;
	pair(fd);
	assert_int_equal(channel_send(fd[0], span_from(large, CHANNEL_MAX), NULL, 0), CHANNEL_OK);
	assert_int_equal(channel_receive(fd[1], room, &len, NULL), CHANNEL_OK);
	assert_int_equal(len, CHANNEL_MAX);
	assert_int_equal(channel_receive(fd[1], room, &len, NULL), CHANNEL_AGAIN);
	assert_int_equal(channel_send(fd[0], span_from(large, CHANNEL_MAX + 1), NULL, 0),
			 CHANNEL_BROKEN);
	close(fd[0]);
	assert_int_equal(channel_receive(fd[1], room, &len, NULL), CHANNEL_CLOSED);
	close(fd[1]);
	free(large);
}

static void
what_is_truncated_is_broken(void **state)
{
	int fd[2];
	size_t len;
	char *large = calloc(1, CHANNEL_MAX + 100);
	(void)state;
	pair(fd);
	assert_int_equal(send(fd[0], large, CHANNEL_MAX + 100, 0), CHANNEL_MAX + 100);
	assert_int_equal(channel_receive(fd[1], room, &len, NULL), CHANNEL_BROKEN);
	close(fd[0]);
	close(fd[1]);
	free(large);
}

/* `count` descriptors in one datagram, by hand: channel_send would not */
static void
send_descriptors(int fd, size_t count)
{
	char control[CMSG_SPACE(sizeof(int) * 16)] = {0};
	struct iovec part = {.iov_base = room, .iov_len = 5};
	struct msghdr m = {.msg_iov = &part,
			   .msg_iovlen = 1,
			   .msg_control = control,
			   .msg_controllen = CMSG_SPACE(sizeof(int) * count)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	*c = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
			      .cmsg_type = SCM_RIGHTS,
			      .cmsg_len = CMSG_LEN(sizeof(int) * count)};
	for (size_t i = 0; i < count; i++)
		memcpy(CMSG_DATA(c) + i * sizeof(int), &(int){0}, sizeof(int));
	assert_int_equal(sendmsg(fd, &m, 0), 5);
}

static void
unwanted_descriptors_are_closed(void **state)
{
	int fd[2];
	size_t len;
	struct channel_fds fds;
	(void)state;
	pair(fd);
	int before = open_descriptors();
	send_descriptors(fd[0], 2);
	assert_int_equal(channel_receive(fd[1], room, &len, NULL), CHANNEL_BROKEN);
	assert_int_equal(open_descriptors(), before);
	send_descriptors(fd[0], 16);
	assert_int_equal(channel_receive(fd[1], room, &len, &fds), CHANNEL_BROKEN);
	assert_int_equal(open_descriptors(), before);
	send_descriptors(fd[0], CHANNEL_FDS_MAX);
	assert_int_equal(channel_receive(fd[1], room, &len, &fds), CHANNEL_OK);
	assert_int_equal(fds.count, CHANNEL_FDS_MAX);
	channel_close_fds(&fds);
	assert_int_equal(open_descriptors(), before);
	close(fd[0]);
	close(fd[1]);
}

static void
a_full_peer_is_not_waited_for_beyond_the_deadline(void **state)
{
	int fd[2];
	enum channel_outcome o;
	(void)state;
	pair(fd);
	do
		o = channel_send(fd[0], span_from(room, sizeof(room)), NULL, 0);
	while (o == CHANNEL_OK);
	assert_int_equal(o, CHANNEL_AGAIN);
	int64_t start = clock_monotonic_ms();
	assert_int_equal(channel_send_wait(fd[0], SPAN("x"), NULL, 0, start + 30), CHANNEL_AGAIN);
	assert_true(clock_monotonic_ms() >= start + 30);
	close(fd[0]);
	close(fd[1]);
}

/* a descriptor that blocks still has deadlines, and what never waits does not wait on it */
static void
an_answer_is_awaited_until_the_deadline(void **state)
{
	const int64_t waits_ms[] = {30,
				    1100}; /* below a slice of the kernel's time, and beyond one */
	int fd[2];
	size_t len;
	(void)state;
	pair(fd);
	assert_int_equal(channel_block(fd[1]), 0);
	assert_int_equal(fcntl(fd[1], F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(channel_receive(fd[1], room, &len, NULL), CHANNEL_AGAIN);
	for (size_t i = 0; i < sizeof(waits_ms) / sizeof(waits_ms[0]); i++) {
		int64_t start = clock_monotonic_ms();
		assert_int_equal(channel_await(fd[1], room, &len, NULL, start + waits_ms[i]),
				 CHANNEL_AGAIN);
		assert_true(clock_monotonic_ms() >= start + waits_ms[i]);
	}
	pid_t child = fork();
	if (child == 0) /* it is gone without a word after its answer */
		_exit(channel_send(fd[0], SPAN("x"), NULL, 0) != CHANNEL_OK);
	close(fd[0]);
	int64_t late = clock_monotonic_ms() + 30000;
	assert_int_equal(channel_await(fd[1], room, &len, NULL, late), CHANNEL_OK);
	assert_int_equal(len, 1);
	assert_int_equal(channel_await(fd[1], room, &len, NULL, late), CHANNEL_CLOSED);
	assert_int_equal(waitpid(child, NULL, 0), child);
	close(fd[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_datagram_of_the_largest_size_passes),
		cmocka_unit_test(what_is_truncated_is_broken),
		cmocka_unit_test(unwanted_descriptors_are_closed),
		cmocka_unit_test(a_full_peer_is_not_waited_for_beyond_the_deadline),
		cmocka_unit_test(an_answer_is_awaited_until_the_deadline),
	};
	return cmocka_run_group_tests_name("system/channel", tests, NULL, NULL);
}
