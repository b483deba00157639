/* SPDX-License-Identifier: Apache-2.0 */
/* A client's calls on the rig, one for each operation, with a memory of what look-ups it has to give back. */
#ifndef GRAFT_TESTS_UNIT_SERVER_CALLS_H
#define GRAFT_TESTS_UNIT_SERVER_CALLS_H

#include "server_rig.h"

#include <graftfs/fuse.h>

#define CALLS_HELD 16384
#define CALLS_ENTRIES 8192
#define SLOT_OF(node) ((node) >> GRAFT_NODE_BITS)

/* One thread of a client. */
struct calls {
	struct rig *rig;
	struct rig_request *q;
	uint32_t nheld; /* look-ups not given back, each an element */
	uint64_t held[CALLS_HELD];
};

/* A directory as it was read. Entries in the order they came. */
struct listing {
	uint32_t n;
	struct {
		char name[64];
		uint32_t type; /* S_IFMT >> 12 */
		uint64_t ino, off;
		struct fuse_entry_out e; /* READDIRPLUS */
	} entry[CALLS_ENTRIES];
};

struct calls *calls_new(struct rig *rig);
/* Gives all look-ups back. */
void calls_free(struct calls *c);
void calls_forget_all(struct calls *c);
/* The same by BATCH_FORGET, as many entries in one as fit. */
void calls_batch_forget_all(struct calls *c);
/* The look-ups are gone otherwise: with the session, or told by the test. */
void calls_drop(struct calls *c);

/* Each returns 0 or the reply's error. */
int call_lookup(struct calls *c, uint64_t dir, const char *name, struct fuse_entry_out *e);
/* From node 1 along path ("/" is node 1 with its attributes). */
int call_walk(struct calls *c, const char *path, struct fuse_entry_out *e);
/* As above: the node, or 0 with a failed test. */
uint64_t call_node(struct calls *c, const char *path);
void call_forget(struct calls *c, uint64_t node, uint64_t n);
int call_getattr(struct calls *c, uint64_t node, struct fuse_attr_out *out);
int call_statx(struct calls *c, uint64_t node, struct fuse_statx_out *out);
int call_chmod(struct calls *c, uint64_t node);
int call_access(struct calls *c, uint64_t node);
int call_open(struct calls *c, uint32_t opcode, uint64_t node, uint64_t *fh);
int call_release(struct calls *c, uint32_t opcode, uint64_t node, uint64_t fh);
/* FUSE_READ of a file: text gets what came, with a NUL. */
int call_read(struct calls *c, uint64_t node, uint64_t fh, char *text, size_t room);
/* Opens, reads and closes the file at path; the error of whatever failed first. */
int call_cat(struct calls *c, const char *path, char *text, size_t room);
/* Reads to the end in pieces of size bytes, each from the last entry's offset. opcode: FUSE_READDIR or FUSE_READDIRPLUS. */
int call_read_dir(struct calls *c, uint32_t opcode, uint64_t node, uint64_t fh, uint32_t size, struct listing *l);
/* The same from an offset on. */
int call_read_dir_at(struct calls *c, uint32_t opcode, uint64_t node, uint64_t fh, uint64_t off, uint32_t size,
		     struct listing *l);
/* Opens, reads and closes a directory. */
int call_list(struct calls *c, uint32_t opcode, uint64_t node, uint32_t size, struct listing *l);
/* Index of a name; UINT32_MAX where it is not. Fails the test where it stands twice. */
uint32_t listing_find(const struct listing *l, const char *name);
/* The names without "." and "..", sorted, separated by blanks; in a buffer of the listing's size at most. */
const char *listing_names(const struct listing *l);
/* MKDIR, MKNOD, CREATE, SYMLINK. e may be NULL. */
int call_make(struct calls *c, uint32_t opcode, uint64_t dir, const char *name, struct fuse_entry_out *e);
/* UNLINK or RMDIR. */
int call_remove(struct calls *c, uint32_t opcode, uint64_t dir, const char *name);
/* FUSE_RENAME or FUSE_RENAME2. */
int call_rename(struct calls *c, uint32_t opcode, uint64_t dir, const char *name, uint64_t newdir, const char *newname,
		uint32_t flags);
int call_link(struct calls *c, uint64_t node, uint64_t dir, const char *name);
int call_copy(struct calls *c, uint32_t opcode, uint64_t from, uint64_t to);
/* *blocks tells the trees apart. */
int call_statfs(struct calls *c, uint64_t node, uint64_t *blocks);
int call_syncfs(struct calls *c, uint64_t node);
int call_getxattr(struct calls *c, uint64_t node, const char *name);
/* The bytes of the list, or the error. */
int call_listxattr(struct calls *c, uint64_t node);
int call_setxattr(struct calls *c, uint64_t node, const char *name);

#endif
