/* SPDX-License-Identifier: Apache-2.0 */
/* Cache folders of the process, each once, and files in them that appear whole or not at all. */
#include "rafs/cache/cache_dir.h"

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "rafs/cache/internal.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>

#define OPEN_WAIT_MS 10000
#define LOCK_STEP_MS 5
#define TEMP_NAMES_MAX 16 /* tries to find a free one */

/* All cache folders that are in use. */
static struct {
	pthread_mutex_t lock;
	struct cache_dir *first;
} table = { .lock = PTHREAD_MUTEX_INITIALIZER };

static bool name_ok(const char *name)
{
	size_t len = strnlen(name, CACHE_NAME_SIZE);

	return len > 0 && len < CACHE_NAME_SIZE && !strchr(name, '/') && strcmp(name, ".") != 0 &&
	       strcmp(name, "..") != 0;
}

/* Files without a name. */

static void temp_name(struct cache_temp *t)
{
	uint64_t id;

	if (getrandom(&id, sizeof(id), GRND_NONBLOCK) != (ssize_t)sizeof(id))
		id = clock_ns(CLOCK_MONOTONIC) ^ (uint64_t)getpid() << 40;
	snprintf(t->name, sizeof(t->name), CACHE_TEMP_PREFIX "%016" PRIx64 CACHE_TEMP_SUFFIX, id);
}

static int temp_make_named(struct cache_dir *dir, struct cache_temp *t)
{
	for (int i = 0; i < TEMP_NAMES_MAX; i++) {
		temp_name(t);
		t->fd = openat(dir->fd, t->name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (t->fd >= 0)
			return 0;
		if (errno != EEXIST)
			break;
	}
	t->name[0] = '\0';
	return -errno;
}

int cache_temp_make(struct cache_dir *dir, struct cache_temp *t)
{
	*t = (struct cache_temp){ .fd = -1 };
	if (!atomic_load_explicit(&dir->named, memory_order_relaxed)) {
		t->fd = openat(dir->fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
		if (t->fd >= 0)
			return 0;
		if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
			return -errno;
		atomic_store_explicit(&dir->named, true, memory_order_relaxed);
	}
	return temp_make_named(dir, t);
}

/* By the descriptor where the kernel lets us, else by its name in /proc. */
static int link_fd(const struct cache_dir *dir, int fd, const char *name)
{
	char proc[32];

	if (linkat(fd, "", dir->fd, name, AT_EMPTY_PATH) == 0)
		return 0;
	if (errno == EEXIST)
		return -EEXIST;
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, proc, dir->fd, name, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

/* linkat cannot replace, so a nameless file gets a temporary name before its own. */
static int temp_link(const struct cache_dir *dir, struct cache_temp *t)
{
	int res = -EEXIST;

	for (int i = 0; res == -EEXIST && i < TEMP_NAMES_MAX; i++) {
		temp_name(t);
		res = link_fd(dir, t->fd, t->name);
	}
	if (res < 0)
		t->name[0] = '\0';
	return res;
}

int cache_temp_publish(struct cache_dir *dir, struct cache_temp *t, const char *name, int *readable)
{
	auto_close int fd = -1;
	int res = t->name[0] ? 0 : temp_link(dir, t);

	if (res < 0)
		return res;
	if (readable) {
		fd = openat(dir->fd, t->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			return -errno;
	}
	if (renameat(dir->fd, t->name, dir->fd, name) < 0)
		return -errno;
	t->name[0] = '\0';
	if (readable)
		*readable = steal_fd(&fd);
	return 0;
}

void cache_temp_drop(struct cache_dir *dir, struct cache_temp *t)
{
	int saved = errno;

	if (t->name[0])
		unlinkat(dir->fd, t->name, 0);
	t->name[0] = '\0';
	cleanup_close(&t->fd);
	t->fd = -1;
	errno = saved;
}

/* Folders. */

static void dir_free(struct cache_dir *dir)
{
	cleanup_close(&dir->fd);
	pthread_mutex_destroy(&dir->lock);
	free(dir->path);
	free(dir);
}

/* Whether files can be made, and whether nameless ones can get a name. A full disk is not held against the folder. */
static int dir_probe(struct cache_dir *dir)
{
	struct cache_temp t;
	int res = cache_temp_make(dir, &t);

	if (!res && !t.name[0] && temp_link(dir, &t) < 0) {
		atomic_store_explicit(&dir->named, true, memory_order_relaxed);
		cache_temp_drop(dir, &t);
		res = cache_temp_make(dir, &t);
	}
	cache_temp_drop(dir, &t);
	return res == -ENOSPC || res == -EDQUOT ? 0 : res;
}

/* fd: borrowed. Opened anew, since the caller's may be O_PATH. */
static int dir_new(struct cache_dir **out, int fd, const struct stat *st, const char *path, struct graft_error *err)
{
	struct cache_dir *dir = calloc(1, sizeof(*dir));
	int res;

	if (!dir)
		return error_set(err, ENOMEM, "no memory for cache folder %s", path);
	dir->dev = st->st_dev;
	dir->ino = st->st_ino;
	dir->refs = 1;
	dir->open_wait_ms = OPEN_WAIT_MS;
	pthread_mutex_init(&dir->lock, NULL);
	dir->path = strdup(path);
	dir->fd = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir->fd < 0)
		res = error_set(err, errno, "cannot read cache folder %s: %s", path, strerror(errno));
	else if (!dir->path)
		res = error_set(err, ENOMEM, "no memory for cache folder %s", path);
	else if ((res = dir_probe(dir)) < 0)
		error_set(err, -res, "cannot make files in cache folder %s: %s", path, strerror(-res));
	if (res < 0) {
		dir_free(dir);
		return res;
	}
	*out = dir;
	return 0;
}

/* table.lock is held. */
static struct cache_dir *table_find(const struct stat *st)
{
	struct cache_dir *d;

	for (d = table.first; d; d = d->next) {
		if (d->dev == st->st_dev && d->ino == st->st_ino)
			break;
	}
	if (d)
		d->refs++;
	return d;
}

static void limit_lower(struct cache_dir *dir, uint64_t limit)
{
	uint64_t now = atomic_load_explicit(&dir->limit, memory_order_relaxed);

	while (limit && (!now || limit < now)) {
		if (atomic_compare_exchange_weak_explicit(&dir->limit, &now, limit, memory_order_relaxed,
							  memory_order_relaxed))
			break;
	}
}

int cache_dir_get(struct cache_dir **dir, int fd, const char *path, uint64_t limit, struct graft_error *err)
{
	auto_close int given = fd;
	struct cache_dir *made = NULL;
	struct stat st;
	int res;

	*dir = NULL;
	if (fstat(given, &st) < 0)
		return error_set(err, errno, "cache folder %s: %s", path, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return error_set(err, ENOTDIR, "cache folder %s is not a folder", path);
	pthread_mutex_lock(&table.lock);
	*dir = table_find(&st);
	pthread_mutex_unlock(&table.lock);
	if (!*dir) {
		/* Made without the lock; who was faster wins. */
		res = dir_new(&made, given, &st, path, err);
		if (res < 0)
			return res;
		pthread_mutex_lock(&table.lock);
		*dir = table_find(&st);
		if (!*dir) {
			made->next = table.first;
			table.first = made;
			*dir = steal_ptr(made);
		}
		pthread_mutex_unlock(&table.lock);
	}
	if (made)
		dir_free(made);
	limit_lower(*dir, limit);
	return 0;
}

struct cache_dir *cache_dir_ref(struct cache_dir *dir)
{
	LOCK_SCOPE(&table.lock);
	dir->refs++;
	return dir;
}

void cache_dir_put(struct cache_dir *dir)
{
	struct cache_dir **at;
	bool last;

	if (!dir)
		return;
	pthread_mutex_lock(&table.lock);
	last = --dir->refs == 0;
	if (last) {
		for (at = &table.first; *at != dir; at = &(*at)->next)
			;
		*at = dir->next;
	}
	pthread_mutex_unlock(&table.lock);
	if (last)
		dir_free(dir);
}

const char *cache_dir_path(const struct cache_dir *dir)
{
	return dir->path;
}

int cache_dir_fd(const struct cache_dir *dir)
{
	return dir->fd;
}

int cache_dir_real(const struct cache_dir *dir, char path[CACHE_PATH_MAX])
{
	char link[32];
	struct stat st;
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", dir->fd);
	len = readlinkat(AT_FDCWD, link, path, CACHE_PATH_MAX);
	if (len > 0 && len < CACHE_PATH_MAX) {
		path[len] = '\0';
		if (path[0] == '/' && stat(path, &st) == 0 && st.st_dev == dir->dev && st.st_ino == dir->ino)
			return 0;
	}
	len = snprintf(path, CACHE_PATH_MAX, "%s", dir->path);
	return len < CACHE_PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* Files. */

int cache_member_open(struct cache_dir *dir, const char *name, int flags, struct stat *st)
{
	auto_close int fd = -1;

	/* Looked at first: opening a device or a fifo can have effects of its own. */
	if (fstatat(dir->fd, name, st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISREG(st->st_mode))
		return S_ISDIR(st->st_mode) ? -EISDIR : -ENOENT;
	fd = openat(dir->fd, name, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return errno == ELOOP ? -ENOENT : -errno;
	if (fstat(fd, st) < 0)
		return -errno;
	return S_ISREG(st->st_mode) ? steal_fd(&fd) : -ENOENT;
}

int cache_dir_open(struct cache_dir *dir, const char *name, uint64_t *size)
{
	struct stat st;
	int fd;

	if (!name_ok(name))
		return -EINVAL;
	fd = cache_member_open(dir, name, O_RDONLY, &st);
	if (fd < 0)
		return fd;
	cache_touch(fd);
	*size = (uint64_t)st.st_size;
	return fd;
}

int cache_dir_replace(struct cache_dir *dir, const char *name, int (*fill)(void *arg, int fd), void *arg)
{
	struct cache_temp t;
	int fd = -1, res;

	if (!name_ok(name))
		return -EINVAL;
	res = cache_temp_make(dir, &t);
	if (!res)
		res = fill(arg, t.fd);
	if (res >= 0)
		res = cache_temp_publish(dir, &t, name, &fd);
	cache_temp_drop(dir, &t);
	return res < 0 ? res : fd;
}

int cache_lock(struct cache_dir *dir, int wait_ms)
{
	auto_close int fd = openat(dir->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct timespec step = { .tv_nsec = LOCK_STEP_MS * 1000000L };

	if (fd < 0)
		return -errno;
	for (int waited = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; waited += LOCK_STEP_MS) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (waited >= wait_ms)
			return -ETIMEDOUT;
		nanosleep(&step, NULL);
	}
	return steal_fd(&fd);
}

void cache_unlock(int lock)
{
	int saved = errno;

	/* By name: a child that was forked meanwhile may have a copy of the descriptor. */
	flock(lock, LOCK_UN);
	close(lock);
	errno = saved;
}

void cache_touch(int fd)
{
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_nsec = UTIME_NOW } };
	int saved = errno;

	futimens(fd, times);
	errno = saved;
}

void cache_dir_counts(const struct cache_dir *dir, uint64_t *blobs, uint64_t *bytes)
{
	*blobs = atomic_load_explicit(&dir->trimmed_blobs, memory_order_relaxed);
	*bytes = atomic_load_explicit(&dir->trimmed_bytes, memory_order_relaxed);
}
