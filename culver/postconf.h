/*
 * postconf - postconf, postmap and postalias: what scripts ask Postfix about its configuration and its tables, answered for ours
 */
#ifndef CULVER_POSTCONF_H
#define CULVER_POSTCONF_H

/* postconf_postconf - reads only; a parameter that has no counterpart here is said to be unknown, as Postfix does */
int postconf_postconf(int argc, char **argv);
/* postconf_postmap - tables are read as they are: there is nothing to be made, but -q asks a text table */
int postconf_postmap(int argc, char **argv);
int postconf_postalias(int argc, char **argv);

#endif
