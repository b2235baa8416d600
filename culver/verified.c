/*
 * verified - see verified.h
 *
 * Opens the database (common/verified/store.h) that the program verify keeps, whether Culver runs or not; what is forgotten is asked for anew.
 */
#include "culver/verified.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/mail/address.h"
#include "common/system/fatal.h"
#include "common/text/buffer.h"
#include "common/text/escape.h"
#include "common/verified/store.h"

#define PATH_MAX_BYTES 600
#define JSON_MAX 16384 /* a row, each byte of it escaped */

static const char *
outcome_word(enum verify_outcome outcome)
{
	return outcome == VERIFY_TAKEN ? "taken" : "refused";
}

/* ---- a row ---- */

static void
json_member(struct buffer *to, const char *key, const char *value)
{
	buffer_format(to, "\"%s\":\"", key);
	escape_json(to, span_of(value));
	buffer_string(to, "\",");
}

static void
print_json(const struct verified_row *row)
{
	struct buffer text;

	buffer_init(&text, JSON_MAX);
	buffer_char(&text, '{');
	json_member(&text, "address", row->address);
	json_member(&text, "outcome", outcome_word(row->outcome));
	json_member(&text, "status", row->status);
	json_member(&text, "reply", row->reply);
	json_member(&text, "host", row->host);
	buffer_format(&text, "\"code\":%u,\"asked\":%" PRId64 "}", row->code, row->asked_ms / 1000);
	printf("%.*s\n", SPAN_ARG(buffer_get(&text)));
	buffer_free(&text);
}

static void
print_row(void *owner, const struct verified_row *row)
{
	const struct culver_options *o = owner;
	time_t asked = (time_t)(row->asked_ms / 1000);
	struct tm when;
	char text[32] = "";

	if (o->json) {
		print_json(row);
		return;
	}
	if (localtime_r(&asked, &when) != NULL)
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M", &when);
	printf("%s  %-7s  %s  %s: %u %s %s\n", text, outcome_word(row->outcome), row->address,
	       row->host, row->code, row->status, row->reply);
}

/* ---- the verb ---- */

static int
act(const struct culver_options *o, struct verified_store *s, bool forgets, struct span address)
{
	char reason[VERIFIED_REASON_MAX] = "";
	enum verified_outcome outcome =
		forgets ? verified_forget(s, address, reason)
			: verified_list(s, address, print_row, (void *)(uintptr_t)o, reason);

	switch (outcome) {
	case VERIFIED_DONE:
		break;
	case VERIFIED_ABSENT:
		if (address.len == 0)
			return 0;
		fprintf(stderr, "culver: nothing is known of %.*s\n", SPAN_ARG(address));
		return 1;
	case VERIFIED_TROUBLE:
	case VERIFIED_DAMAGE:
		fprintf(stderr, "culver: what next hops have answered: %s\n", reason);
		return EXIT_OS;
	}
	if (fflush(stdout) != 0) {
		fprintf(stderr, "culver: cannot write: %s\n", strerror(errno));
		return 1;
	}
	return 0;
}

static int
open_and_act(const struct culver_options *o, const char *directory, bool forgets,
	     struct span address)
{
	char path[PATH_MAX_BYTES], reason[VERIFIED_REASON_MAX] = "";
	struct verified_store *s;
	bool was_damaged;
	int status;

	if (snprintf(path, sizeof(path), "%s/" VERIFIED_FILE, directory) < (int)sizeof(path) &&
	    access(path, F_OK) != 0 && errno == ENOENT)
		return 0; /* nobody has been asked yet */
	s = verified_open(directory, VERIFIED_VISITOR, &was_damaged, reason);
	if (s == NULL) {
		fprintf(stderr, "culver: %s: %s\n", directory, reason);
		return EXIT_OS;
	}
	status = act(o, s, forgets, address);
	verified_close(s);
	return status;
}

int
verb_verified(const struct culver_options *o, int argc, char **argv)
{
	bool forgets = argc > 1 && strcmp(argv[1], "forget") == 0;
	int words = forgets ? 2 : 1;
	struct address address = {.len = 0};
	struct config *c;
	int status;

	if (argc > words + 1 || (forgets && argc != 3) || (forgets && o->json))
		return options_usage(o, "expected at most one address behind `%s`",
				     forgets ? "forget" : "verified");
	if (argc == words + 1 && !(forgets && strcmp(argv[words], "all") == 0) &&
	    address_mailbox(span_of(argv[words]), &address) != ADDRESS_OK)
		return options_usage(o, "`%s` is no address", argv[words]);
	c = options_config(o);
	if (c == NULL)
		return 1;
	status = open_and_act(o, c->verify.cache, forgets, span_from(address.text, address.len));
	config_free(c);
	return status;
}
