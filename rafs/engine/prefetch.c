/* SPDX-License-Identifier: Apache-2.0 */
/* Prefetch: the image's own table, a list of paths, or everything, while nobody waits for anything else. */
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "rafs/engine/internal.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#define STEP_PLAIN (UINT64_C(1) << 20) /* bytes of output of one step */
#define LOOK_MAX   4096                /* chunks or entries looked at in one step */
#define NS         UINT64_C(1000000000)

/* Where a walk down a tree is: one for each directory on the way. */
struct level {
	uint64_t ino, cookie;
};

/*
 * A job that gathers one fetch, pushes itself again for the next worker, and then runs the fetch. So it is never run twice at
 * a time, and its fetches are.
 */
struct prefetch {
	struct job job; /* first */
	struct reader *reader;
	bool by_blobs;        /* everything, by the blobs' chunk tables (v6) */
	uint32_t blob, index; /* by_blobs: the next chunk */
	uint64_t *inos;       /* what is still to be walked */
	size_t ninos, next_ino;
	struct level levels[RAFS_DEPTH_MAX];
	uint32_t depth;
	struct rafs_inode file; /* being read, from off on; size 0: none */
	uint64_t off;
	uint32_t looked; /* in this step */
	uint64_t asked;  /* bytes the kernel was asked for in this step */
	/* Chunks side by side that are read in place, which the kernel is yet to be asked for; blob NULL: none. */
	struct {
		struct reader_blob *blob;
		uint64_t begin, end;
		uint32_t chunks;
	} place;
};

static bool wants(const struct prefetch *p, const struct reader_blob *b, const struct rafs_chunk *chunk)
{
	return chunk_wants_ahead(b, chunk) ||
	       (p->reader->cache_all && b->shared->cache && !chunk_is_ready(b->shared, chunk));
}

void prefetch_count(struct reader *r, uint64_t bytes, uint64_t chunks, uint64_t began)
{
	reader_add(&r->count.prefetch_requests, 1);
	reader_add(&r->count.prefetch_bytes, bytes);
	reader_add(&r->count.prefetch_chunks, chunks);
	reader_add(&r->count.prefetch_ns, clock_ns(CLOCK_MONOTONIC) - began);
	__atomic_store_n(&r->count.prefetch_end, clock_ns(CLOCK_REALTIME), __ATOMIC_RELAXED);
}

static void ask_kernel(struct prefetch *p)
{
	const struct reader_blob *b = p->place.blob;
	uint64_t len = p->place.end - p->place.begin, began;

	p->place.blob = NULL;
	if (!b)
		return;
	began = clock_ns(CLOCK_MONOTONIC);
	posix_fadvise(b->fd, (off_t)(b->base + p->place.begin), (off_t)len, POSIX_FADV_WILLNEED);
	prefetch_count(p->reader, len, p->place.chunks, began);
}

/* A chunk that is read in place comes into the kernel's memory, or a worker brings it into the cache. 0, or -errno. */
static int bring(struct prefetch *p, struct gather *g, struct reader_blob *b, const struct rafs_chunk *chunk,
		 uint64_t ino)
{
	if (wants(p, b, chunk))
		return gather_add(g, b, chunk, NULL, ino);
	if (!chunk_is_direct(b, chunk))
		return 0;
	if (p->place.blob != b || p->place.end != chunk->c_off) {
		ask_kernel(p);
		p->place.blob = b;
		p->place.begin = chunk->c_off;
		p->place.chunks = 0;
	}
	p->place.end = chunk->c_off + chunk->c_size;
	p->place.chunks++;
	p->asked += chunk->c_size;
	return 0;
}

/* The next chunk of all blobs. 1, or 0 at the end. */
static int next_of_blobs(struct prefetch *p, struct gather *g)
{
	struct reader *r = p->reader;
	struct rafs_chunk chunk;
	int error;

	for (; p->blob < r->nblobs; p->blob++, p->index = 0) {
		struct reader_blob *b = blob_get(r, p->blob, &error);

		if (!b || !b->shared->table)
			continue;
		while (p->index < b->shared->chunks) {
			if (chunk_table_get(b->shared->table, p->index++, &chunk) < 0)
				continue;
			return bring(p, g, b, &chunk, 0) == 0;
		}
	}
	return 0;
}

/* A regular file's next chunk. 0 at its end. */
static int next_of_file(struct prefetch *p, struct gather *g)
{
	struct reader *r = p->reader;
	struct rafs_extent e;
	struct rafs_chunk chunk;
	int error;

	if (p->off >= p->file.size || rafs_extent_at(r->image, &p->file, p->off, &e) < 0) {
		p->file.size = 0;
		return 0;
	}
	p->off = e.file_off + e.len;
	struct reader_blob *b = e.hole ? NULL : blob_get(r, e.blob, &error);
	if (!b || chunk_of_extent(b, &e, &chunk) < 0)
		return 1;
	bring(p, g, b, &chunk, p->file.ino);
	return 1;
}

static void visit(struct prefetch *p, uint64_t ino)
{
	struct rafs_inode inode;

	if (rafs_inode_get(p->reader->image, ino, &inode) < 0)
		return;
	if (S_ISREG(inode.mode)) {
		p->file = inode;
		p->off = 0;
	} else if (S_ISDIR(inode.mode) && p->depth < RAFS_DEPTH_MAX) {
		p->levels[p->depth++] = (struct level){.ino = ino};
	}
}

/* The next entry of the innermost directory. 0: it had no more. */
static void next_of_directory(struct prefetch *p)
{
	struct level *level = &p->levels[p->depth - 1];
	struct rafs_dirent entry;
	struct rafs_inode dir;

	if (rafs_inode_get(p->reader->image, level->ino, &dir) < 0 ||
	    rafs_dir_next(p->reader->image, &dir, &level->cookie, &entry) <= 0) {
		p->depth--;
		return;
	}
	visit(p, entry.ino);
}

/* One chunk, entry or path further. 0: all was walked. */
static int next(struct prefetch *p, struct gather *g)
{
	p->looked++;
	if (p->by_blobs)
		return next_of_blobs(p, g);
	if (p->file.size) {
		next_of_file(p, g);
		return 1;
	}
	if (p->depth) {
		next_of_directory(p);
		return 1;
	}
	if (p->next_ino == p->ninos)
		return 0;
	visit(p, p->inos[p->next_ino++]);
	return 1;
}

static void prefetch_end(struct prefetch *p)
{
	struct reader *r = p->reader;

	atomic_store_explicit(&r->prefetching, false, memory_order_relaxed);
	pthread_mutex_lock(&r->lock);
	r->prefetch = NULL;
	pthread_mutex_unlock(&r->lock);
	free(p->inos);
	free(p);
	reader_leave(r);
}

/* bytes: of output, that the last step began. False: the reader is about to end. */
static bool push_again(struct prefetch *p, uint64_t bytes)
{
	struct reader *r = p->reader;

	LOCK_SCOPE(&r->lock); /* prefetch_stop sees it waiting, or this sees that it must not */
	if (atomic_load_explicit(&r->stopping, memory_order_relaxed))
		return false;
	if (r->bandwidth && bytes)
		pool_push_later(r->pool, &p->job, bytes * NS / r->bandwidth);
	else
		pool_push(r->pool, &p->job, POOL_PREFETCH);
	return true;
}

static void prefetch_run(struct job *job, struct worker *w)
{
	struct prefetch *p = (struct prefetch *)(void *)job;
	struct reader *r = p->reader;
	struct gather g = {.reader = r, .cause = FETCH_PREFETCH, .fetch_plain = STEP_PLAIN, .keep_first = true};
	int more = 1;

	p->looked = 0;
	p->asked = 0;
	while (more && g.plain + p->asked < STEP_PLAIN && !g.first && p->looked < LOOK_MAX)
		more = next(p, &g);
	gather_end(&g);
	ask_kernel(p);
	if (!more || !push_again(p, g.plain + p->asked))
		prefetch_end(p);
	if (g.first)
		fetch_run(&g.first->job, w);
}

void prefetch_stop(struct reader *r)
{
	pthread_mutex_lock(&r->lock);
	struct prefetch *p = r->prefetch;
	bool mine = p && pool_cancel(r->pool, &p->job);
	pthread_mutex_unlock(&r->lock);
	if (mine)
		prefetch_end(p);
}

/* Resolves an absolute path without following links: 0 or -errno. */
static int resolve(const struct reader *r, const char *path, uint64_t *ino)
{
	struct rafs_inode inode;
	int res = rafs_inode_get(r->image, r->super->root, &inode);

	while (!res && *(path += strspn(path, "/"))) {
		size_t len = strcspn(path, "/");
		struct rafs_inode dir = inode;

		res = rafs_lookup(r->image, &dir, path, len, &inode);
		path += len;
	}
	*ino = inode.ino;
	return res;
}

static void add_paths(struct prefetch *p, const char *const *paths, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int res = resolve(p->reader, paths[i], &p->inos[p->ninos]);

		if (!res)
			p->ninos++;
		else
			reader_say(p->reader, GRAFT_LOG_WARN, "prefetch: %s: %s", paths[i], strerror(-res));
	}
}

static void add_table(struct prefetch *p)
{
	uint64_t ino;

	for (uint32_t i = 0; i < p->reader->super->prefetch_entries; i++) {
		ino = rafs_image_prefetch(p->reader->image, i);
		if (!ino)
			return;
		p->inos[p->ninos++] = ino;
	}
}

int reader_prefetch(struct reader *r, const char *const *paths, size_t npaths, bool whole)
{
	size_t max = whole ? 1 : paths ? npaths : r->super->prefetch_entries;
	struct prefetch *p = calloc(1, sizeof(*p));

	if (p && max)
		p->inos = calloc(max, sizeof(p->inos[0]));
	if (!p || (max && !p->inos)) {
		free(p);
		return -ENOMEM;
	}
	p->job.run = prefetch_run;
	p->reader = r;
	if (whole)
		p->inos[p->ninos++] = r->super->root;
	else if (paths)
		add_paths(p, paths, npaths);
	else
		add_table(p);
	p->by_blobs = p->ninos == 1 && p->inos[0] == r->super->root && r->super->version == 6 &&
		      !(r->super->flags & RAFS_SUPER_TARFS);
	__atomic_store_n(&r->count.prefetch_begin, clock_ns(CLOCK_REALTIME), __ATOMIC_RELAXED);
	reader_enter(r);
	atomic_store_explicit(&r->prefetching, true, memory_order_relaxed);
	pthread_mutex_lock(&r->lock);
	r->prefetch = p;
	pool_push(r->pool, &p->job, POOL_PREFETCH);
	pthread_mutex_unlock(&r->lock);
	return 0;
}

bool reader_prefetching(const struct reader *r)
{
	return atomic_load_explicit(&r->prefetching, memory_order_relaxed);
}
