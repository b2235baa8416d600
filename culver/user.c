/*
 * user - culver user: see user.h
 *
 * Writes the accounts' database (common/accounts/store.h) itself: what is changed is on the disk when it returns, and counts with the next
 * login, whether Culver runs or not.  Where the directory is not there yet it is made as master makes it.  No password stands in an argument.
 */
#include "culver/user.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/accounts/store.h"
#include "common/system/fatal.h"
#include "common/text/buffer.h"
#include "common/text/escape.h"
#include "culver/password.h"

#define GROUP "culver-auth" /* of the program that reads the accounts */
#define DIRECTORY_MODE 0750
#define PATH_MAX_BYTES 600
#define JSON_MAX 4096 /* a login, each byte of it escaped */

struct action {
	const char *word;
	bool takes_password;
	int (*run)(struct store *s, const char *login, const char *password);
};

static int
say_trouble(const char *reason)
{
	fprintf(stderr, "culver: the accounts: %s\n", reason);
	return EXIT_OS;
}

/* ---- the file ---- */

/* as root the directory and the file are root's and of auth's group; *gid is that, or (gid_t)-1 */
static int
make_directory(const char *path, gid_t *gid)
{
	struct stat st;

	*gid = (gid_t)-1;
	if (geteuid() == 0) {
		const struct group *group = getgrnam(GROUP);
		if (group == NULL) {
			fprintf(stderr, "culver: there is no group %s; `make install` makes it\n",
				GROUP);
			return EXIT_CONFIGURATION;
		}
		*gid = group->gr_gid;
	}
	if (stat(path, &st) == 0)
		return 0;
	if (mkdir(path, DIRECTORY_MODE) != 0 || chmod(path, DIRECTORY_MODE) != 0 ||
	    (*gid != (gid_t)-1 && chown(path, 0, *gid) != 0)) {
		fprintf(stderr, "culver: %s: %s\n", path, strerror(errno));
		return EXIT_OS;
	}
	return 0;
}

/* NULL after a sentence; *status is what to exit with then */
static struct store *
open_store(const char *directory, int *status)
{
	char path[PATH_MAX_BYTES], reason[STORE_REASON_MAX] = "";
	struct store *s;
	gid_t gid;

	*status = make_directory(directory, &gid);
	if (*status != 0)
		return NULL;
	*status = EXIT_OS;
	if (snprintf(path, sizeof(path), "%s/" STORE_FILE, directory) >= (int)sizeof(path)) {
		(void)say_trouble("the path is too long");
		return NULL;
	}
	s = store_open(path, true, reason);
	if (s == NULL) {
		fprintf(stderr, "culver: %s: %s\n", path, reason);
		return NULL;
	}
	if (gid != (gid_t)-1 && chown(path, 0, gid) != 0) {
		fprintf(stderr, "culver: %s: %s\n", path, strerror(errno));
		store_close(s);
		return NULL;
	}
	return s;
}

/* ---- actions ---- */

static int
put(struct store *s, const char *login, const char *password, bool is_new)
{
	struct verifier verifiers[2];
	char reason[STORE_REASON_MAX] = "";
	int status = 1;

	if (verifier_make(VERIFIER_SHA256, span_of(password), &verifiers[0]) < 0 ||
	    verifier_make(VERIFIER_SHA1, span_of(password), &verifiers[1]) < 0)
		return say_trouble("libcrypto cannot make a verifier");
	switch (store_put(s, login, is_new, verifiers, 2, reason)) {
	case STORE_DONE:
		status = 0;
		break;
	case STORE_PRESENT:
		fprintf(stderr,
			"culver: %s has an account already; `culver user password %s` changes "
			"its password\n",
			login, login);
		break;
	case STORE_ABSENT:
		fprintf(stderr, "culver: %s has no account\n", login);
		break;
	case STORE_TROUBLE:
		status = say_trouble(reason);
		break;
	}
	explicit_bzero(verifiers, sizeof(verifiers));
	return status;
}

static int
run_add(struct store *s, const char *login, const char *password)
{
	return put(s, login, password, true);
}

static int
run_password(struct store *s, const char *login, const char *password)
{
	return put(s, login, password, false);
}

static int
run_remove(struct store *s, const char *login, const char *password)
{
	char reason[STORE_REASON_MAX] = "";

	(void)password;
	switch (store_remove(s, login, reason)) {
	case STORE_DONE:
		return 0;
	case STORE_ABSENT:
		fprintf(stderr, "culver: %s has no account\n", login);
		return 1;
	case STORE_PRESENT:
	case STORE_TROUBLE:
		break;
	}
	return say_trouble(reason);
}

static const struct action actions[] = {
	{"add", true, run_add},
	{"password", true, run_password},
	{"remove", false, run_remove},
};

/* ---- list ---- */

static void
print_login(void *owner, const char *login, int64_t changed_s)
{
	const struct culver_options *o = owner;
	struct buffer text;

	if (!o->json) {
		printf("%s\n", login);
		return;
	}
	buffer_init(&text, JSON_MAX);
	escape_json(&text, span_of(login));
	printf("{\"login\":\"%.*s\",\"changed\":%lld}\n", SPAN_ARG(buffer_get(&text)),
	       (long long)changed_s);
	buffer_free(&text);
}

static int
list(const struct culver_options *o, const char *directory)
{
	char path[PATH_MAX_BYTES], reason[STORE_REASON_MAX] = "";
	struct store *s;
	enum store_outcome outcome;

	if (snprintf(path, sizeof(path), "%s/" STORE_FILE, directory) >= (int)sizeof(path))
		return say_trouble("the path is too long");
	if (access(path, F_OK) != 0 && errno == ENOENT)
		return 0; /* nobody has an account yet */
	s = store_open(path, false, reason);
	if (s == NULL) {
		fprintf(stderr, "culver: %s: %s\n", path, reason);
		return EXIT_OS;
	}
	outcome = store_list(s, print_login, (void *)(uintptr_t)o, reason);
	store_close(s);
	if (outcome != STORE_DONE)
		return say_trouble(reason);
	if (fflush(stdout) != 0) {
		fprintf(stderr, "culver: cannot write: %s\n", strerror(errno));
		return 1;
	}
	return 0;
}

/* ---- the verb ---- */

static int
act(const struct action *a, const char *directory, const char *name)
{
	char login[PREPARE_LOGIN_MAX + 1], password[PREPARE_PASSWORD_MAX + 1] = "";
	struct store *s;
	int status;

	if (prepare_login(span_of(name), true, login) < 0) {
		fprintf(stderr,
			"culver: a login has 1 to %d bytes of UTF-8, and no control characters\n",
			PREPARE_LOGIN_MAX);
		return 1;
	}
	s = open_store(directory, &status);
	if (s == NULL)
		return status;
	if (a->takes_password && password_read(password) < 0)
		status = 1;
	else
		status = a->run(s, login, password);
	explicit_bzero(password, sizeof(password));
	store_close(s);
	return status;
}

int
verb_user(const struct culver_options *o, int argc, char **argv)
{
	const struct action *action = NULL;
	struct config *c;
	int status;

	if (argc < 2)
		return options_usage(o, "expected a word behind `user`");
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		if (strcmp(argv[1], actions[i].word) == 0)
			action = &actions[i];
	if (action == NULL && strcmp(argv[1], "list") != 0)
		return options_usage(o, "there is no `user %s`", argv[1]);
	if (argc != (action != NULL ? 3 : 2) || (action != NULL && o->json))
		return options_usage(o, "expected `%s%s` alone", argv[1],
				     action != NULL ? " LOGIN" : "");
	c = options_config(o);
	if (c == NULL)
		return 1;
	status =
		action != NULL ? act(action, c->auth.accounts, argv[2]) : list(o, c->auth.accounts);
	config_free(c);
	return status;
}
