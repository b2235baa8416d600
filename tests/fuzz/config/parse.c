/*
 * parse - any text at all as culver.conf
 *
 * What must hold: a configuration or at least one mistake, never both and never neither; each mistake has a file and a sentence; a
 * configuration has its names in order, its values in the ranges of the table, and is the same when it is read again
 * behind the lines that carry the defaults.
 */
#include <stdint.h>
#include <stdlib.h>

#include "common/config/config.h"
#include "common/config/directives.h"

#define HOLDS(condition) \
	do { \
		if (!(condition)) \
			abort(); \
	} while (0)

static const struct config_defaults defaults = {
	.as_root = false,
	.hostname = "machine.example",
	.spool = "/state/spool",
	.state = "/state",
};

static void
check_errors(const struct config_errors *e)
{
	struct buffer printed;
	size_t kept = e->count < CONFIG_ERRORS_MAX ? e->count : CONFIG_ERRORS_MAX;

	for (size_t i = 0; i < kept; i++)
		HOLDS(e->list[i].file != NULL && e->list[i].text != NULL &&
		      e->list[i].text[0] != '\0');
	buffer_init(&printed, 16 << 20);
	config_errors_print(e, &printed);
	HOLDS(!printed.failed);
	buffer_free(&printed);
}

static void
check_limits(const struct config_limits *limits)
{
	for (size_t i = 0; i < directive_count; i++) {
		const struct directive *d = &directives[i];
		uint64_t value;

		if (!(d->where & PLACE_LIMIT) || d->where == PLACE_ANY)
			continue;
		memcpy(&value, (const char *)limits + d->field, sizeof(value));
		HOLDS(value >= d->min && value <= d->max);
	}
}

static void
check_config(const struct config *c)
{
	HOLDS(c->hostname != NULL && c->origin != NULL && c->spool[0] == '/');
	HOLDS(c->runtime[0] == '/' && strlen(c->runtime) <= 96);
	HOLDS(c->trace[0] == '/' && c->root_mail[0] == '/');
	HOLDS(config_domain_find(c, span_of(c->hostname)) != NULL);
	HOLDS(config_domain_find(c, SPAN("localhost")) != NULL);
	HOLDS(c->outbound.retry_first <= c->outbound.retry_max);
	HOLDS(c->listen_count <= CONFIG_LISTENS_MAX);
	check_limits(&c->limits);
	for (size_t i = 0; i < c->listen_count; i++) {
		HOLDS(c->listens[i].address_len > 0 && c->listens[i].role == CONFIG_MX);
		check_limits(&c->listens[i].limits);
	}
	for (size_t i = 0; i < c->domain_count; i++) {
		HOLDS(c->domains[i].name_count > 0 &&
		      c->domains[i].deliver.ending == CONFIG_MAILDIR);
		for (size_t n = 0; n < c->domains[i].name_count; n++)
			HOLDS(config_domain_find(c, span_of(c->domains[i].names[n])) ==
			      &c->domains[i]);
	}
}

static void
check_again(struct span text, const struct config *first)
{
	struct config_errors errors;
	struct buffer whole;
	struct config *c;

	config_errors_init(&errors);
	buffer_init(&whole, CONFIG_TEXT_MAX);
	config_defaults_write(&defaults, &whole);
	buffer_char(&whole, '\n');
	buffer_span(&whole, text);
	c = config_parse(buffer_get(&whole), NULL, &errors);
	HOLDS((c == NULL) == (first == NULL));
	if (c != NULL) {
		HOLDS(memcmp(&c->limits, &first->limits, sizeof(c->limits)) == 0);
		HOLDS(strcmp(c->hostname, first->hostname) == 0);
		HOLDS(strcmp(c->runtime, first->runtime) == 0);
		HOLDS(c->domain_count == first->domain_count);
		HOLDS(c->relay_from_count == first->relay_from_count);
	}
	config_free(c);
	config_errors_free(&errors);
	buffer_free(&whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_from(size > 0 ? (const char *)data : "", size);
	struct config_errors errors;
	struct config *c;

	if (size > 1 << 16)
		return 0;
	config_errors_init(&errors);
	c = config_parse(text, &defaults, &errors);
	HOLDS((c == NULL) == (errors.count > 0));
	check_errors(&errors);
	if (c != NULL)
		check_config(c);
	check_again(text, c);
	config_free(c);
	config_errors_free(&errors);
	return 0;
}
