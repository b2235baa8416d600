/*
 * scram - see scram.h
 */
#include "common/accounts/scram.h"

bool
scram_attribute(struct span *rest, char name, struct span *value)
{
	struct span piece = span_cut(rest, ',');

	if (piece.len < 2 || piece.at[0] != name || piece.at[1] != '=')
		return false;
	*value = span_skip(piece, 2);
	return true;
}

bool
scram_is_nonce(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.at[i] < '!' || s.at[i] > '~' || s.at[i] == ',')
			return false;
	return s.len > 0 && s.len <= SCRAM_NONCE_MAX;
}
