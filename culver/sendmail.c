/*
 * sendmail - the classic command
 *
 * Called by culver/names.c.  No rights of its own: it speaks SMTP with submit(8), which knows from the kernel who has called.  It needs no
 * configuration.
 *
 *     order          the command line
 *     envelope       who sends, and to whom
 *     letter         the message on standard input
 *     conversation   both handed to submit
 *     drop           or, while the system is stopped, left for it
 *
 * Promises: status 0 means that the system has the message, for all recipients; with any other status nothing was sent to anybody.
 */
#include "culver/sendmail.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/system/fatal.h"
#include "common/system/start.h"
#include "culver/conversation.h"
#include "culver/drop.h"
#include "culver/envelope.h"
#include "culver/letter.h"
#include "culver/names.h"
#include "culver/order.h"
#include "culver/run.h"
#include "common/protocol/submission.h"

/* a connection to submit; -1: errno */
static int
connect_submit(const char *runtime)
{
	char path[START_PATH_MAX + START_NAME_MAX];
	snprintf(path, sizeof(path), "%s/submission", runtime);
	return submission_connect(path);
}

/* nobody takes mail here; returns EXIT_TRY_LATER */
static int
say_stopped(const char *runtime)
{
	return order_say(EXIT_TRY_LATER, "the mail system does not run, try again later (%s: %s)",
			 runtime, strerror(errno));
}

/* ---- a letter ---- */

/* nobody serves `submission`: the drop directory, if it is open */
static int
leave(const char *runtime, const struct order *o, const struct envelope *e, struct letter *l)
{
	int error = errno;
	int status = drop_leave(runtime, o, e, l);
	if (status == DROP_NOWHERE) {
		errno = error;
		status = say_stopped(runtime);
	}
	return status;
}

static int
hand_over(const struct order *o, const struct envelope *e, struct letter *l)
{
	bool is_unheard;
	const char *runtime = options_runtime(&o->options);
	if (runtime == NULL)
		return EXIT_TRY_LATER;
	int fd = connect_submit(runtime);
	if (fd < 0)
		return leave(runtime, o, e, l);
	int status = conversation_hold(fd, o, e, l, &is_unheard);
	/* it stopped while we waited for our turn */
	errno = ECONNRESET;
	return is_unheard ? leave(runtime, o, e, l) : status;
}

static int
deliver(const struct order *o)
{
	struct letter l;
	struct envelope e;
	int status = envelope_open(&e, o);
	if (status != 0)
		goto out;
	if (letter_begin(&l, STDIN_FILENO, !o->dot_is_text) != 0)
		status = errno != 0
				 ? order_say(SENDMAIL_INPUT, "standard input: %s", strerror(errno))
				 : order_say(SENDMAIL_DATA, "the header is longer than %u bytes",
					     LETTER_FIRST);
	if (status == 0)
		status = envelope_complete(&e, o, &l);
	if (status == 0)
		status = hand_over(o, &e, &l);
	letter_free(&l);
out:
	envelope_free(&e);
	return status;
}

static int
verify(const struct order *o)
{
	struct envelope e;
	const char *runtime = options_runtime(&o->options);
	int status = envelope_open(&e, o);
	if (status == 0 && e.count == 0)
		status = order_say(SENDMAIL_USAGE, "-bv wants recipients on the command line");
	if (status == 0 && runtime == NULL)
		status = EXIT_TRY_LATER;
	int fd = status == 0 ? connect_submit(runtime) : -1;
	if (status == 0)
		status = fd < 0 ? say_stopped(runtime) : conversation_verify(fd, o, &e);
	envelope_free(&e);
	return status;
}

/* ---- -bs ---- */

/* what is there goes on; false: the end, or trouble */
static bool
pass(int from, int to)
{
	char bytes[LETTER_CHUNK];
	ssize_t n = read(from, bytes, sizeof(bytes));
	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	for (ssize_t done = 0; done < n;) {
		ssize_t m = write(to, bytes + done, (size_t)(n - done));
		if (m < 0 && errno != EINTR)
			return false;
		done += m > 0 ? m : 0;
	}
	return n > 0;
}

/* SMTP on standard input and output: the session is submit's, from its banner on */
static int
speak(const struct order *o)
{
	const char *runtime = options_runtime(&o->options);
	int fd = runtime != NULL ? connect_submit(runtime) : -1;
	if (fd < 0) {
		printf("421 4.3.2 the mail system does not run, try again later\r\n");
		return runtime != NULL ? say_stopped(runtime) : EXIT_TRY_LATER;
	}
	struct pollfd wait[2] = {{.fd = STDIN_FILENO, .events = POLLIN},
				 {.fd = fd, .events = POLLIN}};
	for (;;) {
		if (poll(wait, 2, -1) < 0 && errno != EINTR)
			return order_say(EXIT_OS, "poll: %s", strerror(errno));
		if (wait[1].revents != 0 && !pass(fd, STDOUT_FILENO))
			return 0;
		if (wait[0].revents != 0 && !pass(STDIN_FILENO, fd)) {
			shutdown(fd, SHUT_WR);
			wait[0].fd = -1;
		}
	}
}

/* ---- the command ---- */

static int
start_system(const struct order *o)
{
	char *words[] = {(char[]){"start"}, NULL};
	return verb_start(&o->options, 1, words);
}

static int
carry_out(const struct order *o)
{
	switch (o->mode) {
	case ORDER_DELIVER:
		return deliver(o);
	case ORDER_SMTP:
		return speak(o);
	case ORDER_VERIFY:
		return verify(o);
	case ORDER_LIST:
		return names_list(&o->options);
	case ORDER_ALIASES:
		return names_aliases();
	case ORDER_START:
		return start_system(o);
	case ORDER_RETRY:
		return names_retry(&o->options, o->retry);
	case ORDER_NOTHING:
		return 0;
	}
	return SENDMAIL_USAGE;
}

static int
run(struct order *o, int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	int status = order_read(o, argc, argv);
	return status != 0 ? status : carry_out(o);
}

int
sendmail_main(int argc, char **argv)
{
	struct order o = {.mode = ORDER_DELIVER};
	names_options(&o.options);
	return run(&o, argc, argv);
}

int
sendmail_rmail(int argc, char **argv)
{
	struct order o = {.mode = ORDER_DELIVER, .dot_is_text = true, .is_from_mailbox = true};
	names_options(&o.options);
	return run(&o, argc, argv);
}
