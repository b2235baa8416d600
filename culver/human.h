/*
 * human - sizes, times and strangers' bytes as a person at a terminal reads them
 *
 * Called by the verbs that list (queue, trace).  Promises: nothing that a stranger wrote reaches a terminal but printable ASCII.
 */
#ifndef CULVER_HUMAN_H
#define CULVER_HUMAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/text/buffer.h"
#include "common/text/span.h"

#define HUMAN_MAX 24

/* 999, 4.2K, 31M: powers of 1024 */
void human_size(uint64_t bytes, char text[HUMAN_MAX]);
/* 12s, 3m, 2h10m, 5d: two units at most */
void human_age(int64_t ms, char text[HUMAN_MAX]);
/* +0.004s, +12.5s, +3m12s, +2d4h */
void human_step(int64_t us, char text[HUMAN_MAX]);

/* printable ASCII as it is, all else as \xHH, the backslash doubled */
void human_text(struct buffer *to, struct span s);
/* the same for a text of lines: CRLF and LF end a line, tabs stay */
void human_lines(struct buffer *to, struct span s);
/* <alice@example.org>, <> for the null reverse-path */
void human_path(struct buffer *to, struct span address);

/* human_print - writes and empties `b`; -1 after a sentence on stderr */
int human_print(struct buffer *b) __attribute__((warn_unused_result));

#endif
