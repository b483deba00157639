/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C without the instruction, for processors that have none and for tests. */
#ifndef GRAFT_RAFS_CODEC_CRC32C_H
#define GRAFT_RAFS_CODEC_CRC32C_H

#include "rafs/codec/digest.h"

/* As crc32c(), by tables: eight bytes at a time. Any thread. */
uint32_t crc32c_portable(const void *bytes, size_t len);

#endif
