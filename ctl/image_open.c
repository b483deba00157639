/* SPDX-License-Identifier: Apache-2.0 */
/* An image without a server: its bootstrap, where its blobs are, each blob and chunk table when it is asked for. */
#include "ctl/image_open.h"

#include "ctl/command.h"
#include "lib/cleanup.h"
#include "rafs/blob/bootstrap.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int open_file(const char *path, struct graft_error *err)
{
	struct stat st;
	/* A FIFO that nobody writes to must not hold us. */
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) != 0)
		return error_set(err, errno, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return error_set(err, EINVAL, "%s: neither a file nor a block device", path);
	return steal_fd(&fd);
}

int image_open(struct image *image)
{
	struct rafs_origin origin = { 0 };
	auto_close int fd = open_file(image->path, image->err);
	if (fd < 0)
		return fd;
	int res = bootstrap_find(&origin, fd, image->path, NULL, image->err);
	if (res != 0)
		return res;
	image->inlined = origin.inlined;
	res = rafs_image_open(&image->rafs, &origin, image->err);
	if (res != 0)
		return error_wrap(image->err, "%s", image->path);
	image->super = rafs_image_super(image->rafs);
	image->blobs = calloc(image->super->blobs + 1, sizeof(*image->blobs));
	return image->blobs ? 0 : error_set(image->err, ENOMEM, "out of memory");
}

void image_close(struct image *image)
{
	for (uint32_t i = 0; image->blobs && i < image->super->blobs; i++) {
		chunk_table_close(image->blobs[i].table);
		blob_close(image->blobs[i].file);
	}
	free(image->blobs);
	digest_table_free(image->digests);
	backend_free(image->backend);
	rafs_image_close(image->rafs);
	free(image->places);
}

static int open_place(void *arg, const char *path, int flags, struct graft_error *err)
{
	(void)arg;
	int fd = open(path, flags | O_CLOEXEC);
	return fd >= 0 ? fd : error_set(err, errno, "%s: %s", path, strerror(errno));
}

/* The folder that path lies in; the caller frees it. NULL when out of memory. */
static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	return !slash ? strdup(".") : slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

static bool is_folder(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int open_backend(struct image *image, const struct backend_spec *spec)
{
	const struct path_opener opener = { .open = open_place };
	int n;
	if (spec->device)
		n = asprintf(&image->places, "the partitions of %s", spec->device);
	else if (spec->file)
		n = asprintf(&image->places, "the file %s", spec->file);
	else
		n = asprintf(&image->places, "the folder %s%s%s", spec->dir, spec->alt_count > 0 ? ", then " : "",
			     spec->alt_count > 0 ? spec->alt_dirs[0] : "");
	if (n < 0) {
		image->places = NULL;
		return error_set(image->err, ENOMEM, "out of memory");
	}
	return backend_open(&image->backend, spec, &opener, image->err);
}

int image_find_blobs(struct image *image, const struct args *args)
{
	auto_free char *beside = folder_of(image->path), *below = NULL;
	const char *alt[1];
	struct backend_spec spec = { .kind = BACKEND_LOCALFS, .alt_dirs = alt };

	if (!beside || asprintf(&below, "%s/blobs", beside) < 0)
		return error_set(image->err, ENOMEM, "out of memory");
	spec.device = args_value(args, "device");
	spec.file = args_value(args, "blob-file");
	spec.dir = args_value(args, "blob-dir");
	if (spec.device) {
		spec.kind = BACKEND_LOCALDISK;
	} else if (!spec.file && !spec.dir) {
		spec.dir = beside;
		if (is_folder(below))
			alt[spec.alt_count++] = below;
	} else if (spec.dir && image->inlined) {
		/* The blob that holds the bootstrap need not be a copy in that folder. */
		alt[spec.alt_count++] = beside;
	}
	return open_backend(image, &spec);
}

struct blob_file *image_blob_file(struct image *image, uint32_t i)
{
	struct image_blob *blob = &image->blobs[i];
	if (!blob->file_tried) {
		blob->file_tried = true;
		if (blob_open(image->backend, rafs_image_blob(image->rafs, i)->id, &blob->file, &blob->file_error) != 0)
			blob->file = NULL;
	}
	return blob->file;
}

bool image_has_table(const struct image *image, uint32_t i)
{
	const struct rafs_blob_info *info = rafs_image_blob(image->rafs, i);
	return info->version == 6 && !(info->features & RAFS_BLOB_TARFS);
}

/* What it takes unpacked was checked against the number of chunks, not against the blob. */
static int open_table(struct image *image, const struct rafs_blob_info *info, struct image_blob *blob)
{
	struct blob_file *meta = NULL;
	if (info->ci_u_size > IMAGE_TABLES_MAX - image->table_bytes)
		return error_set(&blob->table_error, EFBIG,
				 "the chunk tables of the image take more than %" PRIu64 " MiB",
				 IMAGE_TABLES_MAX >> 20);
	int res = blob_open(image->backend, info->meta_id, &meta, &blob->table_error);
	if (res == 0)
		res = chunk_table_open(&blob->table, info, meta, NULL, true, &blob->table_error);
	blob_close(meta);
	return res;
}

struct chunk_table *image_blob_table(struct image *image, uint32_t i)
{
	const struct rafs_blob_info *info = rafs_image_blob(image->rafs, i);
	struct image_blob *blob = &image->blobs[i];
	if (!image_has_table(image, i) || blob->table_tried)
		return blob->table;
	blob->table_tried = true;
	if (open_table(image, info, blob) != 0)
		blob->table = NULL;
	else
		image->table_bytes += info->ci_u_size;
	return blob->table;
}

const struct digest_table *image_digests(struct image *image)
{
	if (!image->digests_tried && digest_table_new(&image->digests, image->rafs) != 0)
		ctl_fail(CTL_FAILED,
			 "no memory for the digests that the bootstrap keeps: chunks are checked without them");
	image->digests_tried = true;
	return image->digests;
}
