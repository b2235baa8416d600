/*
 * host - see host.h
 */
#include "queue-manager/host.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/system/fatal.h"
#include "common/text/checksum.h"

#define BUCKETS 1024 /* a power of two */
#define NAME_MAX_BYTES 255

static struct host **
bucket_of(struct hosts *t, uint32_t hash)
{
	return &t->buckets[hash & (BUCKETS - 1)];
}

/* NAME[ADDRESS]:PORT without its address; of a path, all of it and no port */
static void
parts_of(struct span text, struct span *name, struct span *port)
{
	*name = span_cut(&text, '[');
	(void)span_cut(&text, ']');
	*port = span_skip(text, text.len > 0 ? 1 : 0);
}

/* by name and port, whatever the address */
static uint32_t
hash_of(struct span name, struct span port)
{
	char lower[NAME_MAX_BYTES];
	size_t len = name.len < sizeof(lower) ? name.len : sizeof(lower);
	for (size_t i = 0; i < len; i++)
		lower[i] = ascii_lower(name.at[i]);
	return (uint32_t)(checksum_of(lower, len) + 31 * checksum_of(port.at, port.len));
}

static struct host *
find(struct hosts *t, struct span text)
{
	struct span name, port;
	if (t->count == 0)
		return NULL;
	parts_of(text, &name, &port);
	uint32_t hash = hash_of(name, port);
	struct host *h = *bucket_of(t, hash);
	while (h != NULL && (h->hash != hash || !span_equal(span_of(h->name), text)))
		h = h->hash_next;
	return h;
}

/* NULL: there are too many */
static struct host *
make(struct hosts *t, struct span text)
{
	struct span name, port;
	if (t->count == HOSTS_MAX)
		return NULL;
	if (t->buckets == NULL)
		t->buckets = calloc(BUCKETS, sizeof(struct host *));
	struct host *h = calloc(1, sizeof(*h) + text.len + 1);
	if (t->buckets == NULL || h == NULL)
		fatal(EXIT_OS, ENOMEM, "a host");
	memcpy(h->name, text.at, text.len);
	parts_of(text, &name, &port);
	h->hash = hash_of(name, port);
	h->hash_next = *bucket_of(t, h->hash);
	*bucket_of(t, h->hash) = h;
	t->count++;
	return h;
}

static void
let(struct hosts *t, struct host *h)
{
	if (--h->users > 0)
		return;
	struct host **at = bucket_of(t, h->hash);
	while (*at != h)
		at = &(*at)->hash_next;
	*at = h->hash_next;
	t->count--;
	free(h);
}

static void
keep(struct site_hosts *of, struct host *h)
{
	for (uint32_t i = 0; i < of->count; i++)
		if (of->host[i] == h)
			return;
	if (of->count == SITE_HOSTS_MAX)
		return;
	of->host[of->count++] = h;
	h->users++;
}

void
host_down(struct hosts *t, struct site_hosts *of, struct span name, int64_t now_ms)
{
	struct host *h = find(t, name);
	if (h == NULL && of->count < SITE_HOSTS_MAX)
		h = make(t, name);
	if (h == NULL)
		return;
	keep(of, h);
	/* those that were under way when it was found dead say nothing new */
	if (h->back_off_ms > 0 && now_ms < h->down_until_ms && !h->is_probed)
		return;
	h->is_probed = false;
	h->back_off_ms = h->back_off_ms == 0 ? HOST_DOWN_FIRST_MS : h->back_off_ms * 2;
	if (h->back_off_ms > HOST_DOWN_MAX_MS)
		h->back_off_ms = HOST_DOWN_MAX_MS;
	h->down_until_ms = now_ms + h->back_off_ms;
}

void
host_up(struct hosts *t, struct span name)
{
	struct host *h = find(t, name);
	if (h == NULL)
		return;
	h->down_until_ms = h->back_off_ms = 0;
	h->is_probed = false;
}

void
host_avoid(struct hosts *t, struct site_hosts *of, int64_t now_ms, bool may_probe,
	   struct buffer *to)
{
	for (uint32_t i = 0; i < of->count;) {
		struct host *h = of->host[i];
		if (h->back_off_ms == 0) {
			of->host[i] = of->host[--of->count];
			let(t, h);
			continue;
		}
		i++;
		if (may_probe && h->down_until_ms <= now_ms) {
			/* this agent tries it; the next ones wait for what it says */
			h->is_probed = true;
			h->down_until_ms = now_ms + HOST_PROBE_MS;
			continue;
		}
		buffer_format(to, "%s%s", to->len > 0 ? " " : "", h->name);
	}
}

void
host_learn(struct hosts *t, struct site_hosts *of, struct span names)
{
	struct span port, name, its_name, its_port;
	while (t->count > 0 && (port = span_word(&names)).len > 0) {
		name = span_cut(&port, ':');
		uint32_t hash = hash_of(name, port);
		for (struct host *h = *bucket_of(t, hash); h != NULL; h = h->hash_next) {
			parts_of(span_of(h->name), &its_name, &its_port);
			if (h->hash == hash && h->back_off_ms > 0 &&
			    span_equal_nocase(name, its_name) && span_equal(port, its_port))
				keep(of, h);
		}
	}
}

void
host_share(const struct site_hosts *from, struct site_hosts *to)
{
	for (uint32_t i = 0; i < from->count; i++)
		keep(to, from->host[i]);
}

void
host_forget(struct hosts *t, struct site_hosts *of)
{
	while (of->count > 0)
		let(t, of->host[--of->count]);
}

void
hosts_free(struct hosts *t)
{
	free(t->buckets);
	*t = (struct hosts){0};
}
