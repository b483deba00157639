/* SPDX-License-Identifier: Apache-2.0 */
/* Names of algorithms. */
#include "rafs/chunk.h"

const char *rafs_compressor_name(uint32_t compressor)
{
	static const char *const names[] = {"none", "lz4_block", "gzip", "zstd"};

	return compressor < sizeof(names) / sizeof(names[0]) ? names[compressor] : "unknown";
}

const char *rafs_digester_name(uint32_t digester)
{
	static const char *const names[] = {"blake3", "sha256"};

	return digester < sizeof(names) / sizeof(names[0]) ? names[digester] : "unknown";
}
