/*
 * envelope - see culver/envelope.h
 */
#include "culver/envelope.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/mail/header.h"
#include "common/system/fatal.h"
#include "common/mail/mailboxes.h"
#include "culver/sendmail.h"

/* ---- who sends ---- */

static void
find_user(struct envelope *e, const struct order *o)
{
	const struct passwd *user = getpwuid(getuid());
	const char *name = o->name != NULL ? o->name : getenv("NAME");
	/* a container's, perhaps */
	if (user == NULL)
		snprintf(e->login, sizeof(e->login), "uid%u", (unsigned)getuid());
	else
		snprintf(e->login, sizeof(e->login), "%s", user->pw_name);
	if (name != NULL)
		snprintf(e->full_name, sizeof(e->full_name), "%s", name);
	else if (user != NULL && user->pw_gecos != NULL)
		snprintf(e->full_name, sizeof(e->full_name), "%.*s",
			 (int)strcspn(user->pw_gecos, ",&"), user->pw_gecos);
	for (char *at = e->full_name; *at != '\0'; at++) {
		if ((unsigned char)*at < ' ' || *at == 0x7f || *at == '"' || *at == '\\')
			*at = ' ';
	}
}

/* site!user is user@site; anything else stays; .at == NULL: memory is out */
static struct span
keep_address(struct envelope *e, struct span address)
{
	struct buffer turned;
	const char *bang = memchr(address.at, '!', address.len);
	if (address.len == 0)
		return SPAN("");
	if (bang == NULL || bang == address.at || bang + 1 == address.at + address.len ||
	    span_has(address, '@') || span_has(address, '"'))
		return arena_span(&e->arena, address);
	size_t site = (size_t)(bang - address.at);
	buffer_init(&turned, MAILBOXES_MAX + 16);
	buffer_span(&turned, span_skip(address, site + 1));
	buffer_char(&turned, '@');
	buffer_span(&turned, span_from(address.at, site));
	struct span kept = arena_span(&e->arena, buffer_get(&turned));
	buffer_free(&turned);
	return kept;
}

/* the one address of -f; 0, or the exit status */
static int
take_sender(struct envelope *e, struct span written)
{
	struct span rest = written;
	e->sender = SPAN_NONE;
	if (rest.len == 0)
		return 0;
	if (mailboxes_next(&rest, &e->word) != MAILBOXES_ONE || rest.len > 0)
		return order_say(SENDMAIL_USAGE, "-f: %.*s is no address", SPAN_ARG(written));
	e->sender = keep_address(e, buffer_get(&e->word));
	return e->sender.at != NULL ? 0 : order_say(EXIT_TRY_LATER, "memory is out");
}

/* "From a!user DATE remote from b", the nearest host first: b!a!user (rmail(8)) */
static int
take_mailbox_sender(struct envelope *e, struct span lines)
{
	struct buffer path;
	struct span user = SPAN_NONE;
	buffer_init(&path, MAILBOXES_MAX);
	while (lines.len > 0) {
		/* a letter's lines end with CRLF */
		struct span whole = span_cut(&lines, '\n'), line = span_cut(&whole, '\r');
		struct span last = SPAN_NONE, word;
		(void)span_word(&line); /* From, >From */
		user = span_word(&line);
		for (word = span_word(&line); word.len > 0; word = span_word(&line)) {
			if (span_equal(last, SPAN("from"))) {
				buffer_span(&path, word);
				buffer_char(&path, '!');
			}
			last = word;
		}
	}
	buffer_span(&path, user);
	int status = path.failed ? order_say(SENDMAIL_DATA, "the path of the sender is too long")
				 : take_sender(e, buffer_get(&path));
	buffer_free(&path);
	return status;
}

/* ---- recipients ---- */

static int
add_recipient(struct envelope *e, struct span address)
{
	if (e->count == e->room) {
		size_t room = e->room > 0 ? 2 * e->room : 64;
		struct span *more = reallocarray(e->recipients, room, sizeof(*more));
		if (more == NULL)
			return order_say(EXIT_TRY_LATER, "memory is out");
		e->recipients = more;
		e->room = room;
	}
	struct span kept = keep_address(e, address);
	if (kept.at == NULL)
		return order_say(EXIT_TRY_LATER, "too many recipients");
	e->recipients[e->count++] = kept;
	return 0;
}

/* the addresses of a list; `where` for the sentence, `wrong` the status for what is no address */
static int
add_list(struct envelope *e, struct span list, const char *where, int wrong)
{
	int status = 0;
	while (status == 0) {
		switch (mailboxes_next(&list, &e->word)) {
		case MAILBOXES_ONE:
		case MAILBOXES_LOOSE:
			if (e->word.len == 0)
				return order_say(wrong, "%s: an empty address", where);
			status = add_recipient(e, buffer_get(&e->word));
			break;
		case MAILBOXES_END:
			return 0;
		case MAILBOXES_WRONG:
			return order_say(wrong, "%s: something that is no address", where);
		}
	}
	return status;
}

bool
envelope_is_one_of(struct span name, const char *const *names)
{
	for (; *names != NULL; names++) {
		if (span_equal_nocase(name, span_of(*names)))
			return true;
	}
	return false;
}

bool
envelope_has_field(struct span header, const char *const *names)
{
	struct span name, value;
	while (header_field(&header, &name, &value, NULL)) {
		if (envelope_is_one_of(name, names))
			return true;
	}
	return false;
}

/* -t: those of a message that is sent again are in the Resent fields (RFC 5322, section 3.6.6) */
static int
add_header(struct envelope *e, struct span header)
{
	static const char *const first[] = {"To", "Cc", "Bcc", NULL};
	static const char *const again[] = {"Resent-To", "Resent-Cc", "Resent-Bcc", NULL};
	const char *const *wanted = envelope_has_field(header, again) ? again : first;
	struct span name, value;
	int status = 0;
	while (status == 0 && header_field(&header, &name, &value, NULL)) {
		char where[32];
		if (!envelope_is_one_of(name, wanted))
			continue;
		snprintf(where, sizeof(where), "%.*s", SPAN_ARG(name));
		status = add_list(e, value, where, SENDMAIL_DATA);
	}
	return status;
}

/* ---- the whole ---- */

int
envelope_open(struct envelope *e, const struct order *o)
{
	*e = (struct envelope){.count = 0};
	arena_init(&e->arena, ENVELOPE_MEMORY);
	buffer_init(&e->word, MAILBOXES_MAX + 16);
	find_user(e, o);
	int status = take_sender(e, span_of(o->sender != NULL ? o->sender : e->login));
	for (char **words = o->recipients; *words != NULL && status == 0; words++)
		status = add_list(e, span_of(*words), *words, SENDMAIL_USAGE);
	/* what is wrong with the words is said before anything is read */
	if (status == 0 && e->count == 0 && !o->from_header)
		status = order_say(SENDMAIL_USAGE, "no recipient; -t takes them from the message");
	return status;
}

int
envelope_complete(struct envelope *e, const struct order *o, const struct letter *l)
{
	int status = o->is_from_mailbox && l->mailbox.len > 0 && o->sender == NULL
			     ? take_mailbox_sender(e, l->mailbox)
			     : 0;
	if (status == 0 && o->from_header)
		status = add_header(e, l->header);
	if (status == 0 && e->count == 0)
		status = order_say(SENDMAIL_DATA, "the message names no recipient");
	return status;
}

void
envelope_free(struct envelope *e)
{
	free(e->recipients);
	buffer_free(&e->word);
	arena_free(&e->arena);
}
