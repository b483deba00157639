/* SPDX-License-Identifier: Apache-2.0 */
/* state.json: which process serves an instance, and where. There from the start of serving to the orderly end. */
#ifndef GRAFT_SERVER_CONTROL_STATE_JSON_H
#define GRAFT_SERVER_CONTROL_STATE_JSON_H

#include "server/config.h"
#include "server/control/instance.h"
#include "server/control/store.h"

/*
 * {version, instance, pid, start_time: clock ticks since boot, boot_id, started: UTC, sockets: [{use, path}, ...]}.
 * Whoever signals pid compares boot_id and start_time first: a pid is used again. use is a transport's name or "api".
 */
int state_json_write(const struct store *s, const struct config *config, const struct process_id *id,
		     struct graft_error *err);
/* Checks the file of an earlier life. 0 with its pid, or 0 where there is none; -errno with file and place in err. */
int state_json_read(const struct store *s, int *pid, struct graft_error *err);

#endif
