/* SPDX-License-Identifier: Apache-2.0 */
/* Decompression: each codec's own library, always in one pass into the caller's memory. */
#include "codec.h"

#include "codec_internal.h"
#include "crypto.h"
#include "rafs/bytes.h"

#include <errno.h>
#include <limits.h>
#include <lz4.h>
#include <stdlib.h>

#define OUT_MAX ((size_t)384 << 20) /* bytes: the largest chunk table (2^24 entries of 24) */

struct codec *codec_new(void)
{
	return calloc(1, sizeof(struct codec));
}

void codec_trim(struct codec *c)
{
	ZSTD_freeDCtx(c->zstd);
	inflateEnd(&c->z);
	if (c->xts)
		crypto_get(NULL)->EVP_CIPHER_CTX_free(c->xts);
	*c = (struct codec){ .zstd = NULL };
}

void codec_free(struct codec *c)
{
	if (c)
		codec_trim(c);
	free(c);
}

int codec_load_crypto(struct graft_error *err)
{
	struct graft_error why = { 0 };

	if (crypto_get(&why))
		return 0;
	return error_set(err, why.code, "%s", why.text);
}

static int decompress_none(const void *in, size_t in_len, void *out, size_t out_len)
{
	if (in_len != out_len)
		return -EIO;
	memcpy(out, in, out_len);
	return 0;
}

static int decompress_lz4(const void *in, size_t in_len, void *out, size_t out_len)
{
	return LZ4_decompress_safe(in, out, (int)in_len, (int)out_len) == (int)out_len ? 0 : -EIO;
}

/* In one pass: the output is the window, so a frame that asks for a large one costs nothing. */
static int decompress_zstd(struct codec *c, const void *in, size_t in_len, void *out, size_t out_len)
{
	/* One plain frame: the library would also take several, frames to skip, and its old formats. */
	if (in_len < 4 || bytes_u32(in) != ZSTD_MAGICNUMBER || ZSTD_findFrameCompressedSize(in, in_len) != in_len)
		return -EIO;
	if (!c->zstd)
		c->zstd = ZSTD_createDCtx();
	if (!c->zstd)
		return -ENOMEM;
	return ZSTD_decompressDCtx(c->zstd, out, out_len, in, in_len) == out_len ? 0 : -EIO;
}

int codec_inflate_start(struct codec *c, int kind)
{
	int res = c->z.state ? inflateReset2(&c->z, kind) : inflateInit2(&c->z, kind);

	return res == Z_OK ? 0 : -ENOMEM;
}

static int decompress_gzip(struct codec *c, const void *in, size_t in_len, void *out, size_t out_len)
{
	int res = codec_inflate_start(c, CODEC_GZIP);

	if (res < 0)
		return res;
	c->z.next_in = in;
	c->z.avail_in = (uInt)in_len;
	c->z.next_out = out;
	c->z.avail_out = (uInt)out_len;
	res = inflate(&c->z, Z_FINISH);
	if (res == Z_MEM_ERROR)
		return -ENOMEM;
	/* A wrong checksum in the trailer is bad data even where the bytes are all there. */
	return (res == Z_STREAM_END || res == Z_BUF_ERROR || res == Z_OK) && c->z.avail_out == 0 ? 0 : -EIO;
}

int codec_decompress(struct codec *c, enum rafs_compressor how, const void *in, size_t in_len, void *out,
		     size_t out_len)
{
	/* The libraries count in int. */
	if (in_len > INT_MAX || out_len == 0 || out_len > OUT_MAX)
		return -EIO;
	switch (how) {
	case RAFS_NONE:
		return decompress_none(in, in_len, out, out_len);
	case RAFS_LZ4:
		return decompress_lz4(in, in_len, out, out_len);
	case RAFS_GZIP:
		return decompress_gzip(c, in, in_len, out, out_len);
	case RAFS_ZSTD:
		return decompress_zstd(c, in, in_len, out, out_len);
	}
	return -EIO;
}

uint32_t codec_stargz_bound(uint32_t u_size)
{
	return u_size + 23 + 5 * (u_size / 16384) + 128;
}
