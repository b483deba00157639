/* SPDX-License-Identifier: Apache-2.0 */
/* The one checked, constant configuration that every front door fills and everything behind it reads. */
#ifndef GRAFT_SERVER_CONFIG_H
#define GRAFT_SERVER_CONFIG_H

#include "lib/cpu_list.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/options.h"
#include "server/plugin_loader.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum config_sandbox { CONFIG_SANDBOX_NAMESPACE, CONFIG_SANDBOX_CHROOT, CONFIG_SANDBOX_NONE };
/* Whom the API serves: root and the server's own user, or whoever can reach its socket. */
enum config_api_peers { CONFIG_API_PEERS_OWNER, CONFIG_API_PEERS_ANY };
/* A transport of /dev/fuse goes on with another process's mount: never; where that process has crashed; always. */
enum config_takeover { CONFIG_TAKEOVER_NO, CONFIG_TAKEOVER_AUTO, CONFIG_TAKEOVER_YES };
enum config_landlock { CONFIG_LANDLOCK_AUTO, CONFIG_LANDLOCK_NO };
enum config_node_ids { CONFIG_NODE_IDS_GRAFTFS, CONFIG_NODE_IDS_NYDUSD };
enum config_seccomp { CONFIG_SECCOMP_KILL, CONFIG_SECCOMP_LOG, CONFIG_SECCOMP_TRAP, CONFIG_SECCOMP_NONE };
/* A transport's say on an INIT flag: auto follows the mounts' want; always fails INIT where the client lacks it. */
enum config_flag { CONFIG_FLAG_AUTO, CONFIG_FLAG_NEVER, CONFIG_FLAG_ALWAYS };

/*
 * In each struct below, options holds what the section's own keys said: it owns the texts and config_dump prints it.
 * where is "FILE:LINE" of the section, for messages.
 */

/* A range of ids in a user namespace, and what they are outside. */
struct config_id_range {
	uint32_t inside, outside, count; /* count is not 0, and neither range leaves 0 .. 2^32-2 */
};

/* In the order of the file; no two ranges share an id on either side. */
struct config_id_map {
	struct config_id_range *range;
	uint32_t n; /* 0: none was given */
};

/* [server] */
struct server_config {
	const char *instance; /* [A-Za-z0-9][A-Za-z0-9_.-]{0,63} */
	int32_t log_level;    /* enum graft_log_level or LOG_OFF */
	uint32_t sandbox;     /* enum config_sandbox */
	uint32_t seccomp;     /* enum config_seccomp */
	uint32_t landlock;    /* enum config_landlock */
	uint32_t node_ids;    /* enum config_node_ids */
	struct config_id_map uid_map, gid_map; /* only with CONFIG_SANDBOX_NAMESPACE */
	uint64_t workers;     /* threads, 1..256; 0: auto */
	const char *plugin_dir;
	struct graft_list plugins; /* names, loaded beside those of the mounts */
	const char *state_dir;     /* absolute; the instance's own folder is made inside. NULL: nothing is kept */
	const char *api_socket;    /* absolute path, at most 107 bytes or that behind the working directory; NULL: no API */
	uint32_t api_peers;        /* enum config_api_peers */
	bool api_only;             /* there is no transport, on purpose; only with api_socket */
	const char *log_file;      /* absolute; NULL: stderr. Opened again at SIGHUP */
	uint64_t log_rotation;     /* MiB after which a new log file is begun; 0: never. Only with log_file */
	bool syslog;               /* messages go to the system's log; not with log_file */
	const char *pid_file;      /* absolute; NULL: none */
	uint64_t rlimit_nofile;    /* 0: as server/limits.h says */
	const char *supervisor;    /* absolute; socket of who keeps a connection of /dev/fuse and its state for the next process; NULL: none */
	const char *dedup_db;      /* absolute; for mounts made at run time, see control_host.c. NULL: none */
	const char *modcaps;       /* `+cap:-cap...`, checked (server/sandbox/modcaps.h); NULL: no change */
	struct options *options;
	char *where; /* of the file if it has no [server] */
};

/* INIT flags that a transport section may force, in the order of transport_config.flag. */
enum config_flag_key {
	CONFIG_KEY_WRITEBACK,
	CONFIG_KEY_POSIX_ACL,
	CONFIG_KEY_SECURITY_LABEL,
	CONFIG_KEY_KILLPRIV_V2,
	CONFIG_KEY_READDIRPLUS,
	CONFIG_KEY_ALLOW_MMAP,
	CONFIG_KEY_LOCKS,
	CONFIG_KEY_NO_OPEN,
	CONFIG_KEY_SUBMOUNTS,
	CONFIG_KEY_PASSTHROUGH,
	CONFIG_KEY_COUNT
};

/* Bounds of what one client may hold; 0: none but those that the server and its plugins have anyway. See docs/limits.md. */
struct guest_limits {
	uint64_t nodes;  /* that plugins keep for it */
	uint64_t open;   /* files, directories, owners of locks */
	uint64_t memory; /* bytes for its requests, beyond what each has of its own */
};

#define GUEST_MEMORY_LEAST (4u << 20) /* bytes: the largest request there is, and as much again for plugins, twice */

/* [transport vhost-user], [transport fuse], or either with a NAME behind it where several stand */
struct transport_config {
	uint32_t kind;      /* enum graft_transport; says which of the keys below hold, others are NULL, 0 or -1 */
	const char *name;   /* the section's words behind "transport" */
	const char *socket; /* absolute path, at most 107 bytes or that behind the working directory; or NULL */
	const char *socket_group; /* that may connect as well, or NULL; only with socket */
	int32_t fd;         /* inherited listening socket, or -1 */
	const char *tag;    /* 1..36 bytes, or NULL */
	uint32_t queues;    /* 1..64 */
	struct cpu_list cpus; /* n is 0: the queues' threads are not pinned */
	uint32_t poll_us;     /* microseconds a queue looks out for requests at most; 0: not at all */
	bool once;
	const char *mountpoint;          /* fuse: absolute path */
	const char *mount_type;          /* fuse: "fuse" or "fuse.SUBTYPE"; NULL: fuse.graftfs */
	const char *mount_source;        /* fuse: what is shown as the device; NULL: the instance's name */
	uint32_t threads;                /* fuse: 1..64, 0: auto */
	bool read_only;                  /* fuse */
	uint32_t takeover;               /* fuse: enum config_takeover */
	uint32_t failover;               /* fuse: enum fuse_dev_drain (transport/fuse_dev.h) */
	uint32_t flag[CONFIG_KEY_COUNT]; /* enum config_flag */
	struct guest_limits limits;
	struct options *options;
	char *where;
};

/* A member of a mount's stack: a layer, or the backend, which stands last. */
struct member_config {
	const char *name; /* as written: "idmap", "outer" of "idmap:outer", or the mount's own for the backend */
	const struct plugin *plugin;
	struct options *options; /* finished */
};

/* [mount NAME] */
struct mount_config {
	const char *name; /* [A-Za-z0-9][A-Za-z0-9_.-]{0,63}, unique */
	const char *at;   /* absolute, normal: no empty, "." or ".." part */
	struct member_config *members; /* outermost layer first, backend last */
	uint32_t nmembers;             /* 1..16 */
	struct options *options;       /* at, type, layers */
	uint32_t slot;                 /* of its mount_spec; 0: any */
	char *where;
};

struct config {
	char *file; /* for messages */
	struct server_config server;
	struct transport_config *transports;
	uint32_t ntransports; /* at least 1 but with api_only */
	struct mount_config *mounts;
	uint32_t nmounts; /* may be 0 where there is an API or a state folder to mount by */
};

/* One key of a mount as text, as it would stand in its section: at, type, layers, a plugin's or LAYER.KEY. */
struct mount_key {
	const char *name, *value;
};

/* A mount as a caller at run time describes it; borrowed. */
struct mount_spec {
	const char *name; /* of the section it would be; NULL: one is made */
	const struct mount_key *keys;
	size_t nkeys;
	const char *where; /* for messages: "POST /api/v1/mount", "mounts.json: mount 3" */
	uint32_t slot;     /* that it must have, see mount_info; 0: any */
};

/*
 * A checked mount of its own. Plugins must have been loaded (plugin_registry_seal); an error names those that were.
 * NULL with err. Any thread.
 */
struct mount_config *config_mount_new(const struct mount_spec *spec, struct plugin_registry *registry,
				      struct graft_error *err);
/* Only of config_mount_new, before its registry ends. NULL is fine. Any thread. */
void config_mount_free(struct mount_config *m);
/*
 * The keys of a mount that were set, as they were written, a list's one by one: at, type, layers, the backend's, then
 * the layers'; not the defaults. config_mount_new makes the same mount of them. An array that one free() drops with all its
 * texts; NULL when out of memory.
 */
struct mount_key *config_mount_keys(const struct mount_config *m, size_t *n);
/*
 * Absolute, at most 4096 bytes, UTF-8, no control characters, no empty, "." or ".." part, none of more than 255 bytes;
 * "/" is right. 0 or -EINVAL with err, which says what is wrong with it. Any thread.
 */
int config_check_at(const char *at, struct graft_error *err);

/*
 * Reads an INI file. Nothing but the file and the plugin libraries is opened. NULL with err: "FILE:LINE: ..." with the
 * word, what is wrong and what would be right. Plugins are loaded through *registry, made here; it must outlive the
 * config. On failure *registry is NULL. mountpoint, if not NULL, takes the place of what the one [transport fuse] says,
 * which is added where there is none. Main thread only.
 */
struct config *config_read_ini(const char *path, const char *mountpoint, struct plugin_registry **registry,
			       struct graft_error *err);
/* Of the folders that are searched where no configuration says otherwise. NULL when out of memory. */
struct plugin_registry *config_default_registry(void);
void config_free(struct config *c);
/*
 * Prints c as an INI file; reading that gives the same config, and dumping it again the same bytes. 0, -EINVAL with err
 * for a value that an INI file cannot carry, -EIO when writing failed.
 */
int config_dump(const struct config *c, FILE *to, struct graft_error *err);

/* Tables of the sections' own keys, for help and manual. */
extern const struct graft_opt config_server_options[], config_transport_options[], config_fuse_options[],
	config_mount_options[];

#endif
