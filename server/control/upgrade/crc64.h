/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-64/Jones, the checksum of nydusd's saved states. */
#ifndef GRAFT_CONTROL_UPGRADE_CRC64_H
#define GRAFT_CONTROL_UPGRADE_CRC64_H

#include <stddef.h>
#include <stdint.h>

/* Reflected, polynomial 0xad93d23594c935a9, begins with 0, no final inversion. "123456789" gives 0xe9c6d914c4b8d9ca. */
uint64_t crc64_jones(const void *bytes, size_t len);

#endif
