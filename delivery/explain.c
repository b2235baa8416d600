/*
 * explain - see the header; called by main.c
 *
 * Where mail for a domain of others goes the configuration alone says (common/config/outside.h); of our own domains, those with `relay` or LMTP have hosts.
 */
#include "delivery/explain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/config/outside.h"
#include "delivery/connect.h"
#include "delivery/demand.h"
#include "delivery/tls.h"

#define PLACE_MAX 8192
#define MINUTE UINT64_C(60)
#define HOUR UINT64_C(3600)
#define DAY UINT64_C(86400)

struct explain {
	const struct config *config;
	const struct config_hop_tls *tls;
	struct span block;
	struct buffer place;
	struct hosts hosts;
	struct sts sts;
	bool tries, has_told_sts;
};

#define SAY(...) dprintf(STDERR_FILENO, __VA_ARGS__)

/* ---- where to ---- */

/* NULL, or why there is no next hop */
static const char *
find_place(struct explain *e, struct span domain)
{
	const struct config_domain *own = config_domain_find(e->config, domain);
	struct outside o;

	if (own != NULL) {
		const char *hops = own->relay != NULL ? own->relay : own->deliver.hops;

		e->block = span_of(own->names[0]);
		buffer_string(&e->place, hops != NULL ? hops : "");
		return hops != NULL ? NULL : "its mail is delivered on this host";
	}
	if (!outside_domain(e->config, domain, &o))
		return "its route has no next hop: its mail is refused, held, deferred or "
		       "discarded";
	e->block = o.block;
	buffer_span(&e->place, o.hops);
	return NULL;
}

static const char *
level_word(enum config_hop_level level)
{
	switch (level) {
	case CONFIG_HOP_OPPORTUNISTIC:
		return "opportunistic";
	case CONFIG_HOP_NONE:
		return "none";
	case CONFIG_HOP_REQUIRED:
		return "required";
	case CONFIG_HOP_VERIFIED:
		break;
	}
	return "verified";
}

/* ---- what is known ---- */

static void
say_time(const char *before, uint64_t s, const char *behind)
{
	uint64_t unit = s >= 2 * DAY ? DAY : s >= 2 * HOUR ? HOUR : s >= 2 * MINUTE ? MINUTE : 1;

	SAY("%s%llu %s%s", before, (unsigned long long)(s / unit),
	    unit == DAY	     ? "days"
	    : unit == HOUR   ? "hours"
	    : unit == MINUTE ? "minutes"
			     : "seconds",
	    behind);
}

static void
say_sts(struct explain *e, const struct demand *d, const struct hosts_address *host)
{
	const struct fetch_policy *p = &e->sts.found;

	if (e->has_told_sts || host->domain.len == 0 || !policy_wants_sts(e->tls))
		return;
	if (d->is_sts_unknown) {
		SAY("MTA-STS: fetch does not answer\n");
	} else if (d->dane.outcome != DANE_ABSENT) {
		SAY("MTA-STS: not asked for, since DANE comes first\n");
		return; /* of another host it may be */
	} else if (d->sts == NULL) {
		SAY("MTA-STS: no policy of %.*s is known%s%.*s\n", SPAN_ARG(host->domain),
		    p->reason.len > 0 ? ": " : "", SPAN_ARG(p->reason));
	} else {
		SAY("MTA-STS: mode %s, policy %.*s", sts_mode_name(p->mode), SPAN_ARG(p->id));
		say_time(", fetched ", p->age, " ago");
		say_time(", holds for ", p->left, "");
		for (size_t i = 0; i < p->mx_count; i++)
			SAY("%s%.*s", i == 0 ? "; mx " : " ", SPAN_ARG(p->mx[i]));
		SAY("%s%.*s\n", p->reason.len > 0 ? "; " : "", SPAN_ARG(p->reason));
	}
	e->has_told_sts = true;
}

static void
say_dns(const struct explain *e, const struct demand *d, const struct hosts_address *host)
{
	if (host->domain.len > 0)
		SAY("    MX: %s\n", host->is_named_securely ? "signed" : "not signed");
	if (host->name[0] != '\0')
		SAY("    address: %s\n", host->is_secure ? "signed" : "not signed");
	if (!policy_wants_dane(e->tls) || host->name[0] == '\0')
		return;
	/* an alias that is signed may have records though what it leads to is not */
	if (d->dane.outcome == DANE_ABSENT && (!host->is_named_securely || !host->is_secure)) {
		SAY("    TLSA: not believed, since what leads to it is not signed\n");
		return;
	}
	switch (d->dane.outcome) {
	case DANE_ABSENT:
		SAY("    TLSA: none\n");
		return;
	case DANE_FOUND:
		SAY("    TLSA: %zu of use at %.*s\n", d->dane.count, SPAN_ARG(d->dane.base));
		return;
	case DANE_UNUSABLE:
		SAY("    TLSA: none that is of use at %.*s\n", SPAN_ARG(d->dane.base));
		return;
	case DANE_TROUBLE:
		break;
	}
	SAY("    TLSA: not to be had: %.*s\n", SPAN_ARG(d->dane.text));
}

static void
say_demand(const struct policy *p)
{
	if (p->is_passed_over) {
		SAY("    passed over: %s\n", p->why);
		return;
	}
	SAY("    demanded: %s, by %s: %s\n", policy_level_name(p->level),
	    policy_source_name(p->source), p->why);
	for (size_t i = 0; i < p->name_count; i++)
		SAY("%s%.*s%s", i == 0 ? "    names: " : " ", SPAN_ARG(p->names[i]),
		    i + 1 == p->name_count ? "\n" : "");
}

/* ---- trying ---- */

/* does the host meet it? */
static bool
try_host(const struct explain *e, const struct hosts_address *host, const struct policy *policy)
{
	static struct connection c;
	struct verdict why;

	if (connect_open(&c, host, e->config, &(struct tls_demand){e->tls, policy, host->text},
			 EXPLAIN_TRY_MS, &why) < 0) {
		SAY("    tried: %s\n", why.text);
		return false;
	}
	SAY("    tried: %s\n", c.tls[0] != '\0'	   ? c.tls
			       : c.offers_starttls ? "plain text: its TLS does not work"
						   : "plain text: it does not offer TLS");
	connect_quit(&c);
	return true;
}

/* true: mail could go there */
static bool
explain_host(struct explain *e, const struct hosts_address *next)
{
	const struct hosts_address host = *next;
	struct demand d;

	demand_decide(&e->hosts, &e->sts, e->tls, &host, INTAKE_TLS_BY_POLICY, &d);
	say_sts(e, &d, &host);
	SAY("%s\n", host.text);
	say_dns(e, &d, &host);
	say_demand(&d.policy);
	if (d.policy.is_passed_over)
		return false;
	return !e->tries || try_host(e, &host, &d.policy);
}

static int
explain_place(struct explain *e, const char *domain)
{
	const struct hosts_address *next;
	size_t count = 0, good = 0;

	SAY("%s goes to %.*s (%s%.*s)\n", domain, SPAN_ARG(buffer_get(&e->place)),
	    span_equal(e->block, SPAN(OUTSIDE_BLOCK))		     ? ""
	    : config_domain_find(e->config, span_of(domain)) != NULL ? "domain "
								     : "route ",
	    SPAN_ARG(e->block));
	SAY("configured: tls%s%s %s%s\n", e->tls->dane ? " dane" : "", e->tls->sts ? " sts" : "",
	    level_word(e->tls->level), e->tls->is_given ? "" : " (nothing is said of it)");
	hosts_start(&e->hosts, buffer_get(&e->place), SPAN_NONE);
	while (count < EXPLAIN_HOSTS_MAX && (next = hosts_next(&e->hosts)) != NULL) {
		good += explain_host(e, next);
		count++;
	}
	if (count == 0)
		SAY("no host: %s\n", e->hosts.why.text);
	return good > 0 ? 0 : 1;
}

int
explain(const struct start *s, const struct config *config, const struct agent_paths *paths)
{
	static struct explain e;
	const char *wrong;
	int status = 1;

	e.config = config;
	e.tries = s->tries;
	buffer_init(&e.place, PLACE_MAX);
	hosts_init(&e.hosts, config, paths->resolver);
	sts_init(&e.sts, paths->fetch);
	wrong = find_place(&e, span_of(s->explain));
	e.tls = config_hop_tls_of(config, e.block);
	if (wrong != NULL)
		SAY("%s: %s\n", s->explain, wrong);
	else if (e.place.failed)
		SAY("%s: the names of its hosts are too long\n", s->explain);
	else
		status = explain_place(&e, s->explain);
	sts_free(&e.sts);
	hosts_free(&e.hosts);
	buffer_free(&e.place);
	return wrong != NULL ? 0 : status;
}
