/*
 * postfix - see culver/postfix.h
 *
 * Called by culver/names.c.  The options and what is printed are Postfix's; what cannot be had is refused with a sentence, never ignored.
 */
#include "culver/postfix.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/system/fatal.h"
#include "common/text/number.h"
#include "culver/human.h"
#include "culver/names.h"
#include "culver/query.h"

#define SELECTOR_MAX 700 /* bytes of "domain=" and a site */
#define WORD_MAX 200	 /* bytes of an id that is read from standard input */
#define CHUNK 65536

__attribute__((format(printf, 2, 3))) static int
fail(const char *name, const char *format, ...)
{
	va_list arguments;
	fprintf(stderr, "%s: fatal: ", name);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	return 1;
}

/* ---- postqueue ---- */

static int
list_json(const struct culver_options *o)
{
	static struct query q;
	char *none[] = {NULL};
	int status = query_open(&q, o);
	if (status != 0)
		return status;
	q.listing.form = LISTING_POSTQUEUE;
	return query_end(&q, query_list(&q, none));
}

int
postfix_postqueue(int argc, char **argv)
{
	static const char usage[] = "usage: postqueue -f | -i queue_id | -j | -p | -s site";
	char site[SELECTOR_MAX];
	struct culver_options o;
	int mode = 0;
	char *value = NULL;
	names_options(&o);
	opterr = 0;
	for (int c = getopt(argc, argv, "c:fi:jps:v"); c != -1;
	     c = getopt(argc, argv, "c:fi:jps:v")) {
		if (c == 'v')
			continue;
		if (c == 'c') {
			names_config(&o, optarg);
			continue;
		}
		if (c == '?')
			return fail("postqueue", "%s", usage);
		if (mode != 0)
			return fail("postqueue", "specify one of -f, -i, -j, -p or -s");
		mode = c;
		value = optarg;
	}
	switch (mode) {
	case 'f':
		return names_retry(&o, NULL);
	case 'i':
		if (!query_is_id(value))
			return fail("postqueue", "invalid mail queue ID: %s", value);
		return names_retry(&o, value);
	case 'j':
		return list_json(&o);
	case 'p':
		return names_list(&o);
	case 's':
		if (snprintf(site, sizeof(site), "domain=%s", value) >= (int)sizeof(site))
			return fail("postqueue", "-s: too long a name");
		return names_retry(&o, site);
	default:
		return fail("postqueue", "%s", usage);
	}
}

/* ---- postsuper ---- */

static const struct act {
	int letter;
	enum control_verb verb;
	const char *done, *sum;
} acts[] = {
	{'d', CONTROL_REMOVE, "removed", "Deleted"},
	{'h', CONTROL_HOLD, "placed on hold", "Placed on hold"},
	{'H', CONTROL_RELEASE, "released from hold", "Released from hold"},
	{'r', CONTROL_RETRY, "requeued", "Requeued"},
};

static const struct act *
find_act(int letter)
{
	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
		if (acts[i].letter == letter)
			return &acts[i];
	}
	return NULL;
}

/* how many messages it was done to; -1: *status */
static int64_t
act(const struct culver_options *o, const struct act *a, char *selector, int *status)
{
	static struct query q;
	char *words[] = {selector, NULL};
	*status = query_open(&q, o);
	if (*status != 0)
		return -1;
	int wrong = query_act(&q, words, a->verb, "");
	int64_t count = (int64_t)q.count;
	*status = query_end(&q, wrong);
	return *status == 0 ? count : -1;
}

/* one id; what is not there is passed over, as Postfix does */
static int64_t
act_on_id(const struct culver_options *o, const struct act *a, char *id, int *status)
{
	if (!query_is_id(id)) {
		fprintf(stderr, "postsuper: warning: invalid mail queue id: %s\n", id);
		return 0;
	}
	int64_t count = act(o, a, id, status);
	if (count > 0)
		fprintf(stderr, "postsuper: %s: %s\n", id, a->done);
	return count;
}

/* "-": ids on standard input, one a line */
static int64_t
act_on_input(const struct culver_options *o, const struct act *a, int *status)
{
	char line[WORD_MAX];
	int64_t sum = 0;
	while (fgets(line, sizeof(line), stdin) != NULL) {
		line[strcspn(line, " \t\r\n")] = '\0';
		int64_t count = line[0] != '\0' ? act_on_id(o, a, line, status) : 0;
		if (count < 0)
			return -1;
		sum += count;
	}
	return sum;
}

/* the state that stands for a queue of Postfix; NULL: all of them, or none that we know */
static const char *
selector_of(const char *queue)
{
	static const char *const known[][2] = {{"deferred", "state=deferred"},
					       {"hold", "state=held"},
					       {"incoming", "state=incoming"},
					       {"active", "state=active"}};
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(queue, known[i][0]) == 0)
			return known[i][1];
	}
	return NULL;
}

int
postfix_postsuper(int argc, char **argv)
{
	static const char usage[] =
		"usage: postsuper [-d queue_id] [-h queue_id] [-H queue_id] [-r queue_id] [queue]";
	struct culver_options o;
	const struct act *chosen = NULL;
	char all[SELECTOR_MAX] = "all";
	int status = 0;
	int64_t sum = 0;
	names_options(&o);
	/* the queue stands behind the options, which are carried out as they come */
	if (argc > 2 && argv[argc - 1][0] != '-' && selector_of(argv[argc - 1]) != NULL)
		snprintf(all, sizeof(all), "%s", selector_of(argv[argc - 1]));
	opterr = 0;
	for (int c = getopt(argc, argv, "c:d:h:H:r:psSv"); c != -1;
	     c = getopt(argc, argv, "c:d:h:H:r:psSv")) {
		const struct act *a = find_act(c);
		/* -p, -s: nothing is to be purged or repaired: replay does it at each start */
		if (c == 'c')
			names_config(&o, optarg);
		if (c == 'c' || c == 'v' || c == 'p' || c == 's' || c == 'S')
			continue;
		if (a == NULL)
			return fail("postsuper", "%s", usage);
		int64_t count = strcmp(optarg, "ALL") == 0 ? act(&o, a, all, &status)
				: strcmp(optarg, "-") == 0 ? act_on_input(&o, a, &status)
							   : act_on_id(&o, a, optarg, &status);
		if (count < 0)
			return status;
		sum += count;
		chosen = a;
	}
	if (optind < argc && selector_of(argv[optind]) == NULL)
		return fail("postsuper", "%s", usage);
	if (chosen != NULL && sum > 0)
		fprintf(stderr, "postsuper: %s: %" PRId64 " message%s\n", chosen->sum, sum,
			sum == 1 ? "" : "s");
	return 0;
}

/* ---- postcat ---- */

/* which parts of a message are wanted */
struct parts {
	bool envelope, header, body;
};

/* lines end with LF, as Postfix has them; the empty line between header and body comes with the header */
static int
print_content(struct query *q, const struct parts *parts)
{
	static char chunk[CHUNK];
	uint64_t at = q->file.content_at, left = q->file.content_length;
	bool in_header = true, is_line_empty = true;
	while (left > 0) {
		size_t want = left < sizeof(chunk) ? (size_t)left : sizeof(chunk);
		ssize_t n = pread(q->content, chunk, want, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return query_fail(q, 1, "the message's file ends too early");
		for (ssize_t i = 0; i < n; i++) {
			if (chunk[i] == '\r')
				continue;
			if (in_header ? parts->header : parts->body)
				buffer_char(&q->out, chunk[i]);
			if (chunk[i] == '\n' && is_line_empty)
				in_header = false;
			is_line_empty = chunk[i] == '\n';
		}
		at += (uint64_t)n;
		left -= (uint64_t)n;
		if (human_print(&q->out) < 0)
			return query_fail(q, 1, strerror(errno));
	}
	return 0;
}

static int
show(struct query *q, const char *id, const struct parts *parts)
{
	struct control_show m = {.id = 0};
	q->listing.form = LISTING_POSTCAT;
	if (number_parse_hex(span_of(id), &m.id) != 0 || query_ask(q, CONTROL_SHOW, &m) < 0)
		return -1;
	if (q->listing.messages == 0 || q->content < 0)
		return query_fail(q, 1, "no message has this id");
	if (!parts->envelope)
		buffer_clear(&q->out);
	if (!parts->header && !parts->body)
		return 0;
	buffer_format(&q->out, "*** MESSAGE CONTENTS %s ***\n", id);
	if (print_content(q, parts) < 0)
		return -1;
	buffer_format(&q->out, "*** HEADER EXTRACTED %s ***\n*** MESSAGE FILE END %s ***\n", id,
		      id);
	return 0;
}

int
postfix_postcat(int argc, char **argv)
{
	static struct query q;
	struct culver_options o;
	struct parts parts = {.envelope = false};
	bool is_id = false;
	names_options(&o);
	opterr = 0;
	for (int c = getopt(argc, argv, "bc:ehqv"); c != -1; c = getopt(argc, argv, "bc:ehqv")) {
		is_id = is_id || c == 'q';
		parts.envelope = parts.envelope || c == 'e';
		parts.header = parts.header || c == 'h';
		parts.body = parts.body || c == 'b';
		if (c == 'c')
			names_config(&o, optarg);
		if (c == '?')
			return fail("postcat", "usage: postcat -q [-beh] queue_id");
	}
	if (!is_id || optind + 1 != argc)
		return fail("postcat", "usage: postcat -q [-beh] queue_id; a message's file is "
				       "text: less(1) shows it");
	if (!query_is_id(argv[optind]))
		return fail("postcat", "invalid mail queue ID: %s", argv[optind]);
	if (!parts.envelope && !parts.header && !parts.body)
		parts = (struct parts){true, true, true};
	int status = query_open(&q, &o);
	if (status != 0)
		return status;
	return query_end(&q, show(&q, argv[optind], &parts));
}
