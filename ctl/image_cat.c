/* SPDX-License-Identifier: Apache-2.0 */
/* graftctl image cat: the bytes of a file of an image. */
#include "ctl/image.h"

#include "ctl/image_chunk.h"
#include "ctl/image_path.h"
#include "ctl/image_text.h"
#include "lib/cleanup.h"
#include "lib/options.h"
#include "rafs/engine/reader.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define PIECE (UINT32_C(1) << 20) /* bytes read at once */

static const char *const levels[] = { "none", "crc", "digest", "full" };
#define NLEVELS (sizeof(levels) / sizeof(levels[0]))

static void say(void *arg, int level, const char *text)
{
	(void)arg;
	if (level <= GRAFT_LOG_WARN)
		ctl_fail(CTL_FAILED, "%s", text);
}

/* enum reader_validate of --validate; -EINVAL with err. */
static int level_of(const struct args *args, struct graft_error *err)
{
	const char *given = args_value(args, "validate");
	for (size_t i = 0; given && i < NLEVELS; i++) {
		if (strcmp(levels[i], given) == 0)
			return (int)i;
	}
	if (!given)
		return READER_VALIDATE_FULL;
	const char *near = options_nearest(given, levels, NLEVELS);
	return error_set(err, EINVAL, "--validate '%s': none, crc, digest or full%s%s%s", given,
			 near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static int copy(struct image *image, struct reader *reader, const struct rafs_inode *inode, const char *path)
{
	auto_free unsigned char *piece = malloc(PIECE);
	uint64_t off = 0;
	if (!piece)
		return error_set(image->err, ENOMEM, "out of memory");
	while (off < inode->size) {
		int64_t n = reader_wait(reader, inode, off, piece, PIECE);
		if (n <= 0) {
			int code = n == 0 ? EIO : (int)-n;
			return error_set(image->err, code, "%s, from byte %" PRIu64 " on: %s", path, off,
					 image_reason(-code));
		}
		/* Nobody reads on; main says so. */
		if (fwrite(piece, 1, (size_t)n, stdout) != (size_t)n)
			return 0;
		off += (uint64_t)n;
	}
	return 0;
}

/* A chunk for which the blob has no check, by the bootstrap's digest: the reader does not know of those. */
static int verify_chunk(struct image *image, struct image_decoder *d, const struct rafs_extent *extent,
			const char *path)
{
	const struct chunk_table *table = image_blob_table(image, extent->blob);
	struct rafs_chunk chunk;
	const char *what;
	bool checked;
	int res = image_chunk_of(image, extent, &chunk, &what);

	/* What is wrong with the table, the reader says. */
	if (res != 0 || !table || chunk_table_has_digests(table) || chunk.flags & RAFS_CHUNK_CRC)
		return 0;
	res = image_chunk_verify(image, d, extent->blob, &chunk, &checked, &what);
	return res == 0 ? 0
			: error_set(image->err, -res, "%s: chunk %" PRIu32 " of blob %s: %s", path, chunk.index,
				    rafs_image_blob(image->rafs, extent->blob)->id, what);
}

static int verify_chunks(struct image *image, const struct rafs_inode *inode, const char *path)
{
	struct image_decoder *d = image_decoder_new();
	int res = d ? 0 : error_set(image->err, ENOMEM, "out of memory");
	for (uint64_t off = 0; res == 0 && off < inode->size;) {
		struct rafs_extent extent;
		if (rafs_extent_at(image->rafs, inode, off, &extent) != 0)
			break;
		off = extent.file_off + extent.len;
		if (!extent.hole && !extent.complete)
			res = verify_chunk(image, d, &extent, path);
	}
	image_decoder_free(d);
	return res;
}

/* What the reader does not look at, before the first byte is printed: of v5 the digest over the chunks. */
static int verify(struct image *image, const struct rafs_inode *inode, const char *path)
{
	int res = rafs_inode_verify(image->rafs, inode);
	if (res != 0)
		return error_set(image->err, -res, "%s: the digest of the inode: %s", path,
				 res == -EIO ? "differs" : image_reason(res));
	return verify_chunks(image, inode, path);
}

int image_cat(struct image *image, const struct args *args, const char *path)
{
	struct reader_config config = {
		.image = image->rafs, .backend = image->backend, .readahead = PIECE, .log = say
	};
	struct reader *reader = NULL;
	struct rafs_inode inode;
	int level = level_of(args, image->err);
	int res = level < 0 ? level : image_resolve(image->rafs, path, true, &inode, image->err);

	if (res != 0)
		return level < 0 ? CTL_USAGE : res == -ENOENT ? CTL_NOT_FOUND : CTL_FAILED;
	if (!S_ISREG(inode.mode)) {
		error_set(image->err, EINVAL, "%s: no file, but a %s", path, image_type_name(inode.mode));
		return CTL_FAILED;
	}
	config.validate = (uint32_t)level;
	if (config.validate == READER_VALIDATE_FULL)
		res = verify(image, &inode, path);
	if (res == 0)
		res = reader_new(&reader, &config, image->err);
	if (res == 0) {
		res = copy(image, reader, &inode, path);
		reader_free(reader);
	}
	return res == 0 ? CTL_DONE : CTL_FAILED;
}
