/* SPDX-License-Identifier: Apache-2.0 */
/* What codec.c, xts.c and zran.c share. */
#ifndef GRAFT_RAFS_CODEC_CODEC_INTERNAL_H
#define GRAFT_RAFS_CODEC_CODEC_INTERNAL_H

#include "rafs/codec/codec.h"

#include <openssl/types.h>
#define ZLIB_CONST
#include <zlib.h>
#include <zstd.h>

struct codec {
	ZSTD_DCtx *zstd;     /* NULL: not made */
	z_stream z;          /* made when z.state is not NULL */
	EVP_CIPHER_CTX *xts; /* NULL: not made */
};

/* inflate's window bits: the largest window, of a gzip member or of a bare deflate stream. */
#define CODEC_GZIP (16 + MAX_WBITS)
#define CODEC_RAW  (-MAX_WBITS)

/* Makes c->z ready for a new stream of one of the kinds above. 0 or -ENOMEM. */
int codec_inflate_start(struct codec *c, int kind);

#endif
