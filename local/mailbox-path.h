/*
 * mailbox-path - where the mailbox of a recipient is: `deliver maildir ~/Maildir/.{ext}`
 *
 * Called by agent.c and agents.c.  The base of a template is what an agent is confined to: the home directory where it begins with `~` or
 * {home}, else what stands before the component with the first {word} (or before the last component).  {user}, {ext} and {domain} are
 * one component each: a value with a slash is refused.  So are the components `.` and `..`, and whatever is not below the base.
 */
#ifndef LOCAL_MAILBOX_PATH_H
#define LOCAL_MAILBOX_PATH_H

#include <stddef.h>

#include "common/text/span.h"

struct mailbox_path_values {
	const char *home;
	struct span user;
	struct span ext; /* empty: the address has none */
	struct span domain;
};

enum mailbox_path_outcome {
	MAILBOX_PATH_OK,
	MAILBOX_PATH_VALUE, /* the address has a value that cannot be a component: no such mailbox */
	MAILBOX_PATH_TEMPLATE, /* the configuration's fault: unknown word, not below the base, too long */
};

/* mailbox_path_base - into `to` (C string, no slash at its end); -1: too long, or there is none */
int mailbox_path_base(const char *template, const char *home, char *to, size_t size)
	__attribute__((warn_unused_result));
/* mailbox_path - into `to` (`size` bytes, C string, no slash at its end) */
enum mailbox_path_outcome mailbox_path(const char *template, const struct mailbox_path_values *v,
				       char *to, size_t size) __attribute__((warn_unused_result));
/* the extension of the local part of `address` (a span of it); empty: none, or the local part is the user's whole name */
struct span mailbox_path_extension(struct span address, struct span user, char separator);

#endif
