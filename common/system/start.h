/*
 * start - what master hands to a program: its row of the trust map, sockets, configuration
 *
 * master execs PROGRAM with no environment but PATH and TZ, /dev/null on 0 and 1, stderr on 2, and
 *     3  the configuration: a sealed memfd, one text, includes resolved
 *     4  the row: a sealed memfd, one line a fact (spelled by start_encode, read by start_take)
 *     5 and on: the listening sockets that the row names, then the files it names, open for reading
 * All are close-on-exec here.  What a row may say:
 */
#ifndef COMMON_SYSTEM_START_H
#define COMMON_SYSTEM_START_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/text/buffer.h"
#include "common/text/span.h"

#define START_CONFIG_FD 3
#define START_ROW_FD 4
#define START_FIRST_SOCKET_FD 5
#define START_NAME_MAX 32
#define START_SOCKETS_MAX 64
#define START_UIDS_MAX 16
#define START_DIRECTORIES_MAX 16
#define START_FILES_MAX 128
#define START_DESCRIPTORS_MAX (START_SOCKETS_MAX + START_FILES_MAX)
#define START_PATH_MAX 512
#define START_DOMAIN_MAX 255

/* one who may connect: a program, as the uid it has */
struct start_peer {
	uid_t uid;
	char program[START_NAME_MAX];
};

/*
 * a socket this program serves, listening already: intake, jobs ... trace; tcp.0, tcp.1 ...: the n-th `listen`; master: a
 * connected pair
 */
struct start_listen {
	char name[START_NAME_MAX];
	int fd;
	struct start_peer peers[START_UIDS_MAX];
	size_t peer_count;
	bool anybody; /* control, trace: every local user; what he may see is decided by who he is */
};

/* a socket this program may connect to */
struct start_reach {
	char name[START_NAME_MAX];
	char path[START_PATH_MAX]; /* as seen after confinement */
};

enum start_rights {
	START_READ = 1,	 /* files and directories, read */
	START_WRITE = 2, /* create, write, rename, remove below */
	START_EXECUTE = 4,
};

/* a directory this program may use (Landlock) */
struct start_directory {
	char name[START_NAME_MAX]; /* spool, trace, tables ...; "" when only allowed */
	char path[START_PATH_MAX];
	unsigned rights;
};

/* a file that master has opened for this program: read by pread, since another process may have the same; then closed */
struct start_file {
	char name[START_NAME_MAX]; /* certificate.0, key.0 ... */
	int fd;
};

struct start {
	char program[START_NAME_MAX];
	bool as_root; /* the whole runs as root: uid, chroot and rooms hold */
	uid_t uid;    /* become this (0: stay root: local) */
	gid_t gid;
	gid_t groups[START_UIDS_MAX];
	size_t group_count;
	char room[START_PATH_MAX]; /* chroot here; "" is none */
	bool strict;		   /* seccomp: an unknown call kills (tests) instead of ENOSYS */
	bool probe; /* confine, try what is forbidden, print the answers, exit (culver sandbox --probe) */
	bool check; /* look at the files, say on `master` what is wrong with them, exit (signer) */
	char explain
		[START_DOMAIN_MAX +
		 1]; /* say what is demanded of this domain's hosts, exit (delivery); "": serve */
	bool tries;  /* and whether they meet it */
	bool network_out;      /* may connect by TCP */
	uint16_t network_port; /* and to no other port; 0: to any (Landlock) */
	uid_t admin_uid; /* besides root: sees and does all (the ordinary user who runs it; else 0) */
	gid_t admin_gid; /* group culver-admin; (gid_t)-1 when there is none */
	struct start_listen listens[START_SOCKETS_MAX];
	size_t listen_count;
	struct start_reach reaches[START_SOCKETS_MAX];
	size_t reach_count;
	struct start_directory directories[START_DIRECTORIES_MAX];
	size_t directory_count;
	struct start_file files[START_FILES_MAX];
	size_t file_count;
};

/*
 * start_take - reads the row at descriptor 4; fatal() if it is not there or not whole
 *
 * Ignores SIGPIPE, sets the umask to 077, makes 3 and up close-on-exec and closes every descriptor that the row does
 * not name.  The result lives as long as the process.
 */
const struct start *start_take(const char *program);
/* start_config_text - the whole text of descriptor 3, mapped; lives as long as the process */
struct span start_config_text(void);

/* the n-th socket listens; fatal() when the row has no such name: a program does not start with half a row */
const struct start_listen *start_listen(const struct start *s, const char *name);
/* the same; NULL: the row has none of that name (tcp.N, of a `listen` that this machine cannot have) */
const struct start_listen *start_listen_find(const struct start *s, const char *name);
/* where to connect, NULL if this program's row does not have it */
const char *start_path(const struct start *s, const char *name);
const char *start_directory(const struct start *s, const char *name);
/* the descriptor of a file of the row; -1 if it has none of that name */
int start_file(const struct start *s, const char *name);
/* start_may_connect - checks the uid of a peer that has connected to `l` */
bool start_may_connect(const struct start_listen *l, uid_t uid);
/* start_is - may a peer of that uid be `program`?  (As an ordinary user all programs have one uid.) */
bool start_is(const struct start_listen *l, uid_t uid, const char *program);

/*
 * start_batched - for a service that has many clients: who is woken by one of them does not take the processor from him at once, but comes when
 * more is there to be done in one turn (SCHED_BATCH, sched(7))
 *
 * Called before confine(), so that no filter has to allow it; children are scheduled as before.
 */
void start_batched(void);

/*
 * start_serving - the last word before serving: event `serving`, and "Y" to master
 *
 * Called after confine().  master's `ready` waits for it.
 */
void start_serving(const struct start *s);

/* start_encode - master's side of the same lines */
void start_encode(const struct start *s, struct buffer *to);
int start_decode(struct span text, struct start *s) __attribute__((warn_unused_result));

#endif
