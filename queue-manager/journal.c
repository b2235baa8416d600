/*
 * journal - the lines of a message's file: written, and read back
 *
 * See journal.h, spool(5).  Promises: what journal_write wrote journal_read gives back; a line that was cut anywhere, or one
 * byte of which was changed, is JOURNAL_PARTIAL or JOURNAL_BAD, never another line (but for one chance in 2^32).
 *
 * Invariants of a journal, kept by those who append (message.c, intake.c) and relied on by replay.c:
 *
 * J1  `from` is the first line, and stands once; then `top` lines, then `to` lines, then `queued`, once.
 * J2  `to` lines are numbered 1, 2, 3 ... in the order of the file, also those after `queued`.
 * J3  `queued` is written last of the head and says how many `to` lines stand before it.  No `queued`: never accepted.
 * J4  A `to` line after `queued` names its parent.  It counts only from the `expanded` line of the parent that
 *     names it, which is written in the same append behind it.  So a crash between neither loses the parent nor doubles a child.
 * J5  A recipient has at most one of delivered, failed, expanded; nothing about it follows but `notified`, once.  A `notified` before them
 *     is about a delay.
 * J6  Lines are only appended.  What follows the first bad line is cut off before anything else is appended.
 */
#include "queue-manager/journal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/protocol/lookup.h"
#include "common/system/clock.h"
#include "common/text/checksum.h"
#include "common/text/escape.h"
#include "common/text/number.h"

#define HEADER_WORDS "culver-message 1 "
#define HEADER_DIGITS (JOURNAL_HEADER_SIZE - (int)sizeof(HEADER_WORDS)) /* all but the newline */
#define CHECK_DIGITS 8
#define NUMBER_MAX UINT32_MAX

static const char *const verbs[] = {
	[JOURNAL_FROM] = "from",
	[JOURNAL_TOP] = "top",
	[JOURNAL_TO] = "to",
	[JOURNAL_QUEUED] = "queued",
	[JOURNAL_DELIVERED] = "delivered",
	[JOURNAL_DEFERRED] = "deferred",
	[JOURNAL_FAILED] = "failed",
	[JOURNAL_EXPANDED] = "expanded",
	[JOURNAL_HELD] = "held",
	[JOURNAL_RELEASED] = "released",
	[JOURNAL_NOTIFIED] = "notified",
};

static const char *const tls_demands[] = {
	[INTAKE_TLS_REQUIRED] = "requiretls",
	[INTAKE_TLS_WAIVED] = "tls-waived",
};

static const char *const rets[] = {
	[INTAKE_RET_FULL] = "full",
	[INTAKE_RET_HDRS] = "hdrs",
};

static const struct {
	const char *word;
	uint64_t bit;
} notifies[] = {
	{"never", INTAKE_NOTIFY_NEVER},
	{"success", INTAKE_NOTIFY_SUCCESS},
	{"failure", INTAKE_NOTIFY_FAILURE},
	{"delay", INTAKE_NOTIFY_DELAY},
};

#define NOTIFIES (sizeof(notifies) / sizeof(notifies[0]))

static const char *const relayeds[] = {
	[JOBS_RELAYED_PASSED] = "passed",
	[JOBS_RELAYED_SILENT] = "relayed",
};

static const char *const directs[] = {
	[LOOKUP_DIRECT_USER] = "direct",
	[LOOKUP_DIRECT_MAILBOX] = "mailbox",
};

static const char *const origins[] = {
	[INTAKE_NETWORK] = "network",
	[INTAKE_NOTICE] = "notice",
	[INTAKE_LOCAL] = "local",
};

/* ---- the header line ---- */

void
journal_header(uint64_t length, char to[JOURNAL_HEADER_SIZE])
{
	char line[JOURNAL_HEADER_SIZE + 1];
	snprintf(line, sizeof(line), HEADER_WORDS "%0*" PRIu64 "\n", HEADER_DIGITS,
		 length <= JOURNAL_LENGTH_MAX ? length : JOURNAL_LENGTH_MAX);
	memcpy(to, line, JOURNAL_HEADER_SIZE);
}

int
journal_header_read(const char from[JOURNAL_HEADER_SIZE], uint64_t *length)
{
	struct span line = span_from(from, JOURNAL_HEADER_SIZE);
	if (!span_starts(line, SPAN(HEADER_WORDS)) || from[JOURNAL_HEADER_SIZE - 1] != '\n')
		return -1;
	return number_parse(span_from(from + sizeof(HEADER_WORDS) - 1, HEADER_DIGITS), 0,
			    JOURNAL_LENGTH_MAX, length);
}

/* ---- writing ---- */

static void
put_number(struct buffer *to, uint64_t number)
{
	char digits[24];
	char *at = digits + sizeof(digits);
	do
		*--at = (char)('0' + number % 10);
	while ((number /= 10) > 0);
	*--at = ' ';
	buffer_add(to, at, (size_t)(digits + sizeof(digits) - at));
}

static void
put_word(struct buffer *to, struct span word)
{
	buffer_char(to, ' ');
	escape_word(to, word);
}

static void
put_time(struct buffer *to, int64_t us)
{
	char text[CLOCK_TEXT_MAX];
	clock_iso(us, text);
	buffer_char(to, ' ');
	buffer_string(to, text);
}

static void
put_reply(struct buffer *to, const struct journal_entry *e)
{
	put_word(to, e->host);
	put_number(to, e->code);
	put_word(to, e->status);
	put_word(to, e->reply);
}

static void
put_from(struct buffer *to, const struct journal_entry *e)
{
	put_word(to, span_of(origins[e->origin]));
	put_word(to, e->client);
	put_word(to, e->helo);
	put_word(to, e->protocol);
	put_word(to, e->sender);
	buffer_string(to, e->eight_bit ? " 8bit" : " 7bit");
	if (e->uid != 0)
		buffer_format(to, " uid=%" PRIu64, e->uid - 1);
	if (e->utf8)
		buffer_string(to, " utf8");
	if (e->tls_demand != INTAKE_TLS_BY_POLICY)
		buffer_format(to, " %s", tls_demands[e->tls_demand]);
	if (e->ret != INTAKE_RET_UNSAID)
		buffer_format(to, " ret=%s", rets[e->ret]);
	if (e->envid.len > 0) {
		buffer_string(to, " envid=");
		escape_word(to, e->envid);
	}
	if (e->tls.len > 0) {
		buffer_string(to, " tls=");
		escape_word(to, e->tls);
	}
	if (e->login.len > 0) {
		buffer_string(to, " login=");
		escape_word(to, e->login);
	}
}

static void
put_notify(struct buffer *to, uint64_t notify)
{
	const char *before = " notify=";
	for (size_t i = 0; i < NOTIFIES; i++) {
		if ((notify & notifies[i].bit) == 0)
			continue;
		buffer_format(to, "%s%s", before, notifies[i].word);
		before = ",";
	}
}

static void
put_to(struct buffer *to, const struct journal_entry *e)
{
	put_number(to, e->number);
	put_word(to, e->text);
	if (e->parent != 0) {
		buffer_string(to, " parent=");
		/* the blank that put_number leads with is not wanted here */
		buffer_format(to, "%" PRIu64, e->parent);
	}
	if (e->direct != LOOKUP_DIRECT_NOT)
		buffer_format(to, " %s", directs[e->direct]);
	if (e->line != 0)
		buffer_format(to, " line=%016" PRIX64, e->line);
	if (e->owner.len > 0) {
		buffer_string(to, " owner=");
		escape_word(to, e->owner);
	}
	put_notify(to, e->notify);
	if (e->orcpt.len > 0) {
		buffer_string(to, " orcpt=");
		escape_word(to, e->orcpt);
	}
}

static void
put_arguments(struct buffer *to, const struct journal_entry *e)
{
	switch (e->verb) {
	case JOURNAL_FROM:
		put_from(to, e);
		return;
	case JOURNAL_TOP:
		put_word(to, e->text);
		return;
	case JOURNAL_TO:
		put_to(to, e);
		return;
	case JOURNAL_QUEUED:
		put_time(to, e->time_us);
		buffer_format(to, " %016" PRIX64, e->checksum);
		put_number(to, e->count);
		return;
	case JOURNAL_DELIVERED:
	case JOURNAL_FAILED:
		put_number(to, e->number);
		put_time(to, e->time_us);
		put_reply(to, e);
		if (e->relayed != JOBS_RELAYED_FINAL)
			buffer_format(to, " %s", relayeds[e->relayed]);
		return;
	case JOURNAL_DEFERRED:
		put_number(to, e->number);
		put_time(to, e->time_us);
		put_time(to, e->next_us);
		put_number(to, e->attempt);
		put_reply(to, e);
		return;
	case JOURNAL_EXPANDED:
		put_number(to, e->number);
		buffer_string(to, " ->");
		put_word(to, e->numbers);
		return;
	case JOURNAL_HELD:
		put_time(to, e->time_us);
		put_word(to, e->text);
		return;
	case JOURNAL_RELEASED:
		put_time(to, e->time_us);
		return;
	case JOURNAL_NOTIFIED:
		put_time(to, e->time_us);
		buffer_format(to, " %013" PRIX64, e->notice);
		put_word(to, e->numbers);
		return;
	}
}

void
journal_write(struct buffer *to, uint64_t id, const struct journal_entry *e)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t begin = to->len;
	buffer_string(to, "00000000 ");
	buffer_string(to, verbs[e->verb]);
	put_arguments(to, e);
	if (!to->failed) {
		size_t at = begin + CHECK_DIGITS + 1;
		uint32_t check = checksum_word(span_from(to->at + at, to->len - at), id);
		for (int i = CHECK_DIGITS - 1; i >= 0; i--, check >>= 4)
			to->at[begin + (size_t)i] = digits[check & 15];
	}
	buffer_char(to, '\n');
}

/* ---- reading ---- */

/* an escaped word, into `words`, which has room for all of the line: its spans stay where they are */
static int
take_word(struct span *rest, struct buffer *words, struct span *word)
{
	size_t begin = words->len;
	if (unescape_word(rest, words) != 0)
		return -1;
	*word = span_from(words->at + begin, words->len - begin);
	return 0;
}

static int
take_number(struct span *rest, uint64_t min, uint64_t max, uint64_t *number)
{
	return number_parse(span_cut(rest, ' '), min, max, number);
}

static int
take_hex(struct span *rest, uint64_t *number)
{
	return number_parse_hex(span_cut(rest, ' '), number);
}

static int
digits_of(struct span s, size_t at, size_t len, uint64_t max, int64_t *value)
{
	uint64_t number;
	if (number_parse(span_from(s.at + at, len), 0, max, &number) != 0)
		return -1;
	*value = (int64_t)number;
	return 0;
}

/* 2026-11-24T08:02:31.123456Z; days of the proleptic Gregorian calendar since 1970 */
static int
take_time(struct span *rest, int64_t *us)
{
	static const char shape[] = "    -  -  T  :  :  .      Z";
	struct span s = span_cut(rest, ' ');
	int64_t year, month, day, hour, minute, second, micro;
	if (s.len != sizeof(shape) - 1)
		return -1;
	for (size_t i = 0; i < s.len; i++)
		if (shape[i] != ' ' && shape[i] != s.at[i])
			return -1;
	if (digits_of(s, 0, 4, 9999, &year) != 0 || digits_of(s, 5, 2, 12, &month) != 0 ||
	    digits_of(s, 8, 2, 31, &day) != 0 || digits_of(s, 11, 2, 23, &hour) != 0 ||
	    digits_of(s, 14, 2, 59, &minute) != 0 || digits_of(s, 17, 2, 60, &second) != 0 ||
	    digits_of(s, 20, 6, 999999, &micro) != 0 || month < 1 || day < 1 || year < 1970)
		return -1;
	/* years that begin in March make the leap day the last of its year */
	int64_t y = month > 2 ? year : year - 1;
	int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
	int64_t days = y * 365 + y / 4 - y / 100 + y / 400 + day_of_year - 719468;
	*us = (((days * 24 + hour) * 60 + minute) * 60 + second) * 1000000 + micro;
	return 0;
}

static int
take_reply(struct span *rest, struct buffer *words, struct journal_entry *e)
{
	return take_word(rest, words, &e->host) != 0 || take_number(rest, 0, 999, &e->code) != 0 ||
			       take_word(rest, words, &e->status) != 0 ||
			       take_word(rest, words, &e->reply) != 0
		       ? -1
		       : 0;
}

/* KEY=WORD, once */
static int
take_named(struct span *rest, struct buffer *words, const char *key, struct span *word)
{
	*rest = span_skip(*rest, strlen(key));
	return word->len > 0 || take_word(rest, words, word) != 0 || word->len == 0 ? -1 : 0;
}

static int
take_ret(struct span word, uint64_t *ret)
{
	for (uint64_t i = INTAKE_RET_FULL; i <= INTAKE_RET_HDRS && *ret == 0; i++)
		if (span_equal(word, span_of(rets[i]))) {
			*ret = i;
			return 0;
		}
	return -1;
}

/* what was not always there: words, most of them KEY=VALUE, each only when there is something to say */
static int
take_from_more(struct span *rest, struct buffer *words, struct journal_entry *e)
{
	if (span_starts(*rest, SPAN("envid=")))
		return take_named(rest, words, "envid=", &e->envid);
	if (span_starts(*rest, SPAN("tls=")))
		return take_named(rest, words, "tls=", &e->tls);
	if (span_starts(*rest, SPAN("login=")))
		return take_named(rest, words, "login=", &e->login);
	struct span word = span_cut(rest, ' ');
	struct span value = word;
	struct span key = span_cut(&value, '=');
	if (span_equal(word, SPAN("utf8")) && !e->utf8) {
		e->utf8 = true;
		return 0;
	}
	for (size_t i = INTAKE_TLS_REQUIRED; i <= INTAKE_TLS_WAIVED; i++) {
		if (!span_equal(word, span_of(tls_demands[i])) ||
		    e->tls_demand != INTAKE_TLS_BY_POLICY)
			continue;
		e->tls_demand = i;
		return 0;
	}
	if (span_equal(key, SPAN("ret")))
		return take_ret(value, &e->ret);
	if (!span_equal(key, SPAN("uid")) || e->uid != 0 ||
	    number_parse(value, 0, UINT32_MAX - 1, &e->uid) != 0)
		return -1;
	e->uid++;
	return 0;
}

static int
take_from(struct span *rest, struct buffer *words, struct journal_entry *e)
{
	struct span origin = span_cut(rest, ' ');
	e->origin = INTAKE_NETWORK;
	while (e->origin <= INTAKE_LOCAL && !span_equal(origin, span_of(origins[e->origin])))
		e->origin++;
	if (e->origin > INTAKE_LOCAL || take_word(rest, words, &e->client) != 0 ||
	    take_word(rest, words, &e->helo) != 0 || take_word(rest, words, &e->protocol) != 0 ||
	    take_word(rest, words, &e->sender) != 0)
		return -1;
	struct span bits = span_cut(rest, ' ');
	e->eight_bit = span_equal(bits, SPAN("8bit"));
	if (!e->eight_bit && !span_equal(bits, SPAN("7bit")))
		return -1;
	while (rest->len > 0)
		if (take_from_more(rest, words, e) != 0)
			return -1;
	return 0;
}

static int
take_notify(struct span words, uint64_t *notify)
{
	while (words.len > 0) {
		struct span word = span_cut(&words, ',');
		size_t i = 0;
		while (i < NOTIFIES && !span_equal(word, span_of(notifies[i].word)))
			i++;
		if (i == NOTIFIES || (*notify & notifies[i].bit) != 0)
			return -1;
		*notify |= notifies[i].bit;
	}
	return *notify == 0 || ((*notify & INTAKE_NOTIFY_NEVER) != 0 &&
				*notify != INTAKE_NOTIFY_NEVER)
		       ? -1
		       : 0;
}

static int
take_to(struct span *rest, struct buffer *words, struct journal_entry *e)
{
	if (take_number(rest, 1, NUMBER_MAX, &e->number) != 0 ||
	    take_word(rest, words, &e->text) != 0 || e->text.len == 0)
		return -1;
	if (span_starts(*rest, SPAN("parent="))) {
		*rest = span_skip(*rest, 7);
		if (take_number(rest, 1, e->number - 1, &e->parent) != 0)
			return -1;
	}
	for (uint64_t i = LOOKUP_DIRECT_USER; i <= LOOKUP_DIRECT_MAILBOX; i++) {
		struct span word = *rest;
		if (!span_equal(span_cut(&word, ' '), span_of(directs[i])))
			continue;
		e->direct = i;
		*rest = word;
		break;
	}
	if (span_starts(*rest, SPAN("line="))) {
		struct span line = span_cut(rest, ' ');
		if (number_parse_hex(span_skip(line, 5), &e->line) != 0 || e->line == 0)
			return -1;
	}
	if (span_starts(*rest, SPAN("owner=")) && take_named(rest, words, "owner=", &e->owner) != 0)
		return -1;
	if (span_starts(*rest, SPAN("notify="))) {
		struct span notify = span_cut(rest, ' ');
		if (take_notify(span_skip(notify, 7), &e->notify) != 0)
			return -1;
	}
	if (span_starts(*rest, SPAN("orcpt=")) && take_named(rest, words, "orcpt=", &e->orcpt) != 0)
		return -1;
	return 0;
}

/* how it was handed over, where success was asked for */
static int
take_relayed(struct span *rest, struct journal_entry *e)
{
	struct span word = span_cut(rest, ' ');
	if (word.len == 0)
		return 0;
	for (uint64_t i = JOBS_RELAYED_PASSED; i <= JOBS_RELAYED_SILENT; i++)
		if (span_equal(word, span_of(relayeds[i]))) {
			e->relayed = i;
			return 0;
		}
	return -1;
}

/* 1-3,7: rising, at least one */
static int
take_numbers(struct span *rest, struct span *numbers)
{
	*numbers = span_cut(rest, ' ');
	uint64_t before = 0;
	struct span left = *numbers;
	if (left.len == 0 || left.at[left.len - 1] == ',')
		return -1;
	while (left.len > 0) {
		struct span run = span_cut(&left, ',');
		struct span begin = span_cut(&run, '-');
		uint64_t first, last;
		if (number_parse(begin, before + 1, NUMBER_MAX, &first) != 0)
			return -1;
		last = first;
		/* what was cut off tells "5" from "5-" */
		if (begin.at + begin.len < run.at + run.len || run.len > 0)
			if (number_parse(run, first + 1, NUMBER_MAX, &last) != 0)
				return -1;
		before = last;
	}
	return 0;
}

static int
take_arguments(struct span *rest, struct buffer *words, struct journal_entry *e)
{
	switch (e->verb) {
	case JOURNAL_FROM:
		return take_from(rest, words, e);
	case JOURNAL_TOP:
		return take_word(rest, words, &e->text);
	case JOURNAL_TO:
		return take_to(rest, words, e);
	case JOURNAL_QUEUED:
		return take_time(rest, &e->time_us) != 0 || take_hex(rest, &e->checksum) != 0 ||
				       take_number(rest, 1, NUMBER_MAX, &e->count) != 0
			       ? -1
			       : 0;
	case JOURNAL_DELIVERED:
	case JOURNAL_FAILED:
		return take_number(rest, 1, NUMBER_MAX, &e->number) != 0 ||
				       take_time(rest, &e->time_us) != 0 ||
				       take_reply(rest, words, e) != 0 ||
				       (e->verb == JOURNAL_DELIVERED && take_relayed(rest, e) != 0)
			       ? -1
			       : 0;
	case JOURNAL_DEFERRED:
		return take_number(rest, 1, NUMBER_MAX, &e->number) != 0 ||
				       take_time(rest, &e->time_us) != 0 ||
				       take_time(rest, &e->next_us) != 0 ||
				       take_number(rest, 0, NUMBER_MAX, &e->attempt) != 0 ||
				       take_reply(rest, words, e) != 0
			       ? -1
			       : 0;
	case JOURNAL_EXPANDED:
		return take_number(rest, 1, NUMBER_MAX, &e->number) != 0 ||
				       !span_equal(span_cut(rest, ' '), SPAN("->")) ||
				       take_numbers(rest, &e->numbers) != 0
			       ? -1
			       : 0;
	case JOURNAL_HELD:
		return take_time(rest, &e->time_us) != 0 || take_word(rest, words, &e->text) != 0
			       ? -1
			       : 0;
	case JOURNAL_RELEASED:
		return take_time(rest, &e->time_us);
	case JOURNAL_NOTIFIED:
		return take_time(rest, &e->time_us) != 0 || take_hex(rest, &e->notice) != 0 ||
				       take_numbers(rest, &e->numbers) != 0
			       ? -1
			       : 0;
	}
	return -1;
}

/* a line without its newline: its check word, and what it says after it */
static int
check(struct span line, uint64_t id, struct span *said)
{
	uint64_t word;
	if (line.len < CHECK_DIGITS + 2 || line.at[CHECK_DIGITS] != ' ' ||
	    number_parse_hex(span_from(line.at, CHECK_DIGITS), &word) != 0)
		return -1;
	*said = span_skip(line, CHECK_DIGITS + 1);
	return checksum_word(*said, id) == (uint32_t)word ? 0 : -1;
}

enum journal_outcome
journal_read(struct span *rest, uint64_t id, struct buffer *words, struct journal_entry *e)
{
	const char *end = memchr(rest->at, '\n', rest->len);
	struct span said;
	if (end == NULL)
		return rest->len > JOURNAL_LINE_MAX ? JOURNAL_BAD : JOURNAL_PARTIAL;
	size_t len = (size_t)(end - rest->at);
	buffer_clear(words);
	if (len > JOURNAL_LINE_MAX || check(span_from(rest->at, len), id, &said) != 0 ||
	    buffer_reserve(words, len) == NULL)
		return JOURNAL_BAD;
	struct span word = span_cut(&said, ' ');
	unsigned verb = JOURNAL_FROM;
	while (verb <= JOURNAL_NOTIFIED && !span_equal(word, span_of(verbs[verb])))
		verb++;
	if (verb > JOURNAL_NOTIFIED)
		return JOURNAL_BAD;
	*e = (struct journal_entry){.verb = (enum journal_verb)verb};
	if (take_arguments(&said, words, e) != 0 || said.len != 0)
		return JOURNAL_BAD;
	*rest = span_skip(*rest, len + 1);
	return JOURNAL_LINE;
}

bool
journal_queued_in(struct span bytes, uint64_t id)
{
	struct span said;
	while (bytes.len > 0) {
		struct span line = span_cut(&bytes, '\n');
		if (check(line, id, &said) == 0 && span_starts(said, SPAN("queued ")))
			return true;
	}
	return false;
}

/* ---- sets of numbers ---- */

void
journal_numbers_start(struct journal_numbers *n)
{
	buffer_init(&n->text, JOURNAL_NUMBERS_MAX);
	n->first = n->last = 0;
}

static void
end_run(struct journal_numbers *n)
{
	if (n->first == 0)
		return;
	if (n->text.len > 0)
		buffer_char(&n->text, ',');
	buffer_format(&n->text, "%" PRIu64, n->first);
	if (n->last > n->first)
		buffer_format(&n->text, "-%" PRIu64, n->last);
	n->first = n->last = 0;
}

void
journal_numbers_add(struct journal_numbers *n, uint64_t number)
{
	if (n->first != 0 && number == n->last + 1) {
		n->last = number;
		return;
	}
	end_run(n);
	n->first = n->last = number;
}

struct span
journal_numbers_end(struct journal_numbers *n)
{
	end_run(n);
	return buffer_get(&n->text);
}

void
journal_numbers_free(struct journal_numbers *n)
{
	buffer_free(&n->text);
}

bool
journal_numbers_next(struct span *numbers, uint64_t *first, uint64_t *last)
{
	if (numbers->len == 0)
		return false;
	struct span run = span_cut(numbers, ',');
	struct span begin = span_cut(&run, '-');
	if (number_parse(begin, 1, NUMBER_MAX, first) != 0)
		return false;
	*last = *first;
	if (run.len > 0 && number_parse(run, *first, NUMBER_MAX, last) != 0)
		return false;
	return true;
}
