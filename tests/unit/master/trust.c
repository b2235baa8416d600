/* trust: what is not in the map is not in a row; who may connect follows from who reaches; nobody waits in a circle */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "master/trust.h"

static struct start row;
static struct buffer why;

static char tables_a[] = "/etc/culver/a/aliases", tables_b[] = "/etc/culver/b/aliases",
	    tables_c[] = "/etc/culver/a/more", runtime[] = "/run/culver",
	    spool[] = "/var/spool/culver", trace[] = "/var/lib/culver/trace",
	    accounts[] = "/var/lib/culver/accounts", verified[] = "/var/lib/culver/verified",
	    drop[] = "/var/lib/culver/drop", log_file[] = "/var/log/culver/log";
static char *tables_first[] = {tables_a, tables_c}, *tables_second[] = {tables_b};
static struct config_domain domains[] = {
	{.tables[CONFIG_ALIASES] = {tables_first, 2}},
	{.tables[CONFIG_ALIASES] = {tables_second, 1}},
};
static const struct config configuration = {
	.runtime = runtime,
	.spool = spool,
	.trace = trace,
	.auth.accounts = accounts,
	.verify.cache = verified,
	.drop = drop,
	.log_sink = CONFIG_LOG_FILE,
	.log_file = log_file,
	.domains = domains,
	.domain_count = 2,
};

/* an installation by root: each program its own user, local root */
static struct trust_people
installed(void)
{
	struct trust_people p = {
		.as_root = true, .group = 200, .drop_group = 202, .admin_uid = 0, .admin_gid = 201};
	for (size_t i = 0; i < TRUST_PROGRAMS; i++) {
		if (trust_map[i].user != NULL)
			p.uids[i] = p.gids[i] = 100 + (unsigned)i;
	}
	return p;
}

static void
fill(const char *program, const struct trust_people *people, const struct config *c)
{
	buffer_clear(&why);
	assert_non_null(trust_find(program));
	assert_int_equal(trust_fill(trust_find(program), people, c, &row, &why), 0);
	assert_int_equal(why.len, 0);
}

/* the names of what `row` reaches, parted by blanks */
static const char *
reached(void)
{
	static char text[200];
	text[0] = '\0';
	for (size_t i = 0; i < row.reach_count; i++) {
		strncat(text, row.reaches[i].name, 32);
		strcat(text, " ");
	}
	return text;
}

static void
a_row_reaches_what_the_design_says_and_nothing_else(void **state)
{
	static const char *const expected[][2] = {
		{"smtpd", "intake lookup signer auth verify log "},
		{"submit", "intake lookup log "},
		{"queue-manager", "lookup log "},
		{"delivery", "jobs resolver log "},
		{"resolver", "log "},
		{"signer", "log "},
		{"auth", "pam log "},
		{"auth-pam", "log "},
		{"verify", "resolver log "},
		{"local", "jobs runner log "},
		{"runner", "log "},
		{"bounce", "jobs intake log "},
		{"lookup", "log "},
		{"log", ""},
	};
	const struct trust_people people = installed();
	(void)state;
	assert_int_equal(sizeof(expected) / sizeof(expected[0]), TRUST_PROGRAMS);
	for (size_t i = 0; i < TRUST_PROGRAMS; i++) {
		fill(expected[i][0], &people, &configuration);
		assert_string_equal(row.program, expected[i][0]);
		assert_string_equal(reached(), expected[i][1]);
	}
}

static void
a_row_opens_what_the_map_says_and_nothing_else(void **state)
{
	const struct trust_people people = installed();
	struct config c = configuration;
	(void)state;
	static const char *const nothing[] = {"smtpd",	"delivery", "local",   "runner",
					      "bounce", "signer",   "auth-pam"};
	for (size_t i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++) {
		fill(nothing[i], &people, &c);
		assert_int_equal(row.directory_count, 0);
	}
	fill("submit", &people, &c);
	assert_int_equal(row.directory_count, 1);
	assert_string_equal(row.directories[0].path, drop);
	fill("queue-manager", &people, &c);
	assert_int_equal(row.directory_count, 1);
	assert_string_equal(row.directories[0].path, spool);
	assert_string_equal(row.directories[0].name, "spool");
	assert_int_equal(row.directories[0].rights, START_READ | START_WRITE);
	fill("auth", &people, &c);
	assert_int_equal(row.directory_count, 1);
	assert_string_equal(row.directories[0].path, accounts);
	assert_int_equal(row.directories[0].rights, START_READ);
	fill("verify", &people, &c);
	assert_int_equal(row.directory_count, 1);
	assert_string_equal(row.directories[0].path, verified);
	assert_int_equal(row.directories[0].rights, START_READ | START_WRITE);
	fill("log", &people, &c);
	assert_int_equal(row.directory_count, 2);
	assert_string_equal(row.directories[0].path, trace);
	assert_string_equal(row.directories[1].path, "/var/log/culver");
	c.log_sink = CONFIG_LOG_STDERR;
	fill("log", &people, &c);
	assert_int_equal(row.directory_count, 1);
}

static void
lookup_reads_the_directories_of_tables_each_once_and_writes_nowhere(void **state)
{
	const struct trust_people people = installed();
	size_t a = 0, b = 0;
	(void)state;
	fill("lookup", &people, &configuration);
	for (size_t i = 0; i < row.directory_count; i++) {
		const struct start_directory *d = &row.directories[i];
		assert_int_equal(d->rights & START_WRITE, 0);
		a += strcmp(d->path, "/etc/culver/a") == 0;
		b += strcmp(d->path, "/etc/culver/b") == 0;
	}
	assert_int_equal(a, 1);
	assert_int_equal(b, 1);
}

static void
lookup_reads_the_directories_of_tables_of_senders(void **state)
{
	static char table[] = "/etc/culver/senders/table";
	static char *words[] = {table};
	const struct trust_people people = installed();
	struct config c = configuration;
	size_t count = 0;
	(void)state;
	c.auth.senders = (struct config_tables){words, 1};
	fill("lookup", &people, &c);
	for (size_t i = 0; i < row.directory_count; i++)
		count += strcmp(row.directories[i].path, "/etc/culver/senders") == 0;
	assert_int_equal(count, 1);
}

static void
more_tables_than_a_row_can_hold_are_refused_with_a_sentence(void **state)
{
	static char paths[40][32];
	static char *list[40];
	const struct trust_people people = installed();
	struct config c = configuration;
	struct config_domain many = {.tables[CONFIG_ALIASES] = {list, 40}};
	(void)state;
	for (int i = 0; i < 40; i++) {
		snprintf(paths[i], sizeof(paths[i]), "/t/%d/aliases", i);
		list[i] = paths[i];
	}
	c.domains = &many;
	c.domain_count = 1;
	buffer_clear(&why);
	assert_int_equal(trust_fill(trust_find("lookup"), &people, &c, &row, &why), -1);
	assert_non_null(memmem(why.at, why.len, "directories", 11));
}

static void
only_delivery_verify_and_resolver_may_go_out_and_only_smtpd_is_given_the_network(void **state)
{
	const struct trust_people people = installed();
	(void)state;
	for (size_t i = 0; i < TRUST_PROGRAMS; i++) {
		const char *name = trust_map[i].program;
		fill(name, &people, &configuration);
		assert_int_equal(row.network_out, strcmp(name, "delivery") == 0 ||
							  strcmp(name, "verify") == 0 ||
							  strcmp(name, "resolver") == 0);
		assert_int_equal(trust_map[i].serves_network, strcmp(name, "smtpd") == 0);
	}
}

static void
as_root_each_program_is_somebody_else_and_only_three_stay_root(void **state)
{
	const struct trust_people people = installed();
	uid_t seen[TRUST_PROGRAMS];
	(void)state;
	for (size_t i = 0; i < TRUST_PROGRAMS; i++) {
		bool stays_root = strcmp(trust_map[i].program, "local") == 0 ||
				  strcmp(trust_map[i].program, "runner") == 0 ||
				  strcmp(trust_map[i].program, "auth-pam") == 0;
		fill(trust_map[i].program, &people, &configuration);
		assert_true(row.as_root);
		assert_int_equal(row.uid == 0, stays_root);
		bool is_submit = strcmp(trust_map[i].program, "submit") == 0;
		assert_int_equal(row.group_count, stays_root ? 0 : is_submit ? 2 : 1);
		if (!stays_root)
			assert_int_equal(row.groups[0], people.group);
		if (is_submit)
			assert_int_equal(row.groups[1], people.drop_group);
		for (size_t j = 0; j < i && !stays_root; j++)
			assert_int_not_equal(row.uid, seen[j]);
		seen[i] = row.uid;
		assert_int_equal(row.admin_gid, 201);
	}
}

static void
a_room_holds_the_paths_of_the_sockets_and_an_ordinary_user_has_none(void **state)
{
	struct trust_people people = installed();
	struct config c = configuration;
	(void)state;
	fill("smtpd", &people, &c);
	assert_string_equal(row.room, "/run/culver/rooms/smtpd");
	assert_string_equal(row.reaches[0].path, "/intake");
	fill("lookup", &people, &c);
	assert_string_equal(row.room, "");
	assert_string_equal(row.reaches[0].path, "/run/culver/log");
	fill("log", &people, &c);
	assert_string_equal(row.room, "/run/culver/rooms/log");
	c.log_sink = CONFIG_LOG_SYSLOG;
	fill("log", &people, &c);
	assert_string_equal(row.room, "");
	buffer_clear(&why);
	assert_int_equal(trust_people_find(false, &people, &why), 0);
	for (size_t i = 0; i < TRUST_PROGRAMS; i++) {
		fill(trust_map[i].program, &people, &c);
		assert_string_equal(row.room, "");
		assert_int_equal(row.uid, getuid());
		assert_int_equal(row.group_count, 0);
		assert_int_equal(row.admin_uid, getuid());
	}
}

static bool
may(const struct start_listen *l, uid_t uid)
{
	for (size_t i = 0; i < l->peer_count; i++) {
		if (l->peers[i].uid == uid)
			return true;
	}
	return false;
}

/* local, runner and auth-pam have one uid, which the kernel cannot tell apart */
static bool
reaches_as_root(const char *socket)
{
	for (size_t i = 0; i < TRUST_PROGRAMS; i++)
		if (trust_map[i].user == NULL && trust_reaches(&trust_map[i], socket))
			return true;
	return false;
}

static void
who_may_connect_follows_from_who_reaches(void **state)
{
	const struct trust_people people = installed();
	(void)state;
	for (const struct trust_socket *t = trust_sockets; t->name != NULL; t++) {
		struct start_listen l = {.peer_count = 3, .anybody = true};
		snprintf(l.name, sizeof(l.name), "%s", t->name);
		trust_fill_peers(&people, &l);
		assert_int_equal(l.anybody, t->anybody);
		size_t expected = 0;
		for (size_t i = 0; i < TRUST_PROGRAMS; i++) {
			bool reaches = trust_reaches(&trust_map[i], t->name);
			/* master tells events, too: to `log` as whoever it is, here perhaps root */
			bool is_master = strcmp(t->name, "log") == 0 && people.uids[i] == geteuid();
			bool is_root = people.uids[i] == 0 && reaches_as_root(t->name);
			assert_int_equal(may(&l, people.uids[i]), reaches || is_master || is_root);
			assert_int_equal(start_is(&l, people.uids[i], trust_map[i].program),
					 reaches);
			expected += reaches;
		}
		assert_int_equal(l.peer_count, expected + (strcmp(t->name, "log") == 0 ? 1 : 0));
	}
}

static void
every_socket_has_one_server_and_is_open_to_all_only_where_the_server_asks_who(void **state)
{
	(void)state;
	for (const struct trust_socket *t = trust_sockets; t->name != NULL; t++) {
		size_t servers = 0;
		for (size_t i = 0; i < TRUST_PROGRAMS; i++)
			servers += trust_serves(&trust_map[i], t->name);
		assert_int_equal(servers, 1);
		assert_int_equal(t->mode, t->anybody ? 0666 : 0660);
		bool is_for_people = strcmp(t->name, "control") == 0 ||
				     strcmp(t->name, "trace") == 0 ||
				     strcmp(t->name, "submission") == 0;
		assert_int_equal(t->is_stream, strcmp(t->name, "submission") == 0);
		assert_int_equal(t->anybody, is_for_people);
	}
	/* and nobody reaches what does not exist */
	for (size_t i = 0; i < TRUST_PROGRAMS; i++) {
		for (size_t j = 0; j < TRUST_REACHES_MAX && trust_map[i].reaches[j] != NULL; j++) {
			size_t known = 0;
			for (const struct trust_socket *t = trust_sockets; t->name != NULL; t++)
				known += strcmp(t->name, trust_map[i].reaches[j]) == 0;
			assert_int_equal(known, 1);
		}
	}
}

/* does `from` wait for `to`, by any number of others? */
static bool
waits(size_t from, size_t to, unsigned depth)
{
	for (size_t i = 0; depth > 0 && i < TRUST_PROGRAMS; i++) {
		for (size_t j = 0; j < TRUST_SERVES_MAX && trust_map[i].serves[j] != NULL; j++) {
			if (trust_reaches(&trust_map[from], trust_map[i].serves[j]) &&
			    (i == to || waits(i, to, depth - 1)))
				return true;
		}
	}
	return false;
}

static void
nobody_waits_in_a_circle_and_who_answers_ends_later(void **state)
{
	(void)state;
	for (size_t i = 0; i < TRUST_PROGRAMS; i++) {
		assert_false(waits(i, i, TRUST_PROGRAMS));
		for (size_t j = 0; j < TRUST_PROGRAMS; j++) {
			if (!waits(i, j, 1))
				continue;
			/* ends before what it asks, and is started after it */
			assert_true(trust_map[i].stage < trust_map[j].stage);
			assert_true(i > j);
		}
	}
}

static void
names_that_are_not_in_the_map_are_nobody(void **state)
{
	(void)state;
	assert_null(trust_find("sendmail"));
	assert_null(trust_find(""));
	assert_false(trust_reaches(trust_find("smtpd"), "jobs"));
	assert_false(trust_reaches(trust_find("smtpd"), ""));
	assert_false(trust_serves(trust_find("log"), "control"));
}

int
main(void)
{
	buffer_init(&why, 4096);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_row_reaches_what_the_design_says_and_nothing_else),
		cmocka_unit_test(a_row_opens_what_the_map_says_and_nothing_else),
		cmocka_unit_test(
			lookup_reads_the_directories_of_tables_each_once_and_writes_nowhere),
		cmocka_unit_test(lookup_reads_the_directories_of_tables_of_senders),
		cmocka_unit_test(more_tables_than_a_row_can_hold_are_refused_with_a_sentence),
		cmocka_unit_test(
			only_delivery_verify_and_resolver_may_go_out_and_only_smtpd_is_given_the_network),
		cmocka_unit_test(as_root_each_program_is_somebody_else_and_only_three_stay_root),
		cmocka_unit_test(
			a_room_holds_the_paths_of_the_sockets_and_an_ordinary_user_has_none),
		cmocka_unit_test(who_may_connect_follows_from_who_reaches),
		cmocka_unit_test(
			every_socket_has_one_server_and_is_open_to_all_only_where_the_server_asks_who),
		cmocka_unit_test(nobody_waits_in_a_circle_and_who_answers_ends_later),
		cmocka_unit_test(names_that_are_not_in_the_map_are_nobody),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	buffer_free(&why);
	return failed;
}
