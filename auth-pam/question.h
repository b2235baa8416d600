/*
 * question - one question to PAM, in a process of its own
 *
 * Called by serve.c.
 */
#ifndef AUTH_PAM_QUESTION_H
#define AUTH_PAM_QUESTION_H

#define QUESTION_WAIT_MS 5000 /* for the question itself */
#define QUESTION_S 10	      /* for all of it; then the process ends by SIGALRM */

/* question_answer - reads it from `fd`, asks the service of PAM, and answers; the exit status */
int question_answer(int fd, const char *service);

#endif
