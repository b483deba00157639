/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics again and again: a live table in a terminal, a block for each interval elsewhere. */
#ifndef GRAFT_CTL_WATCH_H
#define GRAFT_CTL_WATCH_H

#include "ctl/command.h"

/* Of the mount at, or of all where that is NULL. Ends with a key, a signal or an error; returns enum ctl_exit. */
int watch_run(struct ctl *ctl, const char *at, double seconds);

#endif
