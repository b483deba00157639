/* SPDX-License-Identifier: Apache-2.0 */
/* A FUSE client on one ring of the front end: requests in flight, replies checked, and a call for each operation. */
#ifndef GRAFT_TESTS_VRING_FUSE_CLIENT_H
#define GRAFT_TESTS_VRING_FUSE_CLIENT_H

#include "tests/vring/frontend.h"

#include <graftfs/fuse.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define FUSE_ARGS_MAX 16384   /* bytes of header, arguments and names */
#define FUSE_REPLY_MAX 4096   /* bytes of reply header and fixed reply */
#define FUSE_DATA_MAX (1 << 20)
#define FUSE_MAX_PARTS (RING_MAX_CHAIN / 2) /* readable or writable parts of a request */

/* An argument as it goes behind the header. */
struct fuse_arg {
	const void *bytes;
	uint32_t len;
};

/*
 * One request. Readable: header, arguments, then data_in bytes of the slot's data area. Writable: header, reply_len,
 * then data_out bytes of the data area.
 */
struct fuse_op {
	uint32_t opcode;
	uint64_t node;
	struct fuse_arg arg[4];
	unsigned nargs;
	uint32_t data_in, data_out;
	uint32_t reply_len; /* of the fixed reply, without its header */
	bool no_reply;      /* FORGET and its like: no writable part */
	const void *raw;    /* instead of header and arguments: the bytes as they go out, only `unique` is put in */
	uint32_t raw_len;
};

/* A request's place in guest memory, and what came back. */
struct fuse_slot {
	uint64_t args, reply, data; /* guest addresses */
	uint32_t data_size;         /* bytes of the data area */
	uint64_t unique;
	struct fuse_op op;
	bool busy;
	/* after fuse_reap: */
	uint32_t used; /* bytes the device says it wrote */
	int error;     /* 0 or -errno from the reply; -EBADMSG for a reply against the protocol */
	uint32_t len;  /* bytes behind the reply header */
	/* the caller's: */
	int64_t start; /* ns */
	uint64_t user[4];
};

/* A client. One thread uses it; several, on rings of their own, may share a FUSE session. */
struct fuse_client {
	struct frontend *fe;
	struct ring *ring;
	struct fuse_slot *slot;
	unsigned nslots;
	uint64_t unique;
	uint32_t uid, gid, pid; /* of the caller, in each header */
	uint32_t segment; /* 0: a part for the header and for each argument; else no part is longer than this, bytes */
	bool page_data;   /* data in parts of a page, as the Linux driver does it */
	int timeout_ms;   /* for a synchronous call */
	uint64_t flags;   /* from INIT's reply, flags2 above bit 32 */
	uint32_t minor, max_write;
	/* Called with each request that has come back, before fuse_reap returns it; NULL: not. */
	void (*seen)(struct fuse_client *c, const struct fuse_slot *s);
	void *user; /* the caller's */
};

/* Slots with a data area of data_size each (0: FUSE_DATA_MAX). 0 or -errno. */
int fuse_client_init(struct fuse_client *c, struct frontend *fe, unsigned ring, unsigned nslots, uint32_t data_size);
void fuse_client_fini(struct fuse_client *c);

static inline void *fuse_data(const struct fuse_client *c, const struct fuse_slot *s)
{
	return ram_ptr(&c->fe->ram, s->data);
}

static inline void *fuse_reply(const struct fuse_client *c, const struct fuse_slot *s)
{
	return (char *)ram_ptr(&c->fe->ram, s->reply) + sizeof(struct fuse_out_header);
}

/* Puts a request into the ring without a kick. 0 or -errno. */
int fuse_submit(struct fuse_client *c, struct fuse_slot *s, const struct fuse_op *op);
/* Takes one finished request and checks its reply header; NULL when there is none. */
struct fuse_slot *fuse_reap(struct fuse_client *c);
/* Submits in slot 0, kicks and waits: the reply's 0 or -errno, -ETIMEDOUT, -EIO for a broken ring, -EBADMSG. */
int fuse_call(struct fuse_client *c, const struct fuse_op *op);

/*
 * The operations. Each returns 0 or -errno (see fuse_call), those that give a count return that. Names are bytes up to
 * the NUL; what is wrong with them goes out as it stands.
 */
int fuse_init(struct fuse_client *c, uint64_t flags);
int fuse_init_version(struct fuse_client *c, uint32_t major, uint32_t minor, uint64_t flags,
		      struct fuse_init_out *out);
int fuse_destroy(struct fuse_client *c);
int fuse_lookup(struct fuse_client *c, uint64_t parent, const char *name, struct fuse_entry_out *out);
int fuse_forget(struct fuse_client *c, uint64_t node, uint64_t count);
int fuse_batch_forget(struct fuse_client *c, const struct fuse_forget_one *one, uint32_t n);
int fuse_getattr(struct fuse_client *c, uint64_t node, struct fuse_attr_out *out);
int fuse_setattr(struct fuse_client *c, uint64_t node, const struct fuse_setattr_in *in, struct fuse_attr_out *out);
int fuse_truncate(struct fuse_client *c, uint64_t node, uint64_t size);
int fuse_statx(struct fuse_client *c, uint64_t node, uint32_t mask, struct fuse_statx_out *out);
int fuse_readlink(struct fuse_client *c, uint64_t node, char *to, uint32_t size);
int fuse_symlink(struct fuse_client *c, uint64_t parent, const char *name, const char *target,
		 struct fuse_entry_out *out);
int fuse_mknod(struct fuse_client *c, uint64_t parent, const char *name, uint32_t mode, uint32_t rdev,
	       struct fuse_entry_out *out);
int fuse_mkdir(struct fuse_client *c, uint64_t parent, const char *name, uint32_t mode, struct fuse_entry_out *out);
int fuse_unlink(struct fuse_client *c, uint64_t parent, const char *name);
int fuse_rmdir(struct fuse_client *c, uint64_t parent, const char *name);
int fuse_rename(struct fuse_client *c, uint64_t parent, const char *name, uint64_t newparent, const char *newname);
int fuse_rename2(struct fuse_client *c, uint64_t parent, const char *name, uint64_t newparent, const char *newname,
		 uint32_t flags);
int fuse_link(struct fuse_client *c, uint64_t node, uint64_t newparent, const char *name, struct fuse_entry_out *out);
int fuse_open(struct fuse_client *c, uint64_t node, uint32_t flags, uint64_t *fh);
int fuse_opendir(struct fuse_client *c, uint64_t node, uint64_t *fh);
int fuse_create(struct fuse_client *c, uint64_t parent, const char *name, uint32_t flags, uint32_t mode,
		struct fuse_entry_out *entry, uint64_t *fh);
int fuse_tmpfile(struct fuse_client *c, uint64_t parent, uint32_t flags, uint32_t mode, struct fuse_entry_out *entry,
		 uint64_t *fh);
int fuse_release(struct fuse_client *c, uint64_t node, uint64_t fh);
int fuse_releasedir(struct fuse_client *c, uint64_t node, uint64_t fh);
ssize_t fuse_read(struct fuse_client *c, uint64_t node, uint64_t fh, void *to, uint32_t size, uint64_t off);
ssize_t fuse_write(struct fuse_client *c, uint64_t node, uint64_t fh, const void *from, uint32_t size, uint64_t off);
int fuse_flush(struct fuse_client *c, uint64_t node, uint64_t fh);
int fuse_fsync(struct fuse_client *c, uint64_t node, uint64_t fh, bool data_only);
int fuse_fsyncdir(struct fuse_client *c, uint64_t node, uint64_t fh);
int fuse_syncfs(struct fuse_client *c, uint64_t node);
int fuse_statfs(struct fuse_client *c, uint64_t node, struct fuse_statfs_out *out);
int fuse_access(struct fuse_client *c, uint64_t node, uint32_t mask);
int fuse_setxattr(struct fuse_client *c, uint64_t node, const char *name, const void *value, uint32_t size,
		  uint32_t flags);
/* size 0 asks for the length. */
ssize_t fuse_getxattr(struct fuse_client *c, uint64_t node, const char *name, void *to, uint32_t size);
ssize_t fuse_listxattr(struct fuse_client *c, uint64_t node, char *to, uint32_t size);
int fuse_removexattr(struct fuse_client *c, uint64_t node, const char *name);
/* Raw entries into the data area of slot 0: the bytes there. */
ssize_t fuse_readdir(struct fuse_client *c, uint64_t node, uint64_t fh, uint64_t off, uint32_t size);
ssize_t fuse_readdirplus(struct fuse_client *c, uint64_t node, uint64_t fh, uint64_t off, uint32_t size);
int fuse_fallocate(struct fuse_client *c, uint64_t node, uint64_t fh, uint32_t mode, uint64_t off, uint64_t len);
int fuse_lseek(struct fuse_client *c, uint64_t node, uint64_t fh, uint64_t off, uint32_t whence, uint64_t *out);
/* COPY_FILE_RANGE or its 64-bit successor. */
int64_t fuse_copy_file_range(struct fuse_client *c, uint32_t opcode, const struct fuse_copy_file_range_in *in,
			     uint64_t node);
/* GETLK, SETLK or SETLKW. out may be NULL. */
int fuse_lock(struct fuse_client *c, uint32_t opcode, uint64_t node, const struct fuse_lk_in *in,
	      struct fuse_lk_out *out);
/* in_size bytes of value go out, out_size come back into it. */
int fuse_ioctl(struct fuse_client *c, uint64_t node, uint64_t fh, uint32_t cmd, void *value, uint32_t in_size,
	       uint32_t out_size, struct fuse_ioctl_out *out);
int fuse_interrupt(struct fuse_client *c, uint64_t unique);

#endif
