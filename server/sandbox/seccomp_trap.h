/* SPDX-License-Identifier: Apache-2.0 */
/* What `seccomp = trap` does at a system call that is not on the list. */
#ifndef GRAFT_SERVER_SANDBOX_SECCOMP_TRAP_H
#define GRAFT_SERVER_SANDBOX_SECCOMP_TRAP_H

#include "lib/error.h"

/*
 * From now on SIGSYS is answered with a line in the log that names the call, and then with what it does anyway: the
 * process ends by it (with a parent outside: exit status 225). Main thread, before the filter. 0 or -errno with err.
 */
int seccomp_trap_install(struct graft_error *err);

#endif
