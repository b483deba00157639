/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the passthrough plugin share: settings, instance, session, and the node interface between them. */
#ifndef GRAFT_PASSTHROUGH_PASSTHROUGH_H
#define GRAFT_PASSTHROUGH_PASSTHROUGH_H

#include "lib/creds.h"

#include <graftfs/plugin.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

enum pt_killpriv { PT_KILLPRIV_FALSE, PT_KILLPRIV_TRUE, PT_KILLPRIV_AUTO };
enum pt_cache { PT_CACHE_AUTO, PT_CACHE_ALWAYS, PT_CACHE_METADATA, PT_CACHE_NEVER };
enum pt_handles { PT_HANDLES_NEVER, PT_HANDLES_PREFER, PT_HANDLES_MANDATORY };
enum pt_mode { PT_NEVER, PT_AUTO, PT_ALWAYS }; /* posix-acl, security-label */

/* Filled by the server from pt_options (options.c). Constant. */
struct pt_settings {
	const char *source;         /* directory of the host; a symlink is resolved */
	uint32_t cache;             /* enum pt_cache */
	uint32_t file_handles;      /* enum pt_handles */
	uint32_t posix_acl;         /* enum pt_mode */
	uint32_t security_label;    /* enum pt_mode */
	uint64_t entry_timeout;     /* ns; UINT64_MAX: by cache mode */
	uint64_t attr_timeout;      /* ns; UINT64_MAX: by cache mode */
	uint64_t negative_timeout;  /* ns; 0: failed look-ups are not cached */
	uint64_t max_nodes;         /* bound of the node table of each session */
	uint32_t killpriv_v2; /* enum pt_killpriv */
	bool readonly, xattr, writeback, direct_io, allow_mmap, readdirplus, submounts, locks;
	bool preserve_noatime;
};

struct mount_fds;  /* mount_fds.h: an O_RDONLY fd for each mount, for open_by_handle_at */
struct fd_budget;  /* fd_budget.h: which node holds which descriptor */
struct node_table; /* node_table.h */
struct handle_table; /* handle.h: open files and directories */
struct backing_table; /* backing.h: nodes whose data the client's kernel moves by itself */
struct lock_table; /* locks.h: POSIX lock owners and waiting requests */

/* Counters shown by host->metric; relaxed. */
struct pt_counters {
	_Atomic uint64_t nodes;       /* nodes in all sessions' tables */
	_Atomic uint64_t node_fds;    /* O_PATH descriptors held by nodes */
	_Atomic uint64_t handles;     /* open files and directories */
	_Atomic uint64_t evicted_fds; /* node descriptors given back for want of room */
};

/* One mount. Constant after create, but the counters and what says otherwise. */
struct graft_inst {
	const struct graft_host *host;
	struct graft_slot *slot;
	const struct pt_settings *set;
	int root_fd;  /* O_PATH of the source */
	int proc_fd;  /* O_PATH of /proc/self/fd: reopening an O_PATH fd "N" below it */
	bool handles; /* file handles work here */
	bool no_openat2; /* an old kernel, a container's filter or valgrind: names are opened with openat */
	bool foreign; /* the source's mount is of another mount namespace than this process is in */
	bool blocking; /* nfs, cifs, ceph, fuse: the server runs everything on workers */
	uint64_t entry_timeout, attr_timeout; /* ns, effective */
	struct mount_fds *mounts;
	struct fd_budget *budget;
	struct pt_counters count;
};

/* One session on one mount (graft_req.state). */
struct pt_session {
	struct graft_inst *inst;
	const struct graft_session *session;
	struct node_table *nodes;
	struct handle_table *handles;
	struct backing_table *backings; /* NULL unless FUSE_PASSTHROUGH was negotiated */
	struct lock_table *locks; /* NULL unless locks are on */
};

static inline struct pt_session *pt_session(const struct graft_req *req)
{
	return (struct pt_session *)req->state;
}

/* A negotiated INIT flag. */
static inline bool pt_flag(const struct graft_req *req, uint64_t flag)
{
	return (req->session->flags & flag) != 0;
}

/* Descriptor budget (fd_budget.c), shared by nodes and handles of one instance; against host->fd_limit. */

enum pt_fd_use { PT_FD_FILE, PT_FD_DIR };

/* Room for an open file or directory: evicts node descriptors if need be. The last few are for directories only. 0 or
 * -ENFILE. */
int pt_handle_fd_take(struct pt_session *s, enum pt_fd_use use);
void pt_handle_fd_give(struct pt_session *s);
/* After EMFILE or ENFILE from the system: closes some descriptors of nodes. True if trying once more makes sense.
 * node_open, node_get and pt_lookup do so themselves. Keeps errno. */
bool pt_fd_relieve(struct graft_inst *inst);

/* Nodes (node.c). A reference pins the node and gives a descriptor for *at() calls with AT_EMPTY_PATH. */
struct node;
struct node_ref {
	struct node *node;
	int fd;    /* O_PATH, or a temporary O_PATH fd opened from the file handle */
	bool temp; /* fd is closed by node_put */
};

/* -EBADF for an id this session does not hold, -ESTALE when the handle no longer opens, -EMFILE ... Never locks across a
 * system call. May be called on any thread. */
int node_get(struct pt_session *s, uint64_t id, struct node_ref *ref);
void node_put(struct pt_session *s, struct node_ref *ref);
/* S_IFMT bits seen at look-up. */
mode_t node_type(const struct node_ref *ref);
/* What it stands for lies on the source's own file system, not on one mounted inside. */
bool node_at_home(const struct pt_session *s, const struct node_ref *ref);
/* A real open of a regular file or directory (any other type: -EBADF, reference 4.5), flags as for open(2) less O_CREAT, O_EXCL
 * and O_NOFOLLOW; O_CLOEXEC is added. fd or -errno. Does not touch the budget. */
int node_open(struct pt_session *s, const struct node_ref *ref, int flags);

/* Look-up (lookup.c). Finds or makes the node of parent/name and adds one to its lookup count; fills *out with node id,
 * generation, attributes and timeouts. name is checked already; used by LOOKUP, READDIRPLUS and all that creates. 0 or -errno. */
int pt_lookup(struct pt_session *s, const struct node_ref *parent, const char *name, struct fuse_entry_out *out);
/* The same for an open descriptor (O_PATH or real): nobody can slip another file in between. fd stays the caller's. */
int pt_lookup_fd(struct pt_session *s, const struct node_ref *parent, int fd, struct fuse_entry_out *out);
/* Takes n look-ups back. */
void pt_forget(struct pt_session *s, uint64_t id, uint64_t n);

/* Options of the INI section (options.c). */
extern const struct graft_opt pt_options[];

/* Operations, by file. Results: 0, -errno or GRAFT_ASYNC. */
/* lookup.c */
graft_op pt_op_lookup, pt_op_forget, pt_op_batch_forget;
/* attr.c */
graft_op pt_op_getattr, pt_op_setattr, pt_op_statx, pt_op_access;
/* namespace.c */
graft_op pt_op_mkdir, pt_op_mknod, pt_op_symlink, pt_op_link, pt_op_unlink, pt_op_rmdir, pt_op_rename, pt_op_readlink;
/* file.c */
graft_op pt_op_open, pt_op_create, pt_op_tmpfile, pt_op_release, pt_op_flush, pt_op_fsync;
/* data.c */
graft_op pt_op_read, pt_op_write, pt_op_fallocate, pt_op_lseek, pt_op_copy_file_range;
/* dir.c */
graft_op pt_op_opendir, pt_op_readdir, pt_op_releasedir, pt_op_fsyncdir;
/* xattr.c */
graft_op pt_op_setxattr, pt_op_getxattr, pt_op_listxattr, pt_op_removexattr;
/* locks.c */
graft_op pt_op_getlk, pt_op_setlk, pt_op_setlkw;
/* ioctl.c */
graft_op pt_op_ioctl;
/* statfs.c */
graft_op pt_op_statfs, pt_op_syncfs;

/* Security context of a created object (xattr.c): sets req->secctx on it; 0 or -errno. fd: O_PATH or real. */
int pt_set_secctx(struct pt_session *s, const struct graft_req *req, int fd);

/* Handles (handle.c) for other files of the plugin. */
/* Duplicates nothing: the fd of an open handle of this session that belongs to node, pinned; -EBADF otherwise. */
struct handle;
int handle_get(struct pt_session *s, uint64_t fh, uint64_t node, struct handle **h);
void handle_put(struct pt_session *s, struct handle *h);
int handle_fd(const struct handle *h);

/* Tables' life, for session_open and session_close. */
int node_table_new(struct pt_session *s);
void node_table_free(struct pt_session *s);
int handle_table_new(struct pt_session *s);
void handle_table_free(struct pt_session *s);
int backing_table_new(struct pt_session *s);
void backing_table_free(struct pt_session *s);
int lock_table_new(struct pt_session *s);
void lock_table_free(struct pt_session *s);

#endif
