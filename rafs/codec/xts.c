/* SPDX-License-Identifier: Apache-2.0 */
/* AES-128-XTS: a data unit of a blob, nydus' own form of units too small for it (reference 5), pages of a cache. */
#include "codec.h"

#include "codec_internal.h"
#include "crypto.h"

#include <errno.h>
#include <string.h>

#define AES_BLOCK 16	     /* bytes, the least that XTS takes */
#define UNIT_MAX  (16 << 20) /* bytes, the most: 2^20 blocks (IEEE 1619) */
#define TINY      18	     /* bytes: a unit under AES_BLOCK, padded to it, then the mark, all encrypted */

/* c's context, made if there is none. NULL when out of memory. */
static EVP_CIPHER_CTX *context(struct codec *c, const struct crypto *k)
{
	EVP_CIPHER *cipher;

	if (c->xts || !k)
		return c->xts;
	cipher = k->EVP_CIPHER_fetch(NULL, "AES-128-XTS", NULL);
	c->xts = k->EVP_CIPHER_CTX_new();
	if (!cipher || !c->xts || !k->EVP_CipherInit_ex2(c->xts, cipher, NULL, NULL, 0, NULL)) {
		k->EVP_CIPHER_CTX_free(c->xts);
		c->xts = NULL;
	}
	k->EVP_CIPHER_free(cipher);
	return c->xts;
}

/* 0, -ENOMEM, -EIO. */
static int decrypt_unit(struct codec *c, const struct rafs_blob_info *info, const void *in, size_t in_len, void *out)
{
	const struct crypto *k = crypto_get(NULL);
	EVP_CIPHER_CTX *ctx = context(c, k);
	int n = 0;

	if (!ctx || !k->EVP_CipherInit_ex2(ctx, NULL, info->key, info->iv, 0, NULL))
		return -ENOMEM;
	return k->EVP_CipherUpdate(ctx, out, &n, in, (int)in_len) && n == (int)in_len ? 0 : -EIO;
}

bool codec_key_ok(const uint8_t key[CODEC_KEY])
{
	return memcmp(key, key + CODEC_KEY / 2, CODEC_KEY / 2) != 0;
}

static int pages(struct codec *c, const uint8_t key[CODEC_KEY], bool encrypt, unsigned char *bytes, size_t len)
{
	static const uint8_t iv[AES_BLOCK];
	const struct crypto *k = crypto_get(NULL);
	EVP_CIPHER_CTX *ctx = context(c, k);
	int n = 0;

	if (!codec_key_ok(key) || len % CODEC_PAGE)
		return -EINVAL;
	if (!ctx || !k->EVP_CipherInit_ex2(ctx, NULL, key, iv, encrypt, NULL))
		return -ENOMEM;
	for (size_t at = 0; at < len; at += CODEC_PAGE) {
		/* The key stays; only the tweak begins anew. */
		if (at && !k->EVP_CipherInit_ex2(ctx, NULL, NULL, iv, encrypt, NULL))
			return -ENOMEM;
		if (!k->EVP_CipherUpdate(ctx, bytes + at, &n, bytes + at, CODEC_PAGE) || n != CODEC_PAGE)
			return -EIO;
	}
	return 0;
}

int codec_encrypt_pages(struct codec *c, const uint8_t key[CODEC_KEY], void *bytes, size_t len)
{
	return pages(c, key, true, bytes, len);
}

int codec_decrypt_pages(struct codec *c, const uint8_t key[CODEC_KEY], void *bytes, size_t len)
{
	return pages(c, key, false, bytes, len);
}

/* The length of the tiny unit that block is when decrypted; 0 if its padding is not one. */
static size_t tiny_len(const uint8_t block[AES_BLOCK])
{
	uint8_t pad = block[AES_BLOCK - 1];

	if (pad == 0 || pad >= AES_BLOCK)
		return 0;
	for (int i = AES_BLOCK - pad; i < AES_BLOCK; i++)
		if (block[i] != pad)
			return 0;
	return AES_BLOCK - pad;
}

int codec_decrypt(struct codec *c, const struct rafs_blob_info *info, const void *in, size_t in_len, void *out,
		  size_t *out_len)
{
	static const uint8_t mark[TINY - AES_BLOCK] = { 0x78, 0x90 };
	int res;

	if (!codec_key_ok(info->key))
		return -EINVAL;
	if (in_len < AES_BLOCK || in_len > UNIT_MAX)
		return -EIO;
	res = decrypt_unit(c, info, in, in_len, out);
	*out_len = in_len;
	if (res < 0 || in_len != TINY || memcmp((const uint8_t *)out + AES_BLOCK, mark, sizeof(mark)) != 0)
		return res;
	/* 18 bytes of their own may happen to end so: then the padding is none. */
	size_t tiny = tiny_len(out);
	if (tiny)
		*out_len = tiny;
	return 0;
}
