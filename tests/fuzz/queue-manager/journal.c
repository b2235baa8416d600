/* journal: a line that is read is written again to a line that reads the same; what has no right check word is no line */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/text/checksum.h"
#include "queue-manager/journal.h"

#define ID 0x66101D47CF6B0

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(int holds)
{
	if (!holds)
		abort();
}

static void
must_equal(struct span a, struct span b)
{
	must(a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0));
}

static void
round_trip(const struct journal_entry *e)
{
	static struct buffer line, words;
	struct journal_entry again;
	if (line.max == 0) {
		buffer_init(&line, 2 * JOURNAL_LINE_MAX);
		buffer_init(&words, JOURNAL_LINE_MAX);
	}
	buffer_clear(&line);
	journal_write(&line, ID, e);
	must(!line.failed);
	struct span rest = buffer_get(&line);
	must(journal_read(&rest, ID, &words, &again) == JOURNAL_LINE);
	must(rest.len == 0);
	must(again.verb == e->verb && again.number == e->number && again.parent == e->parent &&
	     again.direct == e->direct);
	must(again.time_us == e->time_us && again.next_us == e->next_us &&
	     again.attempt == e->attempt);
	must(again.origin == e->origin && again.eight_bit == e->eight_bit && again.code == e->code);
	must(again.checksum == e->checksum && again.count == e->count && again.notice == e->notice);
	must(again.uid == e->uid && again.utf8 == e->utf8 && again.ret == e->ret);
	must(again.tls_demand == e->tls_demand);
	must(again.notify == e->notify && again.relayed == e->relayed);
	must_equal(again.envid, e->envid);
	must_equal(again.login, e->login);
	must_equal(again.orcpt, e->orcpt);
	must_equal(again.sender, e->sender);
	must_equal(again.text, e->text);
	must_equal(again.reply, e->reply);
	must_equal(again.status, e->status);
	must_equal(again.host, e->host);
	must_equal(again.numbers, e->numbers);
	struct span numbers = again.numbers;
	uint64_t first, last, before = 0;
	while (journal_numbers_next(&numbers, &first, &last)) {
		must(first > before && last >= first);
		before = last;
	}
	must(numbers.len == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct buffer words;
	struct journal_entry e;
	struct buffer text;
	if (words.max == 0)
		buffer_init(&words, JOURNAL_LINE_MAX);
	/* as it is: check words of chance are rare, memory must be in order */
	struct span rest = span_from((const char *)data, size);
	while (rest.len > 0 && journal_read(&rest, ID, &words, &e) == JOURNAL_LINE)
		;
	(void)journal_queued_in(span_from((const char *)data, size), ID);
	/* each line with its right check word */
	buffer_init(&text, 4 << 20);
	rest = span_from((const char *)data, size);
	while (rest.len > 0) {
		struct span said = span_cut(&rest, '\n');
		buffer_format(&text, "%08X ", checksum_word(said, ID));
		buffer_span(&text, said);
		buffer_char(&text, '\n');
	}
	rest = buffer_get(&text);
	while (!text.failed && rest.len > 0) {
		if (journal_read(&rest, ID, &words, &e) == JOURNAL_LINE)
			round_trip(&e);
		else
			(void)span_cut(&rest, '\n');
	}
	buffer_free(&text);
	return 0;
}
