/*
 * serve - one step for a place: its agent gets a job, a new agent is wanted, it waits for its site or a slot, or what waits is cleared away
 *
 * Called by schedule alone.
 */
#ifndef QUEUE_MANAGER_SERVE_H
#define QUEUE_MANAGER_SERVE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/system/loop.h"

struct manager;
struct service;
struct agent;
struct message;

/* serve_some - those places that were touched, then those who wait for a slot; the task of a service, in slices */
bool serve_some(struct loop_task *task);
/* serve_end_job - the agent's job is over, in whatever way; the message is settled by the caller */
struct message *serve_end_job(struct manager *q, struct agent *a);
/* those of its recipients that have no answer: routed anew at once, or at `due` (tick) */
void serve_give_back(struct manager *q, struct agent *a, uint32_t due);
/* the tick of a moment from now */
uint32_t serve_soon(const struct manager *q);

#endif
