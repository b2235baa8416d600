/*
 * wire - how a struct becomes a datagram and is read again
 *
 * A message is a header of 12 bytes (type, flags, length of the body, request number; little-endian), then the fields of its shape in their order, each
 * led by one byte that names its kind.  A shape is one table for both ends: encode and decode cannot
 * differ.  Decoding checks kind, length, minimum and maximum of each field and that nothing is left over; on -1 nothing has been set.
 * Spans point into the datagram.  A datagram is one message; where a protocol says so it is several, one behind the other, which costs one
 * wake-up instead of several.
 */
#ifndef COMMON_PROTOCOL_WIRE_H
#define COMMON_PROTOCOL_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/system/channel.h"
#include "common/text/span.h"

#define WIRE_MAX CHANNEL_MAX
#define WIRE_HEADER 12

enum wire_kind { WIRE_U64 = 1, WIRE_SPAN = 2, WIRE_LIST = 3 };

struct wire_field {
	enum wire_kind kind;
	size_t at;	   /* offsetof in the struct: uint64_t, struct span or struct wire_list */
	uint64_t min, max; /* of the number; of the span's bytes; of the list's items */
	const struct wire_shape *item; /* of a list */
};

/* one message: its type, its struct, its fields */
struct wire_shape {
	uint16_t type;
	const char *name;
	size_t size; /* sizeof the struct */
	const struct wire_field *fields;
	size_t field_count;
	size_t fds; /* descriptors that come with it, exactly */
};

/* items of a list, encoded one after another; checked whole when the message was decoded */
struct wire_list {
	uint64_t count;
	struct span bytes;
};

#define WIRE_FIELD_U64(type_, member_, min_, max_) \
	{ \
		WIRE_U64, offsetof(struct type_, member_), min_, max_, NULL \
	}
#define WIRE_FIELD_SPAN(type_, member_, min_, max_) \
	{ \
		WIRE_SPAN, offsetof(struct type_, member_), min_, max_, NULL \
	}
#define WIRE_FIELD_LIST(type_, member_, min_, max_, item_) \
	{ \
		WIRE_LIST, offsetof(struct type_, member_), min_, max_, item_ \
	}
/* WIRE_SHAPE(INTAKE_OPEN, intake_open, 0, fields...): a shape for struct intake_open */
#define WIRE_SHAPE(type_, struct_, fds_, ...) \
	{ \
		.type = (type_), .name = #type_, .size = sizeof(struct struct_), \
		.fields = (const struct wire_field[]){__VA_ARGS__}, \
		.field_count = sizeof((const struct wire_field[]){__VA_ARGS__}) / \
			       sizeof(struct wire_field), \
		.fds = (fds_) \
	}
/* a message without fields */
#define WIRE_SHAPE_EMPTY(type_, fds_) \
	{ \
		.type = (type_), .name = #type_, .size = 0, .fields = NULL, .field_count = 0, \
		.fds = (fds_) \
	}

enum wire_flags {
	WIRE_MORE = 1, /* another part of the same follows */
};

struct wire_header {
	uint16_t type;
	uint16_t flags;
	uint32_t request; /* an answer bears its question's number */
};

/* a datagram in the making; also the room for lists of its fields */
struct wire {
	size_t len;
	bool failed; /* did not fit */
	char at[WIRE_MAX];
};

/* wire_encode - the whole datagram into `w`; -1 if it does not fit or a field is outside its bounds */
int wire_encode(struct wire *w, const struct wire_shape *shape, uint16_t flags, uint32_t request,
		const void *message) __attribute__((warn_unused_result));
/* wire_append - one more message behind those in `w`, which stay as they are on -1 */
int wire_append(struct wire *w, const struct wire_shape *shape, uint16_t flags, uint32_t request,
		const void *message) __attribute__((warn_unused_result));
/* wire_cut - takes the first message off a datagram; -1: what is left does not begin with one of ours, or there is nothing left */
int wire_cut(struct span *datagram, struct span *message) __attribute__((warn_unused_result));
/* wire_peek - the header of a message alone; -1: not one of ours, or not all of it is one message */
int wire_peek(struct span datagram, struct wire_header *h) __attribute__((warn_unused_result));
int wire_decode(struct span datagram, const struct wire_shape *shape, void *message)
	__attribute__((warn_unused_result));

/*
 * A list is built in a wire of its own: wire_list_start, wire_list_add for each item (-1 when it would pass `room` bytes: send
 * what is there with WIRE_MORE and start again), wire_list_get for the member.
 */
#define WIRE_LIST_ROOM 60000 /* leaves space for the other fields of a message with few */
void wire_list_start(struct wire *w);
int wire_list_add(struct wire *w, size_t room, const struct wire_shape *item, const void *value)
	__attribute__((warn_unused_result));
struct wire_list wire_list_get(const struct wire *w);
/* takes the next item off; false at the end */
bool wire_list_next(struct wire_list *list, const struct wire_shape *item, void *value);

/* ---- one end of a protocol ---- */

/* the messages that one end may send, by type; ends with .name == NULL */
const struct wire_shape *wire_find(const struct wire_shape *shapes, uint16_t type);

/* wire_send / wire_send_wait - encode and send on a channel; CHANNEL_BROKEN when it cannot be encoded (our fault: logged by the caller) */
enum channel_outcome wire_send(int fd, const struct wire_shape *shape, uint16_t flags,
			       uint32_t request, const void *message, const int *fds)
	__attribute__((warn_unused_result));
enum channel_outcome wire_send_wait(int fd, const struct wire_shape *shape, uint16_t flags,
				    uint32_t request, const void *message, const int *fds,
				    int64_t deadline_ms) __attribute__((warn_unused_result));

#endif
