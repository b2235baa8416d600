/*
 * parse - what config_parse makes of a text that is right: values, defaults, who is local, who may relay
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/config/config.h"

static const struct config_defaults root = {
	.as_root = true,
	.hostname = "Machine.example",
	.runtime = "/run/culver",
	.spool = "/var/spool/culver",
	.state = "/var/lib/culver",
};

static struct config *
parse_with(const char *text, const struct config_defaults *defaults)
{
	struct config_errors errors;
	struct config *c;

	config_errors_init(&errors);
	c = config_parse(span_of(text), defaults, &errors);
	if (c == NULL) {
		struct buffer b;

		buffer_init(&b, 1 << 16);
		config_errors_print(&errors, &b);
		fail_msg("%.*s", SPAN_ARG(buffer_get(&b)));
	}
	assert_int_equal(errors.count, 0);
	config_errors_free(&errors);
	return c;
}

static struct config *
parse(const char *text)
{
	return parse_with(text, &root);
}

static void
an_empty_text_is_all_defaults(void **state)
{
	struct config *c = parse("");

	(void)state;
	assert_string_equal(c->hostname, "machine.example");
	assert_string_equal(c->origin, "machine.example");
	assert_string_equal(c->spool, "/var/spool/culver");
	assert_string_equal(c->runtime, "/run/culver");
	assert_string_equal(c->trace, "/var/lib/culver/trace");
	assert_string_equal(c->root_mail, "/var/lib/culver/root");
	assert_string_equal(c->drop, "/var/lib/culver/drop");
	assert_int_equal(c->log_sink, CONFIG_LOG_SYSLOG);
	assert_int_equal(c->log_format, CONFIG_LOG_TEXT);
	assert_int_equal(c->relay_from_count, 2);
	assert_int_equal(c->extension, '+');
	assert_int_equal(c->min_uid, 100);
	assert_false(c->repair_line_ends);
	assert_int_equal(c->listen_count, 0);
	assert_null(c->outbound.hops);
	assert_int_equal(c->outbound.retry_first, 5 * 60 * 1000);
	assert_int_equal(c->outbound.retry_max, 4 * 3600 * 1000);
	assert_int_equal(c->outbound.lifetime, 5u * 86400 * 1000);
	assert_int_equal(c->outbound.refuse_dead, 3u * 86400 * 1000);
	assert_int_equal(c->limits.message_size, 50 << 20);
	assert_int_equal(c->limits.recipients, 1000);
	assert_int_equal(c->limits.command_time, 300000);
	assert_int_equal(c->limits.reply_time, 600000);
	assert_int_equal(c->limits.trace_size, 256 << 20);
	assert_int_equal(c->limits.rate, 0);
	for (size_t i = 0; i < sizeof(c->limits) / sizeof(uint64_t); i++)
		if (i != offsetof(struct config_limits, rate) / sizeof(uint64_t))
			assert_int_not_equal(((const uint64_t *)(const void *)&c->limits)[i], 0);
	config_free(c);
}

static void
each_directive_fills_its_field(void **state)
{
	struct config *c = parse(
		"hostname Mail.Example.ORG\n"
		"origin Example.ORG\n"
		"spool /srv/spool/\n"
		"runtime '/srv/run'\n"
		"trace \"/srv/the trace\"\n"
		"root-mail /srv/root\n"
		"log /var/log/culver.log {\n\tformat json\n}\n"
		"relay-from 192.0.2.0/24 2001:db8::/32 [2001:db8:1::1]\n"
		"extension -\n"
		"min-uid 1000\n"
		"repair-line-ends yes\n"
		"outbound {\n"
		"\tsmarthost Relay.example.net:587 192.0.2.7:25 [2001:db8::7]:26\n"
		"\tretry 1m 1h30m\n"
		"\tlifetime 2d\n"
		"}\n"
		"limit {\n\trecipients 1000000\n\tmessage-size 2G\n\tcommand-time 500ms\n}\n");

	(void)state;
	assert_string_equal(c->hostname, "mail.example.org");
	assert_string_equal(c->origin, "example.org");
	assert_string_equal(c->spool, "/srv/spool");
	assert_string_equal(c->runtime, "/srv/run");
	assert_string_equal(c->trace, "/srv/the trace");
	assert_string_equal(c->root_mail, "/srv/root");
	assert_int_equal(c->log_sink, CONFIG_LOG_FILE);
	assert_string_equal(c->log_file, "/var/log/culver.log");
	assert_int_equal(c->log_format, CONFIG_LOG_JSON);
	assert_int_equal(c->relay_from_count, 3);
	assert_int_equal(c->relay_from[0].bits, 24);
	assert_int_equal(c->relay_from[2].bits, 128);
	assert_int_equal(c->extension, '-');
	assert_int_equal(c->min_uid, 1000);
	assert_true(c->repair_line_ends);
	assert_string_equal(c->outbound.hops,
			    "relay.example.net:587 192.0.2.7:25 [2001:db8::7]:26");
	assert_int_equal(c->outbound.retry_first, 60000);
	assert_int_equal(c->outbound.retry_max, 5400000);
	assert_int_equal(c->outbound.lifetime, 2 * 86400000);
	assert_int_equal(c->limits.recipients, 1000000);
	assert_int_equal(c->limits.message_size, UINT64_C(2) << 30);
	assert_int_equal(c->limits.command_time, 500);
	config_free(c);
}

static void
one_time_of_retry_never_passes_the_other(void **state)
{
	struct config *c = parse("outbound {\n\tretry 1s\n}\n");

	(void)state;
	assert_int_equal(c->outbound.retry_first, 1000);
	assert_int_equal(c->outbound.retry_max, 4 * 3600 * 1000);
	config_free(c);
	c = parse("outbound {\n\tretry 6h\n}\n");
	assert_int_equal(c->outbound.retry_max, 6 * 3600 * 1000);
	config_free(c);
}

static void
a_listen_has_the_limits_of_its_block_over_the_general_ones(void **state)
{
	/* the general ones stand last, and hold all the same */
	struct config *c = parse("listen 127.0.0.1:25 mx {\n\tlimit {\n\t\trecipients 7\n\t}\n}\n"
				 "listen [::1]:25 mx\n"
				 "limit {\n\trecipients 9\n\terrors 3\n}\n");
	struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)&c->listens[0].address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)&c->listens[1].address;

	(void)state;
	assert_int_equal(c->listen_count, 2);
	assert_string_equal(c->listens[0].name, "127.0.0.1:25");
	assert_int_equal(v4->sin_family, AF_INET);
	assert_int_equal(ntohs(v4->sin_port), 25);
	assert_int_equal(v6->sin6_family, AF_INET6);
	assert_int_equal(c->listens[1].address_len, sizeof(*v6));
	assert_int_equal(c->listens[0].role, CONFIG_MX);
	assert_int_equal(c->listens[0].limits.recipients, 7);
	assert_int_equal(c->listens[0].limits.errors, 3);
	assert_int_equal(c->listens[0].limits.hops, c->limits.hops);
	assert_int_equal(c->listens[1].limits.recipients, 9);
	config_free(c);
}

static void
a_domain_has_its_names_tables_and_ending(void **state)
{
	struct config *c = parse("domain Example.org example.net {\n"
				 "\taliases /etc/aliases '/etc/more aliases'\n"
				 "\tusers system\n"
				 "\tdeliver maildir /var/mail/{domain}/{user}/{ext}\n"
				 "}\n"
				 "domain example.com\n");
	const struct config_domain *d = config_domain_find(c, SPAN("example.net"));

	(void)state;
	assert_non_null(d);
	assert_ptr_equal(d, config_domain_find(c, SPAN("example.org")));
	assert_string_equal(d->names[0], "example.org");
	assert_int_equal(d->name_count, 2);
	assert_int_equal(d->tables[CONFIG_ALIASES].count, 2);
	assert_string_equal(d->tables[CONFIG_ALIASES].words[1], "/etc/more aliases");
	assert_true(d->users_system);
	assert_int_equal(d->deliver.ending, CONFIG_MAILDIR);
	assert_string_equal(d->deliver.path, "/var/mail/{domain}/{user}/{ext}");
	d = config_domain_find(c, SPAN("example.com"));
	assert_int_equal(d->tables[CONFIG_ALIASES].count, 0);
	assert_string_equal(d->deliver.path, "~/Maildir");
	assert_null(config_domain_find(c, SPAN("example")));
	assert_null(config_domain_find(c, SPAN("example.or")));
	assert_null(config_domain_find(c, SPAN("")));
	config_free(c);
}

static void
hostname_and_localhost_are_local_without_a_block(void **state)
{
	struct config *c = parse("hostname mail.example.org\n"
				 "domain example.org {\n\taliases /etc/aliases\n}\n");
	const struct config_domain *d = config_domain_find(c, SPAN("mail.example.org"));

	(void)state;
	assert_non_null(d);
	assert_ptr_equal(d, config_domain_find(c, SPAN("localhost")));
	assert_string_equal(d->names[0], "mail.example.org");
	/* as the first block says: root@localhost is root@example.org */
	assert_int_equal(d->tables[CONFIG_ALIASES].count, 1);
	config_free(c);
	c = parse("hostname mail.example.org\n"
		  "domain localhost mail.example.org {\n\tdeliver maildir ~/in\n}\n");
	assert_int_equal(c->domain_count, 1);
	d = config_domain_find(c, SPAN("mail.example.org"));
	assert_string_equal(d->deliver.path, "~/in");
	config_free(c);
	c = parse("hostname localhost\n");
	assert_int_equal(c->domain_count, 1);
	assert_int_equal(c->domains[0].name_count, 1);
	config_free(c);
}

static void
many_domains_are_found(void **state)
{
	struct buffer text;
	struct config *c;
	char name[64];

	(void)state;
	buffer_init(&text, 1 << 20);
	for (unsigned i = 0; i < 5000; i++)
		buffer_format(&text, "domain d%u.example {\n\tdeliver maildir ~/%u\n}\n", i, i);
	buffer_char(&text, '\0');
	c = parse(text.at);
	for (unsigned i = 0; i < 5000; i++) {
		const struct config_domain *d;

		snprintf(name, sizeof(name), "d%u.example", i);
		d = config_domain_find(c, span_of(name));
		assert_non_null(d);
		snprintf(name, sizeof(name), "~/%u", i);
		assert_string_equal(d->deliver.path, name);
	}
	config_free(c);
	buffer_free(&text);
}

static bool
may_relay(const struct config *c, const char *address)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

	if (inet_pton(AF_INET, address, &v4.sin_addr) == 1)
		return config_may_relay(c, (const struct sockaddr *)&v4);
	assert_int_equal(inet_pton(AF_INET6, address, &v6.sin6_addr), 1);
	return config_may_relay(c, (const struct sockaddr *)&v6);
}

static void
only_relay_from_may_relay(void **state)
{
	struct config *c = parse("relay-from 192.0.2.128/25 2001:db8:8000::/33 198.51.100.7\n");
	const struct sockaddr local = {.sa_family = AF_UNIX};

	(void)state;
	assert_true(may_relay(c, "192.0.2.128"));
	assert_true(may_relay(c, "192.0.2.255"));
	assert_false(may_relay(c, "192.0.2.127"));
	assert_false(may_relay(c, "192.0.3.128"));
	assert_true(may_relay(c, "198.51.100.7"));
	assert_false(may_relay(c, "198.51.100.6"));
	assert_true(may_relay(c, "2001:db8:8000::1"));
	assert_false(may_relay(c, "2001:db8:7fff::1"));
	/* a client of a socket that takes both families */
	assert_true(may_relay(c, "::ffff:192.0.2.200"));
	assert_false(may_relay(c, "::ffff:192.0.2.1"));
	assert_false(may_relay(c, "127.0.0.1"));
	assert_false(may_relay(c, "::1"));
	assert_false(config_may_relay(c, &local));
	config_free(c);
	c = parse("");
	assert_true(may_relay(c, "127.8.9.10"));
	assert_true(may_relay(c, "::1"));
	assert_true(may_relay(c, "::ffff:127.0.0.1"));
	assert_false(may_relay(c, "128.0.0.1"));
	assert_false(may_relay(c, "::2"));
	config_free(c);
	c = parse("relay-from none\n");
	assert_false(may_relay(c, "127.0.0.1"));
	config_free(c);
	c = parse("relay-from 0.0.0.0/0\n");
	assert_true(may_relay(c, "203.0.113.9"));
	assert_false(may_relay(c, "2001:db8::1"));
	config_free(c);
}

static void
an_ordinary_user_has_all_beside_his_spool(void **state)
{
	struct config_defaults d = {
		.hostname = "h.example",
		.mailname = "Example.org",
		.spool = "/home/u/.local/state/culver/spool",
		.state = "/home/u/.local/state/culver",
		.log_to_stderr = true,
	};
	struct config *c = parse_with("", &d);

	(void)state;
	assert_string_equal(c->origin, "example.org");
	assert_string_equal(c->runtime, "/home/u/.local/state/culver/run");
	assert_string_equal(c->trace, "/home/u/.local/state/culver/trace");
	assert_int_equal(c->log_sink, CONFIG_LOG_STDERR);
	config_free(c);
	c = parse_with("spool /tmp/t/spool\nlog syslog\n", &d);
	assert_string_equal(c->runtime, "/tmp/t/run");
	assert_string_equal(c->trace, "/tmp/t/trace");
	assert_string_equal(c->root_mail, "/tmp/t/root");
	assert_int_equal(c->log_sink, CONFIG_LOG_SYSLOG);
	config_free(c);
	c = parse_with("spool /spool\n", &d);
	assert_string_equal(c->runtime, "/run");
	config_free(c);
	d.runtime = "/run/user/7/culver";
	c = parse_with("spool /tmp/t/spool\n", &d);
	assert_string_equal(c->runtime, "/run/user/7/culver");
	config_free(c);
}

static void
the_text_carries_the_defaults_to_every_program(void **state)
{
	struct config_defaults d = root;
	struct buffer text;
	struct config *c;

	(void)state;
	d.mailname = "example.org";
	d.log_to_stderr = true;
	buffer_init(&text, 1 << 16);
	config_defaults_write(&d, &text);
	buffer_string(&text, "#@ /etc/culver/culver.conf 1\nmin-uid 5\n");
	buffer_char(&text, '\0');
	c = parse_with(text.at, NULL);
	assert_string_equal(c->hostname, "machine.example");
	assert_string_equal(c->origin, "example.org");
	assert_string_equal(c->trace, "/var/lib/culver/trace");
	assert_int_equal(c->log_sink, CONFIG_LOG_STDERR);
	assert_int_equal(c->min_uid, 5);
	config_free(c);
	buffer_free(&text);
}

static void
what_the_machine_gives_is_always_usable(void **state)
{
	struct config_defaults d;

	(void)state;
	for (int stderr_first = 0; stderr_first < 2; stderr_first++) {
		config_defaults_find(&d, stderr_first);
		assert_non_null(d.hostname);
		assert_true(d.spool[0] == '/' && d.state[0] == '/');
		assert_int_equal(d.as_root, geteuid() == 0);
		if (d.as_root)
			assert_string_equal(d.runtime, "/run/culver");
		config_free(parse_with("", &d));
	}
}

static void
the_most_specific_route_decides(void **state)
{
	struct config *c =
		parse_with("route example.org {\n\tsmtp Mail.example.org:25 [2001:DB8::1]:26\n}\n"
			   "route .example.org {\n\trefuse \"not there\"\n}\n"
			   "route .b.example.org {\n\tlmtp /run/Lmtp\n}\n"
			   "route c.b.example.org {\n\tsmtp mx:Other.example mx:x.example:27\n}\n"
			   "route lmtp.example {\n\tlmtp 192.0.2.1:24\n}\n"
			   "route hold.example {\n\thold\n}\n",
			   &root);

	(void)state;
	assert_int_equal(c->route_count, 6);
	assert_null(config_route_find(c, SPAN("example.net")));
	assert_null(config_route_find(c, SPAN("org")));
	assert_null(config_route_find(c, SPAN("ample.org")));
	assert_null(config_route_find(c, SPAN("")));
	assert_string_equal(config_route_find(c, SPAN("example.org"))->hops,
			    "mail.example.org:25 [2001:db8::1]:26");
	assert_string_equal(config_route_find(c, SPAN("a.example.org"))->text, "not there");
	assert_int_equal(config_route_find(c, SPAN("b.example.org"))->action, CONFIG_ROUTE_REFUSE);
	assert_string_equal(config_route_find(c, SPAN("x.y.b.example.org"))->hops,
			    "lmtp:/run/Lmtp");
	assert_string_equal(config_route_find(c, SPAN("c.b.example.org"))->hops,
			    "mx:other.example:25 mx:x.example:27");
	assert_string_equal(config_route_find(c, SPAN("lmtp.example"))->hops, "lmtp:192.0.2.1:24");
	assert_null(config_route_find(c, SPAN("hold.example"))->text);
	config_free(c);
}

static void
the_resolver_asks_whom_the_file_names(void **state)
{
	struct config *c =
		parse_with("resolver 127.0.0.1@5353 2001:db8::1\ntrust-anchor /etc/keys\nhosts no\n"
			   "outbound {\n\tsmarthost mx:Example.net mx:b.example:587\n}\n",
			   &root);

	(void)state;
	assert_int_equal(c->resolver, CONFIG_RESOLVER_SERVERS);
	assert_int_equal(c->resolver_server_count, 2);
	assert_string_equal(c->resolver_servers[0], "127.0.0.1@5353");
	assert_string_equal(c->resolver_servers[1], "2001:db8::1");
	assert_string_equal(c->trust_anchor, "/etc/keys");
	assert_false(c->is_unvalidated);
	assert_false(c->hosts);
	assert_string_equal(c->outbound.hops, "mx:example.net:25 mx:b.example:587");
	config_free(c);
	c = parse_with("resolver recursive\ntrust-anchor none\n", &root);
	assert_int_equal(c->resolver, CONFIG_RESOLVER_RECURSIVE);
	assert_true(c->is_unvalidated && c->trust_anchor == NULL && c->hosts);
	config_free(c);
	c = parse_with("", &root);
	assert_int_equal(c->resolver, CONFIG_RESOLVER_SYSTEM);
	assert_false(c->is_unvalidated);
	config_free(c);
}

static void
sites_have_limits_and_names(void **state)
{
	struct config *c = parse("site MX.example.net *.example.com {\n\trate 0.5/s\n\tconcurrency "
				 "3\n}\nsite mx.example.org {\n\trate 100/m\n}\nlimit {\n\trate "
				 "5/10s\n}\n");
	(void)state;

	assert_int_equal(c->site_count, 2);
	assert_int_equal(c->sites[0].rate, 2000000);
	assert_int_equal(c->sites[0].concurrency, 3);
	assert_int_equal(c->sites[0].messages_per_connection, 0);
	assert_int_equal(c->sites[1].rate, 600000);
	assert_int_equal(c->limits.rate, 2000000);
	assert_ptr_equal(config_site_find(c, SPAN("mx.EXAMPLE.net")), &c->sites[0]);
	assert_ptr_equal(config_site_find(c, SPAN("a.b.example.com")), &c->sites[0]);
	assert_null(config_site_find(c, SPAN("example.com")));
	assert_ptr_equal(config_site_find(c, SPAN("mx.example.org")), &c->sites[1]);
	config_free(c);
}

static void
who_logs_in_and_where_is_read(void **state)
{
	struct config *c = parse("auth {\n\tclear yes\n\tsenders /t/a /t/b\n}\n"
				 "listen [::]:25 mx\nlisten [::]:26 mx {\n\tauth yes\n}\n"
				 "listen [::]:587 submission\n");

	(void)state;
	assert_true(c->auth.may_be_clear);
	assert_int_equal(c->auth.senders.count, 2);
	assert_string_equal(c->auth.senders.words[1], "/t/b");
	assert_false(c->listens[0].offers_auth);
	assert_true(c->listens[1].offers_auth);
	assert_int_equal(c->listens[1].role, CONFIG_MX);
	assert_true(c->listens[2].offers_auth);
	assert_int_equal(c->listens[2].role, CONFIG_SUBMISSION);
	assert_string_equal(c->auth.accounts, "/var/lib/culver/accounts");
	config_free(c);
	/* with TLS it need not be clear */
	c = parse("tls {\n\tcertificate /a/\n}\nlisten [::]:587 submission\n"
		  "listen [::]:465 submission\n");
	assert_int_equal(c->listen_count, 2);
	config_free(c);
	c = parse("auth {\n\taccounts /elsewhere\n}\n");
	assert_string_equal(c->auth.accounts, "/elsewhere");
	assert_false(c->auth.may_be_clear);
	assert_int_equal(c->auth.source, CONFIG_AUTH_ACCOUNTS);
	assert_false(c->auth.has_certificates);
	config_free(c);
	c = parse(
		"auth {\n\tdovecot [::1]:12345\n\tcertificates yes\n}\nlisten [::]:587 submission\n"
		"tls {\n\tcertificate /a/\n\tclient-certificate ask\n\tclient-ca /ca\n}\n");
	assert_int_equal(c->auth.source, CONFIG_AUTH_DOVECOT);
	assert_string_equal(c->auth.dovecot, "[::1]:12345");
	assert_true(c->auth.has_certificates);
	config_free(c);
	c = parse("auth {\n\tdovecot /run/dovecot/auth-client\n}\n");
	assert_string_equal(c->auth.dovecot, "/run/dovecot/auth-client");
	config_free(c);
}

static void
what_is_done_with_headers_is_the_innermost_word(void **state)
{
	struct config *c = parse("auth {\n\tclear yes\n}\nlisten [::]:587 submission\n");

	(void)state;
	assert_int_equal(c->private_headers, CONFIG_PRIVATE_KEEP);
	assert_int_equal(c->from_alignment, CONFIG_ALIGNMENT_OFF);
	assert_int_equal(c->listens[0].private_headers, CONFIG_PRIVATE_KEEP);
	assert_int_equal(c->listens[0].from_alignment, CONFIG_ALIGNMENT_OFF);
	config_free(c);
	c = parse(
		"auth {\n\tclear yes\n}\nlisten [::]:587 submission\n"
		"private-headers remove\nfrom-alignment reject\n"
		"listen [::]:588 submission {\n\tprivate-headers keep\n\tfrom-alignment off\n}\n");
	assert_int_equal(c->private_headers, CONFIG_PRIVATE_REMOVE);
	assert_int_equal(c->listens[0].private_headers, CONFIG_PRIVATE_REMOVE);
	assert_int_equal(c->listens[0].from_alignment, CONFIG_ALIGNMENT_REJECT);
	assert_int_equal(c->listens[1].private_headers, CONFIG_PRIVATE_KEEP);
	assert_int_equal(c->listens[1].from_alignment, CONFIG_ALIGNMENT_OFF);
	config_free(c);
}

static void
logins_may_be_listed_for_expn(void **state)
{
	struct config *c = parse("expn-logins Ann@A.example bob\n");

	(void)state;
	assert_true(config_may_expn_login(c, SPAN("ann@a.example")));
	assert_true(config_may_expn_login(c, SPAN("bob")));
	assert_false(config_may_expn_login(c, SPAN("carl")));
	assert_false(config_may_expn_login(c, SPAN_NONE));
	config_free(c);
	c = parse("expn-logins all\n");
	assert_true(config_may_expn_login(c, SPAN("carl")));
	assert_false(config_may_expn_login(c, SPAN_NONE));
	config_free(c);
	c = parse("hostname a.example\n");
	assert_false(config_may_expn_login(c, SPAN("none")));
	config_free(c);
}

static void
budgets_have_amounts_and_senders(void **state)
{
	struct config *c = parse("budget {\n\tmessages 100/hour 1000/day\n\tbytes 1M/day\n}\n"
				 "budget 1000 ann@example.org {\n\trecipients 5/day\n}\n");
	(void)state;

	assert_int_equal(c->budget_count, 2);
	const struct config_budget *b = config_budget_find(c, SPAN("uid:7"));
	assert_ptr_equal(b, &c->budgets[0]);
	assert_int_equal(b->limit[CONFIG_BUDGET_MESSAGES][CONFIG_BUDGET_HOUR], 100);
	assert_int_equal(b->limit[CONFIG_BUDGET_MESSAGES][CONFIG_BUDGET_DAY], 1000);
	assert_int_equal(b->limit[CONFIG_BUDGET_BYTES][CONFIG_BUDGET_HOUR], 0);
	assert_int_equal(b->limit[CONFIG_BUDGET_BYTES][CONFIG_BUDGET_DAY], 1 << 20);
	assert_ptr_equal(config_budget_find(c, SPAN("uid:1000")), &c->budgets[1]);
	assert_ptr_equal(config_budget_find(c, SPAN("ann@example.org")), &c->budgets[1]);
	assert_ptr_equal(config_budget_find(c, SPAN("1000")), &c->budgets[0]);
	assert_int_equal(c->budgets[1].limit[CONFIG_BUDGET_RECIPIENTS][CONFIG_BUDGET_DAY], 5);
	assert_int_equal(c->budgets[1].limit[CONFIG_BUDGET_MESSAGES][CONFIG_BUDGET_DAY], 0);
	config_free(c);
	c = parse("");
	assert_null(config_budget_find(c, SPAN("uid:7")));
	config_free(c);
}

static void
recipients_may_be_verified_at_the_next_hop(void **state)
{
	(void)state;
	struct config *c = parse("domain a.test {\n\trelay mx:a.test\n\trecipients verify\n}\n"
				 "domain b.test {\n\tdeliver lmtp 192.0.2.1:24\n\trecipients "
				 "verify\n}\n"
				 "domain c.test {\n\trelay h.test:25\n}\n"
				 "verify {\n\tpositive 2d\n\tnegative 1h 1h\n\tunknown defer\n"
				 "\tsender v@a.test\n\twait 2s\n\tprobes 9\n\tcache /c\n}\n");
	assert_string_equal(config_verified_hops(config_domain_find(c, SPAN("a.test"))),
			    "mx:a.test:25");
	assert_string_equal(config_verified_hops(config_domain_find(c, SPAN("b.test"))),
			    "lmtp:192.0.2.1:24");
	assert_false(config_domain_find(c, SPAN("b.test"))->users_system);
	assert_null(config_verified_hops(config_domain_find(c, SPAN("c.test"))));
	assert_int_equal(c->verify.positive[0], 2 * 86400000);
	assert_int_equal(c->verify.positive[1], 2 * 86400000);
	assert_int_equal(c->verify.negative[0], 3600000);
	assert_int_equal(c->verify.negative[1], 3600000);
	assert_true(c->verify.unknown_waits);
	assert_string_equal(c->verify.sender, "v@a.test");
	assert_int_equal(c->verify.wait, 2000);
	assert_int_equal(c->verify.probes, 9);
	assert_string_equal(c->verify.cache, "/c");
	config_free(c);
	c = parse("");
	assert_int_equal(c->verify.positive[0], UINT64_C(31) * 86400000);
	assert_int_equal(c->verify.positive[1], UINT64_C(7) * 86400000);
	assert_int_equal(c->verify.negative[0], UINT64_C(3) * 86400000);
	assert_int_equal(c->verify.negative[1], UINT64_C(3) * 3600000);
	assert_false(c->verify.unknown_waits);
	assert_string_equal(c->verify.sender, "");
	assert_int_equal(c->verify.wait, 6000);
	assert_int_equal(c->verify.probes, 4);
	assert_string_equal(c->verify.cache, "/var/lib/culver/verified");
	config_free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sites_have_limits_and_names),
		cmocka_unit_test(what_is_done_with_headers_is_the_innermost_word),
		cmocka_unit_test(logins_may_be_listed_for_expn),
		cmocka_unit_test(budgets_have_amounts_and_senders),
		cmocka_unit_test(an_empty_text_is_all_defaults),
		cmocka_unit_test(each_directive_fills_its_field),
		cmocka_unit_test(one_time_of_retry_never_passes_the_other),
		cmocka_unit_test(a_listen_has_the_limits_of_its_block_over_the_general_ones),
		cmocka_unit_test(a_domain_has_its_names_tables_and_ending),
		cmocka_unit_test(hostname_and_localhost_are_local_without_a_block),
		cmocka_unit_test(many_domains_are_found),
		cmocka_unit_test(only_relay_from_may_relay),
		cmocka_unit_test(an_ordinary_user_has_all_beside_his_spool),
		cmocka_unit_test(the_text_carries_the_defaults_to_every_program),
		cmocka_unit_test(what_the_machine_gives_is_always_usable),
		cmocka_unit_test(the_most_specific_route_decides),
		cmocka_unit_test(the_resolver_asks_whom_the_file_names),
		cmocka_unit_test(recipients_may_be_verified_at_the_next_hop),
		cmocka_unit_test(who_logs_in_and_where_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
