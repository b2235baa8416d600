/*
 * download - a process that fetches one thing: a policy, or a token
 *
 * What a stranger's web server and the TLS with it bring is read by a child that lives for this one download: it stalls nobody, and what it may break
 * is its own.  It has its way back, the draft of one file, and DOWNLOAD_MS.
 */
#ifndef FETCH_DOWNLOAD_H
#define FETCH_DOWNLOAD_H

#include <openssl/types.h>
#include <stdbool.h>

#include "common/system/errand.h"
#include "fetch/cache.h"

#define DOWNLOAD_RESULT_MAX 20000 /* bytes */
#define DOWNLOADS_MAX 16	  /* at a time */
#define DOWNLOAD_MS 130000	  /* OBTAIN_DNS_MS twice, HTTPS_MS, and a little */

struct download_means {
	int directory;	      /* of the policies */
	const char *resolver; /* path of the socket */
	X509_STORE *authorities;
};

/* what the child does, and what the parent believes of it */
struct download_work {
	/* run - in the child; fills in `result`, which is of result_size bytes, zeroed */
	void (*run)(const void *what, const struct download_means *means, int draft, void *result);
	const void *what;
	size_t result_size; /* at most DOWNLOAD_RESULT_MAX */
	bool (*is_sound)(const void *result);
};

struct download {
	struct errand errand;
	const struct download_work *work;
	void *owner;
	/* done - the child has ended; NULL: it died, or was too slow (told as an event) */
	void (*done)(struct download *d, const void *result);
};

/* download_start - `work` lives as long as the download, `draft` is -1 where it has none; -1 and errno: no process */
int download_start(struct download *d, struct loop *loop, const struct download_means *means,
		   const struct download_work *work, int draft) __attribute__((warn_unused_result));
/* download_abandon - nobody waits for it any more */
void download_abandon(struct download *d);

#endif
