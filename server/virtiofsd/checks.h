/* SPDX-License-Identifier: Apache-2.0 */
/* What virtiofsd looks at between its command line and its socket, in its order. */
#ifndef GRAFT_SERVER_VIRTIOFSD_CHECKS_H
#define GRAFT_SERVER_VIRTIOFSD_CHECKS_H

#include "server/virtiofsd/line.h"

/* Whether there is a shared directory to serve. 0 or -EINVAL with err. */
int vfsd_check_shared(const struct vfsd_line *line, struct graft_error *err);
/*
 * The shared directory, a warning for each option that is written in an old way, options that are at odds, the socket's
 * folder. 0 or -errno with err. Main thread; the log is where it shall be.
 */
int vfsd_check_run(const struct vfsd_line *line, struct graft_error *err);

#endif
