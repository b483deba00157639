/* SPDX-License-Identifier: Apache-2.0 */
/* The classes in which nydusd counts transfers: by size, and by how long they took. */
#ifndef GRAFT_LIB_IO_CLASS_H
#define GRAFT_LIB_IO_CLASS_H

#include <stdint.h>

#define IO_SIZES 8 /* below 1 KiB, from 1, 4, 16, 64, 128, 512 KiB, from 1 MiB on */
#define IO_TIMES 8

/* ns: up to 200 us, 1 ms, 20 ms, 50 ms, 500 ms, 1 s, 2 s, and longer: of a client's reads. */
#define IO_READ_TIMES                                                                                                  \
	{                                                                                                              \
		200000, 1000000, 20000000, 50000000, 500000000, 1000000000, 2000000000, UINT64_MAX                     \
	}
/* ns: up to 1 ms, 20 ms, 50 ms, 100 ms, 500 ms, 1 s, 2 s, and longer: of reads of a backend. What is left of a
 * millisecond is cut off first. */
#define IO_BACKEND_TIMES                                                                                               \
	{                                                                                                              \
		1999999, 20999999, 50999999, 100999999, 500999999, 1000999999, 2000999999, UINT64_MAX                  \
	}

/* 0 .. IO_SIZES - 1 */
static inline uint32_t io_size_class(uint64_t bytes)
{
	static const unsigned char classes[] = { 0, 1, 1, 2, 2, 3, 3, 4, 5, 5, 6 }; /* by the bit length of the KiB */
	uint64_t kib = bytes >> 10;
	uint32_t length = kib ? 64 - (uint32_t)__builtin_clzll(kib) : 0;

	return length < sizeof(classes) ? classes[length] : IO_SIZES - 1;
}

/* The most bytes of a class; UINT64_MAX for the last. */
static inline uint64_t io_size_bound(uint32_t size_class)
{
	static const uint16_t kib[] = { 1, 4, 16, 64, 128, 512, 1024 };

	return size_class < IO_SIZES - 1 ? ((uint64_t)kib[size_class] << 10) - 1 : UINT64_MAX;
}

/* The first of the bounds, the last of which is UINT64_MAX, that is not below ns. */
static inline uint32_t io_time_class(const uint64_t bounds[IO_TIMES], uint64_t ns)
{
	uint32_t i = 0;

	while (ns > bounds[i])
		i++;
	return i;
}

#endif
