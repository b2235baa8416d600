/*
 * ledger - see ledger.h
 *
 *     CHECK SLOT MESSAGES RECIPIENTS BYTES SENDER\n
 *
 * A line adds to what the sender has used in that slot, so the order of lines, and which were read, matter to nobody else.  Promises:
 *
 * L1  Nothing waits for the disk: lines are written as those of journals are, without fsync.  A kill loses the count of a second, a
 *     power cut that of about half a minute; no mail depends on either.
 * L2  A line that is torn or is none is passed over.
 * L3  A file is emptied when its day comes round again, two days later: what is in it is no longer asked for.
 * L4  A clock that was set back makes what is in the future count as used now, for a day at most.
 */
#include "queue-manager/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/system/events.h"
#include "common/system/fatal.h"
#include "common/text/buffer.h"
#include "common/text/checksum.h"
#include "common/text/escape.h"
#include "common/text/number.h"
#include "queue-manager/spool.h"

#define FILES 2
#define PIECE 65536
#define LINE_MAX (LEDGER_SENDER_MAX * 4 + 128) /* each byte of a name as \xHH */
#define SLOTS_FIRST 8
#define AMOUNT_MAX (UINT64_C(1) << 50)

static const char *const files[FILES] = {"budget.0", "budget.1"};

/* ---- senders ---- */

static struct ledger_sender **
bucket_of(struct ledger *l, struct span name)
{
	return &l->buckets[checksum_of(name.at, name.len) % LEDGER_BUCKETS];
}

static struct ledger_sender *
find(struct ledger *l, struct span name)
{
	struct ledger_sender *s = *bucket_of(l, name);
	while (s != NULL && !span_equal(span_of(s->name), name))
		s = s->hash_next;
	return s;
}

struct ledger_sender *
ledger_sender(struct ledger *l, struct span name)
{
	struct ledger_sender *s = find(l, name);
	if (s != NULL)
		return s;
	if (name.len > LEDGER_SENDER_MAX ||
	    (l->count >= LEDGER_SENDERS_MAX && !span_equal(name, SPAN(LEDGER_OTHERS))))
		return ledger_sender(l, SPAN(LEDGER_OTHERS));
	if (l->count == l->room) {
		size_t room = l->room == 0 ? 16 : l->room * 2;
		struct ledger_sender **senders =
			realloc(l->senders, room * sizeof(struct ledger_sender *));
		if (senders == NULL)
			fatal(EXIT_OS, ENOMEM, "%zu senders", room);
		l->senders = senders;
		l->room = room;
	}
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		fatal(EXIT_OS, ENOMEM, "a sender's budget");
	memcpy(s->name, name.at, name.len);
	struct ledger_sender **bucket = bucket_of(l, name);
	s->hash_next = *bucket;
	*bucket = s;
	l->senders[l->count++] = s;
	return s;
}

static void
free_sender(struct ledger_sender *s)
{
	free(s->slots);
	free(s);
}

void
ledger_forget_idle(struct ledger *l, int64_t wall_us)
{
	for (size_t i = 0; i < l->count;) {
		struct ledger_sender *s = l->senders[i];
		(void)ledger_used(s, LEDGER_DAY_SLOTS, wall_us);
		if (s->count > 0 || s->held > 0 || s->is_unsaved) {
			i++;
			continue;
		}
		struct ledger_sender **at = bucket_of(l, span_of(s->name));
		while (*at != s)
			at = &(*at)->hash_next;
		*at = s->hash_next;
		l->senders[i] = l->senders[--l->count];
		free_sender(s);
	}
}

/* ---- slots ---- */

static void
sum_up(struct ledger_amount *to, const struct ledger_amount *more)
{
	to->messages += more->messages;
	to->recipients += more->recipients;
	to->bytes += more->bytes;
}

/* what is older than a day goes; what is in the future is of now (L4) */
static void
put_right(struct ledger_sender *s, int64_t now)
{
	size_t old = 0;
	while (old < s->count && s->slots[old].number < now - LEDGER_DAY_SLOTS)
		old++;
	s->count -= old;
	if (old > 0)
		memmove(s->slots, s->slots + old, s->count * sizeof(s->slots[0]));
	while (s->count > 0 && s->slots[s->count - 1].number > now) {
		struct ledger_slot *last = &s->slots[s->count - 1];
		last->number = now;
		if (s->count == 1 || last[-1].number < now)
			break;
		sum_up(&last[-1].used, &last->used);
		s->count--;
	}
}

static void
add_to_slot(struct ledger_sender *s, int64_t number, const struct ledger_amount *used)
{
	size_t at = s->count;
	/* nearly always the last one; files are read in the order in which they were written */
	while (at > 0 && s->slots[at - 1].number > number)
		at--;
	if (at > 0 && s->slots[at - 1].number == number) {
		sum_up(&s->slots[at - 1].used, used);
		return;
	}
	if (s->count == s->room) {
		size_t room = s->room == 0 ? SLOTS_FIRST : s->room * 2;
		struct ledger_slot *slots = realloc(s->slots, room * sizeof(*slots));
		if (slots == NULL)
			fatal(EXIT_OS, ENOMEM, "%zu slots of a sender", room);
		s->slots = slots;
		s->room = room;
	}
	memmove(s->slots + at + 1, s->slots + at, (s->count - at) * sizeof(s->slots[0]));
	s->slots[at] = (struct ledger_slot){.number = number, .used = *used};
	s->count++;
}

bool
ledger_add(struct ledger *l, struct ledger_sender *s, const struct ledger_amount *used,
	   int64_t wall_us)
{
	int64_t now = wall_us / LEDGER_SLOT_US;
	put_right(s, now);
	add_to_slot(s, now, used);
	if (!s->is_unsaved)
		s->unsaved = (struct ledger_amount){0};
	s->is_unsaved = true;
	s->unsaved_slot = now;
	sum_up(&s->unsaved, used);
	return l->dir >= 0;
}

struct ledger_amount
ledger_used(struct ledger_sender *s, int64_t slots, int64_t wall_us)
{
	struct ledger_amount used = {0};
	int64_t now = wall_us / LEDGER_SLOT_US;
	put_right(s, now);
	for (size_t i = s->count; i > 0 && s->slots[i - 1].number >= now - slots; i--)
		sum_up(&used, &s->slots[i - 1].used);
	return used;
}

/* ---- the files ---- */

static int64_t
day_of(int64_t slot)
{
	return slot / LEDGER_DAY_SLOTS;
}

static int
read_line(struct span line, int64_t *slot, struct ledger_amount *used, struct buffer *name)
{
	uint64_t check, number;
	struct span rest = line;
	if (number_parse_hex(span_cut(&rest, ' '), &check) != 0 || check != checksum_word(rest, 0))
		return -1;
	if (number_parse(span_cut(&rest, ' '), 0, INT64_MAX / LEDGER_SLOT_US, &number) != 0 ||
	    number_parse(span_cut(&rest, ' '), 0, AMOUNT_MAX, &used->messages) != 0 ||
	    number_parse(span_cut(&rest, ' '), 0, AMOUNT_MAX, &used->recipients) != 0 ||
	    number_parse(span_cut(&rest, ' '), 0, AMOUNT_MAX, &used->bytes) != 0)
		return -1;
	*slot = (int64_t)number;
	buffer_clear(name);
	return unescape_word(&rest, name);
}

/* how far whole lines were read */
static size_t
read_lines(struct ledger *l, struct span bytes, int64_t oldest, struct buffer *name)
{
	size_t done = 0;
	for (;;) {
		struct span rest = span_skip(bytes, done);
		const char *end = memchr(rest.at, '\n', rest.len);
		struct ledger_amount used;
		int64_t slot;
		if (end == NULL)
			return done;
		struct span line = span_from(rest.at, (size_t)(end - rest.at));
		done += line.len + 1;
		if (read_line(line, &slot, &used, name) == 0 && slot >= oldest)
			add_to_slot(ledger_sender(l, buffer_get(name)), slot, &used);
	}
}

static void
read_file(struct ledger *l, const char *file, int64_t oldest)
{
	static char bytes[PIECE];
	struct buffer name;
	size_t have = 0;
	int fd = openat(l->dir, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return; /* nothing was counted yet */
	buffer_init(&name, LEDGER_SENDER_MAX + 1);
	for (;;) {
		ssize_t n = read(fd, bytes + have, sizeof(bytes) - have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		have += (size_t)n;
		size_t done = read_lines(l, span_from(bytes, have), oldest, &name);
		if (done == 0 && have == sizeof(bytes))
			done = have; /* no line is so long */
		have -= done;
		memmove(bytes, bytes + done, have);
	}
	buffer_free(&name);
	close(fd);
}

void
ledger_start(struct ledger *l, int dir, int64_t wall_us)
{
	int64_t now = wall_us / LEDGER_SLOT_US;
	*l = (struct ledger){.dir = dir, .fd = -1};
	for (size_t i = 0; i < FILES; i++)
		read_file(l, files[(day_of(now) + 1 + (int64_t)i) % FILES], now - LEDGER_DAY_SLOTS);
}

void
ledger_free(struct ledger *l)
{
	for (size_t i = 0; i < l->count; i++)
		free_sender(l->senders[i]);
	free(l->senders);
	if (l->fd >= 0)
		close(l->fd);
	*l = (struct ledger){.dir = -1, .fd = -1};
}

/* is the file of another day?  Its first line says so; without a whole one it is nobody's */
static bool
is_of_another_day(int fd, int64_t day)
{
	char bytes[LINE_MAX];
	struct ledger_amount used;
	struct buffer name;
	int64_t slot = 0;
	ssize_t n = pread(fd, bytes, sizeof(bytes), 0);
	const char *end = n > 0 ? memchr(bytes, '\n', (size_t)n) : NULL;
	if (end == NULL)
		return true;
	buffer_init(&name, LEDGER_SENDER_MAX + 1);
	bool is_line = read_line(span_from(bytes, (size_t)(end - bytes)), &slot, &used, &name) == 0;
	buffer_free(&name);
	return !is_line || day_of(slot) != day;
}

/* what is written next stands on a line of its own (L2) */
static int
end_torn_line(struct ledger *l)
{
	char last = '\n';
	if (l->length == 0 || (pread(l->fd, &last, 1, (off_t)l->length - 1) == 1 && last == '\n'))
		return 0;
	if (spool_append(l->fd, SPAN("\n"), l->length) != 0)
		return -1;
	l->length++;
	return 0;
}

static int
open_day(struct ledger *l, int64_t day)
{
	struct stat st;
	if (l->fd >= 0 && l->day == day)
		return 0;
	if (l->fd >= 0)
		close(l->fd);
	l->day = day;
	l->fd = openat(l->dir, files[day % FILES], O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (l->fd < 0)
		return -1;
	if ((!is_of_another_day(l->fd, day) || ftruncate(l->fd, 0) == 0) &&
	    fstat(l->fd, &st) == 0) {
		l->length = (uint64_t)st.st_size;
		if (end_torn_line(l) == 0)
			return 0;
	}
	int error = errno;
	close(l->fd);
	l->fd = -1;
	errno = error;
	return -1;
}

static int
save(struct ledger *l, struct ledger_sender *s)
{
	struct buffer words, line;
	int result = open_day(l, day_of(s->unsaved_slot));
	if (result != 0)
		return result;
	buffer_init(&words, LINE_MAX);
	buffer_init(&line, LINE_MAX);
	buffer_format(&words, "%" PRId64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " ", s->unsaved_slot,
		      s->unsaved.messages, s->unsaved.recipients, s->unsaved.bytes);
	escape_word(&words, span_of(s->name));
	buffer_format(&line, "%08" PRIX32 " ", checksum_word(buffer_get(&words), 0));
	buffer_span(&line, buffer_get(&words));
	buffer_char(&line, '\n');
	if (words.failed || line.failed) {
		errno = ENOMEM;
		result = -1;
	} else {
		result = spool_append(l->fd, buffer_get(&line), l->length);
	}
	if (result == 0)
		l->length += line.len;
	buffer_free(&words);
	buffer_free(&line);
	return result;
}

bool
ledger_save(struct ledger *l)
{
	for (size_t i = 0; i < l->count; i++) {
		struct ledger_sender *s = l->senders[i];
		if (!s->is_unsaved)
			continue;
		if (save(l, s) != 0) {
			if (!l->is_failing)
				EVENT("spool-trouble", event_string("errno", strerror(errno)),
				      event_string("reason",
						   "what was sent cannot be counted on disk"));
			l->is_failing = true;
			return false;
		}
		s->is_unsaved = false;
	}
	l->is_failing = false;
	return true;
}
