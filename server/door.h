/* SPDX-License-Identifier: Apache-2.0 */
/* A front door: the way the process was started, and what differs with it that is no configuration. */
#ifndef GRAFT_SERVER_DOOR_H
#define GRAFT_SERVER_DOOR_H

#include "lib/log.h"

#include <stdbool.h>

/*
 * Constant, one for each command line the program understands; cli_parse says which one it was started by. What differs
 * in the configuration stands there instead: the door's parser sets it.
 */
struct door {
	const char *name;       /* of the program, in its messages */
	enum log_form log_form; /* of a line on standard error or in a log file */
	const char *ready;      /* line on standard error when all stands, whatever the log; NULL: none */
	int signal_status;      /* exit status of an orderly end that SIGTERM, SIGINT or an ending SIGHUP asked for */
	bool hangup_ends;       /* SIGHUP asks for the end; else it opens the log file again */
	const char *log_variable; /* of the environment: takes the place of the log level, see door_log_level; or NULL */
	bool log_lowers;          /* the variable only makes the log quieter, and only if it is about the program or all */
};

/* graftfsd's own: an INI file. */
extern const struct door door_graftfsd;

/*
 * The log level: what the door's variable says for its program, in the language of Rust's env_logger ("LEVEL", "MODULE",
 * "MODULE=LEVEL", several with commas between), or configured where there is none or nothing of it can be understood.
 * enum graft_log_level or LOG_OFF.
 */
int door_log_level(const struct door *door, int configured);

/* Exit status behind what was printed on standard output: 0, or 1 with a line on standard error where it could not be
 * written. */
int door_end_stdout(void);

#endif
