/* SPDX-License-Identifier: Apache-2.0 */
/* GUID partition tables (UEFI 2.10 chapter 5), checked, and the blob ids that partitions carry (reference 7.5). */
#ifndef GRAFT_RAFS_BLOB_GPT_H
#define GRAFT_RAFS_BLOB_GPT_H

#include "lib/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GPT_ID_MAX 64 /* bytes of a blob id */

/* The disk. sector: bytes, a power of two in 512..65536; size: bytes. */
struct gpt_disk {
	int (*read)(void *arg, uint64_t off, void *to, size_t len); /* all of len, or -errno */
	void *arg;
	uint64_t size;
	uint32_t sector;
};

/* A partition that can be a blob. It lies in the disk. */
struct gpt_partition {
	char id[GPT_ID_MAX + 1]; /* the blob's; legacy: its name, at most 36 bytes */
	bool legacy;             /* type Basic Data: the name is the beginning of the id */
	uint64_t off, size;      /* bytes */
};

struct gpt {
	struct gpt_partition *partitions; /* owned */
	uint32_t n;
};

/*
 * Reads the table whose header and entries have the right checksums: the primary one, else the backup in the last
 * sector. Partitions without a usable name are left out; one that does not lie in the disk makes its table wrong. 0;
 * -EUCLEAN with err if neither will do, -ENOMEM, or what read returned.
 */
int gpt_read(struct gpt *gpt, const struct gpt_disk *disk, struct graft_error *err);
void gpt_free(struct gpt *gpt);

/*
 * The partition of a blob: one with all of the id, else a legacy one whose name is its first 32 bytes. 0; -ENOENT;
 * -EUCLEAN if two partitions could be meant.
 */
int gpt_find(const struct gpt *gpt, const char *id, const struct gpt_partition **found);

#endif
