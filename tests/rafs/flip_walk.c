/* SPDX-License-Identifier: Apache-2.0 */
/* Walking and reading an image. */
#include "tests/rafs/flip_walk.h"

#include "rafs/blob/bootstrap.h"
#include "rafs/engine/reader.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#define READ_SIZE (UINT32_C(512) << 10) /* bytes */
#define TEXT_MAX 65536                  /* bytes of a link's target, a list of xattrs, a value */

/* A directory on the way down. */
struct level {
	struct rafs_inode dir;
	uint64_t cookie;
};

struct walk {
	struct rafs_image *image;
	struct backend *backend;
	struct cache_dir *cache;
	struct reader *reader;
	struct walk_result *result;
	unsigned depth;
	struct level levels[RAFS_DEPTH_MAX];
	char text[TEXT_MAX], value[TEXT_MAX];
	unsigned char data[READ_SIZE];
};

static void see(struct walk *w, const void *bytes, size_t len)
{
	w->result->sum = (uint32_t)crc32_z(w->result->sum, bytes, len);
}

static void see_number(struct walk *w, uint64_t number)
{
	see(w, &number, sizeof(number));
}

/* Counts what is an error; true where it is none. */
static bool good(struct walk *w, int64_t res)
{
	if (res < 0)
		w->result->errors++;
	return res >= 0;
}

/* --- one inode --- */

static void read_range(struct walk *w, const struct rafs_inode *inode, uint64_t off, uint64_t end)
{
	while (off < end && w->result->bytes < WALK_BYTES_MAX) {
		uint64_t want = end - off < READ_SIZE ? end - off : READ_SIZE;
		int64_t n = reader_wait(w->reader, inode, off, w->data, want);

		w->result->bytes += want;
		if (good(w, n))
			see(w, w->data, (size_t)n);
		off += want;
	}
}

/* All of it, but of one that says it is very large both ends. */
static void read_file(struct walk *w, const struct rafs_inode *inode)
{
	struct iovec iov = { .iov_base = w->data, .iov_len = 4096 };
	struct rafs_extent extent;
	uint64_t off = 0;

	for (unsigned i = 0; off < inode->size && i < 2000; i++) {
		if (!good(w, rafs_extent_at(w->image, inode, off, &extent)))
			break;
		see_number(w, extent.hole);
		off = extent.file_off + extent.len;
	}
	read_range(w, inode, 0, inode->size < WALK_BYTES_MAX / 2 ? inode->size : WALK_BYTES_MAX / 2);
	if (inode->size > WALK_BYTES_MAX / 2)
		read_range(w, inode, inode->size - READ_SIZE, inode->size);
	reader_try(w->reader, inode, 0, &iov, 1);
	reader_try(w->reader, inode, inode->size / 2, &iov, 1);
}

static void read_xattrs(struct walk *w, const struct rafs_inode *inode)
{
	int64_t len = rafs_xattr_list(w->image, inode, w->text, TEXT_MAX);

	rafs_xattr_get(w->image, inode, "user.nothing", w->value, TEXT_MAX);
	if (!good(w, len))
		return;
	for (const char *name = w->text; name < w->text + len; name += strlen(name) + 1) {
		int64_t n = rafs_xattr_get(w->image, inode, name, w->value, TEXT_MAX);

		see(w, name, strlen(name));
		if (good(w, n))
			see(w, w->value, (size_t)n);
	}
}

static void read_link(struct walk *w, const struct rafs_inode *inode)
{
	int len = rafs_readlink(w->image, inode, w->text, TEXT_MAX);

	if (good(w, len))
		see(w, w->text, (size_t)len);
}

static void read_inode(struct walk *w, const struct rafs_inode *inode)
{
	see_number(w, inode->mode);
	see_number(w, inode->size);
	see_number(w, (uint64_t)inode->uid << 32 | inode->gid);
	see_number(w, (uint64_t)inode->nlink << 32 | inode->rdev);
	see_number(w, inode->mtime);
	read_xattrs(w, inode);
	good(w, rafs_inode_verify(w->image, inode));
	if (S_ISREG(inode->mode))
		read_file(w, inode);
	else if (S_ISLNK(inode->mode))
		read_link(w, inode);
}

/* --- the walk --- */

static void enter(struct walk *w, const struct rafs_inode *dir)
{
	uint64_t parent;

	if (w->depth == RAFS_DEPTH_MAX) {
		w->result->errors++;
		return;
	}
	good(w, rafs_parent(w->image, dir, &parent));
	w->levels[w->depth++] = (struct level){ .dir = *dir };
}

static void read_entry(struct walk *w, const struct rafs_inode *dir, const struct rafs_dirent *entry)
{
	struct rafs_inode inode, by_name;
	int found = rafs_lookup(w->image, dir, entry->name, entry->len, &by_name);

	see(w, entry->name, entry->len);
	if (!good(w, found) || !good(w, rafs_inode_get(w->image, entry->ino, &inode)))
		return;
	read_inode(w, &by_name);
	if (S_ISDIR(inode.mode))
		enter(w, &inode);
}

static void walk_tree(struct walk *w)
{
	const struct rafs_super *super = rafs_image_super(w->image);
	struct rafs_inode root;
	struct rafs_dirent entry;

	w->result->version = super->version;
	if (!good(w, rafs_inode_get(w->image, super->root, &root)))
		return;
	if (!S_ISDIR(root.mode)) {
		w->result->errors++;
		return;
	}
	read_inode(w, &root);
	enter(w, &root);
	while (w->depth && w->result->entries < WALK_ENTRIES_MAX) {
		struct level *l = &w->levels[w->depth - 1];
		int res = rafs_dir_next(w->image, &l->dir, &l->cookie, &entry);

		if (res <= 0) {
			good(w, res);
			w->depth--;
			continue;
		}
		w->result->entries++;
		read_entry(w, &l->dir, &entry);
	}
}

/* --- opening --- */

static int open_path(void *arg, const char *path, int flags, struct graft_error *err)
{
	int fd = open(path, flags | O_CLOEXEC);

	(void)arg;
	return fd < 0 ? error_set(err, errno, "%s: %s", path, strerror(errno)) : fd;
}

static void ignore_log(void *arg, int level, const char *text)
{
	(void)arg;
	(void)level;
	(void)text;
}

static int open_bootstrap(struct walk *w, const struct walk_request *request, struct graft_error *err)
{
	struct rafs_origin origin;
	int fd = open_path(NULL, request->source, O_RDONLY, err);

	if (fd < 0)
		return fd;
	int res = bootstrap_find(&origin, fd, request->source, w->cache, err);
	close(fd);
	return res ? res : rafs_image_open(&w->image, &origin, err);
}

static int open_reader(struct walk *w, const struct walk_request *request, struct graft_error *err)
{
	struct backend_spec spec = { .kind = BACKEND_LOCALFS, .dir = request->blob_dir };
	struct path_opener opener = { .open = open_path };
	struct reader_config config = { .cache_raw = request->cache_raw,
					.validate = request->validate,
					.readahead = 1 << 20,
					.threads = 2,
					.log = ignore_log };
	int res = backend_open(&w->backend, &spec, &opener, err);

	if (res)
		return res;
	config.image = w->image;
	config.backend = w->backend;
	config.cache = w->cache;
	return reader_new(&w->reader, &config, err);
}

static int open_all(struct walk *w, const struct walk_request *request, struct graft_error *err)
{
	int res = 0;

	if (request->cache_dir) {
		int fd = open_path(NULL, request->cache_dir, O_RDONLY | O_DIRECTORY, err);

		res = fd < 0 ? fd : cache_dir_get(&w->cache, fd, request->cache_dir, 0, err);
	}
	if (!res)
		res = open_bootstrap(w, request, err);
	if (!res)
		res = open_reader(w, request, err);
	if (!res && request->prefetch)
		reader_prefetch(w->reader, NULL, 0, true);
	return res;
}

void walk_image(const struct walk_request *request, struct walk_result *result)
{
	struct walk *w = calloc(1, sizeof(*w));
	struct graft_error err = { 0 };

	*result = (struct walk_result){ .refused = -ENOMEM };
	if (!w)
		return;
	w->result = result;
	result->refused = open_all(w, request, &err);
	snprintf(result->why, sizeof(result->why), "%.200s", err.text);
	if (!result->refused)
		walk_tree(w);
	if (w->reader)
		reader_free(w->reader);
	if (w->backend)
		backend_free(w->backend);
	if (w->image)
		rafs_image_close(w->image);
	cache_dir_put(w->cache);
	free(w);
}
