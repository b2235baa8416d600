/*
 * config - from the text of culver.conf to struct config: see config.h
 *
 * The text is read line by line, with a stack of blocks.  A block whose directive is unknown or misplaced is skipped whole; every other
 * mistake costs only its line.  At the end what depends on more than one line is filled in (finish.c).
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/config/config.h"
#include "common/config/defaults.h"
#include "common/config/mistakes.h"
#include "common/config/parse.h"
#include "common/text/number.h"

#define CONFIG_MEMORY_MAX (256u << 20)
#define LINE_MEMORY_MAX (8u << 20)

void
parse_mistake(struct parse *p, unsigned column, const char *format, ...)
{
	char text[MISTAKE_TEXT_MAX];
	va_list args;

	if (p->is_silent)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	mistake_add(p->errors, p->at.file, p->at.line, column, "%s", text);
}

char *
parse_keep(struct parse *p, struct span s)
{
	char *kept = arena_string(&p->config->arena, s);

	if (kept == NULL)
		p->no_memory = true;
	return kept;
}

char *
parse_keep_lower(struct parse *p, struct span s)
{
	char *kept = parse_keep(p, s);

	for (char *c = kept; kept != NULL && *c != '\0'; c++)
		*c = ascii_lower(*c);
	return kept;
}

void *
parse_grow(struct parse *p, void *array, size_t count, size_t size)
{
	void *larger;

	if (count > 0 && (count < 4 || (count & (count - 1)) != 0))
		return array;
	larger = arena_alloc(&p->config->arena, (count == 0 ? 4 : count * 2) * size);
	if (larger == NULL)
		p->no_memory = true;
	else if (count > 0)
		memcpy(larger, array, count * size);
	return larger;
}

static void
wrong_line(void *owner, unsigned column, const char *text)
{
	parse_mistake(owner, column, "%s", text);
}

void
parse_standards(struct parse *p, unsigned place, void *object)
{
	struct arena arena;
	struct buffer text;

	arena_init(&arena, LINE_MEMORY_MAX);
	buffer_init(&text, 512);
	for (size_t i = 0; i < directive_count; i++) {
		const struct directive *d = &directives[i];
		struct grammar_line line;

		if (!(d->where & place) || d->standard == NULL)
			continue;
		buffer_clear(&text);
		buffer_format(&text, "%s %s", d->word, d->standard);
		if (text.failed ||
		    grammar_line(buffer_get(&text), &arena, &line, wrong_line, p) < 0)
			p->no_memory = true;
		else
			d->take(p, d, &line, object);
		arena_reset(&arena);
	}
	buffer_free(&text);
	arena_free(&arena);
}

/* ---- blocks and files ---- */

static struct parse_block *
block_now(struct parse *p)
{
	return &p->blocks[p->depth - 1];
}

static size_t
depth_now(const struct parse *p)
{
	return p->depth + p->skipped;
}

static void
block_skip(struct parse *p)
{
	if (p->skipped++ == 0)
		p->skipped_at = p->at;
}

static void
block_open(struct parse *p, const struct directive *by, void *object)
{
	if (p->depth == PARSE_DEPTH || object == NULL) {
		block_skip(p);
		return;
	}
	p->blocks[p->depth++] = (struct parse_block){
		.by = by,
		.place = by == NULL ? PLACE_GENERAL : by->opens,
		.object = object,
		.at = p->at,
	};
}

static void
block_close(struct parse *p, unsigned column)
{
	size_t base = p->file_count > 0 ? p->file_depth[p->file_count - 1] : 1;

	if (depth_now(p) <= base) {
		p->is_silent = false;
		parse_mistake(p, column, "`}` ends a block, but none is open here");
	} else if (p->skipped > 0) {
		p->skipped--;
	} else {
		p->depth--;
	}
}

/* a file ends: what it opened and did not close is closed, and named */
static void
blocks_end(struct parse *p, size_t depth)
{
	while (depth_now(p) > depth) {
		struct parse_position at = p->skipped_at;
		const char *what = "{";

		if (p->skipped == 0) {
			p->depth--;
			at = p->blocks[p->depth].at;
			if (p->blocks[p->depth].by != NULL)
				what = p->blocks[p->depth].by->word;
		} else if (--p->skipped > 0) {
			continue;
		}
		mistake_add(p->errors, at.file, at.line, at.column,
			    "the block that `%s` opens is not closed; expected `}` before the end "
			    "of the file",
			    what);
	}
}

/* `#@ FILE LINE`: LINE 1 begins a file, any other goes on with the one that included it */
static void
read_marker(struct parse *p, struct span marker)
{
	size_t at = marker.len;
	uint64_t line;

	while (at > 0 && marker.at[at - 1] != ' ')
		at--;
	if (at < 2 || number_parse(span_skip(marker, at), 1, UINT32_MAX, &line) < 0)
		return;
	if (line == 1) {
		if (p->file_count == PARSE_FILES) {
			mistake_add(p->errors, p->at.file, p->at.line, 1,
				    "files within files too deep");
			return;
		}
		p->file_depth[p->file_count++] = depth_now(p);
	} else if (p->file_count > 1) {
		blocks_end(p, p->file_depth[--p->file_count]);
	}
	p->at.file = span_from(marker.at, at - 1);
	p->at.line = (unsigned)line - 1;
}

/* ---- lines ---- */

static const char *
place_phrase(unsigned place)
{
	switch ((enum place)place) {
	case PLACE_GENERAL:
		return "the file itself, in no block";
	case PLACE_LOG:
		return "the block of `log`";
	case PLACE_LISTEN:
		return "the block of `listen`";
	case PLACE_DOMAIN:
		return "the block of `domain`";
	case PLACE_OUTBOUND:
		return "the block of `outbound`";
	case PLACE_TLS:
		return "the block of `tls`";
	case PLACE_SITE:
		return "the block of `site`";
	case PLACE_BUDGET:
		return "the block of `budget`";
	case PLACE_ROUTE:
		return "the block of `route`";
	case PLACE_LIMIT:
		return "the general `limit`";
	case PLACE_LISTEN_LIMIT:
		return "the `limit` of a `listen`";
	case PLACE_AUTH:
		return "the block of `auth`";
	case PLACE_LOGIN:
		return "the block of `login`";
	case PLACE_VERIFY:
		return "the block of `verify`";
	case PLACE_HOP_TLS:
		return "the block of `tls` in `outbound`, `route` or `domain`";
	case PLACE_ANY:
		break;
	}
	return "any block";
}

/* where `word` could stand, for somebody who wrote it in the wrong place; 0: nowhere */
static unsigned
place_of(struct span word)
{
	for (unsigned place = 1; place < PLACE_ANY; place <<= 1)
		if (directive_find(word, place) != NULL)
			return place;
	return 0;
}

static void
unknown_directive(struct parse *p, const struct grammar_word *word)
{
	unsigned place = block_now(p)->place;
	const char *what = place & (PLACE_LIMIT | PLACE_LISTEN_LIMIT) ? "limit" : "directive";
	unsigned elsewhere = place_of(word->text);
	struct nearest nearest;
	struct span name = word->text;
	struct buffer words;

	if (directive_is_planned(name)) {
		parse_mistake(p, word->column,
			      "`%.*s`: this version of Culver does not know it yet; expected a "
			      "directive of culver.conf(5)",
			      SPAN_ARG(word->text));
		return;
	}
	if (elsewhere != 0) {
		parse_mistake(p, word->column, "`%.*s` does not stand in %s; expected it in %s",
			      SPAN_ARG(name), place_phrase(place), place_phrase(elsewhere));
		return;
	}
	for (size_t i = 0; i < name.len; i++) /* hostname=x, hostname: */
		if (name.at[i] == '=' || name.at[i] == ':')
			name.len = i;
	nearest_start(&nearest, name);
	buffer_init(&words, MISTAKE_TEXT_MAX);
	for (size_t i = 0; i < directive_count; i++) {
		if (!(directives[i].where & place))
			continue;
		nearest_offer(&nearest, directives[i].word);
		if (directives[i].where != PLACE_ANY)
			buffer_format(&words, "%s`%s`", words.len == 0 ? "" : ", ",
				      directives[i].word);
	}
	if (nearest.best != NULL)
		parse_mistake(p, word->column, "unknown %s `%.*s`; did you mean `%s`?", what,
			      SPAN_ARG(word->text), nearest.best);
	else
		parse_mistake(p, word->column, "unknown %s `%.*s`; expected one of %.*s", what,
			      SPAN_ARG(word->text), SPAN_ARG(buffer_get(&words)));
	buffer_free(&words);
}

/* is the number of arguments right, and the block there that must be? */
static bool
has_right_shape(struct parse *p, const struct directive *d, const struct grammar_line *line)
{
	size_t count = line->count - 1;

	if (count > 0 && !line->words[1].quoted && span_equal(line->words[1].text, SPAN("="))) {
		parse_mistake(p, line->words[1].column, "no `=` stands between `%s` and its value",
			      d->word);
		return false;
	}
	if (count < d->min_words) {
		parse_mistake(p, line->end, "expected more behind `%s`: %s", d->word, d->arguments);
		return false;
	}
	if (count > d->max_words) {
		parse_mistake(p, line->words[d->max_words + 1].column,
			      "`%.*s` is too much here; expected `%s%s%s` alone",
			      SPAN_ARG(line->words[d->max_words + 1].text), d->word,
			      d->arguments != NULL ? " " : "",
			      d->arguments != NULL ? d->arguments : "");
		return false;
	}
	if (d->needs_block && !line->opens) {
		parse_mistake(p, line->end, "expected `{` behind `%s`", d->word);
		return false;
	}
	return true;
}

static void
read_directive(struct parse *p, const struct grammar_line *line)
{
	struct parse_block *block = block_now(p);
	const struct directive *d = NULL;
	struct parse_position *seen;

	p->at.column = line->words[0].column;
	if (!line->words[0].quoted)
		d = directive_find(line->words[0].text, block->place);
	if (d == NULL) {
		if (line->words[0].quoted)
			parse_mistake(p, p->at.column, "expected a directive, not a quoted word");
		else
			unknown_directive(p, &line->words[0]);
		if (line->opens)
			block_skip(p);
		return;
	}
	seen = &block->seen[d - directives];
	if (seen->line > 0 && !d->repeats)
		parse_mistake(p, p->at.column,
			      "`%s` stands here twice; the first is in line %u%s%.*s", d->word,
			      seen->line, span_equal(seen->file, p->at.file) ? "" : " of ",
			      span_equal(seen->file, p->at.file) ? 0 : (int)seen->file.len,
			      seen->file.at);
	else
		*seen = p->at;
	p->opened = NULL;
	if (has_right_shape(p, d, line))
		d->take(p, d, line, block->object);
	if (!line->opens)
		return;
	if (d->opens == 0)
		parse_mistake(p, line->brace, "`%s` takes no block", d->word);
	if (d->opens == 0)
		block_skip(p);
	else
		block_open(p, d, p->opened);
}

/* a line with a mistake opens a block: its directive is believed, if it is one, so that the block is read as well */
static void
block_recover(struct parse *p, const struct grammar_line *line)
{
	const struct directive *d = NULL;

	if (line->count > 0 && p->skipped == 0)
		d = directive_find(line->words[0].text, block_now(p)->place);
	p->is_silent = true;
	if (d == NULL || d->opens == 0) {
		block_skip(p);
		return;
	}
	p->opened = NULL;
	if (line->count - 1 >= d->min_words && line->count - 1 <= d->max_words)
		d->take(p, d, line, block_now(p)->object);
	block_open(p, d, p->opened);
}

static void
read_line(struct parse *p, struct span text)
{
	struct grammar_line line;

	arena_reset(&p->scratch);
	p->is_silent = p->skipped > 0;
	if (grammar_line(text, &p->scratch, &line, wrong_line, p) < 0) {
		p->no_memory = true;
		return;
	}
	if (line.closes && line.count == 0)
		block_close(p, line.brace);
	p->is_silent = p->skipped > 0;
	p->at.column = line.brace;
	if (line.count > 0 && p->skipped == 0 && line.is_whole)
		read_directive(p, &line);
	else if (line.opens)
		block_recover(p, &line);
	if (line.closes && line.count > 0)
		block_close(p, line.brace);
}

/* ---- the whole ---- */

static struct config *
config_new(void)
{
	struct config *c = calloc(1, sizeof(*c));

	if (c != NULL)
		arena_init(&c->arena, CONFIG_MEMORY_MAX);
	return c;
}

static void
read_text(struct parse *p, struct span text)
{
	struct config *c = p->config;

	block_open(p, NULL, c);
	parse_standards(p, PLACE_GENERAL | PLACE_LOG, c);
	parse_standards(p, PLACE_OUTBOUND, &c->outbound);
	parse_standards(p, PLACE_AUTH, &c->auth);
	parse_standards(p, PLACE_VERIFY, &c->verify);
	parse_standards(p, PLACE_LIMIT, &c->limits);
	while (text.len > 0 && !p->no_memory) {
		struct span line = span_cut(&text, '\n');

		p->at.line++;
		if (span_starts(line, SPAN("#@ ")))
			read_marker(p, span_skip(line, 3));
		else
			read_line(p, line);
	}
	while (p->file_count > 0)
		blocks_end(p, p->file_depth[--p->file_count]);
	blocks_end(p, 1);
}

struct config *
config_parse(struct span text, const struct config_defaults *defaults, struct config_errors *errors)
{
	struct parse *p = calloc(1, sizeof(*p));
	struct config *c = config_new();
	struct config_defaults found;
	size_t mistakes = errors->count;

	if (p == NULL || c == NULL) {
		mistake_add(errors, SPAN("configuration"), 0, 0, "no memory");
		goto out;
	}
	p->config = c;
	p->errors = errors;
	p->at.file = SPAN("configuration");
	arena_init(&p->scratch, LINE_MEMORY_MAX);
	if (defaults == NULL && defaults_read(&text, &c->arena, &found) < 0) {
		mistake_add(errors, p->at.file, 0, 0,
			    "the defaults of this machine are not in the text");
		goto out;
	}
	read_text(p, text);
	parse_finish(p, defaults != NULL ? defaults : &found);
	if (p->no_memory)
		mistake_add(errors, p->at.file, p->at.line, 1, "no memory for the configuration");
out:
	if (p != NULL)
		arena_free(&p->scratch);
	free(p);
	if (errors->count > mistakes) {
		config_free(c);
		return NULL;
	}
	return c;
}

void
config_free(struct config *c)
{
	if (c == NULL)
		return;
	arena_free(&c->arena);
	free(c);
}
