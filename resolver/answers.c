/*
 * answers - see the header.  RFC 1035, section 3.3; RFC 6698, section 2.1
 */
#include "resolver/answers.h"

#include <stdio.h>
#include <string.h>

#include "common/text/number.h"

#define LABEL_MAX 63
#define RCODE_NO_ERROR 0
#define RCODE_SERVFAIL 2
#define RCODE_NO_NAME 3

/* a byte that may stand in the text of a name: what would part names, or words of ours, may not */
static bool
is_sound(unsigned char c)
{
	return c > ' ' && c < 0x7f && c != '.' && c != '\\';
}

int
answers_name(struct span wire, size_t *used, char text[RESOLVER_NAME_MAX + 1])
{
	size_t at = 0, len = 0;

	for (;;) {
		size_t label;

		if (at >= wire.len)
			return -1;
		label = (unsigned char)wire.at[at++];
		if (label == 0)
			break;
		/* RFC 1035, section 3.1: 255 bytes with all lengths and the root */
		if (label > LABEL_MAX || label > wire.len - at ||
		    len + label + 2 > RESOLVER_NAME_MAX)
			return -1;
		if (len > 0)
			text[len++] = '.';
		for (size_t i = 0; i < label; i++) {
			unsigned char c = (unsigned char)wire.at[at + i];

			if (!is_sound(c))
				return -1;
			text[len++] = ascii_lower((char)c);
		}
		at += label;
	}
	text[len] = '\0';
	*used = at;
	return 0;
}

/* the whole RDATA is a name */
static int
take_name(struct span rdata, struct answers_record *to)
{
	size_t used;

	if (answers_name(rdata, &used, to->name) < 0 || used != rdata.len)
		return -1;
	to->record.name = span_of(to->name);
	return 0;
}

static int
take_fixed(struct span rdata, size_t len, struct answers_record *to)
{
	if (rdata.len != len)
		return -1;
	to->record.data = rdata;
	return 0;
}

/* character-strings, joined */
static int
take_text(struct span rdata, struct answers_record *to)
{
	size_t len = 0;

	if (rdata.len == 0)
		return -1;
	for (size_t at = 0; at < rdata.len;) {
		size_t part = (unsigned char)rdata.at[at++];

		if (part > rdata.len - at || part > sizeof(to->data) - len)
			return -1;
		memcpy(to->data + len, rdata.at + at, part);
		len += part;
		at += part;
	}
	to->record.data = span_from(to->data, len);
	return 0;
}

int
answers_record(enum resolver_rr rr, struct span rdata, struct answers_record *to)
{
	to->record = (struct resolver_record){.name = SPAN_NONE, .data = SPAN_NONE};
	switch (rr) {
	case RESOLVER_A:
		return take_fixed(rdata, 4, to);
	case RESOLVER_AAAA:
		return take_fixed(rdata, 16, to);
	case RESOLVER_CNAME:
	case RESOLVER_PTR:
		return take_name(rdata, to);
	case RESOLVER_MX:
		if (rdata.len < 3)
			return -1;
		to->record.preference =
			(uint64_t)(unsigned char)rdata.at[0] << 8 | (unsigned char)rdata.at[1];
		return take_name(span_skip(rdata, 2), to);
	case RESOLVER_TXT:
		return take_text(rdata, to);
	case RESOLVER_TLSA:
		if (rdata.len < 4 || rdata.len > RESOLVER_RDATA_MAX)
			return -1;
		to->record.data = rdata;
		return 0;
	}
	return -1;
}

/* libunbound's text of a name, with its dot at the end; what is no plain name is left empty */
static void
set_canonical(struct answer *to, const char *name)
{
	size_t len = name != NULL ? strlen(name) : 0;

	if (len > 0 && name[len - 1] == '.')
		len--;
	if (len > RESOLVER_NAME_MAX)
		len = 0;
	for (size_t i = 0; i < len; i++) {
		if (name[i] != '.' && !is_sound((unsigned char)name[i])) {
			len = 0;
			break;
		}
		to->canonical[i] = ascii_lower(name[i]);
	}
	to->canonical[len] = '\0';
	to->message.canonical = span_from(to->canonical, len);
}

void
answers_trouble(struct answer *to, const char *why)
{
	size_t len = strnlen(why, RESOLVER_TEXT_MAX);

	to->message.outcome = RESOLVER_TROUBLE;
	memset(to->text, '?', len);
	for (size_t i = 0; i < len; i++)
		if (why[i] >= ' ' && why[i] <= '~')
			to->text[i] = why[i];
	to->text[len] = '\0';
	to->message.text = span_from(to->text, len);
	if (to->message.security == 0)
		to->message.security = RESOLVER_INSECURE;
	if (to->message.canonical.at == NULL)
		to->message.canonical = SPAN_NONE;
	to->message.ttl = 0;
}

static void
judge_rcode(int rcode, struct answer *to)
{
	char text[80];

	if (rcode == RCODE_SERVFAIL) {
		answers_trouble(to, "the name servers gave no usable answer (SERVFAIL)");
		return;
	}
	snprintf(text, sizeof(text), "the name servers answered with code %d", rcode);
	answers_trouble(to, text);
}

void
answers_judge(const struct ub_result *result, struct answer *to)
{
	*to = (struct answer){.message = {.canonical = SPAN_NONE, .text = SPAN_NONE}};
	to->message.security = result->secure ? RESOLVER_SECURE : RESOLVER_INSECURE;
	to->message.ttl = result->ttl > 0 ? (uint64_t)result->ttl : 0;
	set_canonical(to, result->canonname);
	if (to->message.canonical.len == 0)
		set_canonical(to, result->qname);
	if (result->bogus) {
		to->message.security = RESOLVER_BOGUS;
		answers_trouble(to, result->why_bogus != NULL ? result->why_bogus
							      : "the answer is signed wrongly");
	} else if (result->rcode == RCODE_NO_NAME) {
		to->message.outcome = RESOLVER_NO_NAME;
	} else if (result->rcode != RCODE_NO_ERROR) {
		judge_rcode(result->rcode, to);
	} else {
		to->message.outcome = result->havedata ? RESOLVER_FOUND : RESOLVER_NO_DATA;
	}
}
