/*
 * destination - see destination.h
 */
#include "queue-manager/destination.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mail/address.h"
#include "common/mail/hop.h"
#include "common/system/fatal.h"
#include "queue-manager/manager.h"

#define ROOM_FIRST 64
#define SMTP_PORT 25

/* ---- domains ---- */

uint32_t
destination_take(struct manager *q, struct span address)
{
	struct destinations *d = &q->destinations;
	uint32_t number = names_take(&d->domains, address_domain_of(address))->number;
	if (number <= d->room)
		return number;
	uint32_t room = d->room == 0 ? ROOM_FIRST : d->room * 2;
	uint32_t *site = realloc(d->site, room * sizeof(*site));
	if (site == NULL)
		fatal(EXIT_OS, ENOMEM, "sites of %u domains", room);
	memset(site + d->room, 0, (room - d->room) * sizeof(*site));
	d->site = site;
	d->room = room;
	return number;
}

static void
forget_site(struct destinations *d, uint32_t domain)
{
	uint32_t site = d->site[domain - 1];
	d->site[domain - 1] = 0;
	if (site != 0)
		names_let(&d->sites, names_at(&d->sites, site));
}

void
destination_let(struct manager *q, uint32_t domain)
{
	struct destinations *d = &q->destinations;
	struct name *name = names_at(&d->domains, domain);
	if (name->users == 1)
		forget_site(d, domain);
	names_let(&d->domains, name);
}

void
destination_sent(struct manager *q, uint32_t domain, const struct place *p)
{
	struct destinations *d = &q->destinations;
	char text[DESTINATION_NAME_MAX];
	uint32_t site = names_take(&d->sites, destination_place_name(p, text))->number;
	forget_site(d, domain);
	d->site[domain - 1] = site;
}

void
destinations_free(struct manager *q)
{
	names_free(&q->destinations.domains);
	names_free(&q->destinations.sites);
	free(q->destinations.site);
	q->destinations = (struct destinations){0};
}

struct span
destination_domain(const struct manager *q, uint32_t domain)
{
	return name_text(names_at(&q->destinations.domains, domain));
}

uint32_t
destination_site(const struct manager *q, uint32_t domain)
{
	return q->destinations.site[domain - 1];
}

struct span
destination_site_name(const struct manager *q, uint32_t domain)
{
	uint32_t site = destination_site(q, domain);
	return site != 0 ? name_text(names_at(&q->destinations.sites, site))
			 : destination_domain(q, domain);
}

/* ---- sites ---- */

/* hops as they stand in a list for people: one word, and what goes by MX is known by its domain */
static size_t
hops_name(struct span hosts, char *to, size_t size)
{
	struct hop hop;
	size_t len = 0;
	if (hop_parse(hosts, &hop) == 0 && hop.is_mx && hop.port == SMTP_PORT) {
		len = hop.host.len < size ? hop.host.len : size;
		memcpy(to, hop.host.at, len);
		return len;
	}
	for (; len < hosts.len && len < size; len++) {
		to[len] = hosts.at[len];
		if (to[len] == ' ')
			to[len] = ',';
	}
	return len;
}

struct span
destination_place_name(const struct place *p, char to[DESTINATION_NAME_MAX])
{
	int len = 0;
	switch (p->kind) {
	case JOBS_SMTP:
		return span_from(to, hops_name(p->hosts, to, DESTINATION_NAME_MAX));
	case JOBS_MAILBOX:
		len = snprintf(to, DESTINATION_NAME_MAX, "mailbox:%.*s", SPAN_ARG(p->domain));
		break;
	case JOBS_LINE:
		len = snprintf(to, DESTINATION_NAME_MAX, "command:%.*s", SPAN_ARG(p->domain));
		break;
	case JOBS_ALIAS:
		len = snprintf(to, DESTINATION_NAME_MAX, "alias:%.*s", SPAN_ARG(p->domain));
		break;
	case JOBS_NOTICE:
		len = snprintf(to, DESTINATION_NAME_MAX, "notices");
		break;
	}
	return span_from(to, len < DESTINATION_NAME_MAX ? (size_t)len : DESTINATION_NAME_MAX - 1);
}
