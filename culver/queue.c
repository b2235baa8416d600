/*
 * queue - what is queued, and what shall become of it
 *
 * Called by culver/main.c; culver/query.h talks with the queue-manager.  Exit status: 0; 1 nothing matched, or refused; 64 wrong arguments; 69
 * not running; 70 an answer that is none.
 */
#include "culver/queue.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/mail/address.h"
#include "common/mail/header.h"
#include "common/protocol/control.h"
#include "common/system/clock.h"
#include "common/system/fatal.h"
#include "common/text/number.h"
#include "culver/human.h"
#include "culver/listing.h"
#include "culver/query.h"

#define CONTENT_CHUNK 65536

/* ---- what may be asked ---- */

static int
list(struct query *q, char **words)
{
	if (query_list(q, words) < 0)
		return -1;
	if (q->listing.messages == 0 && *words != NULL)
		return query_fail(q, 1, "no message matches");
	if (q->listing.messages == 0 && !q->o->json && !q->o->as_mailq)
		buffer_string(&q->out, "the queue is empty\n");
	listing_sum(&q->listing);
	return 0;
}

/* the header alone, as far as one chunk holds it */
static int
print_header(struct query *q)
{
	static char chunk[HEADER_TOP_MAX];
	size_t want = q->file.content_length < sizeof(chunk) ? (size_t)q->file.content_length
							     : sizeof(chunk);
	ssize_t n = pread(q->content, chunk, want, (off_t)q->file.content_at);
	if (n < 0)
		return query_fail(q, 1, strerror(errno));
	struct span text = span_from(chunk, (size_t)n);
	buffer_char(&q->out, '\n');
	human_lines(&q->out, span_from(text.at, header_end(text)));
	return 0;
}

static int
print_content(struct query *q)
{
	static char chunk[CONTENT_CHUNK];
	bool terminal = isatty(STDOUT_FILENO) == 1;
	uint64_t at = q->file.content_at, left = q->file.content_length;
	size_t kept = 0; /* a CR at the end of a chunk, which belongs to the next */
	buffer_char(&q->out, '\n');
	while (left > 0) {
		size_t want = left < sizeof(chunk) - kept ? (size_t)left : sizeof(chunk) - kept;
		ssize_t n = pread(q->content, chunk + kept, want, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return query_fail(q, 1,
					  n < 0 ? strerror(errno)
						: "the message's file ends too early");
		at += (uint64_t)n;
		left -= (uint64_t)n;
		struct span text = span_from(chunk, kept + (size_t)n);
		kept = terminal && left > 0 && text.at[text.len - 1] == '\r' ? 1 : 0;
		text.len -= kept;
		if (terminal)
			human_lines(&q->out, text);
		else
			buffer_span(&q->out, text);
		if (human_print(&q->out) < 0) {
			q->status = 1;
			return -1;
		}
		if (kept > 0)
			chunk[0] = '\r';
	}
	return 0;
}

static int
show(struct query *q, const char *word)
{
	struct control_show m = {.id = 0};
	if (!query_is_id(word) || number_parse_hex(span_of(word), &m.id) < 0) {
		q->status =
			options_usage(q->o, "%s is no id: 13 or more upper-case hex digits", word);
		return -1;
	}
	if (query_ask(q, CONTROL_SHOW, &m) < 0)
		return -1;
	if (q->listing.messages == 0)
		return query_fail(q, 1, "no message has this id");
	if (q->o->json)
		return 0;
	if (q->content < 0)
		return query_fail(q, EXIT_SOFTWARE, "the queue-manager has sent no file");
	return q->o->content ? print_content(q) : print_header(q);
}

/* where mail goes, all of it or what the words select */
static int
sites(struct query *q, char **words)
{
	if (query_sites(q, words) < 0)
		return -1;
	if (q->sites.count == 0 && *words != NULL)
		return query_fail(q, 1, "no message matches");
	if (q->sites.count == 0 && !q->o->json)
		buffer_string(&q->out, "nothing waits for any site\n");
	sites_print(&q->sites, SIZE_MAX, q->o->json, clock_wall_us(), &q->out);
	return 0;
}

static const struct act {
	const char *word;
	enum control_verb verb;
	const char *one, *many; /* said of what was done */
	const char *dry_one, *dry_many;
} acts[] = {
	{"retry", CONTROL_RETRY, "is due now", "are due now", "would be due now",
	 "would be due now"},
	{"hold", CONTROL_HOLD, "is held", "are held", "would be held", "would be held"},
	{"release", CONTROL_RELEASE, "is released", "are released", "would be released",
	 "would be released"},
	{"remove", CONTROL_REMOVE, "is removed", "are removed", "would be removed",
	 "would be removed"},
	{"bounce", CONTROL_BOUNCE, "goes back to its sender", "go back to their senders",
	 "would go back to its sender", "would go back to their senders"},
	{"redirect", CONTROL_REDIRECT, "is redirected", "are redirected", "would be redirected",
	 "would be redirected"},
};

static const char *
sentence(const struct act *a, uint64_t count, bool is_dry)
{
	if (is_dry)
		return count == 1 ? a->dry_one : a->dry_many;
	return count == 1 ? a->one : a->many;
}

static int
act(struct query *q, const struct act *a, char **words)
{
	bool is_dry = q->o->dry_run;
	const char *address = "";
	if (a->verb == CONTROL_REDIRECT)
		address = *words++;
	if (query_act(q, words, a->verb, address) < 0)
		return -1;
	if (q->o->json && !is_dry)
		buffer_format(&q->out, "{\"count\":%" PRIu64 "}\n", q->count);
	if (q->count == 0)
		return query_fail(q, 1, "no message matches");
	if (!q->o->json)
		buffer_format(&q->out, "%" PRIu64 " message%s %s\n", q->count,
			      q->count == 1 ? "" : "s", sentence(a, q->count, is_dry));
	return 0;
}

static const struct act *
act_find(const char *word)
{
	for (size_t i = 0; word != NULL && i < sizeof(acts) / sizeof(acts[0]); i++)
		if (strcmp(acts[i].word, word) == 0)
			return &acts[i];
	return NULL;
}

static bool
is_mailbox(const char *word)
{
	struct address address;
	return address_mailbox(span_of(word), &address) == ADDRESS_OK;
}

/* an order, or with --dry-run what it would be done to */
static int
check_act(const struct culver_options *o, const struct act *a, char **words)
{
	if (a->verb == CONTROL_REDIRECT && (words[0] == NULL || !is_mailbox(words[0])))
		return options_usage(o, "redirect wants an address, then a selector");
	if (words[a->verb == CONTROL_REDIRECT ? 1 : 0] == NULL)
		return options_usage(o, "%s wants a selector: ids, all, or KEY=VALUE", a->word);
	return 0;
}

/* 0, or the exit status of wrong arguments */
static int
check_arguments(const struct culver_options *o, char **argv)
{
	const char *word = argv[1];
	const struct act *a = act_find(word);
	bool shows = word != NULL && strcmp(word, "show") == 0;
	for (char **w = argv + 1; *w != NULL; w++)
		if (**w == '\0')
			return options_usage(o, "a word is empty");
	if (shows && (argv[2] == NULL || argv[3] != NULL))
		return options_usage(o, "show wants one id");
	if (!shows && o->content)
		return options_usage(o, "--content belongs to show");
	if (o->content && o->json)
		return options_usage(o, "--content has no JSON form");
	if (o->dry_run && a == NULL)
		return options_usage(o, "--dry-run belongs to what changes something");
	return a != NULL ? check_act(o, a, argv + 2) : 0;
}

static int
run(struct query *q, char **argv)
{
	const struct act *a = act_find(argv[1]);
	if (a != NULL)
		return act(q, a, argv + 2);
	if (argv[1] != NULL && strcmp(argv[1], "show") == 0)
		return show(q, argv[2]);
	if (argv[1] != NULL && strcmp(argv[1], "sites") == 0)
		return sites(q, argv + 2);
	/* what is listed here would stand between */
	q->may_show_progress = q->may_show_progress && isatty(STDOUT_FILENO) != 1;
	return list(q, argv + 1);
}

int
verb_queue(const struct culver_options *o, int argc, char **argv)
{
	static struct query q;
	int status = check_arguments(o, argv);
	if (status != 0)
		return status;
	status = query_open(&q, o);
	if (status != 0)
		return status;
	if (argc > 1 && strcmp(argv[1], "show") == 0 && !o->json)
		q.listing.form = LISTING_WHOLE;
	return query_end(&q, run(&q, argv));
}
