/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of graftctl begin with: a folder, a fake server in it, and the program run against that. */
#ifndef GRAFT_TESTS_CTL_RIG_H
#define GRAFT_TESTS_CTL_RIG_H

#include "fake_api.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct rig {
	char folder[64], socket[96];
	struct fake_api *api;
	/* of the last run */
	int status;
	char *out, *err;
};

/* cmocka set-up and tear-down; *state is a struct rig. */
int rig_set_up(void **state);
int rig_tear_down(void **state);

/* The program that is tested: environment variable GRAFTCTL. */
const char *rig_program(void);
/* Only PATH, TZ=UTC and what sanitizers need stay in the environment; socket may be NULL: no GRAFTCTL_SOCKET. */
void rig_set_environment(const char *socket);

/* Runs "graftctl LINE", split at blanks, with the rig's socket in the environment; %20 stands for a blank. */
void rig_run(struct rig *r, const char *line);
/* The same with words as they are; the last is NULL. prepare (or NULL) runs in the child before. */
void rig_run_words(struct rig *r, const char *const *words, void (*prepare)(struct rig *r));

/* Runs and asserts the exit status and all that was written. */
void rig_expect(struct rig *r, const char *line, int status, const char *out, const char *err);

#endif
