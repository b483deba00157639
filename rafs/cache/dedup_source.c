/* SPDX-License-Identifier: Apache-2.0 */
/* The data files that a database names: only what looks like one is opened, and only below folders that may be. */
#include "lib/cleanup.h"
#include "rafs/cache/dedup_internal.h"
#include "rafs/cache/internal.h"

#include <fcntl.h>
#include <string.h>

#define OPEN_FLAGS (O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

/* <folder>/<id>.blob.data, absolute. */
static const char *name_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash ? strlen(slash + 1) : 0, end = strlen(CACHE_DATA_SUFFIX);

	if (path[0] != '/' || len <= end || len >= CACHE_NAME_SIZE || strcmp(slash + 1 + len - end, CACHE_DATA_SUFFIX) != 0)
		return NULL;
	return slash + 1;
}

static bool is_in(const struct dedup_folder *f, const char *path, const char *name)
{
	size_t len = (size_t)(name - path) - 1;

	return strlen(f->path) == len && memcmp(f->path, path, len) == 0;
}

/* The folder to begin at, a copy, and what is left of the path: fd, AT_FDCWD, or -EXDEV. */
static int place_of(struct dedup *d, const char *path, const char **rest)
{
	*rest = name_of(path);
	if (!*rest)
		return -EXDEV;
	LOCK_SCOPE(&d->lock);
	for (uint32_t i = 0; i < d->nfolders; i++) {
		if (is_in(&d->folders[i], path, *rest)) {
			int fd = fcntl(d->folders[i].fd, F_DUPFD_CLOEXEC, 0);

			return fd < 0 ? -errno : fd;
		}
	}
	*rest = path;
	return d->open_paths ? AT_FDCWD : -EXDEV;
}

/* 0, -ENOENT, -EXDEV for what is no regular file, or -errno. */
static int look_at(int at, const char *rest)
{
	struct stat st;

	if (fstatat(at, rest, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOTDIR ? -ENOENT : -errno;
	return S_ISREG(st.st_mode) ? 0 : -EXDEV;
}

int dedup_source_open(struct dedup *d, const char *path)
{
	const char *rest;
	int at = place_of(d, path, &rest), fd;

	if (at < 0 && at != AT_FDCWD)
		return at;
	/* Looked at first: opening a device or a fifo can have effects of its own. */
	fd = look_at(at, rest);
	if (!fd) {
		fd = openat(at, rest, OPEN_FLAGS);
		fd = fd < 0 ? -errno : fd;
	}
	if (at >= 0)
		close(at);
	return fd;
}

enum dedup_presence dedup_source_presence(struct dedup *d, const char *path)
{
	const char *rest;
	int at = place_of(d, path, &rest), res;

	if (at < 0 && at != AT_FDCWD)
		return DEDUP_UNKNOWN;
	res = look_at(at, rest);
	if (at >= 0)
		close(at);
	return !res ? DEDUP_THERE : res == -ENOENT ? DEDUP_GONE : DEDUP_UNKNOWN;
}

void dedup_add_folder(struct dedup *d, const char *path, int fd)
{
	struct dedup_folder f = {.path = strdup(path), .fd = fcntl(fd, F_DUPFD_CLOEXEC, 0)};

	pthread_mutex_lock(&d->lock);
	for (uint32_t i = 0; f.path && i < d->nfolders; i++)
		if (!strcmp(d->folders[i].path, path)) {
			/* Perhaps made anew meanwhile. */
			int old = d->folders[i].fd;

			d->folders[i].fd = f.fd;
			f.fd = old;
			free(steal_ptr(f.path));
		}
	if (f.path && f.fd >= 0 && d->nfolders < DEDUP_FOLDERS_MAX) {
		d->folders[d->nfolders++] = f;
		f = (struct dedup_folder){.fd = -1};
	}
	pthread_mutex_unlock(&d->lock);
	cleanup_close(&f.fd);
	free(f.path);
}

void dedup_folders_drop(struct dedup *d)
{
	for (uint32_t i = 0; i < d->nfolders; i++) {
		cleanup_close(&d->folders[i].fd);
		free(d->folders[i].path);
	}
	d->nfolders = 0;
}
