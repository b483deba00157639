/* SPDX-License-Identifier: Apache-2.0 */
/* Steps asked of a daemon through a client, each with the answer that it and the peer must give. */
#ifndef GRAFT_TESTS_VRING_SCRIPT_H
#define GRAFT_TESTS_VRING_SCRIPT_H

#include "tests/vring/fixture.h"

#define SCRIPT_ANSWER_MAX 512
#define SCRIPT_OUTPUT_MAX 8192

/* peer: NULL where virtiofsd answers the same; else why not stands beside it. The last step's ask is NULL. */
struct script_step {
	const char *ask, *answer, *peer;
};

/* Does what ask says and writes the answer to to, of SCRIPT_ANSWER_MAX bytes, which it returns. */
typedef const char *script_run(struct fixture *f, const char *ask, char *to);

/* n as it is, "-EPERM" and the like below 0. Returns to. */
const char *script_number(char *to, int64_t n);
/* A daemon with these settings, not yet connected; fails the test, with the log, where it does not start. about: the settings. */
void script_begin(struct fixture *f, const struct daemon_config *config, const char *about);
/* All steps; fails the test at the first wrong answer. about: what the answers depend on. */
void script_steps(struct fixture *f, const struct script_step *steps, script_run *run, const char *about);
void script_end(struct fixture *f);
/*
 * Runs a program of its own and collects what it says on both outputs, at most SCRIPT_OUTPUT_MAX bytes with the NUL, until it ends or
 * has said until; then it is killed. Whether it said that. until: NULL for all it says.
 */
bool script_output(const char *const *argv, const char *until, char *out);

#endif
