/*
 * sendmail - the classic command
 *
 * Called by culver/names.c.  No rights of its own: it speaks SMTP with submit(8), which knows from the kernel who has called.  It needs no
 * configuration.
 *
 * Promises: status 0 means that submit has said 250, for all recipients; with any other status nothing was sent to anybody.
 */
#include "culver/sendmail.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/mail/header.h"
#include "common/system/fatal.h"
#include "common/system/start.h"
#include "common/text/arena.h"
#include "culver/letter.h"
#include "culver/mailboxes.h"
#include "culver/names.h"
#include "culver/options.h"
#include "culver/submission.h"

#define RECIPIENTS_MEMORY (64u << 20)
#define XTEXT_MAX 400
#define NAME_MAX_LEN 200

enum mode { MODE_DELIVER = 'm', MODE_SMTP = 's', MODE_LIST = 'p', MODE_ALIASES = 'i' };

struct order {
	struct culver_options options;
	enum mode mode;
	bool from_header; /* -t */
	bool dot_is_text; /* -i */
	bool is_verbose;
	bool retries;	    /* -q */
	const char *sender; /* -f; NULL: not given */
	const char *name;   /* -F; NULL: not given */
	const char *notify, *ret, *envid;
	char login[NAME_MAX_LEN], full_name[NAME_MAX_LEN];
	struct arena arena;
	struct span *recipients;
	size_t count, room;
	struct buffer word; /* for one address */
};

__attribute__((format(printf, 2, 3))) static int
say(int status, const char *format, ...)
{
	va_list arguments;
	fputs("sendmail: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	return status;
}

/* ---- options ---- */

static bool
is_notify(const char *text)
{
	struct span rest = span_of(text);
	if (strcasecmp(text, "never") == 0)
		return true;
	while (rest.len > 0) {
		struct span word = span_cut(&rest, ',');
		if (!span_equal_nocase(word, SPAN("success")) &&
		    !span_equal_nocase(word, SPAN("failure")) &&
		    !span_equal_nocase(word, SPAN("delay")))
			return false;
	}
	return text[0] != '\0' && text[strlen(text) - 1] != ',';
}

/* 0, or the exit status after a sentence */
static int
take_option(struct order *o, int c, const char *value)
{
	switch (c) {
	case 'b':
		if (strlen(value) != 1 || strchr("mspi", value[0]) == NULL)
			return say(SENDMAIL_USAGE,
				   "-b%s is not offered; `culver start` starts the system", value);
		o->mode = (enum mode)value[0];
		return 0;
	case 'C':
		o->options.config = value;
		o->options.config_given = true;
		return 0;
	case 'f':
	case 'r':
		o->sender = value;
		return 0;
	case 'F':
		o->name = value;
		return 0;
	case 'i':
		o->dot_is_text = true;
		return 0;
	case 'o':
		/* -oi; all others say how an older program should behave */
		if (strcmp(value, "i") == 0)
			o->dot_is_text = true;
		return 0;
	case 'N':
		o->notify = value;
		return is_notify(value) ? 0
					: say(SENDMAIL_USAGE, "-N wants never, or success, failure "
							      "and delay, parted by commas");
	case 'R':
		o->ret = value;
		return strcasecmp(value, "full") == 0 || strcasecmp(value, "hdrs") == 0
			       ? 0
			       : say(SENDMAIL_USAGE, "-R wants full or hdrs");
	case 'V':
		o->envid = value;
		return strlen(value) <= 100 ? 0 : say(SENDMAIL_USAGE, "-V: longer than 100 bytes");
	case 'q':
		o->retries = true;
		return 0;
	case 't':
		o->from_header = true;
		return 0;
	case 'v':
		o->is_verbose = true;
		return 0;
	case '?':
		return say(SENDMAIL_USAGE, "usage: sendmail [-t] [-i] [-f SENDER] [-F NAME] [--] "
					   "RECIPIENT...; see sendmail(1)");
	default:
		return 0; /* known, and without a meaning here */
	}
}

static int
take_options(struct order *o, int argc, char **argv)
{
	/* "+": behind the first recipient nothing is an option */
	static const char letters[] = "+A:B:C:F:GIL:N:O:R:UV:X:b:d::e:f:h:imno:p:q::r:stvx";
	int status = 0;
	opterr = 0;
	for (int c = getopt(argc, argv, letters); c != -1 && status == 0;
	     c = getopt(argc, argv, letters))
		status = take_option(o, c, optarg);
	return status;
}

/* ---- who sends ---- */

static void
find_user(struct order *o)
{
	const struct passwd *user = getpwuid(getuid());
	const char *name = o->name != NULL ? o->name : getenv("NAME");
	if (user == NULL)
		snprintf(o->login, sizeof(o->login), "uid%u", (unsigned)getuid());
	else
		snprintf(o->login, sizeof(o->login), "%s", user->pw_name);
	if (name != NULL)
		snprintf(o->full_name, sizeof(o->full_name), "%s", name);
	else if (user != NULL && user->pw_gecos != NULL)
		snprintf(o->full_name, sizeof(o->full_name), "%.*s",
			 (int)strcspn(user->pw_gecos, ",&"), user->pw_gecos);
	for (char *at = o->full_name; *at != '\0'; at++) {
		if ((unsigned char)*at < ' ' || *at == 0x7f || *at == '"' || *at == '\\')
			*at = ' ';
	}
}

/* the one address in -f; 0, or the exit status */
static int
read_sender(struct order *o, struct span *sender)
{
	struct span rest = span_of(o->sender != NULL ? o->sender : o->login);
	*sender = SPAN_NONE;
	if (rest.len == 0)
		return 0;
	if (mailboxes_next(&rest, &o->word) != MAILBOXES_ONE || rest.len > 0)
		return say(SENDMAIL_USAGE, "-f: %s is no address", o->sender);
	*sender = arena_span(&o->arena, buffer_get(&o->word));
	return 0;
}

/* ---- recipients ---- */

static int
add_recipient(struct order *o, struct span address)
{
	if (o->count == o->room) {
		size_t room = o->room > 0 ? 2 * o->room : 64;
		struct span *more = reallocarray(o->recipients, room, sizeof(*more));
		if (more == NULL)
			return say(EXIT_TRY_LATER, "memory is out");
		o->recipients = more;
		o->room = room;
	}
	struct span kept = arena_span(&o->arena, address);
	if (kept.at == NULL)
		return say(EXIT_TRY_LATER, "too many recipients");
	o->recipients[o->count++] = kept;
	return 0;
}

/* the addresses of a list; `where` for the sentence, `wrong` the status for what is no address */
static int
add_list(struct order *o, struct span list, const char *where, int wrong)
{
	int status = 0;
	while (status == 0) {
		switch (mailboxes_next(&list, &o->word)) {
		case MAILBOXES_ONE:
			if (o->word.len == 0)
				return say(wrong, "%s: an empty address", where);
			status = add_recipient(o, buffer_get(&o->word));
			break;
		case MAILBOXES_END:
			return 0;
		case MAILBOXES_WRONG:
			return say(wrong, "%s: something that is no address", where);
		}
	}
	return status;
}

static bool
is_one_of(struct span name, const char *const *names)
{
	for (; *names != NULL; names++) {
		if (span_equal_nocase(name, span_of(*names)))
			return true;
	}
	return false;
}

static bool
has_field(struct span header, const char *const *names)
{
	struct span name, value;
	while (header_field(&header, &name, &value, NULL)) {
		if (is_one_of(name, names))
			return true;
	}
	return false;
}

/* -t: those of a message that is sent again are in the Resent fields (RFC 5322, section 3.6.6) */
static int
add_header(struct order *o, struct span header)
{
	static const char *const first[] = {"To", "Cc", "Bcc", NULL};
	static const char *const again[] = {"Resent-To", "Resent-Cc", "Resent-Bcc", NULL};
	const char *const *wanted = has_field(header, again) ? again : first;
	struct span name, value;
	int status = 0;
	while (status == 0 && header_field(&header, &name, &value, NULL)) {
		char where[32];
		if (!is_one_of(name, wanted))
			continue;
		snprintf(where, sizeof(where), "%.*s", SPAN_ARG(name));
		status = add_list(o, value, where, SENDMAIL_DATA);
	}
	return status;
}

static int
find_recipients(struct order *o, char **words, struct span header)
{
	int status = 0;
	for (; *words != NULL && status == 0; words++)
		status = add_list(o, span_of(*words), *words, SENDMAIL_USAGE);
	if (status == 0 && o->from_header)
		status = add_header(o, header);
	if (status == 0 && o->count == 0)
		status = o->from_header ? say(SENDMAIL_DATA, "the message names no recipient")
					: say(SENDMAIL_USAGE, "no recipient; -t takes them from "
							      "the message");
	return status;
}

/* ---- the conversation ---- */

/* what an answer that is not the hoped for means to the caller */
static int
refused(const struct submission *s, struct span about, int permanent)
{
	int status = s->code >= 500 ? permanent : EXIT_TRY_LATER;
	if (about.len > 0)
		return say(status, "%.*s: %d %s", SPAN_ARG(about), s->code, s->text);
	if (s->code == 0)
		return say(status, "%s", s->text);
	return say(status, "%d %s", s->code, s->text);
}

/* RFC 3461, section 4 */
static void
write_xtext(const char *text, char to[XTEXT_MAX])
{
	size_t len = 0;
	for (; *text != '\0' && len + 4 < XTEXT_MAX; text++) {
		unsigned char c = (unsigned char)*text;
		if (c > ' ' && c < 0x7f && c != '+' && c != '=')
			to[len++] = *text;
		else
			len += (size_t)snprintf(to + len, XTEXT_MAX - len, "+%02X", c);
	}
	to[len] = '\0';
}

static bool
has_high(struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		if ((unsigned char)text.at[i] >= 0x80)
			return true;
	}
	return false;
}

static int
say_mail(const struct order *o, struct submission *s, struct span sender)
{
	char dsn[XTEXT_MAX + 40] = "", xtext[XTEXT_MAX];
	bool needs_utf8 = has_high(sender);
	for (size_t i = 0; i < o->count; i++)
		needs_utf8 = needs_utf8 || has_high(o->recipients[i]);
	int len = 0;
	if (o->ret != NULL && s->has_dsn)
		len = snprintf(dsn, sizeof(dsn), " RET=%s", o->ret);
	if (o->envid != NULL && s->has_dsn) {
		write_xtext(o->envid, xtext);
		snprintf(dsn + len, sizeof(dsn) - (size_t)len, " ENVID=%s", xtext);
	}
	if (!submission_say(s, "MAIL FROM:<%.*s>%s%s", SPAN_ARG(sender),
			    needs_utf8 && s->has_utf8 ? " SMTPUTF8" : "", dsn) ||
	    submission_hear(s, SUBMISSION_ANSWER_MS) != 250)
		return refused(s, sender, SENDMAIL_DATA);
	return 0;
}

static int
say_recipients(const struct order *o, struct submission *s)
{
	int status = 0;
	for (size_t done = 0, said = 0; done < o->count; done++) {
		while (said < o->count && said - done < SUBMISSION_RECIPIENTS_MAX) {
			bool has_notify = o->notify != NULL && s->has_dsn;
			if (!submission_say(s, "RCPT TO:<%.*s>%s%s", SPAN_ARG(o->recipients[said]),
					    has_notify ? " NOTIFY=" : "",
					    has_notify ? o->notify : ""))
				return refused(s, SPAN_NONE, EXIT_UNAVAILABLE);
			said++;
		}
		if (submission_hear(s, SUBMISSION_ANSWER_MS) / 100 == 2)
			continue;
		int now = refused(s, o->recipients[done], SENDMAIL_NO_USER);
		if (s->code == 0)
			return now;
		/* what is permanent outweighs what may pass */
		if (status != SENDMAIL_NO_USER)
			status = now;
	}
	return status;
}

/* a From field, for a message that has none */
static bool
put_author(const struct order *o, struct submission *s, const struct letter *l, struct span sender,
	   bool *at_line_start)
{
	static const char *const names[] = {"From", NULL};
	char line[NAME_MAX_LEN + 2 * MAILBOXES_MAX];
	if (has_field(l->header, names) || sender.len == 0 || s->origin[0] == '\0')
		return true;
	bool is_whole = span_has(sender, '@');
	bool has_name = o->full_name[0] != '\0';
	int n = snprintf(line, sizeof(line), "From: %s%s%s%.*s%s%s%s\r\n", has_name ? "\"" : "",
			 o->full_name, has_name ? "\" <" : "", SPAN_ARG(sender),
			 is_whole ? "" : "@", is_whole ? "" : s->origin, has_name ? ">" : "");
	return n < 0 || n >= (int)sizeof(line) ||
	       submission_put(s, span_from(line, (size_t)n), at_line_start);
}

/* the header without those whom the others shall not see */
static bool
put_header(struct submission *s, const struct letter *l, bool *at_line_start)
{
	static const char *const blind[] = {"Bcc", "Resent-Bcc", NULL};
	struct span rest = l->header, name, value, whole;
	while (header_field(&rest, &name, &value, &whole)) {
		if (!is_one_of(name, blind) && !submission_put(s, whole, at_line_start))
			return false;
	}
	return !l->lacks_line || submission_put(s, SPAN("\r\n"), at_line_start);
}

/* 0, or the exit status; the connection is given up in the middle when the input fails: then nothing was sent */
static int
say_content(const struct order *o, struct submission *s, struct letter *l, struct span sender)
{
	bool at_line_start = true;
	struct buffer chunk;
	int more = 1;
	if (!submission_say(s, "DATA") || submission_hear(s, SUBMISSION_ANSWER_MS) != 354)
		return refused(s, SPAN_NONE, EXIT_UNAVAILABLE);
	buffer_init(&chunk, (size_t)4 * LETTER_CHUNK);
	bool is_well = put_author(o, s, l, sender, &at_line_start) &&
		       put_header(s, l, &at_line_start) &&
		       submission_put(s, l->content, &at_line_start);
	while (is_well && (more = letter_more(l, &chunk)) > 0)
		is_well = submission_put(s, buffer_get(&chunk), &at_line_start);
	int error = errno;
	buffer_free(&chunk);
	if (more < 0)
		return say(SENDMAIL_INPUT, "standard input: %s", strerror(error));
	/* a server that has stopped to listen has said why */
	if (is_well)
		(void)!submission_say(s, ".");
	if (submission_hear(s, SUBMISSION_END_MS) != 250)
		return refused(s, SPAN_NONE, SENDMAIL_DATA);
	return 0;
}

static int
connect_submit(const struct order *o)
{
	char path[START_PATH_MAX + START_NAME_MAX];
	const char *runtime = options_runtime(&o->options);
	if (runtime == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/submission", runtime);
	int fd = submission_connect(path);
	if (fd < 0)
		say(0, "the mail system does not run, try again later (%s: %s)", path,
		    strerror(errno));
	return fd;
}

static int
converse(const struct order *o, struct letter *l, struct span sender)
{
	static struct submission s;
	int fd = connect_submit(o);
	if (fd < 0)
		return EXIT_TRY_LATER;
	s = (struct submission){.is_verbose = o->is_verbose};
	int status = 0;
	if (!submission_begin(&s, fd))
		status = refused(&s, SPAN_NONE, EXIT_UNAVAILABLE);
	if (status == 0)
		status = say_mail(o, &s, sender);
	if (status == 0)
		status = say_recipients(o, &s);
	if (status == 0)
		status = say_content(o, &s, l, sender);
	/* after 250 the message is the system's, whatever becomes of the farewell */
	if (s.code != 0 && submission_say(&s, "QUIT"))
		(void)submission_hear(&s, SUBMISSION_ANSWER_MS);
	submission_end(&s);
	return status;
}

static int
deliver(struct order *o, char **words)
{
	struct letter l;
	struct span sender;
	find_user(o);
	int status = read_sender(o, &sender);
	/* what is wrong with the words is said before anything is read */
	if (status == 0 && !o->from_header) {
		status = find_recipients(o, words, SPAN_NONE);
		words = NULL;
	}
	if (status != 0)
		return status;
	if (letter_begin(&l, STDIN_FILENO, !o->dot_is_text) != 0)
		return errno != 0 ? say(SENDMAIL_INPUT, "standard input: %s", strerror(errno))
				  : say(SENDMAIL_DATA, "the header is longer than %u bytes",
					LETTER_FIRST);
	if (words != NULL)
		status = find_recipients(o, words, l.header);
	if (status == 0)
		status = converse(o, &l, sender);
	letter_free(&l);
	return status;
}

/* ---- -bs ---- */

/* what is there goes on; false: the end, or trouble */
static bool
pass(int from, int to)
{
	char bytes[LETTER_CHUNK];
	ssize_t n = read(from, bytes, sizeof(bytes));
	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	for (ssize_t done = 0; done < n;) {
		ssize_t m = write(to, bytes + done, (size_t)(n - done));
		if (m < 0 && errno != EINTR)
			return false;
		done += m > 0 ? m : 0;
	}
	return n > 0;
}

/* SMTP on standard input and output: the session is submit's, from its banner on */
static int
speak(const struct order *o)
{
	int fd = connect_submit(o);
	if (fd < 0) {
		printf("421 4.3.2 the mail system does not run, try again later\r\n");
		return EXIT_TRY_LATER;
	}
	struct pollfd wait[2] = {{.fd = STDIN_FILENO, .events = POLLIN},
				 {.fd = fd, .events = POLLIN}};
	for (;;) {
		if (poll(wait, 2, -1) < 0 && errno != EINTR)
			return say(EXIT_OS, "poll: %s", strerror(errno));
		if (wait[1].revents != 0 && !pass(fd, STDOUT_FILENO))
			return 0;
		if (wait[0].revents != 0 && !pass(STDIN_FILENO, fd)) {
			shutdown(fd, SHUT_WR);
			wait[0].fd = -1;
		}
	}
}

int
sendmail_main(int argc, char **argv)
{
	static struct order o;
	o = (struct order){.mode = MODE_DELIVER};
	names_options(&o.options);
	arena_init(&o.arena, RECIPIENTS_MEMORY);
	buffer_init(&o.word, MAILBOXES_MAX + 16);
	signal(SIGPIPE, SIG_IGN);
	int status = take_options(&o, argc, argv);
	if (status != 0)
		return status;
	if (o.retries)
		return names_retry(&o.options);
	switch (o.mode) {
	case MODE_DELIVER:
		return deliver(&o, argv + optind);
	case MODE_SMTP:
		return speak(&o);
	case MODE_LIST:
		return names_list(&o.options);
	case MODE_ALIASES:
		return names_aliases();
	}
	return SENDMAIL_USAGE;
}
