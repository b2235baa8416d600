/*
 * reload - a configuration is read, checked, and put in the place of the one in force
 *
 * Called by main.c at start (reload_text) and at SIGHUP.  Promises: everything that can be refused is refused before anything is changed; after a refusal
 * the old configuration goes on as if nothing had been asked.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/system/clock.h"
#include "common/system/events.h"
#include "master/master.h"
#include "master/places.h"

static void
say_first(const struct config_errors *errors, struct buffer *why)
{
	if (errors->count == 0) {
		buffer_string(why, "the configuration cannot be read: memory is out");
		return;
	}
	const struct config_error *e = &errors->list[0];
	buffer_format(why, "%s:%u:%u: %s", e->file, e->line, e->column, e->text);
	if (errors->count > 1)
		buffer_format(why, " (and %zu more: culver check)", errors->count - 1);
}

struct config *
reload_text(const struct master *m, struct buffer *text, struct buffer *why)
{
	/* big: not on the stack */
	static struct config_errors errors;
	struct buffer loaded;
	struct config *c = NULL;
	config_errors_init(&errors);
	buffer_init(&loaded, CONFIG_TEXT_MAX);
	config_defaults_write(&m->defaults, text);
	if (config_load(m->options.config, &loaded, &errors) == 0) {
		buffer_span(text, buffer_get(&loaded));
		/* as every program will parse it: with the defaults that stand in the text */
		if (!text->failed)
			c = config_parse(buffer_get(text), NULL, &errors);
	}
	if (c == NULL)
		say_first(&errors, why);
	buffer_free(&loaded);
	config_errors_free(&errors);
	return c;
}

/* of texts that may be missing */
static bool
is_other(const char *a, const char *b)
{
	return strcmp(a != NULL ? a : "", b != NULL ? b : "") != 0;
}

static int
check_against_present(const struct master *m, const struct config *next, struct buffer *why)
{
	if (strcmp(next->spool, m->config->spool) != 0) {
		buffer_string(why, "`spool` changed: that needs a stop and a start");
		return -1;
	}
	if (strcmp(next->runtime, m->config->runtime) != 0) {
		buffer_string(why, "`runtime` changed: that needs a stop and a start");
		return -1;
	}
	if (strcmp(next->auth.accounts, m->config->auth.accounts) != 0) {
		buffer_string(why, "`accounts` changed: that needs a stop and a start");
		return -1;
	}
	if (next->auth.source != m->config->auth.source ||
	    is_other(next->auth.dovecot, m->config->auth.dovecot) ||
	    is_other(next->auth.pam, m->config->auth.pam)) {
		buffer_string(why, "`dovecot` or `pam` changed: that needs a stop and a start");
		return -1;
	}
	if (strcmp(next->sts_cache, m->config->sts_cache) != 0) {
		buffer_string(why, "`sts-cache` changed: that needs a stop and a start");
		return -1;
	}
	if (strcmp(next->drop, m->config->drop) != 0) {
		buffer_string(why, "`drop` changed: that needs a stop and a start");
		return -1;
	}
	/* every row must be possible before the first program is touched */
	static struct start row;
	for (size_t i = 0; i < TRUST_PROGRAMS; i++) {
		if (trust_fill(&trust_map[i], &m->people, next, &row, why) != 0)
			return -1;
	}
	return places_make(next, &m->people, why);
}

/* -1: refused, and nothing has changed */
static int
exchange(struct master *m, struct buffer *why)
{
	static struct sockets next_sockets;
	struct certificates_set certificates = {.count = 0, .authority_count = 0};
	struct secrets_set secrets = {.count = 0};
	struct buffer text;
	int result = -1;
	buffer_init(&text, CONFIG_TEXT_MAX);
	struct config *next = reload_text(m, &text, why);
	if (next == NULL || check_against_present(m, next, why) != 0 ||
	    certificates_load(m, next, &certificates, why) != 0 ||
	    secrets_load(next, &secrets, why) != 0)
		goto out;
	int fd = exec_memfd("culver.conf", buffer_get(&text));
	if (fd < 0) {
		buffer_format(why, "memfd: %s", strerror(errno));
		goto out;
	}
	if (sockets_listen(&next_sockets, next, &m->sockets, why) != 0) {
		close(fd);
		goto out;
	}
	sockets_swap(&m->sockets, &next_sockets);
	certificates_put(&m->certificates, &certificates);
	secrets_put(&m->secrets, &secrets);
	close(m->config_fd);
	m->config_fd = fd;
	struct config *old = m->config;
	m->config = next;
	next = old;
	m->generation++;
	result = 0;
out:
	certificates_free(&certificates);
	secrets_free(&secrets);
	config_free(next);
	buffer_free(&text);
	return result;
}

void
reload_run(struct master *m)
{
	struct buffer why;
	if (m->is_stopping)
		return;
	buffer_init(&why, 8192);
	int result = exchange(m, &why);
	m->reloads++;
	m->reload_us = clock_wall_us();
	m->reload_refused = result != 0;
	snprintf(m->reload_reason, sizeof(m->reload_reason), "%.*s", SPAN_ARG(buffer_get(&why)));
	if (result != 0) {
		EVENT("reload-refused", event_text("reason", buffer_get(&why)));
	} else {
		EVENT("reloaded", event_number("generation", (int64_t)m->generation),
		      event_string("configuration", m->options.config));
		sockets_report(&m->sockets, m->config);
		programs_renew(m);
	}
	buffer_free(&why);
	report_changed(m);
}
