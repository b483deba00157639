/* SPDX-License-Identifier: Apache-2.0 */
/* The folder of an instance, STATE-DIR/INSTANCE, and its lock: one daemon at a time owns it. */
#ifndef GRAFT_SERVER_CONTROL_INSTANCE_H
#define GRAFT_SERVER_CONTROL_INSTANCE_H

#include "lib/error.h"

#include <stdint.h>
#include <sys/types.h>

struct instance {
	char *path; /* of the folder */
	int dir;    /* descriptor of it */
	int lock;   /* held until instance_close */
};

#define PROCESS_BOOT_ID_MAX 64

/* What tells one process from all others, also from a later one of its pid. */
struct process_id {
	pid_t pid;
	uint64_t start; /* clock ticks since boot, instance_start_time */
	char boot_id[PROCESS_BOOT_ID_MAX];
};

/* This process, as /proc says; -ENOENT where that cannot be read. Before a sandbox, which has neither /proc nor pids of the host. */
int process_id_read(struct process_id *id);

/*
 * Makes the folder (0700, whatever the umask) where it is missing, and takes its lock. Refused: a folder that is a
 * symbolic link, another user's, or open to others for writing; -EBUSY with the owner's pid where another daemon has
 * the lock. On failure nothing is held, and i needs no close.
 */
int instance_open(struct instance *i, const char *state_dir, const char *name, struct graft_error *err);
/* Lets the lock go. The file "lock" stays, empty: whoever waits for it may have it open. */
void instance_close(struct instance *i);

/* When a process began, in clock ticks since boot (field 22 of /proc/PID/stat). 0, or -ESRCH where there is none. */
int instance_start_time(pid_t pid, uint64_t *ticks);

#endif
