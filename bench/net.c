/*
 * net - see net.h
 */
#include "bench/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "common/system/fatal.h"
#include "common/text/number.h"

int
net_address(struct span text, struct sockaddr_in *address)
{
	char host[INET_ADDRSTRLEN];
	struct span rest = text, name = span_cut(&rest, ':');
	uint64_t port;
	struct sockaddr_in found = {.sin_family = AF_INET};
	if (span_copy(name, host, sizeof(host)) < 0 || number_parse(rest, 1, 65535, &port) < 0 ||
	    inet_pton(AF_INET, host, &found.sin_addr) != 1)
		return -1;
	found.sin_port = htons((uint16_t)port);
	*address = found;
	return 0;
}

void
net_no_delay(int fd)
{
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
}

void
net_prepare(void)
{
	struct rlimit files;
	signal(SIGPIPE, SIG_IGN);
	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		fatal(EXIT_OS, errno, "getrlimit");
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		fatal(EXIT_OS, errno, "setrlimit");
}
