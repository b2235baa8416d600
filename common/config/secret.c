/*
 * secret - see secret.h
 */
#include "common/config/secret.h"

const char *
secret_file_wrong(const struct stat *st, uid_t owner)
{
	if (!S_ISREG(st->st_mode) || st->st_size > SECRET_FILE_MAX)
		return "expected a file of at most 65536 bytes";
	if (st->st_uid != 0 && st->st_uid != owner)
		return "expected a file that belongs to root, or to who runs this";
	if ((st->st_mode & (S_IRWXG | S_IRWXO)) != 0)
		return "others than its owner may read or change it; expected mode 0600";
	return NULL;
}

const char *
secret_take(struct span text, struct span *secret)
{
	struct span line = span_cut(&text, '\n');

	if (line.len > 0 && line.at[line.len - 1] == '\r')
		line.len--;
	line = span_trim(line);
	if (line.len == 0)
		return "expected a password or a token as its first line";
	if (line.len > SECRET_MAX)
		return "its first line is longer than 8192 bytes";
	for (size_t i = 0; i < line.len; i++)
		if ((unsigned char)line.at[i] < ' ' || line.at[i] == 0x7f)
			return "its first line has a control character";
	*secret = line;
	return NULL;
}
