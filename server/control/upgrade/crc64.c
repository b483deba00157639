/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-64/Jones, four bits at a time: states are a few kilobytes. */
#include "server/control/upgrade/crc64.h"

#define POLYNOMIAL UINT64_C(0x95ac9329ac4bc9b5) /* 0xad93d23594c935a9 with its bits in the other order */

static void make_table(uint64_t table[16])
{
	for (uint64_t i = 0; i < 16; i++) {
		uint64_t crc = i;

		for (int bit = 0; bit < 4; bit++)
			crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
		table[i] = crc;
	}
}

uint64_t crc64_jones(const void *bytes, size_t len)
{
	const unsigned char *at = bytes;
	uint64_t table[16], crc = 0;

	make_table(table);
	for (size_t i = 0; i < len; i++) {
		crc ^= at[i];
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return crc;
}
