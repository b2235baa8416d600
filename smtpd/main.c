/*
 * smtpd - the way in: a listener, and one session process for each client
 *
 * Started by master with the sockets tcp.0, tcp.1 ..., or, as `submit` and another user, with the one socket `submission`, where
 * sendmail(1) speaks for the local users.  Reaches intake, lookup and log, no file at all.  See smtpd(8), submit(8).
 */
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

#include "common/config/config.h"
#include "common/system/confine.h"
#include "common/system/events.h"
#include "common/system/start.h"
#include "smtpd/listener.h"
#include "smtpd/syscalls.h"
#include "smtpd/tls.h"

#define DESCRIPTORS 128 /* the listener's sockets, or those of one session and its message */
#define MEMORY_MAX \
	(UINT64_C(1) \
	 << 30) /* address space of one process: a transaction of a million recipients fits */
#define FILE_SLACK \
	(1u << 20) /* what stands before the content, and a buffer that is written at once */

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
	if (strcmp(name, "smtpd") == 0)
		tls_start(start, config);
	confine(start, smtpd_syscalls, &limits);
	struct listener *listener = listener_new(start, config);
	start_serving(start);
	return listener_serve(listener);
}
