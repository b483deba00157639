/* SPDX-License-Identifier: Apache-2.0 */
/* A mount: its members (layers, then the backend), their life, and where each opcode goes in the stack. */
#ifndef GRAFT_SERVER_MOUNT_H
#define GRAFT_SERVER_MOUNT_H

#include "lib/error.h"
#include "lib/log.h"
#include "server/config.h"
#include "server/workers.h"

#include <graftfs/plugin.h>
#include <stdbool.h>

#define MOUNT_MAX_MEMBERS 16
#define MOUNT_ABSENT 0xff

struct server;

/* The ABI's handle of an instance. */
struct graft_slot {
	struct server *server;
	struct mount *mount;
	char name[160];         /* "web", or "web.idmap" for a layer: in the log and for metrics */
	bool creating;          /* inside create(): open is allowed. Thread of the mount's life only */
	struct log_limit limit; /* for warn and error */
};

struct mount_member {
	const struct graft_plugin *desc;
	struct graft_inst *inst;
	struct graft_slot slot;
	struct graft_features features;
	bool created, started;
};

/* Who serves an opcode from a place in the stack on, and as which opcode (the table's fallback, or the same). */
struct mount_route {
	uint8_t member; /* MOUNT_ABSENT: nobody */
	uint8_t opcode;
};

/* Constant once started. */
struct mount {
	struct server *server;
	const char *name, *at;
	uint32_t slot;
	uint32_t nmembers;
	bool blocking;         /* every operation may block: all run on workers */
	bool hooks;            /* some member has a dirent hook */
	struct strand *strand; /* serial members: everything runs here; NULL: in parallel */
	struct strand own_strand;
	bool own_strand_made;
	uint64_t can, want, need; /* INIT flags of the whole stack */
	struct mount_member members[MOUNT_MAX_MEMBERS];
	struct mount_route routes[MOUNT_MAX_MEMBERS + 1][GRAFT_OP_COUNT];
};

/* Makes the members, backend first. NULL with err ("[mount web]: ..."), and nothing is left. config is borrowed. */
struct mount *mount_new(struct server *server, const struct mount_config *config, struct graft_error *err);
/* Starts the members, backend first. 0 or -errno with err. */
int mount_start(struct mount *m, struct graft_error *err);
/* Quiesces what was started, outermost first. No request may be inside. */
void mount_quiesce(struct mount *m);
/* Quiesces, destroys and frees; NULL is fine. */
void mount_free(struct mount *m);

/* Puts "what NAME: " before a plugin's error; sets one from res where the plugin set none. Returns a negative code. */
int mount_plugin_error(struct graft_error *err, int res, const char *what, const char *name);

#endif
