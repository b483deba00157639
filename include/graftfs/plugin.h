/* SPDX-License-Identifier: Apache-2.0 */
/* The plugin ABI of graftfs: what a backend or a layer exports and what the server offers it. C99 and C++17 clean. */
#ifndef GRAFT_INCLUDE_PLUGIN_H
#define GRAFT_INCLUDE_PLUGIN_H

#include <graftfs/fuse.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A plugin is a shared object that exports one constant object, graft_plugin_v1. The server reads it before any code
 * of the plugin runs. Growth is append-only within a major version: each struct that crosses the border begins with
 * its size, the smaller size is copied, the rest is zero. Whoever reads a field behind the other side's size finds 0.
 */
#define GRAFT_ABI_MAJOR 1  /* a plugin of another major version is refused */
#define GRAFT_ABI_MINOR 1  /* +1 whenever a struct below grows at its end */
#define GRAFT_PLUGIN_SYMBOL "graft_plugin_v1"
#define GRAFT_PLUGIN_EXPORT __attribute__((visibility("default")))

#define GRAFT_ASYNC 1      /* result of an operation: complete() follows, exactly once */
#define GRAFT_NODE_BITS 48 /* a plugin's node ids lie in 1 .. 2^48-1; 1 is its root */
#define GRAFT_ROOT_NODE 1
#define GRAFT_NO_ID UINT32_MAX /* uid or gid that the caller did not give */

struct graft_inst;   /* the plugin's own state of one instance (one INI section or one layer of it) */
struct graft_slot;   /* the server's handle for that instance; valid from create() until destroy() returns */
struct graft_error;  /* code and text, set only through graft_host.fail */
struct graft_stream; /* one instance's part of a saved state */
struct graft_req;

enum graft_kind { GRAFT_BACKEND = 1, GRAFT_LAYER = 2 };

/* How many threads may be inside the operations and session hooks of one instance; the strictest member of a stack
 * holds for the mount. */
enum graft_threads {
	GRAFT_SERIAL_PLUGIN = 1,   /* one call at a time in all instances of this plugin, on a strand of its own */
	GRAFT_SERIAL_INSTANCE = 2, /* one call at a time in each instance, on a strand of its own */
	GRAFT_PARALLEL = 3         /* called on queue threads and workers at the same time; must not block on those */
};

enum graft_plugin_flags {
	GRAFT_PASS_UNKNOWN = 1 << 0, /* layer: opcodes at or above nops pass through it instead of ending as absent */
	GRAFT_OWN_NOFLUSH = 1 << 1   /* since 1.1; layer with FLUSH: FOPEN_NOFLUSH in replies to opens is its own word, and reaches the client */
};

/* Results of graft_host.dirent and of a layer's dirent hook. */
enum graft_dirent_result {
	GRAFT_DIRENT_OK = 0,
	GRAFT_DIRENT_FULL = 1, /* no room: take the look-up back, return 0 from the operation */
	GRAFT_DIRENT_HIDE = 2  /* a layer hides the entry: take the look-up back, go on with the next */
};

enum graft_log_level {
	GRAFT_LOG_ERROR = 0,
	GRAFT_LOG_WARN = 1,
	GRAFT_LOG_INFO = 2,
	GRAFT_LOG_DEBUG = 3,
	GRAFT_LOG_TRACE = 4
};

/*
 * Option tables. The server parses and checks an instance's keys, fills the settings struct, prints the help and dumps
 * the configuration from this table. The types say what is stored at offset:
 */
enum graft_opt_type {
	GRAFT_OPT_STRING = 1,  /* const char * */
	GRAFT_OPT_PATH = 2,    /* const char *, absolute */
	GRAFT_OPT_BOOL = 3,    /* bool (1 byte): true false yes no on off 1 0 */
	GRAFT_OPT_U64 = 4,     /* uint64_t in [min, max]; suffixes K M G are powers of 1024 */
	GRAFT_OPT_SECONDS = 5, /* uint64_t nanoseconds in [min, max] (nanoseconds); written as 1, 0.5, 250ms, 24h */
	GRAFT_OPT_ENUM = 6,    /* uint32_t: index into choices */
	GRAFT_OPT_LIST = 7     /* struct graft_list: the key may repeat */
};

struct graft_list {
	const char *const *items; /* in the order of the file */
	size_t count;
};

struct graft_opt {
	const char *key;            /* lower case, words joined by '-'; NULL ends a table */
	const char *dflt;           /* as it would stand in the file; NULL: required (STRING, PATH, LIST: see optional) */
	const char *help;           /* one sentence, no full stop */
	uint32_t type;              /* enum graft_opt_type */
	uint32_t offset;            /* in the settings struct */
	uint64_t min, max;          /* U64 and SECONDS; both 0: no bound */
	const char *const *choices; /* ENUM: NULL-terminated */
	uint32_t optional;          /* with dflt NULL: may be absent, then NULL, an empty list, or UINT64_MAX for numbers */
	uint32_t unused;
};

/*
 * Session: one INIT..DESTROY of one transport. Lookup counts, file handles and locks belong to (session, instance).
 * The server calls session_open before the session's first request and session_close after its last was completed.
 * Constant for the life of the session.
 */
struct graft_session {
	uint32_t size;
	uint32_t minor;     /* FUSE minor version of the client */
	uint64_t id;        /* unique in this process */
	uint64_t flags;     /* negotiated INIT flags, FUSE_* (bits 32.. are flags2) */
	uint32_t max_write; /* bytes */
	uint32_t transport; /* enum graft_transport */
	/* since 1.1 */
	uint64_t max_nodes, max_open; /* what graft_host.claim allows; 0: no bound, and claim and unclaim may be left out */
	/*
	 * How many servers had this client before, one after the other: it may still name nodes and handles that they gave it, which are -ESTALE
	 * or -EBADF unless the plugin can tell what they were, and must never lead to something else.
	 */
	uint32_t life;
	uint32_t unused;
};

enum graft_transport { GRAFT_VHOST_USER = 1, GRAFT_DEV_FUSE = 2 };

/*
 * INIT flags by mask, given by an instance after create(). can must contain want, and want must contain need.
 * FUSE_NO_OPEN_SUPPORT, where it is negotiated: no OPEN, FLUSH or RELEASE comes, and handles are 0; likewise
 * FUSE_NO_OPENDIR_SUPPORT for directories. A plugin without features() can do without those operations it does not have.
 */
struct graft_features {
	uint32_t size;
	uint32_t blocking; /* 1: every operation may block (a network file system): the server runs all on workers */
	uint64_t can;  /* flags this instance can serve; one that any mount cannot serve is not negotiated */
	uint64_t want; /* flags it profits from: those with an "auto" transport key are negotiated if some mount wants them */
	uint64_t need; /* flags without which it cannot work: INIT fails with EPROTO where the client lacks one */
	/* since 1.1 */
	uint64_t leaves[4]; /* layer: opcodes this instance leaves alone though its table has them; bit opcode % 64 of opcode / 64 */
	/*
	 * Where node ids outlive the process ([server] node-ids = nydusd) clients know the root by this number, and by 1 the node that has
	 * it; the instance does not see that. 0: by 1, as everywhere else.
	 */
	uint64_t root;
};

/*
 * A request. The server's memory; valid until completed. Fields of the first group are constant for a backend; a layer
 * may set in, name, name2, data, src, dst, uid, gid, groups, secctx_name and secctx to private copies before next() and
 * must put them back in up(). node, fh and everything in `in` are a guest's words: look them up, never dereference or index with them.
 */
struct graft_req {
	uint32_t size;
	uint32_t opcode; /* FUSE_* or enum graft_opcode */
	uint64_t unique; /* 0 for a request that the server or a layer made */
	uint64_t node;   /* this instance's node id, 1 .. 2^48-1 */
	uint64_t node2;  /* RENAME, RENAME2: new directory; LINK: the node to link; COPY_FILE_RANGE: node of the target */
	uint32_t uid, gid, pid;
	uint32_t umask;   /* CREATE, MKDIR, MKNOD, TMPFILE; to be applied only where FUSE_DONT_MASK was negotiated */
	uint32_t ngroups; /* supplementary groups, valid only if has_groups */
	uint32_t has_groups;
	const uint32_t *groups;
	const void *in;     /* fuse_*_in, private copy, padded with zeros to the newest length */
	const char *name;   /* checked: 1..255 bytes, no '/', not "." or ".."; NULL where the opcode has none; xattr name */
	const char *name2;  /* RENAME: new name, checked; SYMLINK: the target, 1..4095 bytes, unchecked */
	const void *data;   /* private copy: SETXATTR value; IOCTL input; BATCH_FORGET entries (struct fuse_forget_one) */
	uint32_t data_len;  /* bytes of data */
	uint32_t secctx_len;     /* bytes of secctx */
	const char *secctx_name; /* security context for a created object, or NULL */
	const void *secctx;
	const struct iovec *src; /* WRITE: file data, in guest memory, exactly in->size bytes in all; may change under you */
	const struct iovec *dst; /* where data of the reply goes, in guest memory; never read it back */
	uint32_t nsrc, ndst;     /* iovecs, at most 1024 */
	uint64_t src_len, dst_len; /* bytes; dst_len is at most what the request allows (READ: in->size) */
	const struct graft_session *session;
	void *state; /* what this instance's session_open stored */

	/* fuse_*_out, zeroed, of the opcode's reply size; node ids in it are the instance's own. FOPEN_NOFLUSH in it does not
	 * reach the client where a layer has FLUSH, but with GRAFT_OWN_NOFLUSH. */
	void *out;
	uint64_t done; /* bytes the operation put into dst; set before it returns 0 or completes with 0 */
};

/*
 * An operation: 0, -errno (1..4095), or GRAFT_ASYNC. Runs on a queue thread unless the plugin is serial: it must not
 * block there. graft_host.defer moves it to a worker.
 */
typedef int graft_op(struct graft_inst *inst, struct graft_req *req);
/* Way back of a layer: res is the result from below; the return value is this layer's, GRAFT_ASYNC included. */
typedef int graft_up(struct graft_inst *inst, struct graft_req *req, int res, void *cookie);

enum graft_io_kind {
	GRAFT_IO_READ = 1,
	GRAFT_IO_WRITE = 2,
	GRAFT_IO_FSYNC = 3,
	GRAFT_IO_FDATASYNC = 4,
	/* Or'ed to one of them: when the client wants the request ended, the transfer is asked to end, in place of what
	 * graft_host.cancel named; done gets -EINTR, or what was moved before. Not for regular files, as a rule: a
	 * program does not expect EINTR of those. */
	GRAFT_IO_CANCEL = 1 << 8
};

/* One transfer for graft_host.io. iov must stay until done is called (a part of req->dst, or graft_host.alloc). */
struct graft_io {
	uint32_t kind;  /* enum graft_io_kind; READ and WRITE go on until all is moved, the file ends, or an error */
	int32_t fd;     /* stays open until done is called */
	uint64_t off;   /* bytes */
	const struct iovec *iov;
	uint32_t niov;  /* at most 1024 */
	uint32_t flags; /* RWF_* for preadv2, pwritev2 */
};
/* Called on a thread of the server's with the bytes moved or -errno; its return value is the operation's (GRAFT_ASYNC:
 * still going). All transfers may share that thread: what blocks goes to defer. */
typedef int graft_io_done(struct graft_inst *inst, struct graft_req *req, int64_t res, void *cookie);

/*
 * Services. A table, so that a test can pass a fake. Callable from any thread unless said otherwise. Constant, and
 * valid for the life of the process.
 */
struct graft_host {
	uint32_t size;
	uint16_t abi_major, abi_minor;

	/* One line, no newline. Rate limited below INFO where the text can be provoked by a guest: warn and error. */
	void (*log)(struct graft_slot *, int level, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
	/* Sets err and returns -code (code > 0). The text says what was tried; the server puts the section before it. */
	int (*fail)(struct graft_error *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
	/* Zeroed memory, 16-byte aligned, freed with the request (a child's: with that); NULL when out of memory or above 1 MiB in all. */
	void *(*alloc)(struct graft_req *, size_t bytes);

	/* Layers: pass the request on. Returns what up returned, or GRAFT_ASYNC: then do not touch req any more. up may be
	 * NULL. */
	int (*next)(struct graft_req *, graft_up *up, void *cookie);
	/* A request of the plugin's own, filled in a zeroed graft_req from alloc (opcode, node, in, name, out ...; ids,
	 * groups and session are taken from the parent). to NULL: the members below the caller; otherwise that mount's
	 * whole stack. At most 4 deep (-ELOOP). up gets the PARENT and the child's result, or why there was no
	 * child; returns like next. child must be the start of what alloc returned. */
	int (*sub)(struct graft_req *parent, struct graft_req *child, struct graft_slot *to, graft_up *up, void *cookie);
	/* Ends a request that returned GRAFT_ASYNC; res is 0 or -errno. The request is gone afterwards. GRAFT_ASYNC is only
	 * right after cancel, defer or io was called in the operation: they make the request safe for other threads. */
	void (*complete)(struct graft_req *, int res);
	/* Before returning GRAFT_ASYNC: names a function to call, at most once and from any thread (a serial plugin's
	 * strand), when the client wants the request ended (INTERRUPT, reset); never before what named it has returned.
	 * req stays valid during that call even if it completes meanwhile; the plugin finds out under its own lock whether
	 * the work is still waiting, and if so completes it with -EINTR. */
	void (*cancel)(struct graft_req *, void (*fn)(struct graft_inst *, struct graft_req *));
	/* Runs fn on a worker, where it may block; fn returns like an operation. Returns GRAFT_ASYNC, or -EAGAIN when the
	 * workers' bounded queue is full. */
	int (*defer)(struct graft_req *, graft_op *fn);
	/* A transfer that may block, off the queue thread: by io_uring where the kernel has it, else by a worker. Any number
	 * of them are under way at the same time. Returns GRAFT_ASYNC or -EAGAIN. io is copied, what it points to is not. */
	int (*io)(struct graft_req *, const struct graft_io *io, graft_io_done *done, void *cookie);

	/* Opens a path of the host for an instance, from outside the sandbox; O_CLOEXEC is added. fd, or -errno with err.
	 * Only in create(). In a sandbox: regular files, block devices and directories; flags that make or cut files are -EINVAL;
	 * from a directory no path leads out, and devices in it cannot be opened. /proc/self is the server's own;
	 * its mountinfo then lists what is mounted in the directory opened last, from that directory on. */
	int (*open)(struct graft_slot *, const char *path, int flags, struct graft_error *err);
	/* Descriptors this instance may keep open now, of all the process may have. Changes as mounts come and go. */
	uint32_t (*fd_limit)(struct graft_slot *);

	/* READDIR, READDIRPLUS: adds an entry to dst. e->dirent needs ino, off, type and namelen; e->entry_out only for
	 * READDIRPLUS (nodeid 0: no look-up was counted). enum graft_dirent_result. */
	int (*dirent)(struct graft_req *, struct fuse_direntplus *e, const char *name);
	/* Copies bytes to dst behind req->done and moves that; -ERANGE when they do not fit. */
	int (*put)(struct graft_req *, const void *bytes, size_t len);

	/* Tells clients to forget what they cache of a node (name NULL) or of an entry of it. -ENOTSUP where no client can
	 * be told (virtio-fs): never rely on it. */
	int (*invalidate)(struct graft_slot *, uint64_t node, const char *name);
	/* Shows a counter of the plugin's own under the instance's name; read with relaxed atomic loads until destroy. */
	int (*metric)(struct graft_slot *, const char *name, const char *unit, const uint64_t *counter);

	/* State: tagged records of one instance, in the order they were put. get: 1 and a record, 0 at the end, -errno;
	 * *bytes points into the stream until the next get. */
	int (*state_put)(struct graft_stream *, uint32_t tag, const void *bytes, size_t len);
	int (*state_get)(struct graft_stream *, uint32_t *tag, const void **bytes, size_t *len);

	/* ABI 1.1 */

	/*
	 * FUSE passthrough: has the client's kernel read, write and map files without asking. Only where FUSE_PASSTHROUGH
	 * was negotiated, in an OPEN, CREATE or TMPFILE: id > 0 for the file behind fd, a regular one, to be answered with
	 * FOPEN_PASSTHROUGH in all opens of its node while one is open; data then move with the server's identity but without
	 * CAP_FSETID, so that a write clears set-user-id. -EOPNOTSUPP where a member above needs to see READ or WRITE, or
	 * what the kernel says. Quick; allocates in the kernel, which also holds the file open.
	 */
	int (*backing_open)(struct graft_req *, int fd);
	/* The id's end, after the last RELEASE or in session_close. What is still open with it goes on. */
	void (*backing_close)(const struct graft_session *, int id);

	/* Puts data of a regular file, from off on, into the cache of the session's client, for the instance that serves the mount's
	 * READ first. At most 16 iovecs, 1 GiB. Waits while the client reads there: only on a thread of the plugin's own, which
	 * session_close may wait for. 0; -ENOENT: the client knows no such node; -ENOTSUP: it cannot be told, or a layer serves READ;
	 * -EINVAL: the root, or a length that cannot be; -ENOTCONN: the session ends; or what the client says. */
	int (*store)(struct graft_slot *, const struct graft_session *, uint64_t node, uint64_t off, const struct iovec *iov,
		     uint32_t niov);

	/*
	 * Bounds of what one client holds (max-nodes and max-open of its transport). claim, before the plugin keeps one more thing for the
	 * session (enum graft_claim): 0, or -ENFILE, which ends the request. What is gone is given back by unclaim, everything
	 * before session_close returns. Handles of OPEN, OPENDIR, CREATE and TMPFILE are counted by the server. Quick.
	 */
	int (*claim)(const struct graft_session *, uint32_t what);
	void (*unclaim)(const struct graft_session *, uint32_t what, uint64_t n);
	/* 1: the kernel lets the server open nothing but what graft_plugin.reach told, and by name only: no file handles. */
	int (*confined)(struct graft_slot *);
};

enum graft_claim {
	GRAFT_CLAIM_NODE = 1, /* a node that takes memory while the client knows it */
	GRAFT_CLAIM_OPEN = 2  /* what lasts as an open file does, but is none: the owner of a lock */
};

enum graft_reach {
	GRAFT_REACH_READ = 1,
	GRAFT_REACH_WRITE = 2 /* changes, makes, renames and removes as well; beside READ */
};

typedef void graft_reach_add(void *arg, const char *path, uint32_t access);
/* Takes a piece of an answer of graft_plugin.ask; bytes are copied. */
typedef void graft_ask_put(void *arg, const char *bytes, size_t len);

/*
 * The one exported object. Life cycle of an instance, each step on a thread of the server that may block:
 *
 *   create -> [load] -> start -> session_open, operations ..., session_close -> quiesce -> [save] -> destroy
 *
 * create opens things (only through host->open) and may fail with err; start may make threads; after quiesce returned,
 * no request is inside and none comes. A failed create leaves nothing; destroy follows every create that succeeded.
 */
struct graft_plugin {
	uint32_t size; /* sizeof(struct graft_plugin) of the plugin's compiler run */
	uint16_t abi_major, abi_minor;
	const char *name, *version, *summary; /* name: [a-z0-9-]+, the `type` or layer name in the INI file */
	uint32_t kind;                        /* enum graft_kind */
	uint32_t threads;                     /* enum graft_threads */
	uint32_t flags;                       /* enum graft_plugin_flags */
	uint32_t state_version;               /* of what save writes; 0: no state */
	const struct graft_opt *opts;         /* may be NULL */
	uint64_t settings_size;               /* bytes of the struct the offsets point into */
	const char *const *syscalls;          /* beyond the server's own list (writing-a-plugin), NULL-terminated; may be NULL */
	uint32_t nops;                        /* entries of ops */
	uint32_t unused;
	graft_op *const *ops;                 /* by opcode; a NULL is an absent operation, never ENOSYS */
	int (*dirent)(struct graft_inst *, struct graft_req *, struct fuse_direntplus *, const char *name);

	/* settings stay valid until destroy returns. */
	int (*create)(const struct graft_host *, struct graft_slot *, const void *settings, struct graft_inst **,
		      struct graft_error *);
	int (*start)(struct graft_inst *, struct graft_error *);
	void (*features)(struct graft_inst *, struct graft_features *); /* NULL: can everything, wants and needs nothing */
	int (*session_open)(struct graft_inst *, const struct graft_session *, void **state); /* 0 or -errno */
	void (*session_close)(struct graft_inst *, void *state);
	void (*quiesce)(struct graft_inst *);
	int (*save)(struct graft_inst *, struct graft_stream *, struct graft_error *);
	int (*load)(struct graft_inst *, uint32_t version, struct graft_stream *, struct graft_error *);
	void (*destroy)(struct graft_inst *);

	/* since 1.1 */
	/*
	 * Names of those capabilities(7) that instances need, without CAP_, NULL-terminated, of: chown, dac_override, dac_read_search,
	 * fowner, fsetid, setgid, setuid, mknod, setfcap; others only an administrator gives (modcaps). dac_read_search is taken
	 * away where no mount's option inode-file-handles says other than never. NULL: all of these.
	 */
	const char *const *capabilities;
	/*
	 * Called once for each library before the server confines itself: afterwards there are no files of the host, and no page may
	 * become executable. Loads what would be loaded later (dlopen). Not called where the server is not confined. May be NULL.
	 */
	void (*before_sandbox)(void);

	/*
	 * Before create: tells by add each path of the host that an instance of these settings opens, or below which it opens something, in
	 * create or later, with enum graft_reach; a layer that opens nothing tells none. 0: that is all, so the server may have the kernel
	 * refuse it everything else, TCP included. -errno: it cannot be told, or needs file handles. NULL as well.
	 */
	int (*reach)(const void *settings, graft_reach_add *add, void *arg);

	/*
	 * Asks or tells an instance what only its kind of file system knows, for the control API. what: one word; in:
	 * what belongs to it, or NULL. The answer is put, piece by piece. 0; -EOPNOTSUPP: nothing of that name, then
	 * the member below is asked; -errno: what was put is dropped. Between start and quiesce, beside requests and
	 * other calls of it, whatever `threads` says; on a thread that may block.
	 */
	int (*ask)(struct graft_inst *, const char *what, const char *in, graft_ask_put *put, void *arg);
};

/* Bytes a directory entry takes in dst: lets a backend test the room before it looks the name up. */
static inline uint64_t graft_dirent_size(uint32_t opcode, uint32_t namelen)
{
	uint64_t fixed = opcode == FUSE_READDIRPLUS ? FUSE_NAME_OFFSET_DIRENTPLUS : FUSE_NAME_OFFSET;
	return (fixed + namelen + 7) & ~(uint64_t)7;
}

#ifdef __cplusplus
}
#endif

#endif
