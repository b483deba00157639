/* SPDX-License-Identifier: Apache-2.0 */
/* From an image's source to its bootstrap: a plain file, or the tail of a blob (reference 0, 3.6). */
#include "rafs/blob/bootstrap.h"

#include "lib/cleanup.h"
#include "rafs/blob/backend.h"
#include "rafs/blob/section.h"
#include "rafs/bytes.h"

#include <inttypes.h>
#include <sys/stat.h>

#define BOOTSTRAP_MIN 4096                /* bytes: a v6 superblock and what stands before it */
#define BOOTSTRAP_MAX (UINT64_C(1) << 31) /* bytes */
#define V5_SIZE       8192                /* bytes of a v5 superblock */
#define V5_MAGIC      UINT32_C(0x52414653)
#define V5_VERSION    0x500
#define V6_MAGIC      UINT32_C(0xe0f5e1e2)
#define V6_MAGIC_AT   1024
#define TAR_HEADER    512
#define TAIL_MAX      0x10000 /* bytes: the largest table of contents */

/* The file that an image is looked for in. */
struct source {
	int fd;
	const char *path;
	uint64_t size;
};

static int read_at(void *arg, uint64_t off, void *to, size_t len)
{
	const struct source *s = arg;
	unsigned char *p = to;

	while (len) {
		ssize_t n = pread(s->fd, p, len, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		p += n;
		off += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

static void name_of(char name[RAFS_BLOB_ID_MAX + 1], const char *path)
{
	const char *slash = strrchr(path, '/'), *file = slash ? slash + 1 : path;
	size_t len = strcspn(file, ".");

	if (len > RAFS_BLOB_ID_MAX)
		len = RAFS_BLOB_ID_MAX;
	memcpy(name, file, len);
	name[len] = '\0';
}

/* 5, 6, 0 for neither; *other: a v5 magic with a version that is not known (0: none). */
static int version_of(struct source *s, uint32_t *other)
{
	unsigned char start[BOOTSTRAP_MIN];
	int res = read_at(s, 0, start, sizeof(start));

	*other = 0;
	if (res < 0)
		return res;
	if (bytes_u32(start) == V5_MAGIC && s->size >= V5_SIZE) {
		if (bytes_u32(start + 4) == V5_VERSION)
			return 5;
		*other = bytes_u32(start + 4);
	}
	return bytes_u32(start + V6_MAGIC_AT) == V6_MAGIC ? 6 : 0;
}

static int map_plain(struct rafs_origin *origin, const struct source *s, struct graft_error *err)
{
	if (s->size > BOOTSTRAP_MAX)
		return error_set(err, EINVAL, "%s: bootstrap of %" PRIu64 " bytes, at most %" PRIu64 " can be", s->path,
				 s->size, (uint64_t)BOOTSTRAP_MAX);
	int res = mapping_open(&origin->map, s->fd, 0, s->size, MAPPING_READ, err);

	return res < 0 ? error_wrap(err, "%s", s->path), res : 0;
}

/* Where the bootstrap lies in a blob; digest: whether the entry has one. 0; -ENOENT; -EUCLEAN; -errno. */
static int locate(struct source *s, struct toc_entry *e, bool *digest)
{
	uint64_t len = s->size < TAIL_MAX ? s->size & ~UINT64_C(127) : TAIL_MAX;
	auto_free unsigned char *tail = malloc(len);
	char name[101];
	int res;

	if (!tail)
		return -ENOMEM;
	res = read_at(s, s->size - len, tail, len);
	if (res < 0)
		return res;
	size_t toc = toc_size(tail, len);
	*digest = toc != 0;
	if (toc)
		return toc_find(tail + len - toc, toc, s->size, NULL, "image.boot", e);
	*e = (struct toc_entry){ .compressor = RAFS_NONE };
	res = tar_header_read(tail + len - TAR_HEADER, name, &e->u_size);
	if (res < 0 || strcmp(name, "image.boot") != 0)
		return -ENOENT;
	if (e->u_size > s->size - TAR_HEADER)
		return -EUCLEAN;
	e->c_size = e->u_size;
	e->c_off = s->size - TAR_HEADER - e->u_size;
	return 0;
}

static int map_raw(struct rafs_origin *origin, const struct source *s, const struct toc_entry *e, bool digest,
		   struct graft_error *err)
{
	int res = mapping_open(&origin->map, s->fd, e->c_off, e->c_size, MAPPING_READ, err);

	if (res < 0)
		return error_wrap(err, "%s: inlined bootstrap", s->path), res;
	if (digest)
		res = section_verify(&origin->map, 0, e->u_size, e->digest);
	if (res < 0) {
		mapping_close(&origin->map);
		return error_set(err, -res, "%s: inlined bootstrap is not the one its table of contents names",
				 s->path);
	}
	return 0;
}

struct fill {
	struct section_source source;
	const struct toc_entry *e;
};

static int fill(void *arg, int fd)
{
	const struct fill *f = arg;

	return section_unpack(&f->source, f->e, f->e->digest, fd);
}

/* Takes the kept file if it is the one that the table of contents means, else makes it. */
static int map_unpacked(struct rafs_origin *origin, struct source *s, const struct toc_entry *e,
			struct cache_dir *cache, struct graft_error *err)
{
	struct fill f = { .source = { .read = read_at, .arg = s }, .e = e };
	char name[RAFS_BLOB_ID_MAX + sizeof(".image.boot")];

	if (!blob_id_ok(origin->name, strlen(origin->name)))
		cache = NULL;
	snprintf(name, sizeof(name), "%s.image.boot", origin->name);
	if (section_cached(&origin->map, cache, name, e->u_size) == 0) {
		if (section_verify(&origin->map, 0, e->u_size, e->digest) == 0)
			return 0;
		mapping_close(&origin->map);
	}
	auto_close int fd = section_keep(cache, name, fill, &f);
	if (fd == -EUCLEAN)
		return error_set(err, EUCLEAN, "%s: inlined bootstrap is not the one its table of contents names",
				 s->path);
	if (fd < 0)
		return error_set(err, -fd, "%s: unpacking the inlined bootstrap: %s", s->path, strerror(-fd));
	int res = mapping_open(&origin->map, fd, 0, e->u_size, MAPPING_READ, err);

	return res < 0 ? error_wrap(err, "%s: inlined bootstrap", s->path), res : 0;
}

static int find_inlined(struct rafs_origin *origin, struct source *s, struct cache_dir *cache, struct graft_error *err)
{
	struct toc_entry e;
	bool digest;
	int res = locate(s, &e, &digest);

	if (res == -ENOENT)
		return error_set(err, EINVAL,
				 "%s: no image: not a RAFS v5 or v6 bootstrap, nor a blob that ends with one", s->path);
	if (res == -EUCLEAN)
		return error_set(err, EUCLEAN, "%s: the table at the blob's end names no bootstrap that can be there",
				 s->path);
	if (res < 0)
		return error_set(err, -res, "%s: reading its end: %s", s->path, strerror(-res));
	if (e.u_size < BOOTSTRAP_MIN || !section_sizes_ok(&e, BOOTSTRAP_MAX))
		return error_set(err, EUCLEAN,
				 "%s: inlined bootstrap of %" PRIu64 " bytes, %" PRIu64 " as stored: no such can be",
				 s->path, e.u_size, e.c_size);
	origin->inlined = true;
	return e.compressor == RAFS_NONE ? map_raw(origin, s, &e, digest, err)
					 : map_unpacked(origin, s, &e, cache, err);
}

int bootstrap_find(struct rafs_origin *origin, int fd, const char *path, struct cache_dir *cache,
		   struct graft_error *err)
{
	struct source s = { .fd = fd, .path = path };
	struct stat st;
	uint32_t other;

	*origin = (struct rafs_origin){ 0 };
	name_of(origin->name, path);
	if (fstat(fd, &st) < 0)
		return error_set(err, errno, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return error_set(err, EINVAL, "%s: no image: not a regular file", path);
	s.size = (uint64_t)st.st_size;
	if (s.size < BOOTSTRAP_MIN)
		return error_set(err, EINVAL, "%s: no image: %" PRIu64 " bytes are too few for one", path, s.size);
	int version = version_of(&s, &other);
	if (version < 0)
		return error_set(err, -version, "%s: %s", path, strerror(-version));
	if (version)
		return map_plain(origin, &s, err);
	int res = find_inlined(origin, &s, cache, err);
	if (res == -EINVAL && other)
		return error_set(err, EINVAL, "%s: RAFS version 0x%x is not known: 0x500 (v5) and v6 are", path, other);
	return res;
}
