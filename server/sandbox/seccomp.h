/* SPDX-License-Identifier: Apache-2.0 */
/* The system calls that the daemon may make (seccomp, by libseccomp): composed from what is configured, loaded once. */
#ifndef GRAFT_SERVER_SANDBOX_SECCOMP_H
#define GRAFT_SERVER_SANDBOX_SECCOMP_H

#include "lib/error.h"
#include "server/config.h"
#include "server/plugin_loader.h"

#include <stdbool.h>

/*
 * From here on a system call that is not on the list of c and of the plugins in registry is answered as [server]
 * seccomp says; nothing with none. Threads that come later inherit it. outside: a helper process mounts, unmounts and
 * opens. 0 or -errno with err, which names the plugin where one declares a call that does not exist here. After
 * caps_apply (NoNewPrivs, without which only CAP_SYS_ADMIN may load a filter; no call on the list changes the bounding
 * set) and after server_new (no call on the list makes an io_uring). Main thread, the only one.
 */
int seccomp_apply(const struct config *c, const struct plugin_registry *registry, bool outside, struct graft_error *err);

#endif
