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

static bool
is_place(const struct lookup_leaf *leaf)
{
	switch ((enum lookup_leaf_kind)leaf->kind) {
	case LOOKUP_MAILBOX:
	case LOOKUP_LINE:
	case LOOKUP_ALIAS:
	case LOOKUP_SMTP:
	case LOOKUP_DISCARD:
	case LOOKUP_HOLD:
		return true;
	case LOOKUP_DEFER:
	case LOOKUP_REFUSE:
		break;
	}
	return false;
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

/* is the address this place alone?  Where it is one of several, mail is taken for the others. */
static bool
is_alone(const struct routes *r, struct span address, const struct lookup_leaf *place,
	 int64_t now_ms, struct arena *arena)
{
	struct expansion e;
	size_t places = 0;

	if (span_equal(place->address, address))
		return true;
	aliases_expand(r, address, false, false, now_ms, arena, &e);
	for (size_t i = 0; i < e.count; i++)
		places += is_place(&e.leaves[i]);
	return places == 1;
}

/* somebody is there: `place` takes his mail, or its next hop is to be asked whether it does */
static void
set_local(const struct routes *r, struct span address, const struct lookup_leaf *place,
	  int64_t now_ms, struct arena *arena, struct lookup_verdict *v)
{
	set(v, LOOKUP_LOCAL, NULL);
	if (!at_next_hop(r, place) || !is_alone(r, address, place, now_ms, arena))
		return;
	v->ask = place->address;
	v->block = place->domain;
}

void
recipients_verdict(const struct routes *r, struct span address, int64_t now_ms, struct arena *arena,
		   struct lookup_verdict *v)
{
	const struct lookup_leaf *defer = NULL;
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
		if (is_place(&e.leaves[i])) {
			set_local(r, address, &e.leaves[i], now_ms, arena, v);
			return;
		}
		if (e.leaves[i].kind == LOOKUP_DEFER)
			defer = &e.leaves[i];
	}
	if (defer != NULL)
		set(v, LOOKUP_TROUBLE, defer);
	else
		set(v, LOOKUP_REFUSED, &e.leaves[0]);
}
