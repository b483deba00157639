/* SPDX-License-Identifier: Apache-2.0 */
/* Output from the middle of a gzip file, from an access point on (reference 3.5). */
#include "codec.h"

#include "codec_internal.h"

#include <errno.h>

#define TRAILER  8     /* bytes behind a gzip member's deflate stream */
#define DICT_MAX 32768 /* bytes */

/* The state that inflate would have at the access point: the bits begun with, and the output before. */
static int enter(struct codec *c, const struct rafs_zran *z)
{
	int res = codec_inflate_start(c, CODEC_RAW);

	if (res < 0)
		return res;
	if (z->bits && inflatePrime(&c->z, z->bits, z->byte >> (8 - z->bits)) != Z_OK)
		return -EIO;
	/* It copies the dictionary into a window of its own, its only failure here. */
	if (z->dict_size && inflateSetDictionary(&c->z, z->dict, z->dict_size) != Z_OK)
		return -ENOMEM;
	return 0;
}

/*
 * To the next member; those are read whole, so that zlib checks their headers and trailers. The first one's trailer is
 * passed over: it covers what is before the access point too.
 */
static int next_member(struct codec *c, bool first)
{
	if (first) {
		if (c->z.avail_in < TRAILER)
			return -EIO;
		c->z.next_in += TRAILER;
		c->z.avail_in -= TRAILER;
	}
	return codec_inflate_start(c, CODEC_GZIP);
}

int codec_zran(struct codec *c, const struct rafs_zran *z, const void *in, void *out, size_t out_len)
{
	int res;

	if (z->bits > 7 || z->dict_size > DICT_MAX || z->out_size > RAFS_CHUNK_MAX)
		return -EIO;
	if (out_len == 0 || out_len > z->out_size)
		return -EIO;
	res = enter(c, z);
	c->z.next_in = in;
	c->z.avail_in = z->in_size;
	c->z.next_out = out;
	c->z.avail_out = (uInt)out_len;
	/* Each turn but the last uses up a member of at least 18 bytes. */
	for (bool first = true; res == 0; first = false) {
		int got = inflate(&c->z, Z_FINISH);

		if (got == Z_MEM_ERROR)
			return -ENOMEM;
		if (got != Z_STREAM_END && got != Z_OK && got != Z_BUF_ERROR)
			return -EIO;
		if (c->z.avail_out == 0)
			return 0;
		if (got != Z_STREAM_END)
			return -EIO;
		res = next_member(c, first);
	}
	return res;
}
