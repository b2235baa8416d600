/*
 * config - culver.conf as a struct
 *
 * One text, one parser.  master resolves the includes (config_load) and hands the one text to every program, which parses it
 * (config_parse) before it confines itself.  Every directive is a row of the table in directives.c.
 *
 * A config is read-only after it was made; everything in it lives until config_free.
 */
#ifndef COMMON_CONFIG_CONFIG_H
#define COMMON_CONFIG_CONFIG_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/text/arena.h"
#include "common/text/buffer.h"
#include "common/text/span.h"

#define CONFIG_TEXT_MAX (16u << 20)
#define CONFIG_ERRORS_MAX 200 /* more are counted only */
#define CONFIG_RESOLVER_SERVERS_MAX 16
#define CONFIG_ROUTE_TEXT_MAX 400
#define CONFIG_CGROUP_AUTO "auto"
#define CONFIG_CGROUP_NONE "none"
#define CONFIG_LISTENS_MAX 48 /* below START_SOCKETS_MAX: the inner sockets need theirs */

/* 192.0.2.0/24, [2001:db8::]/32 or 2001:db8::/32, or a single address */
struct config_network {
	int family; /* AF_INET, AF_INET6 */
	unsigned char address[16];
	unsigned bits;
};

enum config_role { CONFIG_MX = 1, CONFIG_SUBMISSION, CONFIG_FILTER_RETURN };

/* each word of `limit`; the table in directives.c has unit, default, range, sentence and reply of each */
struct config_limits {
	uint64_t message_size; /* bytes of content */
	uint64_t recipients;   /* of one transaction */
	uint64_t commands;     /* of one session, those without mail effect counted */
	uint64_t errors;       /* of one session, then 421 */
	uint64_t sessions;     /* in all */
	uint64_t sessions_per_client;
	uint64_t command_time;		     /* ms, for one command to arrive */
	uint64_t message_time;		     /* ms, for one message's data to arrive */
	uint64_t session_time;		     /* ms, for a whole session */
	uint64_t hops;			     /* Received lines */
	uint64_t line;			     /* bytes of a line of content, CRLF included */
	uint64_t recipients_per_transaction; /* outgoing */
	uint64_t reply_time;		     /* ms, at most for one reply of another host */
	uint64_t concurrency;		     /* connections per site */
	uint64_t messages_per_connection;
	uint64_t rate;	 /* of a site: microseconds from one message to the next; 0: no limit */
	uint64_t agents; /* delivery agents in all */
	uint64_t mailbox_agents;      /* file agents in all */
	uint64_t mailbox_concurrency; /* file agents per user */
	uint64_t mailbox_time;	      /* ms, for one letter into a mailbox */
	uint64_t pipe_agents;	      /* agents of commands and other lines, in all */
	uint64_t pipe_time;	      /* ms, for one command to end */
	uint64_t pipe_memory;	      /* bytes of one process of a command */
	uint64_t pipe_processes;      /* of a user, while a command of his runs */
	uint64_t expn_per_hour;	      /* EXPN of one client */
	uint64_t etrn_interval;	      /* ms between two ETRN for one domain */
	uint64_t disk_floor;	      /* bytes free on the spool */
	uint64_t inode_floor;
	uint64_t reserve;    /* bytes of SPOOL/reserve */
	uint64_t trace_size; /* bytes of the trace store */
};

#define CONFIG_PAIRS_MAX 16 /* certificates with their keys, in all */

struct config_pair {
	char *certificate, *key; /* paths of files */
};

struct config_words {
	char **words;
	size_t count;
};

/* which versions and ciphers: what Mozilla's names mean, of TLS 1.2 and 1.3 (smtpd/tls.c) */
enum config_tls_policy { CONFIG_TLS_INTERMEDIATE, CONFIG_TLS_MODERN, CONFIG_TLS_OLD };

#define CONFIG_FINGERPRINT_LEN 64 /* hex digits of SHA-256 */
#define CONFIG_AUTHORITIES_MAX 8  /* files of `client-ca`, in all */

enum config_client_certificate {
	CONFIG_CLIENT_NONE,    /* none is asked for */
	CONFIG_CLIENT_ASK,     /* one that is shown is verified; a client without goes on */
	CONFIG_CLIENT_REQUIRE, /* without a verified one there is no session */
};

struct config_tls {
	bool is_given;
	struct config_words certificates; /* as written: a directory ends with a slash */
	struct config_words keys;
	enum config_tls_policy policy;
	size_t pairs[CONFIG_PAIRS_MAX]; /* indices of config->pairs; the first is the default */
	size_t pair_count;		/* 0: no TLS */
	enum config_client_certificate client;
	char *client_ca;	  /* path; NULL: none */
	size_t authority;	  /* index of config->authorities, where `client` asks */
	bool every_client_relays; /* `client-relay verified` */
	struct config_words
		client_relays; /* names, and fingerprints: 64 hex digits in lower case */
};

/* fields that tell of the sender what his recipients need not know */
enum config_private { CONFIG_PRIVATE_UNSAID, CONFIG_PRIVATE_KEEP, CONFIG_PRIVATE_REMOVE };
/* must the authors in From and Sender be addresses of who sends? */
enum config_alignment { CONFIG_ALIGNMENT_UNSAID, CONFIG_ALIGNMENT_OFF, CONFIG_ALIGNMENT_REJECT };

/* what is demanded of a next hop at least */
enum config_hop_level {
	CONFIG_HOP_OPPORTUNISTIC, /* TLS where it is to be had */
	CONFIG_HOP_NONE,	  /* plain text */
	CONFIG_HOP_REQUIRED,	  /* TLS, whoever the host is */
	CONFIG_HOP_VERIFIED,	  /* and a certificate that an authority stands for */
};

enum config_hop_implicit { CONFIG_HOP_BY_PORT, CONFIG_HOP_IMPLICIT, CONFIG_HOP_STARTTLS };

/* TLS with the next hops of a block; config_hop_tls_of */
struct config_hop_tls {
	bool is_given;
	enum config_hop_level level;
	bool dane, sts; /* what the domain publishes itself is demanded, too (RFC 7672, RFC 8461) */
	struct config_words
		names; /* verified: one of them is the host's; none: by which it is known */
	char *ca;      /* file of authorities; NULL: those of the system */
	enum config_tls_policy policy;
	enum config_hop_implicit implicit; /* TLS from the first byte on */
};

#define CONFIG_HOP_NAMES_MAX 16

struct config_listen {
	struct sockaddr_storage address;
	socklen_t address_len;
	char *name; /* as written: [::]:25 */
	enum config_role role;
	struct config_limits limits; /* those of the block over the general ones */
	bool offers_auth;	     /* of a submission address: always, and required */
	enum config_private
		private_headers; /* of who has logged in; else the general one, and so is */
	enum config_alignment from_alignment;
	struct config_tls tls; /* that of the block, else the general one */
	bool implicit_tls;     /* from the first byte on */
};

enum config_ending { CONFIG_MAILDIR = 1, CONFIG_MBOX, CONFIG_PIPE, CONFIG_LMTP };

/* what a table is asked for */
enum config_use {
	CONFIG_ALIASES,	   /* local part -> addresses */
	CONFIG_VIRTUAL,	   /* user@domain, @domain -> addresses */
	CONFIG_USERS,	   /* user@domain -> empty, or home= quota= deliver= */
	CONFIG_RECIPIENTS, /* user@domain -> anything */
	CONFIG_DELIVER_BY, /* user@domain -> the name of a delivery */
	CONFIG_USES,
};

/* tables in their order, as written: the path of a text table, or the name of a `table` */
struct config_tables {
	char **words;
	size_t count;
};

enum config_table_type {
	CONFIG_TABLE_FILE = 1,
	CONFIG_TABLE_PCRE,
	CONFIG_TABLE_CIDR,
	CONFIG_TABLE_SQLITE,
};

struct config_table {
	const char *name;
	enum config_table_type type;
	const char *path;
	const char *query; /* sqlite alone */
};

/* may a session wait until a message is delivered, before it is brought to the disk? */
enum config_early { CONFIG_EARLY_UNSAID, CONFIG_EARLY_AUTO, CONFIG_EARLY_OFF, CONFIG_EARLY_WAIT };

struct config_early_delivery {
	enum config_early how;
	uint64_t wait; /* ms; CONFIG_EARLY_WAIT alone */
};

#define CONFIG_EARLY_WAIT_MAX_MS 20000

/* one way to a mailbox: `deliver`, or a `delivery` with a name, which tables may choose by it */
struct config_delivery {
	char *name; /* empty: that of `deliver` */
	enum config_ending ending;
	char *path; /* maildir, mbox: with ~ {user} {ext} {domain} {home}; of others ~/Maildir, unused */
	char **pipe_words; /* pipe: command and arguments, with {words}; one that begins with `|` is for the shell */
	size_t pipe_word_count;
	char *hops; /* lmtp: a word of common/mail/hop.h */
};

struct config_domain {
	char **names; /* lower case; the first names the block */
	size_t name_count;
	struct config_tables tables[CONFIG_USES];
	bool users_system; /* neither `users TABLE` nor `relay`, nor verified at `deliver lmtp` */
	bool is_verified;  /* `recipients verify`: the next hop is asked for each */
	char *as_user;	   /* who owns the mailboxes of `users TABLE`; NULL: who runs this */
	char *catch_all;   /* an address, or a name of this domain; NULL: none */
	char *relay;	   /* words of common/mail/hop.h, parted by blanks; NULL: mail ends here */
	char *home; /* of a virtual user: a path that ends in the component with {user}; NULL: as `deliver` says */
	struct config_delivery deliver;
	struct config_delivery *deliveries; /* those with a name, in their order */
	size_t delivery_count;
	bool forward; /* users have a .forward */
	struct config_early_delivery early;
	struct config_hop_tls tls;
};

/* a local name; config->names has each, sorted by bytes */
struct config_name {
	struct span name;
	size_t domain; /* index of config->domains */
};

/* who is asked for names */
enum config_resolver {
	CONFIG_RESOLVER_SYSTEM = 1, /* the name servers of /etc/resolv.conf */
	CONFIG_RESOLVER_RECURSIVE,  /* from the root on, ourselves */
	CONFIG_RESOLVER_SERVERS,    /* config->resolver_servers */
};

enum config_route_action {
	CONFIG_ROUTE_NONE, /* only while its block is read */
	CONFIG_ROUTE_HOPS, /* smtp, lmtp */
	CONFIG_ROUTE_REFUSE,
	CONFIG_ROUTE_DISCARD,
	CONFIG_ROUTE_DEFER,
	CONFIG_ROUTE_HOLD,
};

/* where the mail of one domain, or of all below one, goes */
struct config_route {
	char *name; /* as written, lower case: its dot says that it is for what is below */
	enum config_route_action action;
	char *hops; /* words of common/mail/hop.h, parted by blanks; NULL unless HOPS */
	char *text; /* refuse, defer, hold: what is said; NULL: none was given */
	struct config_early_delivery early;
	struct config_hop_tls tls;
	struct config_network
		*etrn_from; /* clients that may ask for the mail of its domains (RFC 1985) */
	size_t etrn_from_count;
};

/* what a reply means, before what comes with Culver is asked; the line is one of common/config/replies.h */
struct config_reply {
	char *line;
	char *file; /* where it stands */
	unsigned number;
};

/* receivers that belong together: hosts of that name are one site, with these limits; 0: that of `limit` */
struct config_site {
	char **names; /* lower case; `*.` at the front: all names below */
	size_t name_count;
	uint64_t concurrency;
	uint64_t messages_per_connection;
	uint64_t rate;
};

enum config_budget_kind {
	CONFIG_BUDGET_MESSAGES,
	CONFIG_BUDGET_RECIPIENTS,
	CONFIG_BUDGET_BYTES,
	CONFIG_BUDGET_KINDS
};

enum config_budget_period { CONFIG_BUDGET_HOUR, CONFIG_BUDGET_DAY, CONFIG_BUDGET_PERIODS };

/* what one sender may send; 0: no bound */
struct config_budget {
	char **senders; /* logins, and `uid:NUMBER` for users of this host; none: everybody else */
	size_t sender_count;
	/* bytes: of content, of each message once */
	uint64_t limit[CONFIG_BUDGET_KINDS][CONFIG_BUDGET_PERIODS];
};

struct config_outbound {
	char *hops;	      /* the smarthosts, words of common/mail/hop.h; NULL: none */
	uint64_t retry_first; /* ms */
	uint64_t retry_max;   /* ms */
	uint64_t lifetime;    /* ms */
	/* ms: a sender is told that his message is still here; 0: never */
	uint64_t delay_notice;
	/* ms: a site that has been dead for so long gets no new mail, which is returned at once; 0: never */
	uint64_t refuse_dead;
	struct config_early_delivery early;
	struct config_hop_tls tls;
	struct config_reply *replies; /* in their order */
	size_t reply_count;
};

enum config_auth_source {
	CONFIG_AUTH_ACCOUNTS, /* of `culver user` */
	CONFIG_AUTH_DOVECOT,
	CONFIG_AUTH_PAM,
};

/* who logs in, and what he may send */
struct config_auth {
	enum config_auth_source source;
	char *accounts;		      /* directory */
	char *dovecot;		      /* path, or ADDRESS:PORT */
	char *pam;		      /* service */
	bool has_certificates;	      /* EXTERNAL: who a client's certificate names logs in */
	bool may_be_clear;	      /* on the loopback: without TLS */
	struct config_tables senders; /* address -> logins; none: a login's own */
};

/* `recipients verify`: how a next hop is asked, and for how long its answer holds */
struct config_verify {
	char *cache;	      /* directory of the answers */
	uint64_t positive[2]; /* ms: an address that was taken is believed; asked for again after */
	uint64_t negative[2]; /* the same of one that was refused */
	char *sender;	      /* of a probe; empty: the null reverse-path */
	bool unknown_waits;   /* what the next hop cannot be asked for is 450, and not taken */
	uint64_t wait;	      /* ms, of a session */
	uint64_t probes;      /* connections to a next hop at a time */
};

enum config_log_sink { CONFIG_LOG_STDERR = 1, CONFIG_LOG_SYSLOG, CONFIG_LOG_FILE };
enum config_log_format { CONFIG_LOG_TEXT = 1, CONFIG_LOG_JSON, CONFIG_LOG_POSTFIX };

struct config {
	struct arena arena;
	char *hostname; /* lower case */
	char *origin;
	char *spool;
	char *runtime;
	char *trace;	 /* directory of log's store */
	char *drop;	 /* directory for letters while the system is stopped */
	char *root_mail; /* Maildir of root and postmaster when no alias takes them */
	enum config_log_sink log_sink;
	char *log_file;
	enum config_log_format log_format;
	struct config_network *relay_from;
	size_t relay_from_count;
	struct config_network *expn_from; /* clients that may say EXPN */
	size_t expn_from_count;
	struct config_words expn_logins;      /* and those who have logged in so, lower case, */
	bool expn_all_logins;		      /* or however */
	char extension;			      /* between user and extension; 0: none */
	enum config_private private_headers;  /* of users of this host, and */
	enum config_alignment from_alignment; /* where no `listen` says another */
	bool repair_line_ends; /* bare CR or LF of a client in relay-from becomes CRLF */
	uint64_t min_uid;      /* below it a user is nobody to deliver to */
	char *alias_user;      /* as whom commands of root's aliases run */
	char *command_cgroup; /* CONFIG_CGROUP_AUTO, CONFIG_CGROUP_NONE, or a path: where each command has a control group */
	struct config_early_delivery early;
	struct config_listen *listens;
	size_t listen_count;
	struct config_tls tls;
	struct config_pair pairs[CONFIG_PAIRS_MAX];
	size_t pair_count;
	const char *authorities[CONFIG_AUTHORITIES_MAX]; /* paths of `client-ca`, each once */
	size_t authority_count;
	struct config_table *named_tables;
	size_t named_table_count;
	struct config_domain *domains; /* hostname and localhost are in it, even without a block */
	size_t domain_count;
	struct config_name *names;
	size_t name_count;
	struct config_outbound outbound;
	struct config_auth auth;
	struct config_verify verify;
	enum config_resolver resolver;
	char **resolver_servers; /* ADDRESS or ADDRESS@PORT, as libunbound takes them */
	size_t resolver_server_count;
	char *trust_anchor;	   /* file; NULL: the default one, if it is there */
	bool is_unvalidated;	   /* `trust-anchor none` */
	bool hosts;		   /* /etc/hosts is asked before the DNS */
	struct config_site *sites; /* in their order */
	size_t site_count;
	struct config_budget *budgets; /* in their order */
	size_t budget_count;
	struct config_route *routes; /* sorted by name */
	size_t route_count;
	struct config_limits limits;
};

/* one mistake: where, what is wrong, what was expected, and perhaps the nearest known word */
struct config_error {
	char *file;
	unsigned line, column; /* from 1; columns in bytes */
	char *text;	       /* "unknown directive `hostnam`; did you mean `hostname`?" */
};

struct config_errors {
	struct arena arena; /* of files and texts */
	struct config_error list[CONFIG_ERRORS_MAX];
	size_t count; /* may pass CONFIG_ERRORS_MAX: those were not kept */
};

void config_errors_init(struct config_errors *e);
void config_errors_free(struct config_errors *e);
/* one line a mistake, file:line:column: text */
void config_errors_print(const struct config_errors *e, struct buffer *to);

/*
 * config_load - the text of `path`, every `include` replaced by what it names
 *
 * The text is added to what is in `text`; each part of it begins with a line `#@ FILE LINE`, by which config_parse knows where it
 * stands.  -1: errors say why (a file cannot be read, includes in a circle, too large); what could be read is in `text` all
 * the same, so that config_parse can tell of further mistakes.
 */
int config_load(const char *path, struct buffer *text, struct config_errors *errors)
	__attribute__((warn_unused_result));

/* what is not in the text: */
struct config_defaults {
	bool as_root;
	const char *hostname; /* of the machine */
	const char *mailname; /* first line of /etc/mailname, or NULL */
	const char *runtime;  /* NULL: `run` beside the spool */
	const char *spool;
	/* /var/lib/culver: parent of trace/ and root/; of an ordinary user who names a spool, what is beside it */
	const char *state;
	bool log_to_stderr; /* culver run */
};

/* config_defaults_find - what this machine and user give (reads /etc/mailname; getenv XDG_RUNTIME_DIR for an ordinary user); static storage */
void config_defaults_find(struct config_defaults *d, bool log_to_stderr);
/* the defaults as comment lines `#= NAME VALUE` on top of the text, so that every program parses with the same ones */
void config_defaults_write(const struct config_defaults *d, struct buffer *to);

/*
 * config_parse - the whole text; NULL when there is a mistake (errors has every one) or memory is out
 *
 * `defaults` NULL: taken from the `#=` lines.
 */
struct config *config_parse(struct span text, const struct config_defaults *defaults,
			    struct config_errors *errors);
void config_free(struct config *c);

/* the parsed configuration of descriptor 3; fatal() when it does not parse (master has checked it) */
const struct config *config_take(void);

/* ---- questions that several programs ask ---- */

bool config_may_relay(const struct config *c, const struct sockaddr *client);
bool config_may_expn(const struct config *c, const struct sockaddr *client);
/* the same of who has logged in, in lower case */
bool config_may_expn_login(const struct config *c, struct span login);
/* may the client ask by ETRN for mail of the route's domains?  `route` NULL: of any domain at all? */
bool config_may_etrn(const struct config *c, const struct config_route *route,
		     const struct sockaddr *client);
/* NULL: not a local domain.  `name` in lower case. */
const struct config_domain *config_domain_find(const struct config *c, struct span name);
/* config_verified_hops - where the block's recipients are asked for, as words of common/mail/hop.h; NULL: they are not */
const char *config_verified_hops(const struct config_domain *d);
/* config_delivery_find - by its name, or `deliver` by none or by its kind (`maildir`); NULL: the block has none of that name */
const struct config_delivery *config_delivery_find(const struct config_domain *d, struct span name);
/* config_homes - where virtual users are at home, as common/config/mailbox.h reads it: `home`, else the path of `deliver` */
const char *config_homes(const struct config_domain *d);
/* config_table_find - the table that a word of a domain block means; -1: there is none.  It points into `word` and the configuration. */
int config_table_find(const struct config *c, const char *word, struct config_table *table)
	__attribute__((warn_unused_result));
/* the `site` that a mail host belongs to; NULL: none names it */
const struct config_site *config_site_find(const struct config *c, struct span host);
/* the budget of a sender, named as in config_budget: the first that names him, else the first without names; NULL: none */
const struct config_budget *config_budget_find(const struct config *c, struct span sender);
/* one bound of it, as words: 100 messages an hour */
void config_budget_format(const struct config_budget *b, enum config_budget_kind kind,
			  enum config_budget_period period, struct buffer *to);
/* the route of a domain: its own one, else that of the nearest `.PARENT`; NULL: none.  `name` in lower case. */
const struct config_route *config_route_find(const struct config *c, struct span name);
/*
 * config_early_of - what the block says that a place is of, else the general line, else auto; never UNSAID
 *
 * `block` as in a leaf of lookup: "outbound", the name of a route, or the first name of a domain.
 */
struct config_early_delivery config_early_of(const struct config *c, struct span block);
/* config_hop_tls_of - of a block, named so: its own, else what a host of the public network wants: DANE and MTA-STS where they are published, else opportunistic */
const struct config_hop_tls *config_hop_tls_of(const struct config *c, struct span block);
/* the longest that any place may be waited for, ms; `standard` is what auto means; 0: none may */
uint64_t config_early_longest(const struct config *c, uint64_t standard);

#endif
