/* sockets: bound once, kept over a reload; what a dead master left is removed, what is no socket is not; rooms hold links and nothing else */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "master/places.h"
#include "master/sockets.h"

static char directory[64];
static struct trust_people people;
static struct buffer why;
static struct sockets now, next;

static const char *
path_of(const char *name)
{
	static char paths[4][200];
	static unsigned n;
	char *path = paths[n++ % 4];
	snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
	return path;
}

static int
set_up(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/culver-sockets-XXXXXX");
	umask(077);
	now = next = (struct sockets){.inner_count = 0};
	buffer_clear(&why);
	return mkdtemp(directory) == NULL || trust_people_find(false, &people, &why) != 0;
}

static int
tear_down(void **state)
{
	(void)state;
	sockets_close(&now, directory);
	places_rooms_remove(directory);
	return rmdir(directory);
}

static void
open_inner(void)
{
	int result = sockets_open_inner(&now, directory, &people, &why);
	if (result != 0)
		fail_msg("%.*s", SPAN_ARG(buffer_get(&why)));
}

static int
connect_to(const char *path, bool is_stream)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, (is_stream ? SOCK_STREAM : SOCK_SEQPACKET) | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	int result = connect(fd, (const struct sockaddr *)&address, sizeof(address));
	close(fd);
	return result;
}

/* ---- inner sockets ---- */

static void
every_inner_socket_is_bound_with_its_mode_and_takes_connections(void **state)
{
	size_t count = 0;
	(void)state;
	open_inner();
	for (const struct trust_socket *t = trust_sockets; t->name != NULL; t++, count++) {
		struct stat st;
		assert_int_equal(lstat(path_of(t->name), &st), 0);
		assert_true(S_ISSOCK(st.st_mode));
		assert_int_equal(st.st_mode & 07777, t->mode);
		assert_int_equal(connect_to(path_of(t->name), t->is_stream), 0);
		assert_true(fcntl(sockets_find(&now, t->name), F_GETFD) & FD_CLOEXEC);
	}
	assert_int_equal(now.inner_count, count);
	assert_int_equal(sockets_find(&now, "nothing"), -1);
}

static void
the_socket_of_a_master_that_was_killed_is_replaced(void **state)
{
	static struct sockets dead;
	(void)state;
	open_inner();
	dead = now;
	for (size_t i = 0; i < dead.inner_count; i++)
		close(dead.inner[i].fd);
	assert_int_equal(connect_to(path_of("jobs"), false), -1);
	assert_int_equal(errno, ECONNREFUSED);
	open_inner();
	assert_int_equal(connect_to(path_of("jobs"), false), 0);
}

static void
what_is_no_socket_is_not_removed(void **state)
{
	(void)state;
	int fd = open(path_of("jobs"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(sockets_open_inner(&now, directory, &people, &why), -1);
	assert_non_null(memmem(why.at, why.len, "/jobs is in the way", 19));
	assert_int_equal(unlink(path_of("jobs")), 0);
	assert_int_equal(symlink("/etc/passwd", path_of("jobs")), 0);
	buffer_clear(&why);
	sockets_close(&now, directory);
	assert_int_equal(sockets_open_inner(&now, directory, &people, &why), -1);
	assert_int_equal(access(path_of("jobs"), F_OK), 0);
	assert_int_equal(unlink(path_of("jobs")), 0);
}

static void
a_runtime_whose_path_is_too_long_for_a_socket_is_refused(void **state)
{
	char path[200];
	(void)state;
	snprintf(path, sizeof(path), "%s/%0100d", directory, 0);
	assert_int_equal(sockets_open_inner(&now, path, &people, &why), -1);
	assert_non_null(memmem(why.at, why.len, "choose a shorter", 16));
}

static void
closing_removes_the_names(void **state)
{
	(void)state;
	open_inner();
	sockets_close(&now, directory);
	assert_int_equal(now.inner_count, 0);
	assert_int_equal(rmdir(directory), 0);
	assert_int_equal(mkdir(directory, 0700), 0);
}

static void
a_row_gets_the_sockets_it_serves_and_no_other(void **state)
{
	static struct start s;
	(void)state;
	open_inner();
	now.tcp[now.tcp_count++].fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	for (size_t i = 0; i < TRUST_PROGRAMS; i++) {
		const struct trust_row *row = &trust_map[i];
		s.listen_count = 0;
		sockets_fill(&now, row, &people, &s);
		size_t expected = row->serves_network ? 1 : 0;
		for (size_t j = 0; j < TRUST_SERVES_MAX && row->serves[j] != NULL; j++)
			expected++;
		assert_int_equal(s.listen_count, expected);
		for (size_t j = 0; j < s.listen_count; j++) {
			bool is_tcp = strcmp(s.listens[j].name, "tcp.0") == 0;
			assert_true(is_tcp ? row->serves_network
					   : trust_serves(row, s.listens[j].name));
			assert_int_equal(s.listens[j].fd,
					 is_tcp ? now.tcp[0].fd
						: sockets_find(&now, s.listens[j].name));
		}
	}
}

/* ---- TCP ---- */

static char listen_name[4][32];
static struct config_listen listens[4];
static struct config configuration = {.listens = listens};

/* adds a `listen` on a port that nobody has */
static uint16_t
add_listen(int family, const char *host, uint16_t port)
{
	size_t i = configuration.listen_count++;
	struct config_listen *l = &listens[i];
	struct sockaddr_in *four = (struct sockaddr_in *)&l->address;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)&l->address;
	*l = (struct config_listen){.name = listen_name[i]};
	l->address.ss_family = (sa_family_t)family;
	l->address_len = family == AF_INET ? sizeof(*four) : sizeof(*six);
	assert_int_equal(
		inet_pton(family, host,
			  family == AF_INET ? (void *)&four->sin_addr : (void *)&six->sin6_addr),
		1);
	if (port == 0) {
		struct sockaddr_storage got;
		socklen_t len = sizeof(got);
		int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd < 0 || bind(fd, (struct sockaddr *)&l->address, l->address_len) != 0)
			skip(); /* no IPv6 here */
		assert_int_equal(getsockname(fd, (struct sockaddr *)&got, &len), 0);
		close(fd);
		port = ntohs(((struct sockaddr_in *)&got)->sin_port);
	}
	four->sin_port = htons(port); /* at the same place in both */
	snprintf(listen_name[i], sizeof(listen_name[i]), "%s:%u", host, port);
	return port;
}

static int
connects(const char *host, uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(inet_pton(AF_INET, host, &address.sin_addr), 1);
	int result = connect(fd, (const struct sockaddr *)&address, sizeof(address));
	close(fd);
	return result == 0;
}

static void
listen_first(void)
{
	assert_int_equal(sockets_listen(&now, &configuration, NULL, &why), 0);
}

static void
an_address_that_stays_is_never_closed_and_one_that_goes_is(void **state)
{
	(void)state;
	configuration.listen_count = 0;
	uint16_t stays = add_listen(AF_INET, "127.0.0.1", 0);
	uint16_t goes = add_listen(AF_INET, "127.0.0.1", 0);
	listen_first();
	int fd = now.tcp[0].fd;
	configuration.listen_count = 0;
	uint16_t comes = add_listen(AF_INET, "127.0.0.1", 0);
	add_listen(AF_INET, "127.0.0.1", stays);
	assert_int_equal(sockets_listen(&next, &configuration, &now, &why), 0);
	assert_true(connects("127.0.0.1", goes));
	sockets_swap(&now, &next);
	assert_int_equal(now.tcp_count, 2);
	assert_int_equal(now.tcp[1].fd, fd);
	assert_true(connects("127.0.0.1", stays));
	assert_true(connects("127.0.0.1", comes));
	assert_false(connects("127.0.0.1", goes));
}

static void
a_refused_list_leaves_the_old_listeners_and_no_new_ones(void **state)
{
	(void)state;
	configuration.listen_count = 0;
	uint16_t old = add_listen(AF_INET, "127.0.0.1", 0);
	listen_first();
	uint16_t new = add_listen(AF_INET, "127.0.0.1", 0);
	/* somebody else has this one */
	add_listen(AF_INET, "127.0.0.1", 0);
	int other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(
		bind(other, (struct sockaddr *)&listens[2].address, listens[2].address_len), 0);
	assert_int_equal(listen(other, 1), 0);
	assert_int_equal(sockets_listen(&next, &configuration, &now, &why), -1);
	assert_non_null(memmem(why.at, why.len, listens[2].name, strlen(listens[2].name)));
	assert_true(connects("127.0.0.1", old));
	assert_false(connects("127.0.0.1", new));
	close(other);
}

/* nobody has this address: 192.0.2.0/24 is documentation's */
static void
an_address_that_the_machine_has_not_yet_is_waited_for(void **state)
{
	(void)state;
	configuration.listen_count = 0;
	uint16_t port = add_listen(AF_INET, "127.0.0.1", 0);
	add_listen(AF_INET, "192.0.2.1", port);
	listen_first();
	assert_int_equal(now.tcp[0].how, SOCKETS_AS_SAID);
	assert_int_equal(now.tcp[1].how, SOCKETS_AWAITED);
	assert_true(now.tcp[1].fd >= 0);
	assert_true(connects("127.0.0.1", port));
	sockets_close(&now, directory);
}

static void
an_address_that_stands_twice_is_refused(void **state)
{
	(void)state;
	configuration.listen_count = 0;
	uint16_t port = add_listen(AF_INET, "127.0.0.1", 0);
	add_listen(AF_INET, "127.0.0.1", port);
	assert_int_equal(sockets_listen(&now, &configuration, NULL, &why), -1);
	assert_non_null(memmem(why.at, why.len, "stands twice", 12));
	assert_false(connects("127.0.0.1", port));
}

static void
the_wildcard_of_ipv6_takes_ipv4_too_unless_that_has_a_line_of_its_own(void **state)
{
	(void)state;
	configuration.listen_count = 0;
	uint16_t port = add_listen(AF_INET6, "::", 0);
	listen_first();
	assert_true(connects("127.0.0.1", port));
	sockets_close(&now, directory);
	add_listen(AF_INET, "0.0.0.0", port);
	listen_first();
	assert_int_equal(now.tcp_count, 2);
	assert_true(connects("127.0.0.1", port));
}

/* the kernel does not let a bound socket change it: taken as it is, IPv4 clients would be refused without a word */
static void
a_reload_that_changes_whether_ipv6_takes_ipv4_is_refused(void **state)
{
	static const char sentence[] = "needs a stop and a start";
	(void)state;
	configuration.listen_count = 0;
	uint16_t port = add_listen(AF_INET6, "::", 0);
	add_listen(AF_INET, "0.0.0.0", port);
	listen_first();
	configuration.listen_count = 1;
	assert_int_equal(sockets_listen(&next, &configuration, &now, &why), -1);
	assert_non_null(memmem(why.at, why.len, sentence, sizeof(sentence) - 1));
	assert_true(connects("127.0.0.1", port));
	sockets_close(&now, directory);
	/* and the other way round, in the other order of lines */
	configuration.listen_count = 1;
	listen_first();
	configuration.listen_count = 0;
	add_listen(AF_INET, "0.0.0.0", port);
	add_listen(AF_INET6, "::", port);
	buffer_clear(&why);
	assert_int_equal(sockets_listen(&next, &configuration, &now, &why), -1);
	assert_non_null(memmem(why.at, why.len, sentence, sizeof(sentence) - 1));
	assert_true(connects("127.0.0.1", port));
}

/* ---- rooms, which only root makes ---- */

static size_t
entries(const char *path)
{
	size_t count = 0;
	DIR *d = opendir(path);
	assert_non_null(d);
	for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d))
		count += e->d_name[0] != '.';
	closedir(d);
	return count;
}

static void
a_room_holds_links_to_the_sockets_it_reaches_and_an_old_link_never_stays(void **state)
{
	static char name[200];
	struct config c = {.runtime = directory};
	struct stat here, there;
	(void)state;
	if (geteuid() != 0)
		skip();
	people.as_root = true;
	assert_int_equal(chmod(directory, 0755), 0);
	open_inner();
	assert_int_equal(places_rooms(&c, &people, &why), 0);
	/* of a former run, or of a program that was taken over */
	assert_int_equal(link(path_of("control"), path_of("rooms/smtpd/control")), 0);
	assert_int_equal(places_rooms(&c, &people, &why), 0);
	for (size_t i = 0; i < TRUST_PROGRAMS; i++) {
		const struct trust_row *row = &trust_map[i];
		size_t count = 0;
		snprintf(name, sizeof(name), "%s/rooms/%s", directory, row->program);
		if (row->room == TRUST_NO_ROOM) {
			assert_int_equal(access(name, F_OK), -1);
			continue;
		}
		assert_int_equal(stat(name, &there), 0);
		assert_int_equal(there.st_uid, 0);
		assert_int_equal(there.st_mode & 07777, 0755);
		for (; count < TRUST_REACHES_MAX && row->reaches[count] != NULL; count++) {
			snprintf(name, sizeof(name), "%s/rooms/%s/%s", directory, row->program,
				 row->reaches[count]);
			assert_int_equal(lstat(path_of(row->reaches[count]), &here), 0);
			assert_int_equal(lstat(name, &there), 0);
			assert_int_equal(here.st_ino, there.st_ino);
			assert_int_equal(connect_to(name, false), 0);
		}
		snprintf(name, sizeof(name), "%s/rooms/%s", directory, row->program);
		assert_int_equal(entries(name), count);
	}
}

static void
an_ordinary_user_has_no_rooms(void **state)
{
	const struct config c = {.runtime = directory};
	(void)state;
	assert_int_equal(places_rooms(&c, &people, &why), 0);
	assert_int_equal(entries(directory), 0);
}

/* ---- directories ---- */

static struct config
three_places(void)
{
	static char runtime[100], spool[100], trace[100], accounts[100], sts[100], verified[100];
	snprintf(runtime, sizeof(runtime), "%s/run", directory);
	snprintf(spool, sizeof(spool), "%s/spool", directory);
	snprintf(trace, sizeof(trace), "%s/state/trace", directory);
	snprintf(accounts, sizeof(accounts), "%s/state/accounts", directory);
	snprintf(sts, sizeof(sts), "%s/state/sts", directory);
	snprintf(verified, sizeof(verified), "%s/state/verified", directory);
	return (struct config){.runtime = runtime,
			       .spool = spool,
			       .trace = trace,
			       .auth.accounts = accounts,
			       .sts_cache = sts,
			       .verify.cache = verified};
}

static void
remove_places(void)
{
	rmdir(path_of("run"));
	rmdir(path_of("spool"));
	rmdir(path_of("state/trace"));
	rmdir(path_of("state/accounts"));
	rmdir(path_of("state/sts"));
	rmdir(path_of("state/verified"));
	rmdir(path_of("state"));
}

static void
directories_are_made_and_bits_too_many_are_taken_away(void **state)
{
	struct stat st;
	const struct config c = three_places();
	(void)state;
	assert_int_equal(mkdir(path_of("spool"), 0700), 0);
	assert_int_equal(chmod(path_of("spool"), 0777), 0);
	assert_int_equal(places_make(&c, &people, &why), 0);
	assert_int_equal(stat(c.spool, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(stat(c.runtime, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(stat(c.trace, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(stat(c.auth.accounts, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	remove_places();
}

static void
the_directory_of_the_log_is_made_and_one_that_is_there_stays_as_it_is(void **state)
{
	struct stat st;
	char file[128];
	struct config c = three_places();
	(void)state;
	snprintf(file, sizeof(file), "%s/logs/culver.log", directory);
	c.log_file = file;
	assert_int_equal(places_make(&c, &people, &why), 0);
	assert_int_equal(stat(path_of("logs"), &st), -1); /* the log goes elsewhere */
	c.log_sink = CONFIG_LOG_FILE;
	assert_int_equal(places_make(&c, &people, &why), 0);
	assert_int_equal(stat(path_of("logs"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	assert_int_equal(chmod(path_of("logs"), 0775), 0);
	assert_int_equal(places_make(&c, &people, &why), 0);
	assert_int_equal(stat(path_of("logs"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0775);
	assert_int_equal(rmdir(path_of("logs")), 0);
	remove_places();
}

static void
a_directory_of_somebody_else_is_refused_and_stays_his(void **state)
{
	struct stat st;
	const struct config c = three_places();
	(void)state;
	/* whose the spool must be */
	people.uids[trust_find("queue-manager") - trust_map] = getuid() + 1;
	assert_int_equal(mkdir(path_of("spool"), 0700), 0);
	assert_int_equal(places_make(&c, &people, &why), -1);
	assert_non_null(memmem(why.at, why.len, "belongs to uid", 14));
	assert_int_equal(stat(c.spool, &st), 0);
	assert_int_equal(st.st_uid, getuid());
	remove_places();
}

static void
root_uses_no_path_that_others_could_exchange(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(places_path_is_safe(directory, &why), 0);
	assert_int_equal(mkdir(path_of("state"), 0700), 0);
	assert_int_equal(places_path_is_safe(path_of("state"), &why), 0);
	assert_int_equal(chmod(directory, 0777), 0);
	assert_int_equal(places_path_is_safe(path_of("state"), &why), -1);
	assert_int_equal(chmod(directory, 0755), 0);
	assert_int_equal(chown(directory, 12345, 12345), 0);
	buffer_clear(&why);
	assert_int_equal(places_path_is_safe(path_of("state"), &why), -1);
	assert_int_equal(chown(directory, 0, 0), 0);
	remove_places();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	buffer_init(&why, 4096);
	const struct CMUnitTest tests[] = {
		TEST(every_inner_socket_is_bound_with_its_mode_and_takes_connections),
		TEST(the_socket_of_a_master_that_was_killed_is_replaced),
		TEST(what_is_no_socket_is_not_removed),
		TEST(a_runtime_whose_path_is_too_long_for_a_socket_is_refused),
		TEST(closing_removes_the_names),
		TEST(a_row_gets_the_sockets_it_serves_and_no_other),
		TEST(an_address_that_stays_is_never_closed_and_one_that_goes_is),
		TEST(a_refused_list_leaves_the_old_listeners_and_no_new_ones),
		TEST(an_address_that_the_machine_has_not_yet_is_waited_for),
		TEST(an_address_that_stands_twice_is_refused),
		TEST(the_wildcard_of_ipv6_takes_ipv4_too_unless_that_has_a_line_of_its_own),
		TEST(a_reload_that_changes_whether_ipv6_takes_ipv4_is_refused),
		TEST(a_room_holds_links_to_the_sockets_it_reaches_and_an_old_link_never_stays),
		TEST(an_ordinary_user_has_no_rooms),
		TEST(directories_are_made_and_bits_too_many_are_taken_away),
		TEST(the_directory_of_the_log_is_made_and_one_that_is_there_stays_as_it_is),
		TEST(a_directory_of_somebody_else_is_refused_and_stays_his),
		TEST(root_uses_no_path_that_others_could_exchange),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	buffer_free(&why);
	return failed;
}
