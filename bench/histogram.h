/* SPDX-License-Identifier: Apache-2.0 */
/* Latencies in classes that grow by less than 2 percent, so that percentiles need no list of samples. */
#ifndef GRAFT_BENCH_HISTOGRAM_H
#define GRAFT_BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_SUB 64 /* classes of each power of two */
#define HISTOGRAM_CLASSES (HISTOGRAM_SUB * 40)

struct histogram {
	uint64_t count[HISTOGRAM_CLASSES];
	uint64_t total;
};

static inline unsigned histogram_class(uint64_t ns)
{
	if (ns < HISTOGRAM_SUB)
		return (unsigned)ns;
	unsigned shift = 63 - (unsigned)__builtin_clzll(ns) - 6;
	unsigned class = (shift + 1) * HISTOGRAM_SUB + (unsigned)(ns >> shift) - HISTOGRAM_SUB;
	return class < HISTOGRAM_CLASSES ? class : HISTOGRAM_CLASSES - 1;
}

static inline void histogram_add(struct histogram *h, uint64_t ns)
{
	h->count[histogram_class(ns)]++;
	h->total++;
}

/* Adds what b holds to a. */
static inline void histogram_merge(struct histogram *a, const struct histogram *b)
{
	for (unsigned i = 0; i < HISTOGRAM_CLASSES; i++)
		a->count[i] += b->count[i];
	a->total += b->total;
}

/* Nanoseconds below which this share (0 to 1) of the samples lies; 0 without samples. */
static inline uint64_t histogram_percentile(const struct histogram *h, double share)
{
	uint64_t want = (uint64_t)((double)h->total * share), seen = 0;

	for (unsigned i = 0; i < HISTOGRAM_CLASSES; i++) {
		seen += h->count[i];
		if (seen > want && i < HISTOGRAM_SUB)
			return i;
		if (seen > want)
			return (uint64_t)(HISTOGRAM_SUB + i % HISTOGRAM_SUB) << (i / HISTOGRAM_SUB - 1);
	}
	return 0;
}

#endif
