/*
 * takes-deliver - what the rows of `deliver`, `delivery` and `home` do with their arguments
 *
 *     maildir [PATH]   mbox [PATH]   lmtp HOST:PORT|PATH   pipe COMMAND [ARGUMENT...]   pipe "|SHELL COMMAND"
 *
 * See takes.h.  What goes together in a block is known at its end (parse_finish_domains).
 */
#include "common/config/mailbox.h"
#include "common/config/parse.h"
#include "common/config/takes.h"
#include "common/config/values.h"
#include "common/mail/pipe-words.h"

#define FIELD(type, object, d) ((type *)(void *)((char *)(object) + (d)->field))
#define NAME_LENGTH_MAX 64

/* the words of a line from the kind on */
struct ending {
	const struct grammar_line *line;
	size_t at; /* of the kind in line->words */
	struct config_delivery *delivery;
};

static struct span
word_of(const struct ending *e, size_t n)
{
	return e->line->words[e->at + n].text;
}

static unsigned
column(const struct ending *e, size_t n)
{
	return e->line->words[e->at + n].column;
}

static void
too_many(struct parse *p, const struct ending *e, size_t most)
{
	if (e->line->count > e->at + most)
		parse_mistake(p, column(e, most), "`%.*s` is too much here",
			      SPAN_ARG(word_of(e, most)));
}

/* ---- maildir, mbox ---- */

static void
take_mailbox(struct parse *p, const struct ending *e, const char *standard)
{
	struct span path = span_of(standard);
	const char *wrong;
	size_t at;

	too_many(p, e, 2);
	if (e->line->count > e->at + 1) {
		path = word_of(e, 1);
		wrong = value_mailbox_path(path, &at);
		if (wrong != NULL)
			parse_mistake(p,
				      column(e, 1) + (unsigned)at +
					      (e->line->words[e->at + 1].quoted ? 1 : 0),
				      "`%.*s`: %s", SPAN_ARG(path), wrong);
	}
	e->delivery->path = parse_keep(p, path);
}

/* ---- pipe ---- */

static void
take_pipe(struct parse *p, const struct ending *e)
{
	struct config_delivery *v = e->delivery;
	size_t count = e->line->count - e->at - 1;
	struct span first;

	v->pipe_words = arena_alloc(&p->config->arena, (count + 1) * sizeof(char *));
	v->pipe_word_count = 0;
	if (v->pipe_words == NULL) {
		p->no_memory = true;
		return;
	}
	if (count == 0) {
		parse_mistake(
			p, e->line->end,
			"expected the path of a command behind `pipe`, or \"|\" and a line for "
			"the shell in quotes");
		return;
	}
	first = word_of(e, 1);
	if (span_starts(first, SPAN("|")))
		too_many(p, e, 2);
	else if (!span_starts(first, SPAN("/")))
		parse_mistake(p, column(e, 1),
			      "`%.*s`: expected the path of a command, which begins with `/`, or "
			      "\"|\" and a line for the shell in quotes",
			      SPAN_ARG(first));
	for (size_t i = 1; i <= count; i++) {
		struct span word = word_of(e, i);
		const char *wrong = span_starts(first, SPAN("|")) ? NULL : pipe_word_check(word);

		if (wrong != NULL)
			parse_mistake(p, column(e, i), "`%.*s`: %s", SPAN_ARG(word), wrong);
		v->pipe_words[v->pipe_word_count++] = parse_keep(p, word);
	}
}

/* ---- all of them ---- */

static void
take_ending(struct parse *p, const struct ending *e)
{
	struct config_delivery *v = e->delivery;
	struct span word = word_of(e, 0);

	v->path = parse_keep(p, SPAN("~/Maildir"));
	if (span_equal(word, SPAN("maildir"))) {
		v->ending = CONFIG_MAILDIR;
		take_mailbox(p, e, "~/Maildir");
	} else if (span_equal(word, SPAN("mbox"))) {
		v->ending = CONFIG_MBOX;
		take_mailbox(p, e, "/var/mail/{user}");
	} else if (span_equal(word, SPAN("pipe"))) {
		v->ending = CONFIG_PIPE;
		take_pipe(p, e);
	} else if (span_equal(word, SPAN("lmtp"))) {
		v->ending = CONFIG_LMTP;
		v->hops = parse_lmtp_hop(p, e->line, e->at);
	} else {
		parse_mistake(p, column(e, 0),
			      "`%.*s`: expected `maildir`, `mbox`, `lmtp` or `pipe`",
			      SPAN_ARG(word));
	}
}

void
take_deliver(struct parse *p, const struct directive *d, const struct grammar_line *line,
	     void *object)
{
	struct config_delivery *v = FIELD(struct config_delivery, object, d);

	v->name = parse_keep(p, SPAN_NONE);
	take_ending(p, &(struct ending){line, 1, v});
}

static bool
is_name(struct span word)
{
	for (size_t i = 0; i < word.len; i++) {
		char c = ascii_lower(word.at[i]);

		if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_')
			return false;
	}
	return word.len > 0 && word.len <= NAME_LENGTH_MAX;
}

void
take_delivery(struct parse *p, const struct directive *d, const struct grammar_line *line,
	      void *object)
{
	struct config_domain *domain = object;
	struct config_delivery *v =
		parse_grow(p, domain->deliveries, domain->delivery_count, sizeof(*v));
	struct span name = line->words[1].text;

	(void)d;
	if (v == NULL)
		return;
	if (!is_name(name))
		parse_mistake(p, line->words[1].column,
			      "`%.*s`: expected a name of at most %d letters, digits, `-` and `_`",
			      SPAN_ARG(name), NAME_LENGTH_MAX);
	for (size_t i = 0; i < domain->delivery_count; i++)
		if (v[i].name != NULL && span_equal(span_of(v[i].name), name))
			parse_mistake(p, line->words[1].column, "the delivery `%.*s` is here twice",
				      SPAN_ARG(name));
	domain->deliveries = v;
	v += domain->delivery_count++;
	*v = (struct config_delivery){.name = parse_keep(p, name), .ending = CONFIG_MAILDIR};
	take_ending(p, &(struct ending){line, 2, v});
}

void
take_home(struct parse *p, const struct directive *d, const struct grammar_line *line, void *object)
{
	struct span path = line->words[1].text;
	char **home = FIELD(char *, object, d);
	size_t at;
	const char *wrong = value_mailbox_path(path, &at), *tail;

	*home = parse_keep(p, path);
	if (*home == NULL)
		return;
	tail = mailbox_tail(*home);
	if (wrong == NULL && tail != NULL && tail[0] == '\0')
		return;
	parse_mistake(p, line->words[1].column,
		      "`%.*s`: expected a path that begins with `/` and whose last part has "
		      "`{user}` in it, like /var/vmail/{domain}/{user}",
		      SPAN_ARG(path));
	*home = parse_keep(p, SPAN("/home/{user}")); /* one mistake is told once */
}

const struct config_delivery *
config_delivery_find(const struct config_domain *d, struct span name)
{
	static const char *const kinds[] = {
		[CONFIG_MAILDIR] = "maildir",
		[CONFIG_MBOX] = "mbox",
		[CONFIG_PIPE] = "pipe",
		[CONFIG_LMTP] = "lmtp",
	};

	for (size_t i = 0; i < d->delivery_count; i++)
		if (span_equal(span_of(d->deliveries[i].name), name))
			return &d->deliveries[i];
	return name.len == 0 || span_equal(span_of(kinds[d->deliver.ending]), name) ? &d->deliver
										    : NULL;
}

const char *
config_homes(const struct config_domain *d)
{
	return d->home != NULL ? d->home : d->deliver.path;
}
