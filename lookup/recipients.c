/*
 * recipients - see recipients.h
 */
#include "lookup/recipients.h"

#include "lookup/aliases.h"

static void
set(struct lookup_verdict *v, enum lookup_class class, const struct lookup_leaf *why)
{
	*v = (struct lookup_verdict){.class = class,
				     .status = SPAN_NONE,
				     .text = SPAN_NONE,
				     .ask = SPAN_NONE,
				     .block = SPAN_NONE};
	if (why == NULL)
		return;
	v->code = why->code;
	v->status = why->status;
	v->text = why->text;
}

/* at_next_hop - is it one for whom the next hop is asked? */
static bool
at_next_hop(const struct routes *r, const struct lookup_leaf *leaf)
{
	const struct config_domain *d;

	if (leaf->kind != LOOKUP_SMTP)
		return false;
	d = config_domain_find(r->config, leaf->domain);
	return d != NULL && d->is_verified;
}

/* there is somebody: `found` the last of them.  One alone may have to be asked for; of several one is enough. */
static void
set_local(const struct routes *r, const struct lookup_leaf *found, size_t count,
	  struct lookup_verdict *v)
{
	set(v, LOOKUP_LOCAL, NULL);
	if (count > 1 || !at_next_hop(r, found))
		return;
	v->ask = found->address;
	v->block = found->domain;
}

void
recipients_verdict(const struct routes *r, struct span address, int64_t now_ms, struct arena *arena,
		   struct lookup_verdict *v)
{
	const struct lookup_leaf *defer = NULL, *found = NULL;
	size_t count = 0;
	struct lookup_leaf wrong;
	struct routes_name n;
	struct expansion e;

	if (routes_name(r, address, &n) < 0) {
		routes_refuse(&wrong, address, 550, "5.1.3", "nobody can have this address");
		set(v, LOOKUP_REFUSED, &wrong);
		return;
	}
	if (n.domain == NULL) {
		/* what would only come back is not taken from anybody */
		(void)routes_leaf(r, &n, address, now_ms, arena, &wrong);
		if (wrong.kind == LOOKUP_REFUSE)
			set(v, LOOKUP_REFUSED, &wrong);
		else
			set(v, LOOKUP_RELAY, NULL);
		return;
	}
	aliases_expand(r, address, false, true, now_ms, arena, &e);
	for (size_t i = 0; i < e.count; i++) {
		switch ((enum lookup_leaf_kind)e.leaves[i].kind) {
		case LOOKUP_MAILBOX:
		case LOOKUP_LINE:
		case LOOKUP_ALIAS:
		case LOOKUP_SMTP:
		case LOOKUP_DISCARD:
		case LOOKUP_HOLD:
			found = &e.leaves[i];
			count++;
			break;
		case LOOKUP_DEFER:
			defer = &e.leaves[i];
			break;
		case LOOKUP_REFUSE:
			break;
		}
	}
	if (found != NULL)
		set_local(r, found, count, v);
	else if (defer != NULL)
		set(v, LOOKUP_TROUBLE, defer);
	else
		set(v, LOOKUP_REFUSED, &e.leaves[0]);
}
