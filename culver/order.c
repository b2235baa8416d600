/*
 * order - see culver/order.h
 *
 * The letters are Postfix's, Sendmail's among them; callers glue values to their letters, or letters to one another (-ti), or do neither.
 */
#include "culver/order.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/text/span.h"
#include "culver/sendmail.h"

#define RETRY_WORD_MAX 600 /* bytes of "domain=" and what stands behind -qR */

int
order_say(int status, const char *format, ...)
{
	va_list arguments;
	fputs("sendmail: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	return status;
}

/* ---- values ---- */

static int
take_mode(struct order *o, const char *value)
{
	static const struct {
		char letter;
		enum order_mode mode;
	} modes[] = {{'m', ORDER_DELIVER}, {'s', ORDER_SMTP},	 {'v', ORDER_VERIFY},
		     {'p', ORDER_LIST},	   {'i', ORDER_ALIASES}, {'d', ORDER_START},
		     {'l', ORDER_START},   {'h', ORDER_NOTHING}, {'H', ORDER_NOTHING}};
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (value[0] == modes[i].letter && value[1] == '\0') {
			o->mode = modes[i].mode;
			return 0;
		}
	}
	return order_say(SENDMAIL_USAGE, "-b%s is no mode: m, s, v, p, i and d are", value);
}

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

/* what a MIME message may be is the server's to see; only what SMTP has a word for is passed on */
static void
take_body(struct order *o, const char *value)
{
	static const char *const known[] = {"7BIT", "8BITMIME", NULL};
	for (const char *const *word = known; *word != NULL; word++) {
		if (strcasecmp(value, *word) == 0)
			o->body = *word;
	}
}

/* -q, -q30m: all; -qIid, -qRdomain, -qSsender: those */
static int
take_retry(struct order *o, const char *value)
{
	static char word[RETRY_WORD_MAX];
	int n = 0;
	/* beside -bd the interval of an older program is meant: the queue-manager has its own */
	if (o->mode == ORDER_START)
		return 0;
	o->mode = ORDER_RETRY;
	if (value == NULL || (value[0] >= '0' && value[0] <= '9'))
		return 0;
	const char *rest = value + 1;
	if (value[0] == 'I' && rest[0] != '\0')
		n = snprintf(word, sizeof(word), "%s", rest);
	else if (value[0] == 'R' && rest[0] != '\0')
		n = snprintf(word, sizeof(word), "domain=%s", rest);
	else if (value[0] == 'S' && rest[0] != '\0')
		n = snprintf(word, sizeof(word), "from=%s", rest);
	else if (strcmp(value, "f") != 0)
		return order_say(SENDMAIL_USAGE, "-q%s: nothing, -qIID, -qRDOMAIN or -qSSENDER",
				 value);
	if (n >= (int)sizeof(word))
		return order_say(SENDMAIL_USAGE, "-q: longer than %d bytes", RETRY_WORD_MAX);
	o->retry = n > 0 ? word : NULL;
	return 0;
}

/* ---- letters ---- */

/* 0, or the exit status after a sentence */
static int
take_option(struct order *o, int c, const char *value)
{
	switch (c) {
	case 'b':
		return take_mode(o, value);
	case 'B':
		take_body(o, value);
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
	case 'I':
		o->mode = ORDER_ALIASES;
		return 0;
	case 'o':
		/* -oi; all others say how an older program should behave */
		if (strcmp(value, "i") == 0)
			o->dot_is_text = true;
		return 0;
	case 'N':
		o->notify = value;
		return is_notify(value)
			       ? 0
			       : order_say(SENDMAIL_USAGE, "-N wants never, or success, failure "
							   "and delay, parted by commas");
	case 'R':
		o->ret = value;
		return strcasecmp(value, "full") == 0 || strcasecmp(value, "hdrs") == 0
			       ? 0
			       : order_say(SENDMAIL_USAGE, "-R wants full or hdrs");
	case 'V':
		o->envid = value;
		return strlen(value) <= ORDER_ENVID_MAX
			       ? 0
			       : order_say(SENDMAIL_USAGE, "-V: longer than %d bytes",
					   ORDER_ENVID_MAX);
	case 'q':
		return take_retry(o, value);
	case 't':
		o->from_header = true;
		return 0;
	case 'v':
		o->is_verbose = true;
		return 0;
	case '?':
		return order_say(SENDMAIL_USAGE,
				 "usage: sendmail [-t] [-i] [-f SENDER] [-F NAME] [--] "
				 "RECIPIENT...; see sendmail(1)");
	default:
		return 0; /* known, and without a meaning here */
	}
}

int
order_read(struct order *o, int argc, char **argv)
{
	/* "+": behind the first recipient nothing is an option */
	static const char letters[] = "+A:B:C:F:GIL:N:O:R:UV:X:b:cd::e:f:h:imno:p:q::r:stvx";
	int status = 0;
	opterr = 0;
	optind = 0; /* from the start, also when it has read another line */
	for (int c = getopt(argc, argv, letters); c != -1 && status == 0;
	     c = getopt(argc, argv, letters))
		status = take_option(o, c, optarg);
	o->recipients = argv + optind;
	/* mutt ends the options although the administrator's line has done so already */
	while (*o->recipients != NULL && strcmp(*o->recipients, "--") == 0)
		o->recipients++;
	return status;
}
