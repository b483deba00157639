/* SPDX-License-Identifier: Apache-2.0 */
/* From an image's source to its bootstrap: a plain file, or the tail of a blob, with or without a table of contents. */
#ifndef GRAFT_RAFS_BLOB_BOOTSTRAP_H
#define GRAFT_RAFS_BLOB_BOOTSTRAP_H

#include "rafs/cache/cache_dir.h"
#include "rafs/meta/image.h"

/*
 * Finds the bootstrap in the file open at fd (borrowed; path is for its name and messages): v5 by its magic at 0, v6 by
 * its magic at 1024, else a blob with an inlined bootstrap (reference 0, 3.6). One stored raw is mapped where it lies;
 * a zstd one is unpacked to W/<name>.image.boot when there is a cache folder (made again if its digest is not the one
 * of the table of contents), else to anonymous memory (memfd). Sizes are bounded by 2 GiB before they are used.
 * 0 and *origin, or -errno with err: -EINVAL with a text for what is no image; -EUCLEAN, -EIO for a bootstrap in a blob
 * that cannot be there, is not the one its table of contents names, or cannot be unpacked.
 */
int bootstrap_find(struct rafs_origin *origin, int fd, const char *path, struct cache_dir *cache,
		   struct graft_error *err);

/* Table of contents (reference 3.6). One entry, checked: its range lies before the table in a file of `size` bytes. */
struct toc_entry {
	char name[17];
	uint32_t compressor; /* enum rafs_compressor: none or zstd */
	uint64_t c_off, c_size, u_size;
	uint8_t digest[RAFS_DIGEST_SIZE]; /* SHA-256 of the uncompressed content */
};

/*
 * Looks a section up in a table of contents. toc: entries and the 512-byte header, len bytes (512..0x10000), the end of
 * a file of file_size bytes. want: SHA-256 of entries and header, or NULL. 0; -ENOENT: no such section; -EUCLEAN.
 */
int toc_find(const void *toc, size_t len, uint64_t file_size, const uint8_t *want, const char *name,
	     struct toc_entry *out);
/* Bytes of the table of contents, header included, that ends the last len bytes (a multiple of 128) of a file; 0: none. */
size_t toc_size(const void *tail, size_t len);

/* A 512-byte GNU tar header: 0 and the member's name and size; -EUCLEAN: none, or a bad checksum. */
int tar_header_read(const void *header, char name[101], uint64_t *size);

#endif
