/*
 * sts - see the header; called by demand.c
 */
#include "delivery/sts.h"

#include <stdio.h>
#include <string.h>

#include "common/system/clock.h"

#define ARENA_MAX (1 << 20)

void
sts_init(struct sts *s, const char *path)
{
	memset(s, 0, sizeof(*s));
	fetch_client_init(&s->client, path);
	arena_init(&s->arena, ARENA_MAX);
}

void
sts_free(struct sts *s)
{
	fetch_client_close(&s->client);
	arena_free(&s->arena);
}

/* the id of the domain's record; empty: it has none that could be had */
static struct span
find_record(struct sts *s, struct resolver_client *resolver)
{
	char name[sizeof(STS_RECORD_NAME) + sizeof(s->domain)];
	struct resolver_question q = {.rr = RESOLVER_TXT};
	struct resolver_found found;

	snprintf(name, sizeof(name), STS_RECORD_NAME ".%s", s->domain);
	q.name = span_of(name);
	resolver_client_ask(resolver, &q, 1, &s->arena, clock_monotonic_ms() + STS_DNS_MS, &found);
	return fetch_client_id(&found);
}

static enum policy_sts_mode
mode_of(enum sts_mode mode)
{
	switch (mode) {
	case STS_NONE:
		return POLICY_STS_NONE;
	case STS_TESTING:
		return POLICY_STS_TESTING;
	case STS_ENFORCE:
		break;
	}
	return POLICY_STS_ENFORCE;
}

int
sts_find(struct sts *s, struct resolver_client *resolver, struct span domain,
	 const struct policy_sts **policy)
{
	int64_t now_ms = clock_monotonic_ms();

	*policy = NULL;
	if (!span_equal_nocase(domain, span_of(s->domain)) || now_ms >= s->until_ms) {
		arena_reset(&s->arena);
		s->until_ms = 0;
		/* no policy can be published below a longer name */
		if (span_copy(domain, s->domain, sizeof(s->domain)) < 0)
			return 0;
		for (char *c = s->domain; *c != '\0'; c++)
			*c = ascii_lower(*c);
		if (fetch_client_sts(&s->client, span_of(s->domain), find_record(s, resolver),
				     &s->arena, clock_monotonic_ms() + FETCH_WAIT_MS,
				     &s->found) < 0)
			return -1;
		s->policy =
			(struct policy_sts){mode_of(s->found.mode), s->found.mx, s->found.mx_count};
		s->until_ms = clock_monotonic_ms() + STS_KEEP_MS;
	}
	if (s->found.mode != 0)
		*policy = &s->policy;
	return 0;
}
