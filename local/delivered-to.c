/*
 * delivered-to - see delivered-to.h
 */
#include "local/delivered-to.h"

#include "common/mail/header.h"

void
delivered_to_collect(struct delivered_to *d, struct span header)
{
	struct span name, value;

	while (header_field(&header, &name, &value, NULL)) {
		if (!span_equal_nocase(name, SPAN("Delivered-To")))
			continue;
		if (d->count == DELIVERED_TO_MAX) {
			d->too_many = true;
			return;
		}
		d->values[d->count++] = value;
	}
}

bool
delivered_to_has(const struct delivered_to *d, struct span address)
{
	for (size_t i = 0; i < d->count; i++)
		if (span_equal_nocase(d->values[i], address))
			return true;
	return d->too_many;
}

/* the addresses were checked when they came in; that no line can be forged shall not depend on it */
static void
put_address(struct buffer *to, struct span address)
{
	for (size_t i = 0; i < address.len; i++) {
		unsigned char c = (unsigned char)address.at[i];

		if (c < 0x20 || c == 0x7f)
			buffer_char(to, '?');
		else
			buffer_char(to, address.at[i]);
	}
}

void
delivered_to_lines(struct buffer *to, struct span sender, struct span address, struct span original)
{
	buffer_string(to, "Return-Path: <");
	put_address(to, sender);
	buffer_string(to, ">\nDelivered-To: ");
	put_address(to, address);
	if (original.len > 0) {
		buffer_string(to, "\nX-Original-To: ");
		put_address(to, original);
	}
	buffer_char(to, '\n');
}
