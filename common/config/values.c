/*
 * values - see values.h
 */
#include <arpa/inet.h>

#include <string.h>

#include "common/config/values.h"
#include "common/mail/domain.h"
#include "common/text/number.h"

int
value_ip(struct span word, int *family, unsigned char address[16])
{
	char text[INET6_ADDRSTRLEN];
	unsigned char bytes[16] = {0};
	bool bracketed = word.len > 2 && word.at[0] == '[' && word.at[word.len - 1] == ']';

	if (bracketed)
		word = span_from(word.at + 1, word.len - 2);
	if (span_copy(word, text, sizeof(text)) < 0)
		return -1;
	if (!bracketed && inet_pton(AF_INET, text, bytes) == 1)
		*family = AF_INET;
	else if (inet_pton(AF_INET6, text, bytes) == 1)
		*family = AF_INET6;
	else
		return -1;
	memcpy(address, bytes, sizeof(bytes));
	return 0;
}

/* are all bits behind the first `bits` 0? */
static bool
is_masked(const unsigned char address[16], unsigned bits)
{
	for (unsigned i = bits; i < 128; i++)
		if (address[i / 8] & (0x80 >> i % 8))
			return false;
	return true;
}

int
value_network(struct span word, struct config_network *to)
{
	struct config_network network = {0};
	struct span rest = word;
	struct span address = span_cut(&rest, '/');
	uint64_t bits;

	if (value_ip(address, &network.family, network.address) < 0)
		return -1;
	bits = network.family == AF_INET ? 32 : 128;
	if (address.len < word.len && number_parse(rest, 0, bits, &bits) < 0)
		return -1;
	network.bits = (unsigned)bits;
	if (!is_masked(network.address, network.bits))
		return -1;
	*to = network;
	return 0;
}

/* HOST:PORT at its last colon; what is before may hold colons only within brackets */
static int
split_port(struct span word, struct span *host, uint16_t *port)
{
	size_t at = word.len;
	uint64_t number;

	while (at > 0 && word.at[at - 1] != ':')
		at--;
	if (at < 2 || number_parse(span_skip(word, at), 1, 65535, &number) < 0)
		return -1;
	*host = span_from(word.at, at - 1);
	if (span_has(*host, ':') && host->at[0] != '[')
		return -1;
	*port = (uint16_t)number;
	return 0;
}

int
value_listen(struct span word, struct sockaddr_storage *to, socklen_t *len)
{
	struct span host;
	unsigned char address[16];
	uint16_t port;
	int family;

	if (split_port(word, &host, &port) < 0 || value_ip(host, &family, address) < 0)
		return -1;
	memset(to, 0, sizeof(*to));
	if (family == AF_INET) {
		struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(port)};

		memcpy(&sin.sin_addr, address, sizeof(sin.sin_addr));
		memcpy(to, &sin, sizeof(sin));
		*len = sizeof(sin);
	} else {
		struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

		memcpy(&sin6.sin6_addr, address, sizeof(sin6.sin6_addr));
		memcpy(to, &sin6, sizeof(sin6));
		*len = sizeof(sin6);
	}
	return 0;
}

/* four groups of digits that are no address (300.1.1.1) are no name either */
static bool
looks_like_ip(struct span host)
{
	for (size_t i = 0; i < host.len; i++)
		if (host.at[i] != '.' && (host.at[i] < '0' || host.at[i] > '9'))
			return false;
	return true;
}

int
value_host_port(struct span word, struct span *host, uint16_t *port)
{
	struct span name;
	uint16_t number;
	unsigned char address[16];
	int family;

	if (split_port(word, &name, &number) < 0)
		return -1;
	if (value_ip(name, &family, address) == 0) {
		if (family == AF_INET6)
			name = span_from(name.at + 1, name.len - 2);
	} else if (looks_like_ip(name) || !domain_is_valid(name)) {
		return -1;
	}
	*host = name;
	*port = number;
	return 0;
}

int
value_mx(struct span word, struct span *domain, uint16_t *port)
{
	struct span name = word;
	uint16_t number = 25;
	unsigned char address[16];
	int family;

	if (span_has(word, ':') && split_port(word, &name, &number) < 0)
		return -1;
	if (looks_like_ip(name) || value_ip(name, &family, address) == 0 || !domain_is_valid(name))
		return -1;
	*domain = name;
	*port = number;
	return 0;
}

/* is there a component `.` or `..`? */
static bool
has_dots(struct span path)
{
	while (path.len > 0) {
		struct span part = span_cut(&path, '/');

		if (span_equal(part, SPAN(".")) || span_equal(part, SPAN("..")))
			return true;
	}
	return false;
}

int
value_path(struct span word, struct span *to)
{
	if (word.len < 2 || word.len > VALUE_PATH_MAX || word.at[0] != '/' || has_dots(word))
		return -1;
	while (word.len > 1 && word.at[word.len - 1] == '/')
		word.len--;
	if (word.len < 2)
		return -1;
	*to = word;
	return 0;
}

const char *
value_mailbox_path(struct span word, size_t *at)
{
	static const struct span inside[] = {SPAN("{user}"), SPAN("{ext}"), SPAN("{domain}")};
	size_t i = 0;

	*at = 0;
	if (span_starts(word, SPAN("~/")))
		i = 1;
	else if (span_starts(word, SPAN("{home}/")))
		i = 6;
	else if (!span_starts(word, SPAN("/")))
		return "expected a path that begins with `~/`, `{home}/` or `/`";
	if (word.len > VALUE_PATH_MAX)
		return "the path is too long";
	if (has_dots(word))
		return "no part of the path may be `.` or `..`";
	while (i < word.len) {
		size_t step = 1;

		if (word.at[i] == '{' || word.at[i] == '}') {
			step = 0;
			for (size_t n = 0; n < sizeof(inside) / sizeof(inside[0]); n++)
				if (span_starts(span_skip(word, i), inside[n]))
					step = inside[n].len;
		}
		if (step == 0) {
			*at = i;
			return span_starts(span_skip(word, i), SPAN("{home}"))
				       ? "`{home}` is the whole beginning of a path; expected "
					 "`{user}`, `{ext}` or `{domain}` here"
				       : "expected `{user}`, `{ext}` or `{domain}`, or `{home}` at "
					 "the "
					 "beginning";
		}
		i += step;
	}
	if (word.at[word.len - 1] == '/')
		return "expected the name of a Maildir behind the last `/`";
	return NULL;
}

#define RATE_DIGITS 3 /* behind the point */
#define RATE_UNIT 1000
#define RATE_MAX 1000000

/* thousandths of NUMBER or NUMBER.DIGITS */
static int
thousandths(struct span word, uint64_t *value)
{
	struct span rest = word;
	struct span whole = span_cut(&rest, '.');
	uint64_t n, part = 0;

	if (number_parse(whole, 0, RATE_MAX, &n) < 0)
		return -1;
	if (whole.len < word.len) {
		if (rest.len > RATE_DIGITS || number_parse(rest, 0, RATE_UNIT - 1, &part) < 0)
			return -1;
		for (size_t i = rest.len; i < RATE_DIGITS; i++)
			part *= 10;
	}
	*value = n * RATE_UNIT + part;
	return *value > 0 ? 0 : -1;
}

int
value_rate(struct span word, uint64_t *us)
{
	char period[32] = "";
	struct span rest = word;
	struct span number = span_cut(&rest, '/');
	uint64_t messages, ms, between;

	if (rest.len == 0 || rest.len > sizeof(period) - 2 || thousandths(number, &messages) < 0)
		return -1;
	/* the unit alone is one of it */
	if (rest.at[0] < '0' || rest.at[0] > '9')
		period[0] = '1';
	strncat(period, rest.at, rest.len);
	if (number_parse_duration(span_of(period), 1, VALUE_RATE_MAX_US / 1000, &ms) < 0)
		return -1;
	between = ms * 1000 * RATE_UNIT / messages;
	if (between < 1 || between > VALUE_RATE_MAX_US)
		return -1;
	*us = between;
	return 0;
}
