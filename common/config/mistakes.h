/*
 * mistakes - what is wrong in a configuration, gathered one by one, and the word that was probably meant
 */
#ifndef COMMON_CONFIG_MISTAKES_H
#define COMMON_CONFIG_MISTAKES_H

#include "common/config/config.h"
#include "common/text/span.h"

#define MISTAKE_TEXT_MAX 512 /* a longer sentence is cut */

/* mistake_add - one more; when there is no room or no memory it is counted all the same */
void mistake_add(struct config_errors *e, struct span file, unsigned line, unsigned column,
		 const char *format, ...) __attribute__((format(printf, 5, 6)));

/*
 * nearest - the word that somebody meant who wrote `word`
 *
 * Offer the known words one after another; `best` is NULL if none is near enough (about one slip in three letters; letters
 * exchanged count once, upper and lower case are the same).
 */
struct nearest {
	struct span word;
	const char *best;
	size_t distance;
};

void nearest_start(struct nearest *n, struct span word);
void nearest_offer(struct nearest *n, const char *known);

#endif
