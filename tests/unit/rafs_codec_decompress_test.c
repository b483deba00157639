/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of decompression: round trips, wrong sizes, cut and damaged input, frames and members not to be taken. */
#include "rafs/codec/codec.h"

#include <errno.h>
#include <limits.h>
#include <lz4.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include <cmocka.h>

#define LARGE (RAFS_CHUNK_MAX)

static struct codec *codec;
/* Plain bytes, compressed bytes, and what comes out, of sizes that all fit. */
static uint8_t *plain, *packed, *out;

static uint32_t next_random(void)
{
	static uint32_t x = 2463534242;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x;
}

static int set_up(void **state)
{
	(void)state;
	codec = codec_new();
	plain = malloc(LARGE + 1);
	packed = malloc(2 * (size_t)LARGE);
	out = malloc(LARGE + 1);
	return codec && plain && packed && out ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	codec_free(codec);
	free(plain);
	free(packed);
	free(out);
	return 0;
}

/* Contents: zeros, noise, and something between the two. */
enum content { ZEROS, NOISE, WORDS, CONTENTS };

static void fill(enum content content, size_t len)
{
	for (size_t i = 0; i < len; i++)
		plain[i] = content == ZEROS ? 0 : (uint8_t) "chunk of words "[i / 3 % 15];
	for (size_t i = 0; content != ZEROS && i < len; i += content == NOISE ? 1 : 1 + next_random() % 50)
		plain[i] = (uint8_t)next_random();
}

/* Deflates len bytes of plain to to, in zlib's form for bits. */
static size_t pack_deflate(int bits, size_t len, uint8_t *to)
{
	z_stream z = { .next_in = plain, .avail_in = (uInt)len, .next_out = to, .avail_out = UINT_MAX };

	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return z.total_out;
}

/* Compresses len bytes of plain into packed. */
static size_t pack(enum rafs_compressor how, size_t len)
{
	size_t n;

	switch (how) {
	case RAFS_NONE:
		memcpy(packed, plain, len);
		return len;
	case RAFS_LZ4:
		n = (size_t)LZ4_compress_default((char *)plain, (char *)packed, (int)len, 2 * LARGE);
		assert_true(n > 0);
		return n;
	case RAFS_GZIP:
		return pack_deflate(31, len, packed);
	case RAFS_ZSTD:
		n = ZSTD_compress(packed, 2 * (size_t)LARGE, plain, len, 3);
		assert_false(ZSTD_isError(n));
		return n;
	}
	fail();
	return 0;
}

static int unpack(enum rafs_compressor how, size_t n, size_t len)
{
	return codec_decompress(codec, how, packed, n, out, len);
}

static void check_round_trip(enum rafs_compressor how, enum content content, size_t len)
{
	size_t n;

	fill(content, len);
	n = pack(how, len);
	memset(out, 0xaa, len + 1);
	assert_int_equal(unpack(how, n, len), 0);
	assert_memory_equal(out, plain, len);
	assert_int_equal(out[len], 0xaa);
	/* Of another length than is said. */
	assert_int_equal(unpack(how, n, len + 1), -EIO);
	if (len > 1)
		assert_int_equal(unpack(how, n, len - 1), how == RAFS_GZIP ? 0 : -EIO);
	packed[n] = 0;
	assert_int_equal(unpack(how, n + 1, len), how == RAFS_GZIP ? 0 : -EIO);
}

static void test_round_trips(void **state)
{
	(void)state;
	static const size_t lens[] = { 1, 2, 100, 4095, 4096, 65537, 1 << 20 };

	for (int how = RAFS_NONE; how <= RAFS_ZSTD; how++) {
		for (int content = ZEROS; content < CONTENTS; content++)
			for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++)
				check_round_trip((enum rafs_compressor)how, (enum content)content, lens[i]);
		check_round_trip((enum rafs_compressor)how, ZEROS, LARGE);
		codec_trim(codec);
	}
}

/* Every length short of the whole. A gzip member may lack its trailer once the bytes are there. */
static void test_cut(void **state)
{
	(void)state;
	static const size_t len = 3000;

	for (int how = RAFS_NONE; how <= RAFS_ZSTD; how++) {
		size_t n;

		fill(WORDS, len);
		n = pack((enum rafs_compressor)how, len);
		for (size_t cut = 0; cut < n; cut++) {
			/* A place of its own, so that reading past its end shows. */
			uint8_t *in = malloc(cut ? cut : 1);
			int res;

			assert_non_null(in);
			memcpy(in, packed, cut);
			res = codec_decompress(codec, (enum rafs_compressor)how, in, cut, out, len);
			free(in);
			if (how == RAFS_GZIP && res == 0) {
				assert_true(cut + 8 >= n - 1);
				assert_memory_equal(out, plain, len);
			} else {
				assert_int_equal(res, -EIO);
			}
		}
	}
}

static void test_damaged(void **state)
{
	(void)state;
	static const size_t len = 5000;

	for (int how = RAFS_LZ4; how <= RAFS_ZSTD; how++) {
		size_t n, bad = 0;

		fill(WORDS, len);
		n = pack((enum rafs_compressor)how, len);
		for (size_t at = 0; at < n; at++) {
			uint8_t was = packed[at];
			int res;

			packed[at] ^= (uint8_t)(1 + next_random() % 255);
			res = unpack((enum rafs_compressor)how, n, len);
			assert_true(res == 0 || res == -EIO);
			/* gzip carries a checksum and a length. */
			if (how == RAFS_GZIP && at >= n - 8)
				assert_int_equal(res, -EIO);
			bad += res != 0;
			packed[at] = was;
		}
		assert_true(bad > 0);
		assert_int_equal(unpack((enum rafs_compressor)how, n, len), 0);
		assert_memory_equal(out, plain, len);
	}
}

static void test_noise(void **state)
{
	(void)state;
	for (int turn = 0; turn < 2000; turn++) {
		size_t n = next_random() % 300;

		for (size_t i = 0; i < n; i++)
			packed[i] = (uint8_t)next_random();
		/* Beginnings that get past the first check. */
		if (turn % 2 && n > 10) {
			memcpy(packed, (uint32_t[]){ ZSTD_MAGICNUMBER }, 4);
			assert_true(unpack(RAFS_ZSTD, n, 1000) <= 0);
			memcpy(packed, "\x1f\x8b\x08\0\0\0\0\0\0\3", 10);
		}
		for (int how = RAFS_LZ4; how <= RAFS_ZSTD; how++) {
			int res = unpack((enum rafs_compressor)how, n, 1 + next_random() % 5000);

			assert_true(res == 0 || res == -EIO);
		}
	}
}

static void test_sizes(void **state)
{
	(void)state;
	for (int how = RAFS_NONE; how <= RAFS_ZSTD; how++) {
		/* Refused before anything is touched. */
		assert_int_equal(unpack((enum rafs_compressor)how, (size_t)INT_MAX + 1, 10), -EIO);
		assert_int_equal(unpack((enum rafs_compressor)how, 10, 0), -EIO);
		assert_int_equal(unpack((enum rafs_compressor)how, 10, ((size_t)384 << 20) + 1), -EIO);
		assert_int_equal(unpack((enum rafs_compressor)how, 0, 10), -EIO);
		assert_int_equal(codec_decompress(codec, (enum rafs_compressor)how, NULL, 0, out, 10), -EIO);
	}
	assert_int_equal(unpack((enum rafs_compressor)4, 10, 10), -EIO);
}

static void test_zstd_frames(void **state)
{
	(void)state;
	static const uint8_t skip[] = { 0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 7, 7 };
	size_t n;

	fill(WORDS, 2000);
	n = pack(RAFS_ZSTD, 1000);
	/* Two frames of 1000 bytes each. */
	memcpy(packed + n, packed, n);
	assert_int_equal(unpack(RAFS_ZSTD, 2 * n, 2000), -EIO);
	assert_int_equal(unpack(RAFS_ZSTD, 2 * n, 1000), -EIO);
	assert_int_equal(unpack(RAFS_ZSTD, n, 1000), 0);
	/* A frame to skip before or behind. */
	memcpy(packed + n, skip, sizeof(skip));
	assert_int_equal(unpack(RAFS_ZSTD, n + sizeof(skip), 1000), -EIO);
	memmove(packed + sizeof(skip), packed, n);
	memcpy(packed, skip, sizeof(skip));
	assert_int_equal(unpack(RAFS_ZSTD, n + sizeof(skip), 1000), -EIO);
	assert_int_equal(unpack(RAFS_ZSTD, sizeof(skip), 1), -EIO);
}

/* Frames that do not say their size but ask for windows of 2 MiB, 2 GiB and 3.75 TiB. None is needed here. */
static void test_zstd_window(void **state)
{
	(void)state;
	uint8_t frame[] = { 0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58, 0x21, 0x00, 0x00, 'a', 'b', 'c', 'd' };

	assert_int_equal(codec_decompress(codec, RAFS_ZSTD, frame, sizeof(frame), out, 4), 0);
	assert_memory_equal(out, "abcd", 4);
	frame[5] = 0xa8;
	assert_int_equal(codec_decompress(codec, RAFS_ZSTD, frame, sizeof(frame), out, 4), 0);
	frame[5] = 0xff;
	assert_int_equal(codec_decompress(codec, RAFS_ZSTD, frame, sizeof(frame), out, 4), -EIO);
}

static void test_gzip_members(void **state)
{
	(void)state;
	size_t n;

	fill(WORDS, 3000);
	n = pack(RAFS_GZIP, 3000);
	/* The second member is behind the first: ignored, and not read on into. */
	memcpy(packed + n, packed, n);
	assert_int_equal(unpack(RAFS_GZIP, 2 * n, 3000), 0);
	assert_memory_equal(out, plain, 3000);
	assert_int_equal(unpack(RAFS_GZIP, 2 * n, 6000), -EIO);
	assert_int_equal(unpack(RAFS_GZIP, n, 100), 0);
	assert_memory_equal(out, plain, 100);
	/* A trailer that belongs to other bytes. */
	packed[n - 6] ^= 1;
	assert_int_equal(unpack(RAFS_GZIP, n, 3000), -EIO);
	/* zlib's own form, and none. */
	n = pack_deflate(15, 3000, packed);
	assert_int_equal(unpack(RAFS_GZIP, n, 3000), -EIO);
	n = pack_deflate(-15, 3000, packed);
	assert_int_equal(unpack(RAFS_GZIP, n, 3000), -EIO);
}

/* What a codec did before leaves nothing behind. */
static void test_order(void **state)
{
	(void)state;
	for (int turn = 0; turn < 300; turn++) {
		enum rafs_compressor how = (enum rafs_compressor)(next_random() % 4);
		size_t len = 1 + next_random() % 5000, n;

		fill((enum content)(next_random() % CONTENTS), len);
		n = pack(how, len);
		if (turn % 3 == 0) {
			int res = unpack(how, n / 2, len);

			assert_true(res == 0 || res == -EIO);
		}
		if (turn % 7 == 0)
			codec_trim(codec);
		assert_int_equal(unpack(how, n, len), 0);
		assert_memory_equal(out, plain, len);
	}
	codec_trim(codec);
	codec_trim(codec);
}

static void test_stargz_bound(void **state)
{
	(void)state;
	assert_int_equal(codec_stargz_bound(1), 1 + 23 + 128);
	assert_int_equal(codec_stargz_bound(16383), 16383 + 23 + 128);
	assert_int_equal(codec_stargz_bound(16384), 16384 + 23 + 5 + 128);
	assert_int_equal(codec_stargz_bound(RAFS_CHUNK_MAX), RAFS_CHUNK_MAX + 23 + 5 * 1024 + 128);
	/* It is enough for what does not compress. */
	fill(NOISE, 1 << 20);
	assert_true(pack(RAFS_GZIP, 1 << 20) <= codec_stargz_bound(1 << 20));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trips), cmocka_unit_test(test_cut),
		cmocka_unit_test(test_damaged),     cmocka_unit_test(test_noise),
		cmocka_unit_test(test_sizes),       cmocka_unit_test(test_zstd_frames),
		cmocka_unit_test(test_zstd_window), cmocka_unit_test(test_gzip_members),
		cmocka_unit_test(test_order),       cmocka_unit_test(test_stargz_bound),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
