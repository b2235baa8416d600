/*
 * commands - see the header
 */
#include "delivery/commands.h"

#include <inttypes.h>

#include "common/mail/xtext.h"
#include "common/text/utf8.h"

static struct buffer command; /* the one that is being made */

static void
begin(const char *word, struct span address)
{
	if (command.max == 0)
		buffer_init(&command, COMMANDS_MAX);
	buffer_clear(&command);
	buffer_format(&command, "%s:<%.*s>", word, SPAN_ARG(address));
}

static struct span
end(void)
{
	buffer_string(&command, "\r\n");
	return command.failed ? SPAN_NONE : buffer_get(&command);
}

struct span
commands_mail(const struct connection *c, const struct message *m, bool says_utf8)
{
	begin("MAIL FROM", m->sender);
	if (c->size)
		buffer_format(&command, " SIZE=%" PRIu64, m->top.len + m->content_length);
	/* a peer without 8BITMIME gets an 8-bit message as it is, since there is nobody who would not rather read it so */
	if (m->eight_bit && c->eight_bit)
		buffer_string(&command, " BODY=8BITMIME");
	if (says_utf8)
		buffer_string(&command, " SMTPUTF8");
	/* whose it is we do not vouch for (RFC 4954, section 5) */
	if (c->is_logged_in)
		buffer_string(&command, " AUTH=<>");
	if (m->tls_demand == INTAKE_TLS_REQUIRED && c->requiretls)
		buffer_string(&command, " REQUIRETLS");
	if (c->dsn && m->ret != INTAKE_RET_UNSAID)
		buffer_string(&command, m->ret == INTAKE_RET_FULL ? " RET=FULL" : " RET=HDRS");
	if (c->dsn && m->envid.len > 0) {
		buffer_string(&command, " ENVID=");
		xtext_encode(m->envid, &command);
	}
	return end();
}

static void
put_notify(uint64_t notify)
{
	static const struct {
		enum intake_notify bit;
		const char *word;
	} words[] = {{INTAKE_NOTIFY_NEVER, "NEVER"},
		     {INTAKE_NOTIFY_SUCCESS, "SUCCESS"},
		     {INTAKE_NOTIFY_FAILURE, "FAILURE"},
		     {INTAKE_NOTIFY_DELAY, "DELAY"}};
	const char *before = " NOTIFY=";

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if ((notify & words[i].bit) == 0)
			continue;
		buffer_format(&command, "%s%s", before, words[i].word);
		before = ",";
	}
}

struct span
commands_rcpt(const struct connection *c, const struct recipient *r, bool says_utf8)
{
	begin("RCPT TO", r->address);
	if (c->dsn)
		put_notify(r->notify);
	if (c->dsn && r->orcpt.len > 0) {
		buffer_string(&command, " ORCPT=");
		xtext_orcpt_encode(r->orcpt, says_utf8, &command);
	}
	return end();
}

const char *
commands_unsendable(struct span address)
{
	for (size_t i = 0; i < address.len; i++) {
		unsigned char c = (unsigned char)address.at[i];

		if (c < 0x20 || c == 0x7f)
			return "the address has a control character";
	}
	return utf8_is_valid(address) ? NULL : "the address is neither ASCII nor UTF-8";
}
