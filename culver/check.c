/*
 * check - culver check: see check.h
 *
 * The same reader that every program uses says what is wrong in culver.conf; when nothing is, the tables of its
 * domains are read as lookup reads them (check-tables.c).
 */
#include <errno.h>
#include <stdio.h>

#include "common/config/directives.h"
#include "common/system/fatal.h"
#include "culver/check-logins.h"
#include "culver/check-replies.h"
#include "culver/check-tables.h"
#include "culver/check-tls.h"
#include "culver/check.h"

#define OUTPUT_MAX (16u << 20)
static int
print(FILE *to, const struct buffer *b)
{
	struct span s = buffer_get(b);

	if (fwrite(s.at, 1, s.len, to) != s.len || fflush(to) != 0) {
		fprintf(stderr, "culver: cannot write: %s\n", strerror(errno));
		return 1;
	}
	if (b->failed)
		fprintf(stderr, "culver: there is more than is shown here\n");
	return 0;
}

int
check_command(const char *config_path, bool quiet)
{
	struct config_errors errors;
	struct config_defaults defaults;
	struct config *c;
	struct buffer text, output;
	size_t mistakes;
	int status;

	config_errors_init(&errors);
	config_defaults_find(&defaults, false);
	buffer_init(&text, CONFIG_TEXT_MAX);
	buffer_init(&output, OUTPUT_MAX);
	status = config_load(config_path, &text, &errors);
	c = config_parse(buffer_get(&text), &defaults, &errors);
	config_errors_print(&errors, &output);
	mistakes = errors.count;
	if (c != NULL)
		mistakes += check_tables(c, &output) + check_replies(c, &output) +
			    check_tls(c, &output) + check_logins(c, &output);
	status = print(stderr, &output) != 0 || status < 0 || mistakes > 0 ? 1 : 0;
	if (mistakes > 0)
		fprintf(stderr, "%s: %zu mistake%s\n", config_path, mistakes,
			mistakes == 1 ? "" : "s");
	else if (!quiet && status == 0)
		printf("%s: no mistakes\n", config_path);
	config_free(c);
	buffer_free(&output);
	buffer_free(&text);
	config_errors_free(&errors);
	return status;
}

int
check_directives(void)
{
	struct buffer output;
	int status;

	buffer_init(&output, OUTPUT_MAX);
	directives_print(&output);
	status = print(stdout, &output);
	buffer_free(&output);
	return status;
}

int
verb_check(const struct culver_options *o, int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--directives") == 0)
		return check_directives();
	if (argc != 1)
		return options_usage(o, "`%s` is too much", argv[1]);
	return check_command(o->config, false);
}
