/*
 * order - a job on its way to its agent: the message, and what is said of each of its recipients
 *
 * Called by the schedule (jobs_hands).  Promises: a job is given only when all that is known of its message is written; its descriptor is a new
 * one, read-only, shared with nobody.
 */
#ifndef QUEUE_MANAGER_ORDER_H
#define QUEUE_MANAGER_ORDER_H

#include "queue-manager/schedule.h"

struct agent;
struct manager;

/*
 * order_give - the whole job
 *
 * What cannot be read when a part of it was sent leaves the agent waiting for the rest: it is closed, and its recipients wait a little.
 */
enum schedule_given order_give(struct manager *q, struct agent *a);

#endif
