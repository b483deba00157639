/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: any bytes as a gzip access point and what lies there. A head of 12 bytes (bits, byte, u16 of the
 * dictionary, u32 of the output, u32 of the part wanted), the dictionary, the input. A codec used before gives what a
 * new one does.
 */
#include "rafs/bytes.h"
#include "rafs/codec/codec.h"

#include <errno.h>
#include <stdlib.h>

#define HEAD 12
#define OUT_MAX (1U << 16)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Of exactly the size that may be touched. */
static uint8_t *bytes_of(const uint8_t *data, size_t size)
{
	uint8_t *p = malloc(size ? size : 1);

	if (!p)
		abort();
	memcpy(p, data, size);
	return p;
}

static void try(const struct rafs_zran *z, const uint8_t *in, size_t len)
{
	static struct codec *used;
	struct codec *c = codec_new();
	uint8_t *a = calloc(1, len ? len : 1), *b = calloc(1, len ? len : 1);
	int res;

	if (!used)
		used = codec_new();
	if (!used || !c || !a || !b)
		abort();
	res = codec_zran(used, z, in, a, len);
	if (res != 0 && res != -EIO)
		abort();
	if (codec_zran(c, z, in, b, len) != res || (res == 0 && memcmp(a, b, len) != 0))
		abort();
	codec_free(c);
	free(a);
	free(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rafs_zran z;
	uint8_t *dict, *in;
	size_t dict_size;

	if (size < HEAD)
		return 0;
	dict_size = bytes_u16(data + 2) < size - HEAD ? bytes_u16(data + 2) : size - HEAD;
	dict = bytes_of(data + HEAD, dict_size);
	in = bytes_of(data + HEAD + dict_size, size - HEAD - dict_size);
	z = (struct rafs_zran){
		.in_size = (uint32_t)(size - HEAD - dict_size),
		.out_size = bytes_u32(data + 4) % OUT_MAX,
		.dict = dict,
		.dict_size = (uint32_t)dict_size,
		.bits = data[0],
		.byte = data[1],
	};
	try(&z, in, bytes_u32(data + 8) % OUT_MAX);
	free(dict);
	free(in);
	return 0;
}
