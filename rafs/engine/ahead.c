/* SPDX-License-Identifier: Apache-2.0 */
/* Read-ahead: whole chunks ahead of who reads a blob in order, twice as far each time, up to a bound. */
#include "lib/cleanup.h"
#include "rafs/engine/internal.h"

#include <string.h>

#define FIRST_WINDOW  (UINT32_C(256) << 10) /* bytes */
#define LOOK_MAX      4096                  /* chunks looked at for one window */
#define SKIP_MAX      64                    /* chunks that a reader may leave out and still be one in order */
#define AHEAD_PLAIN   (UINT64_C(256) << 10) /* bytes of output of one fetch */
#define INODES_MAX    64                    /* v5: inodes in a row that have no chunk in the blob */

struct ahead_job {
	struct job job; /* first */
	struct reader *reader;
	struct reader_blob *blob;
	struct stream *stream;
};

static void set_marks(struct stream *s, uint32_t begin, uint32_t mark, uint32_t end)
{
	atomic_store_explicit(&s->begin, begin, memory_order_relaxed);
	atomic_store_explicit(&s->end, end, memory_order_relaxed);
	atomic_store_explicit(&s->mark, mark, memory_order_relaxed);
}

void ahead_init(struct reader_blob *b)
{
	for (int i = 0; i < STREAMS; i++)
		set_marks(&b->streams[i], 0, UINT32_MAX, 0);
}

/* v6: the chunk behind the last, by the blob's table. 1, 0 at the end, -errno. */
static int next_by_table(const struct reader_blob *b, uint32_t index, struct rafs_chunk *chunk)
{
	if (index >= b->shared->chunks)
		return 0;
	int res = chunk_table_get(b->shared->table, index, chunk);
	return res < 0 ? res : 1;
}

/* v5: the next chunk of the file, or of the inodes behind it, whose order is the builder's order in the blob. */
static int next_by_inode(const struct reader *r, const struct reader_blob *b, struct stream *s, struct rafs_chunk *chunk)
{
	uint32_t blob = (uint32_t)(b - r->blobs);
	struct rafs_inode inode;
	struct rafs_extent e;

	for (int tries = 0; tries < INODES_MAX; tries++) {
		int res = rafs_inode_get(r->image, s->ino, &inode);

		if (res < 0)
			return res == -ENOENT ? 0 : res;
		while (S_ISREG(inode.mode) && s->off < inode.size && rafs_extent_at(r->image, &inode, s->off, &e) == 0) {
			s->off = e.file_off + e.len;
			if (!e.hole && e.blob == blob) {
				*chunk = e.chunk;
				return 1;
			}
		}
		s->ino++;
		s->off = 0;
	}
	return 0;
}

/* Asks for the next window. A quarter into it lies the mark. With the stream lock. */
static void extend(struct reader *r, struct reader_blob *b, struct stream *s)
{
	struct gather g = {.reader = r, .cause = FETCH_AHEAD, .fetch_plain = AHEAD_PLAIN};
	uint32_t end = atomic_load_explicit(&s->end, memory_order_relaxed), begin = end, mark = UINT32_MAX;
	struct rafs_chunk chunk;

	s->window = !s->window ? FIRST_WINDOW : s->window < r->readahead / 2 ? 2 * s->window : r->readahead;
	if (s->window > r->readahead)
		s->window = r->readahead;
	for (int i = 0; i < LOOK_MAX && g.plain < s->window; i++) {
		int res = b->shared->table ? next_by_table(b, end, &chunk) : next_by_inode(r, b, s, &chunk);
		if (res <= 0)
			break;
		end = b->shared->table ? end + 1 : chunk.index >= end && chunk.index < b->shared->chunks ? chunk.index + 1 : end;
		if (chunk_wants_ahead(b, &chunk) && gather_add(&g, b, &chunk, NULL, 0) < 0)
			break;
		if (mark == UINT32_MAX && g.plain >= s->window / 4)
			mark = chunk.index;
	}
	gather_end(&g);
	/* A stretch that is all there needs nobody ahead of it. */
	set_marks(s, begin < end ? atomic_load_explicit(&s->begin, memory_order_relaxed) : begin, g.plain ? mark : UINT32_MAX, end);
}

static void ahead_run(struct job *job, struct worker *w)
{
	struct ahead_job *a = (struct ahead_job *)(void *)job;
	struct reader *r = a->reader;

	(void)w;
	pthread_mutex_lock(&a->blob->stream_lock);
	if (!atomic_load_explicit(&r->stopping, memory_order_relaxed))
		extend(r, a->blob, a->stream);
	pthread_mutex_unlock(&a->blob->stream_lock);
	free(a);
	reader_leave(r);
}

static void push_extend(struct reader *r, struct reader_blob *b, struct stream *s)
{
	struct ahead_job *a = calloc(1, sizeof(*a));

	if (!a)
		return; /* nothing but speed is lost */
	*a = (struct ahead_job){.job.run = ahead_run, .reader = r, .blob = b, .stream = s};
	reader_enter(r);
	pool_push(r->pool, &a->job, POOL_DEMAND);
}

/* Whether the chunk is at or behind the mark; who takes the mark away moves the stream on. */
static bool take_mark(struct stream *s, uint32_t index)
{
	uint32_t mark = atomic_load_explicit(&s->mark, memory_order_relaxed);

	return index >= mark && index < atomic_load_explicit(&s->end, memory_order_relaxed) &&
	       atomic_compare_exchange_strong_explicit(&s->mark, &mark, UINT32_MAX, memory_order_relaxed, memory_order_relaxed);
}

void ahead_hit(struct reader *r, struct reader_blob *b, uint32_t index)
{
	for (int i = 0; i < STREAMS; i++) {
		if (take_mark(&b->streams[i], index)) {
			push_extend(r, b, &b->streams[i]);
			return;
		}
	}
}

/* The stream that a read of these chunks belongs to, or the least used one, made new. With the stream lock. */
static struct stream *choose(struct reader_blob *b, uint32_t first, uint32_t last, bool *goes_on)
{
	struct stream *oldest = &b->streams[0];

	for (int i = 0; i < STREAMS; i++) {
		struct stream *s = &b->streams[i];
		uint32_t begin = atomic_load_explicit(&s->begin, memory_order_relaxed);
		uint32_t end = atomic_load_explicit(&s->end, memory_order_relaxed);

		*goes_on = end && first >= begin && first <= end + SKIP_MAX;
		if (*goes_on)
			return s;
		if (s->used < oldest->used)
			oldest = s;
	}
	oldest->window = 0;
	set_marks(oldest, first, UINT32_MAX, last + 1);
	return oldest;
}

void ahead_miss(struct reader *r, struct reader_blob *b, const struct rafs_inode *inode, uint64_t end_off, uint32_t first,
		uint32_t last)
{
	bool goes_on;

	if (!r->readahead || last >= b->shared->chunks)
		return;
	LOCK_SCOPE(&b->stream_lock);
	struct stream *s = choose(b, first, last, &goes_on);
	uint32_t end = atomic_load_explicit(&s->end, memory_order_relaxed);

	s->used = ++b->stream_clock;
	/* Still within what was asked for: the flights are on their way. */
	if (goes_on && last < end) {
		if (take_mark(s, last))
			extend(r, b, s);
		return;
	}
	set_marks(s, atomic_load_explicit(&s->begin, memory_order_relaxed), UINT32_MAX, last + 1 > end ? last + 1 : end);
	s->ino = inode->ino;
	s->off = end_off;
	extend(r, b, s);
}
