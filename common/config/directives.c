/*
 * directives - the one table of what culver.conf may say: see directives.h
 */
#include "common/config/config.h"
#include "common/config/directives.h"
#include "common/config/takes.h"

#define IN(type, member) .field = offsetof(struct type, member)
#define LIMIT(name, member) \
	.word = (name), .field = offsetof(struct config_limits, member), .min_words = 1, \
	.max_words = 1, .take = take_limit
#define COUNT(least, most) .arguments = "NUMBER", .unit = UNIT_COUNT, .min = (least), .max = (most)
#define BYTES(least, most) .arguments = "SIZE", .unit = UNIT_BYTES, .min = (least), .max = (most)
#define TIME(least, most) .arguments = "TIME", .unit = UNIT_TIME, .min = (least), .max = (most)
#define BOTH (PLACE_LIMIT | PLACE_LISTEN_LIMIT)
#define ONE .min_words = 1, .max_words = 1
#define ANY .min_words = 1, .max_words = GRAMMAR_WORDS_MAX

#define KB(n) ((uint64_t)(n) << 10)
#define MB(n) ((uint64_t)(n) << 20)
#define GB(n) ((uint64_t)(n) << 30)
#define MILLION UINT64_C(1000000)
#define SHORTEST 100 /* ms: no time is less */
#define DAYS(n) ((uint64_t)(n)*24 * 60 * 60 * 1000)

/* clang-format off */
const struct directive directives[] = {
	/* ---- general ---- */
	{.word = "hostname", .arguments = "NAME", .where = PLACE_GENERAL, ONE,
	 .otherwise = "the name of the machine",
	 IN(config, hostname), .take = take_name,
	 .sentence = "the name of this host in greetings, EHLO and Received; always local"},
	{.word = "origin", .arguments = "DOMAIN", .where = PLACE_GENERAL, ONE,
	 .otherwise = "the first line of /etc/mailname, else hostname",
	 IN(config, origin), .take = take_name,
	 .sentence = "the domain of addresses that have none"},
	{.word = "spool", .arguments = "PATH", .where = PLACE_GENERAL, ONE,
	 .otherwise = "/var/spool/culver; of an ordinary user $XDG_STATE_HOME/culver/spool, "
		      "else ~/.local/state/culver/spool",
	 IN(config, spool), .take = take_path,
	 .sentence = "the directory of queued messages"},
	{.word = "runtime", .arguments = "PATH", .where = PLACE_GENERAL, ONE,
	 .otherwise = "/run/culver; of an ordinary user $XDG_RUNTIME_DIR/culver, else run beside the spool",
	 IN(config, runtime), .take = take_runtime,
	 .sentence = "the directory of sockets and rooms, at most 96 bytes long"},
	{.word = "trace", .arguments = "PATH", .where = PLACE_GENERAL, ONE,
	 .otherwise = "/var/lib/culver/trace; of an ordinary user trace beside the spool",
	 IN(config, trace), .take = take_path,
	 .sentence = "the directory of the store that `culver trace` reads"},
	{.word = "drop", .arguments = "PATH", .where = PLACE_GENERAL, ONE,
	 .otherwise = "/var/lib/culver/drop; of an ordinary user drop beside the spool",
	 IN(config, drop), .take = take_path,
	 .sentence = "the directory where sendmail leaves mail while the system is stopped"},
	{.word = "root-mail", .arguments = "PATH", .where = PLACE_GENERAL, ONE,
	 .otherwise = "/var/lib/culver/root; of an ordinary user root beside the spool",
	 IN(config, root_mail), .take = take_path,
	 .sentence = "the Maildir of root, postmaster and abuse, where no alias takes their mail"},
	{.word = "log", .arguments = "stderr|syslog|PATH", .where = PLACE_GENERAL, .opens = PLACE_LOG, ONE,
	 .otherwise = "syslog; stderr for culver run",
	 IN(config, log_file), .take = take_log,
	 .sentence = "where events are written"},
	{.word = "format", .arguments = "text|json|postfix", .where = PLACE_LOG, ONE,
	 .standard = "text",
	 IN(config, log_format), .take = take_format,
	 .sentence = "how events are written: key=value words, one JSON object a line, or in the words of Postfix"},
	{.word = "relay-from", .arguments = "NETWORK...|none", .where = PLACE_GENERAL, ANY,
	 .standard = "127.0.0.0/8 ::1",
	 IN(config, relay_from), .take = take_networks,
	 .sentence = "clients that may send to any domain"},
	{.word = "expn-from", .arguments = "NETWORK...|none", .where = PLACE_GENERAL, ANY,
	 .standard = "none",
	 IN(config, expn_from), .take = take_expn_from,
	 .sentence = "clients that may ask by EXPN whom an address stands for"},
	{.word = "expn-logins", .arguments = "LOGIN...|all|none", .where = PLACE_GENERAL, ANY,
	 .standard = "none",
	 IN(config, expn_logins), .take = take_expn_logins,
	 .sentence = "those who may do so once they have logged in"},
	{.word = "extension", .arguments = "CHARACTER|none", .where = PLACE_GENERAL, ONE,
	 .standard = "+",
	 IN(config, extension), .take = take_extension,
	 .sentence = "what parts the name of a user from the extension behind it"},
	{.word = "min-uid", .arguments = "NUMBER", .where = PLACE_GENERAL, ONE,
	 .standard = "100", .unit = UNIT_COUNT, .min = 0, .max = UINT32_MAX - 1,
	 IN(config, min_uid), .take = take_number,
	 .sentence = "system users with a lower uid get no mailbox"},
	{.word = "alias-commands-as", .arguments = "USER", .where = PLACE_GENERAL, ONE,
	 .standard = "nobody",
	 IN(config, alias_user), .take = take_as,
	 .sentence = "who runs the commands, and writes the files, of aliases that belong to root"},
	{.word = "command-cgroup", .arguments = "auto|none|PATH", .where = PLACE_GENERAL, ONE,
	 .standard = "auto",
	 IN(config, command_cgroup), .take = take_cgroup,
	 .sentence = "where each command gets a control group of its own: in that of the service, if it was delegated"},
	{.word = "repair-line-ends", .arguments = "yes|no", .where = PLACE_GENERAL, ONE,
	 .standard = "no",
	 IN(config, repair_line_ends), .take = take_yes,
	 .sentence = "of clients in relay-from, a bare CR or LF becomes CRLF instead of being refused"},
	{.word = "private-headers", .arguments = "keep|remove", .where = PLACE_GENERAL, ONE,
	 .standard = "keep",
	 IN(config, private_headers), .take = take_private,
	 .sentence = "of mail that users submit: what tells recipients more of the sender than they need is left out"},
	{.word = "from-alignment", .arguments = "off|reject", .where = PLACE_GENERAL, ONE,
	 .standard = "off",
	 IN(config, from_alignment), .take = take_alignment,
	 .sentence = "of mail that users submit: From and Sender must be addresses of theirs"},
	{.word = "resolver", .arguments = "system|recursive|ADDRESS[@PORT]...", .where = PLACE_GENERAL,
	 .min_words = 1, .max_words = CONFIG_RESOLVER_SERVERS_MAX,
	 .standard = "system",
	 IN(config, resolver), .take = take_resolver,
	 .sentence = "who is asked for names: the servers of /etc/resolv.conf, nobody (from the root on), or these"},
	{.word = "trust-anchor", .arguments = "FILE|none", .where = PLACE_GENERAL, ONE,
	 .otherwise = "/usr/share/dns/root.key, if it is there",
	 IN(config, trust_anchor), .take = take_trust_anchor,
	 .sentence = "the keys from which DNSSEC is validated; with none nothing is"},
	{.word = "hosts", .arguments = "yes|no", .where = PLACE_GENERAL, ONE,
	 .standard = "yes",
	 IN(config, hosts), .take = take_yes,
	 .sentence = "addresses of names in /etc/hosts are taken from there"},
	{.word = "early-delivery", .arguments = "auto|off|TIME", .where = PLACE_GENERAL, ONE,
	 .standard = "auto", .unit = UNIT_TIME, .min = SHORTEST, .max = CONFIG_EARLY_WAIT_MAX_MS,
	 IN(config, early), .take = take_early,
	 .sentence = "how long a client waits for its mail to be delivered at once, in place of the disk"},
	{.word = "include", .arguments = "FILE", .where = PLACE_ANY, ONE, .repeats = true,
	 .take = take_include,
	 .sentence = "the lines of FILE stand here; a relative path begins where this file is"},

	/* ---- listen ---- */
	{.word = "listen", .arguments = "ADDRESS:PORT mx|submission", .where = PLACE_GENERAL, .opens = PLACE_LISTEN,
	 .repeats = true, .min_words = 2, .max_words = 2,
	 .otherwise = "none: no mail comes from the network",
	 IN(config, listens), .take = take_listen,
	 .sentence = "an address on which mail is taken"},
	{.word = "limit", .where = PLACE_LISTEN, .opens = PLACE_LISTEN_LIMIT, .needs_block = true,
	 .otherwise = "the general ones, word by word",
	 IN(config_listen, limits), .take = take_limits,
	 .sentence = "limits for this address only"},

	{.word = "auth", .arguments = "yes|no", .where = PLACE_LISTEN, ONE,
	 .otherwise = "yes for submission, no for mx",
	 IN(config_listen, offers_auth), .take = take_offers_auth,
	 .sentence = "clients may log in; on a submission address they must"},
	{.word = "private-headers", .arguments = "keep|remove", .where = PLACE_LISTEN, ONE,
	 .otherwise = "the general one",
	 IN(config_listen, private_headers), .take = take_private,
	 .sentence = "the same, for those who log in at this address"},
	{.word = "from-alignment", .arguments = "off|reject", .where = PLACE_LISTEN, ONE,
	 .otherwise = "the general one",
	 IN(config_listen, from_alignment), .take = take_alignment,
	 .sentence = "the same, for those who log in at this address"},
	{.word = "implicit-tls", .arguments = "yes|no", .where = PLACE_LISTEN, ONE,
	 .otherwise = "yes at port 465, else no",
	 IN(config_listen, implicit_tls), .take = take_yes,
	 .sentence = "a connection begins with TLS, instead of with a greeting and STARTTLS"},
	{.word = "tls", .where = PLACE_LISTEN, .opens = PLACE_TLS, .needs_block = true,
	 .otherwise = "the general one",
	 IN(config_listen, tls), .take = take_tls,
	 .sentence = "in place of the whole general one; an empty block: no TLS at this address"},

	/* ---- auth ---- */
	{.word = "auth", .where = PLACE_GENERAL, .opens = PLACE_AUTH, .needs_block = true,
	 .otherwise = "the default of each directive",
	 IN(config, auth), .take = take_auth,
	 .sentence = "who logs in, and what he may send"},
	{.word = "accounts", .arguments = "PATH", .where = PLACE_AUTH, ONE,
	 .otherwise = "/var/lib/culver/accounts; of an ordinary user accounts beside the spool",
	 IN(config_auth, accounts), .take = take_path,
	 .sentence = "the directory of the accounts that `culver user` keeps"},
	{.word = "dovecot", .arguments = "PATH|ADDRESS:PORT", .where = PLACE_AUTH, ONE,
	 .otherwise = "none: own accounts log in",
	 IN(config_auth, dovecot), .take = take_dovecot,
	 .sentence = "in place of own accounts: Dovecot's socket for authentication clients"},
	{.word = "pam", .arguments = "SERVICE", .where = PLACE_AUTH, ONE,
	 .otherwise = "none: PAM is not asked",
	 IN(config_auth, pam), .take = take_pam,
	 .sentence = "in place of own accounts: this service of PAM, for PLAIN and LOGIN"},
	{.word = "certificates", .arguments = "yes|no", .where = PLACE_AUTH, ONE,
	 .standard = "no",
	 IN(config_auth, has_certificates), .take = take_certificates,
	 .sentence = "a client may log in as whom its verified certificate names"},
	{.word = "clear", .arguments = "yes|no", .where = PLACE_AUTH, ONE,
	 .standard = "no",
	 IN(config_auth, may_be_clear), .take = take_yes,
	 .sentence = "clients of this host's loopback may log in without TLS"},
	{.word = "senders", .arguments = "TABLE...", .where = PLACE_AUTH, .min_words = 1, .max_words = 256,
	 .otherwise = "none: a login sends as itself alone",
	 IN(config_auth, senders), .take = take_tables,
	 .sentence = "tables of addresses to the logins that may send as them"},

	/* ---- verify ---- */
	{.word = "verify", .where = PLACE_GENERAL, .opens = PLACE_VERIFY, .needs_block = true,
	 .otherwise = "the default of each directive",
	 IN(config, verify), .take = take_verify,
	 .sentence = "how next hops are asked for recipients, where a `domain` says `recipients verify`"},
	{.word = "cache", .arguments = "PATH", .where = PLACE_VERIFY, ONE,
	 .otherwise = "/var/lib/culver/verified; of an ordinary user verified beside the spool",
	 IN(config_verify, cache), .take = take_path,
	 .sentence = "the directory where answers are kept"},
	{.word = "positive", .arguments = "TIME [REFRESH]", .where = PLACE_VERIFY, .min_words = 1, .max_words = 2,
	 .standard = "31d 7d", .unit = UNIT_TIME, .min = SHORTEST, .max = DAYS(365),
	 IN(config_verify, positive), .take = take_verify_times,
	 .sentence = "how long it is believed that an address is there, and after which time it is asked for again"},
	{.word = "negative", .arguments = "TIME [REFRESH]", .where = PLACE_VERIFY, .min_words = 1, .max_words = 2,
	 .standard = "3d 3h", .unit = UNIT_TIME, .min = SHORTEST, .max = DAYS(365),
	 IN(config_verify, negative), .take = take_verify_times,
	 .sentence = "the same of an address that was refused"},
	{.word = "sender", .arguments = "<>|ADDRESS", .where = PLACE_VERIFY, ONE,
	 .standard = "<>",
	 IN(config_verify, sender), .take = take_verify_sender,
	 .sentence = "in whose name it is asked"},
	{.word = "unknown", .arguments = "accept|defer", .where = PLACE_VERIFY, ONE,
	 .standard = "accept",
	 IN(config_verify, unknown_waits), .take = take_verify_unknown,
	 .sentence = "what becomes of a recipient for whom the next hop cannot be asked now"},
	{.word = "wait", .where = PLACE_VERIFY, TIME(SHORTEST, 60000), ONE, .standard = "6s",
	 IN(config_verify, wait), .take = take_number,
	 .sentence = "how long a client waits at RCPT for the next hop's answer"},
	{.word = "probes", .where = PLACE_VERIFY, COUNT(1, 100), ONE, .standard = "4",
	 IN(config_verify, probes), .take = take_number,
	 .sentence = "connections on which one next hop is asked at the same time"},

	/* ---- tls ---- */
	{.word = "tls", .where = PLACE_GENERAL, .opens = PLACE_TLS, .needs_block = true,
	 .otherwise = "none: STARTTLS is not offered",
	 IN(config, tls), .take = take_tls,
	 .sentence = "the certificates of this host, and how it speaks TLS"},
	{.word = "certificate", .arguments = "FILE|DIRECTORY/...", .where = PLACE_TLS,
	 .min_words = 1, .max_words = CONFIG_PAIRS_MAX,
	 .otherwise = "none; the general `tls` must have one",
	 IN(config_tls, certificates), .take = take_certificate,
	 .sentence = "certificates with their chains (PEM), the first for clients that name no host of them; "
		     "a directory has fullchain.pem and privkey.pem"},
	{.word = "key", .arguments = "FILE...", .where = PLACE_TLS,
	 .min_words = 1, .max_words = CONFIG_PAIRS_MAX,
	 .otherwise = "none: every certificate is a directory",
	 IN(config_tls, keys), .take = take_key,
	 .sentence = "the private keys of the certificates that are files, in their order"},
	{.word = "policy", .arguments = "modern|intermediate|old", .where = PLACE_TLS, ONE,
	 .otherwise = "intermediate",
	 IN(config_tls, policy), .take = take_tls_policy,
	 .sentence = "TLS 1.3 alone; also 1.2 with ciphers that are good today; or with older ones too"},
	{.word = "client-certificate", .arguments = "none|ask|require", .where = PLACE_TLS, ONE,
	 .otherwise = "none",
	 IN(config_tls, client), .take = take_client_certificate,
	 .sentence = "whether clients show certificates; of the general block for submission addresses alone"},
	{.word = "client-ca", .arguments = "FILE", .where = PLACE_TLS, ONE,
	 .otherwise = "none: it must stand beside `client-certificate ask` and `require`",
	 IN(config_tls, client_ca), .take = take_path,
	 .sentence = "who vouches for clients: certificates (PEM), of authorities or of the clients themselves"},
	{.word = "client-relay", .arguments = "verified|NAME|FINGERPRINT...|none", .where = PLACE_TLS, ANY,
	 .otherwise = "none",
	 IN(config_tls, client_relays), .take = take_client_relay,
	 .sentence = "clients whose verified certificate is for a NAME, or has the FINGERPRINT (SHA-256), may send to any domain"},

	/* ---- domain ---- */
	{.word = "table", .arguments = "NAME file|pcre|cidr|sqlite PATH [QUERY]", .where = PLACE_GENERAL,
	 .repeats = true, .min_words = 3, .max_words = 4,
	 .otherwise = "none: a TABLE is the path of a text file",
	 IN(config, named_tables), .take = take_table,
	 .sentence = "a name for a table that is more than a text file"},
	{.word = "domain", .arguments = "NAME...", .where = PLACE_GENERAL, .opens = PLACE_DOMAIN,
	 .repeats = true, ANY,
	 .otherwise = "hostname and localhost",
	 IN(config, domains), .take = take_domain,
	 .sentence = "domains whose mail is delivered here"},
	{.word = "users", .arguments = "system|TABLE", .where = PLACE_DOMAIN, ONE,
	 .standard = "system",
	 IN(config_domain, tables[CONFIG_USERS]), .take = take_users,
	 .sentence = "who has a mailbox: the users that the system knows, or those of a table"},
	{.word = "as", .arguments = "USER", .where = PLACE_DOMAIN, ONE,
	 .otherwise = "none: it must stand beside `users TABLE`; of an ordinary user himself",
	 IN(config_domain, as_user), .take = take_as,
	 .sentence = "the one user of the system who owns the mailboxes of `users TABLE`"},
	{.word = "home", .arguments = "PATH", .where = PLACE_DOMAIN, ONE,
	 .otherwise = "the path of `deliver`, up to its {user}",
	 IN(config_domain, home), .take = take_home,
	 .sentence = "where the users of `users TABLE` are at home, like /var/vmail/{domain}/{user}"},
	{.word = "virtual", .arguments = "TABLE...", .where = PLACE_DOMAIN, .min_words = 1, .max_words = 256,
	 .otherwise = "none",
	 IN(config_domain, tables[CONFIG_VIRTUAL]), .take = take_tables,
	 .sentence = "tables of user@domain and @domain to addresses, asked in their order before all else"},
	{.word = "aliases", .arguments = "TABLE...", .where = PLACE_DOMAIN, .min_words = 1, .max_words = 256,
	 .otherwise = "none",
	 IN(config_domain, tables[CONFIG_ALIASES]), .take = take_tables,
	 .sentence = "tables of names to addresses, text in the format of /etc/aliases, asked before the users"},
	{.word = "catch-all", .arguments = "ADDRESS", .where = PLACE_DOMAIN, ONE,
	 .otherwise = "none: an unknown name is refused",
	 IN(config_domain, catch_all), .take = take_catch_all,
	 .sentence = "who gets the mail of names that nobody has"},
	{.word = "relay", .arguments = "HOST:PORT|mx:DOMAIN[:PORT]...", .where = PLACE_DOMAIN, .min_words = 1, .max_words = 256,
	 .otherwise = "none: mail for the domain ends here",
	 IN(config_domain, relay), .take = take_relay,
	 .sentence = "mail for the domain is taken from everybody and goes on to these hosts"},
	{.word = "recipients", .arguments = "TABLE...|verify", .where = PLACE_DOMAIN, .min_words = 1, .max_words = 256,
	 .otherwise = "none: beside `relay` every name is taken",
	 IN(config_domain, tables[CONFIG_RECIPIENTS]), .take = take_recipients,
	 .sentence = "beside `relay`: tables of the addresses that are there, all others are refused; `verify`: the next hop is asked"},
	{.word = "forward", .arguments = "yes|no", .where = PLACE_DOMAIN, ONE,
	 .standard = "yes",
	 IN(config_domain, forward), .take = take_yes,
	 .sentence = "the users of the system may say in ~/.forward where their mail goes"},
	{.word = "deliver", .arguments = "maildir [PATH]|mbox [PATH]|lmtp HOST:PORT|PATH|pipe COMMAND...",
	 .where = PLACE_DOMAIN, .min_words = 1, .max_words = 256,
	 .standard = "maildir ~/Maildir",
	 IN(config_domain, deliver), .take = take_deliver,
	 .sentence = "where the mail of a user goes"},
	{.word = "delivery", .arguments = "NAME maildir [PATH]|mbox [PATH]|lmtp HOST:PORT|PATH|pipe COMMAND...",
	 .where = PLACE_DOMAIN, .repeats = true, .min_words = 2, .max_words = 256,
	 .otherwise = "none: all goes as `deliver` says",
	 IN(config_domain, deliveries), .take = take_delivery,
	 .sentence = "another way to a mailbox, for those whom a table gives its name"},
	{.word = "deliver-by", .arguments = "TABLE...", .where = PLACE_DOMAIN, .min_words = 1, .max_words = 256,
	 .otherwise = "none",
	 IN(config_domain, tables[CONFIG_DELIVER_BY]), .take = take_tables,
	 .sentence = "tables of user@domain, with and without extension, to the name of a `delivery`"},
	{.word = "early-delivery", .arguments = "auto|off|TIME", .where = PLACE_DOMAIN, ONE,
	 .otherwise = "the general one", .unit = UNIT_TIME, .min = SHORTEST, .max = CONFIG_EARLY_WAIT_MAX_MS,
	 IN(config_domain, early), .take = take_early,
	 .sentence = "the same, for mail of these domains only"},

	{.word = "tls", .arguments = "[dane] [sts] none|opportunistic|required|verified", .where = PLACE_DOMAIN, .opens = PLACE_HOP_TLS,
	 .min_words = 1, .max_words = 3,
	 .otherwise = "dane sts opportunistic",
	 IN(config_domain, tls), .take = take_hop_tls,
	 .sentence = "what is demanded of the next hops of `relay` and `deliver lmtp`"},

	/* ---- outbound ---- */
	{.word = "outbound", .where = PLACE_GENERAL, .opens = PLACE_OUTBOUND, .needs_block = true,
	 .otherwise = "the default of each directive",
	 IN(config, outbound), .take = take_outbound,
	 .sentence = "how mail for other domains leaves"},
	{.word = "smarthost", .arguments = "HOST:PORT|mx:DOMAIN[:PORT]...", .where = PLACE_OUTBOUND, .min_words = 1, .max_words = 256,
	 .otherwise = "none",
	 IN(config_outbound, hops), .take = take_smarthosts,
	 .sentence = "the hosts that take all mail for other domains, tried in their order"},
	{.word = "retry", .arguments = "FIRST [MAX]", .where = PLACE_OUTBOUND, .min_words = 1, .max_words = 2,
	 .standard = "5m 4h", .unit = UNIT_TIME, .min = SHORTEST, .max = DAYS(7),
	 IN(config_outbound, retry_first), .take = take_retry,
	 .sentence = "the time until the second attempt, and the longest that it grows to"},
	{.word = "lifetime", .arguments = "TIME", .where = PLACE_OUTBOUND, ONE,
	 .standard = "5d", .unit = UNIT_TIME, .min = SHORTEST, .max = DAYS(365),
	 IN(config_outbound, lifetime), .take = take_number,
	 .sentence = "how long a message is tried before it is returned to its sender"},
	{.word = "delay-notice", .arguments = "TIME|never", .where = PLACE_OUTBOUND, ONE,
	 .standard = "4h", .unit = UNIT_TIME, .min = SHORTEST, .max = DAYS(365),
	 IN(config_outbound, delay_notice), .take = take_time_or_never,
	 .sentence = "when the sender is told, once, that his message is still being tried"},
	{.word = "early-delivery", .arguments = "auto|off|TIME", .where = PLACE_OUTBOUND, ONE,
	 .otherwise = "the general one", .unit = UNIT_TIME, .min = SHORTEST, .max = CONFIG_EARLY_WAIT_MAX_MS,
	 IN(config_outbound, early), .take = take_early,
	 .sentence = "the same, for mail that takes no route"},

	{.word = "tls", .arguments = "[dane] [sts] none|opportunistic|required|verified", .where = PLACE_OUTBOUND, .opens = PLACE_HOP_TLS,
	 .min_words = 1, .max_words = 3,
	 .otherwise = "dane sts opportunistic",
	 IN(config_outbound, tls), .take = take_hop_tls,
	 .sentence = "what is demanded of the hosts that mail goes to, where it takes no route: TLS, and proof of who they are"},
	{.word = "refuse-dead", .arguments = "TIME|never", .where = PLACE_OUTBOUND, ONE,
	 .standard = "3d", .unit = UNIT_TIME, .min = SHORTEST, .max = DAYS(365),
	 IN(config_outbound, refuse_dead), .take = take_time_or_never,
	 .sentence = "when new mail for hosts that have not answered since is returned at once"},
	{.word = "reply", .arguments = "/PATTERN/[FLAGS] MEANING [TIME]", .where = PLACE_OUTBOUND, .repeats = true,
	 .min_words = 2, .max_words = 3,
	 .otherwise = "the patterns that come with Culver, which are asked after these",
	 IN(config_outbound, replies), .take = take_reply,
	 .sentence = "what a host means that refuses with such a reply"},

	/* ---- route ---- */
	{.word = "route", .arguments = "DOMAIN|.DOMAIN", .where = PLACE_GENERAL, .opens = PLACE_ROUTE,
	 .needs_block = true, .repeats = true, ONE,
	 .otherwise = "smarthost, else the MX of the domain",
	 IN(config, routes), .take = take_route,
	 .sentence = "where mail for that domain, or for all domains below it, goes"},
	{.word = "smtp", .arguments = "HOST:PORT|mx:DOMAIN[:PORT]...", .where = PLACE_ROUTE,
	 .min_words = 1, .max_words = 256, .otherwise = "one of these six must stand there",
	 IN(config_route, hops), .take = take_route_smtp,
	 .sentence = "to these hosts by SMTP, tried in their order"},
	{.word = "lmtp", .arguments = "HOST:PORT|PATH", .where = PLACE_ROUTE, ONE,
	 .otherwise = "see smtp",
	 IN(config_route, hops), .take = take_route_lmtp,
	 .sentence = "to this server by LMTP"},
	{.word = "refuse", .arguments = "[TEXT]", .where = PLACE_ROUTE, .max_words = 1,
	 .otherwise = "see smtp",
	 IN(config_route, text), .take = take_route_refuse,
	 .sentence = "refused for good"},
	{.word = "discard", .where = PLACE_ROUTE, .otherwise = "see smtp",
	 IN(config_route, action), .take = take_route_discard,
	 .sentence = "taken and thrown away, without a notice"},
	{.word = "defer", .arguments = "[TEXT]", .where = PLACE_ROUTE, .max_words = 1,
	 .otherwise = "see smtp",
	 IN(config_route, text), .take = take_route_defer,
	 .sentence = "kept in the queue and tried again, until its lifetime is over"},
	{.word = "hold", .arguments = "[TEXT]", .where = PLACE_ROUTE, .max_words = 1,
	 .otherwise = "see smtp",
	 IN(config_route, text), .take = take_route_hold,
	 .sentence = "held until the administrator releases it"},
	{.word = "early-delivery", .arguments = "auto|off|TIME", .where = PLACE_ROUTE, ONE,
	 .otherwise = "the general one", .unit = UNIT_TIME, .min = SHORTEST, .max = CONFIG_EARLY_WAIT_MAX_MS,
	 IN(config_route, early), .take = take_early,
	 .sentence = "the same, for this route only"},

	{.word = "tls", .arguments = "[dane] [sts] none|opportunistic|required|verified", .where = PLACE_ROUTE, .opens = PLACE_HOP_TLS,
	 .min_words = 1, .max_words = 3,
	 .otherwise = "dane sts opportunistic",
	 IN(config_route, tls), .take = take_hop_tls,
	 .sentence = "what is demanded of the next hops of this route"},

	/* ---- tls of a next hop ---- */
	{.word = "names", .arguments = "NAME...", .where = PLACE_HOP_TLS, .min_words = 1, .max_words = CONFIG_HOP_NAMES_MAX,
	 .otherwise = "the name of the host, unless an unsigned MX gave it; that of the domain whose MX it is",
	 IN(config_hop_tls, names), .take = take_hop_names,
	 .sentence = "beside `verified`: the names of which the certificate must have one; .example.org is all below it"},
	{.word = "ca", .arguments = "FILE", .where = PLACE_HOP_TLS, ONE,
	 .otherwise = "/etc/ssl/certs/ca-certificates.crt",
	 IN(config_hop_tls, ca), .take = take_path,
	 .sentence = "the certificates of the authorities that are believed (PEM)"},
	{.word = "policy", .arguments = "modern|intermediate|old", .where = PLACE_HOP_TLS, ONE,
	 .otherwise = "old; intermediate beside `verified`",
	 IN(config_hop_tls, policy), .take = take_tls_policy,
	 .sentence = "TLS 1.3 alone; also 1.2 with ciphers that are good today; or whatever OpenSSL still speaks"},
	{.word = "implicit", .arguments = "yes|no", .where = PLACE_HOP_TLS, ONE,
	 .otherwise = "yes at port 465, else no",
	 IN(config_hop_tls, implicit), .take = take_hop_implicit,
	 .sentence = "a connection begins with TLS, instead of with a greeting and STARTTLS"},

	{.word = "etrn-from", .arguments = "NETWORK...|none", .where = PLACE_ROUTE, ANY,
	 .otherwise = "none: nobody may",
	 IN(config_route, etrn_from), .take = take_etrn_from,
	 .sentence = "clients that may ask by ETRN for the mail of the domain to be sent now"},

	/* ---- site ---- */
	{.word = "site", .arguments = "HOST|*.DOMAIN...", .where = PLACE_GENERAL, .opens = PLACE_SITE,
	 .needs_block = true, .repeats = true, ANY,
	 .otherwise = "each set of MX hosts is a site, with the limits of `limit`",
	 IN(config, sites), .take = take_site,
	 .sentence = "receivers behind hosts of these names are one site, with limits of its own"},
	{.word = "concurrency", .where = PLACE_SITE, COUNT(1, 10000), ONE,
	 .otherwise = "that of limit",
	 IN(config_site, concurrency), .take = take_number,
	 .sentence = "connections to the site at the same time"},
	{.word = "messages-per-connection", .where = PLACE_SITE, COUNT(1, MILLION), ONE,
	 .otherwise = "that of limit",
	 IN(config_site, messages_per_connection), .take = take_number,
	 .sentence = "messages that one connection to the site takes"},
	{.word = "rate", .arguments = "NUMBER/[COUNT]UNIT", .where = PLACE_SITE, ONE,
	 .otherwise = "that of limit",
	 IN(config_site, rate), .take = take_rate,
	 .sentence = "messages to the site in a time, evenly spread: 100/m, 5/10s, 0.5/s"},

	/* ---- budget ---- */
	{.word = "budget", .arguments = "[UID|LOGIN...]", .where = PLACE_GENERAL, .opens = PLACE_BUDGET,
	 .needs_block = true, .repeats = true, .max_words = GRAMMAR_WORDS_MAX,
	 .otherwise = "none: everybody may send as much as he likes",
	 IN(config, budgets), .take = take_budget,
	 .sentence = "what each of these senders may send, or, without a name, everybody else; more is held"},
	{.word = "messages", .arguments = "NUMBER/hour|day...", .where = PLACE_BUDGET, .min_words = 1, .max_words = 2,
	 .otherwise = "no bound", .unit = UNIT_COUNT, .min = 1, .max = 1000 * MILLION,
	 IN(config_budget, limit[CONFIG_BUDGET_MESSAGES]), .take = take_budget_amounts,
	 .sentence = "messages of one sender in an hour, in a day, or both"},
	{.word = "recipients", .arguments = "NUMBER/hour|day...", .where = PLACE_BUDGET, .min_words = 1, .max_words = 2,
	 .otherwise = "no bound", .unit = UNIT_COUNT, .min = 1, .max = 1000 * MILLION,
	 IN(config_budget, limit[CONFIG_BUDGET_RECIPIENTS]), .take = take_budget_amounts,
	 .sentence = "recipients of them, before aliases are looked at"},
	{.word = "bytes", .arguments = "SIZE/hour|day...", .where = PLACE_BUDGET, .min_words = 1, .max_words = 2,
	 .otherwise = "no bound", .unit = UNIT_BYTES, .min = KB(1), .max = GB(1 << 20),
	 IN(config_budget, limit[CONFIG_BUDGET_BYTES]), .take = take_budget_amounts,
	 .sentence = "their content"},

	/* ---- limit ---- */
	{.word = "limit", .where = PLACE_GENERAL, .opens = PLACE_LIMIT, .needs_block = true,
	 .otherwise = "the default of each word",
	 IN(config, limits), .take = take_limits,
	 .sentence = "how much is taken, held open and kept free"},
	{LIMIT("message-size", message_size), .where = BOTH, BYTES(KB(1), GB(4)),
	 .standard = "50M", .reply = "552 5.3.4",
	 .sentence = "the content of one message"},
	{LIMIT("recipients", recipients), .where = BOTH, COUNT(1, MILLION),
	 .standard = "1000", .reply = "452 4.5.3",
	 .sentence = "recipients of one message"},
	{LIMIT("commands", commands), .where = BOTH, COUNT(10, 1000 * MILLION),
	 .standard = "1000000", .reply = "421 4.7.0",
	 .sentence = "commands of one session, those without effect included"},
	{LIMIT("errors", errors), .where = BOTH, COUNT(1, MILLION),
	 .standard = "20", .reply = "421 4.7.0",
	 .sentence = "commands of one session that were refused"},
	{LIMIT("sessions", sessions), .where = PLACE_LIMIT, COUNT(1, MILLION),
	 .standard = "1000", .reply = "421 4.3.2",
	 .sentence = "sessions at the same time, in all"},
	{LIMIT("sessions-per-client", sessions_per_client), .where = BOTH, COUNT(1, MILLION),
	 .standard = "100", .reply = "421 4.7.0",
	 .sentence = "sessions at the same time from one address"},
	{LIMIT("command-time", command_time), .where = BOTH, TIME(SHORTEST, DAYS(1)),
	 .standard = "5m", .reply = "421 4.4.2",
	 .sentence = "the time until the next command is there"},
	{LIMIT("message-time", message_time), .where = BOTH, TIME(SHORTEST, DAYS(7)),
	 .standard = "1h", .reply = "421 4.4.2",
	 .sentence = "the time until the whole content of a message is there"},
	{LIMIT("session-time", session_time), .where = BOTH, TIME(SHORTEST, DAYS(30)),
	 .standard = "1d", .reply = "421 4.4.2",
	 .sentence = "the time of a whole session"},
	{LIMIT("hops", hops), .where = BOTH, COUNT(1, 10000),
	 .standard = "100", .reply = "554 5.4.6",
	 .sentence = "Received lines of a message; one with more is in a loop"},
	{LIMIT("line", line), .where = BOTH, BYTES(1000, MB(64)),
	 .standard = "64K", .reply = "550 5.6.0",
	 .sentence = "a line of content with its CRLF; RFC 5321 has 1000, the world sends longer ones"},
	{LIMIT("recipients-per-transaction", recipients_per_transaction), .where = PLACE_LIMIT,
	 COUNT(1, 100000), .standard = "100",
	 .sentence = "recipients of one transaction with another host"},
	{LIMIT("reply-time", reply_time), .where = PLACE_LIMIT, TIME(SHORTEST, DAYS(1)),
	 .standard = "10m",
	 .sentence = "the wait for one reply of another host, where RFC 5321 has no shorter one"},
	{LIMIT("concurrency", concurrency), .where = PLACE_LIMIT, COUNT(1, 10000),
	 .standard = "20",
	 .sentence = "connections to one site at the same time"},
	{LIMIT("messages-per-connection", messages_per_connection), .where = PLACE_LIMIT,
	 COUNT(1, MILLION), .standard = "1000",
	 .sentence = "messages that one connection to another host takes"},
	{.word = "rate", .arguments = "NUMBER/[COUNT]UNIT|none", .where = PLACE_LIMIT, ONE,
	 .standard = "none",
	 .field = offsetof(struct config_limits, rate), .take = take_rate,
	 .sentence = "messages to one site in a time, evenly spread: 100/m, 5/10s, 0.5/s"},
	{LIMIT("agents", agents), .where = PLACE_LIMIT, COUNT(1, 100000),
	 .standard = "100",
	 .sentence = "connections to other hosts at the same time, in all"},
	{LIMIT("mailbox-agents", mailbox_agents), .where = PLACE_LIMIT, COUNT(1, 100000),
	 .standard = "20",
	 .sentence = "processes that write into mailboxes, in all"},
	{LIMIT("mailbox-concurrency", mailbox_concurrency), .where = PLACE_LIMIT, COUNT(1, 10000),
	 .standard = "8",
	 .sentence = "processes that write into the mailbox of one user"},
	{LIMIT("mailbox-time", mailbox_time), .where = PLACE_LIMIT, TIME(SHORTEST, DAYS(1) / 4),
	 .standard = "5m",
	 .sentence = "the time until a letter is in a mailbox; then its process is ended, and the mail waits"},
	{LIMIT("pipe-agents", pipe_agents), .where = PLACE_LIMIT, COUNT(1, 100000),
	 .standard = "40",
	 .sentence = "commands of users and aliases at the same time, in all"},
	{LIMIT("pipe-time", pipe_time), .where = PLACE_LIMIT, TIME(SHORTEST, DAYS(1) / 4),
	 .standard = "1000s",
	 .sentence = "the time until a command has ended; then it is killed, and the mail waits"},
	{LIMIT("pipe-memory", pipe_memory), .where = PLACE_LIMIT, BYTES(MB(16), GB(1024)),
	 .standard = "2G",
	 .sentence = "memory of each process of a command"},
	{LIMIT("pipe-processes", pipe_processes), .where = PLACE_LIMIT, COUNT(1, MILLION),
	 .standard = "256",
	 .sentence = "processes of a user in all, above which a command of his cannot make more"},
	{LIMIT("expn-per-hour", expn_per_hour), .where = PLACE_LIMIT, COUNT(1, MILLION),
	 .standard = "60", .reply = "450 4.7.1",
	 .sentence = "EXPN of one client in an hour, of those in expn-from"},
	{LIMIT("etrn-interval", etrn_interval), .where = PLACE_LIMIT, TIME(SHORTEST, DAYS(1)),
	 .standard = "5m", .reply = "458 4.7.0",
	 .sentence = "between two ETRN for the same domain"},
	{LIMIT("disk-floor", disk_floor), .where = PLACE_LIMIT, BYTES(0, GB(1 << 20)),
	 .standard = "128M", .reply = "452 4.3.1",
	 .sentence = "bytes that must be free on the spool for mail to be taken"},
	{LIMIT("inode-floor", inode_floor), .where = PLACE_LIMIT, COUNT(0, 1000 * MILLION),
	 .standard = "1000", .reply = "452 4.3.1",
	 .sentence = "inodes that must be free on the spool for mail to be taken"},
	{LIMIT("reserve", reserve), .where = PLACE_LIMIT, BYTES(0, GB(64)),
	 .standard = "64M",
	 .sentence = "ballast in the spool, given up when the disk is full so that the journals go on"},
	{LIMIT("trace-size", trace_size), .where = PLACE_LIMIT, BYTES(KB(64), GB(1024)),
	 .standard = "256M",
	 .sentence = "the store that `culver trace` reads; what is oldest goes first"},
};
/* clang-format on */

const size_t directive_count = sizeof(directives) / sizeof(directives[0]);
_Static_assert(sizeof(directives) / sizeof(directives[0]) <= DIRECTIVES_MAX, "seen[] is too small");
_Static_assert(sizeof(struct config_limits) / sizeof(uint64_t) <= 64, "listen_given is too small");

const struct directive *
directive_find(struct span word, unsigned place)
{
	for (size_t i = 0; i < directive_count; i++)
		if (directives[i].where & place && span_equal(word, span_of(directives[i].word)))
			return &directives[i];
	return NULL;
}

bool
directive_is_planned(struct span word)
{
	static const char *const planned[] = {
		"access", "dkim", "milter", "policy", "source-address", "spool-sync",
	};

	for (size_t i = 0; i < sizeof(planned) / sizeof(planned[0]); i++)
		if (span_equal(word, span_of(planned[i])))
			return true;
	return false;
}

const char *
directive_default(const struct directive *d)
{
	return d->standard != NULL ? d->standard : d->otherwise != NULL ? d->otherwise : "none";
}

const char *
place_name(unsigned place)
{
	switch ((enum place)place) {
	case PLACE_GENERAL:
		return "the file";
	case PLACE_LOG:
		return "log";
	case PLACE_LISTEN:
		return "listen";
	case PLACE_DOMAIN:
		return "domain";
	case PLACE_OUTBOUND:
		return "outbound";
	case PLACE_ROUTE:
		return "route";
	case PLACE_TLS:
		return "tls";
	case PLACE_SITE:
		return "site";
	case PLACE_BUDGET:
		return "budget";
	case PLACE_LIMIT:
		return "limit";
	case PLACE_LISTEN_LIMIT:
		return "limit of listen";
	case PLACE_AUTH:
		return "auth";
	case PLACE_VERIFY:
		return "verify";
	case PLACE_HOP_TLS:
		return "tls of a next hop";
	case PLACE_ANY:
		break;
	}
	return "anywhere";
}

struct scale {
	uint64_t size;
	const char *name;
};

void
amount_format(enum unit unit, uint64_t amount, struct buffer *to)
{
	static const struct scale times[] = {
		{DAYS(1), "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};
	static const struct scale sizes[] = {
		{GB(1024), "T"}, {GB(1), "G"}, {MB(1), "M"}, {KB(1), "K"}, {1, ""}};
	const struct scale *scale = unit == UNIT_TIME ? times : sizes;

	if (unit != UNIT_TIME && unit != UNIT_BYTES)
		scale = &sizes[4];
	while (scale->size > 1 && (amount < scale->size || amount % scale->size != 0))
		scale++;
	buffer_format(to, "%llu%s", (unsigned long long)(amount / scale->size), scale->name);
}

static void
print_places(unsigned where, struct buffer *to)
{
	const char *comma = "";

	if (where == PLACE_ANY) {
		buffer_string(to, place_name(PLACE_ANY));
		return;
	}
	for (unsigned place = 1; place < PLACE_ANY; place <<= 1) {
		if (!(where & place))
			continue;
		buffer_format(to, "%s%s", comma, place_name(place));
		comma = ", ";
	}
}

void
directives_print(struct buffer *to)
{
	buffer_string(to, "directive\tstands in\targuments\tdefault\tmeaning\n");
	for (size_t i = 0; i < directive_count; i++) {
		const struct directive *d = &directives[i];
		const char *block = d->opens == 0 ? "" : d->needs_block ? "{ }" : "[{ }]";

		buffer_format(to, "%s\t", d->word);
		print_places(d->where, to);
		buffer_format(to, "\t%s%s%s\t%s\t%s", d->arguments != NULL ? d->arguments : "",
			      d->arguments != NULL && d->opens != 0 ? " " : "", block,
			      directive_default(d), d->sentence);
		if (d->unit != UNIT_NONE) {
			buffer_string(to, " (");
			amount_format(d->unit, d->min, to);
			buffer_string(to, " to ");
			amount_format(d->unit, d->max, to);
			buffer_char(to, ')');
		}
		if (d->reply != NULL)
			buffer_format(to, "; else %s", d->reply);
		buffer_char(to, '\n');
	}
}
