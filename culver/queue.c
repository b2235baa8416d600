/*
 * queue - asks the queue-manager by the socket `control` (common/protocol/control.h)
 *
 * Called by culver/main.c.  Selectors are passed on as they stand: the queue-manager knows them and answers with a sentence what it does not
 * understand.  Exit status: 0; 1 nothing matched, or refused; 64 wrong arguments; 69 not running; 70 an answer that is none.
 */
#include "culver/queue.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/mail/header.h"
#include "common/protocol/control.h"
#include "common/system/channel.h"
#include "common/system/clock.h"
#include "common/system/fatal.h"
#include "common/text/number.h"
#include "culver/human.h"
#include "culver/listing.h"

#define OUTPUT_MAX (8u << 20) /* printed long before */
#define PRINT_AT 65536
#define ID_DIGITS_MIN 13
#define CONTENT_CHUNK 65536

/* one run of the verb */
struct query {
	const struct culver_options *o;
	int fd;
	struct listing listing;
	struct buffer out;
	struct channel_fds fds;
	struct control_file file;
	int content;	/* descriptor of the message's file; -1 */
	uint64_t count; /* of DONE, all requests together */
	int status;	/* exit with this when a request failed */
	char datagram[CHANNEL_MAX];
};

static int
fail(struct query *q, int status, const char *sentence)
{
	fprintf(stderr, "culver: %s\n", sentence);
	q->status = status;
	return -1;
}

/* ---- answers ---- */

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
	} m;
	struct wire_header header;
	struct span datagram = span_from(q->datagram, len);
	const struct wire_shape *shape =
		wire_peek(datagram, &header) == 0 ? wire_find(control_answers, header.type) : NULL;
	if (shape == NULL || wire_decode(datagram, shape, &m) < 0 || shape->fds != q->fds.count)
		return fail(q, EXIT_SOFTWARE, "the queue-manager's answer is malformed");
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
	case CONTROL_DONE:
		q->count += m.done.count;
		listing_close(&q->listing);
		return 1;
	case CONTROL_REFUSED:
		return refused(q, &m.refused);
	case CONTROL_STATE:
	case CONTROL_LIST:
	case CONTROL_SHOW:
	case CONTROL_ACT:
	case CONTROL_STATUS:
		return fail(q, EXIT_SOFTWARE, "the queue-manager's answer is out of turn");
	}
	if (q->out.len >= PRINT_AT && human_print(&q->out) < 0) {
		q->status = 1;
		return -1;
	}
	return 0;
}

/* sends a question and takes all of its answer; -1: q->status */
static int
request(struct query *q, enum control_type type, const void *question)
{
	int64_t deadline_ms = clock_monotonic_ms() + OPTIONS_ANSWER_MS;
	const struct wire_shape *shape = wire_find(control_calls, (uint16_t)type);
	if (wire_send_wait(q->fd, shape, 0, 1, question, NULL, deadline_ms) != CHANNEL_OK)
		return fail(q, EXIT_UNAVAILABLE, "the queue-manager does not take the question");
	int more = 0;
	while (more == 0) {
		size_t len = 0;
		deadline_ms = clock_monotonic_ms() + OPTIONS_ANSWER_MS;
		switch (channel_receive_wait(q->fd, q->datagram, &len, &q->fds, deadline_ms)) {
		case CHANNEL_OK:
			more = take_answer(q, len);
			channel_close_fds(&q->fds);
			break;
		case CHANNEL_AGAIN:
			return fail(q, EXIT_UNAVAILABLE, "the queue-manager does not answer");
		case CHANNEL_CLOSED:
			return fail(q, EXIT_UNAVAILABLE,
				    "the queue-manager ended before it had answered");
		case CHANNEL_BROKEN:
			return fail(q, EXIT_SOFTWARE, "the queue-manager's answer is malformed");
		}
	}
	return more < 0 ? -1 : 0;
}

/* ---- selectors ---- */

static bool
is_id(const char *word)
{
	uint64_t id;
	return strlen(word) >= ID_DIGITS_MIN && number_parse_hex(span_of(word), &id) == 0 && id > 0;
}

static bool
are_ids(char **words)
{
	for (; *words != NULL; words++)
		if (!is_id(*words))
			return false;
	return true;
}

/* moves *words over those that fit into one question; -1: not even one does */
static int
gather(char ***words, struct wire *list)
{
	size_t bytes = 0;
	char **first = *words;
	wire_list_start(list);
	for (; **words != NULL; (*words)++) {
		struct control_word word = {.word = span_of(**words)};
		bytes += word.word.len + 1;
		if (bytes > CONTROL_SELECTOR_MAX ||
		    wire_list_add(list, WIRE_LIST_ROOM, &control_word_shape, &word) < 0)
			break;
	}
	return *words == first && *first != NULL ? -1 : 0;
}

/*
 * One question for all words, since all must hold; only of ids, of which one must hold, several questions may be made.
 */
static int
request_selected(struct query *q, char **words, enum control_verb verb)
{
	static struct wire list;
	bool parts = are_ids(words);
	do {
		if (gather(&words, &list) < 0 || (*words != NULL && !parts))
			return fail(q, OPTIONS_USAGE, "the selector is too long");
		struct control_list ask = {.selector = wire_list_get(&list), .recipients = 1};
		struct control_act act = {.verb = verb, .selector = wire_list_get(&list)};
		int wrong =
			verb == 0 ? request(q, CONTROL_LIST, &ask) : request(q, CONTROL_ACT, &act);
		if (wrong < 0)
			return -1;
	} while (*words != NULL);
	return 0;
}

/* ---- what may be asked ---- */

static int
list(struct query *q, char **words)
{
	if (request_selected(q, words, 0) < 0)
		return -1;
	if (q->listing.messages == 0 && *words != NULL)
		return fail(q, 1, "no message matches");
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
		return fail(q, 1, strerror(errno));
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
			return fail(q, 1,
				    n < 0 ? strerror(errno) : "the message's file ends too early");
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
	if (!is_id(word) || number_parse_hex(span_of(word), &m.id) < 0) {
		q->status =
			options_usage(q->o, "%s is no id: 13 or more upper-case hex digits", word);
		return -1;
	}
	if (request(q, CONTROL_SHOW, &m) < 0)
		return -1;
	if (q->listing.messages == 0)
		return fail(q, 1, "no message has this id");
	if (q->o->json)
		return 0;
	if (q->content < 0)
		return fail(q, EXIT_SOFTWARE, "the queue-manager has sent no file");
	return q->o->content ? print_content(q) : print_header(q);
}

static const struct act {
	const char *word;
	enum control_verb verb;
	const char *one, *many; /* said of what was done */
} acts[] = {
	{"retry", CONTROL_RETRY, "is due now", "are due now"},
	{"hold", CONTROL_HOLD, "is held", "are held"},
	{"release", CONTROL_RELEASE, "is released", "are released"},
	{"remove", CONTROL_REMOVE, "is removed", "are removed"},
	{"bounce", CONTROL_BOUNCE, "goes back to its sender", "go back to their senders"},
};

static int
act(struct query *q, const struct act *a, char **words)
{
	if (request_selected(q, words, a->verb) < 0)
		return -1;
	if (q->o->json)
		buffer_format(&q->out, "{\"count\":%" PRIu64 "}\n", q->count);
	if (q->count == 0)
		return fail(q, 1, "no message matches");
	if (!q->o->json)
		buffer_format(&q->out, "%" PRIu64 " message%s %s\n", q->count,
			      q->count == 1 ? "" : "s", q->count == 1 ? a->one : a->many);
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

/* 0, or the exit status of wrong arguments */
static int
check_arguments(const struct culver_options *o, char **argv)
{
	const char *word = argv[1];
	bool shows = word != NULL && strcmp(word, "show") == 0;
	if (shows && (argv[2] == NULL || argv[3] != NULL))
		return options_usage(o, "show wants one id");
	if (!shows && o->content)
		return options_usage(o, "--content belongs to show");
	if (o->content && o->json)
		return options_usage(o, "--content has no JSON form");
	if (act_find(word) != NULL && argv[2] == NULL)
		return options_usage(o, "%s wants a selector: ids, all, or KEY=VALUE", word);
	for (char **w = argv + 1; *w != NULL; w++)
		if (**w == '\0')
			return options_usage(o, "a word is empty");
	return 0;
}

static int
run(struct query *q, char **argv)
{
	const struct act *a = act_find(argv[1]);
	if (a != NULL)
		return act(q, a, argv + 2);
	if (argv[1] != NULL && strcmp(argv[1], "show") == 0)
		return show(q, argv[2]);
	return list(q, argv + 1);
}

int
verb_queue(const struct culver_options *o, int argc, char **argv)
{
	static struct query q;
	int status = check_arguments(o, argv);
	bool shows = argc > 1 && strcmp(argv[1], "show") == 0;
	if (status != 0)
		return status;
	q = (struct query){.o = o, .content = -1};
	q.fd = options_connect(o, "control", &status);
	if (q.fd < 0)
		return status;
	buffer_init(&q.out, OUTPUT_MAX);
	listing_start(&q.listing,
		      o->as_mailq ? LISTING_MAILQ
		      : o->json	  ? LISTING_JSON
		      : shows	  ? LISTING_WHOLE
				  : LISTING_LINES,
		      clock_wall_us(), &q.out);
	int wrong = run(&q, argv);
	if (human_print(&q.out) < 0 || fflush(stdout) != 0) {
		wrong = -1;
		q.status = q.status != 0 ? q.status : 1;
	}
	buffer_free(&q.out);
	if (q.content >= 0)
		close(q.content);
	close(q.fd);
	return wrong < 0 ? q.status : 0;
}
