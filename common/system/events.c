/*
 * events - see events.h
 *
 * One buffer a process.  A line that does not fit, a datagram that `log` has no room for: the lines are dropped whole
 * and counted.
 */
#include "common/system/events.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/system/channel.h"
#include "common/system/clock.h"
#include "common/text/buffer.h"
#include "common/text/escape.h"

#define GATHER_MAX 60000 /* bytes of lines in one datagram */
#define FIRST_ROOM 1024
#define VALUE_MAX 1024	 /* bytes of one value before it is escaped */
#define RECONNECT_MS 100 /* not more often than this, while `log` is away */
#define LAST_WAIT_MS 200

static struct {
	char program[32];
	char path[512];
	int fd;
	bool to_log;
	int64_t next_connect_ms;
	uint64_t lost;
	struct buffer lines;
	uint64_t line_count;
	int64_t held_ms; /* monotonic: since when the lines wait, or were last tried */
} events = {.program = "culver", .fd = -1};

void
events_start(const char *program, const char *path)
{
	snprintf(events.program, sizeof(events.program), "%s", program);
	if (events.fd >= 0) {
		close(events.fd);
		events.fd = -1;
	}
	events.next_connect_ms = 0;
	events.to_log = path != NULL;
	snprintf(events.path, sizeof(events.path), "%s", path != NULL ? path : "");
	buffer_free(&events.lines); /* a second start */
	buffer_init(&events.lines, GATHER_MAX);
	/* room that a child which says little need not ask for */
	(void)buffer_reserve(&events.lines, FIRST_ROOM);
	events.line_count = 0;
}

void
events_start_on(const char *program, int fd)
{
	events_start(program, "");
	events.fd = fd;
}

const char *
events_program(void)
{
	return events.program;
}

static void
put_field(struct buffer *to, const struct event_field *f)
{
	buffer_char(to, ' ');
	buffer_string(to, f->key);
	buffer_char(to, '=');
	switch (f->kind) {
	case EVENT_TEXT:
		if (f->text.len > VALUE_MAX) {
			char cut[VALUE_MAX + 3];
			memcpy(cut, f->text.at, VALUE_MAX);
			memcpy(cut + VALUE_MAX, "...", 3);
			escape_word(to, span_from(cut, sizeof(cut)));
		} else {
			escape_word(to, f->text);
		}
		return;
	case EVENT_NUMBER:
		buffer_format(to, "%" PRId64, f->number);
		return;
	case EVENT_ID:
		buffer_format(to, "%013" PRIX64, (uint64_t)f->number);
		return;
	}
}

static void
put_line(struct buffer *to, const char *name, const struct event_field *fields, size_t count)
{
	buffer_format(to, "%" PRId64 " %s", clock_wall_us(), name);
	for (size_t i = 0; i < count; i++)
		put_field(to, &fields[i]);
	buffer_char(to, '\n');
}

void
event_emit(const char *name, const struct event_field *fields, size_t count)
{
	if (events.lines.max == 0)
		buffer_init(&events.lines, GATHER_MAX);
	for (int attempt = 0; attempt < 2; attempt++) {
		size_t before = events.lines.len;
		put_line(&events.lines, name, fields, count);
		if (!events.lines.failed) {
			if (before == 0)
				events.held_ms = clock_monotonic_ms();
			events.line_count++;
			return;
		}
		events.lines.len = before;
		events.lines.failed = false;
		if (before == 0)
			break;
		events_flush();
		if (events.lines.len > 0)
			break;
	}
	events.lost++;
}

/* true when there is a connection; says hello on a new one */
static bool
connected(int64_t deadline_ms)
{
	if (events.fd >= 0)
		return true;
	int64_t now = clock_monotonic_ms();
	if (now < events.next_connect_ms)
		return false;
	events.next_connect_ms = now + RECONNECT_MS;
	/* a backlog that is full is `log` being away: nobody waits for it here */
	events.fd = channel_connect(events.path, deadline_ms);
	if (events.fd < 0)
		return false;
	char hello[64];
	int n = snprintf(hello, sizeof(hello), "%" PRId64 " hello program=%s\n", clock_wall_us(),
			 events.program);
	if (channel_send(events.fd, span_from(hello, (size_t)n), NULL, 0) != CHANNEL_OK) {
		close(events.fd);
		events.fd = -1;
	}
	return events.fd >= 0;
}

/* what was lost is told before what follows */
static enum channel_outcome
tell_lost(int64_t deadline_ms)
{
	char line[96];
	if (events.lost == 0)
		return CHANNEL_OK;
	int n = snprintf(line, sizeof(line),
			 "%" PRId64 " events-lost program=%s count=%" PRIu64 "\n", clock_wall_us(),
			 events.program, events.lost);
	enum channel_outcome o =
		channel_send_wait(events.fd, span_from(line, (size_t)n), NULL, 0, deadline_ms);
	if (o == CHANNEL_OK)
		events.lost = 0;
	return o;
}

static void
send_lines(int64_t deadline_ms)
{
	/* twice: a connection may have ended since the last datagram */
	for (int attempt = 0; attempt < 2; attempt++) {
		if (!connected(deadline_ms))
			return;
		enum channel_outcome o = tell_lost(deadline_ms);
		if (o == CHANNEL_OK)
			o = channel_send_wait(events.fd, buffer_get(&events.lines), NULL, 0,
					      deadline_ms);
		if (o == CHANNEL_OK) {
			buffer_clear(&events.lines);
			events.line_count = 0;
			return;
		}
		if (o == CHANNEL_AGAIN)
			return;
		close(events.fd);
		events.fd = -1;
		events.next_connect_ms = 0;
	}
}

static void
flush_until(int64_t deadline_ms)
{
	if (events.lines.len == 0)
		return;
	if (!events.to_log) {
		ssize_t n = write(STDERR_FILENO, events.lines.at, events.lines.len);
		if (n < 0)
			events.lost += events.line_count;
		buffer_clear(&events.lines);
		events.line_count = 0;
		return;
	}
	send_lines(deadline_ms);
	/* lines stay for the next flush while there is room for more; event_emit drops and counts beyond that */
}

void
events_flush(void)
{
	flush_until(0);
}

int64_t
events_hold(void)
{
	int64_t now_ms = clock_monotonic_ms();

	if (events.lines.len > 0 && now_ms - events.held_ms >= EVENTS_HOLD_MS) {
		events_flush();
		events.held_ms = now_ms;
	}
	return events.lines.len > 0 ? events.held_ms + EVENTS_HOLD_MS - now_ms : INT64_MAX;
}

bool
events_waiting(void)
{
	return events.lines.len > 0;
}

void
events_end(void)
{
	if (events.lines.len == 0 && events.lost == 0)
		return;
	events.next_connect_ms = 0;
	flush_until(clock_monotonic_ms() + LAST_WAIT_MS);
}
