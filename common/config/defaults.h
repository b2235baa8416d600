/*
 * defaults - reading the lines `#= NAME VALUE` back; used by config_parse alone, the rest is in config.h
 */
#ifndef COMMON_CONFIG_DEFAULTS_H
#define COMMON_CONFIG_DEFAULTS_H

#include "common/config/config.h"

/* defaults_read - takes the lines off the front of *text; -1 if they are not all there, or memory is out */
int defaults_read(struct span *text, struct arena *arena, struct config_defaults *d)
	__attribute__((warn_unused_result));

#endif
