/* SPDX-License-Identifier: Apache-2.0 */
/* The data of an image's files: from the cache at once, or fetched, decoded, verified and cached by workers. */
#ifndef GRAFT_RAFS_ENGINE_READER_H
#define GRAFT_RAFS_ENGINE_READER_H

#include "rafs/blob/backend.h"
#include "rafs/cache/cache_dir.h"
#include "rafs/engine/pool.h"
#include "rafs/meta/image.h"

#include <stdatomic.h>
#include <sys/uio.h>

#define READER_READ_MAX (UINT32_C(4) << 20) /* bytes of one read that is fetched */

enum reader_validate {
	READER_VALIDATE_NONE = 0,   /* nothing is checked but sizes */
	READER_VALIDATE_CRC = 1,    /* each chunk once: when fetched, or when first taken from a cache that this process did
				     * not fill; by its CRC, or its digest where there is no CRC */
	READER_VALIDATE_DIGEST = 2, /* the same, by CRC and digest */
	READER_VALIDATE_FULL = 3    /* both, at every read that is not the kernel's cache; v5: inode digests too (rafs_inode_verify) */
};

/* Counters, written with relaxed atomics; 64-bit each, read by the server's metrics. */
struct reader_counters {
	uint64_t hits;             /* reads served without a worker */
	uint64_t misses;           /* reads that needed one */
	uint64_t fetched_chunks;
	uint64_t fetched_bytes;    /* from the backend */
	uint64_t plain_bytes;      /* decoded */
	uint64_t backend_reads, backend_errors;
	uint64_t readahead_bytes, prefetched_bytes; /* of plain_bytes: decoded ahead of any reader */
	uint64_t shared_chunks, shared_bytes; /* taken from other caches; not in plain_bytes */
	uint64_t bad_chunks;       /* checks that failed */
	uint64_t cache_errors;     /* writes to the cache that failed: served without */
	uint64_t cached_chunks;    /* that came into the cache */
	uint64_t checked_chunks;   /* that were taken from the cache after a check of their own */
	/* Prefetch: pieces of blobs that were asked for, their bytes there, the chunks in them, and the ns that each
	 * took */
	uint64_t prefetch_requests, prefetch_bytes, prefetch_chunks, prefetch_ns;
	uint64_t prefetch_begin, prefetch_end; /* ns since 1970; 0: not yet. end: of the last piece so far */
};

/* Encryption of chunks in the cache folder, in nydusd's form (reference 4). Zeroed: none. */
struct reader_secret {
	bool on;
	bool convergent; /* each chunk by its digest, so that equal ones lie there equal */
	uint8_t key[32]; /* two halves that differ */
};

/* How an image is to be read. Borrowed for the call of reader_new. */
struct reader_config {
	struct rafs_image *image;  /* kept; must outlive the reader */
	struct backend *backend;   /* kept; must outlive the reader */
	struct cache_dir *cache;   /* a count of its own is taken; NULL: no cache */
	bool cache_raw;            /* keep chunks as they lie in the blob */
	bool cache_all;            /* prefetch also keeps what can be read in place where it is */
	bool cache_unmapped;       /* v5: no chunk map on the disk; digests tell what an earlier process left */
	struct dedup *dedup;       /* kept; must outlive the reader. NULL: none. Needs a cache that is neither raw nor encrypted */
	struct reader_secret secret; /* counts for nothing with cache_raw; with it, data is checked at least by READER_VALIDATE_CRC */
	uint32_t validate;         /* enum reader_validate */
	uint32_t readahead;        /* bytes at most ahead of a sequential reader; 0: none */
	uint32_t threads;          /* workers wanted; 0: by the number of processors. The process has one set of workers for all
				    * readers, as many as the greatest asked for (at most 64) */
	uint64_t bandwidth;        /* bytes a second that prefetch may take; 0: no bound */
	void (*log)(void *arg, int level, const char *text); /* level: enum graft_log_level; any thread; rate limited by the callee */
	void *arg;
};

struct reader;
struct part;
struct dedup;

/* Opens nothing yet: blobs are opened when first read. 0 or -errno with err. */
int reader_new(struct reader **reader, const struct reader_config *config, struct graft_error *err);
/* Ends prefetch, waits for work under way. No read may be waiting. */
void reader_free(struct reader *reader);
struct reader_counters *reader_counters(struct reader *reader);

/*
 * Reads from off into iov, clipped to the file's end, if all of it is at hand (in the page cache): the bytes read. Never
 * waits for a disk or a network: -EAGAIN if it would, with iov perhaps partly written. Any thread.
 */
int64_t reader_try(struct reader *r, const struct rafs_inode *inode, uint64_t off, const struct iovec *iov, uint32_t n);

/* A read that workers serve. The caller's memory until done was called; zeroed but for the first group. */
struct reader_read {
	/* set by the caller */
	struct rafs_inode inode;
	uint64_t off;
	const struct iovec *iov; /* stays until done */
	uint32_t n;              /* iovecs */
	uint64_t len;            /* bytes wanted, at most READER_READ_MAX and iov's */
	void (*done)(struct reader_read *, int64_t res); /* bytes or -errno; on a worker, once; may free the struct */
	/* the reader's */
	struct reader *reader;
	struct job job;
	struct part *parts;
	_Atomic uint32_t pending;
	_Atomic int32_t error;
};

/* Queues it; done follows, perhaps before this returns. Any thread, does not block. */
void reader_start(struct reader *r, struct reader_read *read);
/* The same, and waits: bytes or -errno. Not on a worker. */
int64_t reader_wait(struct reader *r, const struct rafs_inode *inode, uint64_t off, void *to, uint64_t len);

/*
 * Prefetch, at lower priority than any read, in the background. paths: absolute, NULL for the image's own table; whole: all
 * blobs, end to end (as also when the table or the list is the root alone). Paths that are not there are logged. Once
 * for a reader. 0 or -errno.
 */
int reader_prefetch(struct reader *r, const char *const *paths, size_t npaths, bool whole);
/* True while it goes on. */
bool reader_prefetching(const struct reader *r);

#endif
