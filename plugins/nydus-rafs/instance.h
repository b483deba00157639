/* SPDX-License-Identifier: Apache-2.0 */
/* One mounted image, and what the operations share. */
#ifndef GRAFT_NYDUS_RAFS_INSTANCE_H
#define GRAFT_NYDUS_RAFS_INSTANCE_H

#include "config.h"
#include "file_stats.h"
#include "rafs/engine/reader.h"
#include "rafs/meta/image.h"

#include <graftfs/plugin.h>

#define NR_FOREVER (UINT64_C(1) << 32) /* seconds that names and attributes hold: an image never changes */
#define NR_BLOCK 4096                  /* st_blksize and the unit of STATFS */

/*
 * Constant after create, but for counters: nothing is kept of what clients looked up. Any thread.
 */
struct graft_inst {
	const struct graft_host *host;
	struct graft_slot *slot;
	struct nr_config config;
	char *text; /* of config-file, for who asks; NULL: there is none */
	size_t text_len;
	struct cache_dir *cache; /* NULL: none */
	struct dedup *dedup;     /* NULL: none */
	struct rafs_image *image;
	const struct rafs_super *super; /* image's */
	struct backend *backend;
	struct reader *reader;
	struct file_stats *files; /* NULL: nothing is counted by file */
	bool verify;       /* v5, validate = full: digests of inodes too */
	uint64_t mounted;  /* ns since 1970: stands for times that the image does not have */
	uint32_t uid, gid; /* of this process: owner of all where the image has no owners */
	struct fuse_kstatfs statfs;
	uint64_t pushed_files, pushed_bytes; /* counters, relaxed atomics: see push.h */
};

/* Opens everything. 0, or -errno with err and nothing left. */
int instance_new(struct graft_inst **inst, const struct graft_host *host, struct graft_slot *slot,
		 const struct nr_settings *set, struct graft_error *err);
/* No request is inside. */
void instance_free(struct graft_inst *inst);
/* Begins to prefetch, if that is wanted. 0 or -errno with err. */
int instance_start(struct graft_inst *inst, struct graft_error *err);

#endif
