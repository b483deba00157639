/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of checksums: published vectors on each width, pieces against one piece, forms against each other, threads. */
#include "rafs/codec/blake3.h"
#include "rafs/codec/crc32c.h"
#include "rafs/codec/digest.h"
#include "rafs_codec_vectors.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LEN (160 * 1024 + 77)

static uint8_t *pattern; /* LEN bytes 0, 1, ... 250, 0, 1, ... */

static int make_pattern(void **state)
{
	(void)state;
	pattern = malloc(LEN);
	for (size_t i = 0; pattern && i < LEN; i++)
		pattern[i] = (uint8_t)(i % 251);
	return pattern ? 0 : -1;
}

static int free_pattern(void **state)
{
	(void)state;
	free(pattern);
	return 0;
}

static void assert_hex(const uint8_t digest[32], const char *hex)
{
	char text[65];

	for (int i = 0; i < 32; i++)
		snprintf(text + (size_t)i * 2, 3, "%02x", digest[i]);
	assert_string_equal(text, hex);
}

/* Bit by bit, as the polynomial is defined. */
static uint32_t crc_by_bits(const uint8_t *p, size_t len)
{
	uint32_t crc = UINT32_MAX;

	for (; len; p++, len--) {
		crc ^= *p;
		for (int i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0x82f63b78) : 0);
	}
	return ~crc;
}

/* RFC 3720, B.4, and the check value of catalogues. */
static void test_crc_vectors(void **state)
{
	(void)state;
	uint8_t zeros[32] = { 0 }, ones[32], up[32], down[32];
	static const uint8_t command[48] = {
		[0] = 0x01, [1] = 0xc0, [16] = 0x14, [22] = 0x04, [27] = 0x14, [31] = 0x18, [32] = 0x28, [40] = 0x02,
	};

	memset(ones, 0xff, sizeof(ones));
	for (uint8_t i = 0; i < 32; i++) {
		up[i] = i;
		down[i] = 31 - i;
	}
	const struct {
		const void *bytes;
		size_t len;
		uint32_t crc;
	} vectors[] = {
		{ "", 0, 0 },
		{ "123456789", 9, 0xe3069283 },
		{ zeros, 32, 0x8a9136aa },
		{ ones, 32, 0x62a8ab43 },
		{ up, 32, 0x46dd794e },
		{ down, 32, 0x113fdb5c },
		{ command, 48, 0xd9963a56 },
	};
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		assert_int_equal(crc32c(vectors[i].bytes, vectors[i].len), vectors[i].crc);
		assert_int_equal(crc32c_portable(vectors[i].bytes, vectors[i].len), vectors[i].crc);
	}
}

static void test_crc_forms(void **state)
{
	(void)state;
	/* The instruction's three streams are 4080 bytes. */
	static const size_t more[] = { 4072, 4079, 4080, 4081, 4088, 4096, 8159, 8160, 8161, 12240, 65536, LEN - 16 };

	for (size_t at = 0; at < 16; at++) {
		for (size_t len = 0; len <= 300; len++) {
			uint32_t crc = crc_by_bits(pattern + at, len);

			assert_int_equal(crc32c(pattern + at, len), crc);
			assert_int_equal(crc32c_portable(pattern + at, len), crc);
		}
		for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++)
			assert_int_equal(crc32c(pattern + at, more[i]), crc32c_portable(pattern + at, more[i]));
	}
	assert_int_equal(crc32c(pattern, LEN), crc_by_bits(pattern, LEN));
}

static void blake3_of(const uint8_t *bytes, size_t len, uint8_t out[32])
{
	struct blake3 b;

	blake3_init(&b);
	blake3_add(&b, bytes, len);
	blake3_end(&b, out);
}

static const unsigned int widths[] = { 1, 4, 8 };

static void test_blake3_width(void **state)
{
	(void)state;
	unsigned int widest = blake3_use(0);

	assert_true(widest == 1 || widest == 4 || widest == 8);
	assert_int_equal(blake3_use(1), 1);
	assert_int_equal(blake3_use(3), 1);
	assert_true(blake3_use(4) <= 4);
	assert_true(blake3_use(7) <= 4);
	assert_int_equal(blake3_use(100), widest);
	assert_int_equal(blake3_use(0), widest);
#if defined(__x86_64__)
	assert_int_equal(widest, __builtin_cpu_supports("avx2") ? 8 : __builtin_cpu_supports("sse4.1") ? 4 : 1);
#endif
}

static void test_blake3_vectors(void **state)
{
	(void)state;
	for (size_t w = 0; w < 3; w++) {
		blake3_use(widths[w]);
		for (size_t i = 0; i < sizeof(blake3_vectors) / sizeof(blake3_vectors[0]); i++) {
			uint8_t out[32];

			blake3_of(pattern, blake3_vectors[i].len, out);
			assert_hex(out, blake3_vectors[i].digest);
		}
	}
	blake3_use(0);
}

/* Lengths about whole numbers of chunks, on each width, and from an odd address. */
static void test_blake3_forms(void **state)
{
	(void)state;
	for (size_t chunks = 1; chunks <= 129; chunks += chunks < 33 ? 1 : 31) {
		for (size_t len = chunks * BLAKE3_CHUNK - 1; len <= chunks * BLAKE3_CHUNK + 1; len++) {
			uint8_t one[32], wide[32];

			blake3_use(1);
			blake3_of(pattern + 3, len, one);
			for (size_t w = 1; w < 3; w++) {
				blake3_use(widths[w]);
				blake3_of(pattern + 3, len, wide);
				assert_memory_equal(one, wide, 32);
			}
		}
	}
	blake3_use(0);
}

/* One piece of len bytes, then pieces of sizes in turn, against one piece. */
static void check_pieces(size_t len, const size_t *sizes, size_t n)
{
	struct blake3 b;
	uint8_t whole[32], pieces[32];

	blake3_of(pattern, len, whole);
	blake3_init(&b);
	for (size_t at = 0, i = 0; at < len; i++) {
		size_t take = sizes[i % n] < len - at ? sizes[i % n] : len - at;

		blake3_add(&b, pattern + at, take);
		at += take;
	}
	blake3_end(&b, pieces);
	assert_memory_equal(whole, pieces, 32);
}

static void test_blake3_pieces(void **state)
{
	(void)state;
	static const size_t sizes[][4] = {
		{ 1, 1, 1, 1 },          { 63, 64, 65, 0 },      { 1023, 1024, 1025, 1 }, { 4096, 4096, 4096, 4096 },
		{ 2048, 1, 8191, 7000 }, { 1, 131072, 5, 1024 }, { 16384, 0, 1, 33333 },  { 1024, 1024, 2048, 4096 },
	};
	static const size_t lens[] = { 1, 64, 65, 1024, 1025, 2048, 2049, 4096, 8192, 20000, 131072 + 77 };

	for (size_t w = 0; w < 3; w++) {
		blake3_use(widths[w]);
		for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++)
			for (size_t j = 0; j < sizeof(sizes) / sizeof(sizes[0]); j++)
				check_pieces(lens[i], sizes[j], 4);
	}
	blake3_use(0);
}

/* blake3_end changes nothing, and a copy is a hash of its own. */
static void test_blake3_fork(void **state)
{
	(void)state;
	static const size_t lens[] = { 0, 1, 1024, 4096, 5000 };

	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		struct blake3 b, fork;
		uint8_t out[32], expected[32];

		blake3_init(&b);
		blake3_add(&b, pattern, lens[i]);
		blake3_of(pattern, lens[i], expected);
		blake3_end(&b, out);
		assert_memory_equal(out, expected, 32);
		fork = b;
		blake3_add(&fork, pattern, 3000);
		blake3_end(&b, out);
		assert_memory_equal(out, expected, 32);
		blake3_add(&b, pattern + lens[i], 9000);
		blake3_end(&b, out);
		blake3_of(pattern, lens[i] + 9000, expected);
		assert_memory_equal(out, expected, 32);
	}
}

/* Chunk numbers of more than 32 bits, on each width, from a state as 2^32 - 16 chunks would leave it. */
static void test_blake3_large(void **state)
{
	(void)state;
	uint8_t out[3][32];

	for (size_t w = 0; w < 3; w++) {
		struct blake3 b;

		blake3_use(widths[w]);
		blake3_init(&b);
		memset(b.cv_stack, 0x5a, sizeof(b.cv_stack));
		b.chunks = UINT64_C(0xfffffff0);
		b.cvs = 28;
		blake3_add(&b, pattern, LEN);
		assert_true(b.chunks > UINT32_MAX);
		blake3_end(&b, out[w]);
	}
	blake3_use(0);
	assert_memory_equal(out[0], out[1], 32);
	assert_memory_equal(out[0], out[2], 32);
}

/* One digest of bytes in one piece, and byte by byte twice: it is as new after its end. */
static void check_digest(enum rafs_digester digester, const void *bytes, size_t len, const char *hex)
{
	struct digest *d = digest_new(digester);
	uint8_t out[RAFS_DIGEST_SIZE];

	assert_int_equal(digest_of(digester, bytes, len, out), 0);
	assert_hex(out, hex);
	assert_non_null(d);
	for (int turn = 0; turn < 2; turn++) {
		for (size_t at = 0; at < len; at++)
			digest_add(d, (const uint8_t *)bytes + at, 1);
		digest_end(d, out);
		assert_hex(out, hex);
	}
	digest_free(d);
}

static void test_digest_vectors(void **state)
{
	(void)state;
	/* Examples of FIPS 180-4. */
	check_digest(RAFS_SHA256, "", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	check_digest(RAFS_SHA256, "abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	check_digest(RAFS_SHA256, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
		     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
	for (size_t i = 0; i < sizeof(blake3_vectors) / sizeof(blake3_vectors[0]); i++)
		check_digest(RAFS_BLAKE3, pattern, blake3_vectors[i].len, blake3_vectors[i].digest);
	digest_free(NULL);
}

static void test_digest_pieces(void **state)
{
	(void)state;
	for (int digester = RAFS_BLAKE3; digester <= RAFS_SHA256; digester++) {
		struct digest *d = digest_new((enum rafs_digester)digester);
		uint8_t whole[RAFS_DIGEST_SIZE], pieces[RAFS_DIGEST_SIZE];

		assert_non_null(d);
		assert_int_equal(digest_of((enum rafs_digester)digester, pattern, LEN, whole), 0);
		for (size_t at = 0, take = 1; at < LEN; at += take, take = take * 3 + 1) {
			if (take > LEN - at)
				take = LEN - at;
			digest_add(d, pattern + at, take);
		}
		digest_end(d, pieces);
		assert_memory_equal(whole, pieces, RAFS_DIGEST_SIZE);
		digest_free(d);
	}
}

struct sums {
	uint32_t crc, portable;
	uint8_t blake3[RAFS_DIGEST_SIZE], sha256[RAFS_DIGEST_SIZE];
};

static void *sum(void *arg)
{
	struct sums *s = arg;

	s->crc = crc32c(pattern, LEN);
	s->portable = crc32c_portable(pattern, LEN);
	if (digest_of(RAFS_BLAKE3, pattern, LEN, s->blake3) || digest_of(RAFS_SHA256, pattern, LEN, s->sha256))
		abort();
	return NULL;
}

/* The first test: whatever is made on first use is made by several threads at once. */
static void test_threads(void **state)
{
	(void)state;
	pthread_t threads[4];
	struct sums sums[4];

	memset(sums, 0, sizeof(sums));
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, sum, &sums[i]), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(sums[0].crc, sums[0].portable);
	for (int i = 1; i < 4; i++)
		assert_memory_equal(&sums[0], &sums[i], sizeof(sums[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_threads),        cmocka_unit_test(test_crc_vectors),
		cmocka_unit_test(test_crc_forms),      cmocka_unit_test(test_blake3_width),
		cmocka_unit_test(test_blake3_vectors), cmocka_unit_test(test_blake3_forms),
		cmocka_unit_test(test_blake3_pieces),  cmocka_unit_test(test_blake3_fork),
		cmocka_unit_test(test_blake3_large),   cmocka_unit_test(test_digest_vectors),
		cmocka_unit_test(test_digest_pieces),
	};
	return cmocka_run_group_tests(tests, make_pattern, free_pattern);
}
