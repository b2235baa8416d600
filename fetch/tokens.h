/*
 * tokens - access tokens of logins with `refresh`: fetched when they are wanted, kept until shortly before they expire
 *
 * However many agents ask, one download is under way for a login.  Refresh tokens and secrets of clients come as descriptors from master, and stay
 * here; where the endpoint gives another refresh token, that one is used from then on, until fetch is started again.
 */
#ifndef FETCH_TOKENS_H
#define FETCH_TOKENS_H

#include <stdbool.h>

#include "common/config/config.h"
#include "common/protocol/fetch.h"
#include "common/system/loop.h"
#include "common/system/start.h"
#include "fetch/download.h"

#define TOKENS_EARLY_MS \
	120000 /* before it expires a token is not given any more; at most half of its time */
#define TOKENS_FAILED_MS 30000 /* between two attempts when one has failed */
#define TOKENS_YOUNG_MS \
	60000 /* one that is younger is not fetched again because a host refused it */

struct tokens;
struct token;

/* somebody who waits for one */
struct tokens_waiter {
	struct token *token; /* NULL: for none */
	struct tokens_waiter *next;
	void (*ready)(struct tokens_waiter *w);
	void *owner;
};

/* tokens_read - the files `refresh.N` and `client.N` of the row; before confine; fatal() where one has no secret in it */
struct tokens *tokens_read(const struct start *s, const struct config *config);
void tokens_start(struct tokens *t, struct loop *loop, const struct download_means *means);
void tokens_free(struct tokens *t);

/* tokens_ask - true: `w` waits, and *answer says nothing.  The spans of *answer live until the next turn. */
bool tokens_ask(struct tokens *t, struct span login, bool is_refused, struct tokens_waiter *w,
		struct fetch_token_answer *answer) __attribute__((warn_unused_result));
/* tokens_look - what there is, without fetching */
void tokens_look(struct tokens *t, struct span login, struct fetch_token_answer *answer);
/* tokens_leave - fine when it does not wait */
void tokens_leave(struct tokens_waiter *w);

#endif
