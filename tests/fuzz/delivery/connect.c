/*
 * connect - any bytes as what a server says, from its greeting on: an outcome always comes of it, and it is bounded
 */
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "delivery/connect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct hosts_address peer = {.text = "peer.test[192.0.2.1]:25"};
	struct connection c = {.open = true, .peer = &peer};
	struct verdict v;
	struct reply r;
	enum exchange outcome = EXCHANGE_OK;
	int ends[2];

	if (size > 65536)
		return 0;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0 || stream_open(&c.stream, ends[0]) == -1)
		abort();
	if (send(ends[1], data, size, MSG_DONTWAIT) < 0)
		size = 0;
	shutdown(ends[1], SHUT_WR);
	for (int i = 0; outcome == EXCHANGE_OK && i < 1000; i++) {
		outcome = connect_reply(&c, 1000, &r);
		if (outcome == EXCHANGE_OK && (!r.complete || r.code < 200 || r.code > 599))
			abort();
		if (outcome == EXCHANGE_OK)
			connect_extension(&c, span_of(r.text));
	}
	/* all is there at once: nothing is waited for */
	if (outcome == EXCHANGE_TIMEOUT)
		abort();
	if (outcome != EXCHANGE_OK) {
		connect_trouble(&c, outcome, "in a test", &v);
		if (v.fate != FATE_DEFERRED)
			abort();
	}
	connect_drop(&c);
	close(ends[1]);
	return 0;
}
