/*
 * agents - the whole of local, confined strictly, with a queue-manager that is this test
 *
 * As whoever runs it: the ordinary user's way.  As root also: becoming a recipient (nobody), root's mailbox.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/mail/reply.h"
#include "common/protocol/jobs.h"
#include "common/system/channel.h"
#include "common/system/clock.h"
#include "common/system/confine.h"
#include "common/system/events.h"
#include "local/agents.h"
#include "local/syscalls.h"

#define WAIT_MS 20000
#define TEXT "Subject: x\r\n\r\nbody\r\n"

static char folder[] = "/tmp/culver-agents-XXXXXX";
static char socket_path[100];
static int listener;
static struct passwd_user own;
static char in[CHANNEL_MAX];

/* one run of local */
struct run {
	pid_t pid;
	int parent; /* its connection as parent of agents */
	uint32_t wants;
};

static int64_t
deadline(void)
{
	return clock_monotonic_ms() + WAIT_MS;
}

static _Noreturn void
run_local(bool as_root)
{
	struct config_defaults defaults = {.as_root = true,
					   .hostname = "mx.example.org",
					   .runtime = "/run/culver",
					   .spool = "/var/spool/culver",
					   .state = folder};
	static struct start s = {.program = "local", .strict = true};
	const struct confine_limits limits = {.descriptors = 64, .may_fork = true};
	struct config_errors errors;
	struct config *config;
	char text[1024];

	if (dup2(open("/dev/null", O_WRONLY), STDERR_FILENO) < 0)
		_exit(98);
	snprintf(text, sizeof(text),
		 "domain home.test {\n\tdeliver maildir ~/Maildir\n}\n"
		 "domain prefix.test {\n\tdeliver maildir %s/mail/{user}/m{ext}\n}\nextension +\n"
		 "domain virtual.test {\n\tusers /nonexistent\n\tas nobody\n"
		 "\tdeliver maildir %s/mail/{domain}/{user}/m{ext}\n}\n",
		 folder, folder);
	config_errors_init(&errors);
	config = config_parse(span_of(text), &defaults, &errors);
	if (config == NULL)
		_exit(99);
	events_start("local", NULL);
	passwd_preload();
	s.as_root = as_root;
	snprintf(s.reaches[0].name, sizeof(s.reaches[0].name), "jobs");
	snprintf(s.reaches[0].path, sizeof(s.reaches[0].path), "%s", socket_path);
	s.reach_count = 1;
	if (!as_root) {
		snprintf(s.directories[0].path, sizeof(s.directories[0].path), "%s", folder);
		s.directories[0].rights = START_READ | START_WRITE;
		s.directory_count = 1;
	}
	confine(&s, local_syscalls, &limits);
	agents_serve(&s, config, as_root ? NULL : &own);
	_exit(0);
}

/* the next connection, and the first message on it */
static int
take_connection(uint16_t type, void *message)
{
	struct pollfd p = {.fd = listener, .events = POLLIN};
	struct channel_peer peer;
	size_t len;
	int fd;

	assert_int_equal(poll(&p, 1, WAIT_MS), 1);
	fd = channel_accept(listener, &peer);
	assert_true(fd >= 0);
	assert_int_equal(channel_receive_wait(fd, in, &len, NULL, deadline()), CHANNEL_OK);
	assert_int_equal(wire_decode(span_from(in, len), wire_find(jobs_calls, type), message), 0);
	return fd;
}

static struct run
start_local(bool as_root)
{
	struct run r = {.wants = 0};
	struct jobs_parent m;

	r.pid = fork();
	assert_true(r.pid >= 0);
	if (r.pid == 0)
		run_local(as_root);
	r.parent = take_connection(JOBS_PARENT, &m);
	assert_int_equal(m.kind, JOBS_MAILBOX);
	return r;
}

static void
end_local(struct run *r, int signal)
{
	int status;

	kill(r->pid, signal);
	assert_int_equal(waitpid(r->pid, &status, 0), r->pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	close(r->parent);
}

static const char *want_home = ""; /* of the next WANT */

static void
want(struct run *r, const char *user, const char *domain)
{
	struct jobs_want m = {.kind = JOBS_MAILBOX,
			      .hosts = SPAN_NONE,
			      .user = span_of(user),
			      .domain = span_of(domain),
			      .home = span_of(want_home)};

	assert_int_equal(wire_send_wait(r->parent, wire_find(jobs_orders, JOBS_WANT), 0, ++r->wants,
					&m, NULL, deadline()),
			 CHANNEL_OK);
}

static int
get_agent(struct run *r, const char *user, const char *domain)
{
	struct jobs_agent m;
	int fd;

	want(r, user, domain);
	fd = take_connection(JOBS_AGENT, &m);
	assert_int_equal(m.want, r->wants);
	return fd;
}

static void
get_refusal(struct run *r, const char *user, const char *domain)
{
	struct jobs_cannot m;
	struct wire_header h;
	size_t len;

	want(r, user, domain);
	assert_int_equal(channel_receive_wait(r->parent, in, &len, NULL, deadline()), CHANNEL_OK);
	assert_int_equal(wire_peek(span_from(in, len), &h), 0);
	assert_int_equal(h.request, r->wants);
	assert_int_equal(wire_decode(span_from(in, len), wire_find(jobs_calls, JOBS_CANNOT), &m),
			 0);
	assert_int_equal(m.fate, FATE_DEFERRED);
}

static int
message_file(const char *text)
{
	char name[] = "/tmp/culver-message-XXXXXX";
	int fd = mkostemp(name, O_CLOEXEC), reader;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	reader = open(name, O_RDONLY | O_CLOEXEC);
	unlink(name);
	close(fd);
	return reader;
}

static void
send_job(int agent, uint32_t request, const char *text, const char *const *addresses, size_t count)
{
	struct jobs_job job = {.id = 0x5F00000000001,
			       .content_length = strlen(text),
			       .sender = SPAN("sender@a.test"),
			       .top = SPAN("Received: by us\r\n"),
			       .recipients = count};
	static struct wire list;
	struct jobs_recipients m;
	int fd = message_file(text);

	assert_int_equal(wire_send_wait(agent, wire_find(jobs_orders, JOBS_JOB), 0, request, &job,
					&fd, deadline()),
			 CHANNEL_OK);
	close(fd);
	for (size_t i = 0; i < count; i++) { /* one a part */
		struct jobs_recipient r = {.number = i + 1,
					   .address = span_of(addresses[i]),
					   .original = SPAN("list@a.test")};

		wire_list_start(&list);
		assert_int_equal(wire_list_add(&list, WIRE_LIST_ROOM, &jobs_recipient_shape, &r),
				 0);
		m.recipients = wire_list_get(&list);
		assert_int_equal(wire_send_wait(agent, wire_find(jobs_orders, JOBS_RECIPIENTS),
						i + 1 < count ? WIRE_MORE : 0, request, &m, NULL,
						deadline()),
				 CHANNEL_OK);
	}
}

/* spans of *m live until the next message */
static void
get_result(int agent, uint32_t request, struct jobs_result *m)
{
	struct wire_header h;
	size_t len;

	assert_int_equal(channel_receive_wait(agent, in, &len, NULL, deadline()), CHANNEL_OK);
	assert_int_equal(wire_peek(span_from(in, len), &h), 0);
	assert_int_equal(h.request, request);
	assert_int_equal(wire_decode(span_from(in, len), wire_find(jobs_calls, JOBS_RESULT), m), 0);
}

static void
is_closed(int fd)
{
	size_t len;

	assert_int_equal(channel_receive_wait(fd, in, &len, NULL, deadline()), CHANNEL_CLOSED);
	close(fd);
}

/* the only letter in PATH/new, taken away; its owner in *st */
static const char *
take_letter(const char *path, struct stat *st)
{
	static char text[8192];
	char name[600] = "", new[300];
	struct dirent *e;
	size_t len;
	FILE *f;
	DIR *d;

	snprintf(new, sizeof(new), "%s/new", path);
	d = opendir(new);
	assert_non_null(d);
	while ((e = readdir(d)) != NULL)
		if (e->d_name[0] != '.')
			snprintf(name, sizeof(name), "%s/%s", new, e->d_name);
	closedir(d);
	f = fopen(name, "r");
	assert_non_null(f);
	assert_int_equal(fstat(fileno(f), st), 0);
	len = fread(text, 1, sizeof(text) - 1, f);
	text[len] = '\0';
	fclose(f);
	unlink(name);
	return text;
}

static void
each_recipient_gets_a_letter_and_a_result(void **state)
{
	struct run r = start_local(false);
	int agent = get_agent(&r, own.name, "home.test");
	static const char *const addresses[] = {"a@home.test", "b+x@home.test"};
	struct jobs_result m;
	struct stat st;
	char path[200];

	(void)state;
	snprintf(path, sizeof(path), "%s/Maildir", folder);
	for (uint32_t job = 1; job <= 3; job++) {
		send_job(agent, job, TEXT, addresses, 1);
		get_result(agent, job, &m);
		assert_int_equal(m.number, 1);
		assert_int_equal(m.fate, FATE_DELIVERED);
		assert_int_equal(m.last, 1);
		assert_true(span_equal(m.host, span_of(path)));
		assert_string_equal(take_letter(path, &st),
				    "Return-Path: <sender@a.test>\nDelivered-To: a@home.test\n"
				    "X-Original-To: list@a.test\nReceived: by us\n"
				    "Subject: x\n\nbody\n");
	}
	send_job(agent, 9, TEXT, addresses, 2);
	get_result(agent, 9, &m);
	assert_int_equal(m.last, 0);
	get_result(agent, 9, &m);
	assert_int_equal(m.number, 2);
	assert_int_equal(m.last, 1);
	close(agent);
	end_local(&r, SIGTERM);
}

static void
a_loop_is_a_failure_and_trouble_is_not(void **state)
{
	struct run r = start_local(false);
	int agent = get_agent(&r, own.name, "home.test");
	static const char *const loop[] = {"A@home.test"};
	struct jobs_result m;
	char path[200];

	(void)state;
	send_job(agent, 1, "Delivered-To: a@home.test\r\n" TEXT, loop, 1);
	get_result(agent, 1, &m);
	assert_int_equal(m.fate, FATE_FAILED);
	assert_true(span_equal(m.status, SPAN("5.4.6")));
	/* a file where the Maildir should be */
	snprintf(path, sizeof(path), "%s/Maildir", folder);
	char away[300];
	snprintf(away, sizeof(away), "%s.away", path);
	bool moved = rename(path, away) == 0;
	close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	send_job(agent, 2, TEXT, loop, 1);
	get_result(agent, 2, &m);
	assert_int_equal(m.fate, FATE_DEFERRED);
	assert_int_equal(m.code, 451);
	unlink(path);
	if (moved)
		assert_int_equal(rename(away, path), 0);
	/* and it goes on */
	send_job(agent, 3, TEXT, loop, 1);
	get_result(agent, 3, &m);
	assert_int_equal(m.fate, FATE_DELIVERED);
	close(agent);
	end_local(&r, SIGTERM);
}

static void
only_the_own_user_and_known_domains_are_served(void **state)
{
	struct run r = start_local(false);

	(void)state;
	get_refusal(&r, "somebody-else", "home.test");
	get_refusal(&r, own.name, "no-such.test");
	close(get_agent(&r, own.name, "home.test"));
	end_local(&r, SIGTERM);
}

static void
nonsense_ends_the_agent_and_not_local(void **state)
{
	struct run r = start_local(false);
	static const char *const one[] = {"a@home.test"};
	struct jobs_result m;
	int agent = get_agent(&r, own.name, "home.test");

	(void)state;
	assert_int_equal(channel_send_wait(agent, SPAN("nonsense"), NULL, 0, deadline()),
			 CHANNEL_OK);
	is_closed(agent);
	agent = get_agent(&r, own.name, "home.test");
	send_job(agent, 1, TEXT, one, 1);
	get_result(agent, 1, &m);
	assert_int_equal(m.fate, FATE_DELIVERED);
	close(agent);
	end_local(&r, SIGTERM);
}

static void
told_to_end_agents_leave_and_local_ends(void **state)
{
	static const int signals[] = {SIGTERM, SIGUSR1};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct run r = start_local(false);
		int agent = get_agent(&r, own.name, "home.test");
		struct wire_header h;
		size_t len;

		kill(r.pid, signals[i]);
		assert_int_equal(channel_receive_wait(agent, in, &len, NULL, deadline()),
				 CHANNEL_OK);
		assert_int_equal(wire_peek(span_from(in, len), &h), 0);
		assert_int_equal(h.type, JOBS_LEAVE);
		close(agent);
		end_local(&r, 0);
	}
}

static void
local_comes_back_to_a_new_queue_manager(void **state)
{
	struct run r = start_local(false);
	struct jobs_parent m;

	(void)state;
	close(r.parent);
	r.parent = take_connection(JOBS_PARENT, &m);
	close(get_agent(&r, own.name, "home.test"));
	end_local(&r, SIGTERM);
}

/* is_confined - the only child of local: its uid for good, no capability, no new privileges, a filter */
static void
is_confined(const struct run *r, int uid)
{
	char name[100], line[300], uids[100];
	int child = 0, found = 0;
	FILE *f;

	snprintf(name, sizeof(name), "/proc/%d/task/%d/children", r->pid, r->pid);
	f = fopen(name, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%d", &child), 1);
	fclose(f);
	snprintf(name, sizeof(name), "/proc/%d/status", child);
	snprintf(uids, sizeof(uids), "Uid:\t%d\t%d\t%d\t%d\n", uid, uid, uid, uid);
	f = fopen(name, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL)
		found += strcmp(line, uids) == 0 ||
			 strcmp(line, "CapInh:\t0000000000000000\n") == 0 ||
			 strcmp(line, "CapPrm:\t0000000000000000\n") == 0 ||
			 strcmp(line, "CapEff:\t0000000000000000\n") == 0 ||
			 strcmp(line, "NoNewPrivs:\t1\n") == 0 ||
			 strcmp(line, "Seccomp:\t2\n") == 0;
	fclose(f);
	assert_int_equal(found, 6);
}

static void
root_becomes_the_recipient(void **state)
{
	static const char *const one[] = {"nobody+ext@prefix.test"};
	struct jobs_result m;
	struct stat st;
	struct run r;
	char path[200];
	int agent;

	(void)state;
	if (getuid() != 0)
		skip();
	r = start_local(true);
	snprintf(path, sizeof(path), "%s/mail", folder);
	assert_int_equal(chmod(folder, 0755), 0);
	mkdir(path, 0);
	assert_int_equal(chmod(path, 01777), 0);
	get_refusal(&r, "daemon", "prefix.test");
	get_refusal(&r, "no-such-user", "prefix.test");
	agent = get_agent(&r, "nobody", "prefix.test");
	send_job(agent, 1, TEXT, one, 1);
	get_result(agent, 1, &m);
	assert_int_equal(m.fate, FATE_DELIVERED);
	snprintf(path, sizeof(path), "%s/mail/nobody/mext", folder);
	assert_true(span_equal(m.host, span_of(path)));
	assert_non_null(strstr(take_letter(path, &st), "Delivered-To: nobody+ext@prefix.test\n"));
	assert_int_equal(st.st_uid, 65534);
	is_confined(&r, 65534);
	assert_int_equal(st.st_mode & 0777, 0600);
	close(agent);
	/* nobody's home is /nonexistent */
	agent = get_agent(&r, "nobody", "home.test");
	send_job(agent, 2, TEXT, one, 1);
	get_result(agent, 2, &m);
	assert_int_equal(m.fate, FATE_DEFERRED);
	assert_true(span_equal(m.status, SPAN("4.2.1")));
	close(agent);
	end_local(&r, SIGTERM);
}

static void
a_virtual_user_is_whom_the_configuration_names_and_at_home_below_the_prefix(void **state)
{
	static const char *const one[] = {"ann+x@virtual.test"};
	static const char *const outside[] = {"/etc",	    "%s/mail",	    "%s/mail/",
					      "%s/mail/..", "%s/mail/../x", "%s/mail//ann",
					      "%s/mailbox", "%s/mail/ann/", "mail/ann"};
	char home[300], path[400], target[300];
	struct jobs_result m;
	struct stat st;
	struct run r;
	int agent;

	(void)state;
	if (getuid() != 0)
		skip();
	r = start_local(true);
	snprintf(path, sizeof(path), "%s/mail", folder);
	assert_int_equal(chmod(folder, 0755), 0);
	mkdir(path, 0);
	assert_int_equal(chmod(path, 01777), 0);
	/* he who asks may be taken over: no other place, no other user, none of a domain that has no such users */
	for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
		const char *rest = strncmp(outside[i], "%s", 2) == 0 ? outside[i] + 2 : NULL;

		snprintf(home, sizeof(home), "%s%s", rest != NULL ? folder : outside[i],
			 rest != NULL ? rest : "");
		want_home = home;
		get_refusal(&r, "ann", "virtual.test");
	}
	snprintf(home, sizeof(home), "%s/mail/v/ann", folder);
	get_refusal(&r, "nobody", "home.test");
	get_refusal(&r, "root", "prefix.test");
	want_home = "";
	get_refusal(&r, "nobody", "virtual.test");
	want_home = home;
	agent = get_agent(&r, "ann", "virtual.test");
	send_job(agent, 1, TEXT, one, 1);
	get_result(agent, 1, &m);
	assert_int_equal(m.fate, FATE_DELIVERED);
	snprintf(path, sizeof(path), "%s/mx", home);
	assert_true(span_equal(m.host, span_of(path)));
	assert_non_null(strstr(take_letter(path, &st), "Delivered-To: ann+x@virtual.test\n"));
	assert_int_equal(st.st_uid, 65534);
	is_confined(&r, 65534);
	close(agent);
	/* a link that leads out is found before any mail is read */
	snprintf(target, sizeof(target), "%s/elsewhere", folder);
	mkdir(target, 0);
	assert_int_equal(chmod(target, 01777), 0);
	snprintf(path, sizeof(path), "%s/mail/link", folder);
	assert_int_equal(symlink(target, path), 0);
	snprintf(home, sizeof(home), "%s/mail/link/ann", folder);
	agent = get_agent(&r, "ann", "virtual.test");
	send_job(agent, 2, TEXT, one, 1);
	get_result(agent, 2, &m);
	assert_int_equal(m.fate, FATE_DEFERRED);
	assert_non_null(memmem(m.text.at, m.text.len, "out of the prefix", 17));
	close(agent);
	want_home = "";
	end_local(&r, SIGTERM);
}

static void
an_ordinary_user_serves_no_virtual_users_of_another(void **state)
{
	struct run r = start_local(false);
	char home[300];

	(void)state;
	snprintf(home, sizeof(home), "%s/mail/v/ann", folder);
	want_home = home;
	if (strcmp(own.name, "nobody") != 0)
		get_refusal(&r, "ann", "virtual.test");
	want_home = "";
	end_local(&r, SIGTERM);
}

static void
a_folder_that_is_not_the_recipients_stays_closed_to_him(void **state)
{
	static const char *const one[] = {"nobody@prefix.test"};
	struct jobs_result m;
	struct run r;
	char path[200];
	int agent;

	(void)state;
	if (getuid() != 0)
		skip();
	r = start_local(true);
	snprintf(path, sizeof(path), "%s/mail", folder);
	assert_int_equal(chmod(path, 0700), 0); /* of root */
	agent = get_agent(&r, "nobody", "prefix.test");
	send_job(agent, 1, TEXT, one, 1);
	get_result(agent, 1, &m);
	assert_int_equal(m.fate, FATE_DEFERRED);
	close(agent);
	end_local(&r, SIGTERM);
}

static void
roots_mail_is_kept_for_the_group_adm(void **state)
{
	static const char *const one[] = {"postmaster"};
	const struct group *adm = getgrnam("adm");
	struct jobs_result m;
	struct stat st;
	struct run r;
	char path[200];
	int agent;

	(void)state;
	if (getuid() != 0)
		skip();
	r = start_local(true);
	agent = get_agent(&r, "root", "home.test");
	send_job(agent, 1, TEXT, one, 1);
	get_result(agent, 1, &m);
	assert_int_equal(m.fate, FATE_DELIVERED);
	snprintf(path, sizeof(path), "%s/root", folder);
	assert_non_null(strstr(take_letter(path, &st), "Delivered-To: postmaster\n"));
	assert_int_equal(st.st_uid, 0);
	is_confined(&r, 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	if (adm != NULL)
		assert_int_equal(st.st_gid, adm->gr_gid);
	close(agent);
	end_local(&r, SIGTERM);
}

static int
remove_one(const char *name, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(name);
}

static int
make_folder(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	(void)state;
	if (mkdtemp(folder) == NULL || passwd_find_uid(getuid(), &own) != PASSWD_FOUND)
		return -1;
	snprintf(own.home, sizeof(own.home), "%s", folder);
	snprintf(socket_path, sizeof(socket_path), "%s/jobs", folder);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
	listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (listener < 0)
		return -1;
	if (bind(listener, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -1;
	return listen(listener, 50);
}

static int
remove_folder(void **state)
{
	(void)state;
	close(listener);
	return nftw(folder, remove_one, 10, FTW_DEPTH | FTW_PHYS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_recipient_gets_a_letter_and_a_result),
		cmocka_unit_test(a_loop_is_a_failure_and_trouble_is_not),
		cmocka_unit_test(only_the_own_user_and_known_domains_are_served),
		cmocka_unit_test(nonsense_ends_the_agent_and_not_local),
		cmocka_unit_test(told_to_end_agents_leave_and_local_ends),
		cmocka_unit_test(local_comes_back_to_a_new_queue_manager),
		cmocka_unit_test(root_becomes_the_recipient),
		cmocka_unit_test(
			a_virtual_user_is_whom_the_configuration_names_and_at_home_below_the_prefix),
		cmocka_unit_test(an_ordinary_user_serves_no_virtual_users_of_another),
		cmocka_unit_test(a_folder_that_is_not_the_recipients_stays_closed_to_him),
		cmocka_unit_test(roots_mail_is_kept_for_the_group_adm),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
