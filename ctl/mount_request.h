/* SPDX-License-Identifier: Apache-2.0 */
/* What mount and remount have in common: their options, and the request made of them. */
#ifndef GRAFT_CTL_MOUNT_REQUEST_H
#define GRAFT_CTL_MOUNT_REQUEST_H

#include "ctl/command.h"

extern const struct args_option mount_request_options[];

/* Sends the mount that args describe; method is POST or PUT. Returns enum ctl_exit. */
int mount_request(struct ctl *ctl, const struct command *command, const char *method, const struct args *args);

#endif
