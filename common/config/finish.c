/*
 * finish - what the lines of culver.conf say together: defaults that depend on others, local names, limits of listeners
 */
#include <stdlib.h>

#include "common/config/mistakes.h"
#include "common/config/parse.h"
#include "common/config/values.h"

#define PATH_ROOM 1024 /* VALUE_PATH_MAX and a name */

static char *
join(struct parse *p, struct span directory, const char *name)
{
	struct buffer path;
	char *kept;

	buffer_init(&path, PATH_ROOM);
	if (directory.len > 1)
		buffer_span(&path, directory);
	buffer_format(&path, "/%s", name);
	kept = parse_keep(p, buffer_get(&path));
	if (path.failed)
		p->no_memory = true;
	buffer_free(&path);
	return kept;
}

/* the directory that a path is in, without a slash at the end */
static struct span
parent(const char *path)
{
	struct span s = span_of(path);

	while (s.len > 0 && s.at[s.len - 1] != '/')
		s.len--;
	while (s.len > 0 && s.at[s.len - 1] == '/')
		s.len--;
	return s;
}

static void
default_runtime(struct parse *p, const struct config_defaults *defaults)
{
	struct config *c = p->config;

	if (defaults->runtime != NULL)
		c->runtime = parse_keep(p, span_of(defaults->runtime));
	else
		c->runtime = join(p, parent(c->spool), "run");
	if (c->runtime != NULL && strlen(c->runtime) > VALUE_RUNTIME_MAX)
		mistake_add(
			p->errors, p->at.file, p->at.line, 1,
			"the default of `runtime`, %s, is longer than %d bytes; expected a line "
			"`runtime PATH` with a shorter one",
			c->runtime, VALUE_RUNTIME_MAX);
}

static void
finish_general(struct parse *p, const struct config_defaults *defaults)
{
	struct config *c = p->config;
	struct span state = span_of(defaults->state);

	if (c->hostname == NULL)
		c->hostname = parse_keep_lower(p, span_of(defaults->hostname));
	if (c->origin == NULL && defaults->mailname != NULL)
		c->origin = parse_keep_lower(p, span_of(defaults->mailname));
	if (c->origin == NULL)
		c->origin = c->hostname;
	if (c->spool == NULL)
		c->spool = parse_keep(p, span_of(defaults->spool));
	else if (!defaults->as_root)
		state = parent(c->spool);
	if (p->no_memory)
		return;
	if (c->runtime == NULL)
		default_runtime(p, defaults);
	if (c->trace == NULL)
		c->trace = join(p, state, "trace");
	if (c->drop == NULL)
		c->drop = join(p, state, "drop");
	if (c->root_mail == NULL)
		c->root_mail = join(p, state, "root");
	if (c->auth.accounts == NULL)
		c->auth.accounts = join(p, state, "accounts");
	if (c->verify.cache == NULL)
		c->verify.cache = join(p, state, "verified");
	if (!p->has_log)
		c->log_sink = defaults->log_to_stderr ? CONFIG_LOG_STDERR : CONFIG_LOG_SYSLOG;
}

static int
compare_spans(struct span a, struct span b)
{
	int order = memcmp(a.at, b.at, a.len < b.len ? a.len : b.len);

	if (order != 0)
		return order;
	return a.len < b.len ? -1 : a.len > b.len;
}

/* by name, then in the order of the file */
static int
compare_names(const void *a, const void *b)
{
	const struct parse_name *x = a, *y = b;
	int order = compare_spans(x->name, y->name);

	if (order != 0)
		return order;
	return x->at_index < y->at_index ? -1 : x->at_index > y->at_index;
}

static void
name_add(struct parse *p, struct config_domain *domain, const char *name)
{
	for (size_t i = 0; i < p->name_count; i++)
		if (span_equal(p->names[i].name, span_of(name)))
			return;
	struct parse_name *names = parse_grow(p, p->names, p->name_count, sizeof(*names));

	if (names == NULL)
		return;
	p->names = names;
	names[p->name_count] = (struct parse_name){
		.name = span_of(name),
		.domain = p->config->domain_count - 1,
		.at_index = p->name_count,
	};
	p->name_count++;
	domain->names[domain->name_count++] = (char *)(uintptr_t)name;
}

/* hostname and localhost are local without a block: as the first block with system users says, else by the defaults */
static void
add_own_names(struct parse *p)
{
	static char localhost[] = "localhost";
	struct config *c = p->config;
	struct config_domain own = {0};
	struct config_domain *domains;

	parse_standards(p, PLACE_DOMAIN, &own);
	for (size_t i = c->domain_count; i > 0; i--)
		if (c->domains[i - 1].users_system)
			own = c->domains[i - 1];
	own.name_count = 0;
	own.names = arena_alloc(&c->arena, 2 * sizeof(char *));
	domains = parse_grow(p, c->domains, c->domain_count, sizeof(*domains));
	if (own.names == NULL || domains == NULL || c->hostname == NULL) {
		p->no_memory = true;
		return;
	}
	c->domains = domains;
	c->domain_count++;
	name_add(p, &own, c->hostname);
	name_add(p, &own, localhost);
	c->domains[c->domain_count - 1] = own;
	if (own.name_count == 0)
		c->domain_count--;
}

static void
finish_names(struct parse *p)
{
	struct config *c = p->config;

	qsort(p->names, p->name_count, sizeof(p->names[0]), compare_names);
	c->names = arena_alloc(&c->arena, p->name_count * sizeof(c->names[0]));
	if (c->names == NULL) {
		p->no_memory = true;
		return;
	}
	for (size_t i = 0; i < p->name_count; i++) {
		const struct parse_name *n = &p->names[i];
		const struct parse_name *before = i > 0 ? n - 1 : NULL;

		c->names[i] = (struct config_name){n->name, n->domain};
		if (before != NULL && span_equal(before->name, n->name))
			mistake_add(p->errors, n->at.file, n->at.line, n->at.column,
				    "the domain `%.*s` is here twice; it stands in line %u of %.*s "
				    "already",
				    SPAN_ARG(n->name), before->at.line, SPAN_ARG(before->at.file));
	}
	c->name_count = p->name_count;
}

static void
finish_listens(struct parse *p)
{
	struct config *c = p->config;

	for (size_t i = 0; i < c->listen_count; i++) {
		struct config_listen *l = &c->listens[i];
		struct config_limits own = l->limits;

		l->limits = c->limits;
		if (l->private_headers == CONFIG_PRIVATE_UNSAID)
			l->private_headers = c->private_headers;
		if (l->from_alignment == CONFIG_ALIGNMENT_UNSAID)
			l->from_alignment = c->from_alignment;
		for (size_t n = 0; n < sizeof(own) / sizeof(uint64_t); n++)
			if (p->listen_given[i] & UINT64_C(1) << n)
				memcpy((uint64_t *)(void *)&l->limits + n,
				       (uint64_t *)(void *)&own + n, sizeof(uint64_t));
		for (size_t n = 0; n < i; n++)
			if (l->address_len > 0 && l->address_len == c->listens[n].address_len &&
			    memcmp(&l->address, &c->listens[n].address, l->address_len) == 0)
				mistake_add(p->errors, p->listen_at[i].file, p->listen_at[i].line,
					    p->listen_at[i].column,
					    "`%s` stands in line %u of %.*s already", l->name,
					    p->listen_at[n].line, SPAN_ARG(p->listen_at[n].file));
	}
}

/* who submits must be able to log in: under TLS, or where it may be clear; parse_finish_tls has told of one with TLS from the first byte on */
static void
finish_submission(struct parse *p)
{
	const struct config *c = p->config;

	for (size_t i = 0; i < c->listen_count; i++) {
		const struct config_listen *l = &c->listens[i];
		const struct parse_position *at = &p->listen_at[i];

		if (l->role != CONFIG_SUBMISSION || c->auth.may_be_clear || l->implicit_tls ||
		    l->tls.certificates.count > 0)
			continue;
		mistake_add(p->errors, at->file, at->line, at->column,
			    "nobody could log in at `%s`, which has no TLS; expected a `tls` with "
			    "a `certificate`, or `clear yes` in `auth`",
			    l->name);
	}
}

/* whose certificate logs him in must be asked for it somewhere */
static void
finish_certificates(struct parse *p)
{
	const struct config *c = p->config;
	const struct parse_position *at = &p->certificates_at;

	for (size_t i = 0; i < c->listen_count; i++)
		if (c->listens[i].offers_auth && c->listens[i].tls.client != CONFIG_CLIENT_NONE)
			return;
	if (c->auth.has_certificates)
		mistake_add(p->errors, at->file, at->line, at->column,
			    "no client that may log in is asked for a certificate; expected "
			    "`client-certificate ask` in `tls`");
}

void
parse_finish(struct parse *p, const struct config_defaults *defaults)
{
	finish_general(p, defaults);
	if (p->no_memory)
		return;
	parse_finish_domains(p, defaults->as_root);
	add_own_names(p);
	if (p->no_memory)
		return;
	finish_names(p);
	finish_listens(p);
	parse_finish_tls(p);
	finish_submission(p);
	finish_certificates(p);
	parse_finish_routes(p);
}

const struct config_domain *
config_domain_find(const struct config *c, struct span name)
{
	size_t low = 0, high = c->name_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = compare_spans(c->names[middle].name, name);

		if (order == 0)
			return &c->domains[c->names[middle].domain];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}
