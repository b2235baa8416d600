/*
 * check - culver check: see check.h
 *
 * The same reader that every program uses says what is wrong in culver.conf; when nothing is, the alias files of
 * its domains are read as lookup reads them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/config/aliases.h"
#include "common/config/directives.h"
#include "common/system/fatal.h"
#include "culver/check.h"

#define OUTPUT_MAX (16u << 20)
#define TABLE_MAX (64u << 20) /* bytes of one alias file */
#define TABLE_MEMORY_MAX (512u << 20)

#define READ_SIZE ((size_t)64 << 10)

struct name {
	struct span name;
	unsigned line;
};

/* one alias file that is read */
struct table {
	const char *path;
	struct buffer *output;
	size_t mistakes, warnings;
	struct name *names;
	size_t name_count, name_size;
	bool no_memory;
};

static void
alias_wrong(void *owner, unsigned line, unsigned column, const char *text)
{
	struct table *t = owner;

	t->mistakes++;
	buffer_format(t->output, "%s:%u:%u: %s\n", t->path, line, column, text);
}

static void
alias_name(struct table *t, const struct alias_entry *e)
{
	if (t->name_count == t->name_size) {
		size_t size = t->name_size == 0 ? 256 : t->name_size * 2;
		struct name *names = reallocarray(t->names, size, sizeof(*names));

		if (names == NULL) {
			t->no_memory = true;
			return;
		}
		t->names = names;
		t->name_size = size;
	}
	t->names[t->name_count++] = (struct name){e->name, e->line};
}

static void
alias_entry(void *owner, const struct alias_entry *e)
{
	struct table *t = owner;

	alias_name(t, e);
	for (size_t i = 0; i < e->value_count; i++) {
		const char *what = NULL;

		switch (e->values[i].kind) {
		case ALIAS_ADDRESS:
			continue;
		case ALIAS_COMMAND:
			what = "a command";
			break;
		case ALIAS_FILE:
			what = "a file";
			break;
		case ALIAS_INCLUDE:
			what = "an :include:";
			break;
		}
		t->warnings++;
		buffer_format(t->output,
			      "%s:%u:1: warning: `%.*s` names %s; mail for it is refused at RCPT "
			      "for now\n",
			      t->path, e->line, SPAN_ARG(e->name), what);
		return;
	}
}

static int
compare_names(const void *a, const void *b)
{
	const struct name *x = a, *y = b;
	size_t len = x->name.len < y->name.len ? x->name.len : y->name.len;
	int order = memcmp(x->name.at, y->name.at, len);

	if (order != 0)
		return order;
	if (x->name.len != y->name.len)
		return x->name.len < y->name.len ? -1 : 1;
	return x->line < y->line ? -1 : x->line > y->line;
}

static void
find_doubles(struct table *t)
{
	if (t->name_count > 1)
		qsort(t->names, t->name_count, sizeof(t->names[0]), compare_names);
	for (size_t i = 1; i < t->name_count; i++) {
		if (!span_equal(t->names[i - 1].name, t->names[i].name))
			continue;
		t->warnings++;
		buffer_format(t->output,
			      "%s:%u:1: warning: `%.*s` stands in line %u already; only the first "
			      "counts\n",
			      t->path, t->names[i].line, SPAN_ARG(t->names[i].name),
			      t->names[i - 1].line);
	}
}

/* 0, or -1 with errno */
static int
read_table(const char *path, struct buffer *content)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int error = 0;
	struct stat st;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		error = errno;
	else if (!S_ISREG(st.st_mode))
		error = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
	while (error == 0) {
		char *at = buffer_reserve(content, READ_SIZE);
		ssize_t n = at != NULL ? read(fd, at, READ_SIZE) : 0;

		if (at == NULL)
			error = EFBIG;
		else if (n < 0 && errno != EINTR)
			error = errno;
		else if (n == 0)
			break;
		else if (n > 0)
			content->len += (size_t)n;
	}
	close(fd);
	errno = error;
	return error == 0 ? 0 : -1;
}

static void
check_table(struct table *t)
{
	struct buffer content;
	struct arena arena;

	buffer_init(&content, TABLE_MAX);
	arena_init(&arena, TABLE_MEMORY_MAX);
	if (read_table(t->path, &content) < 0) {
		t->mistakes++;
		buffer_format(t->output, "%s: cannot read: %s; expected a text table of aliases\n",
			      t->path, strerror(errno));
	} else if (aliases_parse(buffer_get(&content), &arena, alias_entry, alias_wrong, t) < 0 ||
		   t->no_memory) {
		t->mistakes++;
		buffer_format(t->output, "%s: too large\n", t->path);
	} else {
		find_doubles(t);
	}
	free(t->names);
	arena_free(&arena);
	buffer_free(&content);
}

/* is the table of this domain read already, for one before it? */
static bool
is_read(const struct config *c, size_t domain, size_t alias)
{
	const char *path = c->domains[domain].aliases[alias];

	for (size_t d = 0; d <= domain; d++)
		for (size_t a = 0; a < c->domains[d].alias_count; a++) {
			if (d == domain && a == alias)
				return false;
			if (strcmp(c->domains[d].aliases[a], path) == 0)
				return true;
		}
	return false;
}

static size_t
check_tables(const struct config *c, struct buffer *output)
{
	size_t mistakes = 0;

	for (size_t d = 0; d < c->domain_count; d++)
		for (size_t a = 0; a < c->domains[d].alias_count; a++) {
			struct table t = {.path = c->domains[d].aliases[a], .output = output};

			if (is_read(c, d, a))
				continue;
			check_table(&t);
			mistakes += t.mistakes;
		}
	return mistakes;
}

static int
print(FILE *to, const struct buffer *b)
{
	struct span s = buffer_get(b);

	if (fwrite(s.at, 1, s.len, to) != s.len || fflush(to) != 0) {
		fprintf(stderr, "culver: cannot write: %s\n", strerror(errno));
		return 1;
	}
	if (b->failed)
		fprintf(stderr, "culver: there is more than is shown here\n");
	return 0;
}

int
check_command(const char *config_path, bool quiet)
{
	struct config_errors errors;
	struct config_defaults defaults;
	struct config *c;
	struct buffer text, output;
	size_t mistakes;
	int status;

	config_errors_init(&errors);
	config_defaults_find(&defaults, false);
	buffer_init(&text, CONFIG_TEXT_MAX);
	buffer_init(&output, OUTPUT_MAX);
	status = config_load(config_path, &text, &errors);
	c = config_parse(buffer_get(&text), &defaults, &errors);
	config_errors_print(&errors, &output);
	mistakes = errors.count;
	if (c != NULL)
		mistakes += check_tables(c, &output);
	status = print(stderr, &output) != 0 || status < 0 || mistakes > 0 ? 1 : 0;
	if (mistakes > 0)
		fprintf(stderr, "%s: %zu mistake%s\n", config_path, mistakes,
			mistakes == 1 ? "" : "s");
	else if (!quiet && status == 0)
		printf("%s: no mistakes\n", config_path);
	config_free(c);
	buffer_free(&output);
	buffer_free(&text);
	config_errors_free(&errors);
	return status;
}

int
check_directives(void)
{
	struct buffer output;
	int status;

	buffer_init(&output, OUTPUT_MAX);
	directives_print(&output);
	status = print(stdout, &output);
	buffer_free(&output);
	return status;
}

int
verb_check(const struct culver_options *o, int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--directives") == 0)
		return check_directives();
	if (argc != 1)
		return options_usage(o, "`%s` is too much", argv[1]);
	return check_command(o->config, false);
}
