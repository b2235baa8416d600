/*
 * logins - see logins.h
 */
#include "lookup/logins.h"

#include "common/system/events.h"
#include "lookup/senders.h"

static void
defer(struct lookup_leaf *leaf, const char *text)
{
	routes_defer(leaf, leaf->address, 451, "4.3.5", text);
}

/* the value of a table */
static void
take_name(const struct routes *r, struct span sender, struct span value, struct lookup_leaf *leaf)
{
	const struct config_login *login = config_login_find(r->config, span_trim(value));

	if (login != NULL) {
		leaf->user = span_of(login->name);
	} else if (!span_equal(span_trim(value), SPAN("none"))) {
		EVENT("login-unknown", event_text("sender", sender), event_text("login", value));
		defer(leaf, "the login of its sender is not in the configuration");
	} else {
		leaf->user = SPAN_NONE;
	}
}

void
logins_choose(const struct routes *r, struct span sender, int64_t now_ms, struct arena *arena,
	      struct lookup_leaf *leaf)
{
	const struct config_sent_as *as;
	struct table_answer answer;

	if (leaf->kind != LOOKUP_SMTP)
		return;
	as = config_sent_as_of(r->config, leaf->domain);
	if (as == NULL)
		return;
	leaf->user = span_of(as->login != NULL ? as->login : "");
	/* a notice has no sender, and goes by the block's own */
	if (as->senders.count == 0 || sender.len == 0)
		return;
	switch (senders_find(r, &as->senders, sender, now_ms, arena, &answer)) {
	case TABLE_FOUND:
		take_name(r, sender, answer.value, leaf);
		return;
	case TABLE_ABSENT:
		return;
	case TABLE_TROUBLE:
		break;
	}
	defer(leaf, "the login of its sender cannot be looked up now");
}
