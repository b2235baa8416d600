/*
 * idle - agents that have nothing to do: by their place, their site, and all of a service, the longest idle first
 *
 * Called by schedule and serve.
 */
#ifndef QUEUE_MANAGER_IDLE_H
#define QUEUE_MANAGER_IDLE_H

#include <stdbool.h>

struct manager;
struct agent;
struct service;
struct site;
struct place;

void idle_add(struct manager *q, struct agent *a);
void idle_drop(struct manager *q, struct agent *a);
/* has it done so much that others who wait come before its place? */
bool idle_had_turn(const struct agent *a);
/* one whose slot another place may have: nothing waits for it, or it has had its turn; NULL: none, among those looked at */
struct agent *idle_to_end(const struct service *s);
/* the same among the agents of the site, for that place of it */
struct agent *idle_of_site_to_end(const struct site *s, const struct place *asking);

#endif
