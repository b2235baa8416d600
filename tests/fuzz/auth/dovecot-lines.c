/*
 * any line of Dovecot's, and any words of a client on their way there: what is read stands in the line, an OK has a user, and whatever a client
 * says becomes one line whose words are ours
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "auth/dovecot-lines.h"
#include "auth/names.h"

#define TABS 13 /* of AUTH with all its parameters */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_inside(struct span part, struct span line)
{
	if (part.len > 0 && (part.at < line.at || part.at + part.len > line.at + line.len))
		abort();
}

static void
check_reading(struct span line)
{
	struct dovecot_line l;

	dovecot_parse(line, &l);
	check_inside(l.user, line);
	check_inside(l.data, line);
	if (l.kind < DOVECOT_OTHER || l.kind > DOVECOT_MALFORMED ||
	    l.mechanism >= AUTH_MECHANISMS_END || (l.kind == DOVECOT_OK && l.user.len == 0) ||
	    (l.kind == DOVECOT_OK && span_has(line, '\0')))
		abort();
}

static void
check_writing(struct span said, unsigned mechanism)
{
	const struct dovecot_request r = {
		.mechanism = (enum auth_mechanism)(1 + mechanism % (AUTH_MECHANISMS_END - 1)),
		.session = said,
		.client = said,
		.server = said,
		.tls = said,
		.certificate = said,
		.response = &said,
	};
	struct buffer b;
	struct sasl_exchange x = {.mechanism = r.mechanism};
	size_t tabs = 0;

	buffer_init(&b, 1u << 17);
	dovecot_write_auth(&b, &r);
	for (size_t i = 0; i < b.len; i++)
		tabs += b.at[i] == '\t';
	if (b.failed || memchr(b.at, '\n', b.len) != b.at + b.len - 1 ||
	    memchr(b.at, '\0', b.len) != NULL || (said.len > 0 ? tabs != TABS : tabs > TABS))
		abort();
	buffer_free(&b);
	names_take(&x, said);
	if (memchr(x.login, '\0', sizeof(x.login)) == NULL)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* a copy of its own, so that a read behind it is seen */
	char *copy = malloc(size > 0 ? size : 1);
	struct span line = span_from(copy, size);

	if (size > AUTH_RESPONSE_MAX || copy == NULL) {
		free(copy);
		return 0;
	}
	memcpy(copy, data, size);
	check_reading(line);
	check_writing(line, size > 0 ? data[0] : 0);
	free(copy);
	return 0;
}
