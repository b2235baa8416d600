/*
 * notice - see the header.  RFC 3464, section 2; RFC 3461, section 6; RFC 6533, section 3
 */
#include "bounce/notice.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/mail/reply.h"
#include "common/mail/xtext.h"
#include "common/system/clock.h"
#include "common/text/number.h"
#include "common/text/utf8.h"

#define PEOPLE_MAX ((size_t)NOTICE_PEOPLE_MAX * 4096)
#define SAID_MAX 1024

void
notice_start(struct notice *n)
{
	buffer_init(&n->people, PEOPLE_MAX);
	buffer_init(&n->status, NOTICE_STATUS_MAX);
	n->count = 0;
	n->reported = 0;
	n->held = 0;
	memset(n->actions, 0, sizeof(n->actions));
}

void
notice_free(struct notice *n)
{
	buffer_free(&n->people);
	buffer_free(&n->status);
}

bool
notice_is_double(const struct notice *n)
{
	return n->sender.len == 0;
}

/* ---- lines ---- */

static char
printable(char c)
{
	if (c >= 0x20 && c <= 0x7e)
		return c;
	return '?';
}

void
notice_printable(struct buffer *to, struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		buffer_char(to, printable(s.at[i]));
}

/* words, broken before the one that would pass the last column; what follows a break is led by `indent` */
static void
put_wrapped(struct buffer *to, size_t column, const char *indent, struct span text)
{
	struct span word;
	bool first = true;

	while ((word = span_word(&text)).len > 0) {
		if (!first && column + 1 + word.len > NOTICE_LINE_MAX) {
			buffer_string(to, "\r\n");
			buffer_string(to, indent);
			column = strlen(indent);
		} else if (!first) {
			buffer_char(to, ' ');
			column++;
		}
		notice_printable(to, word);
		column += word.len;
		first = false;
	}
	buffer_string(to, "\r\n");
}

void
notice_field(struct buffer *to, const char *name, struct span value)
{
	buffer_format(to, "%s: ", name);
	put_wrapped(to, strlen(name) + 2, "    ", value);
}

static void
put_date(struct buffer *to, const char *name, int64_t us)
{
	char text[CLOCK_TEXT_MAX];

	clock_rfc5322(us, text);
	notice_field(to, name, span_of(text));
}

void
notice_address(const struct notice *n, struct buffer *to, struct span address)
{
	if (n->is_global && utf8_is_valid(address))
		buffer_span(to, address);
	else
		notice_printable(to, address);
}

/* an address with its type: rfc822, or utf-8, which other notices spell in ASCII (RFC 6533, section 3) */
static void
put_address_field(const struct notice *n, struct buffer *to, const char *name, struct span type,
		  struct span address)
{
	bool is_utf8 = utf8_is_needed(address);

	buffer_format(to, "%s: ", name);
	notice_printable(to, is_utf8 ? SPAN("utf-8") : type);
	buffer_string(to, "; ");
	if (is_utf8 && !n->is_global)
		xtext_utf8_encode(address, to);
	else
		notice_address(n, to, address);
	buffer_string(to, "\r\n");
}

/* ---- one recipient ---- */

/* "NAME[ADDRESS]:PORT" -> NAME, or "[ADDRESS]" where the name is the address; empty when it is no server */
static struct span
server_name(struct span host)
{
	const char *open = memchr(host.at, '[', host.len);
	const char *close = memchr(host.at, ']', host.len);
	struct span name;

	if (open == NULL || close == NULL || close < open || (host.len > 0 && host.at[0] == '/'))
		return SPAN_NONE;
	name = span_from(host.at, (size_t)(open - host.at));
	if (name.len == 0 || span_equal(name, span_from(open + 1, (size_t)(close - open - 1))))
		return span_from(open, (size_t)(close - open) + 1);
	return name;
}

/* the reply as the server gave it, its code in front, whoever cut it off on the way */
static void
put_said(struct buffer *to, const struct jobs_failure *f)
{
	struct span rest = f->reply;
	struct span word = span_word(&rest);
	uint64_t code;

	if (f->code == 0 || (number_parse(word, 200, 599, &code) == 0 && code == f->code)) {
		buffer_span(to, f->reply);
		return;
	}
	buffer_format(to, "%" PRIu64 " ", f->code);
	if (f->status.len > 0 && !span_equal(word, f->status)) {
		buffer_span(to, f->status);
		buffer_char(to, ' ');
	}
	buffer_span(to, f->reply);
}

/* what a status means, to somebody who never heard of it; the longest beginning that fits counts */
static const struct {
	const char *begins;
	const char *means;
} meanings[] = {
	{"5.1.0", "There is something wrong with this address."},
	{"5.1.1", "There is no such mailbox. Please check the spelling of the address."},
	{"5.1.2", "There is no such mail domain. Please check what stands behind the @."},
	{"5.1.3", "The address is not written as an address should be."},
	{"5.1.6", "The mailbox has moved, and nobody said where to."},
	{"5.1.10", "This domain takes no mail at all."},
	{"5.2.1", "The mailbox is switched off and takes no mail."},
	{"5.2.2", "The mailbox is full. Please reach the recipient by another way, or try later."},
	{"4.2.2", "The mailbox has been full for too long."},
	{"5.2.3", "The message is larger than this mailbox takes."},
	{"5.3.4",
	 "The message is too large. Please send it in parts, or put its attachments elsewhere."},
	{"5.4.6", "The address leads in a circle."},
	{"5.4.7", "It was tried until the time for it was over."},
	{"5.6.", "The form of the message was not accepted."},
	{"5.7.", "The receiving side refused the message by its rules."},
	{"4.7.28", "More was sent than one sender may send at a time. It leaves by itself as soon "
		   "as there is room again, or when the postmaster releases it."},
	{"4.", "It was tried for as long as mail is tried here, without success."},
};

static const char *
meaning(struct span status)
{
	const char *best = "The receiving side will not take the message.";
	size_t best_len = 0;

	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
		struct span begins = span_of(meanings[i].begins);
		bool fits = begins.at[begins.len - 1] == '.' ? span_starts(status, begins)
							     : span_equal(status, begins);

		if (fits && begins.len > best_len) {
			best = meanings[i].means;
			best_len = begins.len;
		}
	}
	return best;
}

/* what became of it, in a sentence */
static void
put_sentence(struct notice *n, const struct jobs_failure *f, struct span server)
{
	struct buffer *to = &n->people;
	char text[512], date[CLOCK_TEXT_MAX];

	switch ((enum jobs_action)f->action) {
	case JOBS_ACTION_DELAYED:
		if (f->until_us == 0) {
			snprintf(text, sizeof(text), "%s", meaning(f->status));
			break;
		}
		clock_rfc5322((int64_t)f->until_us, date);
		snprintf(text, sizeof(text),
			 "It could not be delivered yet, and is tried again until %s.", date);
		break;
	case JOBS_ACTION_DELIVERED:
		snprintf(text, sizeof(text), "It was delivered.");
		break;
	case JOBS_ACTION_RELAYED:
		snprintf(text, sizeof(text),
			 "It was handed on to %.*s, which does not report whether it is delivered.",
			 server.len > 0 ? (int)server.len : 13,
			 server.len > 0 ? server.at : "the next server");
		break;
	case JOBS_ACTION_EXPANDED:
		snprintf(text, sizeof(text),
			 "This address stands for several others, and it goes to them.");
		break;
	case JOBS_ACTION_FAILED:
		snprintf(text, sizeof(text), "%s", meaning(f->status));
		break;
	}
	buffer_string(to, "        ");
	put_wrapped(to, 8, "        ", span_of(text));
}

static void
add_for_people(struct notice *n, const struct jobs_failure *f, struct span said)
{
	struct span server = server_name(f->host);
	bool is_trouble = f->action == JOBS_ACTION_FAILED || f->action == JOBS_ACTION_DELAYED;

	buffer_string(&n->people, "    ");
	notice_address(n, &n->people, f->address);
	buffer_string(&n->people, "\r\n");
	if (f->original.len > 0 && !span_equal(f->original, f->address)) {
		buffer_string(&n->people, "        (you wrote to ");
		notice_address(n, &n->people, f->original);
		buffer_string(&n->people, ")\r\n");
	}
	put_sentence(n, f, server);
	if (is_trouble) {
		if (f->code != 0 && server.len > 0) {
			buffer_string(&n->people, "        The server ");
			notice_printable(&n->people, server);
			buffer_string(&n->people, " said:\r\n");
		} else {
			buffer_string(&n->people, "        The reason is:\r\n");
		}
		buffer_string(&n->people, "            ");
		put_wrapped(&n->people, 12, "            ", said);
	}
	buffer_string(&n->people, "\r\n");
}

static void
put_typed(struct buffer *to, const char *name, const char *type, struct span value)
{
	char text[SAID_MAX + 64];

	snprintf(text, sizeof(text), "%s; %.*s", type, SPAN_ARG(value));
	notice_field(to, name, span_of(text));
}

/*
 * RFC 3464, section 2.3.2: Final-Recipient is the address as we were given it; what an alias made of it stands beside, under the name
 * that sendmail gave to that.  RFC 3461, section 6.3: Original-Recipient is ORCPT, and is not there without it.
 */
static void
put_recipient(struct notice *n, const struct jobs_failure *f)
{
	struct span orcpt = f->orcpt;
	bool is_expanded = f->original.len > 0 && !span_equal(f->original, f->address);

	if (orcpt.len > 0) {
		struct span type = span_cut(&orcpt, ';');
		put_address_field(n, &n->status, "Original-Recipient", type, orcpt);
	}
	put_address_field(n, &n->status, "Final-Recipient", SPAN("rfc822"),
			  is_expanded ? f->original : f->address);
	if (is_expanded)
		put_address_field(n, &n->status, "X-Actual-Recipient", SPAN("rfc822"), f->address);
}

static void
add_for_programs(struct notice *n, const struct jobs_failure *f, struct span said)
{
	static const char *const actions[] = {
		[JOBS_ACTION_FAILED] = "failed",       [JOBS_ACTION_DELAYED] = "delayed",
		[JOBS_ACTION_DELIVERED] = "delivered", [JOBS_ACTION_RELAYED] = "relayed",
		[JOBS_ACTION_EXPANDED] = "expanded",
	};
	static const char *const statuses[] = {
		[JOBS_ACTION_FAILED] = "5.0.0",	   [JOBS_ACTION_DELAYED] = "4.0.0",
		[JOBS_ACTION_DELIVERED] = "2.0.0", [JOBS_ACTION_RELAYED] = "2.0.0",
		[JOBS_ACTION_EXPANDED] = "2.0.0",
	};
	struct span server = server_name(f->host);

	buffer_string(&n->status, "\r\n");
	put_recipient(n, f);
	notice_field(&n->status, "Action", span_of(actions[f->action]));
	/* a message that was deferred until its time was over has a status of class 4 still */
	notice_field(&n->status, "Status",
		     status_is_valid(f->status) ? f->status : span_of(statuses[f->action]));
	if (server.len > 0)
		put_typed(&n->status, "Remote-MTA", "dns", server);
	if (said.len > 0)
		put_typed(&n->status, "Diagnostic-Code", f->code != 0 ? "smtp" : "x-culver", said);
	if (f->at_us > 0)
		put_date(&n->status, "Last-Attempt-Date", (int64_t)f->at_us);
	if (f->action == JOBS_ACTION_DELAYED && f->until_us > 0)
		put_date(&n->status, "Will-Retry-Until", (int64_t)f->until_us);
}

void
notice_add(struct notice *n, const struct jobs_failure *given)
{
	struct jobs_failure named = *given;
	const struct jobs_failure *f = &named;
	struct buffer said;
	size_t before = n->status.len;

	if (named.action == 0 || named.action > JOBS_ACTION_EXPANDED)
		named.action = JOBS_ACTION_FAILED;
	n->actions[named.action]++;
	buffer_init(&said, SAID_MAX);
	put_said(&said, f);
	if (n->count < NOTICE_PEOPLE_MAX)
		add_for_people(n, f, buffer_get(&said));
	n->count++;
	/* our own word: another host that says so is named */
	n->held += span_equal(f->status, SPAN(JOBS_STATUS_BUDGET)) && f->host.len == 0;
	if (n->reported == n->count - 1) {
		add_for_programs(n, f, buffer_get(&said));
		if (n->status.failed) {
			n->status.len = before;
			n->status.failed = false;
		} else {
			n->reported++;
		}
	}
	buffer_free(&said);
}

/* ---- the parts ---- */

static void
put_explanation(const struct notice *n, struct span subject, struct buffer *to)
{
	const char *them = n->count == 1 ? "this recipient" : "these recipients";
	char date[CLOCK_TEXT_MAX];

	clock_rfc5322(n->arrived_us, date);
	buffer_format(to, "This is the mail system of %s.\r\n\r\n", n->hostname);
	if (notice_is_double(n)) {
		buffer_format(to,
			      "A message without a sender, most likely a notice like this one, "
			      "could not be\r\n"
			      "delivered to %s. Since there is nobody else to tell, it comes to\r\n"
			      "the postmaster (a double bounce).\r\n\r\n",
			      them);
	} else if (n->actions[JOBS_ACTION_FAILED] == n->count) {
		buffer_format(to, "Your message could not be delivered to %s.\r\n\r\n", them);
	} else if (n->held == n->count) {
		buffer_format(to,
			      "Your message to %s is held, and so is what you send from now\r\n"
			      "on: more was sent than one sender may send at a time. You need do "
			      "nothing.\r\n"
			      "No further notice is sent while anything is held.\r\n\r\n",
			      them);
	} else if (n->actions[JOBS_ACTION_DELAYED] == n->count) {
		buffer_format(to,
			      "Your message is still on its way to %s. You need do nothing:\r\n"
			      "it is tried again.\r\n\r\n",
			      them);
	} else {
		buffer_format(to, "This is what became of your message to %s.\r\n\r\n", them);
	}
	buffer_format(to, "    Message of:  %s\r\n", date);
	if (subject.len > 0) {
		buffer_string(to, "    Subject:     ");
		put_wrapped(to, 17, "                 ", subject);
	}
	buffer_string(to, "\r\n");
}

void
notice_people(const struct notice *n, struct span subject, bool whole, struct buffer *to)
{
	put_explanation(n, subject, to);
	buffer_span(to, buffer_get(&n->people));
	if (n->count > NOTICE_PEOPLE_MAX)
		buffer_format(to,
			      "    ... and %" PRIu64
			      " more; they are listed in the delivery report below.\r\n\r\n",
			      n->count - NOTICE_PEOPLE_MAX);
	if (n->reported < n->count)
		buffer_format(to,
			      "    The report has room for the first %" PRIu64 " of %" PRIu64
			      ".\r\n\r\n",
			      n->reported, n->count);
	if (n->actions[JOBS_ACTION_FAILED] == n->count)
		buffer_string(to, "Nothing more will be tried. ");
	buffer_string(to, "Recipients that are not named here "
			  "are not\r\n"
			  "affected.\r\n\r\n"
			  "What follows is a report for programs and for whoever you ask for help, "
			  "and then\r\n");
	buffer_string(to, whole ? "the message itself.\r\n" : "the head of the message.\r\n");
}

void
notice_message_fields(const struct notice *n, struct buffer *to)
{
	if (n->envid.len > 0)
		notice_field(to, "Original-Envelope-Id", n->envid);
	put_typed(to, "Reporting-MTA", "dns", span_of(n->hostname));
	buffer_format(to, "X-Culver-Id: %013" PRIX64 "\r\n", n->id);
	put_date(to, "Arrival-Date", n->arrived_us);
}
