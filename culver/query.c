/*
 * query - see culver/query.h
 *
 * Exit status: 1 refused; 64 wrong arguments; 69 not running; 70 an answer that is none.
 */
#include "culver/query.h"

#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/system/clock.h"
#include "common/system/fatal.h"
#include "common/text/number.h"
#include "culver/budget.h"
#include "culver/human.h"

#define OUTPUT_MAX (8u << 20) /* printed long before */
#define PRINT_AT 65536
#define ID_DIGITS_MIN 13
#define USER_WORD "user="
#define USER_WORD_MAX 32 /* with a number behind it */

int
query_fail(struct query *q, int status, const char *sentence)
{
	fprintf(stderr, "culver: %s\n", sentence);
	q->status = status;
	return -1;
}

/* ---- answers ---- */

/* a line that is written over; not where it would stand among what is listed */
static void
show_progress(struct query *q, const struct control_progress *m)
{
	if (!q->may_show_progress)
		return;
	q->has_progress = true;
	fprintf(stderr, "\r\033[K%" PRIu64 " of %" PRIu64 " messages looked at, %" PRIu64 " meant",
		m->looked, m->of, m->count);
}

static void
clear_progress(struct query *q)
{
	if (q->has_progress)
		fputs("\r\033[K", stderr);
	q->has_progress = false;
}

static int
refused(struct query *q, const struct control_refused *m)
{
	struct buffer text;
	buffer_init(&text, (size_t)CONTROL_TEXT_MAX * 4);
	human_text(&text, m->text);
	fprintf(stderr, "culver: %.*s\n", SPAN_ARG(buffer_get(&text)));
	buffer_free(&text);
	q->status = 1;
	return -1;
}

/* 1: that was the last; 0: more follow; -1: q->status */
static int
take_answer(struct query *q, size_t len)
{
	union {
		struct control_message message;
		struct control_recipient recipient;
		struct control_file file;
		struct control_done done;
		struct control_refused refused;
		struct control_state state;
		struct control_site site;
		struct control_progress progress;
		struct control_use use;
	} m;
	struct wire_header header;
	struct span datagram = span_from(q->datagram, len);
	const struct wire_shape *shape =
		wire_peek(datagram, &header) == 0 ? wire_find(control_answers, header.type) : NULL;
	if (shape == NULL || wire_decode(datagram, shape, &m) < 0 || shape->fds != q->fds.count)
		return query_fail(q, EXIT_SOFTWARE, "the queue-manager's answer is malformed");
	switch ((enum control_type)header.type) {
	case CONTROL_MESSAGE:
		listing_message(&q->listing, &m.message);
		break;
	case CONTROL_RECIPIENT:
		listing_recipient(&q->listing, &m.recipient);
		break;
	case CONTROL_FILE:
		if (q->content >= 0)
			close(q->content);
		q->content = q->fds.fd[0];
		q->fds.fd[0] = -1;
		q->file = m.file;
		break;
	case CONTROL_SITE:
		if (sites_add(&q->sites, &m.site) < 0)
			return query_fail(q, EXIT_OS, "memory is out");
		break;
	case CONTROL_USE:
		budget_print(&m.use, q->o->json, q->senders++ == 0, &q->out);
		break;
	case CONTROL_PROGRESS:
		show_progress(q, &m.progress);
		break;
	case CONTROL_DONE:
		q->count += m.done.count;
		listing_close(&q->listing);
		return 1;
	case CONTROL_REFUSED:
		clear_progress(q);
		return refused(q, &m.refused);
	case CONTROL_STATE:
	case CONTROL_LIST:
	case CONTROL_SHOW:
	case CONTROL_ACT:
	case CONTROL_STATUS:
	case CONTROL_SITES:
	case CONTROL_BUDGET:
		return query_fail(q, EXIT_SOFTWARE, "the queue-manager's answer is out of turn");
	}
	if (q->out.len >= PRINT_AT && human_print(&q->out) < 0) {
		q->status = 1;
		return -1;
	}
	return 0;
}

static int
take_answers(struct query *q)
{
	int more = 0;
	while (more == 0) {
		size_t len = 0;
		int64_t deadline_ms = clock_monotonic_ms() + OPTIONS_ANSWER_MS;
		switch (channel_receive_wait(q->fd, q->datagram, &len, &q->fds, deadline_ms)) {
		case CHANNEL_OK:
			more = take_answer(q, len);
			channel_close_fds(&q->fds);
			break;
		case CHANNEL_AGAIN:
			return query_fail(q, EXIT_UNAVAILABLE, "the queue-manager does not answer");
		case CHANNEL_CLOSED:
			return query_fail(q, EXIT_UNAVAILABLE,
					  "the queue-manager ended before it had answered");
		case CHANNEL_BROKEN:
			return query_fail(q, EXIT_SOFTWARE,
					  "the queue-manager's answer is malformed");
		}
	}
	return more < 0 ? -1 : 0;
}

int
query_ask(struct query *q, enum control_type type, const void *question)
{
	int64_t deadline_ms = clock_monotonic_ms() + OPTIONS_ANSWER_MS;
	const struct wire_shape *shape = wire_find(control_calls, (uint16_t)type);
	if (wire_send_wait(q->fd, shape, 0, 1, question, NULL, deadline_ms) != CHANNEL_OK)
		return query_fail(q, EXIT_UNAVAILABLE,
				  "the queue-manager does not take the question");
	int wrong = take_answers(q);
	clear_progress(q);
	return wrong;
}

/* ---- selectors ---- */

bool
query_is_id(const char *word)
{
	uint64_t id;
	return strlen(word) >= ID_DIGITS_MIN && number_parse_hex(span_of(word), &id) == 0 && id > 0;
}

static bool
are_ids(char **words)
{
	for (; *words != NULL; words++)
		if (!query_is_id(*words))
			return false;
	return true;
}

/* user=NAME as a number, which is what the queue-manager, in its empty room, knows of users; else the word as it is */
static const char *
with_number(const char *word, char text[USER_WORD_MAX])
{
	if (strncmp(word, USER_WORD, strlen(USER_WORD)) != 0)
		return word;
	const struct passwd *user = getpwnam(word + strlen(USER_WORD));
	if (user == NULL)
		return word;
	snprintf(text, USER_WORD_MAX, USER_WORD "%lu", (unsigned long)user->pw_uid);
	return text;
}

/* moves *words over those that fit into one question; -1: not even one does */
static int
gather(char ***words, struct wire *list)
{
	char text[USER_WORD_MAX];
	size_t bytes = 0;
	char **first = *words;
	wire_list_start(list);
	for (; **words != NULL; (*words)++) {
		struct control_word word = {.word = span_of(with_number(**words, text))};
		bytes += word.word.len + 1;
		if (bytes > CONTROL_SELECTOR_MAX ||
		    wire_list_add(list, WIRE_LIST_ROOM, &control_word_shape, &word) < 0)
			break;
	}
	return *words == first && *first != NULL ? -1 : 0;
}

/*
 * One question for all words, since all must hold; only of ids, of which one must hold, several questions may be made, if `parts`.
 */
static int
ask_selected(struct query *q, char **words, bool parts, enum control_type type, void *question,
	     struct wire_list *selector)
{
	static struct wire list;
	parts = parts && are_ids(words);
	do {
		if (gather(&words, &list) < 0 || (*words != NULL && !parts))
			return query_fail(q, OPTIONS_USAGE, "the selector is too long");
		*selector = wire_list_get(&list);
		if (query_ask(q, type, question) < 0)
			return -1;
	} while (*words != NULL);
	return 0;
}

int
query_list(struct query *q, char **words)
{
	struct control_list m = {.recipients = 1};
	return ask_selected(q, words, true, CONTROL_LIST, &m, &m.selector);
}

int
query_act(struct query *q, char **words, enum control_verb verb, const char *address)
{
	struct control_act m = {.verb = verb, .dry = q->o->dry_run, .address = span_of(address)};
	return ask_selected(q, words, true, CONTROL_ACT, &m, &m.selector);
}

int
query_sites(struct query *q, char **words)
{
	struct control_sites m = {.selector = {.count = 0}};
	return ask_selected(q, words, false, CONTROL_SITES, &m, &m.selector);
}

/* ---- begin and end ---- */

int
query_open(struct query *q, const struct culver_options *o)
{
	int status = 0;
	*q = (struct query){.o = o, .content = -1};
	q->fd = options_connect(o, "control", &status);
	if (q->fd < 0)
		return status;
	buffer_init(&q->out, OUTPUT_MAX);
	listing_start(&q->listing,
		      o->as_mailq ? LISTING_MAILQ
		      : o->json	  ? LISTING_JSON
				  : LISTING_LINES,
		      clock_wall_us(), &q->out);
	q->may_show_progress = isatty(STDERR_FILENO) == 1 && !o->json;
	return 0;
}

int
query_end(struct query *q, int wrong)
{
	if (human_print(&q->out) < 0 || fflush(stdout) != 0) {
		wrong = -1;
		q->status = q->status != 0 ? q->status : 1;
	}
	buffer_free(&q->out);
	sites_free(&q->sites);
	if (q->content >= 0)
		close(q->content);
	close(q->fd);
	return wrong < 0 ? q->status : 0;
}
