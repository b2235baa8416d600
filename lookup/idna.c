/*
 * idna - see idna.h
 */
#include "lookup/idna.h"

#include <idn2.h>
#include <string.h>

#include "common/mail/address.h"
#include "common/mail/domain.h"

bool
idna_is_needed(struct span domain)
{
	for (size_t i = 0; i < domain.len; i++)
		if ((unsigned char)domain.at[i] > 0x7f)
			return true;
	return false;
}

int
idna_ascii(struct span domain, char *to, size_t size)
{
	char text[4 * ADDRESS_DOMAIN_MAX +
		  1]; /* a character that one A-label holds has at most four bytes */
	char *ascii = NULL;
	size_t len = 0;

	if (span_copy(domain, text, sizeof(text)) < 0 ||
	    idn2_to_ascii_8z(text, &ascii, IDN2_NONTRANSITIONAL) != IDN2_OK)
		return -1;
	len = strlen(ascii);
	if (len < size)
		memcpy(to, ascii, len + 1);
	idn2_free(ascii);
	return len < size && domain_is_valid(span_from(to, len)) ? (int)len : -1;
}
