/*
 * takes - what each row of the table does with its arguments: see takes.h
 *
 * A mistake is reported where it is, and the next word is looked at.  What cannot be used leaves a value that can: the
 * configuration is thrown away in the end, but the block that follows is still read for its own mistakes.
 */
#include <stdio.h>

#include "common/config/mistakes.h"
#include "common/config/parse.h"
#include "common/config/takes.h"
#include "common/config/values.h"
#include "common/mail/domain.h"
#include "common/text/number.h"

#define FIELD(type, object, d) ((type *)(void *)((char *)(object) + (d)->field))

static const struct span *
argument(const struct grammar_line *line, size_t n)
{
	return &line->words[n + 1].text;
}

static unsigned
column(const struct grammar_line *line, size_t n)
{
	return line->words[n + 1].column;
}

static size_t
argument_count(const struct grammar_line *line)
{
	return line->count - 1;
}

/* an argument of the design that this version does not have yet */
static bool
is_planned(struct span word)
{
	static const char *const planned[] = {
		"filter-return",
		"postfix",
	};

	for (size_t i = 0; i < sizeof(planned) / sizeof(planned[0]); i++)
		if (span_equal(word, span_of(planned[i])))
			return true;
	return false;
}

/* the index of the word in a list that ends in NULL; -1 after a mistake was reported */
static int
take_choice(struct parse *p, const struct grammar_line *line, size_t n, const char *const *choices)
{
	char expected[200] = "";
	struct span word = *argument(line, n);
	struct nearest nearest;

	nearest_start(&nearest, word);
	for (int i = 0; choices[i] != NULL; i++) {
		if (span_equal(word, span_of(choices[i])))
			return i;
		nearest_offer(&nearest, choices[i]);
		snprintf(expected + strlen(expected), sizeof(expected) - strlen(expected), "%s`%s`",
			 i == 0			  ? ""
			 : choices[i + 1] != NULL ? ", "
						  : " or ",
			 choices[i]);
	}
	if (is_planned(word))
		parse_mistake(p, column(line, n),
			      "`%.*s`: this version of Culver does not know it yet; expected %s",
			      SPAN_ARG(word), expected);
	else if (nearest.best != NULL && choices[1] != NULL)
		parse_mistake(p, column(line, n), "`%.*s`: expected %s; did you mean `%s`?",
			      SPAN_ARG(word), expected, nearest.best);
	else
		parse_mistake(p, column(line, n), "`%.*s`: expected %s", SPAN_ARG(word), expected);
	return -1;
}

void
take_yes(struct parse *p, const struct directive *d, const struct grammar_line *line, void *object)
{
	static const char *const choices[] = {"no", "yes", NULL};
	int choice = take_choice(p, line, 0, choices);

	*FIELD(bool, object, d) = choice == 1;
}

static void
take_amount(struct parse *p, const struct directive *d, const struct grammar_line *line, size_t n,
	    uint64_t *to)
{
	struct span word = *argument(line, n);
	struct buffer range;
	int outcome = -1;
	const char *what = "";

	switch (d->unit) {
	case UNIT_NONE:
		break;
	case UNIT_COUNT:
		outcome = number_parse(word, d->min, d->max, to);
		what = "a number";
		break;
	case UNIT_BYTES:
		outcome = number_parse_size(word, d->min, d->max, to);
		what = "a number of bytes (K, M, G or T may follow)";
		break;
	case UNIT_TIME:
		outcome = number_parse_duration(word, d->min, d->max, to);
		what = "a time (like 90s, 5m, 1h30m, 2d)";
		break;
	}
	if (outcome == 0)
		return;
	buffer_init(&range, 128);
	amount_format(d->unit, d->min, &range);
	buffer_string(&range, " to ");
	amount_format(d->unit, d->max, &range);
	parse_mistake(p, column(line, n), "`%.*s`: expected %s from %.*s", SPAN_ARG(word), what,
		      SPAN_ARG(buffer_get(&range)));
	buffer_free(&range);
}

void
take_number(struct parse *p, const struct directive *d, const struct grammar_line *line,
	    void *object)
{
	take_amount(p, d, line, 0, FIELD(uint64_t, object, d));
}

void
take_limit(struct parse *p, const struct directive *d, const struct grammar_line *line,
	   void *object)
{
	take_number(p, d, line, object);
	if (p->blocks[p->depth - 1].place == PLACE_LISTEN_LIMIT && p->config->listen_count > 0)
		p->listen_given[p->config->listen_count - 1] |= UINT64_C(1)
								<< d->field / sizeof(uint64_t);
}

void
take_name(struct parse *p, const struct directive *d, const struct grammar_line *line, void *object)
{
	struct span word = *argument(line, 0);

	if (!domain_is_valid(word))
		parse_mistake(
			p, column(line, 0),
			"`%.*s`: expected the name of a host or domain (letters, digits, hyphens "
			"and dots)",
			SPAN_ARG(word));
	*FIELD(char *, object, d) = parse_keep_lower(p, word);
}

static void
take_path_of(struct parse *p, const struct grammar_line *line, size_t n, size_t max, char **to)
{
	struct span word = *argument(line, n);
	struct span path = word;

	if (word.len == 0 || word.at[0] != '/')
		parse_mistake(p, column(line, n), "`%.*s`: expected a path that begins with `/`",
			      SPAN_ARG(word));
	else if (word.len > max)
		parse_mistake(p, column(line, n), "expected a path of at most %zu bytes", max);
	else if (value_path(word, &path) < 0)
		parse_mistake(p, column(line, n),
			      "`%.*s`: expected a path below `/` without `.` and `..` in it",
			      SPAN_ARG(word));
	*to = parse_keep(p, path);
}

void
take_path(struct parse *p, const struct directive *d, const struct grammar_line *line, void *object)
{
	take_path_of(p, line, 0, VALUE_PATH_MAX, FIELD(char *, object, d));
}

void
take_cgroup(struct parse *p, const struct directive *d, const struct grammar_line *line,
	    void *object)
{
	struct span word = *argument(line, 0);

	if (span_equal(word, SPAN(CONFIG_CGROUP_AUTO)) ||
	    span_equal(word, SPAN(CONFIG_CGROUP_NONE)))
		*FIELD(char *, object, d) = parse_keep(p, word);
	else
		take_path(p, d, line, object);
}

void
take_runtime(struct parse *p, const struct directive *d, const struct grammar_line *line,
	     void *object)
{
	take_path_of(p, line, 0, VALUE_RUNTIME_MAX, FIELD(char *, object, d));
}

void
take_log(struct parse *p, const struct directive *d, const struct grammar_line *line, void *object)
{
	struct config *c = object;
	struct span word = *argument(line, 0);
	struct nearest nearest;

	p->opened = c;
	p->has_log = true;
	if (span_equal(word, SPAN("stderr"))) {
		c->log_sink = CONFIG_LOG_STDERR;
		return;
	}
	if (span_equal(word, SPAN("syslog"))) {
		c->log_sink = CONFIG_LOG_SYSLOG;
		return;
	}
	c->log_sink = CONFIG_LOG_FILE;
	if (word.len > 0 && word.at[0] == '/') {
		take_path_of(p, line, 0, VALUE_PATH_MAX, FIELD(char *, object, d));
		return;
	}
	nearest_start(&nearest, word);
	nearest_offer(&nearest, "stderr");
	nearest_offer(&nearest, "syslog");
	parse_mistake(p, column(line, 0),
		      "`%.*s`: expected `stderr`, `syslog` or a path that begins with `/`%s%s%s",
		      SPAN_ARG(word), nearest.best != NULL ? "; did you mean `" : "",
		      nearest.best != NULL ? nearest.best : "", nearest.best != NULL ? "`?" : "");
}

void
take_format(struct parse *p, const struct directive *d, const struct grammar_line *line,
	    void *object)
{
	static const char *const choices[] = {"text", "json", "postfix", NULL};
	static const enum config_log_format formats[] = {CONFIG_LOG_TEXT, CONFIG_LOG_JSON,
							 CONFIG_LOG_POSTFIX};
	int choice = take_choice(p, line, 0, choices);

	*FIELD(enum config_log_format, object, d) = formats[choice > 0 ? choice : 0];
}

/* networks into a new array; what is wrong is told */
static void
read_networks(struct parse *p, const struct grammar_line *line, struct config_network **networks,
	      size_t *network_count)
{
	size_t count = argument_count(line);

	*network_count = 0;
	if (count == 1 && span_equal(*argument(line, 0), SPAN("none")))
		return;
	*networks = arena_alloc(&p->config->arena, count * sizeof(**networks));
	if (*networks == NULL) {
		p->no_memory = true;
		return;
	}
	for (size_t i = 0; i < count; i++) {
		if (value_network(*argument(line, i), &(*networks)[*network_count]) == 0)
			(*network_count)++;
		else
			parse_mistake(
				p, column(line, i),
				"`%.*s`: expected an address or a network, like 192.0.2.0/24 or "
				"[2001:db8::]/32, all bits behind its length 0%s",
				SPAN_ARG(*argument(line, i)), count == 1 ? "; or `none`" : "");
	}
}

void
take_networks(struct parse *p, const struct directive *d, const struct grammar_line *line,
	      void *object)
{
	struct config *c = object;

	(void)d;
	read_networks(p, line, &c->relay_from, &c->relay_from_count);
}

void
take_expn_from(struct parse *p, const struct directive *d, const struct grammar_line *line,
	       void *object)
{
	struct config *c = object;

	(void)d;
	read_networks(p, line, &c->expn_from, &c->expn_from_count);
}

void
take_expn_logins(struct parse *p, const struct directive *d, const struct grammar_line *line,
		 void *object)
{
	struct config *c = object;
	struct config_words *logins = FIELD(struct config_words, object, d);
	size_t count = line->count - 1;

	*logins = (struct config_words){.words = arena_alloc(&c->arena, count * sizeof(char *))};
	c->expn_all_logins = false;
	if (logins->words == NULL) {
		p->no_memory = true;
		return;
	}
	for (size_t i = 0; i < count; i++) {
		struct span word = *argument(line, i);
		bool is_all = span_equal(word, SPAN("all"));

		if (!is_all && !span_equal(word, SPAN("none")))
			logins->words[logins->count++] = parse_keep_lower(p, word);
		else if (count > 1)
			parse_mistake(p, column(line, i), "`%.*s`: expected to stand alone",
				      SPAN_ARG(word));
		c->expn_all_logins = c->expn_all_logins || is_all;
	}
}

void
take_etrn_from(struct parse *p, const struct directive *d, const struct grammar_line *line,
	       void *object)
{
	struct config_route *route = object;

	(void)d;
	read_networks(p, line, &route->etrn_from, &route->etrn_from_count);
}

void
take_extension(struct parse *p, const struct directive *d, const struct grammar_line *line,
	       void *object)
{
	struct span word = *argument(line, 0);

	if (span_equal(word, SPAN("none")))
		*FIELD(char, object, d) = '\0';
	else if (word.len == 1 && strchr("+-_=.#%&", word.at[0]) != NULL)
		*FIELD(char, object, d) = word.at[0];
	else
		parse_mistake(
			p, column(line, 0),
			"`%.*s`: expected one of the characters + - _ = . %% & or \"#\", or `none`",
			SPAN_ARG(word));
}

void
take_listen(struct parse *p, const struct directive *d, const struct grammar_line *line,
	    void *object)
{
	static const char *const roles[] = {"mx", "submission", NULL};
	struct config *c = object;
	struct span word = *argument(line, 0);
	struct config_listen *l;

	(void)d;
	if (c->listen_count == CONFIG_LISTENS_MAX) {
		parse_mistake(p, line->words[0].column, "expected at most %d `listen`",
			      CONFIG_LISTENS_MAX);
		return;
	}
	l = parse_grow(p, c->listens, c->listen_count, sizeof(*l));
	if (l == NULL)
		return;
	c->listens = l;
	l = &c->listens[c->listen_count];
	p->listen_at[c->listen_count] = p->at;
	p->listen_at[c->listen_count].column = column(line, 0);
	c->listen_count++;
	p->opened = l;
	if (value_listen(word, &l->address, &l->address_len) < 0)
		parse_mistake(
			p, column(line, 0),
			"`%.*s`: expected ADDRESS:PORT, like 192.0.2.1:25, 0.0.0.0:25 or [::]:25, "
			"port 1 to 65535",
			SPAN_ARG(word));
	l->name = parse_keep(p, word);
	l->role = take_choice(p, line, 1, roles) == 1 ? CONFIG_SUBMISSION : CONFIG_MX;
	l->offers_auth = l->role == CONFIG_SUBMISSION;
	l->implicit_tls = parse_is_implicit(&l->address);
}

void
take_private(struct parse *p, const struct directive *d, const struct grammar_line *line,
	     void *object)
{
	static const char *const choices[] = {"keep", "remove", NULL};
	int choice = take_choice(p, line, 0, choices);

	*FIELD(enum config_private, object, d) =
		choice == 1 ? CONFIG_PRIVATE_REMOVE : CONFIG_PRIVATE_KEEP;
}

void
take_alignment(struct parse *p, const struct directive *d, const struct grammar_line *line,
	       void *object)
{
	static const char *const choices[] = {"off", "reject", NULL};
	int choice = take_choice(p, line, 0, choices);

	*FIELD(enum config_alignment, object, d) =
		choice == 1 ? CONFIG_ALIGNMENT_REJECT : CONFIG_ALIGNMENT_OFF;
}

void
take_offers_auth(struct parse *p, const struct directive *d, const struct grammar_line *line,
		 void *object)
{
	struct config_listen *l = object;

	take_yes(p, d, line, object);
	if (l->role == CONFIG_SUBMISSION && !l->offers_auth) {
		parse_mistake(p, column(line, 0),
			      "`no`: who submits must log in; `mx` takes mail without that");
		l->offers_auth = true;
	}
}

void
take_auth(struct parse *p, const struct directive *d, const struct grammar_line *line, void *object)
{
	(void)line;
	p->opened = FIELD(struct config_auth, object, d);
}

static void
take_source(struct parse *p, const struct grammar_line *line, struct config_auth *auth,
	    enum config_auth_source source)
{
	if (auth->source != CONFIG_AUTH_ACCOUNTS)
		parse_mistake(p, line->words[0].column,
			      "`%.*s`: expected only one of `dovecot` and `pam`",
			      SPAN_ARG(line->words[0].text));
	auth->source = source;
}

#define PAM_SERVICE_MAX 64

/* the name of a file in /etc/pam.d */
static bool
is_service(struct span word)
{
	for (size_t i = 0; i < word.len; i++) {
		char c = ascii_lower(word.at[i]);

		if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_')
			return false;
	}
	return word.len > 0 && word.len <= PAM_SERVICE_MAX;
}

void
take_pam(struct parse *p, const struct directive *d, const struct grammar_line *line, void *object)
{
	struct config_auth *auth = object;
	struct span word = *argument(line, 0);

	(void)d;
	take_source(p, line, auth, CONFIG_AUTH_PAM);
	if (!is_service(word))
		parse_mistake(p, column(line, 0),
			      "`%.*s`: expected the name of a service of PAM: letters, digits, `-` "
			      "and `_`",
			      SPAN_ARG(word));
	auth->pam = parse_keep(p, word);
}

void
take_dovecot(struct parse *p, const struct directive *d, const struct grammar_line *line,
	     void *object)
{
	struct config_auth *auth = object;
	struct span word = *argument(line, 0);
	struct sockaddr_storage address;
	socklen_t len;

	take_source(p, line, auth, CONFIG_AUTH_DOVECOT);
	if (word.len > 0 && word.at[0] == '/')
		take_path_of(p, line, 0, VALUE_SOCKET_MAX, FIELD(char *, object, d));
	else if (value_listen(word, &address, &len) == 0)
		auth->dovecot = parse_keep(p, word);
	else
		parse_mistake(p, column(line, 0),
			      "`%.*s`: expected the path of a socket that begins with `/`, or "
			      "ADDRESS:PORT, like 192.0.2.1:12345",
			      SPAN_ARG(word));
}

void
take_certificates(struct parse *p, const struct directive *d, const struct grammar_line *line,
		  void *object)
{
	p->certificates_at = p->at;
	p->certificates_at.column = column(line, 0);
	take_yes(p, d, line, object);
}

void
take_limits(struct parse *p, const struct directive *d, const struct grammar_line *line,
	    void *object)
{
	(void)line;
	p->opened = FIELD(struct config_limits, object, d);
}

void
take_outbound(struct parse *p, const struct directive *d, const struct grammar_line *line,
	      void *object)
{
	(void)line;
	p->opened = FIELD(struct config_outbound, object, d);
}

static void
domain_name_add(struct parse *p, struct config_domain *domain, const struct grammar_line *line,
		size_t n)
{
	struct span word = *argument(line, n);
	struct parse_name *names;
	char *name;

	if (!domain_is_valid(word)) {
		parse_mistake(
			p, column(line, n),
			"`%.*s`: expected the name of a domain (letters, digits, hyphens and dots; "
			"others in their xn-- form)",
			SPAN_ARG(word));
		return;
	}
	names = parse_grow(p, p->names, p->name_count, sizeof(*names));
	name = parse_keep_lower(p, word);
	if (names == NULL || name == NULL)
		return;
	domain->names[domain->name_count++] = name;
	p->names = names;
	names[p->name_count] = (struct parse_name){
		.name = span_of(name),
		.domain = p->config->domain_count - 1,
		.at_index = p->name_count,
		.at = p->at,
	};
	names[p->name_count++].at.column = column(line, n);
}

void
take_domain(struct parse *p, const struct directive *d, const struct grammar_line *line,
	    void *object)
{
	struct config *c = object;
	struct config_domain *domains =
		parse_grow(p, c->domains, c->domain_count, sizeof(*domains));
	struct config_domain *domain;
	struct parse_position *at;

	(void)d;
	if (domains == NULL)
		return;
	c->domains = domains;
	domain = &domains[c->domain_count];
	at = parse_grow(p, p->domain_at, c->domain_count, sizeof(*at));
	if (at == NULL)
		return;
	p->domain_at = at;
	at[c->domain_count++] = p->at;
	domain->names = arena_alloc(&c->arena, argument_count(line) * sizeof(char *));
	if (domain->names == NULL) {
		p->no_memory = true;
		return;
	}
	parse_standards(p, PLACE_DOMAIN, domain);
	for (size_t i = 0; i < argument_count(line); i++)
		domain_name_add(p, domain, line, i);
	p->opened = domain;
}

void
take_retry(struct parse *p, const struct directive *d, const struct grammar_line *line,
	   void *object)
{
	struct config_outbound *out = object;

	take_amount(p, d, line, 0, &out->retry_first);
	if (argument_count(line) > 1) {
		take_amount(p, d, line, 1, &out->retry_max);
		if (out->retry_max < out->retry_first)
			parse_mistake(
				p, column(line, 1),
				"`%.*s`: expected a time not shorter than the first one, `%.*s`",
				SPAN_ARG(*argument(line, 1)), SPAN_ARG(*argument(line, 0)));
	} else if (out->retry_max < out->retry_first) {
		out->retry_max = out->retry_first;
	}
}

void
take_time_or_never(struct parse *p, const struct directive *d, const struct grammar_line *line,
		   void *object)
{
	if (span_equal(*argument(line, 0), SPAN("never")))
		*FIELD(uint64_t, object, d) = 0;
	else
		take_number(p, d, line, object);
}

void
take_include(struct parse *p, const struct directive *d, const struct grammar_line *line,
	     void *object)
{
	(void)d;
	(void)object;
	parse_mistake(p, column(line, 0), "`%.*s` was not included", SPAN_ARG(*argument(line, 0)));
}
