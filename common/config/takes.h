/*
 * takes - what each row of the table does with its arguments
 *
 * `take_NAME(p, d, line, object)` checks the arguments on `line` and fills the field of `object` that the row names; where the
 * row opens a block, it sets p->opened.  config_parse has made sure that the number of arguments is right.
 */
#ifndef COMMON_CONFIG_TAKES_H
#define COMMON_CONFIG_TAKES_H

#include "common/config/directives.h"

#define TAKE(name) \
	void take_##name(struct parse *p, const struct directive *d, \
			 const struct grammar_line *line, void *object)

TAKE(yes);	/* yes or no; bool */
TAKE(number);	/* within the row's range, in its unit; uint64_t */
TAKE(limit);	/* the same, and remembers that this `listen` has its own */
TAKE(name);	/* of a host or domain; char *, in lower case */
TAKE(path);	/* absolute; char * */
TAKE(cgroup);	/* auto, none or an absolute path; char * */
TAKE(runtime);	/* absolute, short enough for sockets; char * */
TAKE(log);	/* sink and file */
TAKE(format);	/* of the log */
TAKE(networks); /* relay-from */
TAKE(expn_from);
TAKE(expn_logins);
TAKE(etrn_from); /* networks of a route */
TAKE(extension); /* a character; 0 for none */
TAKE(listen);	 /* adds to listens */
TAKE(private);
TAKE(alignment);
TAKE(offers_auth);  /* yes or no, of a listen */
TAKE(auth);	    /* a block */
TAKE(dovecot);	    /* a path, or an address and a port */
TAKE(pam);	    /* a name of a file */
TAKE(certificates); /* yes or no, of auth */
TAKE(limits);	    /* a block of limits */
TAKE(tls);	    /* a block; its words: */
TAKE(certificate);
TAKE(key);
TAKE(tls_policy);
TAKE(client_certificate);
TAKE(client_relay);
TAKE(hop_tls); /* words, and a block; in it: */
TAKE(hop_names);
TAKE(hop_implicit);
TAKE(outbound);	  /* a block */
TAKE(domain);	  /* adds to domains */
TAKE(table);	  /* adds to named_tables */
TAKE(tables);	  /* paths and names of tables */
TAKE(recipients); /* the same, or `verify` */
TAKE(verify);	  /* a block; its words: */
TAKE(verify_times);
TAKE(verify_sender);
TAKE(verify_unknown);
TAKE(users);	  /* system, or one table */
TAKE(as);	  /* a login name */
TAKE(catch_all);  /* an address or a local part */
TAKE(relay);	  /* hops */
TAKE(deliver);	  /* ending and path */
TAKE(delivery);	  /* the same with a name; adds to deliveries */
TAKE(home);	  /* a path that ends with {user} */
TAKE(smarthosts); /* hosts and ports */
TAKE(resolver);	  /* who is asked for names */
TAKE(trust_anchor);
TAKE(route); /* adds to routes; its six words: */
TAKE(route_smtp);
TAKE(route_lmtp);
TAKE(route_refuse);
TAKE(route_discard);
TAKE(route_defer);
TAKE(route_hold);
TAKE(early);	      /* auto, off, or a time */
TAKE(retry);	      /* first and longest time */
TAKE(time_or_never);  /* a time, or 0 for never */
TAKE(site);	      /* adds to sites */
TAKE(rate);	      /* messages in a time; uint64_t, microseconds between two */
TAKE(budget);	      /* adds to budgets */
TAKE(budget_amounts); /* amounts in an hour and a day; uint64_t[2] */
TAKE(reply);	      /* adds to replies */
TAKE(include);	      /* only reached where config_load has not been */

#undef TAKE

#endif
