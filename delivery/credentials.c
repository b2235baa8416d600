/*
 * credentials - see credentials.h
 */
#include "delivery/credentials.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/config/secret.h"
#include "common/system/clock.h"

static int files[CONFIG_LOGINS_MAX];
static size_t file_count;

void
credentials_hold(const struct start *s, const struct config *config)
{
	file_count = 0;
	for (size_t i = 0; i < config->login_count; i++) {
		char name[START_NAME_MAX];

		snprintf(name, sizeof(name), "login.%u", (unsigned)i);
		files[file_count++] = start_file(s, name);
	}
}

void
credentials_drop(void)
{
	for (size_t i = 0; i < file_count; i++)
		if (files[i] >= 0)
			close(files[i]);
	file_count = 0;
}

int
credentials_check(const struct config *config, struct span name, struct verdict *why)
{
	if (name.len == 0 || config_login_find(config, name) != NULL)
		return 0;
	verdict_set(why, FATE_DEFERRED, 0, "4.3.5", "there is no login %.*s in the configuration",
		    SPAN_ARG(name));
	return -1;
}

/* NULL, or what is wrong */
static const char *
read_file(struct credentials *c, int fd)
{
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) != 0 || st.st_size > SECRET_FILE_MAX)
		return "it was not opened";
	c->size = (size_t)st.st_size;
	c->bytes = malloc(c->size + 1);
	if (c->bytes == NULL)
		return "there is no memory for it";
	/* by position: the other agents have the same open file */
	n = pread(fd, c->bytes, c->size, 0);
	if (n < 0)
		return strerror(errno);
	return secret_take(span_from(c->bytes, (size_t)n), &c->secret);
}

int
credentials_take(struct credentials *c, const struct config *config, struct span name,
		 struct verdict *why)
{
	const char *wrong = NULL;
	int outcome;

	*c = (struct credentials){.secret = SPAN_NONE};
	outcome = credentials_check(config, name, why);
	if (outcome == 0 && name.len > 0) {
		c->login = config_login_find(config, name);
		size_t n = (size_t)(c->login - config->logins);

		/* fetch has the files of the others */
		if (!c->login->is_refresh)
			wrong = read_file(c, n < file_count ? files[n] : -1);
	}
	credentials_drop();
	if (wrong != NULL) {
		verdict_set(why, FATE_DEFERRED, 0, "4.3.5", "the file of the login %.*s: %s",
			    SPAN_ARG(name), wrong);
		credentials_forget(c);
		return -1;
	}
	return outcome;
}

static void
forget_secret(struct credentials *c)
{
	if (c->bytes != NULL)
		explicit_bzero(c->bytes, c->size);
	free(c->bytes);
	c->bytes = NULL;
	c->size = 0;
	c->secret = SPAN_NONE;
}

/* -1: there is no memory for it */
static int
keep_token(struct credentials *c, struct span token)
{
	c->bytes = malloc(token.len);
	if (c->bytes == NULL)
		return -1;
	memcpy(c->bytes, token.at, token.len);
	c->size = token.len;
	c->secret = span_from(c->bytes, token.len);
	return 0;
}

int
credentials_renew(struct credentials *c, struct fetch_client *fetch, bool is_refused,
		  struct verdict *why)
{
	struct fetch_token_answer answer = {.token = SPAN_NONE,
					    .reason = SPAN("the program fetch does not answer")};
	struct span name;
	int outcome = 0;

	if (c->login == NULL || !c->login->is_refresh)
		return 0;
	name = span_of(c->login->name);
	forget_secret(c);
	if (fetch_client_token(fetch, name, is_refused, clock_monotonic_ms() + FETCH_WAIT_MS,
			       &answer) == 0 &&
	    answer.token.len > 0 && keep_token(c, answer.token) < 0)
		answer.reason = SPAN("there is no memory for it");
	if (c->secret.len == 0) {
		verdict_set(why, FATE_DEFERRED, 0, "4.7.0", "no token for the login %.*s: %.*s",
			    SPAN_ARG(name), SPAN_ARG(answer.reason));
		outcome = -1;
	}
	explicit_bzero(fetch->in, sizeof(fetch->in));
	return outcome;
}

void
credentials_forget(struct credentials *c)
{
	forget_secret(c);
	*c = (struct credentials){.secret = SPAN_NONE};
}
