/* SPDX-License-Identifier: Apache-2.0 */
/* An engine that a test commands: what it was asked for is kept, reads end how and when the test wants. */
#ifndef GRAFT_TESTS_NYDUS_RAFS_READER_H
#define GRAFT_TESTS_NYDUS_RAFS_READER_H

#include "rafs/engine/reader.h"

#include <pthread.h>

enum fake_reads { READS_HIT, READS_WAIT, READS_FAIL };

#define ENGINE_WAITING 16 /* reads that may wait at a time */

/* Plain values where no other thread than the test's looks. */
struct fake_engine {
	_Atomic enum fake_reads reads; /* of reader_try: the bytes, -EAGAIN, error */
	_Atomic int error;           /* of READS_FAIL and of reads that wait; 0: the bytes */
	int fail_new;                /* errno value of the next reader_new */
	struct reader_config config; /* of the last reader_new */
	uint32_t readers;            /* alive */
	/* of reader_prefetch */
	uint32_t prefetches;
	int fail_prefetch;
	const char *paths[8];
	size_t npaths;
	bool table, whole;
	struct reader_read *_Atomic waiting; /* the last one started; NULL when all are done */
	_Atomic uint32_t nwaiting;
};

extern struct fake_engine engine;

/* Byte `off` of inode ino, in this engine. */
static inline unsigned char engine_byte(uint64_t ino, uint64_t off)
{
	return (unsigned char)(ino * 31 + off * 7 + (off >> 8));
}

/* Ends the read that waits longest, on a thread of its own, which has ended when this returns. */
void engine_finish(void);

#endif
