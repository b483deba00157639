/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the chunk table share: its parts in a mapping, its header's rules, a blob's table of contents. */
#ifndef GRAFT_RAFS_BLOB_CHUNK_TABLE_INTERNAL_H
#define GRAFT_RAFS_BLOB_CHUNK_TABLE_INTERNAL_H

#include "rafs/blob/bootstrap.h"
#include "rafs/blob/chunk_table.h"

#include <stddef.h>

#define TABLE_HEADER_SIZE 4096                /* bytes; also what the table before it is padded to in a cache folder */
#define TABLE_MAX         (UINT64_C(1) << 30) /* bytes: 2^24 chunks, and contexts with their dictionaries */

/* Constant once opened. */
struct chunk_table {
	struct mapping map;     /* entries, contexts, dictionaries, header */
	struct mapping digests; /* count of them, or empty */
	uint64_t header_at;     /* bytes: in map */
	uint64_t contexts_at;   /* bytes: in map */
	uint64_t dicts_at;      /* bytes: in map */
	uint64_t dicts_size;    /* bytes */
	uint32_t count, contexts;
	uint32_t features;     /* enum rafs_blob_feature, those of the image's blob table */
	uint64_t c_end, u_end; /* bytes: no chunk reaches beyond */
};

/* Whether info's sizes of a table can be: asked before any of them is used. 0 or -EUCLEAN with err. */
int chunk_table_sizes_ok(const struct rafs_blob_info *info, struct graft_error *err);
/* Whether a header is that of info's table. 0 or -EUCLEAN with err. */
int chunk_table_header_ok(const struct rafs_blob_info *info, const unsigned char *header, struct graft_error *err);
/* A table in map, whose header lies at header_at. Takes map, on failure too. info's sizes are ok. */
int chunk_table_new(struct chunk_table **table, const struct rafs_blob_info *info, struct mapping *map,
		    uint64_t header_at, struct graft_error *err);
/* Checks every entry, and that they follow one another without overlap: for a table that nothing vouches for. */
int chunk_table_check_all(const struct chunk_table *t);

/* A blob's table of contents, checked against info->toc_digest if there is one. */
struct blob_toc {
	unsigned char *bytes; /* entries and header; NULL: none */
	size_t len;
	uint64_t file_size; /* bytes that entries may refer to, and the table itself */
};

/* The blob and what is kept of it. */
struct table_source {
	const struct rafs_blob_info *info;
	struct blob_file *blob; /* of info->meta_id; NULL: not at hand */
	struct cache_dir *cache;
};

/*
 * Reads the table of contents: from the cache if info has its digest, else from the blob (and keeps it), else what the
 * cache has. 0, -ENOENT: there is none, or -errno, with err. toc->bytes are the caller's to free.
 */
int blob_toc_load(struct blob_toc *toc, const struct table_source *s, struct graft_error *err);
/* The section `name` of toc. 0; -ENOENT: none, or toc is empty; -EUCLEAN: it has not len bytes, or cannot be. */
int blob_toc_section(const struct blob_toc *toc, const char *name, uint64_t len, struct toc_entry *e);
/* Whether len bytes are the section `name` of toc: 0, also if it names none; -EUCLEAN; -ENOMEM. */
int blob_toc_vouches(const struct blob_toc *toc, const char *name, const void *bytes, uint64_t len);
/* Maps the digest array of count chunks. 0 or -errno with err. */
int chunk_digests_open(struct mapping *map, const struct table_source *s, const struct blob_toc *toc, uint32_t count,
		       struct graft_error *err);
/* blob_read_buffer as a section_source's read; arg is the blob_file. */
int blob_read_section(void *arg, uint64_t off, void *to, size_t len);

#endif
