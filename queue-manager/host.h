/*
 * host - hosts that take no connection: learned once, by whichever site meets them, and tried last by all that know of them
 *
 * One host of a pair that is dead costs no more than the time to find it out: agents are told which hosts to try last.  When its time is over
 * one agent tries it again, all others still avoid it.
 */
#ifndef QUEUE_MANAGER_HOST_H
#define QUEUE_MANAGER_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/text/buffer.h"
#include "common/text/span.h"

#define HOST_DOWN_FIRST_MS 60000
#define HOST_DOWN_MAX_MS 3600000
#define HOST_PROBE_MS 120000 /* for the one that tries it again to say something */
#define HOSTS_MAX 10000	     /* more are not remembered */
#define SITE_HOSTS_MAX 16    /* of one site */

struct host {
	struct host *hash_next;
	uint32_t hash;
	uint32_t users;			    /* sites */
	int64_t down_until_ms, back_off_ms; /* back_off 0: it is well */
	bool is_probed;			    /* one agent tries it, until then */
	char name[];
};

struct site_hosts {
	struct host *host[SITE_HOSTS_MAX];
	uint32_t count;
};

struct hosts {
	struct host **buckets;
	size_t bucket_count, count;
};

/* host_down - a site has met it, and could not connect */
void host_down(struct hosts *t, struct site_hosts *of, struct span name, int64_t now_ms);
/* host_up - it has answered */
void host_up(struct hosts *t, struct span name);
/* host_avoid - those of the site that an agent that connects now shall try last, parted by blanks, appended; `may_probe`: one whose time is over
 * is left to it to be tried */
void host_avoid(struct hosts *t, struct site_hosts *of, int64_t now_ms, bool may_probe,
		struct buffer *to);
/* host_learn - the hosts of a site are these (NAME:PORT, parted by blanks): what others know of them it knows, too */
void host_learn(struct hosts *t, struct site_hosts *of, struct span names);
/* host_share - what one site knows, another one does */
void host_share(const struct site_hosts *from, struct site_hosts *to);
void host_forget(struct hosts *t, struct site_hosts *of);
void hosts_free(struct hosts *t);

#endif
