/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of decryption: IEEE 1619 vectors, every length, in place, nydus' tiny units, what must be refused. */
#include "rafs/codec/codec.h"

#include <errno.h>
#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define UNIT_MAX ((size_t)16 << 20)

static struct codec *codec;

static int set_up(void **state)
{
	(void)state;
	codec = codec_new();
	return codec ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	codec_free(codec);
	return 0;
}

static size_t from_hex(const char *hex, uint8_t *to)
{
	size_t n = strlen(hex) / 2;

	for (size_t i = 0; i < n; i++) {
		char two[3] = { hex[2 * i], hex[2 * i + 1], 0 };

		to[i] = (uint8_t)strtoul(two, NULL, 16);
	}
	return n;
}

/* IEEE 1619-2007, annex B: vectors 2, 3, the beginning of 4, and 15 to 18 (lengths that are no multiple of a block). */
static const struct {
	const char *key, *iv, *plain, *cipher;
} vectors[] = {
	{ "1111111111111111111111111111111122222222222222222222222222222222", "33333333330000000000000000000000",
	  "4444444444444444444444444444444444444444444444444444444444444444",
	  "c454185e6a16936e39334038acef838bfb186fff7480adc4289382ecd6d394f0" },
	{ "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f022222222222222222222222222222222", "33333333330000000000000000000000",
	  "4444444444444444444444444444444444444444444444444444444444444444",
	  "af85336b597afc1a900b2eb21ec949d292df4c047e0b21532186a5971a227a89" },
	{ "2718281828459045235360287471352631415926535897932384626433832795", "00000000000000000000000000000000",
	  "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
	  "27a7479befa1d476489f308cd4cfa6e2a96e4bbe3208ff25287dd3819616e89c" },
	{ "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0bfbebdbcbbbab9b8b7b6b5b4b3b2b1b0", "9a785634120000000000000000000000",
	  "000102030405060708090a0b0c0d0e0f10", "6c1625db4671522d3d7599601de7ca09ed" },
	{ "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0bfbebdbcbbbab9b8b7b6b5b4b3b2b1b0", "9a785634120000000000000000000000",
	  "000102030405060708090a0b0c0d0e0f1011", "d069444b7a7e0cab09e24447d24deb1fedbf" },
	{ "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0bfbebdbcbbbab9b8b7b6b5b4b3b2b1b0", "9a785634120000000000000000000000",
	  "000102030405060708090a0b0c0d0e0f101112", "e5df1351c0544ba1350b3363cd8ef4beedbf9d" },
	{ "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0bfbebdbcbbbab9b8b7b6b5b4b3b2b1b0", "9a785634120000000000000000000000",
	  "000102030405060708090a0b0c0d0e0f10111213", "9d84c813f719aa2c7be3f66171c7c5c2edbf9dac" },
};

static struct rafs_blob_info info_of(size_t vector)
{
	struct rafs_blob_info info = { .cipher = RAFS_AES128_XTS };

	from_hex(vectors[vector].key, info.key);
	from_hex(vectors[vector].iv, info.iv);
	return info;
}

static void test_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		struct rafs_blob_info info = info_of(i);
		uint8_t plain[64], in[64], out[64];
		size_t len = from_hex(vectors[i].cipher, in), out_len = 0;

		from_hex(vectors[i].plain, plain);
		assert_int_equal(codec_decrypt(codec, &info, in, len, out, &out_len), 0);
		assert_int_equal(out_len, len);
		assert_memory_equal(out, plain, len);
		/* In place. */
		assert_int_equal(codec_decrypt(codec, &info, in, len, in, &out_len), 0);
		assert_memory_equal(in, plain, len);
	}
}

/* One unit, by libcrypto itself; whether it took it. */
static bool crypt_unit(const struct rafs_blob_info *info, int encrypt, const uint8_t *in, size_t len, uint8_t *out)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n = 0;
	bool fine;

	assert_non_null(ctx);
	assert_int_equal(EVP_CipherInit_ex(ctx, EVP_aes_128_xts(), NULL, info->key, info->iv, encrypt), 1);
	fine = EVP_CipherUpdate(ctx, out, &n, in, (int)len) == 1 && n == (int)len;
	EVP_CIPHER_CTX_free(ctx);
	return fine;
}

/* As nydus stores a unit: the stored length. */
static size_t encrypt(const struct rafs_blob_info *info, const uint8_t *in, size_t len, uint8_t *out)
{
	uint8_t padded[18];

	if (len >= 16) {
		assert_true(crypt_unit(info, 1, in, len, out));
		return len;
	}
	memset(padded, (int)(16 - len), 16);
	memcpy(padded, in, len);
	padded[16] = 0x78;
	padded[17] = 0x90;
	assert_true(crypt_unit(info, 1, padded, 18, out));
	return 18;
}

/* Pages of a cache: each a unit of its own, from the same IV. */
static void test_pages(void **state)
{
	static uint8_t bytes[3 * CODEC_PAGE], plain[sizeof(bytes)], one[CODEC_PAGE];
	struct rafs_blob_info info = info_of(2);

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		plain[i] = bytes[i] = (uint8_t)(i * 11 + i / CODEC_PAGE);
	assert_int_equal(codec_encrypt_pages(codec, info.key, bytes, sizeof(bytes)), 0);
	for (size_t at = 0; at < sizeof(bytes); at += CODEC_PAGE) {
		assert_true(crypt_unit(&info, 1, plain + at, CODEC_PAGE, one));
		assert_memory_equal(bytes + at, one, CODEC_PAGE);
	}
	assert_int_equal(codec_decrypt_pages(codec, info.key, bytes, sizeof(bytes)), 0);
	assert_memory_equal(bytes, plain, sizeof(bytes));
	assert_int_equal(codec_encrypt_pages(codec, info.key, bytes, CODEC_PAGE - 1), -EINVAL);
	memcpy(info.key, info.key + CODEC_KEY / 2, CODEC_KEY / 2);
	assert_int_equal(codec_encrypt_pages(codec, info.key, bytes, CODEC_PAGE), -EINVAL);
}

static void check_round_trip(const struct rafs_blob_info *info, size_t len)
{
	uint8_t *plain = malloc(len + 1), *stored = malloc(len + 18), *out = malloc(len + 18);
	size_t n, out_len = 0;

	assert_true(plain && stored && out);
	for (size_t i = 0; i < len; i++)
		plain[i] = (uint8_t)(i * 7 + len);
	n = encrypt(info, plain, len, stored);
	assert_int_equal(codec_decrypt(codec, info, stored, n, out, &out_len), 0);
	assert_int_equal(out_len, len);
	assert_memory_equal(out, plain, len);
	assert_int_equal(codec_decrypt(codec, info, stored, n, stored, &out_len), 0);
	assert_int_equal(out_len, len);
	assert_memory_equal(stored, plain, len);
	free(plain);
	free(stored);
	free(out);
}

static void test_lengths(void **state)
{
	(void)state;
	struct rafs_blob_info info = info_of(2);

	for (size_t len = 1; len <= 200; len++)
		check_round_trip(&info, len);
	check_round_trip(&info, 4096);
	check_round_trip(&info, 4099);
	check_round_trip(&info, (1 << 20) + 1);
	check_round_trip(&info, UNIT_MAX);
}

/* Another image's key, between units and after a trim. */
static void test_keys(void **state)
{
	(void)state;
	for (size_t i = 0; i < 9; i++) {
		struct rafs_blob_info info = info_of(i % 4);

		check_round_trip(&info, 100);
		if (i == 5)
			codec_trim(codec);
	}
}

static void test_refused(void **state)
{
	(void)state;
	struct rafs_blob_info info = info_of(0);
	uint8_t *large = calloc(1, UNIT_MAX + 1);
	uint8_t in[18] = { 0 }, out[18];
	size_t out_len;

	assert_non_null(large);
	for (size_t len = 0; len < 16; len++)
		assert_int_equal(codec_decrypt(codec, &info, in, len, out, &out_len), -EIO);
	assert_int_equal(codec_decrypt(codec, &info, large, UNIT_MAX + 1, large, &out_len), -EIO);
	memcpy(info.key, info.key + 16, 16);
	assert_int_equal(codec_decrypt(codec, &info, in, 16, out, &out_len), -EINVAL);
	free(large);
}

/* A unit of 10 bytes as nydus-image stored it: the mark is encrypted too. */
static void test_tiny(void **state)
{
	(void)state;
	struct rafs_blob_info info = { .cipher = RAFS_AES128_XTS };
	uint8_t in[18], out[18];
	size_t out_len = 0;

	from_hex("f8c534623db50e3d347dd14617e825841b8320ef78fedbbbb33887271e64d4b6", info.key);
	from_hex("008966a7f0edf88d914ca8f44e3670bd", info.iv);
	from_hex("16ba693ae37b28c064ec5efe4272665fc580", in);
	assert_int_equal(codec_decrypt(codec, &info, in, sizeof(in), out, &out_len), 0);
	assert_int_equal(out_len, 10);
	assert_memory_equal(out, "deep down\n", 10);
}

/* 18 bytes that end as a tiny unit would, but whose padding is none: they are a unit of 18 bytes. */
static void test_not_tiny(void **state)
{
	(void)state;
	struct rafs_blob_info info = info_of(3);
	/* Last bytes of the block: no padding at all, too much, and padding that is not all the same. */
	static const uint8_t ends[][2] = { { 0, 0 }, { 16, 16 }, { 255, 255 }, { 3, 2 }, { 4, 15 } };

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		uint8_t plain[18] = { 1, 2, 3 }, in[18], out[18];
		size_t out_len = 0;

		memcpy(plain + 14, ends[i], 2);
		/* The mark, and another end. */
		for (int mark = 0; mark < 2; mark++) {
			plain[16] = 0x78;
			plain[17] = mark ? 0x90 : 0x91;
			assert_true(crypt_unit(&info, 1, plain, 18, in));
			assert_int_equal(codec_decrypt(codec, &info, in, 18, out, &out_len), 0);
			assert_int_equal(out_len, 18);
			assert_memory_equal(out, plain, 18);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors), cmocka_unit_test(test_pages), cmocka_unit_test(test_lengths), cmocka_unit_test(test_keys),
		cmocka_unit_test(test_refused), cmocka_unit_test(test_tiny),    cmocka_unit_test(test_not_tiny),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
