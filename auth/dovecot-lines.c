/*
 * dovecot-lines - see dovecot-lines.h
 */
#include "auth/dovecot-lines.h"

#include <inttypes.h>
#include <string.h>

#include "common/text/base64.h"
#include "common/text/number.h"

/* ---- reading ---- */

/* NAME or NAME=VALUE; false: it is another one */
static bool
is_parameter(struct span word, struct span name, struct span *value)
{
	struct span rest = word;

	if (!span_equal(span_cut(&rest, '='), name))
		return false;
	if (value != NULL)
		*value = rest;
	return true;
}

/* MECH NAME PARAMETER...; those that are for Dovecot's own programs, or for everybody, are not for our clients */
static void
take_mechanism(struct span rest, struct dovecot_line *l)
{
	l->kind = DOVECOT_MECHANISM;
	l->mechanism = auth_mechanism_find(span_cut(&rest, '\t'));
	while (rest.len > 0) {
		struct span word = span_cut(&rest, '\t');

		if (span_equal(word, SPAN("private")) || span_equal(word, SPAN("anonymous")))
			l->mechanism = (enum auth_mechanism)0;
	}
}

static void
take_parameters(struct span rest, struct dovecot_line *l)
{
	while (rest.len > 0) {
		struct span word = span_cut(&rest, '\t'), value = SPAN_NONE;

		if (is_parameter(word, SPAN("user"), &value))
			l->user = value;
		else if (is_parameter(word, SPAN("nologin"), NULL))
			l->is_barred = true;
		else if (is_parameter(word, SPAN("temp"), NULL) ||
			 span_equal(word, SPAN("code=temp_fail")))
			l->is_temporary = true;
	}
}

void
dovecot_parse(struct span line, struct dovecot_line *l)
{
	struct span rest = line;
	struct span word = span_cut(&rest, '\t');

	*l = (struct dovecot_line){.kind = DOVECOT_OTHER, .user = SPAN_NONE, .data = SPAN_NONE};
	if (span_has(line, '\0')) {
		l->kind = DOVECOT_MALFORMED;
		return;
	}
	if (span_equal(word, SPAN("VERSION")))
		l->kind = DOVECOT_VERSION;
	else if (span_equal(word, SPAN("OK")))
		l->kind = DOVECOT_OK;
	else if (span_equal(word, SPAN("CONT")))
		l->kind = DOVECOT_CONT;
	else if (span_equal(word, SPAN("FAIL")))
		l->kind = DOVECOT_FAIL;
	else if (span_equal(word, SPAN("DONE")))
		l->kind = DOVECOT_DONE;
	else if (span_equal(word, SPAN("MECH")))
		take_mechanism(rest, l);
	if (l->kind == DOVECOT_OTHER || l->kind == DOVECOT_DONE || l->kind == DOVECOT_MECHANISM)
		return;
	if (number_parse(span_cut(&rest, '\t'), 0, UINT32_MAX, &l->number) < 0)
		l->kind = DOVECOT_MALFORMED;
	else if (l->kind == DOVECOT_CONT)
		l->data = span_cut(&rest, '\t');
	else
		take_parameters(rest, l);
	/* whoever is right has a name, or nobody knows who it is */
	if (l->kind == DOVECOT_OK && l->user.len == 0)
		l->kind = DOVECOT_MALFORMED;
}

/* ---- writing ---- */

void
dovecot_write_hello(struct buffer *b, uint32_t number)
{
	buffer_format(b, "VERSION\t%d\t2\nCPID\t%" PRIu32 "\n", DOVECOT_MAJOR, number);
}

/* \001 stands before what must not stand in a word */
static void
put_value(struct buffer *b, const char *name, struct span value)
{
	buffer_format(b, "\t%s=", name);
	for (size_t i = 0; i < value.len; i++) {
		switch (value.at[i]) {
		case '\1':
			buffer_string(b, "\0011");
			break;
		case '\t':
			buffer_string(b, "\001t");
			break;
		case '\r':
			buffer_string(b, "\001r");
			break;
		case '\n':
			buffer_string(b, "\001n");
			break;
		case '\0':
			buffer_string(b, "\0010");
			break;
		default:
			buffer_char(b, value.at[i]);
		}
	}
}

static void
put_base64(struct buffer *b, struct span data)
{
	char text[BASE64_SIZE(AUTH_RESPONSE_MAX) + 1];

	base64_encode(data, text);
	buffer_string(b, text);
	explicit_bzero(text, sizeof(text));
}

static void
put_tls(struct buffer *b, struct span tls)
{
	struct span cipher = tls;
	struct span version = span_cut(&cipher, ' ');

	buffer_string(b, "\tsecured=tls");
	put_value(b, "tls_protocol", version);
	put_value(b, "tls_cipher", cipher);
}

void
dovecot_write_auth(struct buffer *b, const struct dovecot_request *r)
{
	/* what guesses cost is counted here (guessers.h): not once more there, where it delays everybody behind one address */
	buffer_format(b, "AUTH\t%d\t%s\tservice=smtp\tno-penalty", DOVECOT_REQUEST,
		      auth_mechanism_word(r->mechanism));
	put_value(b, "session", r->session);
	put_value(b, "rip", r->client);
	if (r->server.len > 0)
		put_value(b, "lip", r->server);
	if (r->tls.len > 0)
		put_tls(b, r->tls);
	if (r->certificate.len > 0) {
		buffer_string(b, "\tvalid-client-cert");
		put_value(b, "cert_username", r->certificate);
	}
	/* the last: all behind it is the response */
	if (r->response != NULL) {
		buffer_string(b, "\tresp=");
		put_base64(b, *r->response);
	}
	buffer_char(b, '\n');
}

void
dovecot_write_cont(struct buffer *b, struct span response)
{
	buffer_format(b, "CONT\t%d\t", DOVECOT_REQUEST);
	put_base64(b, response);
	buffer_char(b, '\n');
}
