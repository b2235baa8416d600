/*
 * control: whatever is said on a connection of the administrator, the queue-manager goes on, and only what is selected is touched
 *
 * The input: a byte for the type, the rest is the body of a datagram; also parsed as a selector.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/protocol/control.h"
#include "common/system/events.h"
#include "queue-manager/manager.h"
#include "queue-manager/select.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct config config;
static struct manager *q;
static struct start_listen control = {.name = "control", .anybody = true};
static char path[128];

static void
must(int holds)
{
	if (!holds)
		abort();
}

static bool
stop(struct loop_task *t)
{
	loop_stop(t->owner);
	return false;
}

static void
turn(void)
{
	struct loop_task t = {.step = stop, .owner = q->loop};
	loop_task_wake(q->loop, &t);
	loop_run(q->loop);
}

static void
start(void)
{
	static char folder[] = "culver-fuzz-XXXXXX";
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	must(mkdtemp(folder) != NULL);
	events_start("queue-manager", "/nowhere");
	q = manager_new(&config, NULL);
	int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	spool_use(&q->spool, dir, "boot");
	spool_start(&q->spool, clock_wall_us());
	manager_begin(q, NULL);
	snprintf(path, sizeof(path), "%s/control", folder);
	memcpy(a.sun_path, path, strlen(path) + 1);
	control.fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	must(bind(control.fd, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(control.fd, 8) == 0);
	control_start(q, &control);
	/* two messages without files: one that may be meant, and one that is not ours yet */
	for (uint64_t id = 0x1000; id < 0x1002; id++) {
		struct message *m = message_new(q, id, 0, SPAN("anna@b.example"));
		m->is_queued = m->is_kept = id == 0x1000;
		m->is_held = true;
		must(message_add(q, m, 1, SPAN("x@y.example"), 0, 0) == 0);
		message_settle(q, m);
	}
}

static void
try_selector(struct span text)
{
	static struct wire list;
	struct selector s;
	wire_list_start(&list);
	while (text.len > 0) {
		const struct control_word one = {span_cut(&text, '\n')};
		if (wire_list_add(&list, WIRE_LIST_ROOM, &control_word_shape, &one) != 0)
			break;
	}
	if (select_parse(&s, wire_list_get(&list), false) != NULL)
		return;
	must(s.all + (s.id_count > 0) + (s.word_count > 0) == 1);
	(void)select_matches(q, &s, q->messages.last);
	(void)select_recipient(q, &s, q->messages.last, 1);
	select_free(&s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char datagram[CHANNEL_MAX];
	if (q == NULL)
		start();
	if (size < 1 || size > sizeof(datagram) - WIRE_HEADER)
		return 0;
	try_selector(span_from((const char *)data + 1, size - 1));
	int fd = channel_connect(path, 0);
	must(fd >= 0);
	uint16_t type = data[0] % 7;
	uint32_t len = (uint32_t)size - 1;
	memset(datagram, 0, WIRE_HEADER);
	memcpy(datagram, &type, sizeof(type));
	memcpy(datagram + 4, &len, sizeof(len));
	memcpy(datagram + WIRE_HEADER, data + 1, len);
	must(channel_send(fd, span_from(datagram, WIRE_HEADER + len), NULL, 0) == CHANNEL_OK);
	for (int i = 0; i < 4; i++)
		turn();
	close(fd);
	turn();
	turn();
	must(q->peers == NULL);
	/* the one that was not kept is never acted upon */
	struct message *m = message_find(q, 0x1001);
	must(m != NULL && m->class == MESSAGE_INCOMING);
	if (message_find(q, 0x1000) == NULL) {
		m = message_new(q, 0x1000, 0, SPAN("anna@b.example"));
		m->is_queued = m->is_kept = m->is_held = true;
		must(message_add(q, m, 1, SPAN("x@y.example"), 0, 0) == 0);
		message_settle(q, m);
	}
	return 0;
}
