/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The border between graftfsd and its control module: the HTTP API and the state folder, a library of its own so that the daemon
 * itself links neither libmicrohttpd nor jansson. Loaded when [server] has api-socket or state-dir, before everything else.
 */
#ifndef GRAFT_SERVER_CONTROL_H
#define GRAFT_SERVER_CONTROL_H

#include "lib/error.h"
#include "server/config.h"
#include "server/mounts.h"

#include <stdio.h>

#define CONTROL_SYMBOL "graft_control_v1"
#define CONTROL_VERSION 1 /* daemon and module are built together and must have the same */

struct control; /* the module's own */

/* A transport in a listing. */
struct control_transport {
	const char *name;  /* of its section */
	const char *kind;  /* "vhost-user" or "fuse" */
	const char *where; /* socket or mount point */
	uint32_t clients, queues;
};

/* A plugin's own counter, see graft_host.metric. */
struct control_metric {
	const char *object, *name, *unit;
	uint64_t value;
};

/* A request that a client waits for. */
struct control_flight {
	uint64_t node, unique; /* as the kernel has them */
	uint32_t opcode;
	uint64_t since; /* ns since 1970 */
};

/* A connection of /dev/fuse on its way from one process to another. */
struct control_connection {
	int fd;
	uint64_t dev; /* of its file system, major << 20 | minor */
	/* What INIT agreed on: flags of the kernel and of the answer (both 0: there was none), and the answer's words. */
	uint64_t offered, enabled;
	uint32_t minor, max_write, max_readahead;
	uint32_t life; /* processes that had it before the one that gives it, or that takes it */
};

/* What the module may call, on any thread that may block unless said otherwise. server is the first argument's cookie. */
struct control_host {
	uint32_t version; /* CONTROL_VERSION */
	void *server;
	const struct config *config; /* effective, constant */
	int pid; /* of the process that was started, which is not the one inside a sandbox */

	void (*log)(int level, const char *object, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
	void (*set_log_level)(int level); /* enum graft_log_level */
	int (*log_level)(void);
	/* See lib/log_errors.h. */
	void (*each_error)(void (*fn)(const char *line, void *arg), void *arg);

	/* See mounts.h. A type must have been loaded before (config plugins, or a mount of the file); the error names those that
	 * were. */
	int (*mount)(void *server, const struct mount_spec *spec, struct graft_error *err);
	int (*remount)(void *server, const struct mount_spec *spec, struct graft_error *err);
	int (*umount)(void *server, const char *at, bool strict, struct graft_error *err);
	int (*each_mount)(void *server, int (*fn)(const struct mount_info *, void *), void *arg);
	/* Calls a plugin, so not within each_mount. */
	int (*ask)(void *server, const char *at, const char *what, const char *in, graft_ask_put *put, void *arg);

	/* mounts_pseudo_each and its kind. */
	int (*each_place)(void *server, int (*fn)(const struct place_record *, void *), void *arg);
	uint64_t (*last_place)(void *server);
	uint32_t (*next_slot)(void *server);
	int (*set_next_slot)(void *server, uint32_t slot, struct graft_error *err);
	int (*restore_places)(void *server, const struct place_record *list, size_t n, uint64_t last_id, struct graft_error *err);

	int (*each_transport)(void *server, int (*fn)(const struct control_transport *, void *), void *arg);
	int (*each_metric)(void *server, int (*fn)(const struct control_metric *, void *), void *arg);
	/* Of /dev/fuse; fn is quick. */
	int (*each_flight)(void *server, int (*fn)(const struct control_flight *, void *), void *arg);
	/* Plugins that are loaded. */
	int (*each_plugin)(void *server, int (*fn)(const struct graft_plugin *, void *), void *arg);
	/* Requests that belong to no mount (INIT, pseudo directories, what could not be decoded), and those of mounts that are gone.
	 * Constant pointer. */
	const struct op_stats *(*stats)(void *server);
	void (*op_read)(const struct op_stats *stats, uint32_t opcode, struct op_sum *sum);
	uint64_t (*op_bound)(uint32_t bucket);
	void (*reads)(const struct op_stats *stats, struct op_reads *sum);
	const char *(*op_name)(uint32_t opcode); /* "LOOKUP"; NULL for one that is not known */

	/* Prints the effective configuration as INI. */
	int (*dump_config)(void *server, FILE *to, struct graft_error *err);
	/* The connection of the transport of /dev/fuse: see doors.h. waits: it starts without one. May block. */
	bool waits;
	int (*connection_give)(void *server, struct control_connection *c, struct graft_error *err);
	int (*connection_take)(void *server, const struct control_connection *c, struct graft_error *err);
	int (*connection_begin)(void *server, struct graft_error *err);
	int (*connection_leave)(void *server, struct graft_error *err);
	/* Asks for an orderly end, as SIGTERM does. Returns at once. */
	void (*stop)(void *server);
	/* Runs fn(arg) on a thread for such calls, where it may block; several at a time. */
	int (*run)(void *server, void (*fn)(void *arg), void *arg);
};

/* The one exported object of the module. Main thread, in this order; close after every open that succeeded. */
struct control_module {
	uint32_t version; /* CONTROL_VERSION */
	/* Takes the instance's lock, reads and checks its state, binds the API socket. Nothing is changed where it fails: another
	 * daemon of this instance (its pid is named), state that is corrupt or newer (file and position are named). */
	int (*open)(const struct control_host *host, struct control **c, struct graft_error *err);
	/* The mounts of the file stand: mounts again what was mounted at run time, in order. One that fails is logged and kept. */
	int (*restore)(struct control *c, struct graft_error *err);
	/* The transports stand: writes config.ini and state.json, serves the API. */
	int (*start)(struct control *c, struct graft_error *err);
	/* No new requests; running ones have been answered when it returns. */
	void (*stop)(struct control *c);
	void (*close)(struct control *c);
	/*
	 * The keys that the mount of an image needs beside its config, nydusd's text of len bytes: `add` gets "layers" first, if
	 * there are any, then the layers' own. Before open too. A result of add other than 0 ends it and is returned; -EINVAL with
	 * err for a text that is no configuration.
	 */
	int (*nydus_layers)(const char *text, size_t len,
			    int (*add)(void *arg, const char *name, const char *value, struct graft_error *err), void *arg,
			    struct graft_error *err);
};

#endif
