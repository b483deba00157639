/* SPDX-License-Identifier: Apache-2.0 */
/* Backend localfs. Folders are held by descriptors, so that blobs are found there whatever becomes of their paths. */
#include "rafs/blob/localfs.h"

#include "lib/cleanup.h"
#include "rafs/blob/local_file.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#define ALT_DIRS_MAX 16
#define OPEN_FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

/* A folder that blobs are looked for in. */
struct place {
	int fd; /* O_PATH */
	char *path;
};

struct localfs {
	struct backend b; /* first */
	int file_fd;      /* of the one file, or -1 */
	char *file_path;
	uint64_t file_size;
	uint32_t n;
	struct place places[ALT_DIRS_MAX + 1]; /* in the order they are tried */
};

struct localfs_file {
	struct blob_file f; /* first */
	int fd;
	bool borrowed; /* fd is the backend's */
	uint64_t size; /* bytes; blobs do not change */
};

static void localfs_free(struct backend *b)
{
	struct localfs *l = (struct localfs *)b;

	for (uint32_t i = 0; i < l->n; i++) {
		cleanup_close(&l->places[i].fd);
		free(l->places[i].path);
	}
	cleanup_close(&l->file_fd);
	free(l->file_path);
	free(l);
}

static int file_new(struct localfs *l, int fd, bool borrowed, uint64_t size, struct blob_file **file)
{
	struct localfs_file *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	f->f.backend = &l->b;
	f->fd = fd;
	f->borrowed = borrowed;
	f->size = size;
	*file = &f->f;
	return 0;
}

/* The blob in one folder: a descriptor, or -ENOENT if it is not there or has no bytes, -errno. */
static int place_open(const struct place *p, const char *id, uint64_t *size)
{
	auto_close int fd = openat(p->fd, id, OPEN_FLAGS);
	int res;

	if (fd < 0)
		return -errno;
	res = local_file_size(fd, size);
	if (res < 0)
		return res;
	return *size ? steal_fd(&fd) : -ENOENT;
}

static int blob_missing(const struct localfs *l, const char *id, struct graft_error *err)
{
	char more[48] = "";

	if (l->n > 1)
		snprintf(more, sizeof(more), ", nor in %" PRIu32 " other folder%s", l->n - 1, l->n > 2 ? "s" : "");
	return error_set(err, ENOENT, "localfs: blob %s is not in %s%s, or has no bytes there", id, l->places[0].path,
			 more);
}

static int localfs_blob_open(struct backend *b, const char *id, struct blob_file **file, struct graft_error *err)
{
	struct localfs *l = (struct localfs *)b;
	auto_close int fd = -1;
	uint64_t size = 0;
	uint32_t i;

	if (l->file_fd >= 0) {
		if (file_new(l, l->file_fd, true, l->file_size, file) < 0)
			return error_set(err, ENOMEM, "localfs: no memory for blob %s", id);
		return 0;
	}
	for (i = 0; i < l->n; i++) {
		fd = place_open(&l->places[i], id, &size);
		if (fd != -ENOENT)
			break;
	}
	if (i == l->n)
		return blob_missing(l, id, err);
	if (fd == -EINVAL || fd == -EISDIR)
		return error_set(err, -fd, "localfs: blob %s in %s is neither a regular file nor a block device", id,
				 l->places[i].path);
	if (fd < 0)
		return error_set(err, -fd, "localfs: cannot open blob %s in %s: %s", id, l->places[i].path,
				 strerror(-fd));
	if (file_new(l, fd, false, size, file) < 0)
		return error_set(err, ENOMEM, "localfs: no memory for blob %s", id);
	(void)steal_fd(&fd);
	return 0;
}

static int localfs_read(struct blob_file *file, uint64_t off, const struct iovec *iov, uint32_t n)
{
	return local_file_read(((struct localfs_file *)file)->fd, off, iov, n);
}

static int localfs_fd(const struct blob_file *file, uint64_t *base)
{
	*base = 0;
	return ((const struct localfs_file *)file)->fd;
}

static uint64_t localfs_size(const struct blob_file *file)
{
	return ((const struct localfs_file *)file)->size;
}

static void localfs_close(struct blob_file *file)
{
	struct localfs_file *f = (struct localfs_file *)file;

	if (!f->borrowed)
		cleanup_close(&f->fd);
	free(f);
}

static const struct backend_ops localfs_ops = {
	.name = "localfs",
	.open = localfs_blob_open,
	.read = localfs_read,
	.fd = localfs_fd,
	.size = localfs_size,
	.close = localfs_close,
	.free = localfs_free,
};

static int add_place(struct localfs *l, const char *path, const struct path_opener *opener, struct graft_error *err)
{
	struct place *p = &l->places[l->n];
	int fd = opener->open(opener->arg, path, O_PATH | O_DIRECTORY | O_CLOEXEC, err);

	if (fd < 0)
		return error_wrap(err, "localfs: folder of blobs %s", path), fd;
	p->path = strdup(path);
	if (!p->path) {
		cleanup_close(&fd);
		return error_set(err, ENOMEM, "localfs: no memory for folder %s", path);
	}
	p->fd = fd;
	l->n++;
	return 0;
}

static int take_file(struct localfs *l, const char *path, const struct path_opener *opener, struct graft_error *err)
{
	int res;

	l->file_fd = opener->open(opener->arg, path, OPEN_FLAGS, err);
	if (l->file_fd < 0)
		return error_wrap(err, "localfs: blob file %s", path), l->file_fd;
	res = local_file_size(l->file_fd, &l->file_size);
	if (res == -EINVAL || res == -EISDIR)
		return error_set(err, -res, "localfs: blob file %s is neither a regular file nor a block device", path);
	if (res < 0)
		return error_set(err, -res, "localfs: cannot tell the size of %s: %s", path, strerror(-res));
	l->file_path = strdup(path);
	return l->file_path ? 0 : error_set(err, ENOMEM, "localfs: no memory for %s", path);
}

static int take_dirs(struct localfs *l, const struct backend_spec *spec, const struct path_opener *opener,
		     struct graft_error *err)
{
	int res = 0;

	if (!spec->dir)
		return error_set(err, EINVAL, "localfs: neither a folder of blobs nor a blob file was given");
	if (spec->alt_count > ALT_DIRS_MAX)
		return error_set(err, EINVAL, "localfs: %" PRIu32 " other folders of blobs; at most %d are possible",
				 spec->alt_count, ALT_DIRS_MAX);
	res = add_place(l, spec->dir, opener, err);
	for (uint32_t i = 0; !res && i < spec->alt_count; i++) {
		res = add_place(l, spec->alt_dirs[i], opener, err);
		if (res == -ENOENT && spec->alt_may_miss)
			res = 0;
	}
	return res;
}

int localfs_open(struct backend **backend, const struct backend_spec *spec, const struct path_opener *opener,
		 struct graft_error *err)
{
	struct localfs *l = calloc(1, sizeof(*l));
	int res;

	if (!l)
		return error_set(err, ENOMEM, "localfs: no memory");
	l->b.ops = &localfs_ops;
	l->file_fd = -1;
	res = spec->file ? take_file(l, spec->file, opener, err) : take_dirs(l, spec, opener, err);
	if (res < 0) {
		localfs_free(&l->b);
		return res;
	}
	*backend = &l->b;
	return 0;
}
