/*
 * wire - see wire.h
 */
#include "common/protocol/wire.h"

#include <endian.h>
#include <string.h>

#define FIELDS_MAX 24
#define LENGTH_AT 4 /* in the header, behind type and flags */

/* ---- writing ---- */

static void
put_bytes(struct wire *w, const void *at, size_t len)
{
	if (w->failed || len > WIRE_MAX - w->len) {
		w->failed = true;
		return;
	}
	if (len > 0)
		memcpy(w->at + w->len, at, len);
	w->len += len;
}

static void
put_kind(struct wire *w, enum wire_kind kind)
{
	unsigned char byte = (unsigned char)kind;
	put_bytes(w, &byte, 1);
}

/* numbers take 1, 2, 4 or 8 bytes: the kind's high half says how many */
static void
put_u64(struct wire *w, uint64_t v)
{
	unsigned power = v > UINT32_MAX ? 3 : v > UINT16_MAX ? 2 : v > UINT8_MAX ? 1 : 0;
	unsigned char byte = (unsigned char)(WIRE_U64 | power << 4);
	uint64_t little = htole64(v);
	put_bytes(w, &byte, 1);
	put_bytes(w, &little, (size_t)1 << power);
}

static void
put_u32_raw(struct wire *w, uint32_t v)
{
	uint32_t little = htole32(v);
	put_bytes(w, &little, sizeof(little));
}

static int
put_fields(struct wire *w, const struct wire_shape *shape, const void *message)
{
	const char *base = message;
	for (size_t i = 0; i < shape->field_count; i++) {
		const struct wire_field *f = &shape->fields[i];
		switch (f->kind) {
		case WIRE_U64: {
			uint64_t v;
			memcpy(&v, base + f->at, sizeof(v));
			if (v < f->min || v > f->max)
				return -1;
			put_u64(w, v);
			break;
		}
		case WIRE_SPAN: {
			struct span s;
			memcpy(&s, base + f->at, sizeof(s));
			if (s.len < f->min || s.len > f->max)
				return -1;
			put_kind(w, WIRE_SPAN);
			put_u32_raw(w, (uint32_t)s.len);
			put_bytes(w, s.at, s.len);
			break;
		}
		case WIRE_LIST: {
			struct wire_list l;
			memcpy(&l, base + f->at, sizeof(l));
			if (l.count < f->min || l.count > f->max)
				return -1;
			put_kind(w, WIRE_LIST);
			put_u32_raw(w, (uint32_t)l.count);
			put_u32_raw(w, (uint32_t)l.bytes.len);
			put_bytes(w, l.bytes.at, l.bytes.len);
			break;
		}
		}
	}
	return w->failed ? -1 : 0;
}

int
wire_append(struct wire *w, const struct wire_shape *shape, uint16_t flags, uint32_t request,
	    const void *message)
{
	size_t before = w->len;
	uint16_t head[2] = {htole16(shape->type), htole16(flags)};
	put_bytes(w, head, sizeof(head));
	put_u32_raw(w, 0); /* the length, below */
	put_u32_raw(w, request);
	if (put_fields(w, shape, message) < 0) {
		w->len = before;
		w->failed = false;
		return -1;
	}
	uint32_t length = htole32((uint32_t)(w->len - before - WIRE_HEADER));
	memcpy(w->at + before + LENGTH_AT, &length, sizeof(length));
	return 0;
}

int
wire_encode(struct wire *w, const struct wire_shape *shape, uint16_t flags, uint32_t request,
	    const void *message)
{
	w->len = 0;
	w->failed = false;
	return wire_append(w, shape, flags, request, message);
}

/* ---- reading ---- */

static int
take_bytes(struct span *in, void *to, size_t len)
{
	if (in->len < len)
		return -1;
	memcpy(to, in->at, len);
	*in = span_skip(*in, len);
	return 0;
}

static int
take_u32_raw(struct span *in, uint32_t *v)
{
	uint32_t little;
	if (take_bytes(in, &little, sizeof(little)) < 0)
		return -1;
	*v = le32toh(little);
	return 0;
}

static int
take_u64(struct span *in, unsigned kind, const struct wire_field *f, uint64_t *v)
{
	unsigned power = kind >> 4;
	uint64_t little = 0;
	if ((kind & 15) != WIRE_U64 || power > 3 || take_bytes(in, &little, (size_t)1 << power) < 0)
		return -1;
	*v = le64toh(little);
	return *v < f->min || *v > f->max ? -1 : 0;
}

static int
take_span(struct span *in, unsigned kind, const struct wire_field *f, struct span *s)
{
	uint32_t len;
	if (kind != WIRE_SPAN || take_u32_raw(in, &len) < 0 || len > in->len || len < f->min ||
	    len > f->max)
		return -1;
	*s = span_from(in->at, len);
	*in = span_skip(*in, len);
	return 0;
}

static int take_fields(struct span *in, const struct wire_shape *shape, void *message, int depth);

static int
take_list(struct span *in, unsigned kind, const struct wire_field *f, struct wire_list *list,
	  int depth)
{
	uint32_t count, len;
	if (kind != WIRE_LIST || take_u32_raw(in, &count) < 0 || take_u32_raw(in, &len) < 0)
		return -1;
	if (len > in->len || count < f->min || count > f->max || depth > 1)
		return -1;
	struct span items = span_from(in->at, len);
	*list = (struct wire_list){count, items};
	*in = span_skip(*in, len);
	for (uint32_t i = 0; i < count; i++)
		if (take_fields(&items, f->item, NULL, depth + 1) < 0)
			return -1;
	return items.len == 0 ? 0 : -1;
}

/* the fields of one struct off *in; `message` NULL: checked only */
static int
take_fields(struct span *in, const struct wire_shape *shape, void *message, int depth)
{
	union {
		uint64_t number;
		struct span span;
		struct wire_list list;
	} values[FIELDS_MAX];
	if (shape->field_count > FIELDS_MAX)
		return -1;
	for (size_t i = 0; i < shape->field_count; i++) {
		const struct wire_field *f = &shape->fields[i];
		unsigned char kind;
		int wrong = take_bytes(in, &kind, 1);
		if (wrong == 0)
			switch (f->kind) {
			case WIRE_U64:
				wrong = take_u64(in, kind, f, &values[i].number);
				break;
			case WIRE_SPAN:
				wrong = take_span(in, kind, f, &values[i].span);
				break;
			case WIRE_LIST:
				wrong = take_list(in, kind, f, &values[i].list, depth);
				break;
			}
		if (wrong < 0)
			return -1;
	}
	char *base = message;
	for (size_t i = 0; base != NULL && i < shape->field_count; i++) {
		const struct wire_field *f = &shape->fields[i];
		switch (f->kind) {
		case WIRE_U64:
			memcpy(base + f->at, &values[i].number, sizeof(uint64_t));
			break;
		case WIRE_SPAN:
			memcpy(base + f->at, &values[i].span, sizeof(struct span));
			break;
		case WIRE_LIST:
			memcpy(base + f->at, &values[i].list, sizeof(struct wire_list));
			break;
		}
	}
	return 0;
}

int
wire_cut(struct span *datagram, struct span *message)
{
	struct span head = span_skip(*datagram, LENGTH_AT);
	uint32_t length;
	if (datagram->len < WIRE_HEADER || take_u32_raw(&head, &length) < 0 ||
	    length > datagram->len - WIRE_HEADER)
		return -1;
	*message = span_from(datagram->at, WIRE_HEADER + (size_t)length);
	*datagram = span_skip(*datagram, message->len);
	return 0;
}

int
wire_peek(struct span datagram, struct wire_header *h)
{
	uint16_t head[2];
	uint32_t length, request;
	if (take_bytes(&datagram, head, sizeof(head)) < 0 || take_u32_raw(&datagram, &length) < 0 ||
	    take_u32_raw(&datagram, &request) < 0 || length != datagram.len ||
	    (le16toh(head[1]) & ~WIRE_MORE) != 0)
		return -1;
	*h = (struct wire_header){
		.type = le16toh(head[0]), .flags = le16toh(head[1]), .request = request};
	return 0;
}

int
wire_decode(struct span datagram, const struct wire_shape *shape, void *message)
{
	struct wire_header h;
	if (wire_peek(datagram, &h) < 0 || h.type != shape->type)
		return -1;
	struct span body = span_skip(datagram, WIRE_HEADER);
	/* first all is checked, then set: what is left over must not be found too late */
	struct span checked = body;
	if (take_fields(&checked, shape, NULL, 0) < 0 || checked.len != 0)
		return -1;
	return take_fields(&body, shape, message, 0);
}

/* ---- lists ---- */

void
wire_list_start(struct wire *w)
{
	w->len = 0;
	w->failed = false;
	uint64_t count = 0;
	put_bytes(w, &count, sizeof(count));
}

int
wire_list_add(struct wire *w, size_t room, const struct wire_shape *item, const void *value)
{
	uint64_t count;
	size_t before = w->len;
	if (put_fields(w, item, value) < 0 || w->len - sizeof(count) > room) {
		w->len = before;
		w->failed = false;
		return -1;
	}
	memcpy(&count, w->at, sizeof(count));
	count++;
	memcpy(w->at, &count, sizeof(count));
	return 0;
}

struct wire_list
wire_list_get(const struct wire *w)
{
	uint64_t count;
	memcpy(&count, w->at, sizeof(count));
	return (struct wire_list){count, span_from(w->at + sizeof(count), w->len - sizeof(count))};
}

bool
wire_list_next(struct wire_list *list, const struct wire_shape *item, void *value)
{
	if (list->count == 0 || take_fields(&list->bytes, item, value, 1) < 0)
		return false;
	list->count--;
	return true;
}

/* ---- sending ---- */

const struct wire_shape *
wire_find(const struct wire_shape *shapes, uint16_t type)
{
	for (; shapes->name != NULL; shapes++)
		if (shapes->type == type)
			return shapes;
	return NULL;
}

/*
 * What is sent on a channel: no program speaks from two threads.  On the stack each page of it would be touched by the probes of
 * -fstack-clash-protection, and a session pays for each page that it touches.
 */
static struct wire w;

enum channel_outcome
wire_send(int fd, const struct wire_shape *shape, uint16_t flags, uint32_t request,
	  const void *message, const int *fds)
{
	if (wire_encode(&w, shape, flags, request, message) < 0)
		return CHANNEL_BROKEN;
	return channel_send(fd, span_from(w.at, w.len), fds, shape->fds);
}

enum channel_outcome
wire_send_wait(int fd, const struct wire_shape *shape, uint16_t flags, uint32_t request,
	       const void *message, const int *fds, int64_t deadline_ms)
{
	if (wire_encode(&w, shape, flags, request, message) < 0)
		return CHANNEL_BROKEN;
	return channel_send_wait(fd, span_from(w.at, w.len), fds, shape->fds, deadline_ms);
}
