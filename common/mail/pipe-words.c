/*
 * pipe-words - see pipe-words.h
 */
#include "common/mail/pipe-words.h"

#include <inttypes.h>
#include <stddef.h>

#define NULL_SENDER "MAILER-DAEMON"

static const struct {
	struct span word;
	size_t at; /* of a span in struct pipe_facts */
} names[] = {
	{SPAN("{user}"), offsetof(struct pipe_facts, user)},
	{SPAN("{ext}"), offsetof(struct pipe_facts, ext)},
	{SPAN("{domain}"), offsetof(struct pipe_facts, domain)},
	{SPAN("{home}"), offsetof(struct pipe_facts, home)},
	{SPAN("{sender}"), offsetof(struct pipe_facts, sender)},
	{SPAN("{recipient}"), offsetof(struct pipe_facts, recipient)},
	{SPAN("{original}"), offsetof(struct pipe_facts, original)},
	{SPAN("{id}"), offsetof(struct pipe_facts, id)},
	{SPAN("{size}"), offsetof(struct pipe_facts, size)},
};

#define NAMES (sizeof(names) / sizeof(names[0]))

/* the name that `rest` begins with; NAMES: none */
static size_t
name_at(struct span rest)
{
	size_t i = 0;

	while (i < NAMES && !span_starts(rest, names[i].word))
		i++;
	return i;
}

const char *
pipe_word_check(struct span word)
{
	if (memchr(word.at, '\0', word.len) != NULL)
		return "no argument can hold a NUL byte";
	for (size_t i = 0; i < word.len;) {
		struct span rest = span_skip(word, i);
		size_t n = name_at(rest);

		if (rest.at[0] == '{' && n == NAMES)
			return "expected {user}, {ext}, {domain}, {home}, {sender}, {recipient}, "
			       "{original}, {id} or {size}";
		i += n < NAMES ? names[n].word.len : 1;
	}
	return NULL;
}

static void
put_fact(size_t n, const struct pipe_facts *facts, struct buffer *to)
{
	const char *at = (const char *)facts + names[n].at;
	const struct span *value = (const struct span *)(const void *)at;

	if (names[n].at == offsetof(struct pipe_facts, id))
		buffer_format(to, "%013" PRIX64, facts->id);
	else if (names[n].at == offsetof(struct pipe_facts, size))
		buffer_format(to, "%" PRIu64, facts->size);
	else if (names[n].at == offsetof(struct pipe_facts, sender) && value->len == 0)
		buffer_string(to, NULL_SENDER);
	else
		buffer_span(to, *value);
}

void
pipe_word_put(struct span word, const struct pipe_facts *facts, struct buffer *to)
{
	size_t begin = to->len;

	for (struct span rest = word; rest.len > 0;) {
		size_t n = name_at(rest);

		if (n < NAMES) {
			put_fact(n, facts, to);
			rest = span_skip(rest, names[n].word.len);
		} else {
			buffer_char(to, rest.at[0]);
			rest = span_skip(rest, 1);
		}
	}
	if (!to->failed && to->len > begin && to->at[begin] == '-' && word.at[0] != '-')
		to->at[begin] = '_';
}
