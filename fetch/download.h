/*
 * download - a process that fetches one policy
 *
 * What a stranger's web server and the TLS with it bring is read by a child that lives for this one download: it stalls nobody, and what it may break
 * is its own.  It has its way back, the draft of one file, and DOWNLOAD_MS.
 */
#ifndef FETCH_DOWNLOAD_H
#define FETCH_DOWNLOAD_H

#include <openssl/types.h>
#include <sys/types.h>

#include "common/system/loop.h"
#include "fetch/cache.h"
#include "fetch/obtain.h"

#define DOWNLOADS_MAX 16   /* at a time */
#define DOWNLOAD_MS 130000 /* OBTAIN_DNS_MS twice, HTTPS_MS, and a little */

struct download_means {
	int directory;	      /* of the policies */
	const char *resolver; /* path of the socket */
	X509_STORE *authorities;
};

struct download {
	struct loop *loop;
	pid_t pid; /* 0: none */
	struct loop_watch result;
	struct loop_timer given_up;
	void *owner;
	/* done - the child has ended; NULL: it died, or was too slow (told as an event) */
	void (*done)(struct download *d, const struct obtain_result *r);
};

/* download_start - -1 and errno: no process */
int download_start(struct download *d, struct loop *loop, const struct download_means *means,
		   const char *domain, int draft) __attribute__((warn_unused_result));
/* download_abandon - nobody waits for it any more */
void download_abandon(struct download *d);

#endif
