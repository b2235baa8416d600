/*
 * hop - see hop.h
 */
#include "common/mail/hop.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "common/mail/domain.h"
#include "common/text/number.h"

#define ADDRESS_TEXT_MAX 64

static bool
is_address(struct span text, int family)
{
	char copy[ADDRESS_TEXT_MAX];
	unsigned char bytes[16];
	return span_copy(text, copy, sizeof(copy)) == 0 && inet_pton(family, copy, bytes) == 1;
}

/* "host:port" or "[address]:port" */
static int
take_host(struct span word, struct hop *hop)
{
	uint64_t port;
	if (word.len > 0 && word.at[0] == '[') {
		struct span rest = span_skip(word, 1);
		hop->host = span_cut(&rest, ']');
		if (rest.len == 0 || rest.at[0] != ':')
			return -1;
		word = span_skip(rest, 1);
		hop->is_literal = is_address(hop->host, AF_INET6) || is_address(hop->host, AF_INET);
		if (!hop->is_literal)
			return -1;
	} else {
		hop->host = span_cut(&word, ':');
		hop->is_literal = is_address(hop->host, AF_INET);
		if (!hop->is_literal && !domain_is_valid(hop->host))
			return -1;
	}
	if (number_parse(word, 1, UINT16_MAX, &port) < 0)
		return -1;
	hop->port = (uint16_t)port;
	return hop->is_mx && hop->is_literal ? -1 : 0;
}

int
hop_parse(struct span word, struct hop *hop)
{
	struct hop found = {.host = SPAN_NONE, .path = SPAN_NONE};
	if (span_starts(word, SPAN("mx:"))) {
		found.is_mx = true;
		word = span_skip(word, 3);
	} else if (span_starts(word, SPAN("lmtp:"))) {
		found.is_lmtp = true;
		word = span_skip(word, 5);
	}
	if (found.is_lmtp && word.len > 1 && word.at[0] == '/')
		found.path = word;
	else if (take_host(word, &found) < 0)
		return -1;
	*hop = found;
	return 0;
}

struct span
hop_mx(struct span domain, uint16_t port, char *to, size_t size)
{
	int len = snprintf(to, size, "mx:%.*s:%u", SPAN_ARG(domain), (unsigned)port);

	return len > 0 && (size_t)len < size ? span_from(to, (size_t)len) : SPAN_NONE;
}

void
hop_write(const struct hop *hop, struct buffer *to)
{
	if (hop->is_mx)
		buffer_string(to, "mx:");
	if (hop->is_lmtp)
		buffer_string(to, "lmtp:");
	if (hop->path.len > 0) {
		buffer_span(to, hop->path);
		return;
	}
	bool is_bracketed = hop->is_literal && span_has(hop->host, ':');
	buffer_format(to, "%s%.*s%s:%u", is_bracketed ? "[" : "", SPAN_ARG(hop->host),
		      is_bracketed ? "]" : "", (unsigned)hop->port);
}
