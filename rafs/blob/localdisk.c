/* SPDX-License-Identifier: Apache-2.0 */
/* Backend localdisk: one descriptor of the disk, which all of its blobs read from. */
#include "rafs/blob/localdisk.h"

#include "lib/cleanup.h"
#include "lib/iov.h"
#include "rafs/blob/gpt.h"
#include "rafs/blob/local_file.h"
#include "rafs/bytes.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#define IMAGE_SECTOR 512 /* bytes, of a disk that is a regular file */

struct localdisk {
	struct backend b; /* first */
	int fd;
	char *path;
	struct gpt gpt;             /* without partitions, where they are not to be looked for */
	struct gpt_partition whole; /* the device, then; its size is 0 otherwise */
};

struct localdisk_file {
	struct blob_file f;  /* first */
	uint64_t base, size; /* bytes */
};

static void localdisk_free(struct backend *b)
{
	struct localdisk *d = (struct localdisk *)b;

	gpt_free(&d->gpt);
	cleanup_close(&d->fd);
	free(d->path);
	free(d);
}

static int localdisk_blob_open(struct backend *b, const char *id, struct blob_file **file, struct graft_error *err)
{
	struct localdisk *d = (struct localdisk *)b;
	const struct gpt_partition *p;
	struct localdisk_file *f;
	int res = 0;

	if (d->whole.size)
		p = &d->whole;
	else
		res = gpt_find(&d->gpt, id, &p);
	if (res == -ENOENT)
		return error_set(err, ENOENT, "localdisk: no partition of %s is blob %s", d->path, id);
	if (res < 0)
		return error_set(err, -res, "localdisk: two partitions of %s are named as blob %s", d->path, id);
	f = calloc(1, sizeof(*f));
	if (!f)
		return error_set(err, ENOMEM, "localdisk: no memory for blob %s", id);
	f->f.backend = b;
	f->base = p->off;
	f->size = p->size;
	*file = &f->f;
	return 0;
}

static int localdisk_read(struct blob_file *file, uint64_t off, const struct iovec *iov, uint32_t n)
{
	const struct localdisk_file *f = (const struct localdisk_file *)file;

	if (!bytes_within(off, iov_length(iov, n), f->size))
		return -EIO;
	return local_file_read(((const struct localdisk *)file->backend)->fd, f->base + off, iov, n);
}

static int localdisk_fd(const struct blob_file *file, uint64_t *base)
{
	*base = ((const struct localdisk_file *)file)->base;
	return ((const struct localdisk *)file->backend)->fd;
}

static uint64_t localdisk_size(const struct blob_file *file)
{
	return ((const struct localdisk_file *)file)->size;
}

static void localdisk_close(struct blob_file *file)
{
	free(file);
}

static const struct backend_ops localdisk_ops = {
	.name = "localdisk",
	.open = localdisk_blob_open,
	.read = localdisk_read,
	.fd = localdisk_fd,
	.size = localdisk_size,
	.close = localdisk_close,
	.free = localdisk_free,
};

static int disk_read(void *arg, uint64_t off, void *to, size_t len)
{
	struct iovec iov = { .iov_base = to, .iov_len = len };

	return local_file_read(((const struct localdisk *)arg)->fd, off, &iov, 1);
}

static int sector_size(int fd, uint32_t *sector)
{
	struct stat st;
	int bytes;

	*sector = IMAGE_SECTOR;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISBLK(st.st_mode))
		return 0;
	if (ioctl(fd, BLKSSZGET, &bytes) < 0)
		return -errno;
	*sector = (uint32_t)bytes;
	return 0;
}

static int disk_open(struct localdisk *d, const struct backend_spec *spec, const struct path_opener *opener,
		     struct graft_error *err)
{
	const char *path = spec->device;
	struct gpt_disk disk = { .read = disk_read, .arg = d };
	int res;

	d->fd = opener->open(opener->arg, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, err);
	if (d->fd < 0)
		return error_wrap(err, "localdisk: device %s", path), d->fd;
	res = local_file_size(d->fd, &disk.size);
	if (res == -EINVAL || res == -EISDIR)
		return error_set(err, -res, "localdisk: %s is neither a block device nor a regular file", path);
	if (!res)
		res = sector_size(d->fd, &disk.sector);
	if (res < 0)
		return error_set(err, -res, "localdisk: cannot tell the size of %s: %s", path, strerror(-res));
	d->path = strdup(path);
	if (!d->path)
		return error_set(err, ENOMEM, "localdisk: no memory for %s", path);
	if (spec->disable_gpt) {
		d->whole.size = disk.size;
		return disk.size ? 0 : error_set(err, EINVAL, "localdisk: device %s is empty", path);
	}
	res = gpt_read(&d->gpt, &disk, err);
	if (res < 0)
		error_wrap(err, "localdisk: device %s", path);
	return res;
}

int localdisk_open(struct backend **backend, const struct backend_spec *spec, const struct path_opener *opener,
		   struct graft_error *err)
{
	struct localdisk *d;
	int res;

	if (!spec->device)
		return error_set(err, EINVAL, "localdisk: no device was given");
	d = calloc(1, sizeof(*d));
	if (!d)
		return error_set(err, ENOMEM, "localdisk: no memory");
	d->b.ops = &localdisk_ops;
	d->fd = -1;
	res = disk_open(d, spec, opener, err);
	if (res < 0) {
		localdisk_free(&d->b);
		return res;
	}
	*backend = &d->b;
	return 0;
}
