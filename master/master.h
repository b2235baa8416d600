/*
 * master - what master knows: the options, the configuration in force, the sockets, the processes
 *
 * One struct, filled by main.c; programs.c owns the processes, reload.c exchanges the configuration, report.c tells the outside.
 */
#ifndef MASTER_MASTER_H
#define MASTER_MASTER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/config/config.h"
#include "common/system/loop.h"
#include "common/text/buffer.h"
#include "master/certificates.h"
#include "master/secrets.h"
#include "master/sockets.h"
#include "master/trust.h"

#define MASTER_RETRY_FIRST_MS \
	100 /* a program that ended is started again after this; doubled each time, */
#define MASTER_RETRY_MAX_MS 10000    /* up to this; */
#define MASTER_RETRY_FORGET_MS 30000 /* forgotten once it has lived so long */
#define MASTER_STOP_GRACE_MS 10000   /* between SIGTERM and SIGKILL, for each stage of a stop */
#define MASTER_START_ATTEMPTS \
	4 /* `culver start`: a program that ends so often before all serve ends the start */

struct master_options {
	const char *config;   /* absolute */
	const char *programs; /* absolute: DIR/NAME, or DIR/NAME/NAME in a build tree */
	bool build_tree;
	bool strict;
	bool to_stderr; /* the default of `log` */
	bool probe;
	bool after_kill;     /* put in order what a killed master left, and start nothing */
	const char *explain; /* a domain, for `culver tls`; NULL: no */
	bool tries;
	int ready_fd; /* -1: nobody waits; else "ready\n" or a sentence goes there */
};

enum process_condition { PROCESS_STARTING = 1, PROCESS_SERVING, PROCESS_STOPPING, PROCESS_RETIRED };

/* one process that runs; freed when it was reaped */
struct process {
	struct process *next;
	struct program *program;
	pid_t pid;
	enum process_condition condition;
	uint64_t generation;
	int64_t started_ms, started_us; /* monotonic; wall clock */
	struct loop_watch watch;	/* our end of its `master` */
	struct buffer row; /* as it was given, to see whether a new configuration changes it */
};

/* one program of the map */
struct program {
	const struct trust_row *row;
	struct master *master;
	struct process *process; /* the present one; NULL while it waits to be started again */
	uint64_t restarts;
	int64_t delay_ms; /* of the next restart; 0: it has not ended lately */
	bool at_once;	  /* its end was ordered: no delay, no restart counted */
	int left; /* a descriptor that one of its processes has left for the next; -1: none */
	bool is_waiting; /* for `again` */
	struct loop_timer again;
	struct loop_timer grace; /* of one that was told to make way for its successor */
};

struct master {
	struct master_options options;
	struct config_defaults defaults;
	struct config *config;
	int config_fd; /* sealed memfd of its text */
	struct trust_people people;
	struct sockets sockets;
	struct certificates certificates;
	struct secrets secrets;
	struct loop_timer look; /* at their files */
	struct loop *loop;
	int pid_fd; /* RUNTIME/master.pid, locked */
	int64_t started_us;
	uint64_t generation; /* of the configuration */
	bool is_ready;
	bool is_stopping;
	int exit_status;

	struct program programs[TRUST_PROGRAMS];
	struct process *processes;

	enum trust_stage stage; /* of the stop */
	struct loop_timer grace;
	bool is_killing;

	struct loop_task report; /* RUNTIME/state is to be written */
	uint64_t reloads;
	bool reload_refused;
	int64_t reload_us;
	char reload_reason[1024];
};

/* ---- programs.c ---- */

/* programs_start - execs every program of the map, in its order */
void programs_start(struct master *m);
/*
 * programs_renew - after m->config, m->config_fd and m->sockets were exchanged
 *
 * Those that keep state get the new configuration, the others a new generation on the same sockets; the old one is told to
 * retire first, so that its sessions end in their own time and nothing new comes to it.
 */
void programs_renew(struct master *m);
/*
 * programs_watch - from now on the files of `tls` are looked at once a minute; on new pairs the programs that have some of them, and they
 * alone, make way for a new generation
 */
void programs_watch(struct master *m);
/* programs_stop - begins the ordered stop; the loop ends with it */
void programs_stop(struct master *m);
/* SIGCHLD came: reaps whoever ended, also strangers that became ours (master is a subreaper) */
void programs_reap(struct master *m);
/* programs_probe - each program once, with row.probe: what it may not do; 0, or 1 when something forbidden was allowed */
int programs_probe(struct master *m);
/* programs_explain - a delivery that says what is demanded of the domain's hosts, on our standard output, beside a system that runs; its exit status */
int programs_explain(struct master *m);

/* ---- exec.c ---- */

/*
 * exec_program - forks and execs; the process's pid, or -1 and errno
 *
 * It gets /dev/null, our stderr, the configuration, its row, and the sockets and files the row names, in that order, and nothing else; it leads
 * a session of its own, so that no signal of our terminal comes to it and it can be killed with all it has forked.
 */
pid_t exec_program(const struct master_options *o, const struct trust_row *program, int config_fd,
		   struct span row, const int *descriptors, size_t count)
	__attribute__((warn_unused_result));
/* exec_place - the descriptors of the row in their order, which become 5, 6 ... there and in the row; their count */
size_t exec_place(struct start *s, int descriptors[START_DESCRIPTORS_MAX]);
/* exec_memfd - a sealed memfd with these bytes; -1 and errno */
int exec_memfd(const char *name, struct span bytes) __attribute__((warn_unused_result));
/* exec_path - where that binary is; -1: too long */
int exec_path(const struct master_options *o, const char *binary, char *path, size_t size)
	__attribute__((warn_unused_result));

/* ---- reload.c ---- */

/*
 * reload_text - the whole text as the programs get it, and its config; NULL: `why` is the first mistake
 */
struct config *reload_text(const struct master *m, struct buffer *text, struct buffer *why)
	__attribute__((warn_unused_result));
/* SIGHUP came */
void reload_run(struct master *m);

/* ---- report.c ---- */

/* report_lock - RUNTIME/master.pid with our pid, locked as long as the result is open; -1: `why` (another master lives) */
int report_lock(const struct master *m, struct buffer *why) __attribute__((warn_unused_result));
void report_init(struct master *m);
/* report_changed - RUNTIME/state is written anew, at the end of this turn */
void report_changed(struct master *m);
/* report_ready - tells who waits: ready_fd, the service manager */
void report_ready(struct master *m);
/* report_trouble - a sentence on stderr, and to ready_fd's reader */
void report_trouble(struct master *m, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* the files are removed: nothing runs any more */
void report_end(struct master *m);

#endif
