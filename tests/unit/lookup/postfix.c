/*
 * Postfix's own cases about names and addresses: what it makes of each, and what we make of it
 *
 * Tables are judged where they are read (tests/unit/config/rules.c, patterns.c).  The cases are optional data; what differs is named here with
 * its reason, and nothing else may differ.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mail/address.h"
#include "common/mail/domain.h"
#include "lookup/idna.h"

#define REFUSED "(error)"
#define NUMERIC \
	"RFC 5321 lets a label begin with a digit; the DNS says whether there is such a name"

/* a case on which we differ */
struct difference {
	const char *input, *ours, *reason;
};

static struct span
read_data(const char *name)
{
	static char text[65536];
	const char *folder = getenv("CULVER_TEST_DATA");
	char path[4096];
	FILE *f;
	size_t len;

	snprintf(path, sizeof(path), "%s/postfix-tables/%s",
		 folder != NULL ? folder : "../shared/data", name);
	f = fopen(path, "r");
	if (f == NULL)
		return span_from(NULL, 0);
	len = fread(text, 1, sizeof(text), f);
	fclose(f);
	return span_from(text, len);
}

/* same - true: as Postfix has it; what is not must stand in the list, with what we say */
static bool
same(const char *input, const char *ours, const char *theirs, const struct difference *d)
{
	if (strcmp(ours, theirs) == 0)
		return true;
	while (d->input != NULL && strcmp(d->input, input) != 0)
		d++;
	if (d->input == NULL || strcmp(d->ours, ours) != 0)
		fail_msg("%s: %s, and Postfix says %s", input, ours, theirs);
	print_message("%s: %s, not %s: %s\n", input, ours, theirs, d->reason);
	return false;
}

static void
say_sum(const char *what, size_t count, size_t differ)
{
	assert_true(count > differ);
	print_message("Postfix %s: %zu cases, %zu of them differ\n", what, count, differ);
}

/* quoted - the next text in quotes of the line, into `to` */
static bool
quoted(struct span *line, char to[1024])
{
	(void)span_cut(line, '"');
	if (line->len == 0)
		return false;
	return span_copy(span_cut(line, '"'), to, 1024) == 0;
}

static const char *
ascii_of(const char *name)
{
	static char ascii[ADDRESS_DOMAIN_MAX + 1];
	struct span s = span_of(name);

	if (idna_is_needed(s)) {
		if (idna_ascii(s, ascii, sizeof(ascii)) < 0)
			return REFUSED;
	} else if (span_copy(s, ascii, sizeof(ascii)) < 0) {
		return REFUSED;
	}
	for (char *c = ascii; *c != '\0'; c++)
		*c = ascii_lower(*c);
	return domain_is_valid(span_of(ascii)) ? ascii : REFUSED;
}

static void
names_in_utf8_have_their_a_labels(void **state)
{
	static const struct difference differ[] = {
		{"xn--123456.example.com", "xn--123456.example.com",
		 "an A-label is compared as it is written, and never decoded"},
		{NULL, NULL, NULL},
	};
	struct span text = read_data("util/midna_domain_test.ref");
	char name[1024], ascii[1024];
	size_t count = 0, other = 0;

	(void)state;
	if (text.at == NULL)
		skip();
	while (text.len > 0) {
		struct span line = span_cut(&text, '\n');

		if (!span_has(line, '"') || !quoted(&line, name) ||
		    !span_starts(line, SPAN(" ->ascii ")) || !quoted(&line, ascii) || line.len > 0)
			continue;
		count++;
		other += !same(name, ascii_of(name), ascii, differ);
	}
	say_sum("names in UTF-8", count, other);
}

static void
names_of_hosts_are_judged_alike(void **state)
{
	static const struct difference differ[] = {
		{"123456789012345678901234567890123456789012345678901234567890123", "valid",
		 NUMERIC},
		{"1.2.3.4", "valid", NUMERIC},
		{"321.255.255.255", "valid", NUMERIC},
		{"0.0.0.0", "valid", NUMERIC},
		{"255.255.255.255", "valid", NUMERIC},
		{"0.255.255.255", "valid", NUMERIC},
		{"1.2.3.321", "valid", NUMERIC},
		{"1.2.3", "valid", NUMERIC},
		{"1.2.3.4.5", "valid", NUMERIC},
		{"1", "valid", NUMERIC},
		{"321", "valid", NUMERIC},
		{"*.foo.bar", "no", "a pattern of certificates is no name of a host"},
		{NULL, NULL, NULL},
	};
	struct span text = read_data("util/valid_hostname.ref");
	char name[1024] = "";
	bool is_valid = true;
	size_t count = 0, other = 0;

	(void)state;
	if (text.at == NULL)
		skip();
	for (bool more = true; more;) {
		struct span line = span_cut(&text, '\n');

		more = line.len > 0;
		if (span_starts(line, SPAN("./valid_hostname: testing: ")) || !more) {
			if (count > 0)
				other +=
					!same(name, domain_is_valid(span_of(name)) ? "valid" : "no",
					      is_valid ? "valid" : "no", differ);
			is_valid = true;
			count += more && quoted(&line, name);
		} else if (span_starts(line, SPAN("./valid_hostname: warning: valid_hostname:"))) {
			is_valid = false;
		}
	}
	say_sum("names of hosts", count, other);
}

/* rewritten - what becomes of an address that a path or sendmail(1) brings */
static const char *
rewritten(const char *text)
{
	static char result[ADDRESS_MAX + 1];
	struct address a;

	if (strchr(text, '@') == NULL)
		snprintf(result, sizeof(result), "%s@ORIGIN", text);
	else if (address_mailbox(span_of(text), &a) != ADDRESS_OK)
		return REFUSED;
	else
		snprintf(result, sizeof(result), "%.*s", (int)a.len, a.text);
	return result;
}

/*
 * Postfix's trivial-rewrite makes an Internet address of what UUCP, ARPANET and mistyped addresses had.  Here a local part is the receiver's to
 * read (RFC 5321, section 2.3.11), so none of its cases comes out the same, each for one of these reasons.
 */
static void
addresses_are_not_rewritten(void **state)
{
	static const struct {
		const char *part, *reason;
	} reasons[] = {
		{"!", "a bang path is a local part: there is no UUCP behind us"},
		{"%", "a local part with % relays nowhere"},
		{"@.", "a dot at the end is no part of a domain (RFC 5321): refused"},
		{"b.", "a dot at the end is no part of a domain (RFC 5321): refused"},
		{"@b", "a domain of one label is not completed, as in Postfix 3 by default"},
		{"@", "an address without a local part or a domain is refused"},
	};
	struct span text = read_data("global/rewrite_clnt.ref");
	size_t count = 0;

	(void)state;
	if (text.at == NULL)
		skip();
	while (text.len > 0) {
		struct span line = span_cut(&text, '\n');
		char address[64], result[128];
		const char *ours;
		size_t i = 0;

		if (!span_starts(line, SPAN("address    ")))
			continue;
		assert_int_equal(span_copy(span_skip(line, 11), address, sizeof(address)), 0);
		line = span_cut(&text, '\n');
		assert_int_equal(span_copy(span_skip(line, 11), result, sizeof(result)), 0);
		ours = rewritten(address);
		while (strstr(address, reasons[i].part) == NULL)
			assert_true(++i < sizeof(reasons) / sizeof(reasons[0]));
		/* as it came, with our origin, or refused: never made into another address */
		assert_true(strcmp(ours, REFUSED) == 0 || strcmp(ours, address) == 0 ||
			    (strncmp(ours, address, strlen(address)) == 0 &&
			     strcmp(ours + strlen(address), "@ORIGIN") == 0));
		if (strcmp(ours, result) != 0)
			print_message("%s: %s, not %s: %s\n", address, ours, result,
				      reasons[i].reason);
		count++;
	}
	assert_int_equal(count, 26);
	print_message("Postfix address rewriting: %zu cases, none is rewritten here\n", count);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_in_utf8_have_their_a_labels),
		cmocka_unit_test(names_of_hosts_are_judged_alike),
		cmocka_unit_test(addresses_are_not_rewritten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
