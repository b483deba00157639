/* SPDX-License-Identifier: Apache-2.0 */
/* A supervisor of daemons: it keeps the descriptor of a mount, and the state that came with it. */
#ifndef GRAFT_TESTS_UPGRADE_SUPERVISOR_H
#define GRAFT_TESTS_UPGRADE_SUPERVISOR_H

#include <pthread.h>
#include <stddef.h>

struct supervisor {
	int listener;
	int fd; /* kept; -1: none */
	unsigned char *bytes;
	size_t len;
	pthread_t thread;
};

/* Ends the program where it cannot. */
void supervisor_open(struct supervisor *s, const char *path);
void supervisor_close(struct supervisor *s);
/* Serves one daemon on a thread: takes what it sends, or gives what is kept. supervisor_wait: until that is done. */
void supervisor_take(struct supervisor *s);
void supervisor_give(struct supervisor *s);
void supervisor_wait(struct supervisor *s);

#endif
