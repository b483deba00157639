/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of graftctl begin with: a folder, a fake server in it, and the program run against that. */
#ifndef GRAFT_TESTS_CTL_RIG_H
#define GRAFT_TESTS_CTL_RIG_H

#include "fake_api.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define RIG_PATIENCE_MS 20000 /* a test that waits longer for anything has failed */

struct rig {
	char folder[64], socket[96];
	struct fake_api *api;
	bool no_socket; /* graftctl is to look for its server: no GRAFTCTL_SOCKET */
	/* of the last run */
	int status;
	char *out, *err;
};

/* cmocka set-up and tear-down; *state is a struct rig. */
int rig_set_up(void **state);
int rig_tear_down(void **state);

/* The program that is tested: environment variable GRAFTCTL. */
const char *rig_program(void);

/*
 * What graftctl sees of the environment: PATH, TZ=UTC, what sanitizers need, the rig's socket. Made before the fork: a thread of
 * this process may hold the allocator's lock in that instant, and a sanitizer's allocator leaves it locked in the child for good.
 * So a child calls nothing that allocates.
 */
struct rig_environment {
	char socket[128];
	char *variables[12]; /* the last is NULL */
};
void rig_environment(const struct rig *r, struct rig_environment *e);
/* The exit status or negative signal of a child. One that does not end in time is killed, and what it waited in is printed. */
int rig_wait(pid_t child, const char *what);

/* "NAME=VALUE", borrowed, for the programs that this test starts from now on; one only. */
void rig_set_variable(const char *variable);

/* Runs "graftctl LINE", split at blanks, with the rig's socket in the environment; %20 stands for a blank. */
void rig_run(struct rig *r, const char *line);
/* The same with words as they are; the last is NULL. prepare (or NULL) runs in the child before, allocates nothing. */
void rig_run_words(struct rig *r, const char *const *words, void (*prepare)(void));

/* Runs and asserts the exit status and all that was written. */
void rig_expect(struct rig *r, const char *line, int status, const char *out, const char *err);

#endif
