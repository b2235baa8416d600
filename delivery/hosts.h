/*
 * hosts - the addresses of a place, in the order in which they are tried
 *
 * A place is what queue-manager says in WANT: words "host:port" parted by blanks.  A host is an address literal, `localhost`, or a
 * name of /etc/hosts, which is read once, before the program confines itself.  Other names need the resolver, which this program
 * does not have yet: they make the place deferred, with a sentence.
 */
#ifndef DELIVERY_HOSTS_H
#define DELIVERY_HOSTS_H

#include <stddef.h>
#include <sys/socket.h>

#include "common/mail/reply.h"
#include "common/protocol/jobs.h"
#include "common/text/span.h"

#define HOSTS_FILE_MAX (1u << 20) /* bytes of /etc/hosts that are read */
#define HOSTS_ADDRESSES_MAX 32	  /* of one place; more are left out */

struct hosts_address {
	struct sockaddr_storage address;
	socklen_t len;
	char text[JOBS_HOST_MAX + 1]; /* NAME[ADDRESS]:PORT, as results name it */
};

struct hosts_list {
	struct hosts_address list[HOSTS_ADDRESSES_MAX];
	size_t count;
};

/* hosts_load - reads the file; where there is none only literals and `localhost` are known.  Once, before confine. */
void hosts_load(const char *path);
/* the same from a text, for tests; the text is copied */
void hosts_load_text(struct span text);

/*
 * hosts_find - the addresses of all words of the place; -1 when there is not one
 *
 * Then *why is a deferral that names the first word that gave none.
 */
int hosts_find(struct span place, struct hosts_list *hosts, struct verdict *why)
	__attribute__((warn_unused_result));

#endif
