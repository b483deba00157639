/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the overlay layer share: settings, instance, session, operations. */
#ifndef GRAFT_OVERLAY_OVERLAY_H
#define GRAFT_OVERLAY_OVERLAY_H

#include <graftfs/plugin.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/stat.h>

#define OV_SECOND UINT64_C(1000000000) /* ns */
#define OV_VALID                                                                                                       \
	5 /* seconds a client may keep names and attributes: nobody else changes them but other clients of this mount  \
	   */

/* Filled by the server from the section's keys. Constant. */
struct ov_settings {
	const char *upper_dir, *work_dir; /* absolute paths */
};

struct ov_crew;    /* crew.h */
struct ov_nodes;   /* node.h */
struct ov_handles; /* handle.h */

/* One mount. Constant after create, but for what is atomic. */
struct graft_inst {
	const struct graft_host *host;
	struct graft_slot *slot;
	int upper_fd; /* O_PATH of upper-dir */
	int temp_fd;  /* a folder of this instance's own below work-dir for what is not finished; locked, so that nobody
			 sweeps it away */
	int pen_fd;   /* the folder that temp_fd is in */
	int proc_fd;  /* O_PATH of /proc/self/fd */
	char temp_name[32];
	bool trusted; /* marks are trusted.overlay.*, else user.overlay.* */
	bool no_openat2;
	bool memory; /* a file system that is nothing but memory, and knows no RWF_NOWAIT: reads never wait */
	struct ov_crew *changers;    /* one thread: whatever changes names, in order */
	struct ov_crew *helpers;     /* listings and the data of copies */
	_Atomic uint64_t temp_count; /* names given in temp_fd */
	_Atomic uint64_t list_bytes; /* of merged listings that are open */
	_Atomic uint32_t fds;        /* descriptors held by nodes and handles */
	/* Shown by host->metric. */
	_Atomic uint64_t nodes, copies, copied_bytes;
};

/* One session on one mount (graft_req.state). */
struct ov_session {
	struct graft_inst *inst;
	const struct graft_session *session;
	struct ov_nodes *nodes;
	struct ov_handles *handles;
};

static inline struct ov_session *ov_session(const struct graft_req *req)
{
	return (struct ov_session *)req->state;
}

/* A negotiated INIT flag. */
static inline bool ov_flag(const struct graft_req *req, uint64_t flag)
{
	return (req->session->flags & flag) != 0;
}

/* Operations, by file. Results: 0, -errno or GRAFT_ASYNC. */
/* lookup.c */
graft_op ov_op_lookup, ov_op_forget, ov_op_batch_forget;
/* attr.c */
graft_op ov_op_getattr, ov_op_statx, ov_op_access, ov_op_readlink, ov_op_statfs, ov_op_syncfs;
/* setattr.c */
graft_op ov_op_setattr;
/* file.c */
graft_op ov_op_open, ov_op_release, ov_op_fsync, ov_op_create, ov_op_tmpfile;
/* data.c */
graft_op ov_op_read, ov_op_write, ov_op_fallocate, ov_op_lseek, ov_op_copy_file_range;
/* dir.c */
graft_op ov_op_opendir, ov_op_readdir, ov_op_releasedir, ov_op_fsyncdir;
int ov_dirent(struct graft_inst *inst, struct graft_req *req, struct fuse_direntplus *e, const char *name);
/* make.c */
graft_op ov_op_mkdir, ov_op_mknod, ov_op_symlink, ov_op_link;
/* remove.c */
graft_op ov_op_unlink, ov_op_rmdir;
/* rename.c */
graft_op ov_op_rename;
/* xattr.c */
graft_op ov_op_getxattr, ov_op_listxattr, ov_op_setxattr, ov_op_removexattr;

#endif
