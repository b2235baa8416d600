/*
 * top - what `culver queue sites` says, again and again
 *
 * Called by culver/main.c.  On a terminal the fullest sites that fit on it, every TOP_PAUSE_MS until it is interrupted; else all of them, once.
 * Exit status as of queue.
 */
#include "culver/top.h"

#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/system/clock.h"
#include "culver/human.h"
#include "culver/query.h"

#define TOP_PAUSE_MS 2000
#define TOP_LINES 24	/* of a terminal that does not say */
#define TOP_ROW_LINES 3 /* a site, what keeps it, its last reply */
#define TOP_OTHER_LINES 3
#define CLEAR "\033[H\033[J"

/* sites that fit on the terminal */
static size_t
rows(void)
{
	struct winsize w = {.ws_row = 0};
	int lines =
		ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_row > 0 ? w.ws_row : TOP_LINES;
	return lines > TOP_OTHER_LINES + TOP_ROW_LINES
		       ? (size_t)(lines - TOP_OTHER_LINES) / TOP_ROW_LINES
		       : 1;
}

static int
show(struct query *q, char **words, bool is_live)
{
	if (query_sites(q, words) < 0)
		return -1;
	if (is_live)
		buffer_string(&q->out, CLEAR);
	if (q->sites.count == 0)
		buffer_string(&q->out, "nothing waits for any site\n");
	sites_print(&q->sites, is_live ? rows() : SIZE_MAX, false, clock_wall_us(), &q->out);
	sites_free(&q->sites);
	return human_print(&q->out);
}

int
verb_top(const struct culver_options *o, int argc, char **argv)
{
	static struct query q;
	bool is_live = isatty(STDOUT_FILENO) == 1;
	(void)argc;
	int status = query_open(&q, o);
	if (status != 0)
		return status;
	q.may_show_progress = false;
	int wrong = show(&q, argv + 1, is_live);
	while (wrong == 0 && is_live && fflush(stdout) == 0) {
		(void)poll(NULL, 0, TOP_PAUSE_MS);
		wrong = show(&q, argv + 1, is_live);
	}
	return query_end(&q, wrong);
}
