/* SPDX-License-Identifier: Apache-2.0 */
/* IOCTL: the file attributes of lsattr, chattr and project quotas, and nothing else. */
#include "handle.h"

#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>

/* What a command is served by; each request carries its data in one piece, as for a driver's restricted ioctls. */
struct ioctl_row {
	uint32_t cmd;  /* as the guest names it */
	uint32_t host; /* of the two forms of the flags commands the kernel gives and takes an int */
	uint32_t size; /* bytes that the host moves */
	bool sets;
};

static const struct ioctl_row rows[] = {
	{FS_IOC_GETFLAGS, FS_IOC_GETFLAGS, sizeof(int), false},
	{FS_IOC32_GETFLAGS, FS_IOC_GETFLAGS, sizeof(int), false},
	{FS_IOC_SETFLAGS, FS_IOC_SETFLAGS, sizeof(int), true},
	{FS_IOC32_SETFLAGS, FS_IOC_SETFLAGS, sizeof(int), true},
	{FS_IOC_FSGETXATTR, FS_IOC_FSGETXATTR, sizeof(struct fsxattr), false},
	{FS_IOC_FSSETXATTR, FS_IOC_FSSETXATTR, sizeof(struct fsxattr), true},
};

static const struct ioctl_row *find_row(uint32_t cmd)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].cmd == cmd)
			return &rows[i];
	return NULL;
}

static int call(const struct graft_inst *inst, struct graft_req *req, const struct ioctl_row *row, int fd)
{
	union {
		int flags;
		struct fsxattr fsx;
	} arg;

	memset(&arg, 0, sizeof(arg));
	if (row->sets)
		memcpy(&arg, req->data, row->size);
	int res = ioctl(fd, row->host, &arg);
	if (res < 0)
		return -errno;
	((struct fuse_ioctl_out *)req->out)->result = res;
	return row->sets ? 0 : inst->host->put(req, &arg, row->size);
}

static int ioctl_now(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_ioctl_in *in = req->in;
	const struct ioctl_row *row = find_row(in->cmd);
	struct pt_session *s = pt_session(req);
	struct handle *h;

	int res = handle_get(s, in->fh, req->node, &h);
	if (res < 0)
		return res;
	res = call(inst, req, row, h->fd);
	handle_put(s, h);
	return res;
}

int pt_op_ioctl(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_ioctl_in *in = req->in;
	const struct ioctl_row *row = find_row(in->cmd);

	if (!row || (in->flags & FUSE_IOCTL_UNRESTRICTED))
		return -ENOTTY;
	if (row->sets && inst->set->readonly)
		return -EROFS;
	if (row->sets ? !req->data || req->data_len < row->size : in->out_size < row->size || req->dst_len < row->size)
		return -EINVAL;
	/* A change of attributes is a transaction of the file system's journal. */
	return row->sets ? pt_defer(inst, req, ioctl_now) : ioctl_now(inst, req);
}
