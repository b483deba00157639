/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state that nydusd's fuse daemons hand to each other, byte for byte (nydus 2.4, version 1): read, and written.
 * What only graftfs understands lies behind it, inside the same checksum, where nydusd does not look.
 */
#ifndef GRAFT_CONTROL_UPGRADE_NYDUS_STATE_H
#define GRAFT_CONTROL_UPGRADE_NYDUS_STATE_H

#include "lib/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NYDUS_STATE_MAX (64u << 20)    /* bytes of a state */
#define NYDUS_STATE_PEER_MAX 32768u    /* bytes: nydusd reads no more */
#define NYDUS_STATE_PEER_STRING 16384u /* bytes: nydusd reads no longer texts */
#define NYDUS_STATE_ITEMS 65535u       /* of each list */

/* INIT flags that nydusd 2.4 knows; it refuses a state with any other. */
#define NYDUS_STATE_INIT_FLAGS UINT64_C(0x800000825fffffff)

enum nydus_fs_type { NYDUS_RAFS = 0, NYDUS_PASSTHROUGH = 1 };

/* Texts are owned and end with a NUL; none of them may hold one. */
struct nydus_state_mount {
	char *key; /* of the list: the mount point again */
	uint32_t fs_type;
	char *source, *config, *mountpoint;
	bool has_prefetch;
	char **prefetch;
	uint32_t nprefetch;
	uint8_t index;
};

/* A directory that no mount gave. The root, 1, is not in the list. */
struct nydus_state_dir {
	uint64_t ino, parent;
	char *name;
};

/* A record of graftfs's own. */
struct nydus_state_extra {
	uint32_t tag, len;
	unsigned char *bytes;
};

struct nydus_state {
	struct nydus_state_mount *mounts;
	uint32_t nmounts;
	uint64_t in_flags;  /* of the kernel's INIT, of those that are known; 0: there was none */
	uint64_t out_flags; /* of the answer */
	bool no_readdir, seal_size, no_open, no_opendir, no_writeback, killpriv_v2;
	uint32_t idmap[3];
	uint64_t next_ino; /* of directories */
	struct nydus_state_dir *dirs;
	uint32_t ndirs;
	uint8_t next_index;
	uint64_t conn_id; /* major << 20 | minor of the file system's device */
	struct nydus_state_extra *extras;
	uint32_t nextras;
};

void nydus_state_fini(struct nydus_state *s);
/* 0, or -errno with one clear line: cut short, a wrong checksum, of another architecture or version, out of bounds. s
 * is empty then. */
int nydus_state_decode(struct nydus_state *s, const void *bytes, size_t len, struct graft_error *err);
/* *bytes is of malloc. -ENOMEM, or -E2BIG beyond NYDUS_STATE_MAX. */
int nydus_state_encode(const struct nydus_state *s, unsigned char **bytes, size_t *len, struct graft_error *err);
/* NULL, or why nydusd could not read these bytes, a constant text. */
const char *nydus_state_unfit(const struct nydus_state *s, size_t len);

/* Grow the lists. The new item is zeroed; NULL when out of memory or at NYDUS_STATE_ITEMS. */
struct nydus_state_mount *nydus_state_add_mount(struct nydus_state *s);
struct nydus_state_dir *nydus_state_add_dir(struct nydus_state *s);
/* Copies. 0 or -ENOMEM. */
int nydus_state_add_extra(struct nydus_state *s, uint32_t tag, const void *bytes, size_t len);
/* Adds a copy of path. 0 or -ENOMEM. */
int nydus_state_add_prefetch(struct nydus_state_mount *m, const char *path, size_t len);

#endif
