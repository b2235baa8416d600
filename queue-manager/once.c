/*
 * once - SPOOL/once, a ring of lines of one width
 *
 *     CHECK ID KEY, filled up with blanks to ONCE_LINE bytes; the first line is CHECK, 0 and the boot
 *
 * See once.h.  Why nothing is lost by it, wherever something dies:
 *
 * O1  A key is recorded after `queued` is in the message's file.  Killed between the two, the letter comes twice.
 * O2  Whoever brings a known key gets a descriptor of the file that was queued, and brings that to the disk before it says 250: the session
 *     that had brought it first may have died before its fsync.  No such file: everything was done with it.
 * O3  What was queued and is dropped again (its fsync failed, or its client was told a refusal) is forgotten here before its file goes.  If that
 *     cannot be written, the file stays.
 * O4  Nothing here is fsynced, so after a power cut a record may be there whose message is not: records of another boot are not believed.
 *     A letter may come twice then.
 * O5  The key tells apart whatever is another letter (smtpd/drop.c), and those whom it was accepted for (smtpd/accept.c).
 */
#include "queue-manager/once.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/system/events.h"
#include "common/text/checksum.h"
#include "common/text/number.h"
#include "queue-manager/manager.h"

#define ONCE_FILE "once"
#define ONCE_LINE 192
#define WORDS_MAX (ONCE_LINE - 10) /* behind the check word and its blank, before the line end */
#define KEY_CHARACTERS "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ."

_Static_assert(INTAKE_ONCE_MAX + 17 <= WORDS_MAX, "a key does not fit into a line");
_Static_assert(SPOOL_BOOT_MAX + 17 <= WORDS_MAX, "a boot does not fit into a line");

bool
once_is_key(struct span key)
{
	for (size_t i = 0; i < key.len; i++)
		if (key.at[i] == '\0' || strchr(KEY_CHARACTERS, key.at[i]) == NULL)
			return false;
	return true;
}

/* ---- lines ---- */

static int
write_line(const struct once *o, unsigned at, uint64_t id, const char *word)
{
	char words[WORDS_MAX + 1], line[ONCE_LINE + 1];
	snprintf(words, sizeof(words), "%016" PRIX64 " %-*s", id, WORDS_MAX - 17, word);
	snprintf(line, sizeof(line), "%08" PRIX32 " %s\n", checksum_word(span_of(words), at),
		 words);
	return spool_append(o->fd, span_from(line, ONCE_LINE), (uint64_t)at * ONCE_LINE);
}

/* false: there is none, or it is torn */
static bool
read_line(const struct once *o, unsigned at, uint64_t *id, char word[WORDS_MAX + 1])
{
	char line[ONCE_LINE];
	uint64_t check;
	if (pread(o->fd, line, sizeof(line), (off_t)at * ONCE_LINE) != ONCE_LINE ||
	    number_parse_hex(span_from(line, 8), &check) != 0 ||
	    check != checksum_word(span_from(line + 9, WORDS_MAX), at) ||
	    number_parse_hex(span_from(line + 9, 16), id) != 0)
		return false;
	struct span rest = span_from(line + 26, WORDS_MAX - 17);
	return span_copy(span_cut(&rest, ' '), word, WORDS_MAX + 1) == 0;
}

/* nothing is known any more: letters may come twice, none is lost */
static bool
forget_all(struct manager *q)
{
	struct once *o = &q->once;
	for (unsigned i = 0; i < ONCE_MAX; i++)
		o->record[i].id = 0;
	if (ftruncate(o->fd, 0) != 0)
		return false;
	(void)!write_line(o, 0, 0, q->spool.boot);
	return true;
}

static void
trouble(const char *reason)
{
	EVENT("spool-trouble", event_string("errno", strerror(errno)),
	      event_string("reason", reason));
}

void
once_start(struct manager *q)
{
	struct once *o = &q->once;
	char word[WORDS_MAX + 1];
	uint64_t id, youngest = 0;
	o->fd = openat(q->spool.dir, ONCE_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (o->fd < 0) {
		trouble("what the drop directory has brought cannot be recorded");
		return;
	}
	if (!read_line(o, 0, &id, word) || strcmp(word, q->spool.boot) != 0) {
		if (!forget_all(q))
			trouble("what another boot has recorded of the drop directory stays");
		return;
	}
	for (unsigned i = 0; i < ONCE_MAX; i++) {
		if (!read_line(o, i + 1, &id, word) || id == 0 || strlen(word) > INTAKE_ONCE_MAX)
			continue;
		o->record[i].id = id;
		memcpy(o->record[i].key, word, strlen(word) + 1);
		if (id > youngest) {
			youngest = id;
			o->next = (i + 1) % ONCE_MAX;
		}
	}
}

void
once_end(struct manager *q)
{
	if (q->once.fd >= 0)
		close(q->once.fd);
	q->once.fd = -1;
}

/* ---- asked by intake ---- */

uint64_t
once_find(const struct manager *q, const char *key)
{
	const struct once *o = &q->once;
	for (unsigned i = 0; key[0] != '\0' && i < ONCE_MAX; i++)
		if (o->record[i].id != 0 && strcmp(o->record[i].key, key) == 0)
			return o->record[i].id;
	return 0;
}

void
once_add(struct manager *q, const char *key, uint64_t id)
{
	struct once *o = &q->once;
	if (key[0] == '\0' || o->fd < 0)
		return;
	unsigned at = o->next;
	o->next = (o->next + 1) % ONCE_MAX;
	o->record[at].id = 0;
	/* what is not recorded may come twice: no reason to refuse it */
	if (write_line(o, at + 1, id, key) != 0) {
		trouble("what the drop directory has brought cannot be recorded");
		return;
	}
	o->record[at].id = id;
	snprintf(o->record[at].key, sizeof(o->record[at].key), "%s", key);
}

bool
once_forget(struct manager *q, uint64_t id)
{
	struct once *o = &q->once;
	for (unsigned i = 0; id != 0 && i < ONCE_MAX; i++) {
		if (o->record[i].id != id)
			continue;
		o->record[i].id = 0;
		return write_line(o, i + 1, 0, "") == 0 || forget_all(q);
	}
	return true;
}
