/*
 * guessers - who has guessed wrong, and how much slower that makes the next guess
 *
 * Wrong guesses are counted for the client's address (of IPv6 its /64), for its network (/24, /48) and for the login that was tried; each count
 * halves in GUESSERS_HALF_LIFE_MS.  Above a number that people mistype, the answer to the next guess is held back, right or wrong, twice as
 * long with each one; above a second number an address or network is not answered at all.  A login is never shut: whoever knows the password
 * gets in, after GUESSERS_DELAY_MAX_MS at most; and from a network where that login has succeeded lately, what others
 * do counts for nothing.
 *
 * The table has a fixed size; where it is full, who has guessed least is forgotten.  It is lost with the process (not at a reload).  Times are
 * monotonic ms.
 */
#ifndef AUTH_GUESSERS_H
#define AUTH_GUESSERS_H

#include <stdbool.h>
#include <stdint.h>

#define GUESSERS_HALF_LIFE_MS INT64_C(600000)		   /* 10 minutes */
#define GUESSERS_KNOWN_MS (INT64_C(14) * 24 * 3600 * 1000) /* since its last success there */
#define GUESSERS_DELAY_FIRST_MS 500
#define GUESSERS_DELAY_MAX_MS 8000
#define GUESSERS_DELAY_KNOWN_MS 1000 /* of a login from a network where it has succeeded */
/* wrong guesses without delay, and those after which no more are looked at */
#define GUESSERS_ADDRESS_FREE 3
#define GUESSERS_ADDRESS_SHUT 20
#define GUESSERS_NETWORK_FREE 30
#define GUESSERS_NETWORK_SHUT 200
#define GUESSERS_LOGIN_FREE 5

struct guessers;

struct guessers *guessers_new(void); /* fatal() when memory is out */
void guessers_free(struct guessers *g);

/* `client`: an address as text; one that is none counts as one client of its own name.  `login`: a prepared one. */

/* guessers_charge - a guess begins: counted as wrong until it was pardoned, so that many at once are not taken for one */
void guessers_charge(struct guessers *g, const char *client, int64_t now_ms);
void guessers_pardon(struct guessers *g, const char *client, int64_t now_ms);
/* guessers_judge - false: this guess is not looked at; else *delay_ms is how long its answer is held back */
bool guessers_judge(const struct guessers *g, const char *client, const char *login, int64_t now_ms,
		    int64_t *delay_ms);
/* what became of it: of a wrong one the charge stays, and the login is charged too; a right one was pardoned */
void guessers_wrong(struct guessers *g, const char *login, int64_t now_ms);
void guessers_right(struct guessers *g, const char *client, const char *login, int64_t now_ms);

#endif
