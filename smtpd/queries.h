/*
 * queries - the commands that move no mail: VRFY, HELP, NOOP, QUIT, and those that are not offered
 */
#ifndef SMTPD_QUERIES_H
#define SMTPD_QUERIES_H

#include "smtpd/session.h"

void queries_noop(struct session *s, struct span argument);
void queries_help(struct session *s, struct span argument);
/* queries_address - the address asked for, qualified with our name when it is a name alone; false: it is none */
bool queries_address(const struct session *s, struct span argument, struct address *a);
void queries_vrfy(struct session *s, struct span argument);
void queries_quit(struct session *s, struct span argument);
/* a command of a standard that this listener does not offer */
void queries_unsupported(struct session *s, struct span argument);
/* the first word of another protocol: the session ends at once */
void queries_other_protocol(struct session *s, struct span argument);

#endif
