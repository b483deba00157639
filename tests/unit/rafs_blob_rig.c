/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of rafs/blob's tables share: images with their blobs, folders that go away, files to spoil. */
#include "rafs_blob_rig.h"

#include "lib/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

const char *rig_path(const char *file)
{
	static char paths[4][4096];
	static unsigned int next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", TEST_IMAGES, file);
	return path;
}

static int open_path(void *arg, const char *path, int flags, struct graft_error *err)
{
	int fd = open(path, flags | O_CLOEXEC);

	(void)arg;
	return fd < 0 ? error_set(err, errno, "%s: %s", path, strerror(errno)) : fd;
}

struct backend *rig_backend(const char *dir)
{
	struct path_opener opener = { .open = open_path };
	struct backend_spec spec = { .kind = BACKEND_LOCALFS, .dir = dir };
	struct graft_error err = { 0 };
	struct backend *b = NULL;

	if (backend_open(&b, &spec, &opener, &err) < 0)
		fail_msg("%s", err.text);
	return b;
}

struct blob_file *rig_blob(struct backend *b, const char *id, struct graft_error *err)
{
	struct blob_file *file = NULL;

	return blob_open(b, id, &file, err) < 0 ? NULL : file;
}

void rig_image_open(struct rig_image *i, const char *name, const char *source)
{
	char path[512];
	struct graft_error err = { 0 };
	struct rafs_origin origin;

	snprintf(path, sizeof(path), "%s/%s", name, source);
	auto_close int fd = open(rig_path(path), O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	if (bootstrap_find(&origin, fd, rig_path(path), NULL, &err) < 0)
		fail_msg("%s", err.text);
	if (rafs_image_open(&i->image, &origin, &err) < 0)
		fail_msg("%s", err.text);
	snprintf(path, sizeof(path), "%s/blobs", name);
	i->backend = rig_backend(rig_path(path));
}

void rig_image_close(struct rig_image *i)
{
	rafs_image_close(i->image);
	backend_free(i->backend);
}

char *rig_folder(void)
{
	const char *tmp = getenv("TMPDIR");
	char path[4096];

	snprintf(path, sizeof(path), "%s/rafs-blob-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(path));
	return strdup(path);
}

void rig_folder_free(char *path)
{
	DIR *d = opendir(path);

	for (struct dirent *e; d && (e = readdir(d));)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
	rmdir(path);
	free(path);
}

struct cache_dir *rig_cache(const char *path)
{
	struct graft_error err = { 0 };
	struct cache_dir *dir = NULL;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	if (cache_dir_get(&dir, fd, path, 0, &err) < 0)
		fail_msg("%s", err.text);
	return dir;
}

static void join(char *path, size_t room, const char *dir, const char *file)
{
	snprintf(path, room, "%s/%s", dir ? dir : TEST_IMAGES, file);
}

unsigned char *rig_read(const char *dir, const char *file, size_t *len)
{
	char path[4096];
	struct stat st;

	join(path, sizeof(path), dir, file);
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fail_msg("%s: %s", path, strerror(errno));
	assert_int_equal(fstat(fd, &st), 0);
	unsigned char *bytes = malloc((size_t)st.st_size + 1);
	assert_non_null(bytes);
	assert_int_equal(read(fd, bytes, (size_t)st.st_size), st.st_size);
	*len = (size_t)st.st_size;
	return bytes;
}

void rig_write(const char *dir, const char *file, const void *bytes, size_t len)
{
	char path[4096];

	join(path, sizeof(path), dir, file);
	/* A new file: somebody may have the old one mapped. */
	unlink(path);
	auto_close int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), (ssize_t)len);
}

bool rig_exists(const char *dir, const char *file)
{
	char path[4096];

	join(path, sizeof(path), dir, file);
	return access(path, F_OK) == 0;
}

struct mapping rig_map(const void *bytes, size_t len)
{
	struct graft_error err = { 0 };
	struct mapping map = { 0 };
	auto_close int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), (ssize_t)len);
	if (mapping_open(&map, fd, 0, len, MAPPING_READ, &err) < 0)
		fail_msg("%s", err.text);
	return map;
}

void rig_handle_sigbus(void)
{
	static struct sigaction handler;
	static bool known;

	if (known) {
		sigaction(SIGBUS, &handler, NULL);
		return;
	}
	struct mapping map = rig_map("", 1);
	mapping_close(&map);
	sigaction(SIGBUS, NULL, &handler);
	known = true;
}

void put_u32(unsigned char *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (unsigned char)(v >> 8 * i);
}

void put_u64(unsigned char *p, uint64_t v)
{
	put_u32(p, (uint32_t)v);
	put_u32(p + 4, (uint32_t)(v >> 32));
}

void rig_same_chunk(const struct rafs_chunk *a, const struct rafs_chunk *b)
{
	assert_int_equal(a->c_off, b->c_off);
	assert_int_equal(a->u_off, b->u_off);
	assert_int_equal(a->c_size, b->c_size);
	assert_int_equal(a->u_size, b->u_size);
	assert_int_equal(a->index, b->index);
	assert_int_equal(a->flags, b->flags);
	assert_int_equal(a->context, b->context);
	assert_int_equal(a->at, b->at);
	assert_int_equal(a->crc, b->crc);
	assert_memory_equal(a->digest, b->digest, sizeof(a->digest));
}
