/*
 * events - what happened, told to `log` without anybody waiting
 *
 *     EVENT("delivered", event_id(id), event_text("to", to), event_number("size", size));
 *
 * An event is a name and fields.  It is a line of text, `TIME NAME KEY=VALUE ...` (values by escape_word), several lines a datagram on
 * the socket `log`.  Nothing here blocks: what does not fit is dropped and counted, and the count is
 * sent as the event `events-lost` once there is room again.  A fork inherits the connection.  Every name stands, with its
 * sentence, in docs/events.md (tested).
 *
 * Keys that mean the same everywhere: id (message), session, client, helo, from, to, user, domain, size, code, status, reply, host, program, pid, reason, errno.
 */
#ifndef COMMON_SYSTEM_EVENTS_H
#define COMMON_SYSTEM_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/text/span.h"

#define EVENT_LINE_MAX 4096 /* longer values are cut, and end in "..." */

enum event_kind { EVENT_TEXT, EVENT_NUMBER, EVENT_ID };

struct event_field {
	const char *key;
	enum event_kind kind;
	struct span text;
	int64_t number;
};

static inline struct event_field
event_text(const char *key, struct span text)
{
	return (struct event_field){key, EVENT_TEXT, text, 0};
}

static inline struct event_field
event_string(const char *key, const char *text)
{
	return (struct event_field){key, EVENT_TEXT, span_of(text), 0};
}

static inline struct event_field
event_number(const char *key, int64_t number)
{
	return (struct event_field){key, EVENT_NUMBER, SPAN_NONE, number};
}

/* the id of a message, 13 or more upper-case hex digits */
static inline struct event_field
event_id(uint64_t id)
{
	return (struct event_field){"id", EVENT_ID, SPAN_NONE, (int64_t)id};
}

#define EVENT(name, ...) \
	event_emit(name, (const struct event_field[]){__VA_ARGS__}, \
		   sizeof((const struct event_field[]){__VA_ARGS__}) / sizeof(struct event_field))

/*
 * events_start - events go to `log` at `path` (NULL: to stderr, as in unit tests)
 *
 * Connects when the first event is sent, and again after `log` was restarted; the first line on a connection is `hello program=NAME`.
 */
void events_start(const char *program, const char *path);
/* events_start_on - the same on a connection that is there: `log` itself, which cannot connect to itself (its row has no circle) */
void events_start_on(const char *program, int fd);
/* the name given to events_start; "culver" before that */
const char *events_program(void);
void event_emit(const char *name, const struct event_field *fields, size_t count);
/* sends what is gathered; called by the loop each turn */
void events_flush(void);
/*
 * events_hold - for who waits for a peer that is mostly quick: sends only when the first line has waited for EVENTS_HOLD_MS (or when it was tried
 * that long ago), so that a short session says everything in one datagram; ms until it is time to call again, INT64_MAX when no line waits
 */
int64_t events_hold(void);
#define EVENTS_HOLD_MS 50
/* true while lines wait for room */
bool events_waiting(void);
/* before exit: waits for room, 200 ms at most */
void events_end(void);

#endif
