/*
 * virtual - virtual aliases, virtual users, catch-all, relayed domains: who decides, and where it goes
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lookup/aliases.h"
#include "lookup/recipients.h"

static char folder[] = "/tmp/culver-virtual-XXXXXX";
static char virtual[128], users[128], names[128];
static struct config *config;
static struct routes routes;
static struct arena arena;
static int64_t now_ms;

static void
write_table(const char *path, const char *text)
{
	FILE *f;

	unlink(path);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	now_ms += 10 * TABLES_LOOK_MS;
}

/* open_all - V, U and N in the text become the paths of the three tables */
static void
open_all(const char *text)
{
	static const struct config_defaults defaults = {.as_root = true,
							.hostname = "mx.example.org",
							.runtime = "/run/culver",
							.spool = "/var/spool/culver",
							.state = "/var/lib/culver"};
	struct config_errors errors;
	struct buffer b;

	buffer_init(&b, 10000);
	for (; *text != '\0'; text++)
		if (*text == 'V' || *text == 'U' || *text == 'N')
			buffer_string(&b, *text == 'V' ? virtual : *text == 'U' ? users : names);
		else
			buffer_char(&b, *text);
	config_errors_init(&errors);
	config = config_parse(buffer_get(&b), &defaults, &errors);
	if (config == NULL)
		fail_msg("%s", errors.list[0].text);
	config_errors_free(&errors);
	buffer_free(&b);
	routes_init(&routes, config, tables_new(config), users_new(), true);
	arena_init(&arena, ALIASES_MEMORY_MAX);
}

static void
close_all(void)
{
	arena_free(&arena);
	tables_free(routes.tables);
	users_free(routes.users);
	config_free(config);
}

/* "HOME|HOSTS|STATUS ADDRESS[!]; ..." */
static const char *
leaves_direct(const char *address, bool direct)
{
	static char text[8192];
	struct expansion e;
	size_t len = 0;

	arena_reset(&arena);
	aliases_expand(&routes, span_of(address), direct, false, now_ms, &arena, &e);
	text[0] = '\0';
	for (size_t i = 0; i < e.count && len < sizeof(text) - 2000; i++) {
		const struct lookup_leaf *l = &e.leaves[i];
		struct span what = l->kind == LOOKUP_MAILBOX ? l->home.len > 0 ? l->home : l->user
				   : l->kind == LOOKUP_SMTP  ? l->hosts
							     : l->status;

		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%.*s %.*s%s",
					i > 0 ? "; " : "", SPAN_ARG(what), SPAN_ARG(l->address),
					l->direct ? "!" : "");
	}
	return text;
}

static const char *
leaves(const char *address)
{
	return leaves_direct(address, false);
}

static uint64_t
class_of(const char *address)
{
	struct lookup_verdict v;

	arena_reset(&arena);
	recipients_verdict(&routes, span_of(address), now_ms, &arena, &v);
	return v.class;
}

/* of the one leaf */
static uint64_t
quota_of(const char *address)
{
	struct expansion e;

	arena_reset(&arena);
	aliases_expand(&routes, span_of(address), false, false, now_ms, &arena, &e);
	assert_int_equal(e.count, 1);
	return e.leaves[0].quota;
}

#define BLOCK \
	"domain a.test b.test {\n\tusers U\n\tas vmail\n\tdeliver maildir /v/{domain}/{user}/M\n"

static void
a_virtual_user_has_a_home(void **state)
{
	(void)state;
	write_table(users, "ann@a.test\nbob home=/v/x/bob quota=1G\nc+d@a.test\nbad uid=0\n"
			   "out home=/etc\n\"q r@a.test\"\n");
	open_all(BLOCK "}\n");
	assert_string_equal(leaves("Ann@a.test"), "/v/a.test/ann Ann@a.test");
	assert_string_equal(leaves("ann+x@a.test"), "/v/a.test/ann ann+x@a.test");
	assert_string_equal(leaves("c+d@a.test"), "/v/a.test/c+d c+d@a.test");
	assert_string_equal(leaves("bob@b.test"), "/v/x/bob bob@b.test");
	assert_true(quota_of("bob+x@b.test") == UINT64_C(1) << 30);
	assert_true(quota_of("ann@a.test") == 0);
	assert_string_equal(leaves("\"q r\"@a.test"), "/v/a.test/q r \"q r\"@a.test");
	assert_string_equal(leaves("ann@b.test"), "5.1.1 ann@b.test");
	assert_string_equal(leaves("nobody@a.test"), "5.1.1 nobody@a.test");
	assert_string_equal(leaves("bad@a.test"), "4.3.5 bad@a.test");
	assert_string_equal(leaves("out@a.test"), "4.3.5 out@a.test");
	assert_string_equal(leaves("postmaster@a.test"), "root postmaster@a.test");
	assert_int_equal(class_of("ann@a.test"), LOOKUP_LOCAL);
	assert_int_equal(class_of("eve@a.test"), LOOKUP_REFUSED);
	assert_int_equal(class_of("bad@a.test"), LOOKUP_TROUBLE);
	unlink(users);
	now_ms += 10 * TABLES_LOOK_MS;
	assert_int_equal(class_of("eve@a.test"), LOOKUP_TROUBLE);
	close_all();
}

/* which delivery, of the one leaf: "KIND DELIVERY HOME", or "HOSTS" */
static const char *
delivery_of(const char *address)
{
	static char text[1024];
	const struct lookup_leaf *l;
	struct expansion e;

	arena_reset(&arena);
	aliases_expand(&routes, span_of(address), false, false, now_ms, &arena, &e);
	assert_int_equal(e.count, 1);
	l = &e.leaves[0];
	if (l->kind == LOOKUP_SMTP)
		snprintf(text, sizeof(text), "%.*s", SPAN_ARG(l->hosts));
	else
		snprintf(text, sizeof(text), "%s %.*s %.*s",
			 l->kind == LOOKUP_LINE	     ? "command"
			 : l->kind == LOOKUP_MAILBOX ? "mailbox"
						     : "none",
			 SPAN_ARG(l->delivery), SPAN_ARG(l->home));
	return text;
}

static void
a_table_chooses_among_the_deliveries_of_its_block(void **state)
{
	(void)state;
	write_table(
		users,
		"ann\nbob deliver=box\nbob+x deliver=run home=/v/h/bob\ncat deliver=far\n"
		"dan deliver=/bin/sh\neve deliver=maildir\nfay deliver=pipe\nroot deliver=run\n");
	write_table(names, "ann+y@h.test run\nbob+y box2\nann+z@h.test no\neve+q run box\n");
	open_all("domain h.test {\n\tusers U\n\tas vmail\n\thome /v/{domain}/{user}\n"
		 "\tdeliver maildir ~/M\n\tdelivery box mbox ~/b\n\tdelivery box2 mbox ~/c\n"
		 "\tdelivery run pipe /bin/cat\n\tdelivery far lmtp 192.0.2.1:24\n"
		 "\tdeliver-by N\n}\n");
	assert_string_equal(delivery_of("ann@h.test"), "mailbox  /v/h.test/ann");
	assert_string_equal(delivery_of("eve@h.test"), "mailbox maildir /v/h.test/eve");
	assert_string_equal(delivery_of("bob@h.test"), "mailbox box /v/h.test/bob");
	assert_string_equal(delivery_of("bob+x@h.test"), "command run /v/h/bob");
	assert_string_equal(delivery_of("cat@h.test"), "lmtp:192.0.2.1:24");
	assert_string_equal(delivery_of("dan@h.test"), "none  ");
	assert_string_equal(delivery_of("fay@h.test"), "none  ");
	/* a virtual user of that name is not the one whose mail is root's */
	assert_string_equal(delivery_of("root@h.test"), "command run /v/h.test/root");
	/* deliver-by, where the table of users says nothing */
	assert_string_equal(delivery_of("ann+y@h.test"), "command run /v/h.test/ann");
	assert_string_equal(delivery_of("bob+y@h.test"), "mailbox box /v/h.test/bob");
	assert_string_equal(delivery_of("ann+z@h.test"), "none  ");
	assert_int_equal(class_of("ann+z@h.test"), LOOKUP_TROUBLE);
	close_all();
}

/* of the system's users, the one that each has is asked for */
static void
deliver_by_is_for_users_of_the_system_too(void **state)
{
	(void)state;
	write_table(names, "nobody+box box\nnobody+far far\nnobody+no gone\n");
	open_all("domain s.test {\n\tforward no\n\tdelivery box mbox ~/b\n\tdelivery far lmtp "
		 "192.0.2.1:24\n\tdeliver-by N\n}\n");
	assert_string_equal(delivery_of("nobody@s.test"), "mailbox  ");
	assert_string_equal(delivery_of("nobody+box@s.test"), "mailbox box ");
	assert_string_equal(delivery_of("nobody+far@s.test"), "lmtp:192.0.2.1:24");
	assert_string_equal(delivery_of("nobody+no@s.test"), "none  ");
	/* root has no mailbox of his own, and no table gives him one */
	write_table(names, "root box\n");
	assert_string_equal(delivery_of("root@s.test"), "mailbox  ");
	close_all();
}

/* a name that the table has, but no directory can */
static void
a_name_that_is_no_component_has_no_mailbox(void **state)
{
	(void)state;
	write_table(users, "..@a.test\na/b@a.test\n.@a.test\n");
	open_all(BLOCK "}\n");
	assert_string_equal(leaves("\"..\"@a.test"), "5.1.1 \"..\"@a.test");
	assert_string_equal(leaves("\"a/b\"@a.test"), "5.1.1 \"a/b\"@a.test");
	close_all();
}

static void
virtual_decides_before_aliases_and_users(void **state)
{
	(void)state;
	write_table(users, "ann\nbob\n");
	write_table(names, "ann: bob\nteam: ann, bob\n");
	write_table(virtual, "ann@a.test x@far.test\n");
	open_all(BLOCK "\tvirtual V\n\taliases N\n}\n");
	assert_string_equal(leaves("ann@a.test"), "mx:far.test:25 x@far.test");
	assert_string_equal(leaves("ann@b.test"), "/v/b.test/bob bob@b.test");
	assert_string_equal(leaves("team@a.test"),
			    "mx:far.test:25 x@far.test; /v/a.test/bob bob@a.test");
	close_all();
}

static void
virtual_is_as_in_postfix(void **state)
{
	(void)state;
	write_table(users, "ann\nbob\n");
	write_table(virtual, "ann@a.test ann@a.test\nbob@a.test bob@a.test, x@far.test\n"
			     "list@a.test ann@b.test,\n bob@b.test\nlist+own@a.test bob@b.test\n"
			     "sys@a.test nobody\n@a.test @b.test\nbad@a.test not an address\n"
			     "ext@a.test y@far.test\ncmd@a.test |/bin/sh\n");
	open_all("origin mx.example.org\n" BLOCK "\tvirtual V\n}\n");
	/* an address among its own values is itself, and once asked again is no alias any more */
	assert_string_equal(leaves("ann@a.test"), "/v/a.test/ann ann@a.test!");
	assert_string_equal(leaves("bob@a.test"),
			    "/v/a.test/bob bob@a.test!; mx:far.test:25 x@far.test");
	assert_string_equal(leaves_direct("bob@a.test", true), "/v/a.test/bob bob@a.test!");
	/* the extension: with its own key, or put behind the values */
	assert_string_equal(leaves("list+own@a.test"), "/v/b.test/bob bob@b.test");
	assert_string_equal(leaves("list+x@a.test"),
			    "/v/b.test/ann ann+x@b.test; /v/b.test/bob bob+x@b.test");
	assert_string_equal(leaves("ext+x@a.test"), "mx:far.test:25 y+x@far.test");
	/* another domain, the same user; a name alone is of origin */
	assert_string_equal(leaves("ann+y@b.test"), "/v/b.test/ann ann+y@b.test");
	assert_string_equal(leaves("eve+y@a.test"), "5.1.1 eve+y@b.test");
	assert_string_equal(leaves("sys@a.test"), "nobody nobody@mx.example.org");
	assert_string_equal(leaves("bad@a.test"), "4.3.5 bad@a.test");
	assert_string_equal(leaves("cmd@a.test"), "5.3.3 cmd@a.test");
	close_all();
}

static void
virtual_circles_end(void **state)
{
	(void)state;
	write_table(users, "ann\n");
	write_table(virtual,
		    "x@a.test y@a.test\ny@a.test x@a.test\n@a.test @b.test\n@b.test @a.test\n");
	open_all(BLOCK "\tvirtual V\n}\n");
	assert_string_equal(leaves("x@a.test"), "5.1.1 x@a.test!");
	assert_string_equal(leaves("ann@a.test"), "/v/a.test/ann ann@a.test!");
	close_all();
}

static void
catch_all_is_for_names_that_nobody_has(void **state)
{
	(void)state;
	write_table(users, "ann\nbob\n");
	write_table(names, "team: ann, who1, who2\n");
	open_all(BLOCK "\taliases N\n\tcatch-all bob\n}\n"
		       "domain c.test {\n\trelay 192.0.2.1:25\n\trecipients U\n\tcatch-all "
		       "x@far.test\n}\n");
	assert_string_equal(leaves("ann@a.test"), "/v/a.test/ann ann@a.test");
	assert_string_equal(leaves("who@a.test"), "/v/a.test/bob bob@a.test");
	assert_string_equal(leaves("who@b.test"), "/v/b.test/bob bob@b.test");
	assert_string_equal(leaves("team@a.test"),
			    "/v/a.test/ann ann@a.test; /v/a.test/bob bob@a.test");
	assert_string_equal(leaves("postmaster@a.test"), "root postmaster@a.test");
	assert_string_equal(leaves("who@c.test"), "mx:far.test:25 x@far.test");
	assert_string_equal(leaves("ann@c.test"), "192.0.2.1:25 ann@c.test");
	close_all();
}

/* one who leads to nobody, or to himself, is no endless walk */
static void
a_catch_all_that_nobody_is_refuses(void **state)
{
	(void)state;
	write_table(users, "ann\n");
	open_all(BLOCK "\tcatch-all gone\n}\n");
	assert_string_equal(leaves("who@a.test"), "5.1.1 gone@a.test");
	assert_int_equal(class_of("who@a.test"), LOOKUP_REFUSED);
	close_all();
}

static void
a_relayed_domain_knows_its_recipients(void **state)
{
	(void)state;
	write_table(users, "ann@c.test anything\nbob\n@d.test no key here\n");
	open_all("domain c.test {\n\trelay mx:far.test h.test:2525\n\trecipients U\n}\n"
		 "domain d.test {\n\trelay [2001:db8::1]:25\n}\n");
	assert_string_equal(leaves("ann@c.test"), "mx:far.test:25 h.test:2525 ann@c.test");
	assert_string_equal(leaves("bob+x@c.test"), "mx:far.test:25 h.test:2525 bob+x@c.test");
	assert_string_equal(leaves("eve@c.test"), "5.1.1 eve@c.test");
	assert_string_equal(leaves("postmaster@c.test"), "5.1.1 postmaster@c.test");
	assert_string_equal(leaves("whoever@d.test"), "[2001:db8::1]:25 whoever@d.test");
	/* taken from everybody: it is ours */
	assert_int_equal(class_of("whoever@d.test"), LOOKUP_LOCAL);
	assert_int_equal(class_of("eve@c.test"), LOOKUP_REFUSED);
	close_all();
}

/* whom the next hop is asked for, and by which block */
static const char *
asked_for(const char *address)
{
	static char said[400];
	struct lookup_verdict v;

	arena_reset(&arena);
	recipients_verdict(&routes, span_of(address), now_ms, &arena, &v);
	snprintf(said, sizeof(said), "%.*s %.*s", SPAN_ARG(v.ask), SPAN_ARG(v.block));
	return said;
}

static void
the_next_hop_is_asked_where_no_table_knows(void **state)
{
	(void)state;
	write_table(users, "ann\n");
	write_table(names, "one: who@c.test\ntwo: who@c.test, ann\nback: ann, who@c.test\n"
			   "three: who@c.test, too@c.test\n");
	open_all(BLOCK "\taliases N\n}\n"
		       "domain c.test e.test {\n\trelay mx:far.test\n\trecipients verify\n}\n"
		       "domain d.test {\n\trelay mx:far.test\n\trecipients U\n}\n"
		       "domain l.test {\n\tdeliver lmtp 192.0.2.1:24\n\trecipients verify\n}\n");
	assert_string_equal(asked_for("who@c.test"), "who@c.test c.test");
	assert_string_equal(asked_for("who@e.test"), "who@e.test c.test");
	assert_string_equal(asked_for("postmaster@c.test"), "postmaster@c.test c.test");
	assert_string_equal(asked_for("who@l.test"), "who@l.test l.test");
	assert_string_equal(asked_for("one@a.test"), "who@c.test c.test");
	/* one of several is no reason to refuse the others */
	assert_string_equal(asked_for("two@a.test"), " ");
	assert_string_equal(asked_for("back@a.test"), " ");
	assert_string_equal(asked_for("three@a.test"), " ");
	assert_string_equal(asked_for("ann@a.test"), " ");
	assert_string_equal(asked_for("ann@d.test"), " ");
	assert_string_equal(asked_for("who@elsewhere.test"), " ");
	assert_int_equal(class_of("who@c.test"), LOOKUP_LOCAL);
	close_all();
}

static int
make_folder(void **state)
{
	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(virtual, sizeof(virtual), "%s/virtual", folder);
	snprintf(users, sizeof(users), "%s/users", folder);
	snprintf(names, sizeof(names), "%s/names", folder);
	return 0;
}

static int
remove_folder(void **state)
{
	(void)state;
	unlink(virtual);
	unlink(users);
	unlink(names);
	return rmdir(folder);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_virtual_user_has_a_home),
		cmocka_unit_test(a_table_chooses_among_the_deliveries_of_its_block),
		cmocka_unit_test(deliver_by_is_for_users_of_the_system_too),
		cmocka_unit_test(a_name_that_is_no_component_has_no_mailbox),
		cmocka_unit_test(virtual_decides_before_aliases_and_users),
		cmocka_unit_test(virtual_is_as_in_postfix),
		cmocka_unit_test(virtual_circles_end),
		cmocka_unit_test(catch_all_is_for_names_that_nobody_has),
		cmocka_unit_test(a_catch_all_that_nobody_is_refuses),
		cmocka_unit_test(a_relayed_domain_knows_its_recipients),
		cmocka_unit_test(the_next_hop_is_asked_where_no_table_knows),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
