/* SPDX-License-Identifier: Apache-2.0 */
/* graftctl image stat: all of an inode of an image, and where its bytes lie. */
#include "ctl/image.h"

#include "ctl/image_chunk.h"
#include "ctl/image_path.h"
#include "ctl/image_text.h"
#include "ctl/text.h"
#include "lib/cleanup.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define NAMES_ROOM 65536 /* bytes of names that are listed */

static void put_facts(const struct image *image, const struct rafs_inode *inode, const char *path)
{
	char mode[11], date[IMAGE_DATE_MAX];
	fputs("path       ", stdout);
	text_put(stdout, path);
	printf("\ninode      %" PRIu64 ", at byte %" PRIu64 " of the bootstrap\n", inode->ino, inode->at);
	printf("type       %s\n", image_type_name(inode->mode));
	printf("mode       %04" PRIo32 " (%s)\n", inode->mode & 07777, image_mode_text(mode, inode->mode));
	printf("links      %" PRIu32 "\n", inode->nlink);
	printf("owner      uid %" PRIu32 ", gid %" PRIu32 "%s\n", inode->uid, inode->gid,
	       image->super->flags & RAFS_SUPER_EXPLICIT_IDS ? "" : " (the image does not keep owners)");
	printf("size       %" PRIu64 "\n", inode->size);
	printf("blocks     %" PRIu64 "\n", inode->blocks);
	if (S_ISREG(inode->mode))
		printf("chunks     %" PRIu32 "\n", inode->count);
	printf("mtime      %s", image_date(date, inode->mtime));
	printf(inode->mtime != 0 ? ".%09" PRIu32 "\n" : "\n", inode->mtime_nsec);
	if (S_ISCHR(inode->mode) || S_ISBLK(inode->mode))
		printf("device     %" PRIu32 ",%" PRIu32 "\n", image_major(inode->rdev), image_minor(inode->rdev));
}

static void put_target(const struct image *image, const struct rafs_inode *inode)
{
	int res;
	auto_free char *target = image_target(image->rafs, inode, &res);
	fputs("target     ", stdout);
	text_put(stdout, target ? target : image_reason(res));
	putchar('\n');
}

static void put_digest(const struct image *image, const struct rafs_inode *inode)
{
	char hex[2 * RAFS_DIGEST_SIZE + 1];
	int res = rafs_inode_verify(image->rafs, inode);
	printf("digest     %s%s\n", image_hex(hex, inode->digest, RAFS_DIGEST_SIZE),
	       res == 0      ? ""
	       : res == -EIO ? " (differs)"
			     : " (cannot be checked)");
}

/* The names of xattrs, each with its NUL: the caller's to free. Returns their bytes or -errno. */
static int64_t list_xattrs(const struct image *image, const struct rafs_inode *inode, char **names)
{
	*names = malloc(NAMES_ROOM);
	return *names ? rafs_xattr_list(image->rafs, inode, *names, NAMES_ROOM) : -ENOMEM;
}

static void put_xattr(const struct image *image, const struct rafs_inode *inode, const char *name, json_t *to)
{
	auto_free unsigned char *value = malloc(RAFS_XATTR_MAX);
	int64_t n = value ? rafs_xattr_get(image->rafs, inode, name, value, RAFS_XATTR_MAX) : -ENOMEM;
	json_t *row = to ? json_object() : NULL;
	if (row) {
		image_json_name(row, "name", name);
		json_object_set_new(row, "value", n >= 0 ? image_json_value(value, (size_t)n) : json_null());
		json_array_append_new(to, row);
		return;
	}
	fputs("  ", stdout);
	text_put(stdout, name);
	fputs(" = ", stdout);
	if (n >= 0)
		image_put_value(stdout, value, (size_t)n);
	else
		text_put(stdout, image_reason((int)n));
	putchar('\n');
}

/* Into the list, or on stdout where that is NULL. 0, or -errno where they cannot be listed. */
static int put_xattrs(const struct image *image, const struct rafs_inode *inode, json_t *to)
{
	auto_free char *names = NULL;
	int64_t n = list_xattrs(image, inode, &names);
	if (n > 0 && !to)
		puts("xattrs");
	for (const char *name = names; n > 0 && name < names + n; name += strlen(name) + 1)
		put_xattr(image, inode, name, to);
	return n < 0 ? (int)n : 0;
}

/* A stretch of the file, and the chunk it comes from. */
struct stretch {
	struct rafs_extent extent;
	struct rafs_chunk chunk;
	bool known; /* the chunk in full */
};

static const char *digest_text(const struct rafs_chunk *chunk, char hex[2 * RAFS_DIGEST_SIZE + 1])
{
	return chunk->flags & RAFS_CHUNK_DIGEST ? image_hex(hex, chunk->digest, RAFS_DIGEST_SIZE) : "-";
}

static void put_chunk(const struct stretch *s)
{
	char flags[IMAGE_BITS_MAX], hex[2 * RAFS_DIGEST_SIZE + 1], crc[16] = "-";
	const struct rafs_chunk *c = &s->chunk;
	printf("%12" PRIu64 " %8" PRIu64, s->extent.file_off, s->extent.len);
	if (s->extent.hole) {
		puts("  hole");
		return;
	}
	printf(" %4" PRIu32 " %8" PRIu32, s->extent.blob, c->index);
	if (!s->known) {
		printf(" %12s %8s %12" PRIu64 "\n", "?", "?", c->u_off);
		return;
	}
	if (c->flags & RAFS_CHUNK_CRC)
		snprintf(crc, sizeof(crc), "%08" PRIx32, c->crc);
	printf(" %12" PRIu64 " %8" PRIu32 " %12" PRIu64 " %-8s %s", c->c_off, c->c_size, c->u_off, crc,
	       digest_text(c, hex));
	printf(" %s", image_bits_text(flags, image_chunk_bits, c->flags));
	if (c->flags & (RAFS_CHUNK_BATCH | RAFS_CHUNK_ZRAN))
		printf(" context %" PRIu32 " at %" PRIu32, c->context, c->at);
	putchar('\n');
}

static json_t *json_of_chunk(const struct stretch *s)
{
	char hex[2 * RAFS_DIGEST_SIZE + 1];
	const struct rafs_chunk *c = &s->chunk;
	json_t *o =
		json_pack("{s:I, s:I}", "offset", (json_int_t)s->extent.file_off, "length", (json_int_t)s->extent.len);
	if (s->extent.hole) {
		json_object_set_new(o, "hole", json_true());
		return o;
	}
	json_object_set_new(o, "blob", json_integer(s->extent.blob));
	json_object_set_new(o, "index", json_integer(c->index));
	json_object_set_new(o, "u_offset", json_integer((json_int_t)c->u_off));
	if (!s->known)
		return o;
	json_object_set_new(o, "u_size", json_integer(c->u_size));
	json_object_set_new(o, "c_offset", json_integer((json_int_t)c->c_off));
	json_object_set_new(o, "c_size", json_integer(c->c_size));
	json_object_set_new(o, "flags", image_bits_json(image_chunk_bits, c->flags));
	if (c->flags & (RAFS_CHUNK_BATCH | RAFS_CHUNK_ZRAN)) {
		json_object_set_new(o, "context", json_integer(c->context));
		json_object_set_new(o, "at", json_integer(c->at));
	}
	if (c->flags & RAFS_CHUNK_CRC)
		json_object_set_new(o, "crc", json_sprintf("%08" PRIx32, c->crc));
	if (c->flags & RAFS_CHUNK_DIGEST)
		json_object_set_new(o, "digest", json_string(digest_text(c, hex)));
	return o;
}

/* Says it once for a blob whose chunk table cannot be asked, and for each chunk that is wrong. */
static int chunk_failed(struct image *image, const struct stretch *s, int res, const char *what, uint32_t *said)
{
	const struct rafs_blob_info *info = rafs_image_blob(image->rafs, s->extent.blob);
	fflush(stdout);
	if (res != -ENOENT)
		ctl_fail(CTL_FAILED, "chunk %" PRIu32 " of blob %s: %s", s->chunk.index, info->id, what);
	else if (*said != s->extent.blob + 1)
		ctl_fail(CTL_FAILED, "blob %s: %s", info->id, image->blobs[s->extent.blob].table_error.text);
	*said = s->extent.blob + 1;
	return CTL_FAILED;
}

/* A line for each stretch; nothing is gathered, a file may have millions. */
static int put_chunks(struct image *image, const struct rafs_inode *inode)
{
	int status = CTL_DONE;
	uint32_t said = 0;
	const char *what;
	if (!image->json)
		puts("      OFFSET   LENGTH BLOB    CHUNK     C-OFFSET   C-SIZE     U-OFFSET CRC      DIGEST FLAGS");
	for (uint64_t off = 0; off < inode->size && !ferror(stdout);) {
		struct stretch s = { 0 };
		int res = rafs_extent_at(image->rafs, inode, off, &s.extent);
		if (res != 0) {
			error_set(image->err, -res, "the chunk of byte %" PRIu64 ": %s", off, image_reason(res));
			return CTL_FAILED;
		}
		res = s.extent.hole ? 0 : image_chunk_of(image, &s.extent, &s.chunk, &what);
		s.known = res == 0;
		if (res != 0)
			status = chunk_failed(image, &s, res, what, &said);
		json_t *line = image->json ? json_of_chunk(&s) : NULL;
		if (line)
			ctl_print_json(line, JSON_COMPACT);
		else
			put_chunk(&s);
		json_decref(line);
		off = s.extent.file_off + s.extent.len;
	}
	return status;
}

/* Returns the bad news of the xattrs. */
static int put_json(struct image *image, const struct rafs_inode *inode, const char *path)
{
	char hex[2 * RAFS_DIGEST_SIZE + 1];
	json_t *o = image_json_inode(image->rafs, inode), *xattrs = json_array();
	int res = o && xattrs ? put_xattrs(image, inode, xattrs) : -ENOMEM;
	image_json_name(o, "path", path);
	json_object_set_new(o, "at", json_integer((json_int_t)inode->at));
	json_object_set_new(o, "blocks", json_integer((json_int_t)inode->blocks));
	if (S_ISREG(inode->mode))
		json_object_set_new(o, "chunks", json_integer(inode->count));
	if (image->super->version == 5)
		json_object_set_new(o, "digest", json_string(image_hex(hex, inode->digest, RAFS_DIGEST_SIZE)));
	json_object_set_new(o, "xattrs", xattrs);
	ctl_print_json(o, JSON_COMPACT);
	json_decref(o);
	return res;
}

static int put_text(struct image *image, const struct rafs_inode *inode, const char *path)
{
	put_facts(image, inode, path);
	if (S_ISLNK(inode->mode))
		put_target(image, inode);
	if (image->super->version == 5)
		put_digest(image, inode);
	return put_xattrs(image, inode, NULL);
}

int image_stat(struct image *image, const struct args *args, const char *path)
{
	struct rafs_inode inode;
	int status = CTL_DONE, res = image_resolve(image->rafs, path, false, &inode, image->err);

	if (res != 0)
		return res == -ENOENT ? CTL_NOT_FOUND : CTL_FAILED;
	res = image->json ? put_json(image, &inode, path) : put_text(image, &inode, path);
	if (res != 0)
		status = ctl_fail(CTL_FAILED, "the extended attributes: %s", image_reason(res));
	if (args_has(args, "chunks") && S_ISREG(inode.mode)) {
		int chunks = put_chunks(image, &inode);
		status = chunks != CTL_DONE ? chunks : status;
	}
	return status;
}
