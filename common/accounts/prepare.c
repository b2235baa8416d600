/*
 * prepare - see prepare.h
 */
#include "common/accounts/prepare.h"

#include <stringprep.h>

#include "common/text/utf8.h"

/* `size` bytes of `to`, NUL included */
static int
prepare(struct span text, bool is_stored, char *to, size_t size)
{
	Stringprep_profile_flags flags = is_stored ? STRINGPREP_NO_UNASSIGNED : 0;

	/* libidn before 1.33 read on behind what is no UTF-8 */
	if (span_copy(text, to, size) < 0 || !utf8_is_valid(text) ||
	    stringprep(to, size, flags, stringprep_saslprep) != STRINGPREP_OK || to[0] == '\0') {
		explicit_bzero(to, size);
		return -1;
	}
	return 0;
}

int
prepare_login(struct span text, bool is_stored, char to[PREPARE_LOGIN_MAX + 1])
{
	if (prepare(text, is_stored, to, PREPARE_LOGIN_MAX + 1) < 0)
		return -1;
	for (char *c = to; *c != '\0'; c++)
		*c = ascii_lower(*c);
	return 0;
}

int
prepare_password(struct span text, bool is_stored, char to[PREPARE_PASSWORD_MAX + 1])
{
	return prepare(text, is_stored, to, PREPARE_PASSWORD_MAX + 1);
}
