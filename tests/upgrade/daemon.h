/* SPDX-License-Identifier: Apache-2.0 */
/* The daemons of a test: graftfsd and nydusd, started alike, and what they are told. */
#ifndef GRAFT_TESTS_UPGRADE_DAEMON_H
#define GRAFT_TESTS_UPGRADE_DAEMON_H

#include <stdbool.h>
#include <sys/types.h>

struct daemon {
	pid_t pid;
	char api[96];
};

/* The folder of the test; the mount point is mnt in it, the supervisor's socket sup. */
extern char folder[64];

/* Says what failed, and ends the program with status 1. */
_Noreturn void die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* kind: "graftfs" or "nydusd". waits: nothing is mounted, it shall take over. number: of its socket. */
void daemon_start(struct daemon *d, const char *kind, unsigned int number, bool waits);
void daemon_wait_state(const struct daemon *d, const char *state);
/* A request that must be answered with 204. */
void daemon_tell(const struct daemon *d, const char *method, const char *target, const char *body);
/* Sends a signal, unless 0; waits for the end. */
void daemon_end(struct daemon *d, int signal);

#endif
