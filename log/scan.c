/*
 * scan - see scan.h
 */
#include "log/scan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/protocol/trace.h"
#include "common/system/clock.h"
#include "common/text/escape.h"
#include "common/text/json.h"
#include "common/text/number.h"
#include "log/store.h"

#define CHUNK (256u << 10) /* bytes read at once; longer than any line */
#define ID_DIGITS_MIN 13
#define ID_DIGITS_MAX 16
#define WHAT_MAX 4096 /* bytes of what is asked, as JSON spells it */

/* what is looked at in one line of the store */
struct record {
	struct span line;
	struct span id, session; /* empty: none */
	bool hits;		 /* it names what is asked */
	bool is_own;		 /* a message of the asker was queued */
};

static bool
is_id(struct span s)
{
	if (s.len < ID_DIGITS_MIN || s.len > ID_DIGITS_MAX)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if ((s.at[i] < '0' || s.at[i] > '9') && (s.at[i] < 'A' || s.at[i] > 'F'))
			return false;
	return true;
}

enum scan_kind
scan_kind_of(struct span what)
{
	if (is_id(what))
		return SCAN_ID;
	if (what.len > 0 && what.at[0] == 'S' && is_id(span_skip(what, 1)))
		return SCAN_SESSION;
	return SCAN_ADDRESS;
}

/* ---- ids ---- */

static bool
ids_have(const struct scan_ids *ids, struct span id)
{
	for (size_t i = 0; i < ids->count; i++)
		if (ids->len[i] == id.len && memcmp(ids->id[i], id.at, id.len) == 0)
			return true;
	return false;
}

static void
ids_add(struct scan_ids *ids, struct span id)
{
	if (id.len == 0 || id.len > SCAN_ID_MAX || ids_have(ids, id))
		return;
	memcpy(ids->id[ids->next], id.at, id.len);
	ids->len[ids->next] = id.len;
	ids->next = (ids->next + 1) % SCAN_IDS_MAX;
	if (ids->count < SCAN_IDS_MAX)
		ids->count++;
}

/* ---- one line ---- */

static bool
names_somebody(struct span key)
{
	static const char *const keys[] = {"from", "to",   "client", "into",
					   "user", "helo", "host",   "address"};
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (span_equal(key, span_of(keys[i])))
			return true;
	return false;
}

/* the signs, one each, by which the event is told that a message of the asker was queued; log knows by itself which program told it */
#define OWN_SIGNS 3

static bool
says_own(const struct scan *s, const struct json_member *m)
{
	uint64_t uid;
	if (span_equal(m->key, SPAN("program")))
		return m->is_string && span_equal(m->value, SPAN("queue-manager"));
	if (span_equal(m->key, SPAN("event")))
		return m->is_string && span_equal(m->value, SPAN("queued"));
	return span_equal(m->key, SPAN("uid")) && !m->is_string &&
	       number_parse(m->value, 0, UINT32_MAX, &uid) == 0 && uid == s->only_uid - 1;
}

/* of whom is this event?  An ordinary user sees those of the messages that he has sent. */
static bool
may_see(const struct scan *s, const struct record *r)
{
	return s->only_uid == 0 || ids_have(&s->own, r->id);
}

static void
note_own(struct scan *s, const struct record *r)
{
	if (r->is_own && (s->kind == SCAN_ADDRESS || r->hits))
		ids_add(&s->own, r->id);
}

/* false: no event of ours */
static bool
read_record(const struct scan *s, struct span line, struct record *r)
{
	struct json_member m;
	struct span rest = line;
	enum json_outcome o;
	unsigned own = 0; /* by the queue-manager; `queued`; his uid */
	*r = (struct record){.line = line};
	while ((o = json_next(&rest, &m)) == JSON_MEMBER) {
		if (s->only_uid != 0)
			own += says_own(s, &m);
		if (!m.is_string)
			continue;
		if (span_equal(m.key, SPAN("id")))
			r->id = m.value;
		else if (span_equal(m.key, SPAN("session")))
			r->session = m.value;
		if (s->kind == SCAN_ADDRESS)
			r->hits = r->hits ||
				  (names_somebody(m.key) && span_equal_nocase(m.value, s->what));
		else
			r->hits = r->hits || span_equal(m.value, s->what);
	}
	r->is_own = own == OWN_SIGNS;
	return o == JSON_END && line.len <= TRACE_LINE_MAX;
}

static void
note_ids(struct scan *s, const struct record *r)
{
	if (!r->hits || !may_see(s, r))
		return;
	ids_add(&s->ids, r->id);
	if (r->id.len == 0)
		ids_add(&s->sessions, r->session);
}

static void
drop_oldest(struct scan *s)
{
	struct scan_found *f = &s->lines[s->oldest];
	s->bytes -= f->len;
	free(f->line);
	*f = (struct scan_found){NULL, 0};
	s->oldest = (s->oldest + 1) % SCAN_LINES_MAX;
	s->count--;
}

static int
keep_line(struct scan *s, const struct record *r)
{
	bool belongs = r->hits || ids_have(&s->ids, r->id) ||
		       (r->id.len == 0 && ids_have(&s->sessions, r->session));
	if (!belongs || !may_see(s, r))
		return 0;
	s->matched++;
	while (s->count == SCAN_LINES_MAX ||
	       (s->count > 0 && s->bytes + r->line.len > SCAN_BYTES_MAX))
		drop_oldest(s);
	struct scan_found *f = &s->lines[(s->oldest + s->count) % SCAN_LINES_MAX];
	f->line = malloc(r->line.len);
	if (f->line == NULL)
		return -1;
	memcpy(f->line, r->line.at, r->line.len);
	f->len = r->line.len;
	s->bytes += f->len;
	s->count++;
	return 0;
}

/* ---- files ---- */

/* what is done with the lines in one pass over the store */
enum pass { PASS_OWN, PASS_IDS, PASS_LINES };

static int
take_lines(struct scan *s, enum pass pass, struct span *text)
{
	const char *end;
	while ((end = memchr(text->at, '\n', text->len)) != NULL) {
		struct record r;
		struct span line = span_from(text->at, (size_t)(end - text->at));
		*text = span_skip(*text, line.len + 1);
		if (!read_record(s, line, &r))
			continue;
		switch (pass) {
		case PASS_OWN:
			note_own(s, &r);
			break;
		case PASS_IDS:
			note_ids(s, &r);
			break;
		case PASS_LINES:
			if (keep_line(s, &r) < 0)
				return -1;
			break;
		}
	}
	return 0;
}

static int
read_file(struct scan *s, enum pass pass, int fd, char *chunk)
{
	size_t len = 0;
	for (;;) {
		if (clock_monotonic_ms() > s->deadline_ms) {
			errno = ETIMEDOUT;
			return -1;
		}
		ssize_t n = read(fd, chunk + len, CHUNK - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			return 0;
		len += (size_t)n;
		struct span rest = span_from(chunk, len);
		if (take_lines(s, pass, &rest) < 0)
			return -1;
		/* a line without end in a whole chunk is none of ours */
		len = rest.len == CHUNK ? 0 : rest.len;
		memmove(chunk, rest.at, len);
	}
}

static int
read_store(struct scan *s, enum pass pass, const struct scan_store *store, char *chunk)
{
	for (uint64_t number = store->first; number <= store->last && number > 0; number++) {
		char name[STORE_NAME_MAX];
		store_name(number, name);
		int fd = openat(store->directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (fd < 0 && errno == ENOENT)
			continue; /* the oldest, removed meanwhile */
		if (fd < 0)
			return -1;
		int wrong = read_file(s, pass, fd, chunk);
		int error = errno;
		close(fd);
		errno = error;
		if (wrong < 0)
			return -1;
	}
	return 0;
}

/* ---- the order of time: programs gather what they send, so the store is only nearly in order ---- */

/* every line begins {"time":"2026-11-24T08:02:31.123456Z" */
#define TIME_AT 9
#define TIME_LEN 27

static int
compare_times(const struct scan_found *x, const struct scan_found *y)
{
	if (x->len < TIME_AT + TIME_LEN || y->len < TIME_AT + TIME_LEN)
		return 0;
	return memcmp(x->line + TIME_AT, y->line + TIME_AT, TIME_LEN);
}

/* merges two runs that are in order, of equal times the earlier in the store first */
static void
merge(const struct scan_found *from, size_t start, size_t middle, size_t end, struct scan_found *to)
{
	size_t a = start, b = middle;
	for (size_t i = start; i < end; i++) {
		if (b == end || (a < middle && compare_times(&from[a], &from[b]) <= 0))
			to[i] = from[a++];
		else
			to[i] = from[b++];
	}
}

/* the ring straight, oldest first, in order of time */
static int
sort_lines(struct scan *s)
{
	struct scan_found *from = calloc(SCAN_LINES_MAX, sizeof(*from));
	struct scan_found *to = calloc(SCAN_LINES_MAX, sizeof(*to));
	if (from == NULL || to == NULL) {
		free(from);
		free(to);
		return -1;
	}
	for (size_t i = 0; i < s->count; i++)
		from[i] = s->lines[(s->oldest + i) % SCAN_LINES_MAX];
	for (size_t run = 1; run < s->count; run *= 2) {
		for (size_t start = 0; start < s->count; start += 2 * run) {
			size_t middle = start + run < s->count ? start + run : s->count;
			size_t end = start + 2 * run < s->count ? start + 2 * run : s->count;
			merge(from, start, middle, end, to);
		}
		struct scan_found *swap = from;
		from = to;
		to = swap;
	}
	memcpy(s->lines, from, sizeof(s->lines));
	s->oldest = 0;
	free(from);
	free(to);
	return 0;
}

/* ---- the whole ---- */

static int
run(struct scan *s, const struct scan_store *store, char *chunk)
{
	if (s->only_uid != 0 && read_store(s, PASS_OWN, store, chunk) < 0)
		return -1;
	if (s->kind == SCAN_ADDRESS && read_store(s, PASS_IDS, store, chunk) < 0)
		return -1;
	if (read_store(s, PASS_LINES, store, chunk) < 0)
		return -1;
	return sort_lines(s);
}

int
scan_run(struct scan *s, const struct scan_store *store, struct span what, uint64_t only_uid,
	 int64_t deadline_ms)
{
	struct buffer spelled;
	memset(s, 0, sizeof(*s));
	buffer_init(&spelled, WHAT_MAX);
	escape_json(&spelled, what);
	char *chunk = malloc(CHUNK);
	int wrong = -1;
	if (chunk == NULL || spelled.failed) {
		errno = chunk == NULL ? ENOMEM : EMSGSIZE;
	} else {
		s->kind = scan_kind_of(what);
		s->what = buffer_get(&spelled);
		s->only_uid = only_uid;
		s->deadline_ms = deadline_ms;
		wrong = run(s, store, chunk);
	}
	int error = errno;
	s->what = SPAN_NONE;
	free(chunk);
	buffer_free(&spelled);
	if (wrong < 0)
		scan_free(s);
	errno = error;
	return wrong;
}

struct span
scan_line(const struct scan *s, size_t n)
{
	return span_from(s->lines[n].line, s->lines[n].len);
}

void
scan_free(struct scan *s)
{
	while (s->count > 0)
		drop_oldest(s);
}
