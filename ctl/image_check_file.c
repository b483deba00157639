/* SPDX-License-Identifier: Apache-2.0 */
/* graftctl image check: the chunks of a file, each looked at the first time it is used. */
#include "ctl/image_check.h"

#include "ctl/image_text.h"
#include "rafs/codec/digest.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* What of a chunk must be the same wherever the metadata tells of it; never 0. */
static uint64_t fingerprint(uint32_t blob, const struct rafs_chunk *chunk)
{
	uint8_t digest[RAFS_DIGEST_SIZE];
	uint64_t word = 0;
	struct {
		uint64_t blob, c_off, u_off;
		uint32_t c_size, u_size, index, flags, context, at, crc, zero;
		uint8_t digest[RAFS_DIGEST_SIZE];
	} all = {
		.blob = blob,
		.c_off = chunk->c_off,
		.u_off = chunk->u_off,
		.c_size = chunk->c_size,
		.u_size = chunk->u_size,
		.index = chunk->index,
		.flags = chunk->flags,
		.context = chunk->context,
		.at = chunk->at,
		.crc = chunk->crc,
	};
	memcpy(all.digest, chunk->digest, sizeof(all.digest));
	/* Needs no memory. */
	digest_of(RAFS_BLAKE3, &all, sizeof(all), digest);
	memcpy(&word, digest, sizeof(word));
	return word != 0 ? word : 1;
}

static void chunk_bad(struct check *c, const char *path, uint32_t blob, const struct rafs_chunk *chunk,
		      const char *what)
{
	check_found(c, path, "chunk %" PRIu32 " of blob %s: %s", chunk->index,
		    rafs_image_blob(c->image->rafs, blob)->id, what);
}

/* Whether it is seen for the first time; -errno. */
static int first_seen(struct check *c, const char *path, uint32_t blob, const struct rafs_chunk *chunk)
{
	uint64_t is = fingerprint(blob, chunk);
	/* Images without an extended blob table number no chunks. */
	bool numbered = rafs_image_blob(c->image->rafs, blob)->chunk_count > 0;
	uint64_t *was = image_map_at(&c->seen, numbered ? (uint64_t)blob << 32 | chunk->index : is);

	if (!was)
		return -ENOMEM;
	if (*was == 0) {
		*was = is;
		return 1;
	}
	if (*was != is)
		chunk_bad(c, path, blob, chunk, "the metadata tells of it in two ways");
	/* So that not only the first one's way is tried. */
	return *was != is;
}

static void verify_chunk(struct check *c, const char *path, uint32_t blob, const struct rafs_chunk *chunk)
{
	const char *what;
	bool checked = false;
	int res = image_chunk_verify(c->image, c->decoder, blob, chunk, &checked, &what);

	c->tally.done += chunk->u_size;
	if (res != 0)
		chunk_bad(c, path, blob, chunk, what);
	else if (checked)
		c->tally.verified += chunk->u_size;
	else
		c->tally.unchecked++;
	check_progress(c);
}

/* A stretch with data: its chunk as the metadata has it, and what the blob holds. */
static int check_chunk(struct check *c, const char *path, const struct rafs_extent *extent)
{
	struct rafs_chunk chunk;
	const char *what;
	int res = image_chunk_of(c->image, extent, &chunk, &what);

	/* That the chunk table is missing was said of the blob. */
	if (res == -ENOENT)
		return 0;
	if (res != 0) {
		chunk_bad(c, path, extent->blob, &chunk, what);
		return 0;
	}
	res = first_seen(c, path, extent->blob, &chunk);
	if (res <= 0)
		return res;
	c->tally.chunks++;
	/* As was the missing blob. */
	if (!c->fast && image_blob_file(c->image, extent->blob))
		verify_chunk(c, path, extent->blob, &chunk);
	return 0;
}

/* The stretch at off: 0 and the next one's off, -EUCLEAN with a finding, or -errno. */
static int check_stretch(struct check *c, const char *path, const struct rafs_inode *inode, uint64_t *off)
{
	struct rafs_extent extent;
	int res = rafs_extent_at(c->image->rafs, inode, *off, &extent);

	if (res != 0) {
		check_found(c, path, "the chunk of byte %" PRIu64 ": %s", *off, image_reason(res));
		return -EUCLEAN;
	}
	if (extent.file_off != *off || extent.len == 0 || extent.len > inode->size - *off) {
		check_found(c, path, "the chunk of byte %" PRIu64 " holds another stretch of the file", *off);
		return -EUCLEAN;
	}
	*off += extent.len;
	if (!extent.hole)
		return check_chunk(c, path, &extent);
	check_found(c, path, "no chunk holds bytes %" PRIu64 " to %" PRIu64, extent.file_off, *off - 1);
	return 0;
}

int check_file(struct check *c, const char *path, const struct rafs_inode *inode)
{
	int res = 0;

	for (uint64_t off = 0; res == 0 && off < inode->size;) {
		if (c->chunks_left == 0) {
			check_found(c, path,
				    "the files have more chunks than the bootstrap has room for: parts of it overlap");
			return -ECANCELED;
		}
		c->chunks_left--;
		res = check_stretch(c, path, inode, &off);
	}
	/* The other files may be good. */
	return res == -EUCLEAN ? 0 : res;
}
