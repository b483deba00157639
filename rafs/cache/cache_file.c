/* SPDX-License-Identifier: Apache-2.0 */
/* Data file and chunk map of a blob: found or made as a pair under the folder's lock, then used without any lock. */
#include "rafs/cache/cache_file.h"

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/mapping.h"
#include "rafs/blob/backend.h"
#include "rafs/bytes.h"
#include "rafs/cache/chunk_map.h"
#include "rafs/cache/internal.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>

#define FULL_NS UINT64_C(10000000000) /* without a write, after one for which there was no room */

struct cache_file {
	/* constant */
	struct cache_dir *dir;
	char id[RAFS_BLOB_ID_MAX + 1];
	enum cache_form form;
	uint64_t size;
	uint32_t chunks;
	int data_fd;
	int map_fd; /* holds the shared lock; -1: the data file does */
	struct mapping map;
	unsigned char *own_map; /* without a map file: map's memory */
	/* protected by dir->lock */
	struct cache_file *next;
	uint32_t refs;
};

/* Names of a blob's files. */
struct names {
	char data[CACHE_NAME_SIZE], other[CACHE_NAME_SIZE]; /* of the form wanted, and of the other */
	char map[CACHE_NAME_SIZE];
};

static void names_of(struct names *n, const struct cache_file *f)
{
	static const char *const suffixes[] = { [CACHE_PLAIN] = CACHE_DATA_SUFFIX, [CACHE_RAW] = CACHE_RAW_SUFFIX };

	unsigned int form = f->form & CACHE_RAW;

	snprintf(n->data, sizeof(n->data), "%s%s", f->id, suffixes[form]);
	snprintf(n->other, sizeof(n->other), "%s%s", f->id, suffixes[form ^ CACHE_RAW]);
	snprintf(n->map, sizeof(n->map), "%s" CACHE_MAP_SUFFIX, f->id);
}

static bool is_unmapped(const struct cache_file *f)
{
	return f->form & CACHE_UNMAPPED;
}

/* The file that is locked, and by which others tell whether it was replaced. */
static int lock_fd(const struct cache_file *f)
{
	return is_unmapped(f) ? f->data_fd : f->map_fd;
}

static int read_all(int fd, void *to, size_t len, uint64_t off)
{
	for (size_t done = 0; done < len;) {
		ssize_t got = pread(fd, (char *)to + done, len - done, (off_t)(off + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -EIO;
		done += (size_t)got;
	}
	return 0;
}

static int write_all(int fd, const void *from, size_t len, uint64_t off)
{
	for (size_t done = 0; done < len;) {
		ssize_t put = pwrite(fd, (const char *)from + done, len - done, (off_t)(off + done));

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return put < 0 ? -errno : -EIO;
		done += (size_t)put;
	}
	return 0;
}

static void close_files(struct cache_file *f)
{
	cleanup_close(&f->data_fd);
	cleanup_close(&f->map_fd);
	f->data_fd = f->map_fd = -1;
}

/*
 * Gives the map all its blocks: on a full disk a write to the mapping has no way to fail. Where the file system cannot,
 * the mapping copes: the bits of that page are then no one's but ours.
 */
static int map_allocate(int fd, uint64_t size)
{
	if (fallocate(fd, 0, 0, (off_t)size) == 0 || errno == EOPNOTSUPP || errno == ENOSYS)
		return 0;
	return -errno;
}

/* The same without a map: its size is all that is asked of the data file. */
static int adopt_unmapped(struct cache_file *f, const struct names *n)
{
	struct stat st;

	f->data_fd = cache_member_open(f->dir, n->data, O_RDWR, &st);
	if (f->data_fd < 0)
		return f->data_fd == -ENOENT ? 0 : f->data_fd;
	if ((uint64_t)st.st_size != f->size)
		return 0;
	return flock(f->data_fd, LOCK_SH | LOCK_NB) < 0 ? -errno : 1;
}

/*
 * Takes the files that are there if they can be believed: a pair of the right sizes, the right header, and no data file
 * of the other form, whose bits the map could hold. 1: taken; 0: to be made anew; -errno.
 */
static int adopt(struct cache_file *f, const struct names *n)
{
	unsigned char header[CHUNK_MAP_HEADER];
	struct stat st, other;

	f->map_fd = cache_member_open(f->dir, n->map, O_RDWR, &st);
	if (f->map_fd < 0)
		return f->map_fd == -ENOENT ? 0 : f->map_fd;
	if ((uint64_t)st.st_size != chunk_map_size(f->chunks) || read_all(f->map_fd, header, sizeof(header), 0) < 0 ||
	    !chunk_map_header_ok(header))
		return 0;
	f->data_fd = cache_member_open(f->dir, n->data, O_RDWR, &st);
	if (f->data_fd < 0)
		return f->data_fd == -ENOENT ? 0 : f->data_fd;
	if ((uint64_t)st.st_size != f->size || fstatat(f->dir->fd, n->other, &other, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	/* Removers hold the folder's lock, which is ours now, so none has the map's. */
	if (flock(f->map_fd, LOCK_SH | LOCK_NB) < 0)
		return -errno;
	return 1;
}

static int fill_map(int fd, uint32_t chunks)
{
	unsigned char header[CHUNK_MAP_HEADER];
	uint64_t size = chunk_map_size(chunks);
	int res;

	chunk_map_header_make(header);
	if (ftruncate(fd, (off_t)size) < 0)
		return -errno;
	res = map_allocate(fd, size);
	if (!res)
		res = write_all(fd, header, sizeof(header), 0);
	if (!res && flock(fd, LOCK_SH | LOCK_NB) < 0)
		res = -errno;
	return res;
}

static int remove_name(const struct cache_dir *dir, const char *name)
{
	return unlinkat(dir->fd, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

/*
 * In an order that leaves nothing to believe wherever it stops: the old map goes first, the new one comes last. Old
 * files lose their names but not their bytes, for whoever has them open or mapped. map: NULL: there shall be none.
 */
static int make_names(struct cache_file *f, const struct names *n, struct cache_temp *data, struct cache_temp *map)
{
	int res = remove_name(f->dir, n->map);

	if (!res)
		res = remove_name(f->dir, n->other);
	if (!res)
		res = cache_temp_publish(f->dir, data, n->data, NULL);
	if (res < 0)
		return res;
	if (!map)
		return 0;
	res = cache_temp_publish(f->dir, map, n->map, NULL);
	if (res < 0)
		remove_name(f->dir, n->data);
	return res;
}

static int make_unmapped(struct cache_file *f, const struct names *n)
{
	struct cache_temp data;
	int res = cache_temp_make(f->dir, &data);

	if (!res && (ftruncate(data.fd, (off_t)f->size) < 0 || flock(data.fd, LOCK_SH | LOCK_NB) < 0))
		res = -errno;
	if (!res)
		res = make_names(f, n, &data, NULL);
	if (!res)
		f->data_fd = steal_fd(&data.fd);
	cache_temp_drop(f->dir, &data);
	return res;
}

static int make_anew(struct cache_file *f, const struct names *n)
{
	struct cache_temp data, map = { .fd = -1 };
	int res = cache_temp_make(f->dir, &data);

	if (!res && ftruncate(data.fd, (off_t)f->size) < 0)
		res = -errno;
	if (!res)
		res = cache_temp_make(f->dir, &map);
	if (!res)
		res = fill_map(map.fd, f->chunks);
	if (!res)
		res = make_names(f, n, &data, &map);
	if (!res) {
		f->data_fd = steal_fd(&data.fd);
		f->map_fd = steal_fd(&map.fd);
	}
	cache_temp_drop(f->dir, &map);
	cache_temp_drop(f->dir, &data);
	return res;
}

static int open_files(struct cache_file *f, struct graft_error *err)
{
	int lock = cache_lock(f->dir, f->dir->open_wait_ms), res;
	struct names n;

	if (lock < 0)
		return error_set(err, -lock, "cache folder %s: cannot lock it for blob %s: %s", f->dir->path, f->id,
				 lock == -ETIMEDOUT ? "another process holds its lock" : strerror(-lock));
	names_of(&n, f);
	res = is_unmapped(f) ? adopt_unmapped(f, &n) : adopt(f, &n);
	if (!res) {
		close_files(f);
		res = is_unmapped(f) ? make_unmapped(f, &n) : make_anew(f, &n);
	}
	cache_unlock(lock);
	if (res == -EISDIR)
		return error_set(err, EISDIR, "cache folder %s: a file of blob %s is a folder", f->dir->path, f->id);
	if (res < 0)
		return error_set(err, -res, "cache folder %s: cannot open or make the files of blob %s: %s",
				 f->dir->path, f->id, strerror(-res));
	return 0;
}

/*
 * Another open of the same files in this process, counted. Not one whose files were replaced meanwhile. map: only a
 * user of this very file; NULL: of any. dir->lock is held.
 */
static struct cache_file *find_open(const struct cache_file *want, const struct stat *map)
{
	for (struct cache_file *f = want->dir->files; f; f = f->next) {
		struct stat st;

		if (f->form != want->form || f->size != want->size || f->chunks != want->chunks ||
		    strcmp(f->id, want->id) != 0)
			continue;
		if (fstat(lock_fd(f), &st) < 0 || st.st_nlink == 0 ||
		    (map && (st.st_ino != map->st_ino || st.st_dev != map->st_dev)))
			continue;
		f->refs++;
		return f;
	}
	return NULL;
}

static void file_free(struct cache_file *f)
{
	mapping_close(&f->map);
	free(f->own_map);
	close_files(f);
	cache_dir_put(f->dir);
	free(f);
}

/* Enters it among the open files; what another thread entered first is used instead. */
static struct cache_file *enter(struct cache_file *f)
{
	struct cache_file *first = NULL;
	struct stat st;

	pthread_mutex_lock(&f->dir->lock);
	if (fstat(lock_fd(f), &st) == 0)
		first = find_open(f, &st);
	if (!first) {
		f->next = f->dir->files;
		f->dir->files = f;
	}
	pthread_mutex_unlock(&f->dir->lock);
	if (!first)
		return f;
	file_free(f);
	return first;
}

static struct cache_file *file_new(struct cache_dir *dir, const char *id, enum cache_form form, uint64_t size,
				   uint32_t chunks)
{
	struct cache_file *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->dir = cache_dir_ref(dir);
	memcpy(f->id, id, strlen(id));
	f->form = form;
	f->size = size;
	f->chunks = chunks;
	f->data_fd = f->map_fd = -1;
	f->refs = 1;
	return f;
}

static int open_own_map(struct cache_file *f, struct graft_error *err)
{
	f->own_map = calloc(1, chunk_map_size(f->chunks));
	if (!f->own_map)
		return error_set(err, ENOMEM, "cache folder %s: no memory for blob %s", f->dir->path, f->id);
	cache_touch(f->data_fd);
	return 0;
}

static int file_open(struct cache_file *f, struct graft_error *err)
{
	int res = open_files(f, err);

	if (res < 0)
		return res;
	if (is_unmapped(f))
		return open_own_map(f, err);
	/* Another program's map may have holes. If there is no room for them the mapping copes as well. */
	map_allocate(f->map_fd, chunk_map_size(f->chunks));
	cache_touch(f->map_fd);
	res = mapping_open(&f->map, f->map_fd, 0, chunk_map_size(f->chunks), MAPPING_SHARED, err);
	if (res < 0)
		error_wrap(err, "cache folder %s: chunk map of blob %s", f->dir->path, f->id);
	return res;
}

int cache_file_open(struct cache_file **file, struct cache_dir *dir, const char *id, enum cache_form form,
		    uint64_t size, uint32_t chunks, struct graft_error *err)
{
	struct cache_file *f;
	int res;

	*file = NULL;
	if (!blob_id_ok(id, strnlen(id, RAFS_BLOB_ID_MAX + 1)))
		return error_set(err, EINVAL, "cache folder %s: this cannot be a blob's id", dir->path);
	if (size == 0 || size > INT64_MAX || chunks == 0 || chunks > RAFS_CHUNKS_MAX)
		return error_set(err, EINVAL, "cache folder %s: blob %s has no size or chunks that could be kept",
				 dir->path, id);
	f = file_new(dir, id, form, size, chunks);
	if (!f)
		return error_set(err, ENOMEM, "cache folder %s: no memory for blob %s", dir->path, id);
	pthread_mutex_lock(&dir->lock);
	*file = find_open(f, NULL);
	pthread_mutex_unlock(&dir->lock);
	if (*file) {
		file_free(f);
		return 0;
	}
	res = file_open(f, err);
	if (res < 0) {
		file_free(f);
		return res;
	}
	*file = enter(f);
	return 0;
}

void cache_file_close(struct cache_file *file)
{
	struct cache_file **at;
	bool last;

	if (!file)
		return;
	pthread_mutex_lock(&file->dir->lock);
	last = --file->refs == 0;
	if (last) {
		for (at = &file->dir->files; *at != file; at = &(*at)->next)
			;
		*at = file->next;
	}
	pthread_mutex_unlock(&file->dir->lock);
	if (!last)
		return;
	cache_touch(lock_fd(file));
	file_free(file);
}

static unsigned char *map_of(const struct cache_file *f)
{
	return f->own_map ? f->own_map : f->map.base;
}

int cache_file_fd(const struct cache_file *file)
{
	return file->data_fd;
}

bool cache_file_ready(const struct cache_file *file, uint32_t i)
{
	return chunk_map_ready(map_of(file), i);
}

void cache_file_set_ready(struct cache_file *file, uint32_t i)
{
	chunk_map_set(map_of(file), i);
}

void cache_file_clear_ready(struct cache_file *file, uint32_t i)
{
	chunk_map_clear(map_of(file), i);
}

uint32_t cache_file_count_ready(const struct cache_file *file)
{
	return chunk_map_count(map_of(file), file->chunks);
}

bool cache_file_written(const struct cache_file *file, uint64_t off, uint64_t len)
{
	off_t data = lseek(file->data_fd, (off_t)off, SEEK_DATA);

	return data < 0 ? errno != ENXIO : (uint64_t)data < off + len;
}

int cache_file_write(struct cache_file *file, const void *bytes, size_t len, uint64_t off)
{
	struct cache_dir *dir = file->dir;
	uint64_t full = atomic_load_explicit(&dir->full_until, memory_order_relaxed);
	int res;

	if (!bytes_within(off, len, file->size))
		return -EINVAL;
	if (full && clock_ns(CLOCK_MONOTONIC) < full)
		return -ENOSPC;
	res = write_all(file->data_fd, bytes, len, off);
	if (res == -ENOSPC || res == -EDQUOT)
		atomic_store_explicit(&dir->full_until, clock_ns(CLOCK_MONOTONIC) + FULL_NS, memory_order_relaxed);
	return res;
}

int cache_file_read(const struct cache_file *file, void *to, size_t len, uint64_t off)
{
	if (!bytes_within(off, len, file->size))
		return -EIO;
	return read_all(file->data_fd, to, len, off);
}
