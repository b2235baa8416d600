/*
 * load - where the text of the configuration comes from: files (config_load), or descriptor 3 (config_take)
 *
 * Of the text only `include` is understood here.  An `include` that is not well formed stays in the text, where config_parse says
 * what is wrong with it.  Lines of a file that look like our own marks (`#@ `, `#= `) become empty.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/config/config.h"
#include "common/config/grammar.h"
#include "common/config/mistakes.h"
#include "common/system/fatal.h"
#include "common/system/start.h"

#define LOAD_DEPTH 16	     /* of files within one another; less than PARSE_FILES */
#define LOAD_FILES_MAX 10000 /* in all */
#define READ_SIZE ((size_t)64 << 10)
#define PATH_ROOM ((size_t)2 * PATH_MAX)
#define LINE_MEMORY_MAX (8u << 20)

/* a file that is being read, and who includes it */
struct source {
	const struct source *by;
	const char *path;
	unsigned line; /* of the `include` being followed */
	dev_t device;
	ino_t inode;
	unsigned depth;
};

struct load {
	struct buffer *text;
	struct config_errors *errors;
	unsigned file_count;
	bool is_refused;
};

/* where the file is asked for: a line of the one that includes it, or nowhere */
struct asked {
	struct span file;
	unsigned line, column;
};

static void load_file(struct load *l, const char *path, const struct source *by,
		      const struct asked *from);

static void __attribute__((format(printf, 3, 4)))
refuse(struct load *l, const struct asked *from, const char *format, ...)
{
	char text[MISTAKE_TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	mistake_add(l->errors, from->file, from->line, from->column, "%s", text);
	l->is_refused = true;
}

/* 0, or -1 with errno; EFBIG when there is no room */
static int
read_all(int fd, struct buffer *to)
{
	for (;;) {
		char *at = buffer_reserve(to, READ_SIZE);
		ssize_t n;

		if (at == NULL) {
			errno = EFBIG;
			return -1;
		}
		n = read(fd, at, READ_SIZE);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return (int)n;
		to->len += (size_t)n;
	}
}

static void
ignore_mistake(void *owner, unsigned column, const char *text)
{
	(void)owner;
	(void)column;
	(void)text;
}

/* the path as `include` means it: relative ones begin at the directory of the file that includes */
static char *
path_beside(const char *file, struct span path)
{
	const char *slash = path.at[0] == '/' ? NULL : strrchr(file, '/');
	struct buffer b;

	buffer_init(&b, PATH_ROOM);
	if (slash != NULL)
		buffer_add(&b, file, (size_t)(slash - file) + 1);
	buffer_span(&b, path);
	buffer_char(&b, '\0');
	if (b.failed)
		buffer_free(&b);
	return b.at;
}

/* is this line `include FILE`?  Then the file stands in for it. */
static bool
follow_include(struct load *l, struct source *source, struct span line, unsigned number)
{
	struct arena arena;
	struct grammar_line words;
	bool is_include = false;

	if (!span_starts(span_trim(line), SPAN("include")))
		return false;
	arena_init(&arena, LINE_MEMORY_MAX);
	if (grammar_line(line, &arena, &words, ignore_mistake, NULL) == 0 && words.is_whole &&
	    words.count == 2 && !words.opens && words.words[1].text.len > 0 &&
	    !words.words[0].quoted && span_equal(words.words[0].text, SPAN("include"))) {
		struct asked from = {span_of(source->path), number, words.words[1].column};
		char *path = path_beside(source->path, words.words[1].text);

		is_include = true;
		source->line = number;
		if (path == NULL)
			refuse(l, &from, "the path of this file is too long");
		else
			load_file(l, path, source, &from);
		free(path);
		buffer_format(l->text, "#@ %s %u\n", source->path, number + 1);
	}
	arena_free(&arena);
	return is_include;
}

static void
load_lines(struct load *l, struct source *source, struct span content)
{
	unsigned number = 0;

	buffer_format(l->text, "#@ %s 1\n", source->path);
	while (content.len > 0 && !l->text->failed) {
		struct span line = span_cut(&content, '\n');

		number++;
		if (follow_include(l, source, line, number))
			continue;
		if (!span_starts(line, SPAN("#@ ")) && !span_starts(line, SPAN("#= ")))
			buffer_span(l->text, line);
		buffer_char(l->text, '\n');
	}
}

static bool
is_in_circle(struct load *l, const struct source *source, const struct asked *from)
{
	for (const struct source *s = source->by; s != NULL; s = s->by) {
		if (s->device != source->device || s->inode != source->inode)
			continue;
		refuse(l, from, "%s includes itself, by line %u of %s", source->path, s->line,
		       s->path);
		return true;
	}
	return false;
}

static void
load_file(struct load *l, const char *path, const struct source *by, const struct asked *from)
{
	struct source source = {.by = by, .path = path, .depth = by != NULL ? by->depth + 1 : 1};
	struct buffer content;
	struct stat st;
	int fd = -1;

	buffer_init(&content, CONFIG_TEXT_MAX);
	if (source.depth > LOAD_DEPTH || ++l->file_count > LOAD_FILES_MAX) {
		refuse(l, from, "expected at most %d files within one another, and %d in all",
		       LOAD_DEPTH, LOAD_FILES_MAX);
		goto out;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0) {
		refuse(l, from, "cannot read %s: %s", path, strerror(errno));
		goto out;
	}
	if (!S_ISREG(st.st_mode)) {
		refuse(l, from, "cannot read %s: expected a file", path);
		goto out;
	}
	source.device = st.st_dev;
	source.inode = st.st_ino;
	if (is_in_circle(l, &source, from))
		goto out;
	if (read_all(fd, &content) < 0) {
		refuse(l, from, "cannot read %s: %s", path,
		       errno == EFBIG ? "the configuration is too large" : strerror(errno));
		goto out;
	}
	load_lines(l, &source, buffer_get(&content));
	if (l->text->failed && !l->is_refused)
		refuse(l, from,
		       "the configuration is larger than %u bytes with all that it includes",
		       CONFIG_TEXT_MAX);
out:
	if (fd >= 0)
		close(fd);
	buffer_free(&content);
}

int
config_load(const char *path, struct buffer *text, struct config_errors *errors)
{
	struct load l = {.text = text, .errors = errors};
	struct asked nowhere = {span_of(path), 0, 0};

	if (text->max > CONFIG_TEXT_MAX)
		text->max = CONFIG_TEXT_MAX;
	if (strchr(path, '\n') != NULL || path[0] == '\0') {
		refuse(&l, &nowhere, "expected a path in one line");
		return -1;
	}
	load_file(&l, path, NULL, &nowhere);
	if (text->failed && !l.is_refused)
		refuse(&l, &nowhere, "no memory for the configuration");
	return l.is_refused ? -1 : 0;
}

const struct config *
config_take(void)
{
	struct config_errors errors;
	struct config *c;

	config_errors_init(&errors);
	c = config_parse(start_config_text(), NULL, &errors);
	if (c == NULL)
		fatal(EXIT_CONFIGURATION, 0, "configuration: %s:%u: %s",
		      errors.count > 0 ? errors.list[0].file : "",
		      errors.count > 0 ? errors.list[0].line : 0,
		      errors.count > 0 ? errors.list[0].text : "no memory");
	config_errors_free(&errors);
	return c;
}
