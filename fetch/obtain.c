/*
 * obtain - see the header; called by download.c, after the fork
 */
#include "fetch/obtain.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/protocol/fetch-client.h"
#include "common/protocol/resolver-client.h"
#include "common/system/clock.h"
#include "fetch/addresses.h"
#include "fetch/cache.h"
#include "fetch/https.h"

#define ARENA_MAX (1 << 20)
#define HOST_MAX (sizeof(STS_HOST) + FETCH_DOMAIN_MAX + 1)

static void __attribute__((format(printf, 3, 4)))
end_as(struct obtain_result *to, enum obtain_outcome outcome, const char *format, ...)
{
	va_list args;

	to->outcome = outcome;
	va_start(args, format);
	vsnprintf(to->reason, sizeof(to->reason), format, args);
	va_end(args);
}

/* 0: *id is that of the record */
static int
find_record(struct resolver_client *c, struct arena *arena, const char *domain, struct span *id,
	    struct obtain_result *result)
{
	char name[sizeof(STS_RECORD_NAME) + FETCH_DOMAIN_MAX + 1];
	struct resolver_question q = {.rr = RESOLVER_TXT};
	struct resolver_found found;

	snprintf(name, sizeof(name), STS_RECORD_NAME ".%s", domain);
	q.name = span_of(name);
	resolver_client_ask(c, &q, 1, arena, clock_monotonic_ms() + OBTAIN_DNS_MS, &found);
	*id = fetch_client_id(&found);
	if (id->len > 0)
		return 0;
	if (found.outcome == RESOLVER_TROUBLE)
		end_as(result, OBTAIN_FAILED, "%s: %.*s", name, SPAN_ARG(found.text));
	else
		end_as(result, OBTAIN_NO_RECORD, "%s has no record of MTA-STS", domain);
	return -1;
}

/* -1: there are none */
static int
find_addresses(struct resolver_client *c, struct arena *arena, const char *host,
	       char text[ADDRESSES_TEXT_MAX], struct obtain_result *result)
{
	result->outcome = OBTAIN_FAILED;
	return addresses_find(c, arena, host, text, result->reason);
}

void
obtain(const char *domain, const char *resolver, X509_STORE *authorities, int draft,
       struct obtain_result *result)
{
	static struct resolver_client c;
	static char addresses[ADDRESSES_TEXT_MAX], host[HOST_MAX];
	struct https_request request = {.host = host,
					.path = STS_PATH,
					.port = HTTPS_PORT,
					.type = "text/plain",
					.addresses = addresses,
					.authorities = authorities};
	struct arena arena;
	struct buffer body;
	struct span id;

	arena_init(&arena, ARENA_MAX);
	buffer_init(&body, STS_POLICY_MAX);
	resolver_client_init(&c, resolver);
	snprintf(host, sizeof(host), STS_HOST ".%s", domain);
	if (find_record(&c, &arena, domain, &id, result) == 0 &&
	    find_addresses(&c, &arena, host, addresses, result) == 0) {
		if (https_get(&request, &body, result->reason) < 0)
			result->outcome = OBTAIN_FAILED;
		else if (cache_write(draft, clock_wall_us() / 1000000, id, buffer_get(&body)) < 0)
			end_as(result, OBTAIN_FAILED, "the policy cannot be written");
		else
			result->outcome = OBTAIN_WRITTEN;
	}
	resolver_client_close(&c);
	buffer_free(&body);
	arena_free(&arena);
}

bool
obtain_is_sound(const void *result)
{
	const struct obtain_result *r = result;

	return (r->outcome == OBTAIN_WRITTEN || r->outcome == OBTAIN_NO_RECORD ||
		r->outcome == OBTAIN_FAILED) &&
	       memchr(r->reason, '\0', sizeof(r->reason)) != NULL;
}
