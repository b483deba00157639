/* SPDX-License-Identifier: Apache-2.0 */
/* Each allocation that codecs and digests ask for fails once: -ENOMEM, nothing leaked, and the next try succeeds. */
#include "rafs/codec/codec.h"
#include "rafs/codec/digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include <cmocka.h>

/* How many calls still succeed; below 0: all. */
static int left = -1;

static bool refuse(void)
{
	return left >= 0 && left-- == 0;
}

#define WRAP(ret, name, ...)                                                                                           \
	ret __real_##name(__VA_ARGS__);                                                                                \
	ret __wrap_##name(__VA_ARGS__);                                                                                \
	ret __wrap_##name(__VA_ARGS__)

WRAP(void *, malloc, size_t size)
{
	return refuse() ? NULL : __real_malloc(size);
}

WRAP(void *, calloc, size_t n, size_t size)
{
	return refuse() ? NULL : __real_calloc(n, size);
}

WRAP(ZSTD_DCtx *, ZSTD_createDCtx, void)
{
	return refuse() ? NULL : __real_ZSTD_createDCtx();
}

WRAP(int, inflateInit2_, z_streamp z, int bits, const char *version, int size)
{
	return refuse() ? Z_MEM_ERROR : __real_inflateInit2_(z, bits, version, size);
}

WRAP(int, inflate, z_streamp z, int flush)
{
	return refuse() ? Z_MEM_ERROR : __real_inflate(z, flush);
}

WRAP(int, inflateSetDictionary, z_streamp z, const Bytef *dict, uInt len)
{
	return refuse() ? Z_MEM_ERROR : __real_inflateSetDictionary(z, dict, len);
}

/* What libcrypto's functions are replaced by when they are looked for. */
static EVP_MD *md_fetch(OSSL_LIB_CTX *ctx, const char *name, const char *properties)
{
	return refuse() ? NULL : EVP_MD_fetch(ctx, name, properties);
}

static EVP_MD_CTX *md_ctx_new(void)
{
	return refuse() ? NULL : EVP_MD_CTX_new();
}

static int digest_update(EVP_MD_CTX *ctx, const void *bytes, size_t len)
{
	return refuse() ? 0 : EVP_DigestUpdate(ctx, bytes, len);
}

static int digest_final(EVP_MD_CTX *ctx, unsigned char *md, unsigned int *size)
{
	return refuse() ? 0 : EVP_DigestFinal_ex(ctx, md, size);
}

static int digest_once(const void *bytes, size_t len, unsigned char *md, unsigned int *size, const EVP_MD *type, ENGINE *engine)
{
	return refuse() ? 0 : EVP_Digest(bytes, len, md, size, type, engine);
}

static EVP_CIPHER *cipher_fetch(OSSL_LIB_CTX *ctx, const char *name, const char *properties)
{
	return refuse() ? NULL : EVP_CIPHER_fetch(ctx, name, properties);
}

static EVP_CIPHER_CTX *cipher_ctx_new(void)
{
	return refuse() ? NULL : EVP_CIPHER_CTX_new();
}

WRAP(void *, dlsym, void *library, const char *name)
{
	static const struct {
		const char *name;
		void *f;
	} replaced[] = {
		{ "EVP_MD_fetch", (void *)md_fetch },
		{ "EVP_MD_CTX_new", (void *)md_ctx_new },
		{ "EVP_DigestUpdate", (void *)digest_update },
		{ "EVP_DigestFinal_ex", (void *)digest_final },
		{ "EVP_Digest", (void *)digest_once },
		{ "EVP_CIPHER_fetch", (void *)cipher_fetch },
		{ "EVP_CIPHER_CTX_new", (void *)cipher_ctx_new },
	};

	for (size_t i = 0; i < sizeof(replaced) / sizeof(replaced[0]); i++)
		if (strcmp(replaced[i].name, name) == 0)
			return replaced[i].f;
	return __real_dlsym(library, name);
}

/* Each does one thing with a new codec (NULL: could not be had): 0 or -errno. */

static int use_zstd(struct codec *c)
{
	static const uint8_t frame[] = { 0x28, 0xb5, 0x2f, 0xfd, 0x20, 0x04, 0x21, 0x00, 0x00, 'a', 'b', 'c', 'd' };
	uint8_t out[4];

	return codec_decompress(c, RAFS_ZSTD, frame, sizeof(frame), out, sizeof(out));
}

/* A member of one stored block "abcd", and only its first bytes wanted. */
static const uint8_t member[] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1, 4, 0, 0xfb, 0xff, 'a', 'b', 'c', 'd' };

static int use_gzip(struct codec *c)
{
	uint8_t out[3];

	return codec_decompress(c, RAFS_GZIP, member, sizeof(member), out, sizeof(out));
}

static int use_zran(struct codec *c)
{
	const struct rafs_zran z = {
		.in_size = sizeof(member) - 10, .out_size = 4, .dict = (const uint8_t *)"dictionary", .dict_size = 10
	};
	uint8_t out[4];

	return codec_zran(c, &z, member + 10, out, sizeof(out));
}

static int use_xts(struct codec *c)
{
	const struct rafs_blob_info info = { .key = { 1 } };
	uint8_t bytes[32] = { 0 };
	size_t len;

	return codec_decrypt(c, &info, bytes, sizeof(bytes), bytes, &len);
}

static int use_digest_of(struct codec *c)
{
	uint8_t out[RAFS_DIGEST_SIZE];

	(void)c;
	return digest_of(RAFS_SHA256, "abc", 3, out);
}

static int use_digest(struct codec *c)
{
	struct digest *d = digest_new(RAFS_SHA256);

	(void)c;
	digest_free(d);
	return d ? 0 : -ENOMEM;
}

static int use_blake3(struct codec *c)
{
	struct digest *d = digest_new(RAFS_BLAKE3);

	(void)c;
	digest_free(d);
	return d ? 0 : -ENOMEM;
}

static void check(int (*use)(struct codec *c), int least)
{
	int failures = 0;

	for (int n = 0; n < 50; n++) {
		struct codec *c;
		int res;

		left = n;
		c = codec_new();
		res = c ? use(c) : -ENOMEM;
		left = -1;
		if (res == 0) {
			assert_true(failures >= least);
			codec_free(c);
			return;
		}
		assert_int_equal(res, -ENOMEM);
		failures++;
		if (c)
			assert_int_equal(use(c), 0);
		codec_free(c);
	}
	fail();
}

static void test_codecs(void **state)
{
	(void)state;
	check(use_zstd, 2);
	check(use_gzip, 3);
	check(use_zran, 4);
	check(use_xts, 3);
}

static void test_digests(void **state)
{
	(void)state;
	/* Looked up for the first time here: that fails once, and then is done. */
	check(use_digest_of, 2);
	check(use_digest, 3);
	check(use_blake3, 2);
}

/* A digest that libcrypto fails to make is all zeros, which match nothing; the one after is right. */
static void test_digest_fails(void **state)
{
	(void)state;
	static const uint8_t zeros[RAFS_DIGEST_SIZE];
	struct digest *d = digest_new(RAFS_SHA256);
	uint8_t right[RAFS_DIGEST_SIZE], out[RAFS_DIGEST_SIZE];

	assert_non_null(d);
	assert_int_equal(digest_of(RAFS_SHA256, "abcdef", 6, right), 0);
	/* The first part, the second part, the end. */
	for (int n = 0; n <= 3; n++) {
		left = n;
		digest_add(d, "abc", 3);
		digest_add(d, "def", 3);
		digest_end(d, out);
		left = -1;
		assert_memory_equal(out, n < 3 ? zeros : right, RAFS_DIGEST_SIZE);
		digest_add(d, "abcdef", 6);
		digest_end(d, out);
		assert_memory_equal(out, right, RAFS_DIGEST_SIZE);
	}
	digest_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_codecs),
		cmocka_unit_test(test_digests),
		cmocka_unit_test(test_digest_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
