/*
 * password - see password.h; called by user.c
 */
#include "culver/password.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define LINE_MAX_BYTES 4096 /* of a line with a password, before it is prepared */

/* the next line of the standard input, without its end; byte by byte, since what follows is another's.  -1: there is none. */
static int
read_line(char *to, size_t size)
{
	size_t len = 0;

	for (;;) {
		char c;
		ssize_t n = read(STDIN_FILENO, &c, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			fprintf(stderr, "culver: the standard input: %s\n", strerror(errno));
			return -1;
		}
		if (n == 0 && len == 0) {
			fputs("culver: no password came\n", stderr);
			return -1;
		}
		if (n == 0 || c == '\n')
			break;
		if (len + 1 == size) {
			fputs("culver: the password is too long\n", stderr);
			return -1;
		}
		to[len++] = c;
	}
	if (len > 0 && to[len - 1] == '\r')
		len--;
	to[len] = '\0';
	return 0;
}

/* a question at the terminal, the answer not shown */
static int
ask(const char *question, char *to, size_t size)
{
	struct termios shown, hidden;
	int outcome;

	if (tcgetattr(STDIN_FILENO, &shown) != 0) {
		fprintf(stderr, "culver: the terminal: %s\n", strerror(errno));
		return -1;
	}
	hidden = shown;
	hidden.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
	if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden) != 0) {
		fprintf(stderr, "culver: the terminal: %s\n", strerror(errno));
		return -1;
	}
	fputs(question, stderr);
	outcome = read_line(to, size);
	fputc('\n', stderr);
	if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown) != 0)
		fprintf(stderr, "culver: the terminal shows nothing any more: %s\n",
			strerror(errno));
	return outcome;
}

int
password_read(char to[PREPARE_PASSWORD_MAX + 1])
{
	char first[LINE_MAX_BYTES], second[LINE_MAX_BYTES];
	bool is_terminal = isatty(STDIN_FILENO) == 1;
	int outcome = -1;

	if (is_terminal) {
		if (ask("Password: ", first, sizeof(first)) < 0 ||
		    ask("The same again: ", second, sizeof(second)) < 0)
			goto out;
		if (strcmp(first, second) != 0) {
			fputs("culver: that was another one\n", stderr);
			goto out;
		}
	} else if (read_line(first, sizeof(first)) < 0) {
		goto out;
	}
	outcome = prepare_password(span_of(first), true, to);
	if (outcome < 0)
		fprintf(stderr,
			"culver: a password has 1 to %d bytes of UTF-8, and no control "
			"characters\n",
			PREPARE_PASSWORD_MAX);
out:
	explicit_bzero(first, sizeof(first));
	explicit_bzero(second, sizeof(second));
	return outcome;
}
