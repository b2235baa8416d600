/*
 * destination - the domains of all recipients, and the site where each was sent last
 *
 * What selectors (domain=, site=) and the list of sites go by: a recipient keeps the number of its domain (struct recipient), so that no file
 * is read to find who waits for whom.  A site is known by its name alone: what it is (its window, its back-off) is asked of the places by
 * site-report.  Called by message (recipients come and go), route (where they are sent), select and control.
 */
#ifndef QUEUE_MANAGER_DESTINATION_H
#define QUEUE_MANAGER_DESTINATION_H

#include <stddef.h>
#include <stdint.h>

#include "common/text/buffer.h"
#include "common/text/span.h"
#include "queue-manager/names.h"

struct manager;
struct place;

#define DESTINATION_NAME_MAX 512 /* of a site; longer ones (lists of smarthosts) are cut */

struct destinations {
	struct names domains; /* counted by recipients */
	struct names sites;   /* counted by domains */
	uint32_t *site;	      /* of a domain, by number - 1; 0: not sent anywhere yet */
	uint32_t room;	      /* domains that fit */
};

/* destination_take - the number of the address's domain, for a recipient; fatal() when memory is out */
uint32_t destination_take(struct manager *q, struct span address);
void destination_let(struct manager *q, uint32_t domain);
/* destination_sent - what is for that domain goes to that place now */
void destination_sent(struct manager *q, uint32_t domain, const struct place *p);
void destinations_free(struct manager *q);

struct span destination_domain(const struct manager *q, uint32_t domain);
/* the number of the domain's site; 0: none is known */
uint32_t destination_site(const struct manager *q, uint32_t domain);
/* the name of the domain's site; where none is known, the domain */
struct span destination_site_name(const struct manager *q, uint32_t domain);
/*
 * destination_place_name - the name of the site that a place belongs to, into `to` (DESTINATION_NAME_MAX bytes)
 *
 * A domain for those that its MX records name, `host:port` (parted by commas) for hosts of the configuration, `mailbox:DOMAIN` for
 * mailboxes.
 */
struct span destination_place_name(const struct place *p, char to[DESTINATION_NAME_MAX]);

#endif
