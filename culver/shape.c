/*
 * shape - see culver/shape.h
 */
#include "culver/shape.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "culver/human.h"
#include "culver/names.h"
#include "culver/query.h"

#define FIRST_BUCKET_US INT64_C(300000000)
#define SLOTS 262144 /* of the hash table: a power of two, more than twice SHAPE_DOMAINS_MAX */
#define WORDS_MAX 8

struct row {
	char domain[SHAPE_DOMAIN_MAX];
	uint64_t total, bucket[SHAPE_BUCKETS];
};

struct shape {
	bool by_sender;
	bool no_memory;
	struct row *rows;
	size_t count, room;
	uint32_t *slots; /* index of a row + 1 */
	struct row all;
};

/* ---- counting ---- */

/* the domain's row, made when it is new; NULL: memory is out */
static struct row *
find(struct shape *s, struct span domain)
{
	uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a: it is the caller's own mail */
	for (size_t i = 0; i < domain.len; i++)
		hash = (hash ^ (unsigned char)domain.at[i]) * UINT64_C(1099511628211);
	size_t slot = (size_t)hash & (SLOTS - 1);
	for (; s->slots[slot] != 0; slot = (slot + 1) & (SLOTS - 1)) {
		struct row *row = &s->rows[s->slots[slot] - 1];
		if (span_equal(span_of(row->domain), domain))
			return row;
	}
	if (s->count == s->room) {
		size_t room = s->room > 0 ? 2 * s->room : 64;
		struct row *more = reallocarray(s->rows, room, sizeof(*more));
		if (more == NULL)
			return NULL;
		s->rows = more;
		s->room = room;
	}
	struct row *row = &s->rows[s->count++];
	*row = (struct row){.total = 0};
	if (span_copy(domain, row->domain, sizeof(row->domain)) != 0)
		row->domain[0] = '\0';
	s->slots[slot] = (uint32_t)s->count;
	return row;
}

static void
count(struct row *row, int64_t age_us)
{
	size_t bucket = 0;
	for (int64_t bound = FIRST_BUCKET_US; bucket < SHAPE_BUCKETS - 1 && age_us >= bound;
	     bound *= 2)
		bucket++;
	row->total++;
	row->bucket[bucket]++;
}

void
shape_add(struct shape *s, struct span sender, struct span recipient, uint64_t arrived_us,
	  int64_t now_us)
{
	struct span address = s->by_sender ? sender : recipient, domain = address;
	const char *at = address.len > 0 ? memrchr(address.at, '@', address.len) : NULL;
	if (at != NULL)
		domain = span_skip(address, (size_t)(at - address.at) + 1);
	if (address.len == 0)
		domain = SPAN("MAILER-DAEMON");
	if (s->count >= SHAPE_DOMAINS_MAX || domain.len >= SHAPE_DOMAIN_MAX)
		domain = SPAN("others");
	struct row *row = find(s, domain);
	if (row == NULL) {
		s->no_memory = true;
		return;
	}
	count(row, now_us - (int64_t)arrived_us);
	count(&s->all, now_us - (int64_t)arrived_us);
}

/* ---- printing ---- */

static int
fullest_first(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	if (x->total != y->total)
		return x->total < y->total ? 1 : -1;
	return strcmp(x->domain, y->domain);
}

static int
digits(uint64_t number)
{
	char text[24];
	return snprintf(text, sizeof(text), "%" PRIu64, number);
}

static void
print_row(const struct shape *s, const struct row *row, int width, const int heads[SHAPE_BUCKETS])
{
	printf("%*s %*" PRIu64, width, row->domain, digits(s->all.total), row->total);
	for (size_t i = 0; i < SHAPE_BUCKETS; i++)
		printf(" %*" PRIu64, heads[i], row->bucket[i]);
	putchar('\n');
}

static void
print(struct shape *s)
{
	static const char *const names[SHAPE_BUCKETS] = {"5",	"10",  "20",  "40",   "80",
							 "160", "320", "640", "1280", "1280+"};
	int heads[SHAPE_BUCKETS], width = 5;
	if (s->count > 0)
		qsort(s->rows, s->count, sizeof(s->rows[0]), fullest_first);
	for (size_t i = 0; i < s->count; i++) {
		int len = (int)strlen(s->rows[i].domain);
		width = len > width ? len : width;
	}
	printf("%*s %*s", width, "", digits(s->all.total), "T");
	for (size_t i = 0; i < SHAPE_BUCKETS; i++) {
		int needs = digits(s->all.bucket[i]);
		heads[i] = (int)strlen(names[i]) > needs ? (int)strlen(names[i]) : needs;
		heads[i] = heads[i] < 2 ? 2 : heads[i];
		printf(" %*s", heads[i], names[i]);
	}
	putchar('\n');
	print_row(s, &s->all, width, heads);
	for (size_t i = 0; i < s->count; i++)
		print_row(s, &s->rows[i], width, heads);
}

/* ---- the command ---- */

/* the state of ours for a queue of Postfix; NULL: there is none */
static char *
selector_of(const char *queue)
{
	static char states[][2][20] = {{"incoming", "state=incoming"},
				       {"active", "state=active"},
				       {"deferred", "state=deferred"},
				       {"hold", "state=held"}};
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		if (strcmp(queue, states[i][0]) == 0)
			return states[i][1];
	}
	return NULL;
}

static int
collect(const struct culver_options *o, char *selector, struct shape *s)
{
	static struct query q;
	char *words[] = {selector, NULL};
	int status = query_open(&q, o);
	if (status != 0)
		return status;
	q.listing.form = LISTING_SHAPE;
	q.listing.shape = s;
	return query_end(&q, query_list(&q, words));
}

int
shape_qshape(int argc, char **argv)
{
	struct culver_options o;
	struct shape s = {.all = {.domain = "TOTAL"}};
	int status = 0;
	names_options(&o);
	opterr = 0;
	for (int c = getopt(argc, argv, "c:ls"); c != -1; c = getopt(argc, argv, "c:ls")) {
		s.by_sender = s.by_sender || c == 's';
		if (c == 'c')
			names_config(&o, optarg);
		if (c == '?') {
			fputs("usage: qshape [-s] [incoming|active|deferred|hold...]\n", stderr);
			return 1;
		}
	}
	s.slots = calloc(SLOTS, sizeof(s.slots[0]));
	if (s.slots == NULL)
		s.no_memory = true;
	/* Postfix's own default; what is about to be tried is in `active` there, and `ready` here */
	char *usual[] = {(char[]){"state=incoming"}, (char[]){"state=ready"},
			 (char[]){"state=active"}};
	for (size_t i = 0; optind == argc && !s.no_memory && status == 0 && i < 3; i++)
		status = collect(&o, usual[i], &s);
	for (int i = optind; i < argc && !s.no_memory && status == 0; i++) {
		char *selector = selector_of(argv[i]);
		if (selector == NULL) {
			fprintf(stderr,
				"qshape: there is no queue %s: incoming, active, deferred, hold\n",
				argv[i]);
			status = 1;
			break;
		}
		status = collect(&o, selector, &s);
		if (status == 0 && strcmp(argv[i], "active") == 0)
			status = collect(&o, usual[1], &s);
	}
	if (s.no_memory) {
		fputs("qshape: memory is out\n", stderr);
		status = 1;
	}
	if (status == 0)
		print(&s);
	free(s.rows);
	free(s.slots);
	return status;
}
