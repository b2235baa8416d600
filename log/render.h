/*
 * render - an event as a line of text, of JSON, or for syslog
 *
 *     2026-11-24T08:02:31.123456Z smtpd[412] accepted session=S0644C2F1B5F3A2 id=... from=a@example.org
 *     {"time":"2026-11-24T08:02:31.123456Z","program":"smtpd","pid":412,"event":"accepted","session":"S0644C2F1B5F3A2",...}
 *
 * Called by log/output.c.  What a sender cannot say is who it is: program and pid come from the connection.
 *
 * In JSON the members of each line come first: time, program, pid, event.  A field with one of those names (master's `started
 * program=smtpd`) is written as about_program, about_pid and so on.  Values are strings, but for the keys listed in
 * render.c (size, code, count, pid ... and what ends in _ms or _us), which are numbers when they are all digits.
 */
#ifndef LOG_RENDER_H
#define LOG_RENDER_H

#include <stdint.h>

#include "common/text/buffer.h"
#include "common/text/span.h"
#include "log/line.h"

/* who sent it, as the kernel and the connection's first line say */
struct origin {
	char program[LINE_NAME_MAX + 1];
	int64_t pid;
};

/* one line with its line end, behind what is in `to` */
void render_text(struct buffer *to, const struct origin *from, const struct line *l);
/* never longer than TRACE_LINE_MAX, line end included: long values are cut and end in "..." */
void render_json(struct buffer *to, const struct origin *from, const struct line *l);
#define RENDER_SYSLOG_PRIORITY (2 << 3 | 6) /* mail.info */

/* render_syslog_time - "Nov 24 08:02:31", local time */
void render_syslog_time(struct buffer *to, int64_t time_us);
/* a datagram for /dev/log (RFC 3164, section 4.1; facility mail, severity info), `json` says how its content is written; no line end */
void render_syslog(struct buffer *to, const struct origin *from, const struct line *l, bool json);

#endif
