/*
 * start - see start.h
 *
 * The row is lines of words (common/text/escape.h): KEY VALUE...
 */
#include "common/system/start.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/system/events.h"
#include "common/system/fatal.h"
#include "common/text/escape.h"
#include "common/text/number.h"

#define ROW_MAX 65536
#define WORD_MAX START_PATH_MAX
#define WORDS_MAX (2 * START_UIDS_MAX + 4)

/* ---- writing ---- */

static void
put_text(struct buffer *to, const char *key, const char *value)
{
	buffer_format(to, "%s ", key);
	escape_word(to, span_of(value));
	buffer_char(to, '\n');
}

static void
put_number(struct buffer *to, const char *key, uint64_t value)
{
	buffer_format(to, "%s %" PRIu64 "\n", key, value);
}

void
start_encode(const struct start *s, struct buffer *to)
{
	put_text(to, "program", s->program);
	put_number(to, "as-root", s->as_root);
	put_number(to, "uid", s->uid);
	put_number(to, "gid", s->gid);
	for (size_t i = 0; i < s->group_count; i++)
		put_number(to, "group", s->groups[i]);
	if (s->room[0] != '\0')
		put_text(to, "room", s->room);
	put_number(to, "strict", s->strict);
	put_number(to, "probe", s->probe);
	put_number(to, "check", s->check);
	if (s->explain[0] != '\0')
		put_text(to, "explain", s->explain);
	put_number(to, "tries", s->tries);
	put_number(to, "network-out", s->network_out);
	put_number(to, "network-port", s->network_port);
	put_number(to, "admin-uid", s->admin_uid);
	put_number(to, "admin-gid", s->admin_gid);
	for (size_t i = 0; i < s->listen_count; i++) {
		const struct start_listen *l = &s->listens[i];
		buffer_format(to, "listen %s %d %d", l->name, l->fd, l->anybody);
		for (size_t j = 0; j < l->peer_count; j++)
			buffer_format(to, " %u %s", (unsigned)l->peers[j].uid, l->peers[j].program);
		buffer_char(to, '\n');
	}
	for (size_t i = 0; i < s->reach_count; i++) {
		buffer_format(to, "reach %s ", s->reaches[i].name);
		escape_word(to, span_of(s->reaches[i].path));
		buffer_char(to, '\n');
	}
	for (size_t i = 0; i < s->directory_count; i++) {
		const struct start_directory *d = &s->directories[i];
		buffer_format(to, "directory %u ", d->rights);
		escape_word(to, span_of(d->name));
		buffer_char(to, ' ');
		escape_word(to, span_of(d->path));
		buffer_char(to, '\n');
	}
	for (size_t i = 0; i < s->file_count; i++)
		buffer_format(to, "file %s %d\n", s->files[i].name, s->files[i].fd);
}

/* ---- reading ---- */

/* the words of one line, each unescaped */
struct words {
	char at[WORDS_MAX][WORD_MAX];
	size_t count;
};

static int
split(struct span line, struct words *w)
{
	struct buffer word;
	int wrong = 0;
	w->count = 0;
	buffer_init(&word, WORD_MAX);
	while (line.len > 0 && wrong == 0) {
		buffer_clear(&word);
		if (w->count == WORDS_MAX || unescape_word(&line, &word) < 0 ||
		    span_copy(buffer_get(&word), w->at[w->count], WORD_MAX) < 0)
			wrong = -1;
		w->count++;
	}
	buffer_free(&word);
	return wrong;
}

static int
word_number(const struct words *w, size_t at, uint64_t max, uint64_t *v)
{
	return at < w->count ? number_parse(span_of(w->at[at]), 0, max, v) : -1;
}

static int
word_copy(const struct words *w, size_t at, char *to, size_t size)
{
	return at < w->count ? span_copy(span_of(w->at[at]), to, size) : -1;
}

static int
decode_listen(const struct words *w, struct start *s)
{
	uint64_t fd, anybody, uid;
	if (s->listen_count == START_SOCKETS_MAX || w->count < 4 || w->count % 2 != 0 ||
	    (w->count - 4) / 2 > START_UIDS_MAX)
		return -1;
	struct start_listen *l = &s->listens[s->listen_count];
	if (word_copy(w, 1, l->name, sizeof(l->name)) < 0 ||
	    word_number(w, 2, INT32_MAX, &fd) < 0 || word_number(w, 3, 1, &anybody) < 0)
		return -1;
	l->fd = (int)fd;
	l->anybody = anybody == 1;
	l->peer_count = 0;
	for (size_t i = 4; i + 1 < w->count; i += 2) {
		struct start_peer *peer = &l->peers[l->peer_count++];
		if (word_number(w, i, UINT32_MAX, &uid) < 0 ||
		    word_copy(w, i + 1, peer->program, sizeof(peer->program)) < 0)
			return -1;
		peer->uid = (uid_t)uid;
	}
	s->listen_count++;
	return 0;
}

static int
decode_reach(const struct words *w, struct start *s)
{
	if (s->reach_count == START_SOCKETS_MAX)
		return -1;
	struct start_reach *r = &s->reaches[s->reach_count++];
	return word_copy(w, 1, r->name, sizeof(r->name)) < 0 ||
			       word_copy(w, 2, r->path, sizeof(r->path)) < 0
		       ? -1
		       : 0;
}

static int
decode_directory(const struct words *w, struct start *s)
{
	uint64_t rights;
	if (s->directory_count == START_DIRECTORIES_MAX || word_number(w, 1, 7, &rights) < 0)
		return -1;
	struct start_directory *d = &s->directories[s->directory_count++];
	d->rights = (unsigned)rights;
	return word_copy(w, 2, d->name, sizeof(d->name)) < 0 ||
			       word_copy(w, 3, d->path, sizeof(d->path)) < 0
		       ? -1
		       : 0;
}

static int
decode_file(const struct words *w, struct start *s)
{
	uint64_t fd;
	if (s->file_count == START_FILES_MAX || word_number(w, 2, INT32_MAX, &fd) < 0)
		return -1;
	struct start_file *f = &s->files[s->file_count++];
	f->fd = (int)fd;
	return word_copy(w, 1, f->name, sizeof(f->name));
}

static int
decode_number(const struct words *w, struct start *s)
{
	uint64_t v;
	const char *key = w->at[0];
	if (w->count != 2 || word_number(w, 1, UINT32_MAX, &v) < 0)
		return -1;
	if (strcmp(key, "as-root") == 0)
		s->as_root = v == 1;
	else if (strcmp(key, "uid") == 0)
		s->uid = (uid_t)v;
	else if (strcmp(key, "gid") == 0)
		s->gid = (gid_t)v;
	else if (strcmp(key, "group") == 0 && s->group_count < START_UIDS_MAX)
		s->groups[s->group_count++] = (gid_t)v;
	else if (strcmp(key, "strict") == 0)
		s->strict = v == 1;
	else if (strcmp(key, "probe") == 0)
		s->probe = v == 1;
	else if (strcmp(key, "check") == 0)
		s->check = v == 1;
	else if (strcmp(key, "tries") == 0)
		s->tries = v == 1;
	else if (strcmp(key, "network-out") == 0)
		s->network_out = v == 1;
	else if (strcmp(key, "network-port") == 0 && v <= UINT16_MAX)
		s->network_port = (uint16_t)v;
	else if (strcmp(key, "admin-uid") == 0)
		s->admin_uid = (uid_t)v;
	else if (strcmp(key, "admin-gid") == 0)
		s->admin_gid = (gid_t)v;
	else
		return -1;
	return 0;
}

static int
decode_line(struct span line, struct words *w, struct start *s)
{
	if (split(line, w) < 0 || w->count == 0)
		return -1;
	if (strcmp(w->at[0], "listen") == 0)
		return decode_listen(w, s);
	if (strcmp(w->at[0], "reach") == 0)
		return decode_reach(w, s);
	if (strcmp(w->at[0], "directory") == 0)
		return decode_directory(w, s);
	if (strcmp(w->at[0], "file") == 0)
		return decode_file(w, s);
	if (strcmp(w->at[0], "program") == 0)
		return word_copy(w, 1, s->program, sizeof(s->program));
	if (strcmp(w->at[0], "explain") == 0)
		return word_copy(w, 1, s->explain, sizeof(s->explain));
	if (strcmp(w->at[0], "room") == 0)
		return word_copy(w, 1, s->room, sizeof(s->room));
	return decode_number(w, s);
}

int
start_decode(struct span text, struct start *s)
{
	struct words *w = malloc(sizeof(*w));
	int wrong = w == NULL ? -1 : 0;
	*s = (struct start){.admin_gid = (gid_t)-1};
	while (wrong == 0 && text.len > 0)
		wrong = decode_line(span_cut(&text, '\n'), w, s);
	free(w);
	return wrong;
}

/* ---- the program's side ---- */

static struct span
map_whole(int fd, const char *what)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		fatal(EXIT_OS, errno, "%s at descriptor %d (is this program started by master?)",
		      what, fd);
	if (st.st_size == 0)
		return SPAN_NONE;
	void *at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (at == MAP_FAILED)
		fatal(EXIT_OS, errno, "%s at descriptor %d", what, fd);
	return span_from(at, (size_t)st.st_size);
}

struct span
start_config_text(void)
{
	return map_whole(START_CONFIG_FD, "configuration");
}

static bool
is_named(const struct start *s, int fd)
{
	for (size_t i = 0; i < s->listen_count; i++)
		if (s->listens[i].fd == fd)
			return true;
	for (size_t i = 0; i < s->file_count; i++)
		if (s->files[i].fd == fd)
			return true;
	return fd < START_FIRST_SOCKET_FD;
}

/* what the row does not name is closed; the rest is not passed on */
static void
tidy_descriptors(const struct start *s)
{
	int highest = START_FIRST_SOCKET_FD - 1;
	for (size_t i = 0; i < s->listen_count; i++)
		if (s->listens[i].fd > highest)
			highest = s->listens[i].fd;
	for (size_t i = 0; i < s->file_count; i++)
		if (s->files[i].fd > highest)
			highest = s->files[i].fd;
	for (int fd = START_CONFIG_FD; fd <= highest; fd++) {
		if (!is_named(s, fd))
			close(fd);
		else if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
			fatal(EXIT_OS, errno, "descriptor %d", fd);
	}
	if (close_range((unsigned)highest + 1, ~0U, 0) < 0)
		fatal(EXIT_OS, errno, "close_range");
}

const struct start *
start_take(const char *program)
{
	static struct start s;
	if (start_decode(map_whole(START_ROW_FD, "row"), &s) < 0 || strcmp(s.program, program) != 0)
		fatal(EXIT_SOFTWARE, 0, "%s: the row at descriptor %d is not mine", program,
		      START_ROW_FD);
	signal(SIGPIPE, SIG_IGN);
	umask(077);
	tidy_descriptors(&s);
	return &s;
}

const struct start_listen *
start_listen_find(const struct start *s, const char *name)
{
	for (size_t i = 0; i < s->listen_count; i++)
		if (strcmp(s->listens[i].name, name) == 0)
			return &s->listens[i];
	return NULL;
}

const struct start_listen *
start_listen(const struct start *s, const char *name)
{
	const struct start_listen *l = start_listen_find(s, name);

	if (l != NULL)
		return l;
	fatal(EXIT_SOFTWARE, 0, "the row of %s has no socket %s", s->program, name);
}

const char *
start_path(const struct start *s, const char *name)
{
	for (size_t i = 0; i < s->reach_count; i++)
		if (strcmp(s->reaches[i].name, name) == 0)
			return s->reaches[i].path;
	return NULL;
}

const char *
start_directory(const struct start *s, const char *name)
{
	for (size_t i = 0; i < s->directory_count; i++)
		if (strcmp(s->directories[i].name, name) == 0)
			return s->directories[i].path;
	return NULL;
}

int
start_file(const struct start *s, const char *name)
{
	for (size_t i = 0; i < s->file_count; i++)
		if (strcmp(s->files[i].name, name) == 0)
			return s->files[i].fd;
	return -1;
}

bool
start_may_connect(const struct start_listen *l, uid_t uid)
{
	if (l->anybody)
		return true;
	for (size_t i = 0; i < l->peer_count; i++)
		if (l->peers[i].uid == uid)
			return true;
	return false;
}

bool
start_is(const struct start_listen *l, uid_t uid, const char *program)
{
	for (size_t i = 0; i < l->peer_count; i++)
		if (l->peers[i].uid == uid && strcmp(l->peers[i].program, program) == 0)
			return true;
	return false;
}

void
start_batched(void)
{
	const struct sched_param none = {.sched_priority = 0};
	/* refused somewhere: then it serves as well, only slower */
	(void)sched_setscheduler(0, SCHED_BATCH | SCHED_RESET_ON_FORK, &none);
}

void
start_serving(const struct start *s)
{
	EVENT("serving", event_string("program", s->program));
	events_flush();
	/* master may be gone: then this process is told to end by the kernel */
	if (write(start_listen(s, "master")->fd, "Y", 1) < 0)
		EVENT("trouble", event_string("reason", "master does not hear that I serve"),
		      event_number("errno", errno));
}
