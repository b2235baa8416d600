/*
 * addresses - see addresses.h
 */
#include "fetch/addresses.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "common/system/clock.h"

static void
add_address(char *text, size_t size, const struct resolver_record *r)
{
	char one[INET6_ADDRSTRLEN];
	bool is_v6 = r->data.len == sizeof(struct in6_addr);
	size_t len = strlen(text);

	if (inet_ntop(is_v6 ? AF_INET6 : AF_INET, r->data.at, one, sizeof(one)) != NULL)
		snprintf(text + len, size - len, "%s%s%s%s", len > 0 ? "," : "", is_v6 ? "[" : "",
			 one, is_v6 ? "]" : "");
}

int
addresses_find(struct resolver_client *c, struct arena *arena, const char *host,
	       char text[ADDRESSES_TEXT_MAX], char reason[FETCH_REASON_MAX + 1])
{
	const struct resolver_question q[] = {{RESOLVER_AAAA, span_of(host)},
					      {RESOLVER_A, span_of(host)}};
	struct resolver_found found[2];
	size_t count = 0;

	text[0] = '\0';
	resolver_client_ask(c, q, 2, arena, clock_monotonic_ms() + ADDRESSES_DNS_MS, found);
	for (size_t i = 0; count < HTTPS_ADDRESSES_MAX; i++) {
		size_t before = count;

		for (size_t kind = 0; kind < 2 && count < HTTPS_ADDRESSES_MAX; kind++) {
			if (found[kind].outcome != RESOLVER_FOUND || i >= found[kind].count)
				continue;
			add_address(text, ADDRESSES_TEXT_MAX, &found[kind].records[i]);
			count++;
		}
		if (count == before)
			break;
	}
	if (count > 0)
		return 0;
	snprintf(reason, FETCH_REASON_MAX + 1, "%s has no address%s%.*s", host,
		 found[1].outcome == RESOLVER_TROUBLE ? ": " : "", SPAN_ARG(found[1].text));
	return -1;
}
