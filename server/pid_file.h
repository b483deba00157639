/* SPDX-License-Identifier: Apache-2.0 */
/* The pid file: says which process serves, and by a lock (flock) that it still runs. */
#ifndef GRAFT_SERVER_PID_FILE_H
#define GRAFT_SERVER_PID_FILE_H

#include "lib/held_path.h"

struct pid_file {
	int fd; /* locked; -1: none */
	struct held_path at;
};

#define PID_FILE_NONE                                                                                                  \
	{                                                                                                              \
		.fd = -1, .at = HELD_PATH_NONE                                                                         \
	}

/*
 * Makes the file, mode 0600 whatever the umask, or takes the one that is there; locks it and writes this process's pid
 * and a line end, nothing else. Symbolic links and what is no regular file are refused. -EAGAIN with err where another
 * process holds the lock: it is named. Otherwise 0 or -errno with err; p is none then.
 */
int pid_file_open(struct pid_file *p, const char *path, struct graft_error *err);
/* Removes the file if it is still the one that is locked, then lets go of the lock. None is fine; may be called again.
 */
void pid_file_close(struct pid_file *p);
/* In a child that shares the lock: lets go of its copy, so that the lock ends with the parent. The file stays. */
void pid_file_leave(struct pid_file *p);

#endif
