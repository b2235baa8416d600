/*
 * takes-hop-tls - what the rows of `tls` in `outbound`, `route` and `domain` do with their arguments, and which of these blocks counts
 *
 * See takes.h and config.h.  The words are what the administrator demands, and what of the domain's own demands (RFC 7672, RFC 8461) is
 * looked for; what follows from both for one host is said where mail is delivered.
 */
#include "common/config/parse.h"
#include "common/config/takes.h"
#include "common/mail/domain.h"

#define EXPECTED \
	"expected `none`, `opportunistic`, `required` or `verified`, perhaps with `dane` and " \
	"`sts`"

static const struct {
	struct span word;
	enum config_hop_level level;
} levels[] = {
	{{"none", sizeof("none") - 1}, CONFIG_HOP_NONE},
	{{"opportunistic", sizeof("opportunistic") - 1}, CONFIG_HOP_OPPORTUNISTIC},
	{{"required", sizeof("required") - 1}, CONFIG_HOP_REQUIRED},
	{{"verified", sizeof("verified") - 1}, CONFIG_HOP_VERIFIED},
};

/* false: it is none of the levels, or the second one */
static bool
take_level(struct config_hop_tls *tls, struct span word, bool *has_level)
{
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		if (!span_equal(word, levels[i].word))
			continue;
		if (*has_level)
			return false;
		*has_level = true;
		tls->level = levels[i].level;
		return true;
	}
	return false;
}

void
take_hop_tls(struct parse *p, const struct directive *d, const struct grammar_line *line,
	     void *object)
{
	struct config_hop_tls *tls = (struct config_hop_tls *)(void *)((char *)object + d->field);
	bool has_level = false;

	*tls = (struct config_hop_tls){.is_given = true};
	p->opened = tls;
	for (size_t i = 1; i < line->count; i++) {
		struct span word = line->words[i].text;
		bool *flag = span_equal(word, SPAN("dane"))  ? &tls->dane
			     : span_equal(word, SPAN("sts")) ? &tls->sts
							     : NULL;

		if (flag != NULL ? *flag : !take_level(tls, word, &has_level)) {
			parse_mistake(p, line->words[i].column, "`%.*s`: " EXPECTED,
				      SPAN_ARG(word));
			return;
		}
		if (flag != NULL)
			*flag = true;
	}
	if (tls->level == CONFIG_HOP_NONE && (tls->dane || tls->sts))
		parse_mistake(p, line->words[1].column,
			      "`none` says that there is no TLS at all; expected it alone");
	tls->policy = tls->level == CONFIG_HOP_VERIFIED ? CONFIG_TLS_INTERMEDIATE : CONFIG_TLS_OLD;
}

void
take_hop_names(struct parse *p, const struct directive *d, const struct grammar_line *line,
	       void *object)
{
	struct config_hop_tls *tls = object;

	(void)d;
	if (tls->level != CONFIG_HOP_VERIFIED)
		parse_mistake(p, line->words[0].column,
			      "names are looked at only where they are; expected `tls verified`");
	tls->names.words = arena_alloc(&p->config->arena, line->count * sizeof(char *));
	tls->names.count = 0;
	if (tls->names.words == NULL) {
		p->no_memory = true;
		return;
	}
	for (size_t i = 1; i < line->count; i++) {
		struct span word = line->words[i].text;

		if (!domain_is_valid(span_starts(word, SPAN(".")) ? span_skip(word, 1) : word))
			parse_mistake(p, line->words[i].column,
				      "`%.*s`: expected the name of a host, like mail.example.org, "
				      "or .example.org for all below it",
				      SPAN_ARG(word));
		tls->names.words[tls->names.count++] = parse_keep_lower(p, word);
	}
}

void
take_hop_implicit(struct parse *p, const struct directive *d, const struct grammar_line *line,
		  void *object)
{
	struct config_hop_tls *tls = object;
	struct span word = line->words[1].text;

	(void)d;
	if (tls->level == CONFIG_HOP_NONE)
		parse_mistake(p, line->words[0].column,
			      "`tls none` says that there is no TLS; expected another word there");
	if (span_equal(word, SPAN("yes")))
		tls->implicit = CONFIG_HOP_IMPLICIT;
	else if (span_equal(word, SPAN("no")))
		tls->implicit = CONFIG_HOP_STARTTLS;
	else
		parse_mistake(p, line->words[1].column, "`%.*s`: expected `yes` or `no`",
			      SPAN_ARG(word));
}

/* ---- which block counts ---- */

const struct config_hop_tls *
config_hop_tls_of(const struct config *c, struct span block)
{
	static const struct config_hop_tls standard = {.level = CONFIG_HOP_OPPORTUNISTIC,
						       .dane = true,
						       .sts = true,
						       .policy = CONFIG_TLS_OLD};
	const struct config_domain *domain = config_domain_find(c, block);
	const struct config_hop_tls *own = domain != NULL ? &domain->tls : NULL;

	if (span_equal(block, SPAN("outbound")))
		own = &c->outbound.tls;
	for (size_t i = 0; i < c->route_count; i++)
		if (span_equal(block, span_of(c->routes[i].name)))
			own = &c->routes[i].tls;
	return own != NULL && own->is_given ? own : &standard;
}
