/*
 * smtpd - the way in from the network: a listener, and one session process for each client
 *
 * Started by master with the sockets tcp.0, tcp.1 ...; reaches intake, lookup and log, no file at all.  See smtpd(8).
 */
#include <signal.h>
#include <stdlib.h>

#include "common/config/config.h"
#include "common/system/confine.h"
#include "common/system/events.h"
#include "common/system/start.h"
#include "smtpd/listener.h"
#include "smtpd/syscalls.h"

#define DESCRIPTORS 128 /* the listener's sockets, or those of one session and its message */
#define MEMORY_MAX \
	(UINT64_C(1) \
	 << 30) /* address space of one process: a transaction of a million recipients fits */
#define FILE_SLACK \
	(1u << 20) /* what stands before the content, and a buffer that is written at once */

int
main(void)
{
	const struct start *start = start_take("smtpd");
	const struct config *config = config_take();
	struct confine_limits limits = {
		.descriptors = DESCRIPTORS,
		.memory = MEMORY_MAX,
		.file_size = config->limits.message_size + FILE_SLACK,
		.may_fork = true,
	};

	events_start("smtpd", start_path(start, "log"));
	for (size_t i = 0; i < config->listen_count; i++) {
		uint64_t size = config->listens[i].limits.message_size + FILE_SLACK;
		if (size > limits.file_size)
			limits.file_size = size;
	}
	/* a file that grows too large is an error of write(), not the end */
	signal(SIGXFSZ, SIG_IGN);
	confine(start, smtpd_syscalls, &limits);
	struct listener *listener = listener_new(start, config);
	start_serving(start);
	listener_serve(listener);
	return EXIT_SUCCESS;
}
