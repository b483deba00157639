/* SPDX-License-Identifier: Apache-2.0 */
/* The service outside in a process of its own, a client in this one, and a folder for both. */
#ifndef GRAFT_TESTS_UNIT_OUTSIDE_RIG_H
#define GRAFT_TESTS_UNIT_OUTSIDE_RIG_H

#include "server/config.h"
#include "server/sandbox/outside.h"

#include <stdbool.h>
#include <sys/types.h>

struct outside_rig {
	char dir[64];
	struct config config;
	struct transport_config transports[2];
	int sock;         /* the client's end */
	pid_t service;
	struct outside *o;
	int userns;       /* for the service, see outside_service_userns; -1 after rig_setup */
	uid_t uid;        /* that the service becomes; 0: stays */
	const char *root; /* of the service; NULL: this process's */
};
extern struct outside_rig rig;

/* Root with CAP_SYS_ADMIN, in a mount namespace of its own whose mounts are shared. False, with a line that begins with SKIP. */
bool rig_root_possible(void);
/* cmocka's: an empty folder, no service yet. teardown ends what runs. */
int rig_setup(void **state);
int rig_teardown(void **state);
/* Starts service and client, by the configuration as it is now. */
void rig_start(void);
/* The client leaves; the service must end in order. */
void rig_stop(void);

/* A path in the folder; of two alternating buffers. */
const char *rig_path(const char *name);
void rig_write(const char *name, const char *text);
void rig_mkdir(const char *name);
/* Opens a path of the folder through the service; what it was refused with is -errno. tree may be NULL where none is expected. */
int rig_open(const char *name, int flags, int *tree);

#endif
