/* SPDX-License-Identifier: Apache-2.0 */
/* STATFS and SYNCFS: the host's file system as a whole. */
#include "handle.h"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

int pt_op_statfs(struct graft_inst *inst, struct graft_req *req)
{
	struct fuse_kstatfs *out = &((struct fuse_statfs_out *)req->out)->st;
	struct pt_session *s = pt_session(req);
	struct node_ref ref;
	struct statvfs st;
	(void)inst;

	int res = node_get(s, req->node, &ref);
	if (res < 0)
		return res;
	if (fstatvfs(ref.fd, &st) < 0)
		res = -errno;
	node_put(s, &ref);
	if (res < 0)
		return res;
	out->blocks = st.f_blocks;
	out->bfree = st.f_bfree;
	out->bavail = st.f_bavail;
	out->files = st.f_files;
	out->ffree = st.f_ffree;
	out->bsize = (uint32_t)st.f_bsize;
	out->namelen = (uint32_t)st.f_namemax;
	out->frsize = (uint32_t)st.f_frsize;
	return 0;
}

static int syncfs_now(struct graft_inst *inst, struct graft_req *req)
{
	struct pt_session *s = pt_session(req);
	struct node_ref ref;
	(void)inst;

	int res = node_get(s, req->node, &ref);
	if (res < 0)
		return res;
	int fd = node_open(s, &ref, O_RDONLY | O_NONBLOCK);
	if (fd < 0)
		res = fd;
	else if (syncfs(fd) < 0)
		res = -errno;
	if (fd >= 0)
		close(fd);
	node_put(s, &ref);
	return res;
}

int pt_op_syncfs(struct graft_inst *inst, struct graft_req *req)
{
	return pt_defer(inst, req, syncfs_now);
}
