/*
 * grammar - the shape of culver.conf, before any word of it has a meaning
 *
 *     text   = *line
 *     line   = [words ["{"]] ["#" anything] LF      a directive, which may open a block
 *            / "}" ["#" anything] LF                the end of a block, alone on its line
 *     words  = word *(1*blank word)
 *     word   = bare / "double quoted" / 'single quoted'
 *
 * Nothing spans two lines and there is no `;`.  In double quotes \" and \\ stand for " and \; single quotes take
 * everything as it is.  A quoted word stands for itself, whatever is in it: "{" is a value, { opens a block.  A `#`
 * begins a comment only where a word could begin.
 *
 * config_load uses it to find `include`, config_parse for everything else.
 */
#ifndef COMMON_CONFIG_GRAMMAR_H
#define COMMON_CONFIG_GRAMMAR_H

#include <stdbool.h>
#include <stddef.h>

#include "common/text/arena.h"
#include "common/text/span.h"

#define GRAMMAR_WORDS_MAX 4096 /* of one line */

struct grammar_word {
	/* without its quotes; points into the line, or into the arena where an escape was undone */
	struct span text;
	unsigned column; /* of its first byte (the quote, if there is one), from 1, in bytes */
	bool quoted;
};

struct grammar_line {
	const struct grammar_word *words; /* without { and } */
	size_t count;
	bool opens;	/* ends in { */
	bool closes;	/* is } */
	unsigned brace; /* column of either */
	unsigned end;	/* column behind the last word: where one more was expected */
	bool is_whole; /* nothing was wrong with it; else what could be read is here all the same */
};

/*
 * grammar_line - reads one line (no LF in it)
 *
 * `wrong` is told of each mistake (column, sentence), of a line as a whole at most one.  The words live in `arena` until it is
 * reset.  -1: memory is out.
 */
int grammar_line(struct span text, struct arena *arena, struct grammar_line *line,
		 void (*wrong)(void *owner, unsigned column, const char *text), void *owner)
	__attribute__((warn_unused_result));

#endif
