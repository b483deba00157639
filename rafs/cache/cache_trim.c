/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The folder's size limit. A blob's last use is the newest modification time of its files: the map's is set when a blob
 * is opened and closed and moves as chunks become ready, and unlike access times every kind of mount keeps it.
 */
#include "rafs/cache/cache_dir.h"

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "rafs/cache/internal.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>

#define NS UINT64_C(1000000000)
#define LOOK_NS NS               /* between two looks at the folder */
#define FILES_MAX 65536          /* that are remembered in one look; more are counted, and removed another time */
#define TEMP_OLD (3600 * NS)     /* a temporary file that old was left behind */
#define LOCK_WAIT_MS 100         /* for the folder's lock: whoever has it for longer may be stuck */
#define BLOCK_SIZE UINT64_C(512) /* of st_blocks */

/* What a blob may have in the folder. The map goes first: data without a map is not believed. */
static const char *const suffixes[] = { CACHE_MAP_SUFFIX, CACHE_DATA_SUFFIX, CACHE_RAW_SUFFIX, ".blob.meta",
					".blob.digest",   ".blob.toc",       ".image.boot" };
#define SUFFIXES (sizeof(suffixes) / sizeof(suffixes[0]))

/* A file while the folder is looked through, then a blob. */
struct seen {
	char *id; /* owned */
	uint64_t bytes;
	uint64_t used; /* CLOCK_REALTIME, ns */
};

struct scan {
	struct seen *seen; /* owned */
	size_t n, room;
	uint64_t total; /* bytes */
};

static uint64_t stat_used(const struct stat *st)
{
	return st->st_mtim.tv_sec < 0 ? 0 : (uint64_t)st->st_mtim.tv_sec * NS + (uint64_t)st->st_mtim.tv_nsec;
}

/* Bytes of a name that are a blob's id; 0: the name is not one of ours. */
static size_t id_length(const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < SUFFIXES; i++) {
		size_t end = strlen(suffixes[i]);

		if (len > end && strcmp(name + len - end, suffixes[i]) == 0)
			return len - end;
	}
	return 0;
}

static bool is_temp(const char *name)
{
	size_t len = strlen(name), end = sizeof(CACHE_TEMP_SUFFIX) - 1;

	return strncmp(name, CACHE_TEMP_PREFIX, sizeof(CACHE_TEMP_PREFIX) - 1) == 0 && len > end &&
	       strcmp(name + len - end, CACHE_TEMP_SUFFIX) == 0;
}

static int scan_add(struct scan *s, const char *name, size_t id_len, const struct stat *st)
{
	uint64_t bytes = (uint64_t)st->st_blocks * BLOCK_SIZE;

	s->total += bytes;
	if (s->n == FILES_MAX)
		return 0;
	if (s->n == s->room) {
		size_t room = s->room ? 2 * s->room : 64;
		struct seen *more = reallocarray(s->seen, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		s->seen = more;
		s->room = room;
	}
	s->seen[s->n] = (struct seen){ .id = strndup(name, id_len), .bytes = bytes, .used = stat_used(st) };
	if (!s->seen[s->n].id)
		return -ENOMEM;
	s->n++;
	return 0;
}

static void scan_free(struct scan *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->seen[i].id);
	free(s->seen);
}

static int scan_entry(struct scan *s, const struct cache_dir *dir, const char *name)
{
	size_t id_len = id_length(name);
	struct stat st;

	if (!id_len && !is_temp(name))
		return 0;
	if (fstatat(dir->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return 0;
	if (id_len)
		return scan_add(s, name, id_len, &st);
	if (stat_used(&st) + TEMP_OLD < clock_ns(CLOCK_REALTIME))
		unlinkat(dir->fd, name, 0);
	return 0;
}

static int scan_folder(struct scan *s, const struct cache_dir *dir)
{
	int fd = openat(dir->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), res = 0;
	struct dirent *e;
	DIR *d;

	if (fd < 0)
		return -errno;
	d = fdopendir(fd);
	if (!d) {
		cleanup_close(&fd);
		return -ENOMEM;
	}
	while (!res && (e = readdir(d)))
		res = scan_entry(s, dir, e->d_name);
	closedir(d);
	return res;
}

static int by_id(const void *a, const void *b)
{
	return strcmp(((const struct seen *)a)->id, ((const struct seen *)b)->id);
}

static int by_use(const void *a, const void *b)
{
	uint64_t x = ((const struct seen *)a)->used, y = ((const struct seen *)b)->used;

	return (x > y) - (x < y);
}

/* From files to blobs, those used longest ago first. */
static void scan_group(struct scan *s)
{
	size_t blobs = 0;

	if (!s->n)
		return;
	qsort(s->seen, s->n, sizeof(*s->seen), by_id);
	for (size_t i = 1; i < s->n; i++) {
		struct seen *blob = &s->seen[blobs], *file = &s->seen[i];

		if (strcmp(blob->id, file->id) != 0) {
			s->seen[++blobs] = *file;
			continue;
		}
		blob->bytes += file->bytes;
		if (blob->used < file->used)
			blob->used = file->used;
		free(file->id);
	}
	s->n = blobs + 1;
	qsort(s->seen, s->n, sizeof(*s->seen), by_use);
}

/* Its disk space is given back when the last descriptor is closed, not here: kept[] holds it until after the lock. */
static uint64_t remove_member(const struct cache_dir *dir, const char *id, const char *suffix, int *kept)
{
	char name[CACHE_NAME_SIZE];
	struct stat st;

	if (snprintf(name, sizeof(name), "%s%s", id, suffix) >= (int)sizeof(name) ||
	    fstatat(dir->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || S_ISDIR(st.st_mode))
		return 0;
	*kept = openat(dir->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return unlinkat(dir->fd, name, 0) < 0 ? 0 : (uint64_t)st.st_blocks * BLOCK_SIZE;
}

/* Whether nobody has the blob open and nobody had since it was looked at. The folder's lock is held. */
static bool removable(struct cache_dir *dir, const struct seen *blob)
{
	char name[CACHE_NAME_SIZE];
	auto_close int map = -1;
	struct stat st;

	if (snprintf(name, sizeof(name), "%s" CACHE_MAP_SUFFIX, blob->id) >= (int)sizeof(name))
		return true;
	map = cache_member_open(dir, name, O_RDONLY, &st);
	/* Without a map the lock is on the data: the same name without its end. */
	for (size_t i = 0; map == -ENOENT && i < 2; i++) {
		snprintf(name, sizeof(name), "%s%s", blob->id, i ? CACHE_RAW_SUFFIX : CACHE_DATA_SUFFIX);
		map = cache_member_open(dir, name, O_RDONLY, &st);
	}
	if (map < 0)
		return map == -ENOENT;
	return stat_used(&st) <= blob->used && flock(map, LOCK_EX | LOCK_NB) == 0;
}

/* *bytes: what was freed; 0 if the blob is in use. -errno: the folder's lock is not to be had. */
static int remove_blob(struct cache_dir *dir, const struct seen *blob, uint64_t *bytes)
{
	int kept[SUFFIXES], lock = cache_lock(dir, LOCK_WAIT_MS);
	size_t i;

	*bytes = 0;
	if (lock < 0)
		return lock;
	for (i = 0; i < SUFFIXES; i++)
		kept[i] = -1;
	/* The map's lock may go again: who wants one waits for the folder's first. */
	if (removable(dir, blob)) {
		for (i = 0; i < SUFFIXES; i++)
			*bytes += remove_member(dir, blob->id, suffixes[i], &kept[i]);
	}
	cache_unlock(lock);
	for (i = 0; i < SUFFIXES; i++)
		cleanup_close(&kept[i]);
	return 0;
}

static void hold_to(struct cache_dir *dir, struct scan *s, uint64_t limit)
{
	scan_group(s);
	for (size_t i = 0; i < s->n && s->total > limit; i++) {
		uint64_t bytes;

		if (remove_blob(dir, &s->seen[i], &bytes) < 0)
			break;
		if (!bytes)
			continue;
		s->total -= bytes < s->total ? bytes : s->total;
		atomic_fetch_add_explicit(&dir->trimmed_blobs, 1, memory_order_relaxed);
		atomic_fetch_add_explicit(&dir->trimmed_bytes, bytes, memory_order_relaxed);
	}
}

/* One caller at most in every LOOK_NS. */
static bool due(struct cache_dir *dir)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	uint64_t next = atomic_load_explicit(&dir->next_trim, memory_order_relaxed);

	return now >= next && atomic_compare_exchange_strong_explicit(&dir->next_trim, &next, now + LOOK_NS,
								      memory_order_relaxed, memory_order_relaxed);
}

void cache_dir_trim(struct cache_dir *dir)
{
	uint64_t limit = atomic_load_explicit(&dir->limit, memory_order_relaxed);
	struct scan s = { 0 };

	if (!limit || !due(dir))
		return;
	if (scan_folder(&s, dir) == 0 && s.total > limit)
		hold_to(dir, &s, limit);
	scan_free(&s);
}
