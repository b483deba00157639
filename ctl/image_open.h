/* SPDX-License-Identifier: Apache-2.0 */
/* An image without a server: its bootstrap, where its blobs are, and each blob and chunk table once it is asked for. */
#ifndef GRAFT_CTL_IMAGE_OPEN_H
#define GRAFT_CTL_IMAGE_OPEN_H

#include "ctl/args.h"
#include "rafs/blob/backend.h"
#include "rafs/blob/chunk_table.h"
#include "rafs/meta/digest_table.h"
#include "rafs/meta/image.h"

/* What is known of a blob so far; the errors say what went wrong. */
struct image_blob {
	bool file_tried, table_tried;
	struct blob_file *file;    /* NULL: not there */
	struct chunk_table *table; /* NULL: none, or not readable */
	struct graft_error file_error, table_error;
};

/* Zeroed before image_open; image_close drops what it holds. One thread. */
struct image {
	const char *path; /* of the bootstrap, or of the blob that holds it; the caller's */
	bool json;
	struct graft_error *err; /* the caller's: what failed */

	struct rafs_image *rafs;
	const struct rafs_super *super;
	bool inlined; /* the bootstrap is a part of a blob */

	struct backend *backend;  /* NULL: not asked for */
	char *places;             /* where blobs are looked for, for people */
	struct image_blob *blobs; /* super->blobs of them */
	uint64_t table_bytes;     /* that the chunk tables which are open take */
	bool digests_tried;
	struct digest_table *digests; /* see image_digests */
};

#define IMAGE_TABLES_MAX (UINT64_C(1) << 30) /* bytes of all chunk tables together, unpacked; 40 million chunks */

/* path, json and err are set. 0 or -errno with *image->err: it is no image, or a bad one. */
int image_open(struct image *image);
/* Where the options say that blobs are, or else beside the bootstrap. 0 or -errno with *image->err. */
int image_find_blobs(struct image *image, const struct args *args);
void image_close(struct image *image);

/* Blob i < super->blobs. NULL, with file_error, where it cannot be opened. Stays until image_close. */
struct blob_file *image_blob_file(struct image *image, uint32_t i);
/* Whether blob i has a chunk table at all: v5 and TARFS images do without. */
bool image_has_table(const struct image *image, uint32_t i);
/* Its chunk table: NULL, with table_error, where there is none that could be read. Stays until image_close. */
struct chunk_table *image_blob_table(struct image *image, uint32_t i);
/* The digests that the bootstrap itself keeps of the blobs' chunks; NULL: none. */
const struct digest_table *image_digests(struct image *image);

#endif
