/* SPDX-License-Identifier: Apache-2.0 */
/* An image of tests/images with a reader on it: its blobs in a folder of the test's own, which may be spoiled. */
#include "rafs_engine_world.h"

#include "lib/cleanup.h"
#include "rafs/blob/bootstrap.h"
#include "rafs/codec/digest.h"

#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>
/* cmocka.h wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static int front_open(struct backend *b, const char *id, struct blob_file **file, struct graft_error *err);

struct counted_file {
	struct blob_file file; /* first */
	struct blob_file *real;
};

static struct counted_backend *front_of(struct blob_file *file)
{
	return (struct counted_backend *)(void *)file->backend;
}

static struct blob_file *real_of(const struct blob_file *file)
{
	return ((const struct counted_file *)(const void *)file)->real;
}

static int front_read(struct blob_file *file, uint64_t off, const struct iovec *iov, uint32_t n)
{
	struct counted_backend *b = front_of(file);
	uint32_t nap = atomic_load(&b->nap_ms);

	atomic_fetch_add(&b->reads, 1);
	for (uint32_t i = 0; i < n; i++)
		atomic_fetch_add(&b->bytes, iov[i].iov_len);
	if (nap)
		usleep(nap * 1000);
	return atomic_load(&b->fail) ? -EIO : blob_read(real_of(file), off, iov, n);
}

static int front_fd(const struct blob_file *file, uint64_t *base)
{
	return ((const struct counted_backend *)(const void *)file->backend)->hide_fd ? -1 : blob_fd(real_of(file), base);
}

static uint64_t front_size(const struct blob_file *file)
{
	return blob_size(real_of(file));
}

static void front_close(struct blob_file *file)
{
	blob_close(real_of(file));
	free(file);
}

static void front_free(struct backend *b)
{
	(void)b;
}

static const struct backend_ops front_ops = {
	.name = "counted",
	.open = front_open,
	.read = front_read,
	.fd = front_fd,
	.size = front_size,
	.close = front_close,
	.free = front_free,
};

static int front_open(struct backend *b, const char *id, struct blob_file **file, struct graft_error *err)
{
	struct counted_file *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->file.backend = b;
	int res = blob_open(((struct counted_backend *)(void *)b)->real, id, &f->real, err);
	if (res < 0) {
		free(f);
		return res;
	}
	*file = &f->file;
	return 0;
}

static void run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void run(const char *fmt, ...)
{
	char command[4 * WORLD_PATH_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	assert_int_equal(system(command), 0);
}

void world_make(struct world *w, const char *name)
{
	memset(w, 0, sizeof(*w));
	w->name = name;
	pthread_mutex_init(&w->lock, NULL);
	snprintf(w->dir, sizeof(w->dir), "%s/graft-engine-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	assert_non_null(mkdtemp(w->dir));
	run("cp -r %s/%s/. %s && mkdir %s/cache && chmod -R u+w %s", TEST_IMAGES, name, w->dir, w->dir, w->dir);
	w->config = (struct reader_config){.validate = READER_VALIDATE_CRC, .readahead = 1 << 20, .threads = 4};
}

void world_drop(struct world *w)
{
	run("rm -rf %s", w->dir);
	pthread_mutex_destroy(&w->lock);
}

static void keep_line(void *arg, int level, const char *text)
{
	struct world *w = arg;

	(void)level;
	LOCK_SCOPE(&w->lock);
	size_t len = strlen(w->log);
	snprintf(w->log + len, sizeof(w->log) - len, "%s\n", text);
}

static int open_path(void *arg, const char *path, int flags, struct graft_error *err)
{
	int fd = open(path, flags | O_CLOEXEC);

	(void)arg;
	return fd < 0 ? error_set(err, errno, "%s: %s", path, strerror(errno)) : fd;
}

/* boot, or the one blob that holds it. */
static void source_of(const struct world *w, char path[WORLD_PATH_MAX])
{
	FILE *list;
	char command[2 * WORLD_PATH_MAX];

	snprintf(path, WORLD_PATH_MAX, "%.400s/boot", w->dir);
	if (access(path, F_OK) == 0)
		return;
	/* The bootstrap's blob is the smaller one of a ZRAN image. */
	snprintf(command, sizeof(command), "ls -S -r %.400s/blobs/* | head -n 1", w->dir);
	list = popen(command, "r");
	assert_non_null(list);
	assert_non_null(fgets(path, WORLD_PATH_MAX, list));
	path[strcspn(path, "\n")] = '\0';
	pclose(list);
}

void world_open(struct world *w, bool cache)
{
	char path[WORLD_PATH_MAX], blobs[WORLD_PATH_MAX + 8];
	struct path_opener opener = {.open = open_path};
	struct rafs_origin origin;
	struct graft_error err = {0};

	source_of(w, path);
	snprintf(blobs, sizeof(blobs), "%s/blobs", w->dir);
	w->cache = NULL;
	if (cache) {
		char folder[WORLD_PATH_MAX + 8];

		snprintf(folder, sizeof(folder), "%s/cache", w->dir);
		if (cache_dir_get(&w->cache, open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), folder, 0, &err) < 0)
			fail_msg("%s", err.text);
	}
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	if (bootstrap_find(&origin, fd, path, w->cache, &err) < 0 || rafs_image_open(&w->image, &origin, &err) < 0)
		fail_msg("%s: %s", w->name, err.text);
	close(fd);
	struct backend_spec spec = {.kind = BACKEND_LOCALFS, .dir = blobs};
	if (backend_open(&w->front.real, &spec, &opener, &err) < 0)
		fail_msg("%s", err.text);
	w->front.backend.ops = &front_ops;
	w->config.image = w->image;
	w->config.backend = &w->front.backend;
	w->config.cache = w->cache;
	w->config.log = keep_line;
	w->config.arg = w;
	if (reader_new(&w->reader, &w->config, &err) < 0)
		fail_msg("%s", err.text);
}

void world_close(struct world *w)
{
	reader_free(w->reader);
	cache_dir_put(w->cache);
	backend_free(w->front.real);
	rafs_image_close(w->image);
}

struct rafs_inode world_inode(struct world *w, const char *path)
{
	struct rafs_inode dir, inode;

	assert_int_equal(rafs_inode_get(w->image, rafs_image_super(w->image)->root, &inode), 0);
	while (*path) {
		size_t len = strcspn(path, "/");

		dir = inode;
		assert_int_equal(rafs_lookup(w->image, &dir, path, len, &inode), 0);
		path += len + (path[len] == '/');
	}
	return inode;
}

static void compare_file(struct world *w, const char *path, uint64_t size, const char *sha256, size_t step)
{
	struct rafs_inode inode = world_inode(w, path);
	struct digest *d = digest_new(RAFS_SHA256);
	unsigned char *bytes = malloc(step);
	uint8_t sum[RAFS_DIGEST_SIZE];
	char hex[2 * RAFS_DIGEST_SIZE + 1];

	assert_int_equal(inode.size, size);
	for (uint64_t off = 0; off < size; off += step) {
		int64_t want = (int64_t)(size - off < step ? size - off : step);
		int64_t got = reader_wait(w->reader, &inode, off, bytes, step);

		if (got != want)
			fail_msg("%s: %s at %" PRIu64 ": %" PRId64 " instead of %" PRId64 "\n%s", w->name, path, off, got, want, w->log);
		digest_add(d, bytes, (size_t)got);
	}
	digest_end(d, sum);
	for (int i = 0; i < RAFS_DIGEST_SIZE; i++)
		snprintf(hex + 2 * i, 3, "%02x", sum[i]);
	if (strcmp(hex, sha256) != 0)
		fail_msg("%s: %s has other bytes", w->name, path);
	free(bytes);
	digest_free(d);
}

void world_compare(struct world *w, const char *expected, size_t step)
{
	char path[WORLD_PATH_MAX], line[65536];
	int files = 0;

	snprintf(path, sizeof(path), "%s/%s", TEST_IMAGES, expected);
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		json_t *row = json_loads(line, 0, NULL);
		const char *name = json_string_value(json_object_get(row, "path"));

		/* Names that are no UTF-8 are the metadata's tests'. */
		if (!strcmp(json_string_value(json_object_get(row, "type")), "file") && !strchr(name, '\\')) {
			compare_file(w, name, (uint64_t)json_integer_value(json_object_get(row, "size")),
				     json_string_value(json_object_get(row, "sha256")), step);
			files++;
		}
		json_decref(row);
	}
	fclose(f);
	assert_true(files > 5);
}

static void first_line(const char *command, char path[WORLD_PATH_MAX])
{
	FILE *list = popen(command, "r");

	assert_non_null(list);
	assert_non_null(fgets(path, WORLD_PATH_MAX, list));
	path[strcspn(path, "\n")] = '\0';
	pclose(list);
}

void world_blob(const struct world *w, char path[WORLD_PATH_MAX])
{
	char command[2 * WORLD_PATH_MAX];

	snprintf(command, sizeof(command), "ls -S %s/blobs/* | head -n 1", w->dir);
	first_line(command, path);
}

void world_cached(const struct world *w, const char *end, char path[WORLD_PATH_MAX])
{
	char command[2 * WORLD_PATH_MAX];

	snprintf(command, sizeof(command), "ls -S %s/cache/*%s | head -n 1", w->dir, end);
	first_line(command, path);
}

void world_spoil(const char *path, uint64_t off)
{
	unsigned char byte;
	int fd = open(path, O_RDWR | O_CLOEXEC);

	assert_int_equal(pread(fd, &byte, 1, (off_t)off), 1);
	byte ^= 0x55;
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)off), 1);
	close(fd);
}

bool world_said(struct world *w, const char *text)
{
	LOCK_SCOPE(&w->lock);
	return strstr(w->log, text) != NULL;
}
