/*
 * domain - names and literals as HELO and addresses carry them
 *
 * Called by address.c and smtpd/hello.c.  Promises that what passes holds nothing but letters, digits, `-`, `_`, `.`, and in
 * literals `[`, `]`, `:`: such bytes may stand in a header field, an event and a file name.
 * RFC 5321, sections 4.1.2 and 4.1.3; RFC 1035, section 2.3.4.
 */
#include "common/mail/domain.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#define DOMAIN_MAX 255
#define LABEL_MAX 63
/* "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255" and its NUL */
#define LITERAL_MAX INET6_ADDRSTRLEN

static bool
is_label(struct span label)
{
	if (label.len == 0 || label.len > LABEL_MAX)
		return false;
	if (label.at[0] == '-' || label.at[label.len - 1] == '-')
		return false;
	for (size_t i = 0; i < label.len; i++) {
		char c = ascii_lower(label.at[i]);
		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '_')
			return false;
	}
	return true;
}

bool
domain_is_valid(struct span name)
{
	struct span rest = name;

	if (name.len == 0 || name.len > DOMAIN_MAX || name.at[name.len - 1] == '.')
		return false;
	while (rest.len > 0) {
		if (!is_label(span_cut(&rest, '.')))
			return false;
	}
	return true;
}

bool
domain_is_literal(struct span name)
{
	char text[LITERAL_MAX];
	unsigned char address[sizeof(struct in6_addr)];

	if (name.len < 2 || name.at[0] != '[' || name.at[name.len - 1] != ']')
		return false;
	struct span inside = span_from(name.at + 1, name.len - 2);
	int family = AF_INET;
	if (span_starts_nocase(inside, SPAN("IPv6:"))) {
		inside = span_skip(inside, sizeof("IPv6:") - 1);
		family = AF_INET6;
	}
	return span_copy(inside, text, sizeof(text)) == 0 && inet_pton(family, text, address) == 1;
}
