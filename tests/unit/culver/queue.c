/* queue: what the queue-manager answers, as people and programs read it; what is asked wrongly is refused */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/system/channel.h"
#include "common/system/clock.h"
#include "culver/human.h"
#include "culver/listing.h"
#include "culver/queue.h"
#include "culver/sites.h"

#define NOW_US 1795507351000000

static struct buffer out;

static const struct control_message message = {
	.id = 0x644C2F1B5F3A2,
	.state = {"deferred", 8},
	.size = 4301,
	.arrived_us = NOW_US - 180 * 1000000LL,
	.next_us = NOW_US + 240 * 1000000LL,
	.attempts = 2,
	.sender = {"alice@example.org", 17},
	.recipients = 3,
	.open = 1,
};

static void
list(enum listing_form form)
{
	static const struct control_recipient to[] = {
		{0x644C2F1B5F3A2,
		 1,
		 {"bob@example.com", 15},
		 {"deferred", 8},
		 {"451 4.7.1 \x1b[2Jlater", 19}},
		{0x644C2F1B5F3A2, 2, {"carol@example.com", 17}, {"delivered", 9}, {"250 ok", 6}},
	};
	struct listing l;
	buffer_clear(&out);
	listing_start(&l, form, NOW_US, &out);
	listing_message(&l, &message);
	for (size_t i = 0; i < 2; i++)
		listing_recipient(&l, &to[i]);
	listing_close(&l);
	listing_sum(&l);
	buffer_char(&out, '\0');
}

static void
a_list_says_who_waits_for_what(void **state)
{
	(void)state;
	list(LISTING_LINES);
	assert_string_equal(out.at, "ID                 AGE   SIZE  STATE     FROM\n"
				    "644C2F1B5F3A2       3m   4.2K  deferred  <alice@example.org>\n"
				    "    next attempt in 4m, 2 so far\n"
				    "    to <bob@example.com>  451 4.7.1 \\x1b[2Jlater\n"
				    "1 message, 4.2K\n");
}

static void
one_message_is_shown_with_all_its_recipients(void **state)
{
	(void)state;
	list(LISTING_WHOLE);
	assert_non_null(strstr(out.at, "deferred; next attempt in 4m, 2 so far\n"));
	assert_non_null(strstr(out.at, "2026-11-24T07:59:31.000000Z, 3m ago\n"));
	assert_non_null(strstr(out.at, "from        <alice@example.org>\n"));
	assert_non_null(strstr(out.at, "   2  delivered <carol@example.com>\n"));
	assert_null(strchr(out.at, 0x1b));
}

static void
json_is_one_object_a_line(void **state)
{
	(void)state;
	list(LISTING_JSON);
	assert_string_equal(
		out.at,
		"{\"id\":\"644C2F1B5F3A2\",\"state\":\"deferred\",\"size\":4301,"
		"\"arrived\":\"2026-11-24T07:59:31.000000Z\",\"next\":\"2026-11-24T08:06:31."
		"000000Z\","
		"\"attempts\":2,\"from\":\"alice@example.org\",\"recipients\":3,\"open\":1,\"to\":["
		"{\"number\":1,\"address\":\"bob@example.com\",\"state\":\"deferred\",\"reply\":"
		"\"451 4.7.1 \\u001b[2Jlater\"},"
		"{\"number\":2,\"address\":\"carol@example.com\",\"state\":\"delivered\",\"reply\":"
		"\"250 ok\"}]}\n");
}

static void
many_recipients_are_counted_not_listed(void **state)
{
	struct listing l;
	(void)state;
	buffer_clear(&out);
	listing_start(&l, LISTING_LINES, NOW_US, &out);
	listing_message(&l, &message);
	for (uint64_t i = 1; i <= 5000; i++) {
		struct control_recipient r = {message.id, i, {"a@b", 3}, {"waiting", 7}, {"", 0}};
		listing_recipient(&l, &r);
	}
	listing_close(&l);
	buffer_char(&out, '\0');
	assert_non_null(strstr(out.at, "    and 4990 more\n"));
	assert_true(out.len < 1000);
}

static void
sizes_and_times_are_for_people(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} sizes[] = {{0, "0"},		{1023, "1023"},	      {1024, "1.0K"},
		     {4301, "4.2K"},	{10239, "10K"},	      {26214400, "25M"},
		     {1048575, "1.0M"}, {5368709120, "5.0G"}, {UINT64_MAX, "16E"}};
	static const struct {
		int64_t ms;
		const char *text;
	} ages[] = {{-5, "0s"},	     {59999, "59s"},	 {60000, "1m"},	    {7800000, "2h10m"},
		    {7200000, "2h"}, {93600000, "1d2h"}, {864000000, "10d"}};
	static const struct {
		int64_t us;
		const char *text;
	} steps[] = {{0, "+0.000s"},
		     {4200, "+0.004s"},
		     {12510000, "+12.5s"},
		     {192000000, "+3m12s"},
		     {3660000000, "+1h01m"}};
	char text[HUMAN_MAX];
	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		human_size(sizes[i].bytes, text);
		assert_string_equal(text, sizes[i].text);
	}
	for (size_t i = 0; i < sizeof(ages) / sizeof(ages[0]); i++) {
		human_age(ages[i].ms, text);
		assert_string_equal(text, ages[i].text);
	}
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		human_step(steps[i].us, text);
		assert_string_equal(text, steps[i].text);
	}
}

static void
nothing_of_a_stranger_steers_a_terminal(void **state)
{
	struct buffer b;
	(void)state;
	buffer_init(&b, 65536);
	for (int c = 0; c < 256; c++) {
		char byte = (char)c;
		human_text(&b, span_from(&byte, 1));
	}
	for (size_t i = 0; i < b.len; i++)
		assert_true(b.at[i] >= 0x20 && b.at[i] < 0x7f);
	buffer_clear(&b);
	human_lines(&b, SPAN("a\tb\r\nc\rd\x1b\n"));
	assert_true(span_equal(buffer_get(&b), SPAN("a\tb\nc\\x0dd\\x1b\n")));
	buffer_free(&b);
}

/* ---- the verb, with a queue-manager that answers as it is told ---- */

static char runtime[] = "/tmp/culver-queue-XXXXXX";
static char path[64];

struct script {
	int listener;
	uint64_t messages; /* that match */
	bool malformed;
	uint64_t progress; /* so often it is said before the answer */
	uint64_t asked;	   /* requests, in all */
	bool is_dry;	   /* the last one */
	char word[64];	   /* its first */
	char address[64];
};

/* what was asked, as far as tests look at it */
static void
note_act(struct script *s, struct span datagram)
{
	struct control_act a;
	struct control_word word;
	if (wire_decode(datagram, wire_find(control_calls, CONTROL_ACT), &a) < 0)
		abort();
	s->is_dry = a.dry != 0;
	if (!wire_list_next(&a.selector, &control_word_shape, &word) ||
	    span_copy(word.word, s->word, sizeof(s->word)) != 0 ||
	    span_copy(a.address, s->address, sizeof(s->address)) != 0)
		abort();
}

static void
answer(struct script *s, int fd)
{
	static char datagram[CHANNEL_MAX];
	size_t len;
	struct wire_header h;
	while (channel_receive_wait(fd, datagram, &len, NULL, clock_monotonic_ms() + 5000) ==
	       CHANNEL_OK) {
		s->asked++;
		if (wire_peek(span_from(datagram, len), &h) < 0)
			abort();
		if (h.type == CONTROL_ACT)
			note_act(s, span_from(datagram, len));
		enum channel_outcome o = CHANNEL_OK;
		const struct control_progress progress = {10, 100, 1};
		for (uint64_t i = 0; i < s->progress && o == CHANNEL_OK; i++)
			o = wire_send(fd, wire_find(control_answers, CONTROL_PROGRESS), 0,
				      h.request, &progress, NULL);
		if (s->malformed)
			o = channel_send(fd, SPAN("nonsense"), NULL, 0);
		for (uint64_t i = 0; i < s->messages && h.type != CONTROL_ACT; i++)
			o = wire_send(fd, wire_find(control_answers, CONTROL_MESSAGE), 0, h.request,
				      &message, NULL);
		struct control_done done = {.count = s->messages};
		if (o == CHANNEL_OK)
			o = wire_send(fd, wire_find(control_answers, CONTROL_DONE), 0, h.request,
				      &done, NULL);
		if (o != CHANNEL_OK)
			break;
	}
}

static void *
serve(void *argument)
{
	struct script *s = argument;
	int fd = accept(s->listener, NULL, NULL);
	if (fd >= 0) {
		answer(s, fd);
		close(fd);
	}
	return NULL;
}

static int
ask(struct script *s, const struct culver_options *o, int argc, char **argv)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	pthread_t thread;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	unlink(path);
	s->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s->listener, (const struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(s->listener, 5), 0);
	assert_int_equal(pthread_create(&thread, NULL, serve, s), 0);
	int status = verb_queue(o, argc, argv);
	shutdown(s->listener, SHUT_RDWR); /* ends the accept when nobody has come */
	pthread_join(thread, NULL);
	close(s->listener);
	return status;
}

static const struct culver_options options = {.config = "/nonexistent", .usage = "queue"};

static void
nothing_matches_is_exit_1(void **state)
{
	char *remove[] = {(char[]){"queue"}, (char[]){"remove"}, (char[]){"from=x@y"}, NULL};
	char *all[] = {(char[]){"queue"}, (char[]){"hold"}, (char[]){"all"}, NULL};
	char *some[] = {(char[]){"queue"}, (char[]){"from=x@y"}, NULL};
	char *empty[] = {(char[]){"queue"}, NULL};
	(void)state;
	struct script none = {.messages = 0}, two = {.messages = 2}, nonsense = {.malformed = true};
	assert_int_equal(ask(&none, &options, 3, remove), 1);
	assert_int_equal(ask(&two, &options, 3, all), 0);
	assert_int_equal(ask(&none, &options, 2, some), 1);
	assert_int_equal(ask(&none, &options, 1, empty), 0);
	assert_int_equal(ask(&nonsense, &options, 1, empty), 70);
}

static void
progress_is_no_answer(void **state)
{
	char *all[] = {(char[]){"queue"}, (char[]){"hold"}, (char[]){"all"}, NULL};
	char *sites[] = {(char[]){"queue"}, (char[]){"sites"}, NULL};
	(void)state;
	struct script one = {.messages = 1, .progress = 3};
	assert_int_equal(ask(&one, &options, 3, all), 0);
	one = (struct script){.messages = 0, .progress = 3};
	assert_int_equal(ask(&one, &options, 3, all), 1);
	one = (struct script){.messages = 0, .progress = 3};
	assert_int_equal(ask(&one, &options, 2, sites), 0);
}

static void
an_order_is_passed_on_as_it_was_given(void **state)
{
	char *redirect[] = {(char[]){"queue"}, (char[]){"redirect"}, (char[]){"a@b.example"},
			    (char[]){"to=old@b.example"}, NULL};
	char *of_root[] = {(char[]){"queue"}, (char[]){"remove"}, (char[]){"user=root"}, NULL};
	char *of_nobody[] = {(char[]){"queue"}, (char[]){"remove"}, (char[]){"user=no such one"},
			     NULL};
	struct culver_options dry = options;
	struct script s = {.messages = 1};
	(void)state;
	assert_int_equal(ask(&s, &options, 4, redirect), 0);
	assert_string_equal(s.address, "a@b.example");
	assert_string_equal(s.word, "to=old@b.example");
	assert_false(s.is_dry);
	/* the queue-manager knows users by number */
	dry.dry_run = true;
	assert_int_equal(ask(&s, &dry, 3, of_root), 0);
	assert_string_equal(s.word, "user=0");
	assert_string_equal(s.address, "");
	assert_true(s.is_dry);
	assert_int_equal(ask(&s, &options, 3, of_nobody), 0);
	assert_string_equal(s.word, "user=no such one");
}

static void
more_ids_than_fit_are_asked_in_parts(void **state)
{
	enum { IDS = 1500 };
	static char ids[IDS][17];
	static char *argv[IDS + 3];
	(void)state;
	argv[0] = (char[]){"queue"};
	argv[1] = (char[]){"retry"};
	for (int i = 0; i < IDS; i++) {
		snprintf(ids[i], sizeof(ids[i]), "%014X", 0x4000000 + i);
		argv[2 + i] = ids[i];
	}
	struct script one = {.messages = 1};
	assert_int_equal(ask(&one, &options, IDS + 2, argv), 0);
	assert_true(one.asked >= IDS * 15 / CONTROL_SELECTOR_MAX);
}

static void
wrong_words_are_exit_64_and_nobody_is_asked(void **state)
{
	char *show[] = {(char[]){"queue"}, (char[]){"show"}, NULL, NULL};
	char *hold[] = {(char[]){"queue"}, (char[]){"hold"}, NULL};
	char *list_words[] = {(char[]){"queue"}, NULL};
	struct culver_options content = options;
	(void)state;
	unlink(path);
	assert_int_equal(verb_queue(&options, 2, show), 64);
	assert_int_equal(verb_queue(&options, 2, hold), 64);
	content.content = true;
	assert_int_equal(verb_queue(&content, 1, list_words), 64);
}

static void
orders_with_wrong_words_are_exit_64(void **state)
{
	char *nowhere[] = {(char[]){"queue"}, (char[]){"redirect"}, (char[]){"all"}, NULL};
	char *whose[] = {(char[]){"queue"}, (char[]){"redirect"}, (char[]){"a@b.example"}, NULL};
	char *show[] = {(char[]){"queue"}, (char[]){"sites"}, NULL};
	struct culver_options dry = options;
	(void)state;
	unlink(path);
	dry.dry_run = true;
	assert_int_equal(verb_queue(&options, 3, nowhere), 64);
	assert_int_equal(verb_queue(&options, 3, whose), 64);
	assert_int_equal(verb_queue(&dry, 2, show), 64);
}

static void
sites_stand_with_the_fullest_first(void **state)
{
	struct sites s = {.count = 0};
	struct control_site one = {.name = {"a.example", 9},
				   .recipients = 2,
				   .age = {2},
				   .oldest_us = NOW_US - 60 * 1000000LL};
	struct control_site two = {.name = {"b.example", 9},
				   .recipients = 30,
				   .age = {0, 10, 0, 0, 0, 20},
				   .active = 1,
				   .oldest_us = NOW_US - 5 * 86400 * 1000000LL,
				   .known = 1,
				   .agents = 1,
				   .window = 2,
				   .window_max = 20,
				   .limit = {"a\x1b[2Jreason", 11},
				   .reply = {"421 later", 9}};
	(void)state;
	assert_int_equal(sites_add(&s, &one), 0);
	assert_int_equal(sites_add(&s, &two), 0);
	buffer_clear(&out);
	sites_print(&s, SIZE_MAX, false, NOW_US, &out);
	buffer_char(&out, '\0');
	assert_null(strchr(out.at, 0x1b));
	const char *first = strstr(out.at, "b.example"), *second = strstr(out.at, "a.example");
	assert_true(first != NULL && second != NULL && first < second);
	assert_non_null(strstr(out.at, "   1   2/20\n    a\\x1b[2Jreason\n    421 later\n"));
	assert_non_null(strstr(out.at, "2 sites, 32 recipients, the oldest for 5d\n"));
	/* what does not fit is counted */
	buffer_clear(&out);
	sites_print(&s, 1, false, NOW_US, &out);
	buffer_char(&out, '\0');
	assert_null(strstr(out.at, "a.example"));
	assert_non_null(strstr(out.at, "2 sites, 32 recipients"));
	buffer_clear(&out);
	sites_print(&s, SIZE_MAX, true, NOW_US, &out);
	buffer_char(&out, '\0');
	assert_true(strncmp(out.at,
			    "{\"site\":\"b.example\",\"recipients\":30,\"active\":1,"
			    "\"oldest\":\"2026-11-19T08:02:31.000000Z\","
			    "\"ages\":[0,10,0,0,0,20],\"known\":true,\"connections\":1,"
			    "\"window\":2,\"window_max\":20,\"back_off_ms\":0,\"probe_ms\":0,"
			    "\"limit\":\"a\\u001b[2Jreason\",\"reply\":\"421 later\"}\n",
			    230) == 0);
	sites_free(&s);
}

static void
not_running_is_exit_69(void **state)
{
	char *words[] = {(char[]){"queue"}, NULL};
	(void)state;
	unlink(path);
	assert_int_equal(verb_queue(&options, 1, words), 69);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_says_who_waits_for_what),
		cmocka_unit_test(one_message_is_shown_with_all_its_recipients),
		cmocka_unit_test(json_is_one_object_a_line),
		cmocka_unit_test(many_recipients_are_counted_not_listed),
		cmocka_unit_test(sizes_and_times_are_for_people),
		cmocka_unit_test(nothing_of_a_stranger_steers_a_terminal),
		cmocka_unit_test(nothing_matches_is_exit_1),
		cmocka_unit_test(progress_is_no_answer),
		cmocka_unit_test(an_order_is_passed_on_as_it_was_given),
		cmocka_unit_test(more_ids_than_fit_are_asked_in_parts),
		cmocka_unit_test(wrong_words_are_exit_64_and_nobody_is_asked),
		cmocka_unit_test(orders_with_wrong_words_are_exit_64),
		cmocka_unit_test(sites_stand_with_the_fullest_first),
		cmocka_unit_test(not_running_is_exit_69),
	};
	if (mkdtemp(runtime) == NULL)
		return 1;
	snprintf(path, sizeof(path), "%s/control", runtime);
	setenv("CULVER_RUNTIME", runtime, 1);
	buffer_init(&out, 1u << 20);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	buffer_free(&out);
	unlink(path);
	rmdir(runtime);
	return failed;
}
