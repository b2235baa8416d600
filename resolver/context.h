/*
 * context - libunbound as culver.conf wants it
 */
#ifndef RESOLVER_CONTEXT_H
#define RESOLVER_CONTEXT_H

#include <unbound.h>

#include "common/config/config.h"

#define CONTEXT_RESOLV_CONF "/etc/resolv.conf"
#define CONTEXT_HOSTS "/etc/hosts"
#define CONTEXT_TRUST_ANCHOR "/usr/share/dns/root.key"
/* libunbound's own: sockets open at a time, and questions under way before it drops some */
#define CONTEXT_SOCKETS 512
#define CONTEXT_QUESTIONS 4096

/*
 * context_make - reads all files that there are to read; what is asked of it later asks the network alone
 *
 * Before confine.  fatal() where the configuration's words cannot be carried out: trouble with a trust anchor never becomes an
 * unvalidated answer.  The questions are worked off by a thread of libunbound's, which is made with the first one, after confine.
 */
struct ub_ctx *context_make(const struct config *config);

#endif
