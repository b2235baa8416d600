/* journal: what is written is read back; what is torn or changed is no line */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "common/protocol/lookup.h"
#include "queue-manager/journal.h"

#define ID 0x66101D47CF6B0

static const struct journal_entry samples[] = {
	{.verb = JOURNAL_FROM,
	 .origin = INTAKE_NETWORK,
	 .eight_bit = true,
	 .client = {"192.0.2.1", 9},
	 .helo = {"a b\"c\\d", 7},
	 .protocol = {"ESMTP", 5},
	 .sender = {"a@b.example", 11}},
	{.verb = JOURNAL_FROM,
	 .origin = INTAKE_NOTICE,
	 .client = {"", 0},
	 .helo = {"", 0},
	 .protocol = {"NOTICE", 6},
	 .sender = {"", 0}},
	{.verb = JOURNAL_FROM,
	 .origin = INTAKE_LOCAL,
	 .uid = 1001,
	 .client = {"", 0},
	 .helo = {"localhost", 9},
	 .protocol = {"LOCAL", 5},
	 .sender = {"a@b.example", 11}},
	{.verb = JOURNAL_TOP, .text = {"Received: from x\tby y", 21}},
	{.verb = JOURNAL_TOP, .text = {"", 0}},
	{.verb = JOURNAL_TO, .number = 1, .text = {"x@y.example", 11}},
	{.verb = JOURNAL_TO,
	 .number = 7,
	 .text = {"\"a b\"@y.example", 15},
	 .parent = 3,
	 .direct = true},
	{.verb = JOURNAL_TO, .number = 8, .text = {"b@y.example", 11}, .direct = true},
	{.verb = JOURNAL_TO,
	 .number = 9,
	 .text = {"b@y.example", 11},
	 .parent = 8,
	 .direct = LOOKUP_DIRECT_MAILBOX},
	{.verb = JOURNAL_TO,
	 .number = 9,
	 .text = {"b@y.example", 11},
	 .parent = 8,
	 .direct = LOOKUP_DIRECT_USER,
	 .line = 0xfedcba9876543210,
	 .owner = {"owner-\"x\" y@z", 13},
	 .notify = INTAKE_NOTIFY_FAILURE},
	{.verb = JOURNAL_QUEUED,
	 .time_us = 1795420800123456,
	 .checksum = 0x0123456789abcdef,
	 .count = 3},
	{.verb = JOURNAL_DELIVERED,
	 .number = 3,
	 .time_us = 1795420800000001,
	 .code = 250,
	 .status = {"2.0.0", 5},
	 .host = {"mx[192.0.2.1]:25", 16},
	 .reply = {"ok: queued as \x01\xff", 16}},
	{.verb = JOURNAL_DEFERRED,
	 .number = 2,
	 .time_us = 951782400000000,
	 .next_us = 951868799999999,
	 .attempt = 4,
	 .code = 0,
	 .status = {"4.4.1", 5},
	 .host = {"", 0},
	 .reply = {"no route\n", 9}},
	{.verb = JOURNAL_FAILED,
	 .number = 1,
	 .time_us = 4102444799999999,
	 .code = 550,
	 .status = {"5.1.1", 5},
	 .host = {"h", 1},
	 .reply = {"no such user", 12}},
	{.verb = JOURNAL_EXPANDED, .number = 4, .numbers = {"5-7,9", 5}},
	{.verb = JOURNAL_HELD, .time_us = 1, .text = {"by the administrator", 20}},
	{.verb = JOURNAL_RELEASED, .time_us = 68169600000000},
	{.verb = JOURNAL_NOTIFIED,
	 .time_us = 1795420800123456,
	 .notice = 0x66101D47CF6B1,
	 .numbers = {"1", 1}},
	{.verb = JOURNAL_FROM,
	 .origin = INTAKE_LOCAL,
	 .uid = 1,
	 .utf8 = true,
	 .tls_demand = INTAKE_TLS_WAIVED,
	 .ret = INTAKE_RET_FULL,
	 .client = {"", 0},
	 .helo = {"localhost", 9},
	 .protocol = {"LOCAL", 5},
	 .envid = {"a b=\"c", 6},
	 .login = {"ann \"x@a.example", 16},
	 .sender = {"\xc3\xa4@b.example", 12}},
	{.verb = JOURNAL_TO,
	 .number = 4,
	 .text = {"x@y.example", 11},
	 .parent = 2,
	 .direct = true,
	 .notify = INTAKE_NOTIFY_SUCCESS | INTAKE_NOTIFY_DELAY,
	 .orcpt = {"rfc822;x y", 10}},
	{.verb = JOURNAL_TO,
	 .number = 4,
	 .text = {"x@y.example", 11},
	 .notify = INTAKE_NOTIFY_NEVER},
	{.verb = JOURNAL_TO, .number = 4, .text = {"x@y.example", 11}, .orcpt = {"x400;z", 6}},
	{.verb = JOURNAL_DELIVERED,
	 .number = 3,
	 .time_us = 1795420800000001,
	 .code = 250,
	 .status = {"2.0.0", 5},
	 .host = {"mx[192.0.2.1]:25", 16},
	 .reply = {"ok", 2},
	 .relayed = JOBS_RELAYED_SILENT},
};

#define SAMPLES (sizeof(samples) / sizeof(samples[0]))

static void
assert_span(struct span a, struct span b)
{
	assert_int_equal(a.len, b.len);
	assert_memory_equal(a.at != NULL ? a.at : "", b.at != NULL ? b.at : "", a.len);
}

static void
assert_entry(const struct journal_entry *a, const struct journal_entry *b)
{
	assert_int_equal(a->verb, b->verb);
	assert_int_equal(a->number, b->number);
	assert_int_equal(a->parent, b->parent);
	assert_int_equal(a->direct, b->direct);
	assert_int_equal(a->line, b->line);
	assert_span(a->owner, b->owner);
	assert_int_equal(a->origin, b->origin);
	assert_int_equal(a->eight_bit, b->eight_bit);
	assert_int_equal(a->time_us, b->time_us);
	assert_int_equal(a->next_us, b->next_us);
	assert_int_equal(a->attempt, b->attempt);
	assert_int_equal(a->checksum, b->checksum);
	assert_int_equal(a->count, b->count);
	assert_int_equal(a->code, b->code);
	assert_int_equal(a->notice, b->notice);
	assert_int_equal(a->uid, b->uid);
	assert_int_equal(a->utf8, b->utf8);
	assert_int_equal(a->tls_demand, b->tls_demand);
	assert_int_equal(a->ret, b->ret);
	assert_int_equal(a->notify, b->notify);
	assert_int_equal(a->relayed, b->relayed);
	assert_span(a->client, b->client);
	assert_span(a->helo, b->helo);
	assert_span(a->protocol, b->protocol);
	assert_span(a->sender, b->sender);
	assert_span(a->text, b->text);
	assert_span(a->host, b->host);
	assert_span(a->status, b->status);
	assert_span(a->reply, b->reply);
	assert_span(a->numbers, b->numbers);
	assert_span(a->envid, b->envid);
	assert_span(a->login, b->login);
	assert_span(a->orcpt, b->orcpt);
}

static void
write_all(struct buffer *to)
{
	buffer_init(to, 1 << 20);
	for (size_t i = 0; i < SAMPLES; i++)
		journal_write(to, ID, &samples[i]);
	assert_false(to->failed);
}

static void
journal_gives_back_what_was_written(void **state)
{
	struct buffer text, words;
	struct journal_entry e;
	(void)state;
	write_all(&text);
	buffer_init(&words, JOURNAL_LINE_MAX);
	struct span rest = buffer_get(&text);
	for (size_t i = 0; i < SAMPLES; i++) {
		assert_int_equal(journal_read(&rest, ID, &words, &e), JOURNAL_LINE);
		assert_entry(&e, &samples[i]);
	}
	assert_int_equal(rest.len, 0);
	buffer_free(&text);
	buffer_free(&words);
}

static void
journal_is_text_of_printable_lines(void **state)
{
	struct buffer text;
	(void)state;
	write_all(&text);
	for (size_t i = 0; i < text.len; i++)
		assert_true(text.at[i] == '\n' || (text.at[i] >= 0x20 && text.at[i] < 0x7f));
	buffer_free(&text);
}

static void
journal_ignores_a_torn_last_line(void **state)
{
	struct buffer text, words;
	struct journal_entry e;
	(void)state;
	buffer_init(&words, JOURNAL_LINE_MAX);
	for (size_t i = 0; i < SAMPLES; i++) {
		buffer_init(&text, 1 << 20);
		journal_write(&text, ID, &samples[i]);
		for (size_t cut = 0; cut < text.len; cut++) {
			struct span rest = span_from(text.at, cut);
			assert_int_equal(journal_read(&rest, ID, &words, &e), JOURNAL_PARTIAL);
			assert_int_equal(rest.len, cut);
		}
		buffer_free(&text);
	}
	buffer_free(&words);
}

static void
journal_finds_every_changed_byte(void **state)
{
	struct buffer text, words;
	struct journal_entry e;
	(void)state;
	buffer_init(&words, JOURNAL_LINE_MAX);
	for (size_t i = 0; i < SAMPLES; i++) {
		buffer_init(&text, 1 << 20);
		journal_write(&text, ID, &samples[i]);
		for (size_t at = 0; at < text.len; at++) {
			char before = text.at[at];
			text.at[at] ^= 1;
			struct span rest = buffer_get(&text);
			assert_int_not_equal(journal_read(&rest, ID, &words, &e), JOURNAL_LINE);
			text.at[at] = before;
		}
		buffer_free(&text);
	}
	buffer_free(&words);
}

static void
journal_takes_no_line_of_another_message(void **state)
{
	struct buffer text, words;
	struct journal_entry e;
	(void)state;
	write_all(&text);
	buffer_init(&words, JOURNAL_LINE_MAX);
	struct span rest = buffer_get(&text);
	assert_int_equal(journal_read(&rest, ID + 1, &words, &e), JOURNAL_BAD);
	buffer_free(&text);
	buffer_free(&words);
}

static void
journal_holds_the_longest_header_line(void **state)
{
	static char line[INTAKE_TOP_MAX];
	struct buffer text, words;
	struct journal_entry e;
	(void)state;
	memset(line, '\t', sizeof(line));
	buffer_init(&text, 1 << 20);
	buffer_init(&words, JOURNAL_LINE_MAX);
	const struct journal_entry top = {.verb = JOURNAL_TOP,
					  .text = span_from(line, sizeof(line))};
	journal_write(&text, ID, &top);
	assert_true(text.len <= JOURNAL_LINE_MAX);
	struct span rest = buffer_get(&text);
	assert_int_equal(journal_read(&rest, ID, &words, &e), JOURNAL_LINE);
	assert_span(e.text, top.text);
	buffer_free(&text);
	buffer_free(&words);
}

static void
journal_header_is_one_line_of_fixed_width(void **state)
{
	const uint64_t lengths[] = {0, 1, 25u << 20, JOURNAL_LENGTH_MAX};
	char header[JOURNAL_HEADER_SIZE];
	uint64_t length;
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		journal_header(lengths[i], header);
		assert_int_equal(header[JOURNAL_HEADER_SIZE - 1], '\n');
		assert_null(memchr(header, '\n', JOURNAL_HEADER_SIZE - 1));
		assert_int_equal(journal_header_read(header, &length), 0);
		assert_int_equal(length, lengths[i]);
	}
	header[JOURNAL_HEADER_SIZE - 1] = ' ';
	assert_int_equal(journal_header_read(header, &length), -1);
	memset(header, 0, sizeof(header));
	assert_int_equal(journal_header_read(header, &length), -1);
}

static void
journal_finds_queued_behind_damage(void **state)
{
	struct buffer text;
	(void)state;
	buffer_init(&text, 1 << 20);
	journal_write(&text, ID, &samples[0]);
	assert_false(journal_queued_in(buffer_get(&text), ID));
	memset(text.at, 0, 20);
	journal_write(&text, ID, &samples[10]);
	assert_true(journal_queued_in(buffer_get(&text), ID));
	assert_false(journal_queued_in(buffer_get(&text), ID + 1));
	buffer_free(&text);
}

static void
journal_numbers_come_back_in_runs(void **state)
{
	const uint64_t in[] = {1, 2, 3, 7, 9, 10};
	struct journal_numbers n;
	uint64_t first, last, seen = 0;
	(void)state;
	journal_numbers_start(&n);
	for (size_t i = 0; i < 6; i++)
		journal_numbers_add(&n, in[i]);
	struct span word = journal_numbers_end(&n);
	assert_span(word, SPAN("1-3,7,9-10"));
	while (journal_numbers_next(&word, &first, &last))
		for (uint64_t v = first; v <= last; v++)
			assert_int_equal(v, in[seen++]);
	assert_int_equal(seen, 6);
	journal_numbers_free(&n);
}

static void
journal_refuses_numbers_that_do_not_rise(void **state)
{
	static const char *const wrong[] = {"5-", "3-2", "2,1",	 "1,",
					    "",	  "0",	 "1--2", "4294967296"};
	struct buffer text, words;
	struct journal_entry e;
	(void)state;
	buffer_init(&words, JOURNAL_LINE_MAX);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		buffer_init(&text, 1 << 16);
		const struct journal_entry bad = {
			.verb = JOURNAL_EXPANDED, .number = 1, .numbers = span_of(wrong[i])};
		journal_write(&text, ID, &bad);
		struct span rest = buffer_get(&text);
		assert_int_equal(journal_read(&rest, ID, &words, &e), JOURNAL_BAD);
		buffer_free(&text);
	}
	buffer_free(&words);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(journal_gives_back_what_was_written),
		cmocka_unit_test(journal_is_text_of_printable_lines),
		cmocka_unit_test(journal_ignores_a_torn_last_line),
		cmocka_unit_test(journal_finds_every_changed_byte),
		cmocka_unit_test(journal_takes_no_line_of_another_message),
		cmocka_unit_test(journal_holds_the_longest_header_line),
		cmocka_unit_test(journal_header_is_one_line_of_fixed_width),
		cmocka_unit_test(journal_finds_queued_behind_damage),
		cmocka_unit_test(journal_numbers_come_back_in_runs),
		cmocka_unit_test(journal_refuses_numbers_that_do_not_rise),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
