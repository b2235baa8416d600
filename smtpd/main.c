/*
 * smtpd - the way in: a listener, and one session process for each client
 *
 * Started by master with the sockets tcp.0, tcp.1 ..., or, as `submit` and another user, with the one socket `submission`, where
 * sendmail(1) speaks for the local users, and the directory of their letters from
 * before the start.  Reaches intake, lookup and log, no file else.  See smtpd(8), submit(8).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

#include "common/config/config.h"
#include "common/system/confine.h"
#include "common/system/events.h"
#include "common/system/fatal.h"
#include "common/system/start.h"
#include "smtpd/listener.h"
#include "smtpd/lobby.h"
#include "smtpd/syscalls.h"
#include "smtpd/tls.h"

#define DESCRIPTORS 128 /* submit's: its socket, or those of one session and its message */
#define MEMORY_MAX \
	(UINT64_C(1) \
	 << 30) /* address space of one process: a transaction of a million recipients fits */
#define FILE_SLACK \
	(1u << 20) /* what stands before the content, and a buffer that is written at once */

/* submit's letters left while the system was stopped; its name cannot be reached any more once we are confined.  -1: not submit */
static int
open_drop(const struct start *start)
{
	const char *path = start_directory(start, "drop");
	if (path == NULL)
		return -1;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	/* a probe may come before the first start */
	if (fd < 0 && !start->probe)
		fatal(EXIT_OS, errno, "%s", path);
	return fd;
}

int
main(int argc, char **argv)
{
	const char *name = argc > 0 && strcmp(argv[0], "submit") == 0 ? "submit" : "smtpd";
	const struct start *start = start_take(name);
	const struct config *config = config_take();
	struct confine_limits limits = {
		.descriptors = DESCRIPTORS,
		.memory = MEMORY_MAX,
		.file_size = config->limits.message_size + FILE_SLACK,
		.may_fork = true,
	};

	/* the binary's name stands there, which is smtpd's; a title that is wrong harms nobody */
	(void)prctl(PR_SET_NAME, name);
	events_start(name, start_path(start, "log"));
	for (size_t i = 0; i < config->listen_count; i++) {
		uint64_t size = config->listens[i].limits.message_size + FILE_SLACK;
		if (size > limits.file_size)
			limits.file_size = size;
	}
	/* a file that grows too large is an error of write(), not the end */
	signal(SIGXFSZ, SIG_IGN);
	if (strcmp(name, "smtpd") == 0) {
		limits.descriptors = LOBBY_DESCRIPTOR + LOBBY_MAX;
		tls_start(start, config);
	}
	int drop = open_drop(start);
	/* the sessions, too: one that is answered does not interrupt who has answered (docs/performance.md) */
	start_batched();
	confine(start, start_directory(start, "drop") != NULL ? submit_syscalls : smtpd_syscalls,
		&limits);
	struct listener *listener = listener_new(start, config, drop);
	start_serving(start);
	return listener_serve(listener);
}
