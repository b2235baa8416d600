/*
 * hosts - see the header; called by agent.c, demand.c, explain.c and the probes of verify.  RFC 5321, section 5.1; RFC 7505
 */
#include "delivery/hosts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "common/mail/domain.h"
#include "common/system/clock.h"
#include "common/system/events.h"

#define ANSWERS_MEMORY_MAX (4u << 20)
#define SITE_CUT " ..."
#define NULL_MX_CODE 556 /* RFC 7504, section 4; RFC 7505, section 4.2 */

static struct sockaddr_storage local_addresses[HOSTS_LOCAL_MAX];
static size_t local_count;

/* ---- addresses ---- */

static socklen_t
set_ip(struct sockaddr_storage *to, int family, const void *bytes, uint16_t port)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)to;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)to;

	memset(to, 0, sizeof(*to));
	to->ss_family = (sa_family_t)family;
	if (family == AF_INET) {
		memcpy(&v4->sin_addr, bytes, sizeof(v4->sin_addr));
		v4->sin_port = htons(port);
		return sizeof(*v4);
	}
	memcpy(&v6->sin6_addr, bytes, sizeof(v6->sin6_addr));
	v6->sin6_port = htons(port);
	return sizeof(*v6);
}

static const void *
ip_of(const struct sockaddr_storage *a, size_t *len)
{
	if (a->ss_family == AF_INET) {
		*len = sizeof(struct in_addr);
		return &((const struct sockaddr_in *)a)->sin_addr;
	}
	*len = sizeof(struct in6_addr);
	return &((const struct sockaddr_in6 *)a)->sin6_addr;
}

static bool
is_same_ip(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	size_t len, other_len;
	const void *bytes = ip_of(a, &len);
	const void *other = ip_of(b, &other_len);

	return a->ss_family == b->ss_family && memcmp(bytes, other, len) == 0;
}

static uint16_t
port_of(const struct sockaddr_storage *a)
{
	return ntohs(a->ss_family == AF_INET ? ((const struct sockaddr_in *)a)->sin_port
					     : ((const struct sockaddr_in6 *)a)->sin6_port);
}

void
hosts_load_local(void)
{
	struct ifaddrs *all = NULL;

	local_count = 0;
	if (getifaddrs(&all) < 0) {
		EVENT("local-addresses-unknown", event_string("reason", strerror(errno)));
		return;
	}
	for (const struct ifaddrs *i = all; i != NULL && local_count < HOSTS_LOCAL_MAX;
	     i = i->ifa_next) {
		if (i->ifa_addr == NULL)
			continue;
		if (i->ifa_addr->sa_family == AF_INET)
			memcpy(&local_addresses[local_count++], i->ifa_addr,
			       sizeof(struct sockaddr_in));
		else if (i->ifa_addr->sa_family == AF_INET6)
			memcpy(&local_addresses[local_count++], i->ifa_addr,
			       sizeof(struct sockaddr_in6));
	}
	freeifaddrs(all);
}

static bool
is_local(const struct sockaddr_storage *a)
{
	if (a->ss_family == AF_INET &&
	    ntohl(((const struct sockaddr_in *)a)->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET)
		return true;
	for (size_t i = 0; i < local_count; i++)
		if (is_same_ip(a, &local_addresses[i]))
			return true;
	return false;
}

static bool
is_any(const struct sockaddr_storage *a)
{
	static const struct in6_addr any6 = IN6ADDR_ANY_INIT;

	if (a->ss_family == AF_INET)
		return ((const struct sockaddr_in *)a)->sin_addr.s_addr == htonl(INADDR_ANY);
	return memcmp(&((const struct sockaddr_in6 *)a)->sin6_addr, &any6, sizeof(any6)) == 0;
}

/* do we listen there ourselves? */
static bool
is_ours(const struct hosts *h, const struct sockaddr_storage *a)
{
	for (size_t i = 0; i < h->config->listen_count; i++) {
		const struct sockaddr_storage *l = &h->config->listens[i].address;

		if (l->ss_family != AF_INET && l->ss_family != AF_INET6)
			continue;
		/* [::] takes IPv4 too */
		if (port_of(l) == port_of(a) &&
		    (is_same_ip(l, a) ||
		     (is_any(l) && (l->ss_family == AF_INET6 || a->ss_family == AF_INET) &&
		      is_local(a))))
			return true;
	}
	return false;
}

static void
name_address(struct hosts_address *a, struct span name)
{
	char text[INET6_ADDRSTRLEN] = "";
	size_t len;

	a->port = port_of(&a->address);
	inet_ntop(a->address.ss_family, ip_of(&a->address, &len), text, sizeof(text));
	snprintf(a->text, sizeof(a->text), "%.*s[%s]:%u", SPAN_ARG(name), text, (unsigned)a->port);
}

static void
add_address(struct hosts *h, struct span name, int family, const void *bytes)
{
	struct hosts_address *a = &h->addresses[h->address_count];

	if (h->address_count == HOSTS_ADDRESSES_MAX)
		return;
	a->len = set_ip(&a->address, family, bytes, h->hop.port);
	a->is_lmtp = h->hop.is_lmtp;
	a->domain = h->hop.is_mx ? h->hop.host : SPAN_NONE;
	a->is_named_securely = h->is_named_securely;
	a->is_secure = false;
	a->canonical[0] = '\0';
	if (h->hop.is_literal || span_copy(name, a->name, sizeof(a->name)) < 0)
		a->name[0] = '\0';
	name_address(a, name);
	h->address_count++;
}

/* ---- why there is no address ---- */

/* the first reason stays, but a deferral has more weight than a failure: the next attempt may find more */
static void __attribute__((format(printf, 5, 6)))
note(struct hosts *h, enum fate fate, int code, const char *status, const char *format, ...)
{
	char text[REPLY_TEXT_MAX + 1];
	va_list args;

	if (h->why.fate == FATE_DEFERRED || (h->why.fate == FATE_FAILED && fate == FATE_FAILED))
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	verdict_set(&h->why, fate, code, status, "%s", text);
	h->domain = h->hop.host;
}

static void
pass_over(const char *host, const char *reason)
{
	EVENT("host-passed-over", event_string("host", host), event_string("reason", reason));
}

/* ---- the resolver ---- */

static void
ask(struct hosts *h, const struct resolver_question *questions, size_t count,
    struct resolver_found *found)
{
	arena_reset(&h->arena);
	resolver_client_ask(&h->client, questions, count, &h->arena,
			    clock_monotonic_ms() + RESOLVER_WAIT_MS, found);
}

/* with what DANE needs to know of it */
static void
add_known(struct hosts *h, struct span name, int family, const struct resolver_found *found,
	  size_t n)
{
	struct hosts_address *a = &h->addresses[h->address_count];

	if (h->address_count == HOSTS_ADDRESSES_MAX)
		return;
	add_address(h, name, family, found->records[n].data.at);
	a->is_secure = found->security == RESOLVER_SECURE;
	if (span_copy(found->canonical, a->canonical, sizeof(a->canonical)) < 0)
		a->canonical[0] = '\0';
}

/* IPv6 and IPv4 in turns, so that a host is soon tried by either */
static void
add_found(struct hosts *h, struct span name, const struct resolver_found found[2])
{
	static const int families[2] = {AF_INET6, AF_INET};
	static const size_t lengths[2] = {sizeof(struct in6_addr), sizeof(struct in_addr)};

	for (size_t i = 0; i < found[0].count || i < found[1].count; i++)
		for (size_t f = 0; f < 2; f++)
			if (found[f].outcome == RESOLVER_FOUND && i < found[f].count &&
			    found[f].records[i].data.len == lengths[f])
				add_known(h, name, families[f], &found[f], i);
}

/* a host without an address */
static void
note_unaddressed(struct hosts *h, struct span name, const struct resolver_found found[2])
{
	const struct resolver_found *trouble = found[0].outcome == RESOLVER_TROUBLE   ? &found[0]
					       : found[1].outcome == RESOLVER_TROUBLE ? &found[1]
										      : NULL;
	bool is_domain = span_equal_nocase(name, h->hop.host);

	if (trouble != NULL)
		note(h, FATE_DEFERRED, 0, "4.4.3", "the address of %.*s cannot be found: %.*s",
		     SPAN_ARG(name), SPAN_ARG(trouble->text));
	else if (!h->hop.is_mx)
		note(h, FATE_DEFERRED, 0, "4.4.4", "the host %.*s has no address", SPAN_ARG(name));
	else if (is_domain && found[0].outcome == RESOLVER_NO_NAME)
		note(h, FATE_FAILED, 0, "5.1.2", "there is no domain %.*s", SPAN_ARG(name));
	else if (is_domain)
		note(h, FATE_FAILED, 0, "5.4.4", "the domain %.*s has neither MX nor address",
		     SPAN_ARG(name));
	else
		note(h, FATE_FAILED, 0, "5.4.4", "the mail host %.*s of %.*s has no address",
		     SPAN_ARG(name), SPAN_ARG(h->hop.host));
}

/* RFC 5321, section 5.1: we, and who is not better, would bring it back */
static void
leave_out_from(struct hosts *h, uint64_t preference)
{
	size_t left = 0;

	while (left < h->target_count && h->targets[left].preference < preference)
		left++;
	h->target_count = left;
	if (h->next_target > left)
		h->next_target = left;
	note(h, FATE_FAILED, 0, "5.4.6",
	     "the mail of %.*s would come back: this host is an MX of it", SPAN_ARG(h->hop.host));
}

/* the addresses of one host */
static void
resolve(struct hosts *h, const struct hosts_target *target)
{
	struct span name = span_of(target->name);
	const struct resolver_question questions[2] = {{RESOLVER_AAAA, name}, {RESOLVER_A, name}};
	struct resolver_found found[2];

	ask(h, questions, 2, found);
	h->address_count = h->next_address = 0;
	add_found(h, name, found);
	if (h->address_count == 0) {
		note_unaddressed(h, name, found);
		pass_over(target->name, found[0].outcome == RESOLVER_TROUBLE ||
							found[1].outcome == RESOLVER_TROUBLE
						? "its address cannot be found now"
						: "it has no address");
	}
	for (size_t i = 0; h->hop.is_mx && i < h->address_count; i++) {
		if (!is_ours(h, &h->addresses[i].address))
			continue;
		h->address_count = 0;
		pass_over(target->name, "it is this host");
		leave_out_from(h, target->preference);
	}
}

/* ---- hops ---- */

static void
add_target(struct hosts *h, struct span name, uint64_t preference)
{
	struct hosts_target *t = &h->targets[h->target_count];

	if (h->target_count == HOSTS_MX_MAX || span_copy(name, t->name, sizeof(t->name)) < 0)
		return;
	t->preference = preference;
	h->target_count++;
}

static int
compare_records(const void *a, const void *b)
{
	const struct resolver_record *x = a, *y = b;

	return x->preference < y->preference ? -1 : x->preference > y->preference;
}

static void
swap(struct resolver_record *one, struct resolver_record *other)
{
	struct resolver_record kept = *one;

	*one = *other;
	*other = kept;
}

/* best first, equal ones in an order of chance */
static void
sort_records(struct resolver_record *records, size_t count)
{
	size_t first = 0;

	if (count > 1)
		qsort(records, count, sizeof(*records), compare_records);
	for (size_t end = 1; end <= count; end++) {
		if (end < count && records[end].preference == records[first].preference)
			continue;
		for (size_t i = end - first; i > 1; i--)
			swap(&records[first + i - 1],
			     &records[first + arc4random_uniform((uint32_t)i)]);
		first = end;
	}
}

/* an address in place of a name is none (RFC 5321, section 5.1); no top-level domain ends in a digit (RFC 3696, section 2) */
static bool
is_host_name(struct span name)
{
	return domain_is_valid(name) &&
	       (name.at[name.len - 1] < '0' || name.at[name.len - 1] > '9');
}

static int
compare_names(const void *a, const void *b)
{
	const struct hosts_target *x = a, *y = b;

	return strcasecmp(x->name, y->name);
}

/* the canonical set, by which queue-manager knows domains that share their hosts; of a place with other hops there is none */
static void
name_site(struct hosts *h)
{
	struct hosts_target sorted[HOSTS_MX_MAX];
	struct buffer name;

	if (!h->is_mx_alone)
		return;
	memcpy(sorted, h->targets, sizeof(sorted));
	if (h->target_count > 1)
		qsort(sorted, h->target_count, sizeof(*sorted), compare_names);
	buffer_init(&name, JOBS_SITE_MAX - sizeof(SITE_CUT));
	for (size_t i = 0; i < h->target_count; i++) {
		size_t len = name.len;

		buffer_format(&name, "%s%s:%u", i > 0 ? " " : "", sorted[i].name,
			      (unsigned)h->hop.port);
		if (!name.failed)
			continue;
		name.len = len;
		break;
	}
	snprintf(h->site, sizeof(h->site), "%.*s%s", SPAN_ARG(buffer_get(&name)),
		 name.failed ? SITE_CUT : "");
	for (char *c = h->site; *c != '\0'; c++)
		*c = ascii_lower(*c);
	buffer_free(&name);
}

static void
take_mx(struct hosts *h, struct resolver_found *mx)
{
	uint64_t ours = UINT64_MAX;
	size_t nulls = 0;

	sort_records(mx->records, mx->count);
	for (size_t i = 0; i < mx->count; i++) {
		const struct resolver_record *r = &mx->records[i];

		if (r->name.len == 0)
			nulls++;
		else if (span_equal_nocase(r->name, span_of(h->config->hostname)) &&
			 r->preference < ours)
			ours = r->preference;
	}
	if (nulls == mx->count) {
		note(h, FATE_FAILED, NULL_MX_CODE, "5.1.10",
		     "the domain %.*s takes no mail (null MX)", SPAN_ARG(h->hop.host));
		return;
	}
	for (size_t i = 0; i < mx->count; i++)
		if (is_host_name(mx->records[i].name))
			add_target(h, mx->records[i].name, mx->records[i].preference);
	if (h->target_count == 0)
		note(h, FATE_FAILED, 0, "5.4.4", "no MX of the domain %.*s is the name of a host",
		     SPAN_ARG(h->hop.host));
	if (ours != UINT64_MAX)
		leave_out_from(h, ours);
	name_site(h);
}

static void
find_mx(struct hosts *h)
{
	const struct resolver_question question = {RESOLVER_MX, h->hop.host};
	struct resolver_found mx;

	ask(h, &question, 1, &mx);
	h->is_named_securely = mx.security == RESOLVER_SECURE;
	switch (mx.outcome) {
	case RESOLVER_FOUND:
		take_mx(h, &mx);
		return;
	case RESOLVER_NO_DATA:
		add_target(h, h->hop.host, 0);
		name_site(h);
		return;
	case RESOLVER_NO_NAME:
		note(h, FATE_FAILED, 0, "5.1.2", "there is no domain %.*s", SPAN_ARG(h->hop.host));
		return;
	case RESOLVER_TROUBLE:
		break;
	}
	note(h, FATE_DEFERRED, 0, "4.4.3", "the MX of %.*s cannot be found: %.*s",
	     SPAN_ARG(h->hop.host), SPAN_ARG(mx.text));
}

static void
take_literal(struct hosts *h)
{
	char text[INET6_ADDRSTRLEN];
	unsigned char bytes[16];
	int family = span_has(h->hop.host, ':') ? AF_INET6 : AF_INET;

	if (span_copy(h->hop.host, text, sizeof(text)) == 0 && inet_pton(family, text, bytes) == 1)
		add_address(h, h->hop.host, family, bytes);
}

static void
take_path(struct hosts *h)
{
	struct hosts_address *a = &h->addresses[0];
	struct sockaddr_un *unix_address = (struct sockaddr_un *)&a->address;

	memset(a, 0, sizeof(*a));
	unix_address->sun_family = AF_UNIX;
	a->len = sizeof(*unix_address);
	a->is_lmtp = true;
	if (span_copy(h->hop.path, unix_address->sun_path, sizeof(unix_address->sun_path)) < 0 ||
	    span_copy(h->hop.path, a->text, sizeof(a->text)) < 0) {
		note(h, FATE_DEFERRED, 0, "4.3.5", "the path %.*s is too long for a socket",
		     SPAN_ARG(h->hop.path));
		return;
	}
	h->address_count = 1;
}

static void
take_hop(struct hosts *h, struct span word)
{
	h->target_count = h->next_target = 0;
	h->address_count = h->next_address = 0;
	h->is_named_securely = true;
	if (hop_parse(word, &h->hop) < 0) {
		h->hop = (struct hop){.host = SPAN_NONE, .path = SPAN_NONE};
		note(h, FATE_DEFERRED, 0, "4.3.5", "%.*s is no HOST:PORT", SPAN_ARG(word));
	} else if (h->hop.path.len > 0) {
		take_path(h);
	} else if (h->hop.is_literal) {
		take_literal(h);
	} else if (h->hop.is_mx) {
		find_mx(h);
	} else {
		add_target(h, h->hop.host, 0);
	}
}

/* ---- one after another ---- */

int
hosts_check(struct span place, struct verdict *why)
{
	struct span word;
	struct hop hop;

	verdict_set(why, FATE_DEFERRED, 0, "4.3.5", "no host is named where this should go");
	while ((word = span_word(&place)).len > 0) {
		if (hop_parse(word, &hop) == 0)
			return 0;
		verdict_set(why, FATE_DEFERRED, 0, "4.3.5", "%.*s is no HOST:PORT", SPAN_ARG(word));
	}
	return -1;
}

void
hosts_init(struct hosts *h, const struct config *config, const char *resolver)
{
	memset(h, 0, sizeof(*h));
	h->config = config;
	resolver_client_init(&h->client, resolver);
	arena_init(&h->arena, ANSWERS_MEMORY_MAX);
	hosts_start(h, SPAN_NONE, SPAN_NONE);
}

void
hosts_free(struct hosts *h)
{
	resolver_client_close(&h->client);
	arena_free(&h->arena);
}

void
hosts_start(struct hosts *h, struct span place, struct span avoid)
{
	h->rest = span_trim(place);
	h->avoid = avoid;
	h->last_count = h->next_last = 0;
	h->site[0] = '\0';
	h->is_mx_alone = !span_has(h->rest, ' ');
	h->target_count = h->next_target = 0;
	h->address_count = h->next_address = 0;
	h->hop = (struct hop){.host = SPAN_NONE, .path = SPAN_NONE};
	h->why = (struct verdict){0};
	h->domain = SPAN_NONE;
}

/* is it one that the caller wants tried last, and is there room to remember it? */
static bool
is_put_off(struct hosts *h, const struct hosts_address *a)
{
	struct span rest = h->avoid;
	struct span word;

	if (h->last_count == HOSTS_LAST_MAX)
		return false;
	while ((word = span_word(&rest)).len > 0)
		if (span_equal(word, span_of(a->text))) {
			h->last[h->last_count++] = *a;
			return true;
		}
	return false;
}

const struct hosts_address *
hosts_next(struct hosts *h)
{
	for (;;) {
		struct span word;

		if (h->next_address < h->address_count) {
			const struct hosts_address *a = &h->addresses[h->next_address++];

			if (is_put_off(h, a))
				continue;
			return a;
		}
		if (h->next_target < h->target_count) {
			resolve(h, &h->targets[h->next_target++]);
			continue;
		}
		word = span_word(&h->rest);
		if (word.len == 0)
			break;
		take_hop(h, word);
	}
	if (h->next_last < h->last_count)
		return &h->last[h->next_last++];
	if (h->why.fate == 0)
		note(h, FATE_DEFERRED, 0, "4.3.5", "no host is named where this should go");
	return NULL;
}

void
hosts_dane(struct hosts *h, const struct hosts_address *a, struct dane *to)
{
	const struct dane_host host = {.name = span_of(a->name),
				       .canonical = span_of(a->canonical),
				       .port = a->port,
				       .is_secure = a->is_secure};

	*to = (struct dane){.outcome = DANE_ABSENT, .base = SPAN_NONE, .text = SPAN_NONE};
	/* RFC 7672, section 2.2.1: of what is not signed all is in doubt, and nothing is asked */
	if (!a->is_named_securely || a->name[0] == '\0')
		return;
	arena_reset(&h->arena);
	dane_find(&h->client, &host, &h->arena, to);
}

bool
hosts_has_more(const struct hosts *h)
{
	return h->next_address < h->address_count || h->next_target < h->target_count ||
	       h->rest.len > 0 || h->next_last < h->last_count;
}
