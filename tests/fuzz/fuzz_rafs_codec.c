/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: any bytes as compressed or encrypted data. Byte 0 says which, bytes 1 to 3 how much is to come out. A
 * codec used before gives what a new one does; what was decrypted encrypts to what it was.
 */
#include "rafs/bytes.h"
#include "rafs/codec/codec.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>

#define OUT_MAX (1U << 16)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* All memory is of exactly the size that may be touched. */
static uint8_t *bytes_of(const uint8_t *data, size_t size)
{
	uint8_t *p = malloc(size ? size : 1);

	if (!p)
		abort();
	if (size)
		memcpy(p, data, size);
	return p;
}

static int decompress(struct codec *c, uint8_t how, const uint8_t *in, size_t in_len, uint8_t *out, size_t out_len)
{
	int res = codec_decompress(c, (enum rafs_compressor)how, in, in_len, out, out_len);

	if (res != 0 && res != -EIO)
		abort();
	return res;
}

static void try_decompress(struct codec *used, uint8_t how, const uint8_t *in, size_t in_len, size_t out_len)
{
	uint8_t *a = calloc(1, out_len ? out_len : 1), *b = calloc(1, out_len ? out_len : 1);
	struct codec *c = codec_new();
	int res;

	if (!a || !b || !c)
		abort();
	res = decompress(used, how, in, in_len, a, out_len);
	if (decompress(c, how, in, in_len, b, out_len) != res || (res == 0 && memcmp(a, b, out_len) != 0))
		abort();
	codec_free(c);
	free(a);
	free(b);
}

static void encrypt(const struct rafs_blob_info *info, const uint8_t *in, size_t len, uint8_t *out)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n = 0;

	if (!ctx || !EVP_EncryptInit_ex(ctx, EVP_aes_128_xts(), NULL, info->key, info->iv) ||
	    !EVP_EncryptUpdate(ctx, out, &n, in, (int)len) || n != (int)len)
		abort();
	EVP_CIPHER_CTX_free(ctx);
}

static void try_decrypt(struct codec *used, const uint8_t *in, size_t in_len, uint8_t seed)
{
	struct rafs_blob_info info = { .key = { 1, 2, seed }, .iv = { seed } };
	uint8_t *plain = bytes_of(in, in_len), padded[18] = { [16] = 0x78, [17] = 0x90 };
	size_t len = 0;
	int res = codec_decrypt(used, &info, plain, in_len, plain, &len);

	if ((res == 0) != (in_len >= 16) || (res != 0 && res != -EIO))
		abort();
	if (res == 0 && len == in_len) {
		encrypt(&info, plain, len, plain);
		if (memcmp(plain, in, len) != 0)
			abort();
	} else if (res == 0) {
		if (len == 0 || len > 15 || in_len != 18)
			abort();
		memset(padded, (int)(16 - len), 16);
		memcpy(padded, plain, len);
		encrypt(&info, padded, sizeof(padded), padded);
		if (memcmp(padded, in, 18) != 0)
			abort();
	}
	free(plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct codec *used;
	uint8_t *in;
	size_t out_len;

	if (!used)
		used = codec_new();
	if (!used)
		abort();
	if (size < 4)
		return 0;
	in = bytes_of(data + 4, size - 4);
	out_len = (bytes_u32(data) >> 8) % OUT_MAX;
	if (data[0] % 5 < 4)
		try_decompress(used, data[0] % 5, in, size - 4, out_len);
	else
		try_decrypt(used, in, size - 4, data[1]);
	free(in);
	return 0;
}
