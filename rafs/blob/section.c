/* SPDX-License-Identifier: Apache-2.0 */
/* Sections of a blob that are kept as files: unpacked and checked on the way, in the cache folder or in memory. */
#include "rafs/blob/section.h"

#include "lib/cleanup.h"
#include "rafs/bytes.h"
#include "rafs/codec/digest.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <zstd.h>

#define PIECE       (UINT32_C(128) << 10) /* bytes read or written at once */
#define RATIO_MAX   1024
#define RATIO_SLACK (UINT64_C(1) << 20)

bool section_ratio_ok(uint64_t c_size, uint64_t u_size)
{
	return u_size <= RATIO_SLACK || (u_size - RATIO_SLACK) / RATIO_MAX <= c_size;
}

bool section_sizes_ok(const struct toc_entry *e, uint64_t max)
{
	if (e->u_size == 0 || e->u_size > max)
		return false;
	if (e->compressor == RAFS_NONE)
		return e->c_size == e->u_size;
	return section_ratio_ok(e->c_size, e->u_size);
}

int section_write(int fd, const void *bytes, size_t len)
{
	const unsigned char *p = bytes;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/* What is held while a section is unpacked. */
struct unpack {
	const struct section_source *source;
	const struct toc_entry *e;
	const uint8_t *want;
	int fd;
	struct digest *digest; /* NULL: nothing is wanted */
	ZSTD_DStream *zstd;
	unsigned char *in, *out; /* PIECE bytes each */
	uint64_t done;           /* bytes written */
};

static int emit(struct unpack *u, const void *bytes, size_t len)
{
	if (len > u->e->u_size - u->done)
		return -EIO;
	u->done += len;
	if (u->digest)
		digest_add(u->digest, bytes, len);
	return section_write(u->fd, bytes, len);
}

/* One piece of input; *ended once the frame is whole. */
static int inflate_piece(struct unpack *u, size_t len, bool *ended)
{
	ZSTD_inBuffer in = { .src = u->in, .size = len };

	while (in.pos < in.size) {
		ZSTD_outBuffer out = { .dst = u->out, .size = PIECE };
		size_t left = *ended ? 0 : ZSTD_decompressStream(u->zstd, &out, &in);

		/* What follows the one frame is not a section's. */
		if (*ended || ZSTD_isError(left))
			return -EIO;
		int res = emit(u, u->out, out.pos);
		if (res < 0)
			return res;
		*ended = left == 0;
	}
	return 0;
}

/* What the decompressor still holds when all input is in. */
static int inflate_rest(struct unpack *u, bool ended)
{
	while (!ended) {
		ZSTD_inBuffer in = { .src = u->in };
		ZSTD_outBuffer out = { .dst = u->out, .size = PIECE };
		size_t left = ZSTD_decompressStream(u->zstd, &out, &in);

		if (ZSTD_isError(left) || (left && out.pos == 0))
			return -EIO;
		int res = emit(u, u->out, out.pos);
		if (res < 0)
			return res;
		ended = left == 0;
	}
	return 0;
}

static int copy(struct unpack *u)
{
	bool packed = u->e->compressor != RAFS_NONE, ended = false;
	uint8_t digest[RAFS_DIGEST_SIZE];
	int res;

	for (uint64_t at = 0; at < u->e->c_size;) {
		uint64_t left = u->e->c_size - at;
		size_t n = left < PIECE ? (size_t)left : PIECE;

		res = u->source->read(u->source->arg, u->e->c_off + at, u->in, n);
		if (!res)
			res = packed ? inflate_piece(u, n, &ended) : emit(u, u->in, n);
		if (res < 0)
			return res;
		at += n;
	}
	res = packed ? inflate_rest(u, ended) : 0;
	if (res < 0)
		return res;
	if (u->done != u->e->u_size)
		return -EIO;
	if (!u->digest)
		return 0;
	digest_end(u->digest, digest);
	return memcmp(digest, u->want, sizeof(digest)) == 0 ? 0 : -EUCLEAN;
}

int section_unpack(const struct section_source *source, const struct toc_entry *e, const uint8_t *want, int fd)
{
	struct unpack u = { .source = source, .e = e, .want = want, .fd = fd };
	int res = -ENOMEM;

	u.digest = want ? digest_new(RAFS_SHA256) : NULL;
	u.in = malloc(PIECE);
	u.out = malloc(PIECE);
	u.zstd = ZSTD_createDStream();
	if ((u.digest || !want) && u.in && u.out && u.zstd)
		res = copy(&u);
	ZSTD_freeDStream(u.zstd);
	free(u.out);
	free(u.in);
	if (u.digest)
		digest_free(u.digest);
	return res;
}

static int keep_in_memory(const char *name, int (*fill)(void *arg, int fd), void *arg)
{
	auto_close int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	int res = fill(arg, fd);
	if (res < 0)
		return res;
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
		return -errno;
	return steal_fd(&fd);
}

int section_keep(struct cache_dir *cache, const char *name, int (*fill)(void *arg, int fd), void *arg)
{
	if (cache) {
		int fd = cache_dir_replace(cache, name, fill, arg);

		if (fd >= 0)
			return fd;
	}
	return keep_in_memory(name, fill, arg);
}

int section_cached(struct mapping *map, struct cache_dir *cache, const char *name, uint64_t size)
{
	uint64_t have = 0;

	if (!cache)
		return -ENOENT;
	auto_close int fd = cache_dir_open(cache, name, &have);
	if (fd < 0)
		return fd;
	if (have != size)
		return -ENOENT;
	return mapping_open(map, fd, 0, size, MAPPING_READ, NULL);
}

int section_verify(const struct mapping *map, uint64_t off, uint64_t len, const uint8_t want[RAFS_DIGEST_SIZE])
{
	uint8_t digest[RAFS_DIGEST_SIZE];

	if (!bytes_within(off, len, map->size))
		return -EUCLEAN;
	int res = digest_of(RAFS_SHA256, map->base + off, len, digest);
	if (res < 0)
		return res;
	return memcmp(digest, want, sizeof(digest)) == 0 && !mapping_torn(map) ? 0 : -EUCLEAN;
}
