/*
 * secrets - the files of `login`: opened by master for delivery alone (those of `refresh` for fetch alone), looked at once a minute
 *
 * A password changes when somebody changes it, a token each hour by what fetches it; so a new file becomes a new delivery and a new fetch, and the agents of the
 * one before end in their own time.  What others may read is refused, before anything starts with it.
 */
#ifndef MASTER_SECRETS_H
#define MASTER_SECRETS_H

#include "common/config/config.h"
#include "master/copies.h"
#include "master/trust.h"

struct master;

struct secrets_set {
	struct copy files[CONFIG_LOGINS_MAX];	/* in the order of config->logins */
	struct copy clients[CONFIG_LOGINS_MAX]; /* `client-secret`; without one: no descriptor */
	size_t count;
};

struct secrets {
	struct secrets_set now;
	struct secrets_set
		found; /* what was looked at last, identities alone: what is refused is told once */
};

/* secrets_load - copies of what `c` names; -1: `why` names the file and what is wrong */
int secrets_load(const struct config *c, struct secrets_set *to, struct buffer *why)
	__attribute__((warn_unused_result));
void secrets_free(struct secrets_set *set);
/* secrets_put - they are the present ones from now on; takes them */
void secrets_put(struct secrets *s, struct secrets_set *set);
/* secrets_look - once a minute: true when there are new ones, and who has them must be renewed */
bool secrets_look(struct master *m);
/* secrets_fill - the files of a row */
void secrets_fill(const struct secrets *s, const struct config *c, const struct trust_row *row,
		  struct start *to);

#endif
