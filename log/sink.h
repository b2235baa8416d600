/*
 * sink - where the log goes: stderr, a file, or syslog
 *
 * Called by log/output.c.  Promises: it never waits for anybody and never ends the program; what cannot be written stays, up to
 * SINK_WAITING_MAX bytes, and is tried again; what comes then is dropped and counted.
 *
 * A file is found again by the descriptor of its directory: when its name has gone or names another file (logrotate), it is
 * opened anew.  A syslog that went away is connected to anew (log has no chroot while it writes there, see master/trust.c).
 */
#ifndef LOG_SINK_H
#define LOG_SINK_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/config/config.h"
#include "common/text/buffer.h"
#include "common/text/span.h"

#define SINK_WAITING_MAX (4u << 20) /* bytes that wait for a full disk or a slow reader */
#define SINK_CHECK_MS 1000	    /* how often the file's name is looked at, at most */
#define SINK_SYSLOG_PATH "/dev/log"

struct sink {
	enum config_log_sink kind;
	int fd;		     /* -1: none; stderr is descriptor 2, never closed */
	int directory;	     /* of a file; -1 */
	char path[PATH_MAX]; /* as configured; of a file */
	const char *name;    /* its last component, in path */
	dev_t device;	     /* of the open file */
	ino_t inode;
	int64_t checked_ms;
	struct buffer waiting; /* lines; for syslog: datagrams, each with a line end behind it */
	uint64_t lost;	       /* lines dropped since the last sink_take_lost */
	int error;	       /* errno of the last write; 0: it went well */
};

/* sink_init - nothing is open yet */
void sink_init(struct sink *s);
/*
 * sink_open - before the program confines itself; with `owner` a file that is made belongs to it (the uid of log)
 *
 * -1 and errno: lines wait, and sink_flush tries again to open it; where even the directory is missing the sink is stderr.
 */
int sink_open(struct sink *s, enum config_log_sink kind, const char *path, uid_t owner, gid_t group)
	__attribute__((warn_unused_result));
/* sink_reopen - for a new configuration, confined: false when that needs a start (another directory, syslog) */
bool sink_reopen(struct sink *s, enum config_log_sink kind, const char *path)
	__attribute__((warn_unused_result));
void sink_close(struct sink *s);

/* sink_add - one line with its line end, or one datagram without; written by sink_flush */
void sink_add(struct sink *s, struct span line);
/* sink_flush - writes what waits, as far as it goes; true when nothing is left */
bool sink_flush(struct sink *s, int64_t now_ms);
/* how many lines were dropped since the last call */
uint64_t sink_take_lost(struct sink *s);

#endif
