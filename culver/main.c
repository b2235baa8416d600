/*
 * culver - the administrator's command
 *
 * Takes the options out of the words, finds the verb in the table, and becomes it.  The table is what `culver help` prints; culver(8) is tested
 * against it.
 */
#include <stdio.h>
#include <string.h>

#include "common/system/start.h"
#include "culver/budget.h"
#include "culver/check.h"
#include "culver/names.h"
#include "culver/options.h"
#include "culver/queue.h"
#include "culver/run.h"
#include "culver/sandbox.h"
#include "culver/status.h"
#include "culver/stop.h"
#include "culver/top.h"
#include "culver/tls.h"
#include "culver/trace.h"
#include "culver/user.h"
#include "culver/verified.h"

#ifndef CULVER_SYSCONFDIR
#define CULVER_SYSCONFDIR "/etc"
#endif
#define WORDS_MAX 4096

/* one bit for each option that not every verb has */
enum allowed {
	ALLOW_JSON = 1,
	ALLOW_STRICT = 2,
	ALLOW_PROBE = 4,
	ALLOW_DIRECTIVES = 8,
	ALLOW_CONTENT = 16,
	ALLOW_DRY_RUN = 32,
	ALLOW_AFTER_KILL = 64,
	ALLOW_TRY = 128
};

struct verb {
	const char *word;
	unsigned allowed;
	int (*run)(const struct culver_options *o, int argc, char **argv);
	const char *sentence;
	const char *usage;
};

static int verb_help(const struct culver_options *o, int argc, char **argv);

static const struct verb verbs[] = {
	{"run", ALLOW_STRICT, verb_run, "run the whole system in the foreground",
	 "run [-c FILE] [--strict]"},
	{"start", ALLOW_STRICT, verb_start,
	 "run it in the background; returns when every program serves",
	 "start [-c FILE] [--strict]"},
	{"stop", ALLOW_AFTER_KILL, verb_stop, "end it in order, and wait for the end",
	 "stop [-c FILE] [--after-kill]"},
	{"reload", 0, verb_reload, "check the configuration and have it taken", "reload [-c FILE]"},
	{"status", ALLOW_JSON, verb_status, "what runs, how much is queued",
	 "status [-c FILE] [--json]"},
	{"check", ALLOW_DIRECTIVES, verb_check, "every mistake in the configuration",
	 "check [-c FILE] [--directives]"},
	{"queue", ALLOW_JSON | ALLOW_CONTENT | ALLOW_DRY_RUN, verb_queue,
	 "what is queued and why; act on it",
	 "queue [SELECTOR...] [--json]\n"
	 "       culver queue show ID [--content|--json]\n"
	 "       culver queue sites [SELECTOR...] [--json]\n"
	 "       culver queue retry|hold|release|remove|bounce SELECTOR... [--dry-run]\n"
	 "       culver queue redirect ADDRESS SELECTOR... [--dry-run]\n"
	 "SELECTOR: all, or IDs, or KEY=VALUE words that all must hold: from= to= domain= site=\n"
	 "          user= login= state= older=2h larger=1M reason=TEXT"},
	{"top", 0, verb_top, "where queued mail goes, live", "top [SELECTOR...]"},
	{"trace", ALLOW_JSON, verb_trace, "the story of a message, a session or an address",
	 "trace ID|ADDRESS [--json]"},
	{"user", ALLOW_JSON, verb_user, "accounts for submission",
	 "user add|password|remove LOGIN\n"
	 "       culver user list [--json]\n"
	 "The password is asked for, or read as a line from the standard input."},
	{"budget", ALLOW_JSON, verb_budget, "who has sent how much, and what of it is held",
	 "budget [--json]"},
	{"verified", ALLOW_JSON, verb_verified, "what next hops have said of recipients",
	 "verified [ADDRESS] [--json]\n"
	 "       culver verified forget ADDRESS|all"},
	{"sandbox", ALLOW_JSON | ALLOW_PROBE, verb_sandbox, "what confines each program",
	 "sandbox [-c FILE] [--json] [--probe]"},
	{"tls", ALLOW_TRY, verb_tls, "what TLS is demanded of the hosts of a domain",
	 "tls DOMAIN [-c FILE] [--try]"},
	{"help", 0, verb_help, "this list, or how one verb is used", "help [VERB]"},
};

#define VERBS (sizeof(verbs) / sizeof(verbs[0]))

static const struct verb *
find_verb(const char *word)
{
	for (size_t i = 0; i < VERBS; i++) {
		if (strcmp(verbs[i].word, word) == 0)
			return &verbs[i];
	}
	return NULL;
}

static void
print_verbs(FILE *to)
{
	fputs("usage: culver [-c FILE] VERB ...\n\n", to);
	for (size_t i = 0; i < VERBS; i++)
		fprintf(to, "  %-9s %s\n", verbs[i].word, verbs[i].sentence);
	fputs("\n-c FILE names the configuration, " CULVER_SYSCONFDIR
	      "/culver/culver.conf if it is not given.\n"
	      "`culver help VERB` says how one is used; culver(8) says all.\n",
	      to);
}

static int
verb_help(const struct culver_options *o, int argc, char **argv)
{
	if (argc == 1) {
		print_verbs(stdout);
		return 0;
	}
	const struct verb *v = find_verb(argv[1]);
	if (v == NULL)
		return options_usage(o, "there is no `%s`", argv[1]);
	printf("%s - %s\nusage: culver %s\n", v->word, v->sentence, v->usage);
	return 0;
}

/* ---- options ---- */

struct words {
	char *at[WORDS_MAX + 1];
	int count;
	unsigned given; /* of enum allowed */
	bool wants_help, wants_version;
};

/* one option; how many words it took, 0: there is no such option */
static int
take_option(char **argv, struct culver_options *o, struct words *w)
{
	const char *word = argv[0];
	if (strncmp(word, "-c", 2) == 0 && (word[2] != '\0' || argv[1] != NULL)) {
		o->config = word[2] != '\0' ? word + 2 : argv[1];
		o->config_given = true;
		return word[2] != '\0' ? 1 : 2;
	}
	if (strcmp(word, "--json") == 0) {
		o->json = true;
		w->given |= ALLOW_JSON;
	} else if (strcmp(word, "--strict") == 0) {
		o->strict = true;
		w->given |= ALLOW_STRICT;
	} else if (strcmp(word, "--probe") == 0) {
		o->probe = true;
		w->given |= ALLOW_PROBE;
	} else if (strcmp(word, "--try") == 0) {
		o->tries = true;
		w->given |= ALLOW_TRY;
	} else if (strcmp(word, "--content") == 0) {
		o->content = true;
		w->given |= ALLOW_CONTENT;
	} else if (strcmp(word, "--after-kill") == 0) {
		o->after_kill = true;
		w->given |= ALLOW_AFTER_KILL;
	} else if (strcmp(word, "--dry-run") == 0) {
		o->dry_run = true;
		w->given |= ALLOW_DRY_RUN;
	} else if (strcmp(word, "--directives") == 0 && w->count < WORDS_MAX) {
		/* for the verb itself */
		w->given |= ALLOW_DIRECTIVES;
		w->at[w->count++] = argv[0];
	} else if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
		w->wants_help = true;
	} else if (strcmp(word, "--version") == 0) {
		w->wants_version = true;
	} else {
		return 0;
	}
	return 1;
}

/* options may stand before and after the verb; behind a `--` there are none */
static int
take_words(char **argv, struct culver_options *o, struct words *w)
{
	bool is_ended = false;
	for (char **at = argv + 1; *at != NULL;) {
		if (!is_ended && strcmp(*at, "--") == 0) {
			is_ended = true;
			at++;
			continue;
		}
		if (is_ended || (*at)[0] != '-' || (*at)[1] == '\0') {
			if (w->count == WORDS_MAX)
				return options_usage(o, "more than %d words", WORDS_MAX);
			w->at[w->count++] = *at++;
			continue;
		}
		int taken = take_option(at, o, w);
		if (taken == 0)
			return options_usage(o, "there is no option `%s`, or it lacks its value",
					     *at);
		at += taken;
	}
	w->at[w->count] = NULL;
	return 0;
}

int
main(int argc, char **argv)
{
	static struct words w;
	struct culver_options o = {.config = CULVER_SYSCONFDIR "/culver/culver.conf",
				   .usage = "[-c FILE] VERB ...   (culver help)"};
	int status;
	if (names_run(argc, argv, &status))
		return status;
	status = take_words(argv, &o, &w);
	if (status != 0)
		return status;
	if (w.wants_version) {
		printf("culver %s\n", CULVER_VERSION);
		return 0;
	}
	/* an option of a verb that stands before it */
	if (w.count > 1 && w.at[0][0] == '-') {
		char *option = w.at[0];
		w.at[0] = w.at[1];
		w.at[1] = option;
	}
	if (w.count == 0) {
		print_verbs(w.wants_help ? stdout : stderr);
		return w.wants_help ? 0 : OPTIONS_USAGE;
	}
	const struct verb *v = find_verb(w.at[0]);
	if (v == NULL)
		return options_usage(&o, "there is no `%s`", w.at[0]);
	o.usage = v->usage;
	if (w.wants_help) {
		printf("%s - %s\nusage: culver %s\n", v->word, v->sentence, v->usage);
		return 0;
	}
	if ((w.given & ~v->allowed) != 0)
		return options_usage(&o, "`%s` has no such option", v->word);
	return v->run(&o, w.count, w.at);
}
