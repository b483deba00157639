/* SPDX-License-Identifier: Apache-2.0 */
/* Damage: places and kinds drawn from a seed. */
#include "tests/rafs/flip_case.h"

#include "rafs/engine/reader.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUPER_END 2048  /* bytes: superblocks and device slots lie before it */
#define DAMAGE_MAX 4096 /* bytes of one piece of damage */
#define PLACE_TRIES 8   /* for one with something else than zeros */

/* --- files --- */

static int read_whole(const char *path, unsigned char **bytes, size_t *size)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st)) {
		int res = -errno;
		if (fd >= 0)
			close(fd);
		return res;
	}
	*size = (size_t)st.st_size;
	*bytes = malloc(*size + 1);
	ssize_t n = *bytes ? pread(fd, *bytes, *size, 0) : -1;
	close(fd);
	return n == st.st_size ? 0 : -EIO;
}

static int write_whole(const char *path, const unsigned char *bytes, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ssize_t n = fd < 0 ? -1 : write(fd, bytes, size);

	if (fd >= 0)
		close(fd);
	return n == (ssize_t)size ? 0 : -EIO;
}

static int write_piece(const char *path, const unsigned char *bytes, size_t size, size_t at)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : pwrite(fd, bytes, size, (off_t)at);

	if (fd >= 0)
		close(fd);
	return n == (ssize_t)size ? 0 : -EIO;
}

static bool is_dots(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..");
}

void flip_empty_folder(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *e;

	while (dir && (e = readdir(dir))) {
		if (!is_dots(e->d_name))
			unlinkat(dirfd(dir), e->d_name, 0);
	}
	if (dir)
		closedir(dir);
}

/* --- images --- */

static int add_file(struct flip_image *image, const char *from, const char *to)
{
	struct flip_file *f = &image->files[image->nfiles];

	if (image->nfiles == FILES_MAX)
		return -E2BIG;
	snprintf(f->path, sizeof(f->path), "%s", to);
	int res = read_whole(from, &f->bytes, &f->size);
	if (res)
		return res;
	image->nfiles++;
	return write_whole(to, f->bytes, f->size);
}

static int add_blobs(struct flip_image *image, const char *from)
{
	char path[1024], to[1024];
	DIR *dir = opendir(from);
	struct dirent *e;
	int res = 0;

	/* An image without data has no folder. */
	while (!res && dir && (e = readdir(dir))) {
		snprintf(path, sizeof(path), "%.700s/%s", from, e->d_name);
		snprintf(to, sizeof(to), "%.500s/%.255s", image->blob_dir, e->d_name);
		if (!is_dots(e->d_name) && strcmp(to, image->source))
			res = add_file(image, path, to);
	}
	if (dir)
		closedir(dir);
	return res;
}

static int add_image(struct flip_images *images, const char *folder, const char *scratch, const char *name,
		     const char *source)
{
	struct flip_image *image = &images->image[images->n];
	char from[1024];

	if (images->n == IMAGES_MAX)
		return -E2BIG;
	snprintf(image->name, sizeof(image->name), "%s", name);
	snprintf(image->blob_dir, sizeof(image->blob_dir), "%.300s/%s", scratch, name);
	mkdir(image->blob_dir, 0700);
	snprintf(image->blob_dir, sizeof(image->blob_dir), "%.300s/%s/blobs", scratch, name);
	snprintf(image->filled, sizeof(image->filled), "%.300s/%s/filled", scratch, name);
	snprintf(image->source, sizeof(image->source), "%.300s/%s/%.100s", scratch, name, source);
	images->n++;
	if (mkdir(image->blob_dir, 0700) || mkdir(image->filled, 0700))
		return -errno;
	snprintf(from, sizeof(from), "%s/%s/%s", folder, name, source);
	int res = add_file(image, from, image->source);
	if (res)
		return res;
	snprintf(from, sizeof(from), "%s/%s/blobs", folder, name);
	return add_blobs(image, from);
}

int flip_images_load(struct flip_images *images, const char *folder, const char *scratch)
{
	char path[1024], line[512], name[64], source[128];
	int res = 0;

	snprintf(images->cache, sizeof(images->cache), "%.400s/cache", scratch);
	snprintf(path, sizeof(path), "%s/table", folder);
	FILE *table = fopen(path, "re");
	if (!table || mkdir(images->cache, 0700))
		res = -errno;
	while (!res && fgets(line, sizeof(line), table)) {
		if (sscanf(line, "%63s %127s", name, source) != 2 || name[0] == '#' || !strcmp(source, "-"))
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, name);
		res = add_image(images, folder, scratch, name, source);
	}
	if (table)
		fclose(table);
	if (res)
		fprintf(stderr, "%s: %s\n", path, strerror(-res));
	return res ? res : images->n ? 0 : -ENOENT;
}

void flip_images_free(struct flip_images *images)
{
	for (unsigned i = 0; i < images->n; i++) {
		for (unsigned k = 0; k < images->image[i].nfiles; k++)
			free(images->image[i].files[k].bytes);
	}
}

int flip_images_mend(const struct flip_images *images)
{
	int res = 0;

	for (unsigned i = 0; i < images->n; i++) {
		const struct flip_image *image = &images->image[i];
		for (unsigned k = 0; k < image->nfiles && !res; k++)
			res = write_whole(image->files[k].path, image->files[k].bytes, image->files[k].size);
	}
	flip_empty_folder(images->cache);
	return res;
}

/* --- damage --- */

/* splitmix64: a number of its own for each step. */
static uint64_t draw(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static size_t draw_below(uint64_t *state, size_t n)
{
	return n ? (size_t)(draw(state) % n) : 0;
}

/* A place in size bytes; often where superblocks are, seldom among zeros. */
static size_t draw_place(uint64_t *state, const unsigned char *bytes, size_t size)
{
	size_t range = size > SUPER_END && draw(state) % 4 == 0 ? SUPER_END : size;
	size_t at = draw_below(state, range);

	for (unsigned i = 0; i < PLACE_TRIES && at < size && !bytes[at]; i++)
		at = draw_below(state, range);
	return at;
}

static uint64_t draw_number(uint64_t *state, size_t size)
{
	const uint64_t numbers[] = { 0,         1,          2,          7,          8,          12,
				     31,        255,        4095,       4096,       0x7fff,     0xffff,
				     0x10000,   0xffffff,   0x7fffffff, 0x80000000, 0xffffffff, UINT64_C(1) << 40,
				     INT64_MAX, UINT64_MAX, size,       size - 1,   size / 2,   size / 4096,
				     size / 32, size / 8 };

	return numbers[draw_below(state, sizeof(numbers) / sizeof(numbers[0]))];
}

/* What one piece of damage puts at `at`: bytes in out, and how many. */
static size_t damage(uint64_t *state, const unsigned char *bytes, size_t size, size_t at, unsigned char out[DAMAGE_MAX])
{
	uint64_t number = draw_number(state, size);
	size_t len = 1 + draw_below(state, 64), from = draw_below(state, size);

	out[0] = bytes[at];
	switch (draw(state) % 8) {
	case 0:
	case 1:
		out[0] ^= (unsigned char)(1u << draw_below(state, 8));
		return 1;
	case 2:
		out[0] = (unsigned char)draw(state);
		return 1;
	case 3:
		out[0] = (unsigned char)(out[0] + (draw(state) & 1 ? 1 : 255));
		return 1;
	case 4:
	case 5:
		memcpy(out, &number, sizeof(number));
		return draw(state) % 3 ? 4 : draw(state) % 2 ? 2 : 8;
	case 6: /* what stands elsewhere in the file */
		len = 8 * len < size - from ? 8 * len : size - from;
		memcpy(out, bytes + from, len);
		return len;
	default:
		for (size_t i = 0; i < len; i++)
			out[i] = (unsigned char)draw(state);
		return len;
	}
}

static int damage_file(uint64_t *state, const char *path, const unsigned char *bytes, size_t size)
{
	unsigned pieces = draw(state) % 2 ? 1 : 1 + (unsigned)draw_below(state, 6);
	unsigned char out[DAMAGE_MAX];
	int res = 0;

	for (unsigned i = 0; i < pieces && size && !res; i++) {
		size_t at = draw_place(state, bytes, size);
		if (draw(state) % 2)
			at &= ~(size_t)3;
		size_t len = damage(state, bytes, size, at, out);
		res = write_piece(path, out, len < size - at ? len : size - at, at);
	}
	return res;
}

/* --- cases --- */

/* A copy of the filled folder with one of its files damaged. */
static int damage_cache(uint64_t *state, const struct flip_image *image, const char *cache)
{
	DIR *dir = opendir(image->filled);
	size_t which = draw_below(state, 4), i = 0;
	char from[1024], to[1024];
	struct dirent *e;
	int res = dir ? 0 : -errno;

	while (!res && (e = readdir(dir))) {
		unsigned char *bytes = NULL;
		size_t size;

		if (is_dots(e->d_name))
			continue;
		snprintf(from, sizeof(from), "%s/%.255s", image->filled, e->d_name);
		snprintf(to, sizeof(to), "%s/%.255s", cache, e->d_name);
		res = read_whole(from, &bytes, &size);
		if (!res)
			res = write_whole(to, bytes, size);
		/* In whatever order they come: some of the files, most often one. */
		if (!res && i++ % 4 == which)
			res = damage_file(state, to, bytes, size);
		free(bytes);
	}
	if (dir)
		closedir(dir);
	return res;
}

static void choose(struct flip_case *c, const struct flip_images *images, uint64_t *state)
{
	uint64_t dice = draw(state) % 8;

	c->number = (unsigned)draw_below(state, images->n);
	c->image = &images->image[c->number];
	c->target = dice < 5 || c->image->nfiles < 2 ? FLIP_META : dice < 7 ? FLIP_BLOB : FLIP_CACHE;
	c->request = (struct walk_request){ .source = c->image->source,
					    .blob_dir = c->image->blob_dir,
					    .validate = (uint32_t)draw_below(state, READER_VALIDATE_FULL + 1),
					    .prefetch = draw(state) % 8 == 0 };
	if (c->target == FLIP_CACHE || draw(state) % 3 == 0)
		c->request.cache_dir = images->cache;
	c->request.cache_raw = c->target != FLIP_CACHE && draw(state) % 3 == 0;
}

int flip_case_begin(struct flip_case *c, const struct flip_images *images, uint64_t seed, uint64_t number)
{
	static const char *const targets[] = { "metadata", "a blob", "the cache" };
	uint64_t state = seed ^ (number * UINT64_C(0xd1342543de82ef95));
	const struct flip_file *f;

	choose(c, images, &state);
	snprintf(c->what, sizeof(c->what), "%s, %s damaged, validate %u, %s%s", c->image->name, targets[c->target],
		 c->request.validate,
		 !c->request.cache_dir  ? "no cache"
		 : c->request.cache_raw ? "compressed cache"
					: "plain cache",
		 c->request.prefetch ? ", prefetch" : "");
	flip_empty_folder(images->cache);
	if (c->target == FLIP_CACHE)
		return damage_cache(&state, c->image, images->cache);
	f = &c->image->files[c->target == FLIP_META ? 0 : 1 + draw_below(&state, c->image->nfiles - 1)];
	return damage_file(&state, f->path, f->bytes, f->size);
}

int flip_case_end(struct flip_case *c, const struct flip_images *images)
{
	int res = 0;

	flip_empty_folder(images->cache);
	for (unsigned k = 0; k < c->image->nfiles && c->target != FLIP_CACHE && !res; k++) {
		if ((k == 0) == (c->target == FLIP_META))
			res = write_piece(c->image->files[k].path, c->image->files[k].bytes, c->image->files[k].size,
					  0);
	}
	return res;
}
