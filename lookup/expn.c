/*
 * expn - see expn.h
 */
#include "lookup/expn.h"

bool
expn_may(struct expn *e, struct span client, uint64_t max, int64_t now_ms)
{
	size_t at = EXPN_CLIENTS_MAX;

	for (size_t i = 0; i < EXPN_CLIENTS_MAX; i++) {
		bool is_over = now_ms - e->clients[i].since_ms >= EXPN_HOUR_MS;

		if (e->clients[i].client[0] != '\0' && !is_over) {
			if (span_equal(span_of(e->clients[i].client), client))
				return e->clients[i].count < max && ++e->clients[i].count > 0;
		} else if (at == EXPN_CLIENTS_MAX) {
			at = i;
		}
	}
	if (at == EXPN_CLIENTS_MAX ||
	    span_copy(client, e->clients[at].client, sizeof(e->clients[at].client)) < 0)
		return false;
	e->clients[at].since_ms = now_ms;
	e->clients[at].count = 1;
	return true;
}

/* a leaf of nothing but an address */
static struct lookup_leaf
only_address(const struct lookup_leaf *l, enum lookup_leaf_kind kind)
{
	return (struct lookup_leaf){.kind = kind,
				    .address = l->address,
				    .owner = SPAN_NONE,
				    .user = SPAN_NONE,
				    .domain = SPAN_NONE,
				    .hosts = SPAN_NONE,
				    .status = SPAN_NONE,
				    .text = SPAN_NONE,
				    .home = SPAN_NONE};
}

void
expn_answer(const struct routes *r, struct span address, bool is_refused, int64_t now_ms,
	    struct arena *arena, struct expansion *e)
{
	size_t shown = 0;

	/* a refusal needs no memory of its own: it takes the place of the first leaf */
	aliases_expand(r, address, LOOKUP_DIRECT_NOT, false, now_ms, arena, e);
	if (is_refused) {
		routes_defer(&e->leaves[0], address, 450, "4.7.1",
			     "asked too often, try again later");
		e->count = 1;
		return;
	}
	if (e->count == 1 &&
	    (e->leaves[0].kind == LOOKUP_REFUSE || e->leaves[0].kind == LOOKUP_DEFER))
		return;
	for (size_t i = 0; i < e->count; i++)
		if (e->leaves[i].line == 0 && e->leaves[i].kind != LOOKUP_ALIAS)
			e->leaves[shown++] = only_address(&e->leaves[i], LOOKUP_MAILBOX);
	if (shown == 0) {
		e->leaves[0] = only_address(&e->leaves[0], LOOKUP_DISCARD);
		e->leaves[0].address = address;
		shown = 1;
	}
	e->count = shown;
}
