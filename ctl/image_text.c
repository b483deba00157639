/* SPDX-License-Identifier: Apache-2.0 */
/* What an image holds, for people and as JSON. */
#include "ctl/image_text.h"

#include "ctl/text.h"
#include "lib/cleanup.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

const struct image_bit image_super_bits[] = {
	{ 0x1, "none" },
	{ 0x2, "lz4_block" },
	{ 0x4, "blake3" },
	{ 0x8, "sha256" },
	{ RAFS_SUPER_EXPLICIT_IDS, "explicit-uid-gid" },
	{ RAFS_SUPER_XATTR, "xattr" },
	{ 0x40, "gzip" },
	{ 0x80, "zstd" },
	{ RAFS_SUPER_CHUNK_DIGEST, "chunk-digest" },
	{ RAFS_SUPER_TARFS, "tarfs" },
	{ 0x1000000, "not-encrypted" },
	{ 0x2000000, "aes-128-xts" },
	{ 0, NULL },
};

const struct image_bit image_blob_bits[] = {
	{ RAFS_BLOB_ALIGNED, "aligned" },
	{ RAFS_BLOB_INLINED_META, "inlined-meta" },
	{ RAFS_BLOB_CHUNK_INFO_V2, "chunk-info-v2" },
	{ RAFS_BLOB_ZRAN, "zran" },
	{ RAFS_BLOB_SEPARATE, "separate" },
	{ RAFS_BLOB_CHUNK_DIGEST, "chunk-digest" },
	{ RAFS_BLOB_TARFS, "tarfs" },
	{ RAFS_BLOB_BATCH, "batch" },
	{ RAFS_BLOB_ENCRYPTED, "encrypted" },
	{ RAFS_BLOB_DICT_GENERATED, "dict-generated" },
	{ RAFS_BLOB_PREFETCH_SEPARATED, "prefetch-separated" },
	{ RAFS_BLOB_EXTERNAL, "external" },
	{ RAFS_BLOB_TAR_HEADER, "tar-header" },
	{ RAFS_BLOB_TOC, "toc" },
	{ RAFS_BLOB_CAP_TAR_TOC, "cap-tar-toc" },
	{ 0, NULL },
};

const struct image_bit image_chunk_bits[] = {
	{ RAFS_CHUNK_COMPRESSED, "compressed" },
	{ RAFS_CHUNK_ENCRYPTED, "encrypted" },
	{ RAFS_CHUNK_BATCH, "batch" },
	{ RAFS_CHUNK_ZRAN, "zran" },
	{ RAFS_CHUNK_CRC, "crc" },
	{ RAFS_CHUNK_DIGEST, "digest" },
	{ 0, NULL },
};

const char *image_bits_text(char to[IMAGE_BITS_MAX], const struct image_bit *table, uint64_t bits)
{
	size_t used = 0;
	to[0] = '\0';
	for (; table->name; table++) {
		if (!(bits & table->bit))
			continue;
		used += (size_t)snprintf(to + used, IMAGE_BITS_MAX - used, "%s%s", used > 0 ? " " : "", table->name);
		bits &= ~table->bit;
	}
	if (bits != 0 || used == 0)
		snprintf(to + used, IMAGE_BITS_MAX - used, bits ? "%s0x%" PRIx64 : "-", used > 0 ? " " : "", bits);
	return to;
}

json_t *image_bits_json(const struct image_bit *table, uint64_t bits)
{
	json_t *list = json_array();
	for (; table->name; table++) {
		if (bits & table->bit)
			json_array_append_new(list, json_string(table->name));
		bits &= ~table->bit;
	}
	if (bits != 0)
		json_array_append_new(list, json_sprintf("0x%" PRIx64, bits));
	return list;
}

static const struct {
	uint32_t type;
	char letter;
	const char *name;
} types[] = {
	{ S_IFREG, '-', "file" }, { S_IFDIR, 'd', "dir" },     { S_IFLNK, 'l', "link" },  { S_IFIFO, 'p', "fifo" },
	{ S_IFCHR, 'c', "char" }, { S_IFSOCK, 's', "socket" }, { S_IFBLK, 'b', "block" },
};
#define NTYPES (sizeof(types) / sizeof(types[0]))

static size_t type_of(uint32_t mode)
{
	size_t i = 0;
	while (i < NTYPES && types[i].type != (mode & S_IFMT))
		i++;
	return i;
}

const char *image_type_name(uint32_t mode)
{
	size_t i = type_of(mode);
	return i < NTYPES ? types[i].name : "unknown";
}

const char *image_mode_text(char to[11], uint32_t mode)
{
	static const struct {
		uint32_t bit;
		char x, none;
	} special[] = { { S_ISUID, 's', 'S' }, { S_ISGID, 's', 'S' }, { S_ISVTX, 't', 'T' } };
	size_t type = type_of(mode);
	to[0] = '?';
	if (type < NTYPES)
		to[0] = types[type].letter;
	for (unsigned int i = 0; i < 9; i++)
		to[1 + i] = mode & (0400u >> i) ? "rwx"[i % 3] : '-';
	for (unsigned int i = 0; i < 3; i++) {
		char *x = &to[3 + 3 * i];
		if (mode & special[i].bit)
			*x = *x == 'x' ? special[i].x : special[i].none;
	}
	to[10] = '\0';
	return to;
}

uint32_t image_major(uint32_t rdev)
{
	return rdev >> 8 & 0xfff;
}

uint32_t image_minor(uint32_t rdev)
{
	return (rdev & 0xff) | (rdev >> 12 & 0xfff00);
}

const char *image_date(char to[IMAGE_DATE_MAX], uint64_t seconds)
{
	time_t time = (time_t)seconds;
	struct tm tm;
	if (seconds == 0)
		snprintf(to, IMAGE_DATE_MAX, "-");
	else if (!localtime_r(&time, &tm) || strftime(to, IMAGE_DATE_MAX, "%Y-%m-%d %H:%M:%S", &tm) == 0)
		snprintf(to, IMAGE_DATE_MAX, "@%" PRIu64, seconds);
	return to;
}

const char *image_hex(char *to, const void *bytes, size_t n)
{
	const unsigned char *b = bytes;
	for (size_t i = 0; i < n; i++) {
		to[2 * i] = "0123456789abcdef"[b[i] >> 4];
		to[2 * i + 1] = "0123456789abcdef"[b[i] & 15];
	}
	to[2 * n] = '\0';
	return to;
}

const char *image_reason(int res)
{
	switch (-res) {
	case EUCLEAN:
		return "the metadata breaks a rule of the format";
	case EIO:
		return "cannot be read: bad data, or a file cut short";
	case ENOENT:
		return "not there";
	case ENODATA:
		return "no such extended attribute";
	default:
		return strerror(-res);
	}
}

void image_json_name(json_t *object, const char *key, const char *name)
{
	json_t *text = json_string(name);
	if (text) {
		json_object_set_new(object, key, text);
		return;
	}
	size_t len = strlen(name);
	auto_free char *escaped = text_escape(name), *hex = malloc(2 * len + 1);
	char hex_key[32];
	if (!escaped || !hex)
		return;
	snprintf(hex_key, sizeof(hex_key), "%s_hex", key);
	json_object_set_new(object, key, json_string(escaped));
	json_object_set_new(object, hex_key, json_string(image_hex(hex, name, len)));
}

/* Text without what a terminal or a reader would stumble over; a NUL at the end, as some tools store it, does not
 * count. */
static char *value_as_text(const void *value, size_t len)
{
	char *text = strndup(value, len);
	auto_free char *escaped = text ? text_escape(text) : NULL;
	json_t *utf8 = text ? json_string(text) : NULL;
	bool good = escaped && utf8 && strlen(text) == len;
	for (size_t i = 0; good && i < len; i++)
		good = (unsigned char)text[i] >= ' ' && text[i] != 0x7f;
	json_decref(utf8);
	if (good)
		return text;
	free(text);
	return NULL;
}

json_t *image_json_value(const void *value, size_t len)
{
	auto_free char *text = value_as_text(value, len), *hex = malloc(2 * len + 1);
	return json_pack("{s:s*, s:s*}", "text", text, "hex", hex ? image_hex(hex, value, len) : NULL);
}

void image_put_value(FILE *to, const void *value, size_t len)
{
	auto_free char *text = value_as_text(value, len);
	if (text) {
		fputc('"', to);
		text_put(to, text);
		fputc('"', to);
		return;
	}
	fputs("0x", to);
	for (size_t i = 0; i < len; i++)
		fprintf(to, "%02x", ((const unsigned char *)value)[i]);
}

char *image_target(const struct rafs_image *image, const struct rafs_inode *inode, int *res)
{
	char *target = malloc(IMAGE_LINK_ROOM + 1);
	*res = target ? rafs_readlink(image, inode, target, IMAGE_LINK_ROOM) : -ENOMEM;
	if (*res >= 0) {
		target[*res] = '\0';
		return target;
	}
	free(target);
	return NULL;
}

json_t *image_json_inode(const struct rafs_image *image, const struct rafs_inode *inode)
{
	int res;
	json_t *o = json_pack("{s:s, s:I, s:o, s:I, s:I, s:I, s:I, s:I, s:I}", "type", image_type_name(inode->mode),
			      "ino", (json_int_t)inode->ino, "mode", json_sprintf("%04o", inode->mode & 07777), "nlink",
			      (json_int_t)inode->nlink, "uid", (json_int_t)inode->uid, "gid", (json_int_t)inode->gid,
			      "size", (json_int_t)inode->size, "mtime", (json_int_t)inode->mtime, "mtime_nsec",
			      (json_int_t)inode->mtime_nsec);
	if (S_ISLNK(inode->mode)) {
		auto_free char *target = image_target(image, inode, &res);
		if (target)
			image_json_name(o, "target", target);
	} else if (S_ISCHR(inode->mode) || S_ISBLK(inode->mode)) {
		json_object_set_new(o, "rdev",
				    json_pack("[I, I]", (json_int_t)image_major(inode->rdev),
					      (json_int_t)image_minor(inode->rdev)));
	}
	return o;
}
