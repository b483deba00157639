/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics again and again: a live table in a terminal, a block for each interval elsewhere. */
#ifndef GRAFT_CTL_WATCH_H
#define GRAFT_CTL_WATCH_H

#include "ctl/command.h"
#include "ctl/stats_model.h"
#include "ctl/table.h"

/* What came in an interval of so many seconds. */
struct watch_interval {
	const struct stats *stats;
	double seconds;
};

/* How it is shown; state is handed to each call. 0 or -ENOMEM. */
struct watch_view {
	void *state;
	/* Below the head line, in what the window leaves. */
	int (*draw)(void *state, const struct watch_interval *i, const struct table_window *window, FILE *to);
	/* Without a screen. */
	int (*print)(void *state, const struct watch_interval *i, FILE *to);
	/* With --json: a line; NULL: the server's answers as they are. The caller frees the result; NULL when out of
	 * memory. */
	json_t *(*describe)(void *state, const struct watch_interval *i);
	/* A key; NULL: there are none but q. */
	void (*key)(void *state, char key);
	const char *keys; /* what the head line says of them */
};

struct watch_options {
	const char *at; /* a mount, or NULL for all */
	double seconds; /* of an interval */
	uint64_t count; /* intervals, then it ends, and is not live; 0: no end */
	bool patient;   /* a live table outlives a server that goes away */
	const struct watch_view *view;
};

/* Ends with a key, a signal or an error; returns enum ctl_exit. */
int watch_run(struct ctl *ctl, const struct watch_options *options);
/* Seconds of an interval in text, or what is there without it. 0 or CTL_USAGE, said with the option's name. */
int watch_seconds(const struct command *command, const char *option, const char *text, double *seconds);

#endif
