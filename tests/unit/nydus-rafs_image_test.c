/* SPDX-License-Identifier: Apache-2.0 */
/* The whole plugin, real engine included: every image of tests/images shows what its list says, in each way to serve
 * it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "full.h"
#include "nydus-rafs_fixture.h"

#include "rafs/codec/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define READ_SIZE 131072 /* bytes of a read: two of them are no multiple of any chunk */

static const struct {
	const char *image, *source, *list;
} images[] = {
	{ "v5-aligned", "boot", "expected" },
	{ "v5-chunk4k", "boot", "expected" },
	{ "v5-lz4_block", "boot", "expected" },
	{ "v5-merged", "boot", "expected-merged" },
	{ "v5-none", "boot", "expected" },
	{ "v5-parent", "boot", "expected-merged" },
	{ "v5-prefetch", "boot", "expected" },
	{ "v5-sha256", "boot", "expected" },
	{ "v5-tar", "boot", "expected-tar" },
	{ "v5-zstd", "boot", "expected" },
	{ "v6-batch", "boot", "expected" },
	{ "v6-chunk64k", "boot", "expected" },
	{ "v6-dict", "boot", "expected" },
	{ "v6-encrypt-batch", "boot", "expected" },
	{ "v6-encrypt", "boot", "expected" },
	{ "v6-inline-meta", NULL, "expected" },
	{ "v6-inline-toc", NULL, "expected" },
	{ "v6-lz4_block", "boot", "expected" },
	{ "v6-merged", "boot", "expected-merged" },
	{ "v6-none", "boot", "expected" },
	{ "v6-parent", "boot", "expected-merged" },
	{ "v6-prefetch", "boot", "expected" },
	{ "v6-sha256", "boot", "expected" },
	{ "v6-tar", "boot", "expected-tar" },
	{ "v6-targz", "boot", "expected-tar" },
	{ "v6-zran", "blobs/ca915cf7ef7cd61f8bf51c41306c5d327ca047de6eb11d429d008ed298c6ca3e", "expected-tar" },
	{ "v6-zstd", "boot", "expected" },
};

/* Names of the lists are UTF-8, other bytes stand as \xNN. In place. */
static void unescape(char *name)
{
	char *to = name;

	for (const char *from = name; *from; from++) {
		unsigned int byte;

		if (from[0] == '\\' && from[1] == 'x' && sscanf(from + 2, "%2x", &byte) == 1) {
			*to++ = (char)byte;
			from += 3;
		} else {
			*to++ = *from;
		}
	}
	*to = '\0';
}

static void to_hex(char *to, const unsigned char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sprintf(to + 2 * i, "%02x", bytes[i]);
	to[2 * len] = '\0';
}

static uint64_t number(const json_t *line, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(line, key));
}

static void check_content(struct nrf *f, const char *path, uint64_t node, const json_t *line)
{
	static unsigned char bytes[READ_SIZE];
	struct digest *d = digest_new(RAFS_SHA256);
	uint8_t sum[RAFS_DIGEST_SIZE];
	char hex[2 * RAFS_DIGEST_SIZE + 1];
	uint64_t at = 0;
	int64_t n;

	assert_non_null(d);
	while ((n = nrf_read(f, node, at, bytes, sizeof(bytes))) > 0) {
		digest_add(d, bytes, (size_t)n);
		at += (uint64_t)n;
	}
	digest_end(d, sum);
	digest_free(d);
	to_hex(hex, sum, sizeof(sum));
	if (n < 0 || at != number(line, "size") || strcmp(hex, json_string_value(json_object_get(line, "sha256"))) != 0)
		fail_msg("%s: %s after %llu bytes", path, n < 0 ? strerror((int)-n) : "wrong content",
			 (unsigned long long)at);
}

static void check_xattrs(struct nrf *f, const char *path, uint64_t node, json_t *want)
{
	int64_t total = 0, n = nrf_xattr(f, node, NULL, NULL, 0);
	unsigned char value[4096];
	char hex[2 * sizeof(value) + 1];
	const char *name;
	json_t *text;

	json_object_foreach(want, name, text)
	{
		int64_t len = nrf_xattr(f, node, name, value, sizeof(value));

		if (len < 0)
			fail_msg("%s: xattr %s: %s", path, name, strerror((int)-len));
		to_hex(hex, value, (size_t)len);
		assert_string_equal(hex, json_string_value(text));
		total += (int64_t)strlen(name) + 1;
	}
	if (n != total)
		fail_msg("%s: names of xattrs take %lld bytes, not %lld", path, (long long)n, (long long)total);
}

static void check_type(struct nrf *f, const char *path, uint64_t node, const struct fuse_attr *a, const json_t *line)
{
	static const struct {
		const char *name;
		uint32_t type;
	} types[] = { { "file", S_IFREG }, { "dir", S_IFDIR },   { "link", S_IFLNK },   { "fifo", S_IFIFO },
		      { "char", S_IFCHR }, { "block", S_IFBLK }, { "socket", S_IFSOCK } };
	const char *type = json_string_value(json_object_get(line, "type"));
	const json_t *rdev = json_object_get(line, "rdev");
	char target[4096];

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (!strcmp(types[i].name, type))
			assert_int_equal(a->mode & S_IFMT, types[i].type);
	if (S_ISREG(a->mode)) {
		assert_int_equal(a->nlink, number(line, "nlink"));
		check_content(f, path, node, line);
	} else if (S_ISLNK(a->mode)) {
		int64_t n = nrf_readlink(f, node, target, sizeof(target) - 1);

		assert_true(n > 0);
		target[n] = '\0';
		assert_string_equal(target, json_string_value(json_object_get(line, "target")));
	}
	if (rdev) {
		uint32_t want_major = (uint32_t)json_integer_value(json_array_get(rdev, 0));
		uint32_t want_minor = (uint32_t)json_integer_value(json_array_get(rdev, 1));

		assert_int_equal(a->rdev, (want_minor & 0xff) | want_major << 8 | (want_minor & ~0xffu) << 12);
	}
}

static void check_line(struct nrf *f, const json_t *line)
{
	const char *mode = json_string_value(json_object_get(line, "mode"));
	char path[4096];
	struct fuse_attr a;

	snprintf(path, sizeof(path), "%s", json_string_value(json_object_get(line, "path")));
	if (!strcmp(path, "."))
		return;
	unescape(path);
	uint64_t node = nrf_node(f, path);
	assert_int_equal(nrf_getattr(f, node, &a), 0);
	if ((a.mode & 07777) != strtoul(mode + 2, NULL, 8) || a.uid != number(line, "uid") ||
	    a.gid != number(line, "gid") || a.mtime != number(line, "mtime"))
		fail_msg("%s: mode %o, owner %u:%u, time %llu", path, a.mode, a.uid, a.gid,
			 (unsigned long long)a.mtime);
	check_type(f, path, node, &a, line);
	check_xattrs(f, path, node, json_object_get(line, "xattr"));
}

static void check_list(struct nrf *f, const char *list)
{
	FILE *in = fopen(nrf_image(list, ""), "re");
	char *text = NULL;
	size_t room = 0;

	assert_non_null(in);
	while (getline(&text, &room, in) > 0) {
		json_t *line = json_loads(text, 0, NULL);

		assert_non_null(line);
		check_line(f, line);
		json_decref(line);
	}
	free(text);
	fclose(in);
}

static void set_source(struct nrf *f, size_t i)
{
	const char *source = images[i].source;

	nrf_reset(f);
	nrf_set(f, "source", source ? nrf_image(images[i].image, source) : nrf_blob(images[i].image));
	if (source && !strcmp(source, "boot"))
		nrf_set(f, "blob-dir", nrf_image(images[i].image, "blobs"));
}

/* Serves image i as the keys set so far say and compares all of it. */
static void check_image(struct nrf *f, size_t i)
{
	char list[64];

	if (nrf_start(f) < 0)
		fail_msg("%s: %s", images[i].image, f->err.text);
	snprintf(list, sizeof(list), "%s.jsonl", images[i].list);
	check_list(f, list);
	assert_true(fake_metric(f->fake, "bad-chunks") == 0);
	assert_true(fake_metric(f->fake, "cache-errors") == 0);
	assert_true(fake_metric(f->fake, "backend-errors") == 0);
	nrf_stop(f);
}

#define IMAGES_COUNT (sizeof(images) / sizeof(images[0]))

/* How far apart the images of a test are: under a sanitizer each test takes every third, each another one first; together all. */
static size_t stride(void)
{
	return full_count(1, 3);
}

static void without_a_cache(void **state)
{
	struct nrf *f = *state;

	for (size_t i = 0 % stride(); i < IMAGES_COUNT; i += stride()) {
		set_source(f, i);
		check_image(f, i);
	}
}

/* Empty, then filled. */
static void with_cache(struct nrf *f, const char *form, size_t first)
{
	char cache[512];

	for (size_t i = first % stride(); i < IMAGES_COUNT; i += stride()) {
		for (int again = 0; again < 2; again++) {
			set_source(f, i);
			snprintf(cache, sizeof(cache), "%s", nrf_path(f, form));
			nrf_set(f, "cache-dir", cache);
			nrf_set(f, "cache", form);
			if (again)
				nrf_set(f, "validate", i % 2 ? "full" : "digest");
			check_image(f, i);
		}
	}
}

static void with_a_cache(void **state)
{
	with_cache(*state, "plain", 1);
}

static void with_a_compressed_cache(void **state)
{
	with_cache(*state, "compressed", 2);
}

static void with_every_check(void **state)
{
	struct nrf *f = *state;

	for (size_t i = 0 % stride(); i < IMAGES_COUNT; i += stride()) {
		set_source(f, i);
		nrf_set(f, "validate", "full");
		check_image(f, i);
	}
}

static void prefetched(void **state)
{
	static const char *const how[] = { "table", "all" };
	struct nrf *f = *state;
	char cache[512];

	for (size_t i = 1 % stride(); i < IMAGES_COUNT; i += stride()) {
		set_source(f, i);
		snprintf(cache, sizeof(cache), "%s/p%zu", f->dir, i);
		nrf_set(f, "cache-dir", cache);
		nrf_set(f, "prefetch", how[i % 2]);
		check_image(f, i);
	}
}

/* A missing blob, a blob cut short: EIO for those who read, and everything else goes on. */
static void blobs_that_are_bad(void **state)
{
	struct nrf *f = *state;
	char blob[1024], path[512];
	unsigned char buf[4096];
	int fd;

	nrf_set(f, "source", nrf_image("v6-zstd", "boot"));
	nrf_set(f, "blob-dir", f->dir);
	assert_int_equal(nrf_start(f), 0);
	assert_int_equal(nrf_read(f, nrf_node(f, "sizes/text-1"), 0, buf, sizeof(buf)), -EIO);
	assert_true(fake_logged(f->fake, strrchr(nrf_blob("v6-zstd"), '/') + 1));
	assert_int_equal(nrf_readlink(f, nrf_node(f, "links/abs"), (char *)buf, sizeof(buf)), 11);
	nrf_stop(f);

	snprintf(blob, sizeof(blob), "%s", strrchr(nrf_blob("v5-zstd"), '/') + 1);
	snprintf(path, sizeof(path), "%s", nrf_path(f, blob));
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "short", 5), 5);
	close(fd);
	nrf_reset(f);
	nrf_set(f, "source", nrf_image("v5-zstd", "boot"));
	nrf_set(f, "blob-dir", f->dir);
	assert_int_equal(nrf_start(f), 0);
	assert_int_equal(nrf_read(f, nrf_node(f, "chunks/rand-big"), 0, buf, sizeof(buf)), -EIO);
	assert_true(fake_logged(f->fake, blob));
	assert_int_equal(nrf_read(f, nrf_node(f, "sizes/text-0"), 0, buf, sizeof(buf)), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, nrf_new, nrf_free)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(without_a_cache),  T(with_a_cache), T(with_a_compressed_cache),
		T(with_every_check), T(prefetched),   T(blobs_that_are_bad),
	};

	return cmocka_run_group_tests_name("nydus-rafs-image", tests, NULL, NULL);
}
