/*
 * takes-deliver - what the row of `deliver` does with its arguments
 *
 *     maildir [PATH]   mbox [PATH]   lmtp HOST:PORT|PATH   pipe COMMAND [ARGUMENT...]   pipe "|SHELL COMMAND"
 *
 * See takes.h.
 */
#include "common/config/parse.h"
#include "common/config/takes.h"
#include "common/config/values.h"
#include "common/mail/pipe-words.h"

#define FIELD(type, object, d) ((type *)(void *)((char *)(object) + (d)->field))

static struct span
argument(const struct grammar_line *line, size_t n)
{
	return line->words[n + 1].text;
}

static unsigned
column(const struct grammar_line *line, size_t n)
{
	return line->words[n + 1].column;
}

static void
too_many(struct parse *p, const struct grammar_line *line, size_t most)
{
	if (line->count > most + 1)
		parse_mistake(p, column(line, most), "`%.*s` is too much here",
			      SPAN_ARG(argument(line, most)));
}

/* ---- maildir, mbox ---- */

static void
take_mailbox(struct parse *p, const struct grammar_line *line, const char *standard, char **to)
{
	struct span path = span_of(standard);
	const char *wrong;
	size_t at;

	too_many(p, line, 2);
	if (line->count > 2) {
		path = argument(line, 1);
		wrong = value_mailbox_path(path, &at);
		if (wrong != NULL)
			parse_mistake(
				p, column(line, 1) + (unsigned)at + (line->words[2].quoted ? 1 : 0),
				"`%.*s`: %s", SPAN_ARG(path), wrong);
	}
	*to = parse_keep(p, path);
}

/* ---- pipe ---- */

static void
take_pipe(struct parse *p, const struct grammar_line *line, struct config_domain *domain)
{
	size_t count = line->count - 2;
	struct span first;

	domain->pipe_words = arena_alloc(&p->config->arena, (count + 1) * sizeof(char *));
	domain->pipe_word_count = 0;
	if (domain->pipe_words == NULL) {
		p->no_memory = true;
		return;
	}
	if (count == 0) {
		parse_mistake(
			p, line->end,
			"expected the path of a command behind `pipe`, or \"|\" and a line for "
			"the shell in quotes");
		return;
	}
	first = argument(line, 1);
	if (span_starts(first, SPAN("|")))
		too_many(p, line, 2);
	else if (!span_starts(first, SPAN("/")))
		parse_mistake(p, column(line, 1),
			      "`%.*s`: expected the path of a command, which begins with `/`, or "
			      "\"|\" and a line for the shell in quotes",
			      SPAN_ARG(first));
	for (size_t i = 0; i < count; i++) {
		struct span word = argument(line, i + 1);
		const char *wrong = span_starts(first, SPAN("|")) ? NULL : pipe_word_check(word);

		if (wrong != NULL)
			parse_mistake(p, column(line, i + 1), "`%.*s`: %s", SPAN_ARG(word), wrong);
		domain->pipe_words[domain->pipe_word_count++] = parse_keep(p, word);
	}
}

void
take_deliver(struct parse *p, const struct directive *d, const struct grammar_line *line,
	     void *object)
{
	struct config_domain *domain = object;
	struct span word = argument(line, 0);
	char **path = FIELD(char *, object, d);

	*path = parse_keep(p, SPAN("~/Maildir"));
	if (span_equal(word, SPAN("maildir"))) {
		domain->deliver = CONFIG_MAILDIR;
		take_mailbox(p, line, "~/Maildir", path);
	} else if (span_equal(word, SPAN("mbox"))) {
		domain->deliver = CONFIG_MBOX;
		take_mailbox(p, line, "/var/mail/{user}", path);
	} else if (span_equal(word, SPAN("pipe"))) {
		domain->deliver = CONFIG_PIPE;
		take_pipe(p, line, domain);
	} else if (span_equal(word, SPAN("lmtp"))) {
		domain->deliver = CONFIG_LMTP;
		domain->deliver_hops = parse_lmtp_hop(p, line);
	} else {
		parse_mistake(p, column(line, 0),
			      "`%.*s`: expected `maildir`, `mbox`, `lmtp` or `pipe`",
			      SPAN_ARG(word));
	}
}
