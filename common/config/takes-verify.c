/*
 * takes-verify - what `recipients` and the rows of `verify` do with their arguments
 *
 * See takes.h.
 */
#include "common/config/parse.h"
#include "common/config/takes.h"
#include "common/mail/address.h"
#include "common/text/buffer.h"
#include "common/text/number.h"

#define FIELD(type, object, d) ((type *)(void *)((char *)(object) + (d)->field))

static struct span
argument(const struct grammar_line *line, size_t n)
{
	return line->words[n + 1].text;
}

void
take_recipients(struct parse *p, const struct directive *d, const struct grammar_line *line,
		void *object)
{
	struct config_domain *domain = object;
	size_t tables = 0;

	domain->is_verified = false;
	for (size_t i = 0; i + 1 < line->count; i++) {
		if (span_equal(argument(line, i), SPAN("verify")))
			domain->is_verified = true;
		else
			tables++;
	}
	if (!domain->is_verified) {
		take_tables(p, d, line, object);
		return;
	}
	domain->tables[CONFIG_RECIPIENTS].count = 0;
	if (tables > 0)
		parse_mistake(p, line->words[1].column,
			      "expected `verify` alone, or tables: who is in a table need not be "
			      "asked for");
}

const char *
config_verified_hops(const struct config_domain *d)
{
	if (!d->is_verified)
		return NULL;
	if (d->relay != NULL)
		return d->relay;
	/* of several ways to a mailbox none is the one to ask */
	return d->deliver.ending == CONFIG_LMTP && d->delivery_count == 0 ? d->deliver.hops : NULL;
}

/* ---- verify { } ---- */

void
take_verify(struct parse *p, const struct directive *d, const struct grammar_line *line,
	    void *object)
{
	(void)line;
	p->opened = FIELD(struct config_verify, object, d);
}

void
take_verify_times(struct parse *p, const struct directive *d, const struct grammar_line *line,
		  void *object)
{
	uint64_t *times = FIELD(uint64_t, object, d);

	for (size_t i = 0; i + 1 < line->count; i++) {
		struct span word = argument(line, i);

		if (number_parse_duration(word, d->min, d->max, &times[i]) == 0)
			continue;
		parse_mistake(
			p, line->words[i + 1].column,
			"`%.*s`: expected a time (like 90s, 5m, 1h30m, 2d) of at most 365 days",
			SPAN_ARG(word));
		return;
	}
	if (line->count == 2 && times[1] > times[0])
		times[1] = times[0];
	if (times[1] > times[0])
		parse_mistake(p, line->words[2].column,
			      "`%.*s`: expected a time not longer than the first one, `%.*s`",
			      SPAN_ARG(argument(line, 1)), SPAN_ARG(argument(line, 0)));
}

void
take_verify_sender(struct parse *p, const struct directive *d, const struct grammar_line *line,
		   void *object)
{
	struct span word = argument(line, 0);
	struct address address = {.len = 0};

	if (!span_equal(word, SPAN("<>")) && address_mailbox(word, &address) != ADDRESS_OK)
		parse_mistake(p, line->words[1].column,
			      "`%.*s`: expected an address, or <> for the null reverse-path",
			      SPAN_ARG(word));
	*FIELD(char *, object, d) = parse_keep(p, span_from(address.text, address.len));
}

void
take_verify_unknown(struct parse *p, const struct directive *d, const struct grammar_line *line,
		    void *object)
{
	struct span word = argument(line, 0);
	bool waits = span_equal(word, SPAN("defer"));

	if (!waits && !span_equal(word, SPAN("accept")))
		parse_mistake(p, line->words[1].column, "`%.*s`: expected `accept` or `defer`",
			      SPAN_ARG(word));
	*FIELD(bool, object, d) = waits;
}
