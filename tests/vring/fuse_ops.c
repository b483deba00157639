/* SPDX-License-Identifier: Apache-2.0 */
/* A FUSE client on one ring: one function for each operation of the protocol. */
#include "tests/vring/fuse_client.h"

#include <errno.h>
#include <string.h>

#define ARG(x) ((struct fuse_arg){.bytes = &(x), .len = sizeof(x)})

static struct fuse_arg string(const char *s)
{
	return (struct fuse_arg){.bytes = s, .len = (uint32_t)strlen(s) + 1};
}

/* A call whose reply is exactly len bytes, copied to out (which may be NULL). */
static int call_fixed(struct fuse_client *c, struct fuse_op *op, void *out, uint32_t len)
{
	op->reply_len = len;
	int res = fuse_call(c, op);
	if (res < 0)
		return res;
	if (c->slot->len != len)
		return -EBADMSG;
	if (out && len)
		memcpy(out, fuse_reply(c, c->slot), len);
	return 0;
}

/* A call whose reply is up to size bytes of data, copied to `to` (which may be NULL). Bytes or -errno. */
static ssize_t call_data(struct fuse_client *c, struct fuse_op *op, void *to, uint32_t size)
{
	if (size > c->slot->data_size)
		return -E2BIG;
	op->data_out = size;
	int res = fuse_call(c, op);
	if (res < 0)
		return res;
	if (c->slot->len > size)
		return -EBADMSG;
	if (to)
		memcpy(to, fuse_data(c, c->slot), c->slot->len);
	return c->slot->len;
}

int fuse_init_version(struct fuse_client *c, uint32_t major, uint32_t minor, uint64_t flags,
		      struct fuse_init_out *out)
{
	struct fuse_init_in in = {.major = major,
				  .minor = minor,
				  .max_readahead = 1 << 17,
				  .flags = (uint32_t)flags,
				  .flags2 = (uint32_t)(flags >> 32)};
	struct fuse_op op = {.opcode = FUSE_INIT, .arg = {ARG(in)}, .nargs = 1};

	if (minor < 36)
		op.arg[0].len = 16; /* the structure before INIT_EXT */
	int res = call_fixed(c, &op, out, sizeof(*out));
	if (res < 0)
		return res;
	c->minor = out->minor < minor ? out->minor : minor;
	c->flags = out->flags | (uint64_t)out->flags2 << 32;
	c->max_write = out->max_write;
	return 0;
}

int fuse_init(struct fuse_client *c, uint64_t flags)
{
	struct fuse_init_out out;

	return fuse_init_version(c, FUSE_KERNEL_VERSION, FUSE_KERNEL_MINOR_VERSION, flags | FUSE_INIT_EXT, &out);
}

int fuse_destroy(struct fuse_client *c)
{
	struct fuse_op op = {.opcode = FUSE_DESTROY};
	int res = fuse_call(c, &op);

	/* The kernel gives DESTROY room for a header but expects nothing: a device may leave it empty. */
	return res == -EBADMSG && c->slot->used == 0 ? 0 : res;
}

int fuse_lookup(struct fuse_client *c, uint64_t parent, const char *name, struct fuse_entry_out *out)
{
	struct fuse_op op = {.opcode = FUSE_LOOKUP, .node = parent, .arg = {string(name)}, .nargs = 1};

	return call_fixed(c, &op, out, sizeof(*out));
}

int fuse_forget(struct fuse_client *c, uint64_t node, uint64_t count)
{
	struct fuse_forget_in in = {.nlookup = count};
	struct fuse_op op = {.opcode = FUSE_FORGET, .node = node, .arg = {ARG(in)}, .nargs = 1, .no_reply = true};

	return fuse_call(c, &op);
}

int fuse_batch_forget(struct fuse_client *c, const struct fuse_forget_one *one, uint32_t n)
{
	struct fuse_batch_forget_in in = {.count = n};
	struct fuse_op op = {.opcode = FUSE_BATCH_FORGET,
			     .arg = {ARG(in), {.bytes = one, .len = n * (uint32_t)sizeof(*one)}},
			     .nargs = 2,
			     .no_reply = true};

	return fuse_call(c, &op);
}

int fuse_getattr(struct fuse_client *c, uint64_t node, struct fuse_attr_out *out)
{
	struct fuse_getattr_in in = {.getattr_flags = 0};
	struct fuse_op op = {.opcode = FUSE_GETATTR, .node = node, .arg = {ARG(in)}, .nargs = 1};

	return call_fixed(c, &op, out, sizeof(*out));
}

int fuse_setattr(struct fuse_client *c, uint64_t node, const struct fuse_setattr_in *in, struct fuse_attr_out *out)
{
	struct fuse_op op = {.opcode = FUSE_SETATTR, .node = node, .arg = {ARG(*in)}, .nargs = 1};

	return call_fixed(c, &op, out, sizeof(*out));
}

int fuse_truncate(struct fuse_client *c, uint64_t node, uint64_t size)
{
	struct fuse_setattr_in in = {.valid = FATTR_SIZE, .size = size};
	struct fuse_attr_out out;
	int res = fuse_setattr(c, node, &in, &out);

	if (res < 0)
		return res;
	return out.attr.size == size ? 0 : -EBADMSG;
}

int fuse_statx(struct fuse_client *c, uint64_t node, uint32_t mask, struct fuse_statx_out *out)
{
	struct fuse_statx_in in = {.sx_mask = mask};
	struct fuse_op op = {.opcode = GRAFT_OP_STATX, .node = node, .arg = {ARG(in)}, .nargs = 1};

	return call_fixed(c, &op, out, sizeof(*out));
}

int fuse_readlink(struct fuse_client *c, uint64_t node, char *to, uint32_t size)
{
	struct fuse_op op = {.opcode = FUSE_READLINK, .node = node};
	ssize_t n = call_data(c, &op, to, size - 1);

	if (n < 0)
		return (int)n;
	to[n] = 0;
	return 0;
}

int fuse_symlink(struct fuse_client *c, uint64_t parent, const char *name, const char *target,
		 struct fuse_entry_out *out)
{
	struct fuse_op op = {
		.opcode = FUSE_SYMLINK, .node = parent, .arg = {string(name), string(target)}, .nargs = 2};

	return call_fixed(c, &op, out, sizeof(*out));
}

int fuse_mknod(struct fuse_client *c, uint64_t parent, const char *name, uint32_t mode, uint32_t rdev,
	       struct fuse_entry_out *out)
{
	struct fuse_mknod_in in = {.mode = mode, .rdev = rdev};
	struct fuse_op op = {.opcode = FUSE_MKNOD, .node = parent, .arg = {ARG(in), string(name)}, .nargs = 2};

	return call_fixed(c, &op, out, sizeof(*out));
}

int fuse_mkdir(struct fuse_client *c, uint64_t parent, const char *name, uint32_t mode, struct fuse_entry_out *out)
{
	struct fuse_mkdir_in in = {.mode = mode};
	struct fuse_op op = {.opcode = FUSE_MKDIR, .node = parent, .arg = {ARG(in), string(name)}, .nargs = 2};

	return call_fixed(c, &op, out, sizeof(*out));
}

static int call_name(struct fuse_client *c, uint32_t opcode, uint64_t node, const char *name)
{
	struct fuse_op op = {.opcode = opcode, .node = node, .arg = {string(name)}, .nargs = 1};

	return call_fixed(c, &op, NULL, 0);
}

int fuse_unlink(struct fuse_client *c, uint64_t parent, const char *name)
{
	return call_name(c, FUSE_UNLINK, parent, name);
}

int fuse_rmdir(struct fuse_client *c, uint64_t parent, const char *name)
{
	return call_name(c, FUSE_RMDIR, parent, name);
}

int fuse_rename(struct fuse_client *c, uint64_t parent, const char *name, uint64_t newparent, const char *newname)
{
	struct fuse_rename_in in = {.newdir = newparent};
	struct fuse_op op = {.opcode = FUSE_RENAME,
			     .node = parent,
			     .arg = {ARG(in), string(name), string(newname)},
			     .nargs = 3};

	return call_fixed(c, &op, NULL, 0);
}

int fuse_rename2(struct fuse_client *c, uint64_t parent, const char *name, uint64_t newparent, const char *newname,
		 uint32_t flags)
{
	struct fuse_rename2_in in = {.newdir = newparent, .flags = flags};
	struct fuse_op op = {.opcode = FUSE_RENAME2,
			     .node = parent,
			     .arg = {ARG(in), string(name), string(newname)},
			     .nargs = 3};

	return call_fixed(c, &op, NULL, 0);
}

int fuse_link(struct fuse_client *c, uint64_t node, uint64_t newparent, const char *name, struct fuse_entry_out *out)
{
	struct fuse_link_in in = {.oldnodeid = node};
	struct fuse_op op = {.opcode = FUSE_LINK, .node = newparent, .arg = {ARG(in), string(name)}, .nargs = 2};

	return call_fixed(c, &op, out, sizeof(*out));
}

static int call_open(struct fuse_client *c, uint32_t opcode, uint64_t node, uint32_t flags, uint64_t *fh)
{
	struct fuse_open_in in = {.flags = flags};
	struct fuse_op op = {.opcode = opcode, .node = node, .arg = {ARG(in)}, .nargs = 1};
	struct fuse_open_out out;
	int res = call_fixed(c, &op, &out, sizeof(out));

	if (res == 0)
		*fh = out.fh;
	return res;
}

int fuse_open(struct fuse_client *c, uint64_t node, uint32_t flags, uint64_t *fh)
{
	return call_open(c, FUSE_OPEN, node, flags, fh);
}

int fuse_opendir(struct fuse_client *c, uint64_t node, uint64_t *fh)
{
	return call_open(c, FUSE_OPENDIR, node, 0, fh);
}

static int call_create(struct fuse_client *c, struct fuse_op *op, struct fuse_entry_out *entry, uint64_t *fh)
{
	struct {
		struct fuse_entry_out entry;
		struct fuse_open_out open;
	} out;
	int res = call_fixed(c, op, &out, sizeof(out));

	if (res == 0) {
		*entry = out.entry;
		*fh = out.open.fh;
	}
	return res;
}

int fuse_create(struct fuse_client *c, uint64_t parent, const char *name, uint32_t flags, uint32_t mode,
		struct fuse_entry_out *entry, uint64_t *fh)
{
	struct fuse_create_in in = {.flags = flags, .mode = mode};
	struct fuse_op op = {.opcode = FUSE_CREATE, .node = parent, .arg = {ARG(in), string(name)}, .nargs = 2};

	return call_create(c, &op, entry, fh);
}

int fuse_tmpfile(struct fuse_client *c, uint64_t parent, uint32_t flags, uint32_t mode, struct fuse_entry_out *entry,
		 uint64_t *fh)
{
	struct fuse_create_in in = {.flags = flags, .mode = mode};
	struct fuse_op op = {.opcode = FUSE_TMPFILE, .node = parent, .arg = {ARG(in), string("/")}, .nargs = 2};

	return call_create(c, &op, entry, fh);
}

static int call_release(struct fuse_client *c, uint32_t opcode, uint64_t node, uint64_t fh)
{
	struct fuse_release_in in = {.fh = fh};
	struct fuse_op op = {.opcode = opcode, .node = node, .arg = {ARG(in)}, .nargs = 1};

	return call_fixed(c, &op, NULL, 0);
}

int fuse_release(struct fuse_client *c, uint64_t node, uint64_t fh)
{
	return call_release(c, FUSE_RELEASE, node, fh);
}

int fuse_releasedir(struct fuse_client *c, uint64_t node, uint64_t fh)
{
	return call_release(c, FUSE_RELEASEDIR, node, fh);
}

static ssize_t call_read(struct fuse_client *c, uint32_t opcode, uint64_t node, const struct fuse_read_in *in, void *to)
{
	struct fuse_op op = {.opcode = opcode, .node = node, .arg = {ARG(*in)}, .nargs = 1};

	return call_data(c, &op, to, in->size);
}

ssize_t fuse_read(struct fuse_client *c, uint64_t node, uint64_t fh, void *to, uint32_t size, uint64_t off)
{
	struct fuse_read_in in = {.fh = fh, .offset = off, .size = size};

	return call_read(c, FUSE_READ, node, &in, to);
}

ssize_t fuse_readdir(struct fuse_client *c, uint64_t node, uint64_t fh, uint64_t off, uint32_t size)
{
	struct fuse_read_in in = {.fh = fh, .offset = off, .size = size};

	return call_read(c, FUSE_READDIR, node, &in, NULL);
}

ssize_t fuse_readdirplus(struct fuse_client *c, uint64_t node, uint64_t fh, uint64_t off, uint32_t size)
{
	struct fuse_read_in in = {.fh = fh, .offset = off, .size = size};

	return call_read(c, FUSE_READDIRPLUS, node, &in, NULL);
}

ssize_t fuse_write(struct fuse_client *c, uint64_t node, uint64_t fh, const void *from, uint32_t size, uint64_t off)
{
	struct fuse_write_in in = {.fh = fh, .offset = off, .size = size};
	struct fuse_op op = {.opcode = FUSE_WRITE, .node = node, .arg = {ARG(in)}, .nargs = 1, .data_in = size};
	struct fuse_write_out out;

	if (size > c->slot->data_size)
		return -E2BIG;
	memcpy(fuse_data(c, c->slot), from, size);
	int res = call_fixed(c, &op, &out, sizeof(out));
	if (res < 0)
		return res;
	return out.size <= size ? (ssize_t)out.size : -EBADMSG;
}

int fuse_flush(struct fuse_client *c, uint64_t node, uint64_t fh)
{
	struct fuse_flush_in in = {.fh = fh};
	struct fuse_op op = {.opcode = FUSE_FLUSH, .node = node, .arg = {ARG(in)}, .nargs = 1};

	return call_fixed(c, &op, NULL, 0);
}

static int call_fsync(struct fuse_client *c, uint32_t opcode, uint64_t node, uint64_t fh, uint32_t flags)
{
	struct fuse_fsync_in in = {.fh = fh, .fsync_flags = flags};
	struct fuse_op op = {.opcode = opcode, .node = node, .arg = {ARG(in)}, .nargs = 1};

	return call_fixed(c, &op, NULL, 0);
}

int fuse_fsync(struct fuse_client *c, uint64_t node, uint64_t fh, bool data_only)
{
	return call_fsync(c, FUSE_FSYNC, node, fh, data_only ? FUSE_FSYNC_FDATASYNC : 0);
}

int fuse_fsyncdir(struct fuse_client *c, uint64_t node, uint64_t fh)
{
	return call_fsync(c, FUSE_FSYNCDIR, node, fh, 0);
}

int fuse_syncfs(struct fuse_client *c, uint64_t node)
{
	struct fuse_syncfs_in in = {.padding = 0};
	struct fuse_op op = {.opcode = FUSE_SYNCFS, .node = node, .arg = {ARG(in)}, .nargs = 1};

	return call_fixed(c, &op, NULL, 0);
}

int fuse_statfs(struct fuse_client *c, uint64_t node, struct fuse_statfs_out *out)
{
	struct fuse_op op = {.opcode = FUSE_STATFS, .node = node};

	return call_fixed(c, &op, out, sizeof(*out));
}

int fuse_access(struct fuse_client *c, uint64_t node, uint32_t mask)
{
	struct fuse_access_in in = {.mask = mask};
	struct fuse_op op = {.opcode = FUSE_ACCESS, .node = node, .arg = {ARG(in)}, .nargs = 1};

	return call_fixed(c, &op, NULL, 0);
}

int fuse_setxattr(struct fuse_client *c, uint64_t node, const char *name, const void *value, uint32_t size,
		  uint32_t flags)
{
	struct fuse_setxattr_in in = {.size = size, .flags = flags};
	struct fuse_op op = {.opcode = FUSE_SETXATTR,
			     .node = node,
			     .arg = {ARG(in), string(name)},
			     .nargs = 2,
			     .data_in = size};

	if (!(c->flags & FUSE_SETXATTR_EXT))
		op.arg[0].len = FUSE_COMPAT_SETXATTR_IN_SIZE;
	if (size > c->slot->data_size)
		return -E2BIG;
	if (size)
		memcpy(fuse_data(c, c->slot), value, size);
	return call_fixed(c, &op, NULL, 0);
}

static ssize_t call_getxattr(struct fuse_client *c, struct fuse_op *op, void *to, uint32_t size)
{
	struct fuse_getxattr_out out;

	if (size)
		return call_data(c, op, to, size);
	int res = call_fixed(c, op, &out, sizeof(out));
	return res < 0 ? res : (ssize_t)out.size;
}

ssize_t fuse_getxattr(struct fuse_client *c, uint64_t node, const char *name, void *to, uint32_t size)
{
	struct fuse_getxattr_in in = {.size = size};
	struct fuse_op op = {.opcode = FUSE_GETXATTR, .node = node, .arg = {ARG(in), string(name)}, .nargs = 2};

	return call_getxattr(c, &op, to, size);
}

ssize_t fuse_listxattr(struct fuse_client *c, uint64_t node, char *to, uint32_t size)
{
	struct fuse_getxattr_in in = {.size = size};
	struct fuse_op op = {.opcode = FUSE_LISTXATTR, .node = node, .arg = {ARG(in)}, .nargs = 1};

	return call_getxattr(c, &op, to, size);
}

int fuse_removexattr(struct fuse_client *c, uint64_t node, const char *name)
{
	return call_name(c, FUSE_REMOVEXATTR, node, name);
}

int fuse_fallocate(struct fuse_client *c, uint64_t node, uint64_t fh, uint32_t mode, uint64_t off, uint64_t len)
{
	struct fuse_fallocate_in in = {.fh = fh, .offset = off, .length = len, .mode = mode};
	struct fuse_op op = {.opcode = FUSE_FALLOCATE, .node = node, .arg = {ARG(in)}, .nargs = 1};

	return call_fixed(c, &op, NULL, 0);
}

int fuse_lseek(struct fuse_client *c, uint64_t node, uint64_t fh, uint64_t off, uint32_t whence, uint64_t *to)
{
	struct fuse_lseek_in in = {.fh = fh, .offset = off, .whence = whence};
	struct fuse_op op = {.opcode = FUSE_LSEEK, .node = node, .arg = {ARG(in)}, .nargs = 1};
	struct fuse_lseek_out out;
	int res = call_fixed(c, &op, &out, sizeof(out));

	if (res == 0)
		*to = out.offset;
	return res;
}

int64_t fuse_copy_file_range(struct fuse_client *c, uint32_t opcode, const struct fuse_copy_file_range_in *in,
			     uint64_t node)
{
	struct fuse_op op = {.opcode = opcode, .node = node, .arg = {ARG(*in)}, .nargs = 1};
	struct graft_copy_file_range_out out = {.bytes_copied = 0};
	struct fuse_write_out out32;

	if (opcode == GRAFT_OP_COPY_FILE_RANGE_64) {
		int res = call_fixed(c, &op, &out, sizeof(out));
		return res < 0 ? res : (int64_t)out.bytes_copied;
	}
	int res = call_fixed(c, &op, &out32, sizeof(out32));
	return res < 0 ? res : (int64_t)out32.size;
}

int fuse_lock(struct fuse_client *c, uint32_t opcode, uint64_t node, const struct fuse_lk_in *in,
	      struct fuse_lk_out *out)
{
	struct fuse_op op = {.opcode = opcode, .node = node, .arg = {ARG(*in)}, .nargs = 1};

	return call_fixed(c, &op, out, opcode == FUSE_GETLK ? sizeof(*out) : 0);
}

int fuse_ioctl(struct fuse_client *c, uint64_t node, uint64_t fh, uint32_t cmd, void *value, uint32_t in_size,
	       uint32_t out_size, struct fuse_ioctl_out *out)
{
	struct fuse_ioctl_in in = {.fh = fh, .cmd = cmd, .in_size = in_size, .out_size = out_size};
	struct fuse_op op = {.opcode = FUSE_IOCTL,
			     .node = node,
			     .arg = {ARG(in), {.bytes = value, .len = in_size}},
			     .nargs = 2,
			     .reply_len = sizeof(*out),
			     .data_out = out_size};
	int res = fuse_call(c, &op);

	if (res < 0)
		return res;
	if (c->slot->len < sizeof(*out))
		return -EBADMSG;
	memcpy(out, fuse_reply(c, c->slot), sizeof(*out));
	memcpy(value, fuse_data(c, c->slot), c->slot->len - sizeof(*out));
	return 0;
}

int fuse_interrupt(struct fuse_client *c, uint64_t unique)
{
	struct fuse_interrupt_in in = {.unique = unique};
	struct fuse_op op = {.opcode = FUSE_INTERRUPT, .arg = {ARG(in)}, .nargs = 1, .no_reply = true};

	return fuse_call(c, &op);
}
