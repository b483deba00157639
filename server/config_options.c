/* SPDX-License-Identifier: Apache-2.0 */
/* Option tables of the sections' own keys: [server], each kind of [transport], and what every [mount] has. */
#include "server/config_internal.h"

static const char *const log_levels[] = { "error", "warn", "info", "debug", "trace", "off", NULL };
const char *const config_sandboxes[] = { "namespace", "chroot", "none", NULL };
const char *const config_seccomps[] = { "kill", "log", "trap", "none", NULL };
static const char *const api_peers[] = { "owner", "any", NULL };
static const char *const landlocks[] = { "auto", "no", NULL };
static const char *const node_ids[] = { "graftfs", "nydusd", NULL };
static const char *const takeovers[] = { "no", "auto", "yes", NULL };
static const char *const failovers[] = { "none", "resend", "flush", NULL };
static const char *const flags[] = { "auto", "never", "always", NULL };

#define SERVER(field) .offset = offsetof(struct server_settings, field)
#define TRANSPORT(field) .offset = offsetof(struct transport_settings, field)
#define FUSE(field) .offset = offsetof(struct fuse_settings, field)
#define MOUNT(field) .offset = offsetof(struct mount_settings, field)

/* INIT flags: rows that every kind of transport has, each filling its own settings. */
#define FLAG(settings, k, index, h) \
	{ .key = k, .dflt = "auto", .type = GRAFT_OPT_ENUM, .offset = offsetof(struct settings, flag[index]), \
	  .choices = flags, .help = h }
#define FLAGS(settings) \
	FLAG(settings, "writeback", CONFIG_KEY_WRITEBACK, "the client's kernel collects writes in its cache"), \
	FLAG(settings, "posix-acl", CONFIG_KEY_POSIX_ACL, "the client's kernel checks POSIX access control lists"), \
	FLAG(settings, "security-label", CONFIG_KEY_SECURITY_LABEL, "new files get the client's security label"), \
	FLAG(settings, "killpriv-v2", CONFIG_KEY_KILLPRIV_V2, \
	     "the server clears setuid, setgid and capabilities at a write"), \
	FLAG(settings, "readdirplus", CONFIG_KEY_READDIRPLUS, "listings bring attributes along"), \
	FLAG(settings, "allow-mmap", CONFIG_KEY_ALLOW_MMAP, "files open with direct I/O may be mapped shared"), \
	FLAG(settings, "locks", CONFIG_KEY_LOCKS, "the client's POSIX and BSD locks reach the server"), \
	FLAG(settings, "no-open", CONFIG_KEY_NO_OPEN, "files are opened without asking the server")

/* Bounds of one client: rows that every kind of transport has. */
#define LIMIT(settings, k, field, h) \
	{ .key = k, .dflt = "0", .type = GRAFT_OPT_U64, .offset = offsetof(struct settings, limits.field), .help = h }
#define LIMITS(settings) \
	LIMIT(settings, "max-nodes", nodes, "files and directories one client may know at the same time, 0: no bound here"), \
	LIMIT(settings, "max-open", open, "files, directories and owners of locks one client may have open, 0: no bound here"), \
	LIMIT(settings, "max-memory", memory, "bytes one client's requests may take at the same time, 0: no bound here")

const struct graft_opt config_server_options[] = {
	{ .key = "instance", .dflt = "graftfs", .type = GRAFT_OPT_STRING, SERVER(instance),
	  .help = "name of this server among others on the host" },
	{ .key = "state-dir", .type = GRAFT_OPT_PATH, SERVER(state_dir), .optional = 1,
	  .help = "folder for what must survive a restart; the instance's own is made inside" },
	{ .key = "api-socket", .type = GRAFT_OPT_PATH, SERVER(api_socket), .optional = 1,
	  .help = "path of the Unix socket for graftctl and the HTTP API" },
	{ .key = "api-peers", .dflt = "owner", .type = GRAFT_OPT_ENUM, SERVER(api_peers), .choices = api_peers,
	  .help = "whom the API serves: root and the server's user, or whoever can reach its socket" },
	{ .key = "api-only", .dflt = "false", .type = GRAFT_OPT_BOOL, SERVER(api_only),
	  .help = "serve nobody but clients of the API: there is no transport" },
	{ .key = "supervisor", .type = GRAFT_OPT_PATH, SERVER(supervisor), .optional = 1,
	  .help = "Unix socket of who keeps a mount of /dev/fuse and its state for the next process" },
	{ .key = "dedup-db", .type = GRAFT_OPT_PATH, SERVER(dedup_db), .optional = 1,
	  .help = "key dedup-db of mounts made at run time whose plugin has it and that do not set it" },
	{ .key = "log-file", .type = GRAFT_OPT_PATH, SERVER(log_file), .optional = 1,
	  .help = "file that messages go to, opened again at SIGHUP; otherwise standard error" },
	{ .key = "log-rotation-size", .dflt = "0", .type = GRAFT_OPT_U64, SERVER(log_rotation), .max = 1048576,
	  .help = "MiB after which log-file is put away, compressed, and begun anew; 0: never" },
	{ .key = "syslog", .dflt = "false", .type = GRAFT_OPT_BOOL, SERVER(syslog),
	  .help = "messages go to the system's log; to standard error where there is none" },
	{ .key = "pid-file", .type = GRAFT_OPT_PATH, SERVER(pid_file), .optional = 1,
	  .help = "file that is locked while the server runs, with its process id" },
	{ .key = "log-level", .dflt = "info", .type = GRAFT_OPT_ENUM, SERVER(log_level), .choices = log_levels,
	  .help = "least important lines that are still written" },
	{ .key = "sandbox", .dflt = "namespace", .type = GRAFT_OPT_ENUM, SERVER(sandbox), .choices = config_sandboxes,
	  .help = "what the server locks itself into" },
	{ .key = "uid-map", .type = GRAFT_OPT_LIST, SERVER(uid_map), .optional = 1,
	  .help = "users of an ordinary user's namespace, INSIDE:OUTSIDE:COUNT; none: only the own, as itself" },
	{ .key = "gid-map", .type = GRAFT_OPT_LIST, SERVER(gid_map), .optional = 1,
	  .help = "its groups, in the same way" },
	{ .key = "seccomp", .dflt = "kill", .type = GRAFT_OPT_ENUM, SERVER(seccomp), .choices = config_seccomps,
	  .help = "what happens at a system call that is not on the list" },
	{ .key = "modcaps", .type = GRAFT_OPT_STRING, SERVER(modcaps), .optional = 1,
	  .help = "capabilities to keep beside or to drop of the usual ones, as +CAP:-CAP" },
	{ .key = "landlock", .dflt = "auto", .type = GRAFT_OPT_ENUM, SERVER(landlock), .choices = landlocks,
	  .help = "whether the kernel keeps the server to the paths of its mounts, where that is possible" },
	{ .key = "node-ids", .dflt = "graftfs", .type = GRAFT_OPT_ENUM, SERVER(node_ids), .choices = node_ids,
	  .help = "form of the node ids on the wire: the own, or nydusd's, with 255 mounts at most" },
	{ .key = "workers", .dflt = "auto", .type = GRAFT_OPT_STRING, SERVER(workers),
	  .help = "threads for what may block, auto or 1 to 256" },
	{ .key = "plugin-dir", .dflt = GRAFT_PLUGIN_DIR, .type = GRAFT_OPT_PATH, SERVER(plugin_dir),
	  .help = "folder of the plugins, searched after the build tree's own" },
	{ .key = "plugins", .type = GRAFT_OPT_LIST, SERVER(plugins), .optional = 1,
	  .help = "plugins to load beside those of the mounts, several to a line" },
	{ .key = "rlimit-nofile", .dflt = "0", .type = GRAFT_OPT_U64, SERVER(rlimit_nofile), .max = 1073741816,
	  .help = "limit of open files to set; 0: a million, or as many as allowed" },
	{ .key = NULL },
};

const struct graft_opt config_transport_options[] = {
	{ .key = "socket", .type = GRAFT_OPT_PATH, TRANSPORT(socket), .optional = 1,
	  .help = "path of the Unix socket to listen on; give this or fd" },
	{ .key = "socket-group", .type = GRAFT_OPT_STRING, TRANSPORT(socket_group), .optional = 1,
	  .help = "group whose members may connect to socket as well" },
	{ .key = "fd", .type = GRAFT_OPT_U64, TRANSPORT(fd), .optional = 1, .max = 1073741816,
	  .help = "inherited descriptor of a listening Unix socket" },
	{ .key = "tag", .type = GRAFT_OPT_STRING, TRANSPORT(tag), .optional = 1,
	  .help = "what the guest mounts by, 1 to 36 bytes; leave it out for QEMU, which has its own" },
	{ .key = "queues", .dflt = "1", .type = GRAFT_OPT_U64, TRANSPORT(queues), .min = 1, .max = 64,
	  .help = "request queues, each served by a thread of its own" },
	{ .key = "queue-cpus", .type = GRAFT_OPT_STRING, TRANSPORT(queue_cpus), .optional = 1,
	  .help = "processors to keep the request queues' threads on, one each in turn, such as 0-3,8" },
	{ .key = "poll-us", .dflt = "auto", .type = GRAFT_OPT_STRING, TRANSPORT(poll_us),
	  .help = "microseconds a queue looks out for requests before it sleeps: auto, or at most 0 to 1000" },
	{ .key = "once", .dflt = "false", .type = GRAFT_OPT_BOOL, TRANSPORT(once),
	  .help = "end after the first front end has left" },
	LIMITS(transport_settings),
	FLAGS(transport_settings),
	FLAG(transport_settings, "submounts", CONFIG_KEY_SUBMOUNTS,
	     "mounts, and file systems inside a share, show as mounts of their own"),
	{ .key = NULL },
};

/* No submounts: the host's kernel does not offer them on /dev/fuse. */
const struct graft_opt config_fuse_options[] = {
	{ .key = "mountpoint", .type = GRAFT_OPT_PATH, FUSE(mountpoint),
	  .help = "directory of this host to mount on" },
	{ .key = "mount-type", .type = GRAFT_OPT_STRING, FUSE(mount_type), .optional = 1,
	  .help = "type that the mount shows: fuse, or fuse. and a word; fuse.graftfs if absent" },
	{ .key = "mount-source", .type = GRAFT_OPT_STRING, FUSE(mount_source), .optional = 1,
	  .help = "source that the mount shows; otherwise the instance's name" },
	{ .key = "threads", .dflt = "auto", .type = GRAFT_OPT_STRING, FUSE(threads),
	  .help = "threads that read requests, auto or 1 to 64" },
	{ .key = "read-only", .dflt = "false", .type = GRAFT_OPT_BOOL, FUSE(read_only),
	  .help = "mount it read-only, which spares the kernel a GETATTR for each file that was read" },
	{ .key = "takeover", .dflt = "no", .type = GRAFT_OPT_ENUM, FUSE(takeover), .choices = takeovers,
	  .help = "go on with the mount of a process before, told to by the API: no, auto (if that has crashed), yes" },
	{ .key = "failover", .dflt = "none", .type = GRAFT_OPT_ENUM, FUSE(failover), .choices = failovers,
	  .help = "what becomes of requests that a crashed process had taken" },
	LIMITS(fuse_settings),
	FLAGS(fuse_settings),
	FLAG(fuse_settings, "passthrough", CONFIG_KEY_PASSTHROUGH,
	     "the kernel reads and writes files itself that a mount has on this host"),
	{ .key = NULL },
};

const struct graft_opt config_mount_options[] = {
	{ .key = "at", .type = GRAFT_OPT_STRING, MOUNT(at),
	  .help = "where clients see it: an absolute path, / for their root" },
	{ .key = "type", .type = GRAFT_OPT_STRING, MOUNT(type), .help = "plugin that serves it" },
	{ .key = "layers", .type = GRAFT_OPT_STRING, MOUNT(layers), .optional = 1,
	  .help = "layers before it, outermost first: PLUGIN or PLUGIN:NAME; keys of a layer are NAME.KEY" },
	{ .key = NULL },
};
