/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C: the SSE4.2 instruction on three streams at once, or tables. */
#include "crc32c.h"

#include "rafs/bytes.h"

#include <pthread.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

#define POLYNOMIAL UINT32_C(0x82f63b78) /* reflected */

/* slices[k][b]: what byte b does to the register when k more bytes of zero follow it. */
static uint32_t slices[8][256];
static pthread_once_t slices_once = PTHREAD_ONCE_INIT;

static void make_slices(void)
{
	for (uint32_t b = 0; b < 256; b++) {
		uint32_t crc = b;

		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
		slices[0][b] = crc;
	}
	for (int k = 1; k < 8; k++)
		for (uint32_t b = 0; b < 256; b++)
			slices[k][b] = slices[k - 1][b] >> 8 ^ slices[0][slices[k - 1][b] & 0xff];
}

uint32_t crc32c_portable(const void *bytes, size_t len)
{
	const uint8_t *p = bytes;
	uint32_t crc = UINT32_MAX;

	pthread_once(&slices_once, make_slices);
	for (; len >= 8; p += 8, len -= 8) {
		uint32_t low = bytes_u32(p) ^ crc, high = bytes_u32(p + 4);

		crc = slices[7][low & 0xff] ^ slices[6][low >> 8 & 0xff] ^ slices[5][low >> 16 & 0xff] ^
		      slices[4][low >> 24] ^ slices[3][high & 0xff] ^ slices[2][high >> 8 & 0xff] ^
		      slices[1][high >> 16 & 0xff] ^ slices[0][high >> 24];
	}
	for (; len; p++, len--)
		crc = crc >> 8 ^ slices[0][(crc ^ *p) & 0xff];
	return ~crc;
}

#if defined(__x86_64__)

/*
 * The instruction takes three cycles, but one can start each cycle: three streams are done at once and then joined.
 * A stream's length is fixed, for the joining table; three of these fill the smallest chunk (4 KiB) but 16 bytes.
 */
#define STREAM 1360

/* shift[k][b]: what byte k of the register, being b, becomes when STREAM bytes of zero follow. */
static uint32_t shift[4][256];
static pthread_once_t shift_once = PTHREAD_ONCE_INIT;

#define SSE42 __attribute__((target("sse4.2")))

SSE42 static uint64_t add_words(uint64_t crc, const uint8_t *p, size_t len)
{
	for (; len >= 8; p += 8, len -= 8)
		crc = _mm_crc32_u64(crc, bytes_u64(p));
	return crc;
}

SSE42 static void make_shift(void)
{
	static const uint8_t zeros[STREAM];

	for (int k = 0; k < 4; k++)
		for (uint32_t b = 1; b < 256; b++) {
			uint32_t lowest = b & -b;

			/* The register is linear: each byte is the sum of its bits. */
			shift[k][b] = b == lowest ? (uint32_t)add_words((uint64_t)b << 8 * k, zeros, STREAM)
						  : shift[k][b - lowest] ^ shift[k][lowest];
		}
}

static uint32_t shifted(uint64_t crc)
{
	return shift[0][crc & 0xff] ^ shift[1][crc >> 8 & 0xff] ^ shift[2][crc >> 16 & 0xff] ^ shift[3][crc >> 24];
}

SSE42 static uint32_t add_streams(uint32_t crc, const uint8_t *p)
{
	uint64_t a = crc, b = 0, c = 0;

	for (size_t i = 0; i < STREAM; i += 8) {
		a = _mm_crc32_u64(a, bytes_u64(p + i));
		b = _mm_crc32_u64(b, bytes_u64(p + STREAM + i));
		c = _mm_crc32_u64(c, bytes_u64(p + (size_t)2 * STREAM + i));
	}
	return shifted(shifted(a) ^ b) ^ (uint32_t)c;
}

SSE42 static uint32_t crc32c_sse42(const uint8_t *p, size_t len)
{
	uint32_t crc = UINT32_MAX;

	if (len >= (size_t)3 * STREAM)
		pthread_once(&shift_once, make_shift);
	for (; len >= (size_t)3 * STREAM; p += (size_t)3 * STREAM, len -= (size_t)3 * STREAM)
		crc = add_streams(crc, p);
	crc = (uint32_t)add_words(crc, p, len);
	for (p += len & ~(size_t)7, len &= 7; len; p++, len--)
		crc = _mm_crc32_u8(crc, *p);
	return ~crc;
}

#endif

uint32_t crc32c(const void *bytes, size_t len)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("sse4.2"))
		return crc32c_sse42(bytes, len);
#endif
	return crc32c_portable(bytes, len);
}
