/*
 * recipients - see recipients.h
 */
#include "lookup/recipients.h"

#include "lookup/aliases.h"

static void
set(struct lookup_verdict *v, enum lookup_class class, const struct lookup_leaf *why)
{
	*v = (struct lookup_verdict){.class = class, .status = SPAN_NONE, .text = SPAN_NONE};
	if (why == NULL)
		return;
	v->code = why->code;
	v->status = why->status;
	v->text = why->text;
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
		switch ((enum lookup_leaf_kind)e.leaves[i].kind) {
		case LOOKUP_MAILBOX:
		case LOOKUP_LINE:
		case LOOKUP_ALIAS:
		case LOOKUP_SMTP:
		case LOOKUP_DISCARD:
		case LOOKUP_HOLD:
			set(v, LOOKUP_LOCAL, NULL);
			return;
		case LOOKUP_DEFER:
			defer = &e.leaves[i];
			break;
		case LOOKUP_REFUSE:
			break;
		}
	}
	if (defer != NULL)
		set(v, LOOKUP_TROUBLE, defer);
	else
		set(v, LOOKUP_REFUSED, &e.leaves[0]);
}
