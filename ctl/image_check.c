/* SPDX-License-Identifier: Apache-2.0 */
/* graftctl image check: all of an image that can be checked. */
#include "ctl/image.h"

#include "ctl/image_check.h"
#include "ctl/image_text.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

/* Bytes that a stretch of a file takes in the bootstrap at least: an index of v6; the records of v5 take more. */
#define CHUNK_COSTS 8
/* Bytes that an inode takes there at least: a compact one of v6. */
#define INODE_COSTS 32

static void walk_bad(void *arg, const char *path, const char *what)
{
	check_found(arg, path, "%s", what);
}

static void check_table(struct check *c, uint32_t i)
{
	const struct rafs_blob_info *info = rafs_image_blob(c->image->rafs, i);
	const struct chunk_table *table = image_blob_table(c->image, i);
	struct rafs_chunk chunk;

	/* Where it would be in a blob that is missing, that was said. */
	if (!table && (c->image->blobs[i].file || strcmp(info->id, info->meta_id) != 0))
		check_found(c, info->id, "the chunk table cannot be read: %s", c->image->blobs[i].table_error.text);
	if (!table)
		return;
	for (uint32_t k = 0; k < chunk_table_count(table); k++) {
		int res = chunk_table_get(table, k, &chunk);
		if (res != 0)
			check_found(c, info->id, "entry %" PRIu32 " of the chunk table: %s", k, image_reason(res));
		check_progress(c);
	}
}

static void check_blob(struct check *c, uint32_t i)
{
	const struct rafs_blob_info *info = rafs_image_blob(c->image->rafs, i);
	const struct blob_file *file = image_blob_file(c->image, i);

	if (!file)
		check_found(c, info->id, "the blob cannot be opened: %s", c->image->blobs[i].file_error.text);
	else if (blob_size(file) < info->c_size)
		check_found(c, info->id, "the blob has %" PRIu64 " bytes, the image says %" PRIu64, blob_size(file),
			    info->c_size);
	if (image_has_table(c->image, i))
		check_table(c, i);
	c->total += info->u_size;
}

/* Whether there are as many inodes as the superblock tells; of a tree that could be walked whole. */
static void check_count(struct check *c)
{
	const struct rafs_super *super = c->image->super;
	uint64_t found = super->version == 6 ? c->tally.names : c->tally.inodes;
	if (found != super->inodes)
		check_found(c, "superblock", "it tells of %" PRIu64 " inodes, but there are %" PRIu64, super->inodes,
			    found);
}

static int check_tree(struct check *c)
{
	static const struct image_walk_ops ops = { check_entry, check_directory, walk_bad };
	struct rafs_inode root;
	uint64_t before = c->tally.findings;
	int res = rafs_inode_get(c->image->rafs, c->image->super->root, &root);

	if (res != 0) {
		check_found(c, "/", "the inode: %s", image_reason(res));
		return 0;
	}
	res = check_root(c, &root);
	if (res == 0)
		res = image_walk(c->image->rafs, "/", &root, true, &ops, c);
	if (res != 0)
		return res == -ECANCELED ? 0 : res;
	check_links(c);
	/* Names that could not be followed would be missing in the count. */
	if (c->tally.findings == before)
		check_count(c);
	return 0;
}

static void check_prefetch(struct check *c)
{
	struct rafs_inode inode;
	for (uint32_t i = 0; i < c->image->super->prefetch_entries; i++) {
		uint64_t ino = rafs_image_prefetch(c->image->rafs, i);
		int res = ino != 0 ? rafs_inode_get(c->image->rafs, ino, &inode) : 0;
		if (ino == 0)
			break;
		if (res != 0)
			check_found(c, "prefetch table", "entry %" PRIu32 ", inode %" PRIu64 ": %s", i, ino,
				    image_reason(res));
	}
}

int image_check(struct image *image, const struct args *args, const char *path)
{
	uint64_t size = image->super->meta_size;
	struct check c = {
		.image = image,
		.fast = args_has(args, "fast"),
		.decoder = image_decoder_new(),
		.links.max = size / INODE_COSTS + 1,
		.chunks_left = size / CHUNK_COSTS + 1,
		.progress = isatty(STDERR_FILENO) == 1,
	};
	int res = c.decoder ? 0 : -ENOMEM;
	(void)path;

	for (uint32_t i = 0; res == 0 && i < image->super->blobs; i++)
		check_blob(&c, i);
	if (res == 0)
		res = check_tree(&c);
	if (res == 0)
		check_prefetch(&c);
	int status =
		res == 0 ? check_verdict(&c) : ctl_fail(CTL_FAILED, "the check cannot go on: %s", image_reason(res));
	image_decoder_free(c.decoder);
	image_map_free(&c.links);
	image_map_free(&c.seen);
	return status;
}
