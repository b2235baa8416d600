/*
 * refresh - one access token by a refresh token (RFC 6749, section 6)
 *
 * Runs in the child of a download.  What the endpoint answers is a stranger's JSON (libjansson): measured, and of a broken child not believed but for
 * its shape.
 */
#ifndef FETCH_REFRESH_H
#define FETCH_REFRESH_H

#include "common/config/config.h"
#include "common/config/secret.h"
#include "common/protocol/fetch.h"
#include "fetch/download.h"

#define REFRESH_ANSWER_MAX 65536 /* bytes of an answer */
#define REFRESH_EXPIRES_S 3600	 /* where it does not say; most give an hour */
#define REFRESH_EXPIRES_MAX_S 86400

/* what is asked for; spans are the parent's, whose memory the child has a copy of */
struct refresh_question {
	const struct config_login *login;
	struct span token;  /* the refresh token */
	struct span secret; /* of the client; empty: none */
};

/* what the child tells its parent, as it lies in its memory */
struct refresh_result {
	bool is_done;
	char token[FETCH_TOKEN_MAX + 1];
	char next[SECRET_MAX +
		  1]; /* another refresh token, in place of the one that was used; empty: none */
	uint64_t expires_s;
	char reason[FETCH_REASON_MAX + 1]; /* unless is_done */
};

/* the work of a download: `what` is a struct refresh_question */
void refresh_run(const void *what, const struct download_means *means, int draft, void *result);
bool refresh_is_sound(const void *result);

/* refresh_read - an answer of an endpoint; `is_success`: it came with 200.  Called by refresh_run. */
void refresh_read(struct span answer, bool is_success, struct refresh_result *to);

#endif
