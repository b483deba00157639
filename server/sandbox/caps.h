/* SPDX-License-Identifier: Apache-2.0 */
/* Capabilities of the daemon: which it keeps, and dropping the others for good. */
#ifndef GRAFT_SERVER_SANDBOX_CAPS_H
#define GRAFT_SERVER_SANDBOX_CAPS_H

#include "lib/error.h"
#include "server/config.h"
#include "server/plugin_loader.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * What a daemon with these plugins keeps under c (server/sandbox/modcaps.h). outside: a helper process does what needs
 * more (server/sandbox/outside.h). -EINVAL with err where modcaps takes what c needs.
 */
int caps_kept(const struct config *c, const struct plugin_registry *registry, bool outside, uint64_t *kept,
	      struct graft_error *err);
/*
 * An ordinary user's daemon that mounts /dev/fuse without a helper outside runs fusermount3, which must be able to
 * become root: no NoNewPrivs, and so no list of system calls either, which seccomp_apply refuses.
 */
bool caps_fusermount(const struct config *c, bool outside);
/*
 * Keeps of caps_kept what the process has, permitted and effective; the inheritable, ambient and bounding sets are
 * empty from then on (the bounding set only where CAP_SETPCAP is there to empty it), and no program it ran could gain
 * anything (NoNewPrivs, but for caps_fusermount). In every sandbox mode, whatever the user. After the sandbox, limits
 * and whatever else needs rights; before seccomp_apply. Main thread, the only one.
 */
int caps_apply(const struct config *c, const struct plugin_registry *registry, bool outside, struct graft_error *err);

#endif
