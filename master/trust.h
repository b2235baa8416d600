/*
 * trust - the one map: what each program is, serves, may connect to and may open
 *
 * Every right a program has stands in trust_map and nowhere else.  Who may connect to a socket follows from the rows that reach it,
 * so the two can never disagree.  master gives each program its row (common/system/start.h); confine() holds it to it.
 *
 * The rows also say who waits for whom (a program waits for what it reaches); a test proves that there is no circle.
 */
#ifndef MASTER_TRUST_H
#define MASTER_TRUST_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/config/config.h"
#include "common/system/start.h"
#include "common/text/buffer.h"

#define TRUST_PROGRAMS 14
#define TRUST_SERVES_MAX 4
#define TRUST_REACHES_MAX 8
#define TRUST_DIRECTORIES_MAX 8
#define TRUST_GROUP \
	"culver" /* may connect to the inner sockets; each socket asks for the uid too */
#define TRUST_DROP_GROUP \
	"culver-drop" /* of the drop directory and all files in it: submit reads them by it */
#define TRUST_ADMINS "culver-admin" /* sees and does all on `control` and `trace` */

/* the order in which a stop goes through the programs: who asks ends before who answers */
enum trust_stage {
	TRUST_STOP_DOOR,     /* nothing new comes in */
	TRUST_STOP_DELIVERY, /* what is under way ends, and is reported */
	TRUST_STOP_QUEUE,
	TRUST_STOP_LOOKUP,
	TRUST_STOP_LOG, /* hears the last word of the others */
	TRUST_STAGES,
};

enum trust_room {
	TRUST_NO_ROOM, /* no chroot, for the reason that stands in the row */
	TRUST_ROOM,    /* as root: chroot into a folder of nothing but the sockets it reaches */
	TRUST_ROOM_UNLESS_SYSLOG, /* /dev/log must stay in sight */
};

/* where a directory of a row is found */
enum trust_place {
	TRUST_PATH = 1, /* as it stands; left out where it does not exist */
	TRUST_SPOOL,	/* spool */
	TRUST_TRACE,	/* the store of log */
	TRUST_DROP,	/* letters that were left while the system was stopped */
	TRUST_LOG_FILE, /* the directory that `log FILE` is in */
	TRUST_TABLES,	/* each directory that holds a text table */
	TRUST_ACCOUNTS, /* of `culver user` */
	TRUST_VERIFIED, /* what next hops have answered */
};

struct trust_directory {
	const char *name; /* by which the program asks for it; "": only allowed */
	enum trust_place place;
	const char *path; /* of TRUST_PATH */
	unsigned rights;
};

/* which files of `tls` master opens for a program */
enum trust_files {
	TRUST_NO_FILES,
	TRUST_CERTIFICATES,
	TRUST_KEYS, /* those before the present ones too (master/certificates.h) */
};

struct trust_row {
	const char *program;
	const char *binary; /* NULL: the same name */
	const char *user;   /* NULL: stays root */
	const char *serves[TRUST_SERVES_MAX];
	bool serves_network; /* the `listen` sockets */
	const char *reaches[TRUST_REACHES_MAX];
	bool network_out;
	bool reads_drop; /* is in TRUST_DROP_GROUP */
	enum trust_room room;
	struct trust_directory directories[TRUST_DIRECTORIES_MAX];
	enum trust_files files;
	bool keeps_state; /* a reload hands it the new configuration; the others are replaced */
	enum trust_stage stage;
	/* started only where the configuration wants it, which a reload does not change; NULL: always */
	bool (*is_wanted)(const struct config *c);
};

/* an inner socket */
struct trust_socket {
	const char *name;
	mode_t mode;
	bool anybody;	/* the server decides by the peer's uid what he may see */
	bool is_stream; /* bytes (SMTP), not our datagrams */
};

extern const struct trust_row trust_map[TRUST_PROGRAMS]; /* in the order in which they start */
extern const struct trust_socket trust_sockets[];	 /* ends with .name == NULL */

/* trust_is_wanted - is the program of that row started? */
bool trust_is_wanted(const struct trust_row *row, const struct config *c);

/* who the users of the map are on this machine */
struct trust_people {
	bool as_root;
	uid_t uids[TRUST_PROGRAMS]; /* in the order of the map */
	gid_t gids[TRUST_PROGRAMS];
	gid_t group; /* of the inner sockets */
	gid_t drop_group;
	uid_t admin_uid; /* besides root: the ordinary user who runs all; else 0 */
	gid_t admin_gid; /* (gid_t)-1: there is none */
};

/* trust_people_find - as root from the user database; else all are the user who runs it.  -1: `why` names who is missing. */
int trust_people_find(bool as_root, struct trust_people *people, struct buffer *why)
	__attribute__((warn_unused_result));
/* the uid of a user of the map by its program's name; fatal() for a name that is not in the map */
uid_t trust_uid(const struct trust_people *people, const char *program);
gid_t trust_gid(const struct trust_people *people, const char *program);

const struct trust_row *trust_find(const char *program);
bool trust_serves(const struct trust_row *row, const char *socket);
bool trust_reaches(const struct trust_row *row, const char *socket);
bool trust_has_room(const struct trust_row *row, const struct trust_people *people,
		    const struct config *c);

/*
 * trust_fill - the row of a program, but for the sockets it serves
 *
 * -1: `why` says what does not fit (too many directories, too long a path).
 */
int trust_fill(const struct trust_row *row, const struct trust_people *people,
	       const struct config *c, struct start *s, struct buffer *why)
	__attribute__((warn_unused_result));
/* trust_fill_peers - who may connect to the inner socket `l->name`: all whose rows reach it (to `log`, also master) */
void trust_fill_peers(const struct trust_people *people, struct start_listen *l);

#endif
