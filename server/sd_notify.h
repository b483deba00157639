/* SPDX-License-Identifier: Apache-2.0 */
/* The service manager's readiness protocol, sd_notify(3), without its library. */
#ifndef GRAFT_SERVER_SD_NOTIFY_H
#define GRAFT_SERVER_SD_NOTIFY_H

/* *fd: a socket connected to what NOTIFY_SOCKET names, for later, when sockets cannot be made; -1: it names nothing. 0 or -errno. */
int sd_notify_open(int *fd);
/* Sends state there; does nothing at -1. 0 or -errno. */
int sd_notify_send_to(int fd, const char *state);
/* Sends state ("READY=1") to the socket that NOTIFY_SOCKET names. 0, also where there is none, or -errno. */
int sd_notify_send(const char *state);

#endif
