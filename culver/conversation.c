/*
 * conversation - see culver/conversation.h
 */
#include "culver/conversation.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/mail/header.h"
#include "common/mail/xtext.h"
#include "common/system/fatal.h"
#include "common/mail/mailboxes.h"
#include "culver/sendmail.h"
#include "common/protocol/submission.h"

/* what an answer that is not the hoped for means to the caller */
static int
refused(const struct submission *s, struct span about, int permanent)
{
	int status = s->code >= 500 ? permanent : EXIT_TRY_LATER;
	if (about.len > 0)
		return order_say(status, "%.*s: %d %s", SPAN_ARG(about), s->code, s->text);
	if (s->code == 0)
		return order_say(status, "%s", s->text);
	return order_say(status, "%d %s", s->code, s->text);
}

static bool
has_high(struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		if ((unsigned char)text.at[i] >= 0x80)
			return true;
	}
	return false;
}

/* ---- the envelope ---- */

static bool
needs_utf8(const struct envelope *e)
{
	bool needs = has_high(e->sender);
	for (size_t i = 0; i < e->count; i++)
		needs = needs || has_high(e->recipients[i]);
	return needs;
}

static void
put_dsn(const struct order *o, struct buffer *mail)
{
	if (o->ret != NULL)
		buffer_format(mail, " RET=%s", o->ret);
	if (o->envid != NULL) {
		buffer_string(mail, " ENVID=");
		xtext_encode(span_of(o->envid), mail);
	}
}

void
conversation_parameters(const struct order *o, const struct envelope *e, struct buffer *mail)
{
	if (needs_utf8(e))
		buffer_string(mail, " SMTPUTF8");
	if (o->body != NULL)
		buffer_format(mail, " BODY=%s", o->body);
	put_dsn(o, mail);
}

/* bytes of the message, when they are known before it is sent; 0: they are not */
static size_t
known_size(const struct letter *l)
{
	return l != NULL && l->is_over ? l->header.len + l->content.len : 0;
}

static int
say_mail(const struct order *o, const struct envelope *e, struct submission *s,
	 const struct letter *l)
{
	struct buffer parameters;
	size_t size = s->has_size ? known_size(l) : 0;
	buffer_init(&parameters, CONVERSATION_PARAMETERS_MAX);
	if (s->has_utf8 && needs_utf8(e))
		buffer_string(&parameters, " SMTPUTF8");
	if (size > 0)
		buffer_format(&parameters, " SIZE=%zu", size);
	if (o->body != NULL && s->has_8bit)
		buffer_format(&parameters, " BODY=%s", o->body);
	if (s->has_dsn)
		put_dsn(o, &parameters);
	struct span words = buffer_get(&parameters);
	bool is_well =
		!parameters.failed &&
		submission_say(s, "MAIL FROM:<%.*s>%.*s", SPAN_ARG(e->sender), SPAN_ARG(words)) &&
		submission_hear(s, SUBMISSION_ANSWER_MS) == 250;
	buffer_free(&parameters);
	return is_well ? 0 : refused(s, e->sender, SENDMAIL_DATA);
}

/* every answer is read; *status is the worst of them.  `hear` is told of each. */
static void
say_recipients(const struct order *o, const struct envelope *e, struct submission *s, int *status,
	       int (*hear)(const struct submission *, struct span recipient))
{
	bool has_notify = o->notify != NULL && s->has_dsn;
	for (size_t done = 0, said = 0; done < e->count; done++) {
		while (said < e->count && said - done < SUBMISSION_RECIPIENTS_MAX) {
			if (!submission_say(s, "RCPT TO:<%.*s>%s%s", SPAN_ARG(e->recipients[said]),
					    has_notify ? " NOTIFY=" : "",
					    has_notify ? o->notify : "")) {
				*status = refused(s, SPAN_NONE, EXIT_UNAVAILABLE);
				return;
			}
			said++;
		}
		(void)submission_hear(s, SUBMISSION_ANSWER_MS);
		int now = hear(s, e->recipients[done]);
		/* what is permanent outweighs what may pass */
		if (now != 0 && *status != SENDMAIL_NO_USER)
			*status = now;
		if (s->code == 0)
			return;
	}
}

static int
hear_recipient(const struct submission *s, struct span recipient)
{
	return s->code / 100 == 2 ? 0 : refused(s, recipient, SENDMAIL_NO_USER);
}

/* ---- the content ---- */

/* a From field, for a message that has none */
static bool
put_author(const struct envelope *e, struct submission *s, const struct letter *l,
	   bool *at_line_start)
{
	static const char *const names[] = {"From", NULL};
	char line[ENVELOPE_NAME_MAX + 2 * MAILBOXES_MAX];
	if (envelope_has_field(l->header, names) || e->sender.len == 0 || s->origin[0] == '\0')
		return true;
	bool is_whole = span_has(e->sender, '@');
	bool has_name = e->full_name[0] != '\0';
	int n = snprintf(line, sizeof(line), "From: %s%s%s%.*s%s%s%s\r\n", has_name ? "\"" : "",
			 e->full_name, has_name ? "\" <" : "", SPAN_ARG(e->sender),
			 is_whole ? "" : "@", is_whole ? "" : s->origin, has_name ? ">" : "");
	return n < 0 || n >= (int)sizeof(line) ||
	       submission_put(s, span_from(line, (size_t)n), at_line_start);
}

/* the header without those whom the others shall not see */
static bool
put_header(struct submission *s, const struct letter *l, bool *at_line_start)
{
	struct span rest = l->header, field;
	while (letter_field(&rest, &field)) {
		if (!submission_put(s, field, at_line_start))
			return false;
	}
	return !l->lacks_line || submission_put(s, SPAN("\r\n"), at_line_start);
}

/* 0, or the exit status; the connection is given up in the middle when the input fails: then nothing was sent */
static int
say_content(const struct envelope *e, struct submission *s, struct letter *l)
{
	bool at_line_start = true;
	struct buffer chunk;
	int more = 1;
	if (!submission_say(s, "DATA") || submission_hear(s, SUBMISSION_ANSWER_MS) != 354)
		return refused(s, SPAN_NONE, EXIT_UNAVAILABLE);
	buffer_init(&chunk, (size_t)4 * LETTER_CHUNK);
	bool is_well = put_author(e, s, l, &at_line_start) && put_header(s, l, &at_line_start) &&
		       submission_put(s, l->content, &at_line_start);
	while (is_well && (more = letter_more(l, &chunk)) > 0)
		is_well = submission_put(s, buffer_get(&chunk), &at_line_start);
	int error = errno;
	buffer_free(&chunk);
	if (more < 0)
		return order_say(SENDMAIL_INPUT, "standard input: %s", strerror(error));
	/* a server that has stopped to listen has said why */
	if (is_well)
		(void)!submission_say(s, ".");
	if (submission_hear(s, SUBMISSION_END_MS) != 250)
		return refused(s, SPAN_NONE, SENDMAIL_DATA);
	return 0;
}

/* ---- the whole ---- */

static void
say_farewell(struct submission *s)
{
	/* after 250 the message is the system's, whatever becomes of the farewell */
	if (s->code != 0 && submission_say(s, "QUIT"))
		(void)submission_hear(s, SUBMISSION_ANSWER_MS);
	submission_end(s);
}

int
conversation_hold(int fd, const struct order *o, const struct envelope *e, struct letter *l,
		  bool *is_unheard)
{
	static struct submission s;
	int status = 0;
	s = (struct submission){.is_verbose = o->is_verbose};
	bool has_begun = submission_begin(&s, fd);
	*is_unheard = !has_begun && s.code == 0;
	if (*is_unheard)
		status = EXIT_TRY_LATER;
	else if (!has_begun)
		status = refused(&s, SPAN_NONE, EXIT_UNAVAILABLE);
	if (status == 0)
		status = say_mail(o, e, &s, l);
	if (status == 0)
		say_recipients(o, e, &s, &status, hear_recipient);
	if (status == 0)
		status = say_content(e, &s, l);
	say_farewell(&s);
	return status;
}

static int
tell_recipient(const struct submission *s, struct span recipient)
{
	if (s->code / 100 == 2) {
		printf("%.*s... deliverable\n", SPAN_ARG(recipient));
		return 0;
	}
	printf("%.*s... %d %s\n", SPAN_ARG(recipient), s->code, s->text);
	return s->code >= 500 ? SENDMAIL_NO_USER : EXIT_TRY_LATER;
}

int
conversation_verify(int fd, const struct order *o, const struct envelope *e)
{
	static struct submission s;
	int status = 0;
	s = (struct submission){.is_verbose = o->is_verbose};
	if (!submission_begin(&s, fd))
		status = refused(&s, SPAN_NONE, EXIT_UNAVAILABLE);
	if (status == 0)
		status = say_mail(o, e, &s, NULL);
	if (status == 0)
		say_recipients(o, e, &s, &status, tell_recipient);
	say_farewell(&s);
	return status;
}
