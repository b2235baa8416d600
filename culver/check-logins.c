/*
 * check-logins - see check-logins.h; called by check.c
 *
 * Each file is looked at as master does, and read as delivery does (common/config/secret.h), with the rights of whoever asks.
 */
#include "culver/check-logins.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/config/secret.h"

/* NULL, or what is wrong */
static const char *
check_file(const char *path)
{
	static char text[SECRET_FILE_MAX];
	const char *wrong;
	struct span secret;
	struct stat st;
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return strerror(errno);
	if (fstat(fd, &st) != 0) {
		wrong = strerror(errno);
	} else {
		wrong = secret_file_wrong(&st, geteuid());
		n = wrong == NULL ? read(fd, text, sizeof(text)) : 0;
		if (wrong == NULL)
			wrong = n < 0 ? strerror(errno)
				      : secret_take(span_from(text, (size_t)n), &secret);
	}
	close(fd);
	explicit_bzero(text, sizeof(text));
	return wrong;
}

/* how many mistakes there are */
static size_t
tell(const char *path, struct buffer *output)
{
	const char *wrong = check_file(path);

	if (wrong == NULL)
		return 0;
	buffer_format(output, "%s: %s\n", path, wrong);
	return 1;
}

size_t
check_logins(const struct config *c, struct buffer *output)
{
	size_t mistakes = 0;

	for (size_t i = 0; i < c->login_count; i++) {
		mistakes += tell(c->logins[i].file, output);
		if (c->logins[i].client_secret != NULL)
			mistakes += tell(c->logins[i].client_secret, output);
	}
	return mistakes;
}
