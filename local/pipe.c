/*
 * pipe - see pipe.h
 */
#include "local/pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/system/channel.h"
#include "common/system/clock.h"

#define STATUS_NOT_EXECUTABLE 126 /* as shells say it */
#define STATUS_NOT_FOUND 127

int
pipe_bind(const char *path, const struct runner_bind *bind)
{
	int64_t deadline_ms = clock_monotonic_ms() + PIPE_CONNECT_MS;
	int fd = channel_connect(path, deadline_ms);

	if (fd < 0)
		return -1;
	if (wire_send_wait(fd, wire_find(runner_calls, RUNNER_BIND), 0, 0, bind, NULL,
			   deadline_ms) == CHANNEL_OK)
		return fd;
	close(fd);
	errno = ECONNREFUSED;
	return -1;
}

/* ---- what an end means ---- */

static const struct {
	int status;
	enum fate fate;
	const char *enhanced;
	const char *text;
} statuses[] = {
	{EX_USAGE, FATE_FAILED, "5.3.0", "command line usage error"},
	{EX_DATAERR, FATE_FAILED, "5.6.0", "data format error"},
	{EX_NOINPUT, FATE_FAILED, "5.3.0", "cannot open input"},
	{EX_NOUSER, FATE_FAILED, "5.1.1", "user unknown"},
	{EX_NOHOST, FATE_FAILED, "5.1.2", "host name unknown"},
	{EX_UNAVAILABLE, FATE_FAILED, "5.3.0", "service unavailable"},
	{EX_SOFTWARE, FATE_FAILED, "5.3.0", "internal software error"},
	{EX_OSERR, FATE_FAILED, "5.3.0", "system resource problem"},
	{EX_OSFILE, FATE_FAILED, "5.3.0", "critical OS file missing"},
	{EX_CANTCREAT, FATE_FAILED, "5.2.0", "can't create user output file"},
	{EX_IOERR, FATE_FAILED, "5.3.0", "input/output error"},
	{EX_TEMPFAIL, FATE_DEFERRED, "4.3.0", "temporary failure"},
	{EX_PROTOCOL, FATE_FAILED, "5.5.0", "remote error in protocol"},
	{EX_NOPERM, FATE_FAILED, "5.7.0", "permission denied"},
	{EX_CONFIG, FATE_FAILED, "5.3.5", "local configuration error"},
	/* a command that is not there was mistyped, or is being installed: mail waits for whoever repairs it */
	{STATUS_NOT_EXECUTABLE, FATE_DEFERRED, "4.3.5", "the command cannot be executed"},
	{STATUS_NOT_FOUND, FATE_DEFERRED, "4.3.5", "the command was not found"},
};

static void
set(struct verdict *v, enum fate fate, const char *enhanced, const char *text, struct span output)
{
	output = span_trim(output);
	while (output.len > 0 && output.at[output.len - 1] == '\n')
		output.len--;
	if (output.len > 0)
		verdict_set(v, fate, fate == FATE_FAILED ? 550 : 451, enhanced,
			    "%s. Command output: %.*s", text, SPAN_ARG(output));
	else
		verdict_set(v, fate, fate == FATE_FAILED ? 550 : 451, enhanced, "%s", text);
}

static void
exited(int status, struct span output, struct verdict *v)
{
	struct span rest = output, word = span_word(&rest);
	char text[64], enhanced[STATUS_MAX];

	if (status == 0) {
		verdict_set(v, FATE_DELIVERED, 250, "2.0.0", "delivered to command");
		return;
	}
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		if (statuses[i].status == status) {
			set(v, statuses[i].fate, statuses[i].enhanced, statuses[i].text, output);
			return;
		}
	/* any other status: the command may have said itself what it means (RFC 3463) */
	snprintf(text, sizeof(text), "the command ended with status %d", status);
	if (status_is_valid(word) && word.at[0] != '2' &&
	    span_copy(word, enhanced, sizeof(enhanced)) == 0)
		set(v, word.at[0] == '4' ? FATE_DEFERRED : FATE_FAILED, enhanced, text, rest);
	else
		set(v, FATE_FAILED, "5.3.0", text, output);
}

void
pipe_verdict(const struct runner_result *result, struct verdict *v)
{
	char text[64];

	switch ((enum runner_how)result->how) {
	case RUNNER_EXITED:
		exited((int)result->value, result->output, v);
		return;
	case RUNNER_KILLED:
		snprintf(text, sizeof(text), "the command died of signal %d", (int)result->value);
		set(v, FATE_DEFERRED, "4.3.0", text, result->output);
		return;
	case RUNNER_LATE:
		set(v, FATE_DEFERRED, "4.3.0", "the command was not done in time", result->output);
		return;
	case RUNNER_CANNOT:
		break;
	}
	verdict_set(v, FATE_DEFERRED, 451, "4.3.2", "the command cannot be started now: %s",
		    strerror((int)result->value));
}

/* ---- the letter ---- */

/* what is to be written, piece by piece */
struct feed {
	int fd; /* -1: all of it is written, or nobody reads it */
	struct letter_reader reader;
	char *room;
	struct span piece;
};

static void
feed_end(struct feed *f)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
}

/* feed_some - false: the message cannot be read (errno; 0: it is too short) */
static bool
feed_some(struct feed *f)
{
	ssize_t n;

	if (f->piece.len == 0) {
		n = letter_next(&f->reader, f->room);
		if (n < 0)
			return false;
		f->piece = span_from(f->room, (size_t)n);
	}
	if (f->piece.len == 0) {
		feed_end(f);
		return true;
	}
	n = write(f->fd, f->piece.at, f->piece.len);
	if (n > 0)
		f->piece = span_skip(f->piece, (size_t)n);
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
		feed_end(f); /* the command reads no more */
	return true;
}

static bool
lost(struct verdict *v, const char *what)
{
	verdict_set(v, FATE_DEFERRED, 451, "4.3.2", "%s", what);
	return false;
}

/* hear - the answer; it may come before the letter is written */
static bool
hear(const struct pipe_job *job, struct verdict *v)
{
	static char in[CHANNEL_MAX];
	struct runner_result result;
	struct wire_header h;
	size_t len = 0;

	if (channel_receive(job->channel, in, &len, NULL) == CHANNEL_OK &&
	    wire_peek(span_from(in, len), &h) == 0 && h.type == RUNNER_RESULT &&
	    wire_decode(span_from(in, len), wire_find(runner_answers, RUNNER_RESULT), &result) == 0)
		pipe_verdict(&result, v);
	else
		return lost(v, "runner has ended before the command");
	return true;
}

static bool
feed_and_wait(const struct pipe_job *job, struct feed *f, struct verdict *v)
{
	int64_t deadline_ms = clock_monotonic_ms() + (int64_t)job->time_ms + PIPE_GRACE_MS;

	for (;;) {
		struct pollfd p[] = {{job->channel, POLLIN, 0}, {f->fd, POLLOUT, 0}};
		int64_t left = deadline_ms - clock_monotonic_ms();
		int n = poll(p, 2, left <= 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left);

		if (n > 0 && p[0].revents != 0) {
			return hear(job, v);
		}
		/* a part of a letter must not pass for one: our close kills the command */
		if (n > 0 && p[1].revents != 0 && !feed_some(f))
			return lost(v, "the message cannot be read from the spool");
		if (n == 0 && left <= 0)
			return lost(v, "runner does not answer");
	}
}

bool
pipe_deliver(const struct pipe_job *job, const struct letter *letter, char *room, struct verdict *v)
{
	struct feed f = {.room = room, .piece = SPAN_NONE};
	enum channel_outcome sent;
	bool is_well;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) {
		verdict_set(v, FATE_DEFERRED, 451, "4.3.2", "a pipe: %s", strerror(errno));
		return true;
	}
	f.fd = ends[1];
	letter_start(&f.reader, letter);
	/* the command's end waits for bytes as it knows it */
	if (fcntl(ends[0], F_SETFL, 0) < 0)
		sent = CHANNEL_BROKEN;
	else
		sent = wire_send_wait(job->channel, wire_find(runner_calls, RUNNER_RUN), 0, 0,
				      &job->ask, &ends[0], clock_monotonic_ms() + PIPE_CONNECT_MS);
	close(ends[0]);
	is_well =
		sent == CHANNEL_OK ? feed_and_wait(job, &f, v) : lost(v, "runner is not there now");
	feed_end(&f);
	return is_well;
}
