/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the engine share: readers, their blobs, the chunks on their way.
 *
 * A read is cut into parts, one for each chunk it touches. A part whose chunk is not at hand waits for a flight: one chunk, or
 * one context (a batch, a gzip access point) being fetched, which all who want it wait for. Flights that lie side by side
 * in the blob are one fetch: one read of the backend, its flights decoded by as many workers as are free.
 *
 * Locks, outermost first: stream_lock, reader.lock, shared_blob.lock, the pool's; and the registry of blobs, alone.
 */
#ifndef GRAFT_RAFS_ENGINE_INTERNAL_H
#define GRAFT_RAFS_ENGINE_INTERNAL_H

#include "rafs/blob/chunk_table.h"
#include "rafs/cache/cache_file.h"
#include "rafs/cache/dedup.h"
#include "rafs/cache/plain_cache.h"
#include "rafs/codec/codec.h"
#include "rafs/engine/pool.h"
#include "rafs/engine/reader.h"

#include <graftfs/plugin.h>
#include <pthread.h>

#define FETCH_RAW_MAX   (UINT64_C(1) << 20)  /* bytes of one backend read that joins several units */
#define FETCH_UNITS_MAX 64                   /* of one fetch */
#define FETCH_GAP_MAX   8192                 /* bytes between two units that are read and thrown away */
#define FLIGHT_BUCKETS  64
#define STREAMS         4
#define PART_TRIES      3
#define LOG_TEXT_MAX    2048

/* One piece of a read. */
struct part {
	struct reader_read *read;
	struct part *next; /* of those that wait for the same flight */
	uint64_t at;       /* bytes: where it begins in the read */
	uint32_t blob;     /* index in the reader's blobs */
	uint32_t skip, len; /* bytes: of the plain chunk */
	uint32_t tries;     /* of this piece, at most PART_TRIES */
	struct rafs_chunk chunk;
};

/*
 * What is decoded as one: a chunk, or a context with all its chunks. key: the chunk's index, or with one of these flags
 * what they say.
 */
#define UNIT_CONTEXT (UINT64_C(1) << 32)
#define UNIT_CACHED  (UINT64_C(1) << 33) /* a chunk's copy in the cache, to be checked: c_off and c_size are 0 */
#define UNIT_PLACE   (UINT64_C(1) << 63) /* no index: c_off with this */
/* What a unit's plain bytes are called in memory: the same wherever they came from. */
#define UNIT_PLAIN(key) ((key) & ~UNIT_CACHED)
struct unit {
	uint64_t key;
	uint64_t c_off;
	uint32_t c_size;         /* bytes to read; of a gzip chunk of unknown size: a bound */
	uint32_t plain;          /* bytes of output */
	struct rafs_chunk chunk; /* the chunk, or one of the context's */
};

struct fetch;

/* A unit on its way. Protected by its blob's lock until its worker takes it out of the table. */
struct flight {
	struct unit unit;
	struct flight *next; /* in the table */
	struct part *waiters;
	struct fetch *fetch;
	bool shared;          /* its chunks were in another cache, and are now in ours */
	_Atomic uint64_t ino; /* of a file whose reader waits for it, for messages; 0: nobody does yet */
};

enum fetch_cause { FETCH_DEMAND = POOL_DEMAND, FETCH_AHEAD = POOL_AHEAD, FETCH_PREFETCH = POOL_PREFETCH };

struct fetch_helper {
	struct job job; /* first */
	struct fetch *fetch;
};

/* Flights that are read together. Freed with its last count. */
struct fetch {
	struct job job; /* first */
	struct fetch_helper helpers[MAX_HELPERS];
	struct reader *reader;
	struct reader_blob *blob;
	_Atomic uint32_t refs;
	_Atomic uint32_t next_flight; /* the next one to decode */
	enum fetch_cause cause;
	uint32_t n;
	uint64_t began;     /* ns, CLOCK_MONOTONIC; of FETCH_PREFETCH only */
	uint64_t stored;    /* bytes of its flights as they lie in the blob */
	uint64_t plain;     /* bytes of output */
	struct buffer raw;  /* of the blob, from c_begin on; empty: each flight reads for itself */
	bool joined;        /* to be read at once, [c_begin, c_end) */
	uint64_t c_begin, c_end;
	struct flight flights[FETCH_UNITS_MAX];
};

/*
 * A blob's files in the cache folder and what is known of its chunks: shared by the readers of this process that name
 * the same blob with the same properties in the same folder. v5 chunks come from each image's own metadata, so there it is
 * never shared.
 */
struct shared_blob {
	struct shared_blob *next; /* registry */
	uint32_t refs;            /* registry */
	struct cache_dir *dir;    /* NULL: no cache */
	struct plain_cache *plain; /* the pool's, which outlives this */
	struct rafs_blob_info info;
	bool raw;
	bool unmapped;             /* the cache has no map on the disk: what it holds is told by digests */
	struct reader_secret secret; /* of the cache file, which then is not raw */
	bool by_digest;            /* chunks have digests that convergent encryption goes by, as nydusd has them */
	bool digests;              /* the blob's own were asked for */
	bool own_digests;          /* the image's are used */
	struct chunk_table *table; /* v6 but TARFS */
	struct cache_file *cache;  /* NULL: none */
	struct dedup *dedup;       /* the wish, of whoever opened it first */
	struct dedup_name *source; /* what others may take from the cache is found under; NULL: nothing is shared */
	_Atomic unsigned char *verified; /* a bit for each chunk: its check passed in this process */
	_Atomic unsigned char *told;     /* a bit for each chunk: it was said to be bad; made when the first one is */
	uint32_t chunks;
	pthread_mutex_t lock;
	struct flight *flights[FLIGHT_BUCKETS];
};

/* A sequential reader of a blob, by chunk index (v6) or by where it is in the files (v5). */
struct stream {
	_Atomic uint32_t mark; /* a chunk at or behind this moves it on; UINT32_MAX: none */
	_Atomic uint32_t end;  /* first chunk index not asked for yet */
	_Atomic uint32_t begin; /* chunks before it are no part of it */
	uint32_t window; /* bytes */
	uint64_t used;   /* clock of the reader's streams */
	uint64_t ino, off; /* v5: where it goes on */
};

enum blob_state { BLOB_CLOSED = 0, BLOB_OPENING, BLOB_OPEN, BLOB_FAILED };

/* A blob of one image. file, fd, base and shared are constant while it is open. */
struct reader_blob {
	_Atomic int state;      /* enum blob_state; release when it becomes BLOB_OPEN */
	_Atomic(struct blob_file *) file; /* NULL: the backend has no such blob; what is cached can still be read */
	struct shared_blob *shared;
	int fd;                 /* for reads without a copy, or -1 */
	uint64_t base;
	_Atomic bool wait_free; /* false: its file system knows no RWF_NOWAIT */
	_Atomic bool wait_free_cache;
	uint64_t retry_ns; /* a failed blob is not tried again before (reader->lock) */
	int error;
	pthread_mutex_t stream_lock;
	uint64_t stream_clock;
	struct stream streams[STREAMS];
};

struct prefetch;

struct reader {
	struct rafs_image *image;
	struct backend *backend;
	struct cache_dir *cache;
	struct dedup *dedup; /* NULL: none, or this cache cannot share */
	struct pool *pool;
	const struct rafs_super *super;
	bool cache_raw, cache_all, cache_unmapped;
	struct reader_secret secret;
	uint32_t validate, readahead;
	uint64_t bandwidth;
	void (*log)(void *arg, int level, const char *text);
	void *arg;
	struct reader_counters count;
	pthread_mutex_t lock; /* opening of blobs, busy */
	pthread_cond_t changed;
	uint32_t busy; /* reads, fetches and the prefetch under way */
	_Atomic uint64_t named_ns; /* when a file's name was last looked for */
	_Atomic bool stopping;
	struct prefetch *prefetch;
	_Atomic bool prefetching;
	uint32_t nblobs;
	struct reader_blob blobs[];
};

static inline void reader_add(uint64_t *counter, uint64_t n)
{
	__atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
}

/* reader.c */
void reader_enter(struct reader *r); /* busy + 1 */
void reader_leave(struct reader *r);
void reader_say(struct reader *r, int level, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* complain.c: says once for each chunk, with blob and file, that it is bad; ino 0: nobody's, only counted. then: what happens now. */
void complain(struct reader *r, struct shared_blob *s, const struct rafs_chunk *chunk, uint64_t ino, const char *then);

/* blobs.c: opens blob i if it is not: NULL with *error. May block; not under a lock. */
struct reader_blob *blob_get(struct reader *r, uint32_t i, int *error);
/* The blob if it is open already. */
struct reader_blob *blob_if_open(struct reader *r, uint32_t i);
/* What to read an open blob's bytes from: NULL if it is missing. A missing one is looked for again now and then. May block. */
struct blob_file *blob_source(struct reader *r, struct reader_blob *b);
void blobs_close(struct reader *r);

/* chunks.c: from extents to chunks, and what is known of them. */
int chunk_of_extent(const struct reader_blob *b, const struct rafs_extent *e, struct rafs_chunk *out);
int unit_of_chunk(const struct reader_blob *b, const struct rafs_chunk *chunk, struct unit *out);
/* The chunks of a context, which lie side by side in the table; false: the unit is one chunk. */
bool unit_chunks(const struct shared_blob *s, const struct unit *u, uint32_t *first, uint32_t *end);
/* Where a chunk's plain bytes can be read without decoding: 1 with *fd and *off; 0: nowhere (yet). */
int chunk_place(const struct reader_blob *b, const struct rafs_chunk *chunk, int *fd, uint64_t *off);
/* Stored as it is, in a blob that can be read in place. */
bool chunk_is_direct(const struct reader_blob *b, const struct rafs_chunk *chunk);
/* Its bit in the chunk map is set, whatever form the cache has. */
bool chunk_is_ready(const struct shared_blob *s, const struct rafs_chunk *chunk);
bool chunk_needs_check(const struct reader *r, const struct reader_blob *b, const struct rafs_chunk *chunk);
/* Whether decoding it ahead of a reader would serve any purpose. */
bool chunk_wants_ahead(const struct reader_blob *b, const struct rafs_chunk *chunk);
void chunk_set_verified(struct shared_blob *s, uint32_t index, bool good);
/* Whether it has a digest and these bytes are its own, whatever validation is wanted. */
bool chunk_digest_right(const struct shared_blob *s, const struct rafs_chunk *chunk, const void *plain);
/* Compares with the chunk's CRC and digest as the reader's validation wants: 0 or -EIO. */
int chunk_check(const struct reader *r, const struct reader_blob *b, const struct rafs_chunk *chunk, const void *plain);

/* cached.c: plain chunks in the cache file. */
/* Whether they can be read there without decoding. */
bool cached_in_place(const struct shared_blob *s);
/* Whether the chunk may be kept: not where its encrypted pages would cover other chunks, or the file's end. */
bool cached_fits(const struct shared_blob *s, const struct rafs_chunk *chunk);
/* Its plain bytes into w->plain: 0 or -errno. */
int cached_read(const struct shared_blob *s, const struct rafs_chunk *chunk, struct worker *w);
/* bytes: plain, not in w->pages. 0 or -errno. */
int cached_write(const struct shared_blob *s, const struct rafs_chunk *chunk, const unsigned char *bytes, struct worker *w);

/* share.c: what caches have in common, or have without knowing. */
/* Whether, and as what, the blob's chunks are offered; after its cache was opened. */
void share_open(struct reader *r, struct shared_blob *s);
/* Before a fetch reads: takes what another cache has, or ours. */
void share_fetch(struct fetch *f, struct worker *w);
/* A chunk that is in the cache now. */
void share_offer(const struct reader *r, const struct shared_blob *s, const struct rafs_chunk *chunk, const void *plain);

/* fetch.c */
/* Fetches being gathered: units join one while they lie side by side; what does not fit begins another. */
struct gather {
	struct reader *reader;
	enum fetch_cause cause;
	uint64_t fetch_plain; /* bytes of output of one fetch at most (but for one unit alone) */
	struct fetch *open;   /* being filled; the gather's */
	struct fetch *first;  /* the first that was full: not pushed, for the gatherer to run */
	bool keep_first;
	uint64_t plain;       /* bytes of output that were begun */
};
/*
 * Begins the flight of a chunk's unit, or joins the one that is on its way; a part waits for it then. 0 or -errno (the
 * part does not wait).
 */
int gather_add(struct gather *g, struct reader_blob *b, const struct rafs_chunk *chunk, struct part *part, uint64_t ino);
/* Pushes what is left, but for g->first with keep_first. */
void gather_end(struct gather *g);
void fetch_run(struct job *job, struct worker *w);

/* decode.c: a unit's plain bytes in w's memory, checked, and kept in the cache: 0 or -errno. */
int flight_decode(const struct fetch *f, const struct flight *flight, struct worker *w, const unsigned char **plain);

/* read.c */
/* The part has its bytes, or never will. The read ends with its last part. */
void part_done(struct part *p, int error);
/* The cache was bad, or another reader's fetch failed: the part is planned once more, by its own reader. */
void part_retry(struct part *p);

/* ahead.c */
void ahead_init(struct reader_blob *b);
/* A read of chunks first..last was not at hand; it ended at byte end_off of the file. On a worker. */
void ahead_miss(struct reader *r, struct reader_blob *b, const struct rafs_inode *inode, uint64_t end_off, uint32_t first,
		uint32_t last);
/* A read of that chunk was at hand: moves the stream on whose mark it passed. Any thread, does not block. */
void ahead_hit(struct reader *r, struct reader_blob *b, uint32_t index);

/* prefetch.c */
/* A piece was brought that prefetch asked for at `began` (ns, CLOCK_MONOTONIC). */
void prefetch_count(struct reader *r, uint64_t bytes, uint64_t chunks, uint64_t began);
void prefetch_stop(struct reader *r);

#endif
