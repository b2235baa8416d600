/* start: the row comes back as it was given */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "common/system/start.h"

static void
row_comes_back_as_it_was(void **state)
{
	struct start s = {.program = "smtpd",
			  .as_root = true,
			  .uid = 1001,
			  .gid = 1002,
			  .groups = {7, 8},
			  .group_count = 2,
			  .room = "/run/culver/rooms/smtpd",
			  .strict = true,
			  .network_out = true,
			  .network_port = 443,
			  .admin_gid = 44};
	struct start back;
	struct buffer text;
	(void)state;
	s.listens[0] = (struct start_listen){
		.name = "tcp.0", .fd = 5, .peers = {{1, "a"}, {2, "b"}, {3, "c"}}, .peer_count = 3};
	s.listens[1] = (struct start_listen){.name = "control", .fd = 6, .anybody = true};
	s.listen_count = 2;
	s.reaches[0] = (struct start_reach){.name = "log", .path = "/a path with \"blanks\"/log"};
	s.reach_count = 1;
	s.directories[0] = (struct start_directory){
		.name = "", .path = "/etc", .rights = START_READ | START_EXECUTE};
	s.directory_count = 1;
	s.files[0] = (struct start_file){.name = "certificate.0", .fd = 9};
	s.files[1] = (struct start_file){.name = "key.0", .fd = 10};
	s.file_count = 2;
	s.check = true;
	buffer_init(&text, 65536);
	start_encode(&s, &text);
	assert_false(text.failed);
	assert_int_equal(start_decode(buffer_get(&text), &back), 0);
	assert_memory_equal(&back, &s, sizeof(s));
	assert_string_equal(start_path(&back, "log"), "/a path with \"blanks\"/log");
	assert_null(start_path(&back, "intake"));
	assert_int_equal(start_file(&back, "key.0"), 10);
	assert_int_equal(start_file(&back, "key.1"), -1);
	assert_true(start_may_connect(start_listen(&back, "tcp.0"), 3));
	assert_false(start_may_connect(start_listen(&back, "tcp.0"), 4));
	assert_true(start_may_connect(start_listen(&back, "control"), 4));
	assert_true(start_is(start_listen(&back, "tcp.0"), 2, "b"));
	assert_false(start_is(start_listen(&back, "tcp.0"), 2, "c"));
	buffer_free(&text);
}

static void
a_wrong_row_is_refused(void **state)
{
	static const char *const wrong[] = {"uid x\n",
					    "uid 1 2\n",
					    "nothing 1\n",
					    "file a\n",
					    "file a -1\n",
					    "listen a 5\n",
					    "listen a -1 0\n",
					    "listen a 5 0 7\n",
					    "directory 9 a /b\n",
					    "reach log\n",
					    "\n",
					    "uid 99999999999\n"};
	struct start s;
	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (start_decode(span_of(wrong[i]), &s) == 0)
			fail_msg("taken: %s", wrong[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(row_comes_back_as_it_was),
		cmocka_unit_test(a_wrong_row_is_refused),
	};
	return cmocka_run_group_tests_name("system/start", tests, NULL, NULL);
}
