/*
 * feed - see feed.h
 */
#include "smtpd/feed.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/protocol/submission.h"
#include "common/system/clock.h"
#include "common/system/confine.h"
#include "common/system/events.h"
#include "smtpd/clients.h"

#define CHUNK 65536
#define REASON_MAX 300	       /* bytes of a refusal that are kept */
#define REASONS_SHOWN 100      /* in one notice */
#define NOTICE_MAX (64u << 10) /* bytes of a notice before the letter */

struct refusal {
	bool is_refused;
	char reason[REASON_MAX];
};

/* one letter being fed */
struct feeding {
	char once[FEED_ONCE_MAX + 8]; /* the key of what this session brings */
	const struct feed *f;
	struct submission s;
	pid_t session;
	struct refusal *refusals; /* of each recipient */
	size_t refused, taken;	  /* recipients; `taken` in this session */
	char reason[REASON_MAX];  /* why the whole letter was refused; empty: it was not */
};

/* ---- a session ---- */

_Noreturn static void
become_session(const struct feed *f, const struct session_start *start, pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0) != 0 || getppid() != parent)
		_exit(1);
	if (events_waiting())
		events_start(f->program, f->log);
	close(f->directory);
	close(f->fd);
	confine_child();
	session_serve(start);
	_exit(0);
}

static bool
begin(struct feeding *x)
{
	const struct feed *f = x->f;
	struct session_start start = *f->start;
	int pair[2];
	pid_t parent = getpid();
	x->s = (struct submission){.code = 0};
	x->taken = 0;
	start.uid = f->uid;
	start.author = f->head.name;
	start.once = span_of(x->once);
	start.started_us = (uint64_t)clock_wall_us();
	if (start.started_us <= *f->last_us)
		start.started_us = *f->last_us + 1;
	*f->last_us = start.started_us;
	clients_local(&start.client, f->uid);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0) {
		x->session = -1;
		return false;
	}
	events_flush();
	x->session = fork();
	if (x->session == 0) {
		close(pair[0]);
		start.fd = pair[1];
		become_session(f, &start, parent);
	}
	close(pair[1]);
	if (x->session < 0) {
		close(pair[0]);
		return false;
	}
	return submission_begin(&x->s, pair[0]);
}

static void
end(struct feeding *x)
{
	int status = 0;
	if (x->s.code != 0 && submission_say(&x->s, "QUIT"))
		(void)submission_hear(&x->s, SUBMISSION_ANSWER_MS);
	if (x->session < 0)
		return;
	submission_end(&x->s);
	while (waitpid(x->session, &status, 0) < 0 && errno == EINTR)
		continue;
	if (WIFSIGNALED(status))
		EVENT("session-died", event_number("pid", x->session),
		      event_number("signal", WTERMSIG(status)));
}

static void
keep_reason(const struct submission *s, char reason[REASON_MAX])
{
	/* a longer text is cut */
	snprintf(reason, REASON_MAX, "%03d %.*s", s->code % 1000, REASON_MAX - 6, s->text);
}

/* ---- the letter ---- */

/* every answer is read.  False: not now */
static bool
say_recipients(struct feeding *x)
{
	struct span rest = x->f->head.recipients;
	size_t asked[SUBMISSION_RECIPIENTS_MAX];
	bool is_well = true;
	for (size_t next = 0; is_well && next < x->f->head.count;) {
		size_t said = 0;
		for (; next < x->f->head.count && said < SUBMISSION_RECIPIENTS_MAX; next++) {
			struct span recipient = drop_recipient(&rest);
			if (x->refusals[next].is_refused)
				continue;
			if (!submission_say(&x->s, "RCPT %.*s", SPAN_ARG(recipient)))
				return false;
			asked[said++] = next;
		}
		for (size_t i = 0; i < said; i++) {
			int code = submission_hear(&x->s, SUBMISSION_ANSWER_MS);
			struct refusal *r = &x->refusals[asked[i]];
			if (code / 100 == 5) {
				r->is_refused = true;
				keep_reason(&x->s, r->reason);
				x->refused++;
			}
			x->taken += code / 100 == 2;
			is_well = is_well && code / 100 != 4 && code != 0;
			if (code == 0 || code == 421)
				return false;
		}
	}
	return is_well;
}

/* from *at on, `length` bytes of the file; false: they are not there, or nobody listens */
static bool
put_file(struct feeding *x, bool *at_line_start)
{
	static char bytes[CHUNK];
	uint64_t at = x->f->content_at, left = x->f->length;
	while (left > 0) {
		size_t want = left < sizeof(bytes) ? (size_t)left : sizeof(bytes);
		ssize_t n = pread(x->f->fd, bytes, want, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		/* its owner has cut it meanwhile: it is his letter */
		if (n <= 0 || !submission_put(&x->s, span_from(bytes, (size_t)n), at_line_start))
			return false;
		at += (uint64_t)n;
		left -= (uint64_t)n;
	}
	return true;
}

/* the answer to the dot; 0: there is none, since the content could not be sent whole */
static int
end_content(struct feeding *x, bool at_line_start)
{
	if ((!at_line_start && !submission_put(&x->s, SPAN("\r\n"), &at_line_start)) ||
	    !submission_say(&x->s, "."))
		return 0;
	return submission_hear(&x->s, SUBMISSION_END_MS);
}

static bool
begin_data(struct feeding *x)
{
	return submission_say(&x->s, "DATA") && submission_hear(&x->s, SUBMISSION_ANSWER_MS) == 354;
}

/* the content; false: not now */
static bool
say_content(struct feeding *x)
{
	bool at_line_start = true;
	int code;
	if (begin_data(x))
		code = put_file(x, &at_line_start) ? end_content(x, at_line_start) : 0;
	else
		code = x->s.code;
	if (code / 100 == 5)
		keep_reason(&x->s, x->reason);
	return code / 100 == 2 || code / 100 == 5;
}

/* one session; false: not now */
static bool
say_letter(struct feeding *x)
{
	snprintf(x->once, sizeof(x->once), "%s", x->f->once);
	bool is_well = begin(x) && submission_say(&x->s, "MAIL %.*s", SPAN_ARG(x->f->head.mail));
	int code = is_well ? submission_hear(&x->s, SUBMISSION_ANSWER_MS) : 0;
	if (code / 100 == 5)
		keep_reason(&x->s, x->reason);
	else
		is_well = code / 100 == 2 && say_recipients(x);
	if (is_well && x->taken > 0)
		is_well = say_content(x);
	end(x);
	return is_well;
}

/* ---- what was refused, told to its sender ---- */

/* between the brackets of FROM:<...> */
static struct span
sender_of(const struct feed *f)
{
	struct span rest = span_skip(f->head.mail, sizeof("FROM:<") - 1);
	return span_cut(&rest, '>');
}

static void
write_notice(const struct feeding *x, struct span to, struct buffer *text)
{
	struct span rest = x->f->head.recipients;
	size_t shown = 0;
	buffer_format(
		text,
		"To: %.*s\r\nSubject: Undelivered Mail Returned to Sender\r\n"
		"Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
		"Content-Type: text/plain; charset=utf-8\r\n"
		"Content-Transfer-Encoding: 8bit\r\n\r\n"
		"The mail system was stopped when you sent the letter below. It runs again now,\r\n"
		"and does not take it:\r\n\r\n",
		SPAN_ARG(to));
	if (x->reason[0] != '\0')
		buffer_format(text, "    %s\r\n", x->reason);
	for (size_t i = 0; i < x->f->head.count; i++) {
		struct span recipient = drop_recipient(&rest);
		if (x->refusals[i].is_refused && shown++ < REASONS_SHOWN)
			buffer_format(text, "    %.*s: %s\r\n", SPAN_ARG(recipient),
				      x->refusals[i].reason);
	}
	if (shown > REASONS_SHOWN)
		buffer_format(text, "    and %zu more\r\n", shown - REASONS_SHOWN);
	buffer_string(text, "\r\n---- the letter ----\r\n\r\n");
}

/* 250: it is on its way; else the answer, 0: there is none */
static int
say_notice(struct feeding *x, struct span to, bool with_content)
{
	struct buffer text;
	bool at_line_start = true;
	int code = 0;
	snprintf(x->once, sizeof(x->once), "%s.N", x->f->once);
	buffer_init(&text, NOTICE_MAX);
	write_notice(x, to, &text);
	bool is_well = begin(x) && submission_say(&x->s, "MAIL FROM:<>") &&
		       submission_hear(&x->s, SUBMISSION_ANSWER_MS) == 250 &&
		       submission_say(&x->s, "RCPT TO:<%.*s>", SPAN_ARG(to)) &&
		       submission_hear(&x->s, SUBMISSION_ANSWER_MS) / 100 == 2 && begin_data(x);
	code = x->s.code;
	if (is_well) {
		is_well = submission_put(&x->s, buffer_get(&text), &at_line_start) &&
			  (!with_content || put_file(x, &at_line_start));
		code = is_well ? end_content(x, at_line_start) : 0;
	}
	end(x);
	buffer_free(&text);
	return code;
}

static void
tell_returned(const struct feeding *x, struct span to)
{
	EVENT("drop-returned", event_string("file", x->f->file),
	      event_number("uid", (int64_t)x->f->uid), event_text("to", to),
	      event_number("recipients", (int64_t)x->refused), event_string("reason", x->reason));
}

/* to the sender, else to postmaster; content that is not to be taken is not taken in a notice either.  False: not now */
static bool
return_refused(struct feeding *x)
{
	const struct span others[] = {sender_of(x->f), SPAN("postmaster")};
	/* a notice about a notice goes nowhere (RFC 5321, section 4.5.5) */
	for (size_t i = 0; others[0].len > 0 && i < 2; i++) {
		int code = say_notice(x, others[i], true);
		if (code / 100 == 5)
			code = say_notice(x, others[i], false);
		if (code / 100 == 2)
			tell_returned(x, others[i]);
		if (code / 100 != 5)
			return code / 100 == 2;
	}
	tell_returned(x, SPAN_NONE);
	return true;
}

/* ---- the whole ---- */

enum feed_outcome
feed_letter(const struct feed *f)
{
	struct feeding x = {.f = f};
	bool is_well = false;
	x.refusals = calloc(f->head.count, sizeof(x.refusals[0]));
	if (x.refusals == NULL)
		return FEED_LATER;
	/* a session ends with too many refusals: then another one goes on without those */
	size_t before;
	do {
		before = x.refused;
		is_well = say_letter(&x);
	} while (!is_well && x.refused > before);
	if (is_well && x.taken > 0 && x.reason[0] == '\0')
		EVENT("drop-taken", event_string("file", f->file),
		      event_number("uid", (int64_t)f->uid),
		      event_number("recipients", (int64_t)x.taken));
	if (is_well && (x.refused > 0 || x.reason[0] != '\0'))
		is_well = return_refused(&x);
	free(x.refusals);
	return is_well ? FEED_TAKEN : FEED_LATER;
}
