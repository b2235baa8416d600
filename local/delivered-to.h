/*
 * delivered-to - the header lines that the last hop puts on top, and the loop that they reveal
 *
 * A message that has a Delivered-To line with the address it is to be delivered to has been here: mail that users forward in a circle
 * ends so.  Called by agent.c.
 */
#ifndef LOCAL_DELIVERED_TO_H
#define LOCAL_DELIVERED_TO_H

#include <stdbool.h>

#include "common/text/buffer.h"
#include "common/text/span.h"

#define DELIVERED_TO_MAX 100	    /* lines of a message; more are a loop by themselves */
#define DELIVERED_TO_LINES_MAX 2048 /* bytes that delivered_to_lines adds at most */

/* what the Delivered-To lines of a message say; spans of the header */
struct delivered_to {
	struct span values[DELIVERED_TO_MAX];
	size_t count;
	bool too_many;
};

/* delivered_to_collect - adds those of one piece of header, whatever its line ends are */
void delivered_to_collect(struct delivered_to *d, struct span header);
/* delivered_to_has - was the message delivered to this address before?  Without regard to case. */
bool delivered_to_has(const struct delivered_to *d, struct span address);
/*
 * delivered_to_lines - Return-Path, Delivered-To and, where `original` is not empty, X-Original-To, each with LF
 *
 * `sender` empty: the null reverse-path (RFC 5321, section 4.4).  No byte of an address can end its line.
 */
void delivered_to_lines(struct buffer *to, struct span sender, struct span address,
			struct span original);

#endif
