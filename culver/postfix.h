/*
 * postfix - postqueue, postsuper and postcat: the names by which the scripts of the world call what `culver queue` does
 */
#ifndef CULVER_POSTFIX_H
#define CULVER_POSTFIX_H

/* each is a whole command; the exit status: 0, 1 for what a script sees as a failure, 69 when nothing runs */
int postfix_postqueue(int argc, char **argv);
int postfix_postsuper(int argc, char **argv);
int postfix_postcat(int argc, char **argv);

#endif
