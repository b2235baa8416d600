/*
 * trace - asks log by the socket `trace` (common/protocol/trace.h)
 *
 * Called by culver/main.c.  Exit status: 0; 1 nothing is known, or refused; 64 wrong arguments; 69 not running; 70 an answer that is none.
 */
#include "culver/trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/protocol/trace.h"
#include "common/system/channel.h"
#include "common/system/clock.h"
#include "common/system/fatal.h"
#include "culver/human.h"
#include "culver/story.h"

#define OUTPUT_MAX (4u << 20) /* of one answer; printed after each */
#define WHAT_MAX 512

static int
fail(int status, const char *sentence)
{
	fprintf(stderr, "culver: %s\n", sentence);
	return status;
}

/* an id or a session has one story; an address may have many */
static bool
is_one_story(struct span what)
{
	if (what.len > 0 && what.at[0] == 'S')
		what = span_skip(what, 1);
	for (size_t i = 0; i < what.len; i++)
		if ((what.at[i] < '0' || what.at[i] > '9') &&
		    (what.at[i] < 'A' || what.at[i] > 'F'))
			return false;
	return true;
}

/* the lines of one datagram; how many they were */
static uint64_t
put_lines(struct wire_list lines, struct story *story, bool json, struct buffer *out)
{
	struct trace_line line;
	uint64_t count = 0;
	while (wire_list_next(&lines, &trace_line_shape, &line)) {
		count++;
		if (json) {
			buffer_span(out, line.json);
			buffer_char(out, '\n');
		} else if (story_line(story, line.json, out) < 0) {
			buffer_string(out, "(an event that cannot be read)\n");
		}
	}
	return count;
}

/* takes one datagram: -1 go on, else the exit status */
static int
take_answer(struct span datagram, struct story *story, bool json, uint64_t *shown)
{
	static union {
		struct trace_event event;
		struct trace_end end;
		struct trace_refused refused;
	} m;
	struct buffer out;
	struct wire_header header;
	const struct wire_shape *shape =
		wire_peek(datagram, &header) == 0 ? wire_find(trace_answers, header.type) : NULL;
	if (shape == NULL || wire_decode(datagram, shape, &m) < 0)
		return fail(EXIT_SOFTWARE, "the answer of log is malformed");
	int status = -1;
	buffer_init(&out, OUTPUT_MAX);
	switch ((enum trace_type)header.type) {
	case TRACE_EVENT:
		*shown += put_lines(m.event.lines, story, json, &out);
		break;
	case TRACE_END:
		if (m.end.count > *shown && !json)
			buffer_format(&out, "(%" PRIu64 " earlier events are left out)\n",
				      m.end.count - *shown);
		status = 0;
		break;
	case TRACE_REFUSED:
		human_text(&out, m.refused.text);
		fprintf(stderr, "culver: %.*s\n", SPAN_ARG(buffer_get(&out)));
		buffer_clear(&out);
		status = 1;
		break;
	case TRACE_ASK:
		status = fail(EXIT_SOFTWARE, "the answer of log is out of turn");
		break;
	}
	if (human_print(&out) < 0)
		status = 1;
	buffer_free(&out);
	return status;
}

static int
take_answers(int fd, struct story *story, bool json, const char *what)
{
	static char datagram[CHANNEL_MAX];
	uint64_t shown = 0;
	int status = -1;
	while (status < 0) {
		size_t len = 0;
		int64_t deadline_ms = clock_monotonic_ms() + OPTIONS_ANSWER_MS;
		switch (channel_receive_wait(fd, datagram, &len, NULL, deadline_ms)) {
		case CHANNEL_OK:
			status = take_answer(span_from(datagram, len), story, json, &shown);
			break;
		case CHANNEL_AGAIN:
			return fail(EXIT_UNAVAILABLE, "log does not answer");
		case CHANNEL_CLOSED:
			return fail(EXIT_UNAVAILABLE, "log ended before it had answered");
		case CHANNEL_BROKEN:
			return fail(EXIT_SOFTWARE, "the answer of log is malformed");
		}
	}
	if (status == 0 && shown == 0) {
		fprintf(stderr, "culver: nothing is known about %s\n", what);
		return 1;
	}
	return status;
}

int
verb_trace(const struct culver_options *o, int argc, char **argv)
{
	int status = 0;
	if (argc != 2)
		return options_usage(o, "trace wants one id or address");
	struct trace_ask ask = {.what = span_of(argv[1])};
	if (ask.what.len == 0 || ask.what.len > WHAT_MAX)
		return options_usage(o, "an id or address has 1 to %d bytes", WHAT_MAX);
	int fd = options_connect(o, "trace", &status);
	if (fd < 0)
		return status;
	int64_t deadline_ms = clock_monotonic_ms() + OPTIONS_ANSWER_MS;
	struct story story = {.with_ids = !is_one_story(ask.what)};
	/* when log has refused already, its sentence is there to be read */
	if (wire_send_wait(fd, wire_find(trace_calls, TRACE_ASK), 0, 1, &ask, NULL, deadline_ms) ==
	    CHANNEL_BROKEN)
		status = fail(EXIT_SOFTWARE, "the question cannot be sent");
	else
		status = take_answers(fd, &story, o->json, argv[1]);
	if (fflush(stdout) != 0)
		status = fail(1, "cannot write");
	close(fd);
	return status;
}
