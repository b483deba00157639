/* SPDX-License-Identifier: Apache-2.0 */
/* Times as nanoseconds, and points in time to wait until. */
#ifndef GRAFT_LIB_CLOCK_H
#define GRAFT_LIB_CLOCK_H

#include <stdint.h>
#include <time.h>

/* CLOCK_REALTIME: since 1970; CLOCK_MONOTONIC: since some time before this process. */
static inline uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* ms milliseconds (0 or more) from now, by CLOCK_MONOTONIC. */
static inline struct timespec clock_after_ms(int ms)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_nsec += (long)ms % 1000 * 1000000;
	t.tv_sec += ms / 1000 + t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	return t;
}

#endif
