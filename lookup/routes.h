/*
 * routes - one address, aliases apart: a mailbox, the next hop, or nobody
 *
 * Called by aliases.c for every address that no alias takes.
 *
 * An address of a domain that is not local goes where the `route` of that domain says (the most specific one), else to the
 * smarthosts, else by the MX of the domain; one of an address literal to that address.
 *
 * As root a local address is the mailbox of the system user of that name (without regard to case; the part before the
 * `extension` separator where the whole is no user), if the domain has system users.  root, postmaster, abuse,
 * mailer-daemon and users with a uid below `min-uid` have no mailbox of their own: theirs is that of the user `root`,
 * which `local` keeps in config->root_mail.  As an ordinary user there is one mailbox: his, also for root, postmaster, abuse.
 *
 * Of a block with `users TABLE` or `relay` virtual.c says; root, postmaster and their like are there as well, if they have no
 * mailbox of their own and the mail ends here.
 */
#ifndef LOOKUP_ROUTES_H
#define LOOKUP_ROUTES_H

#include <stdbool.h>
#include <stdint.h>

#include "common/config/config.h"
#include "common/mail/address.h"
#include "common/protocol/lookup.h"
#include "common/system/passwd.h"
#include "common/text/arena.h"
#include "common/text/span.h"
#include "lookup/tables.h"
#include "lookup/users.h"

#define ROUTES_ROOT_USER "root"

/* all that lookup knows */
struct routes {
	const struct config *config;
	struct tables *tables;
	struct users *users;
	bool as_root;
	char own_user[PASSWD_NAME_MAX + 1]; /* as an ordinary user: who; empty: nobody knows him */
};

/* an address taken apart */
struct routes_name {
	const struct config_domain *domain; /* NULL: not ours */
	char whole[ADDRESS_LOCAL_MAX + 1];  /* local part, unquoted, lower case */
	size_t whole_len;
	size_t base_len; /* without extension; whole_len where there is none */
	struct span
		domain_text; /* as the address has it, UTF-8 as A-labels; hostname where it has none */
	char ascii[ADDRESS_DOMAIN_MAX + 1]; /* those A-labels */
};

/* routes_init - own_user is asked of NSS unless `as_root`; fatal() when memory is out */
void routes_init(struct routes *r, const struct config *config, struct tables *tables,
		 struct users *users, bool as_root);

/* routes_name - -1: no address, nobody can have it; spans point into `address`, the configuration and *n itself */
int routes_name(const struct routes *r, struct span address, struct routes_name *n)
	__attribute__((warn_unused_result));

/*
 * routes_leaf - what `n` is when no alias takes it; false: a name of ours that nobody has, and *leaf refuses it
 *
 * Sets all of *leaf but number and leaves; spans live in `arena`, in the configuration or in `address`.  Memory out: a DEFER leaf.
 */
bool routes_leaf(const struct routes *r, const struct routes_name *n, struct span address,
		 int64_t now_ms, struct arena *arena, struct lookup_leaf *leaf);

/*
 * routes_ending - where a leaf that is a mailbox leads as the block's `deliver` says, whose .forward was read or need not be
 *
 * Of a user whose .forward is to be read first it stays a mailbox: his agent sends what is none of its own back with `direct`.
 */
void routes_ending(const struct routes *r, uint64_t direct, struct lookup_leaf *leaf);

/* a leaf that is no place; `text` is a literal */
void routes_refuse(struct lookup_leaf *leaf, struct span address, uint64_t code, const char *status,
		   const char *text);
void routes_defer(struct lookup_leaf *leaf, struct span address, uint64_t code, const char *status,
		  const char *text);

#endif
