/* SPDX-License-Identifier: Apache-2.0 */
/* What a prefetched image leaves in its cache folder is what nydusd 2.4.4 leaves, byte for byte; and encrypted caches. */
#include "full.h"
#include "lib/cleanup.h"
#include "rafs/codec/digest.h"
#include "rafs_engine_world.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
/* cmocka.h wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define STEP       100000
#define LINES_MAX  512
#define WAIT_TURNS 4000 /* of 5 ms */

/* A line of nydusd-caches.txt: which cache, the image, SHA-256 of a file and its name. Lines of one cache and image stand together. */
struct line {
	char mode[16], image[64], sha256[2 * RAFS_DIGEST_SIZE + 1], name[128];
};

static struct line lines[LINES_MAX];
static int nlines;

/* The key that nydusd was given when the list was made. */
static const uint8_t key[] = {
	0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff,
	0x0f, 0x1e, 0x2d, 0x3c, 0x4b, 0x5a, 0x69, 0x78, 0x87, 0x96, 0xa5, 0xb4, 0xc3, 0xd2, 0xe1, 0xf0,
};

static int read_lines(void **state)
{
	FILE *f = fopen(TEST_IMAGES "/nydusd-caches.txt", "r");
	struct line *l = lines;

	(void)state;
	assert_non_null(f);
	while (nlines < LINES_MAX && fscanf(f, "%15s %63s %64s %127s", l->mode, l->image, l->sha256, l->name) == 4) {
		l++;
		nlines++;
	}
	fclose(f);
	return nlines > 100 && nlines < LINES_MAX ? 0 : -1;
}

static void encrypt(struct world *w, bool convergent)
{
	w->config.secret = (struct reader_secret){.on = true, .convergent = convergent};
	memcpy(w->config.secret.key, key, sizeof(key));
}

static void set_mode(struct world *w, const char *mode)
{
	w->config.cache_all = true;
	w->config.cache_raw = !strcmp(mode, "raw");
	if (!strcmp(mode, "convval"))
		w->config.validate = READER_VALIDATE_DIGEST;
	if (!strcmp(mode, "enc") || !strncmp(mode, "conv", 4))
		encrypt(w, mode[0] == 'c');
}

/* Of a file in the cache folder; "" if there is none. */
static void sum_of(const struct world *w, const char *name, char hex[2 * RAFS_DIGEST_SIZE + 1])
{
	char path[2 * WORLD_PATH_MAX];
	static unsigned char bytes[1 << 16];
	uint8_t sum[RAFS_DIGEST_SIZE];
	ssize_t got;

	hex[0] = '\0';
	snprintf(path, sizeof(path), "%s/cache/%s", w->dir, name);
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	struct digest *d = digest_new(RAFS_SHA256);
	assert_non_null(d);
	while ((got = read(fd, bytes, sizeof(bytes))) > 0)
		digest_add(d, bytes, (size_t)got);
	digest_end(d, sum);
	digest_free(d);
	for (int i = 0; i < RAFS_DIGEST_SIZE; i++)
		snprintf(hex + 2 * i, 3, "%02x", sum[i]);
}

static bool is_same(const struct world *w, const struct line *l)
{
	char hex[2 * RAFS_DIGEST_SIZE + 1];

	sum_of(w, l->name, hex);
	return strcmp(hex, l->sha256) == 0;
}

/* The maps first: their bits are set when the data are there. */
static void wait_for(const struct world *w, const struct line *l)
{
	for (int i = 0; i < WAIT_TURNS && !is_same(w, l); i++)
		usleep(5000);
	if (!is_same(w, l))
		fail_msg("%s %s: %s is not what nydusd makes", l->mode, l->image, l->name);
}

/* Lines [0, n) are of one cache and image. */
static void check_cache(const struct line *l, int n)
{
	struct world w;

	world_make(&w, l->image);
	set_mode(&w, l->mode);
	world_open(&w, true);
	assert_int_equal(reader_prefetch(w.reader, NULL, 0, true), 0);
	for (int i = 0; i < n; i++)
		if (strstr(l[i].name, ".chunk_map"))
			wait_for(&w, &l[i]);
	for (int i = 0; i < n; i++)
		if (!is_same(&w, &l[i]))
			fail_msg("%s %s: %s is not what nydusd makes", l->mode, l->image, l[i].name);
	assert_int_equal(reader_counters(w.reader)->bad_chunks, 0);
	world_close(&w);
	world_drop(&w);
}

/* Under a sanitizer every few of them. */
static void test_as_nydusd(void **state)
{
	size_t stride = full_count(1, 16), group = 0;

	(void)state;
	for (int i = 0, n; i < nlines; i += n) {
		for (n = 1; i + n < nlines && !strcmp(lines[i].mode, lines[i + n].mode) &&
			    !strcmp(lines[i].image, lines[i + n].image);)
			n++;
		if (group++ % stride == 0)
			check_cache(&lines[i], n);
	}
}

/* Filled and read again, both through the encrypted file: also where v5 chunks begin within a page, and are not kept. */
static void test_read_encrypted(void **state)
{
	static const char *const images[] = {"v5-chunk4k", "v6-zstd"};

	(void)state;
	for (size_t i = full_count(0, 1); i < 2; i++) {
		uint64_t first = 0;
		struct world w;

		world_make(&w, images[i]);
		encrypt(&w, i);
		for (int round = 0; round < 2; round++) {
			world_open(&w, true);
			world_compare(&w, "expected.jsonl", STEP);
			assert_int_equal(reader_counters(w.reader)->bad_chunks, 0);
			uint64_t fetched = reader_counters(w.reader)->fetched_chunks;
			world_close(&w);
			assert_true(round ? fetched < first : fetched > 0);
			first = fetched;
		}
		world_drop(&w);
	}
}

/* A cache of another key, or of none, is garbage: that is found whatever validation was asked for, and fetched anew. */
static void test_other_key(void **state)
{
	struct world w;

	(void)state;
	world_make(&w, "v6-zstd");
	for (int round = 0; round < 4; round++) {
		w.config.validate = round < 3 ? READER_VALIDATE_NONE : READER_VALIDATE_CRC;
		encrypt(&w, false);
		w.config.secret.key[0] = (uint8_t)round;
		w.config.secret.on = round < 3;
		world_open(&w, true);
		world_compare(&w, "expected.jsonl", STEP);
		assert_true((reader_counters(w.reader)->bad_chunks > 0) == (round > 0));
		world_close(&w);
	}
	world_drop(&w);
}

/* Without a file to be read in place, units stay in memory for the next read of the same chunk. */
static void test_decoded_once(void **state)
{
	static unsigned char bytes[4096];

	(void)state;
	for (int raw = 0; raw < 2; raw++) {
		struct world w;

		world_make(&w, "v6-zstd");
		if (!raw)
			encrypt(&w, false);
		w.config.cache_raw = raw;
		w.front.hide_fd = true;
		w.config.readahead = 0;
		for (int round = 0; round < 2; round++) {
			world_open(&w, true);
			struct rafs_inode inode = world_inode(&w, "chunks/dup-a");
			struct iovec iov = {.iov_base = bytes, .iov_len = sizeof(bytes)};

			assert_int_equal(reader_wait(w.reader, &inode, 0, bytes, sizeof(bytes)), sizeof(bytes));
			assert_int_equal(reader_try(w.reader, &inode, 4096, &iov, 1), sizeof(bytes));
			assert_true((reader_counters(w.reader)->fetched_chunks > 0) == (round == 0));
			world_close(&w);
		}
		world_drop(&w);
	}
}

/* Without a chunk map on the disk: digests tell what was left by the reader before, and what of it is spoilt. */
static void test_unmapped(void **state)
{
	char map[2 * WORLD_PATH_MAX], data[WORLD_PATH_MAX];

	(void)state;
	for (int raw = 0; raw < 2; raw++) {
		uint64_t first = 0;
		struct world w;

		world_make(&w, "v5-chunk4k");
		w.config.cache_raw = raw;
		w.config.cache_unmapped = true;
		w.config.validate = READER_VALIDATE_NONE;
		w.front.hide_fd = true;
		for (int round = 0; round < 3; round++) {
			world_open(&w, true);
			world_compare(&w, "expected.jsonl", STEP);
			uint64_t fetched = reader_counters(w.reader)->fetched_bytes;
			world_close(&w);
			world_cached(&w, raw ? ".blob.raw" : ".blob.data", data);
			snprintf(map, sizeof(map), "%.*s.blob.data.chunk_map", (int)(strchr(data, '.') - data), data);
			assert_int_not_equal(access(map, F_OK), 0);
			assert_true(round == 0 ? fetched > 100000 : round == 1 ? fetched == 0 : fetched > 0 && fetched < first);
			first = round ? first : fetched;
			for (int i = 0; round == 1 && i < 5; i++)
				world_spoil(data, 8192 * (uint64_t)i + 20);
		}
		world_drop(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_nydusd),
		cmocka_unit_test(test_read_encrypted),
		cmocka_unit_test(test_other_key),
		cmocka_unit_test(test_decoded_once),
		cmocka_unit_test(test_unmapped),
	};

	return cmocka_run_group_tests(tests, read_lines, NULL);
}
