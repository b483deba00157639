/* SPDX-License-Identifier: Apache-2.0 */
/* --daemonize: the program goes into the background once it serves. */
#ifndef GRAFT_SERVER_VIRTIOFSD_DETACH_H
#define GRAFT_SERVER_VIRTIOFSD_DETACH_H

#include "lib/error.h"

#define VFSD_DETACHED (-1)

/*
 * Forks. In the child, which has a session of its own and no standard input or output: VFSD_DETACHED. The process that
 * was started stays and passes on what the child says on standard error, until the child or one of its own reports
 * READY=1 (sd_notify) or all of them have ended; it then returns the exit status it shall end with: 0, the child's, or
 * 1 with err. Before there is a second thread.
 */
int vfsd_detach(struct graft_error *err);

#endif
