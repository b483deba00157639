/* SPDX-License-Identifier: Apache-2.0 */
/* A well-formed request of every opcode as bytes. */
#include "tests/vring/fuse_samples.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADER sizeof(struct fuse_in_header)
#define DATA_SIZE 100 /* bytes that the sample of WRITE writes and that of READ reads */

static void add(struct sample *s, const void *bytes, size_t len)
{
	memcpy(s->bytes + s->len, bytes, len);
	s->len += (uint32_t)len;
}

static void add_fixed(struct sample *s, const void *bytes, size_t len)
{
	add(s, bytes, len);
	s->fixed = s->len;
}

static void add_name(struct sample *s, const char *name)
{
	s->names = true;
	add(s, name, strlen(name) + 1);
}

static void id_at(struct sample *s, unsigned i, size_t offset_in_body)
{
	s->id_field[i] = (uint16_t)(HEADER + offset_in_body);
}

/* Requests on a directory and a name in it. Returns false for other opcodes. */
static bool name_request(uint32_t opcode, const struct sample_nodes *n, struct sample *s)
{
	char second[256];

	snprintf(second, sizeof(second), "%s2", n->name);
	s->room = sizeof(struct fuse_entry_out);
	switch (opcode) {
	case FUSE_LOOKUP:
		break;
	case FUSE_UNLINK:
	case FUSE_RMDIR:
		s->room = 0;
		break;
	case FUSE_MKDIR:
		add_fixed(s, &(struct fuse_mkdir_in){.mode = 0755}, sizeof(struct fuse_mkdir_in));
		break;
	case FUSE_MKNOD:
		add_fixed(s, &(struct fuse_mknod_in){.mode = S_IFREG | 0644}, sizeof(struct fuse_mknod_in));
		break;
	case FUSE_CREATE:
	case FUSE_TMPFILE:
		s->room = sizeof(struct fuse_entry_out) + sizeof(struct fuse_open_out);
		add_fixed(s, &(struct fuse_create_in){.flags = O_RDWR, .mode = 0644}, sizeof(struct fuse_create_in));
		break;
	case FUSE_LINK:
		id_at(s, 0, offsetof(struct fuse_link_in, oldnodeid));
		add_fixed(s, &(struct fuse_link_in){.oldnodeid = n->file}, sizeof(struct fuse_link_in));
		break;
	case FUSE_SYMLINK:
		add_name(s, n->name);
		add_name(s, "target");
		return true;
	case FUSE_RENAME:
		s->room = 0;
		id_at(s, 0, offsetof(struct fuse_rename_in, newdir));
		add_fixed(s, &(struct fuse_rename_in){.newdir = n->dir}, sizeof(struct fuse_rename_in));
		add_name(s, second);
		break;
	case FUSE_RENAME2:
		s->room = 0;
		id_at(s, 0, offsetof(struct fuse_rename2_in, newdir));
		add_fixed(s, &(struct fuse_rename2_in){.newdir = n->dir}, sizeof(struct fuse_rename2_in));
		add_name(s, second);
		break;
	default:
		return false;
	}
	add_name(s, n->name);
	return true;
}

static bool xattr_request(uint32_t opcode, const struct sample_nodes *n, struct sample *s)
{
	struct fuse_setxattr_in set = {.size = 5};
	struct fuse_getxattr_in get = {.size = 200};

	switch (opcode) {
	case FUSE_SETXATTR:
		add_fixed(s, &set, n->flags & FUSE_SETXATTR_EXT ? sizeof(set) : FUSE_COMPAT_SETXATTR_IN_SIZE);
		add_name(s, "user.sample");
		add(s, "value", 5);
		return true;
	case FUSE_GETXATTR:
		s->data = get.size;
		add_fixed(s, &get, sizeof(get));
		add_name(s, "user.sample");
		return true;
	case FUSE_LISTXATTR:
		s->data = get.size;
		add_fixed(s, &get, sizeof(get));
		return true;
	case FUSE_REMOVEXATTR:
		add_name(s, "user.sample");
		return true;
	default:
		return false;
	}
}

static bool lock_request(uint32_t opcode, const struct sample_nodes *n, struct sample *s)
{
	struct fuse_lk_in in = {.fh = n->fh, .owner = 1, .lk = {.end = 10, .type = F_RDLCK, .pid = 1}};

	if (opcode != FUSE_GETLK && opcode != FUSE_SETLK && opcode != FUSE_SETLKW)
		return false;
	id_at(s, 0, 0);
	s->room = opcode == FUSE_GETLK ? sizeof(struct fuse_lk_out) : 0;
	add_fixed(s, &in, sizeof(in));
	return true;
}

/* Requests on an open directory: the handle is the first field. */
static bool dir_handle_request(uint32_t opcode, const struct sample_nodes *n, struct sample *s)
{
	switch (opcode) {
	case FUSE_READDIR:
	case FUSE_READDIRPLUS:
		s->data = 4096;
		add_fixed(s, &(struct fuse_read_in){.fh = n->dir_fh, .size = 4096}, sizeof(struct fuse_read_in));
		break;
	case FUSE_RELEASEDIR:
		add_fixed(s, &(struct fuse_release_in){.fh = n->dir_fh}, sizeof(struct fuse_release_in));
		break;
	case FUSE_FSYNCDIR:
		add_fixed(s, &(struct fuse_fsync_in){.fh = n->dir_fh}, sizeof(struct fuse_fsync_in));
		break;
	default:
		return false;
	}
	id_at(s, 0, 0);
	return true;
}

/* Requests on an open file: again the handle is the first field. */
static bool handle_request(uint32_t opcode, const struct sample_nodes *n, struct sample *s)
{
	struct fuse_write_in w = {.fh = n->fh, .size = DATA_SIZE};
	unsigned char data[DATA_SIZE] = {'w'};

	switch (opcode) {
	case FUSE_READ:
		s->data = DATA_SIZE;
		add_fixed(s, &(struct fuse_read_in){.fh = n->fh, .size = DATA_SIZE}, sizeof(struct fuse_read_in));
		break;
	case FUSE_WRITE:
		s->room = sizeof(struct fuse_write_out);
		add_fixed(s, &w, sizeof(w));
		add(s, data, sizeof(data));
		break;
	case FUSE_RELEASE:
		add_fixed(s, &(struct fuse_release_in){.fh = n->fh}, sizeof(struct fuse_release_in));
		break;
	case FUSE_FSYNC:
		add_fixed(s, &(struct fuse_fsync_in){.fh = n->fh}, sizeof(struct fuse_fsync_in));
		break;
	case FUSE_FLUSH:
		add_fixed(s, &(struct fuse_flush_in){.fh = n->fh}, sizeof(struct fuse_flush_in));
		break;
	case FUSE_FALLOCATE:
		add_fixed(s, &(struct fuse_fallocate_in){.fh = n->fh, .length = 4096},
			  sizeof(struct fuse_fallocate_in));
		break;
	case FUSE_LSEEK:
		s->room = sizeof(struct fuse_lseek_out);
		add_fixed(s, &(struct fuse_lseek_in){.fh = n->fh, .whence = SEEK_DATA}, sizeof(struct fuse_lseek_in));
		break;
	default:
		return false;
	}
	id_at(s, 0, 0);
	return true;
}

static bool two_file_request(uint32_t opcode, const struct sample_nodes *n, struct sample *s)
{
	struct fuse_copy_file_range_in copy = {
		.fh_in = n->fh, .nodeid_out = n->file, .fh_out = n->fh, .off_out = 1 << 16, .len = DATA_SIZE};

	if (opcode != FUSE_COPY_FILE_RANGE && opcode != GRAFT_OP_COPY_FILE_RANGE_64)
		return false;
	id_at(s, 0, offsetof(struct fuse_copy_file_range_in, fh_in));
	id_at(s, 1, offsetof(struct fuse_copy_file_range_in, nodeid_out));
	id_at(s, 2, offsetof(struct fuse_copy_file_range_in, fh_out));
	s->room = 8;
	add_fixed(s, &copy, sizeof(copy));
	return true;
}

/* Requests on a node that need no handle, and those about the whole session. */
static bool node_request(uint32_t opcode, const struct sample_nodes *n, struct sample *s)
{
	struct fuse_setattr_in set = {.valid = FATTR_MODE, .mode = 0644};
	struct fuse_init_in init = {.major = 7, .minor = 38, .flags = (uint32_t)n->flags | FUSE_INIT_EXT};
	struct {
		struct fuse_batch_forget_in in;
		struct fuse_forget_one one;
	} forget = {.in = {.count = 1}, .one = {.nodeid = n->file, .nlookup = 1}};

	switch (opcode) {
	case FUSE_GETATTR:
		s->room = sizeof(struct fuse_attr_out);
		add_fixed(s, &(struct fuse_getattr_in){.getattr_flags = 0}, sizeof(struct fuse_getattr_in));
		return true;
	case FUSE_SETATTR:
		s->room = sizeof(struct fuse_attr_out);
		id_at(s, 0, offsetof(struct fuse_setattr_in, fh));
		add_fixed(s, &set, sizeof(set));
		return true;
	case GRAFT_OP_STATX:
		s->room = sizeof(struct fuse_statx_out);
		id_at(s, 0, offsetof(struct fuse_statx_in, fh));
		add_fixed(s, &(struct fuse_statx_in){.sx_mask = 0x7ff}, sizeof(struct fuse_statx_in));
		return true;
	case FUSE_READLINK:
		s->data = 4096;
		return true;
	case FUSE_STATFS:
		s->room = sizeof(struct fuse_statfs_out);
		return true;
	case FUSE_ACCESS:
		add_fixed(s, &(struct fuse_access_in){.mask = R_OK}, sizeof(struct fuse_access_in));
		return true;
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		s->room = sizeof(struct fuse_open_out);
		add_fixed(s, &(struct fuse_open_in){.flags = O_RDONLY}, sizeof(struct fuse_open_in));
		return true;
	case FUSE_SYNCFS:
		add_fixed(s, &(struct fuse_syncfs_in){.padding = 0}, sizeof(struct fuse_syncfs_in));
		return true;
	case FUSE_IOCTL:
		s->room = sizeof(struct fuse_ioctl_out);
		s->data = 4;
		id_at(s, 0, offsetof(struct fuse_ioctl_in, fh));
		add_fixed(s, &(struct fuse_ioctl_in){.fh = n->fh, .cmd = FS_IOC_GETFLAGS, .out_size = 4},
			  sizeof(struct fuse_ioctl_in));
		return true;
	case FUSE_INIT:
		s->room = sizeof(struct fuse_init_out);
		add_fixed(s, &init, sizeof(init));
		return true;
	case FUSE_DESTROY:
		return true;
	case FUSE_FORGET:
		s->no_reply = true;
		add_fixed(s, &(struct fuse_forget_in){.nlookup = 1}, sizeof(struct fuse_forget_in));
		return true;
	case FUSE_BATCH_FORGET:
		s->no_reply = true;
		id_at(s, 0, offsetof(__typeof__(forget), one.nodeid));
		add_fixed(s, &forget, sizeof(forget));
		return true;
	case FUSE_INTERRUPT:
		s->no_reply = true;
		add_fixed(s, &(struct fuse_interrupt_in){.unique = 1}, sizeof(struct fuse_interrupt_in));
		return true;
	default:
		return false;
	}
}

static bool on_directory(uint32_t opcode)
{
	switch (opcode) {
	case FUSE_LOOKUP:
	case FUSE_SYMLINK:
	case FUSE_MKNOD:
	case FUSE_MKDIR:
	case FUSE_UNLINK:
	case FUSE_RMDIR:
	case FUSE_RENAME:
	case FUSE_RENAME2:
	case FUSE_LINK:
	case FUSE_CREATE:
	case FUSE_TMPFILE:
	case FUSE_OPENDIR:
	case FUSE_READDIR:
	case FUSE_READDIRPLUS:
	case FUSE_RELEASEDIR:
	case FUSE_FSYNCDIR:
	case FUSE_STATFS:
		return true;
	default:
		return false;
	}
}

bool fuse_sample(uint32_t opcode, const struct sample_nodes *nodes, struct sample *s)
{
	memset(s, 0, sizeof(*s));
	s->len = s->fixed = HEADER;
	if (!name_request(opcode, nodes, s)) {
		s->room = 0;
		if (!xattr_request(opcode, nodes, s) && !handle_request(opcode, nodes, s) &&
		    !dir_handle_request(opcode, nodes, s) && !lock_request(opcode, nodes, s) &&
		    !two_file_request(opcode, nodes, s) && !node_request(opcode, nodes, s))
			return false;
	}
	struct fuse_in_header h = {.len = s->len,
				   .opcode = opcode,
				   .nodeid = on_directory(opcode) ? nodes->dir : nodes->file,
				   .pid = 1};
	memcpy(s->bytes, &h, sizeof(h));
	return true;
}
