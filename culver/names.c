/*
 * names - see culver/names.h; called by culver/main.c before anything else
 */
#include "culver/names.h"

#include <stdio.h>
#include <string.h>

#include "common/system/start.h"
#include "culver/postconf.h"
#include "culver/postfix.h"
#include "culver/query.h"
#include "culver/queue.h"
#include "culver/sendmail.h"
#include "culver/shape.h"

#ifndef CULVER_SYSCONFDIR
#define CULVER_SYSCONFDIR "/etc"
#endif

void
names_options(struct culver_options *o)
{
	*o = (struct culver_options){.config = CULVER_SYSCONFDIR "/culver/culver.conf",
				     .usage = "queue"};
}

void
names_config(struct culver_options *o, const char *folder)
{
	static char path[START_PATH_MAX];
	/* a path that is cut is the path of no file, which is said */
	snprintf(path, sizeof(path), "%s/culver.conf", folder);
	o->config = path;
	o->config_given = true;
}

int
names_list(const struct culver_options *o)
{
	char *words[] = {(char[]){"queue"}, NULL};
	struct culver_options as_mailq = *o;
	as_mailq.as_mailq = true;
	return verb_queue(&as_mailq, 1, words);
}

int
names_retry(const struct culver_options *o, char *selector)
{
	static struct query q;
	char *words[] = {selector != NULL ? selector : (char[]){"all"}, NULL};
	int status = query_open(&q, o);
	/* nothing there that could be tried is no failure: who calls this each hour wants no letter about it */
	return status != 0 ? status : query_end(&q, query_act(&q, words, CONTROL_RETRY, ""));
}

int
names_aliases(void)
{
	puts("newaliases: nothing is to be done: Culver reads alias tables as they are");
	return 0;
}

static int
run_newaliases(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return names_aliases();
}

/* mailq takes sendmail's options */
static int
run_mailq(int argc, char **argv)
{
	char *words[64] = {argv[0], (char[]){"-bp"}};
	int count = 2;
	for (int i = 1; i < argc && count < 63; i++)
		words[count++] = argv[i];
	return sendmail_main(count, words);
}

bool
names_run(int argc, char **argv, int *status)
{
	static const struct {
		const char *name;
		int (*run)(int argc, char **argv);
	} names[] = {{"sendmail", sendmail_main},      {"mailq", run_mailq},
		     {"newaliases", run_newaliases},   {"rmail", sendmail_rmail},
		     {"postqueue", postfix_postqueue}, {"postsuper", postfix_postsuper},
		     {"postcat", postfix_postcat},     {"qshape", shape_qshape},
		     {"postconf", postconf_postconf},  {"postmap", postconf_postmap},
		     {"postalias", postconf_postalias}};
	const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
	const char *name = argc == 0 ? "" : slash != NULL ? slash + 1 : argv[0];
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(name, names[i].name) != 0)
			continue;
		*status = names[i].run(argc, argv);
		return true;
	}
	return false;
}
