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
	int *trees;             /* what keeps the directories it opened (sandbox/outside.h), the last one last; made in create() */
	uint32_t ntrees;
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

struct session_mount;
struct op_stats;

/* Constant once started, but for what is marked. */
struct mount {
	struct server *server;
	const char *name, *at;
	const struct mount_config *config;
	struct mount_config *own_config; /* the same where the mount has to free it */
	struct mount_key *keys;          /* one block; NULL where there are none */
	size_t nkeys;
	uint64_t since;         /* ns since 1970 */
	struct op_stats *stats; /* requests that went to it */
	uint32_t slot;          /* before it has one: the one it must get, 0: any */
	uint64_t root;          /* what the wire calls its root node, and its node of that number 1; see mount_wire */
	uint64_t place;         /* id of its place in the tree */
	_Atomic uint32_t refs;  /* the tree's, and one for each session that has it open */
	struct work end;        /* with the last reference */
	struct mount_end *awaited; /* who waits for that; counted, NULL: nobody. Set on the thread of changes while the tree has it */
	/* protected by the mount table's lock */
	struct mount *next, *prev;
	struct session_mount *sessions;
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

/* Makes the members, backend first. NULL with err ("[mount web]: ..."), and nothing is left. config is borrowed; who wants the mount
 * to free it sets own_config. */
struct mount *mount_new(struct server *server, const struct mount_config *config, struct graft_error *err);
/* Starts the members, backend first. 0 or -errno with err. */
int mount_start(struct mount *m, struct graft_error *err);
/* Quiesces what was started, outermost first. No request may be inside. */
void mount_quiesce(struct mount *m);
/* A node id of the mount's own (GRAFT_ROOT_NODE: its root) as clients have it. */
uint64_t mount_wire(const struct mount *m, uint64_t node);
/* mount_new gives one reference. */
void mount_hold(struct mount *m);
/* Any thread: the last one lets a worker quiesce, destroy and free the mount. NULL is fine. */
void mount_release(struct mount *m);

/* Puts "what NAME: " before a plugin's error; sets one from res where the plugin set none. Returns a negative code. */
int mount_plugin_error(struct graft_error *err, int res, const char *what, const char *name);

#endif
