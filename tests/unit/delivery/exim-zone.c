/*
 * exim-zone - the names of Exim's own test of DANE, as its zone says which records are signed: what each host is worth
 *
 * The zone is in the optional folder of data (dns-zones/exim/db.test.ex).  A resolver of the test's own reads it, and follows its aliases; what
 * should come out stands in the comments there, and here.
 */
#include "tests/unit/delivery/names.h"

#include "delivery/hosts.h"

#define ROWS_MAX 2000
#define FIRST "Testing DANE"

static struct names_row rows[ROWS_MAX + 1];
static size_t count;
static struct arena arena; /* of their words */

static char *
keep(const char *text)
{
	char *kept = arena_string(&arena, span_of(text));

	assert_non_null(kept);
	return kept;
}

/* a name below test.ex, or one with a dot at its end */
static char *
whole(const char *name)
{
	char text[600];
	size_t len = strlen(name);
	const char *port = strstr(name, "_PORT_D.");

	if (port != NULL)
		snprintf(text, sizeof(text), "_25.%s.test.ex", port + strlen("_PORT_D."));
	else if (name[len - 1] == '.')
		snprintf(text, sizeof(text), "%.*s", (int)len - 1, name);
	else
		snprintf(text, sizeof(text), "%s.test.ex", name);
	return keep(text);
}

static void
add(const struct names_row row)
{
	assert_true(count < ROWS_MAX);
	rows[count++] = row;
}

/* one line: [DNSSEC] [NXDOMAIN] [OWNER] TYPE VALUE... */
static void
take_line(char *line)
{
	static char *owner;
	struct names_row row = {.security = RESOLVER_INSECURE};
	char *words[16], *rest = NULL;
	size_t n = 0, at = 0;
	bool is_absent = false;

	for (char *word = strtok_r(line, " \t\n", &rest); word != NULL && n < 16;
	     word = strtok_r(NULL, " \t\n", &rest))
		words[n++] = word;
	for (; at < n; at++) {
		if (strcmp(words[at], "DNSSEC") == 0)
			row.security = RESOLVER_SECURE;
		else if (strcmp(words[at], "NXDOMAIN") == 0)
			is_absent = true;
		else
			break;
	}
	if (n - at < 2 || is_absent)
		return;
	if (strcmp(words[at], "MX") != 0 && strcmp(words[at], "TLSA") != 0)
		owner = whole(words[at++]);
	row.name = owner;
	row.outcome = RESOLVER_FOUND;
	if (strcmp(words[at], "A") == 0) {
		row.rr = RESOLVER_A;
		row.value =
			strcmp(words[at + 1], "HOSTIPV4") == 0 ? "192.0.2.1" : keep(words[at + 1]);
	} else if (strcmp(words[at], "MX") == 0) {
		row.rr = RESOLVER_MX;
		row.preference = (unsigned)atoi(words[at + 1]);
		row.value = whole(words[at + 2]);
	} else if (strcmp(words[at], "CNAME") == 0) {
		row.rr = RESOLVER_CNAME;
		row.value = whole(words[at + 1]);
	} else if (strcmp(words[at], "TLSA") == 0) {
		char hex[400];

		row.rr = RESOLVER_TLSA;
		snprintf(hex, sizeof(hex), "%02x%02x%02x%s", atoi(words[at + 1]),
			 atoi(words[at + 2]), atoi(words[at + 3]), words[at + 4]);
		row.value = keep(hex);
	} else {
		return;
	}
	add(row);
}

/* what a resolver makes of an alias: the records of its target, signed if both are; test.again.dns and test.fail.dns never answer */
static void
follow(const struct names_row *alias)
{
	size_t all = count;

	if (strncmp(alias->value, "test.", 5) == 0) {
		add((struct names_row){alias->name, RESOLVER_TLSA, RESOLVER_TROUBLE, 0,
				       "the name servers gave no usable answer", 0, NULL});
		return;
	}
	for (size_t i = 0; i < all; i++) {
		struct names_row row = rows[i];

		if (strcmp(row.name, alias->value) != 0 || row.rr == RESOLVER_CNAME)
			continue;
		row.name = alias->name;
		row.canonical = alias->value;
		if (alias->security != RESOLVER_SECURE)
			row.security = RESOLVER_INSECURE;
		add(row);
	}
}

static bool
read_zone(void)
{
	const char *folder = getenv("CULVER_TEST_DATA");
	char path[4096], line[4096];
	bool is_dane = false;
	size_t all;
	FILE *f;

	snprintf(path, sizeof(path), "%s/dns-zones/exim/db.test.ex",
		 folder != NULL ? folder : "../shared/data");
	f = fopen(path, "re");
	if (f == NULL)
		return false;
	while (fgets(line, sizeof(line), f) != NULL) {
		is_dane |= strstr(line, FIRST) != NULL;
		if (is_dane && line[0] != ';' && line[0] != '#' && line[0] != '\n' &&
		    strncmp(line, "DELAY", 5) != 0)
			take_line(line);
	}
	fclose(f);
	all = count;
	for (size_t i = 0; i < all; i++)
		if (rows[i].rr == RESOLVER_CNAME)
			follow(&rows[i]);
	return true;
}

static const struct {
	const char *place;
	enum dane_outcome outcome;
	const char *base; /* of what was found */
	size_t records;
} cases[] = {
	{"mx:mxnodane.test.ex:25", DANE_ABSENT, "", 0},
	{"mx:mxdane512ee.test.ex:25", DANE_FOUND, "dane512ee.test.ex", 1},
	{"mx:mxdane512ee1.test.ex:25", DANE_FOUND, "dane512ee.test.ex", 1},
	{"mx:mxdane.test.ex:25", DANE_FOUND, "dane512ee.test.ex", 1},
	/* the MX is not signed */
	{"mx:mxnondane512ee.test.ex:25", DANE_ABSENT, "", 0},
	{"mx:mxdanesecchain.test.ex:25", DANE_FOUND, "dane512ee.test.ex", 1},
	/* the alias is not signed; Exim, told to demand DANE there, reports a failure: that is `tls`'s business, not the records' */
	{"mx:mxdaneinsecchain.test.ex:25", DANE_ABSENT, "", 0},
	{"mx:mxdane256ta.test.ex:25", DANE_FOUND, "dane256ta.test.ex", 1},
	{"mx:mxdane256tak.test.ex:25", DANE_FOUND, "dane256tak.test.ex", 1},
	{"mx:mxdanelazy.test.ex:25", DANE_TROUBLE, "danelazy.test.ex", 0},
	{"dane256ee.test.ex:25", DANE_FOUND, "dane256ee.test.ex", 1},
	{"dane.no.1.test.ex:25", DANE_ABSENT, "", 0},
	{"dane.no.2.test.ex:25", DANE_ABSENT, "", 0},
	{"danebroken1.test.ex:25", DANE_TROUBLE, "danebroken1.test.ex", 0},
	/* the record is wrong, which the handshake finds out */
	{"danebroken2.test.ex:25", DANE_FOUND, "danebroken2.test.ex", 1},
	/* the record is not signed */
	{"danebroken3.test.ex:25", DANE_ABSENT, "", 0},
	{"danebroken4.test.ex:25", DANE_ABSENT, "", 0},
	/* the address is not signed */
	{"danebroken5.test.ex:25", DANE_ABSENT, "", 0},
	{"danebroken6.test.ex:25", DANE_ABSENT, "", 0},
	{"dane.no.3.test.ex:25", DANE_ABSENT, "", 0},
	{"dane.no.4.test.ex:25", DANE_ABSENT, "", 0},
	{"danemixed.test.ex:25", DANE_FOUND, "danemixed.test.ex", 2},
	{"daneservfail.test.ex:25", DANE_TROUBLE, "daneservfail.test.ex", 0},
};

static void
each_host_is_worth_what_the_zone_says(void **state)
{
	static struct names names;
	static struct hosts hosts;
	static char hostname[] = "me.test";
	static struct config config = {.hostname = hostname};
	const size_t all = sizeof(cases) / sizeof(cases[0]);

	(void)state;
	arena_init(&arena, 1u << 20);
	if (!read_zone())
		skip();
	names_start(&names, rows);
	hosts_init(&hosts, &config, names.path);
	for (size_t i = 0; i < all; i++) {
		const struct hosts_address *a;
		struct dane dane;

		hosts_start(&hosts, span_of(cases[i].place), SPAN_NONE);
		a = hosts_next(&hosts);
		if (a == NULL)
			fail_msg("%s: %s", cases[i].place, hosts.why.text);
		hosts_dane(&hosts, a, &dane);
		if (dane.outcome != cases[i].outcome || dane.count != cases[i].records ||
		    !span_equal(dane.base, span_of(cases[i].base)))
			fail_msg("%s: outcome %d, %zu records at %.*s", cases[i].place,
				 dane.outcome, dane.count, SPAN_ARG(dane.base));
	}
	print_message("dns-zones: %zu hosts of Exim's zone come out\n", all);
	hosts_free(&hosts);
	names_end(&names);
	arena_free(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_host_is_worth_what_the_zone_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
