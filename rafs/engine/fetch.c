/* SPDX-License-Identifier: Apache-2.0 */
/* Chunks on their way: gathered into fetches, read at once, decoded by as many workers as are free, handed to all who wait. */
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/iov.h"
#include "rafs/engine/internal.h"

#include <string.h>

#define HELP_PLAIN (UINT64_C(128) << 10) /* bytes of output below which calling another worker costs more than it gives */

static struct flight **bucket(struct shared_blob *s, uint64_t key)
{
	return &s->flights[(key ^ key >> 32) % FLIGHT_BUCKETS];
}

static struct flight *find(struct shared_blob *s, uint64_t key)
{
	struct flight *f = *bucket(s, key);

	while (f && f->unit.key != key)
		f = f->next;
	return f;
}

static struct fetch *fetch_new(const struct gather *g, struct reader_blob *b)
{
	struct fetch *f = malloc(sizeof(*f));

	if (!f)
		return NULL;
	memset(f, 0, offsetof(struct fetch, flights));
	f->job.run = fetch_run;
	f->reader = g->reader;
	f->blob = b;
	f->cause = g->cause;
	if (g->cause == FETCH_PREFETCH)
		f->began = clock_ns(CLOCK_MONOTONIC);
	atomic_init(&f->refs, 1);
	reader_enter(g->reader);
	return f;
}

static void fetch_put(struct fetch *f)
{
	struct reader *r = f->reader;

	/* Release what this worker did, acquire what the others did, before it is freed. */
	if (atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) != 1)
		return;
	buffer_free(&f->raw);
	if (f->n && f->cause == FETCH_PREFETCH)
		prefetch_count(r, f->stored, f->n, f->began);
	if (f->n && f->blob->shared->dir)
		cache_dir_trim(f->blob->shared->dir);
	free(f);
	reader_leave(r);
}

/* Whether the unit can join: the same kind of source, right behind the last, and not too much. */
static bool fits(const struct gather *g, const struct reader_blob *b, const struct unit *u)
{
	const struct fetch *f = g->open;
	bool joined = !(u->key & UNIT_CACHED);

	if (f->n == 0)
		return f->blob == b;
	if (f->blob != b || f->n == FETCH_UNITS_MAX || f->joined != joined || f->plain + u->plain > g->fetch_plain)
		return false;
	return !joined || (u->c_off >= f->c_end && u->c_off - f->c_end <= FETCH_GAP_MAX &&
			   u->c_off + u->c_size - f->c_begin <= FETCH_RAW_MAX);
}

static void push(struct gather *g)
{
	struct fetch *f = g->open;

	g->open = NULL;
	if (f->n == 0)
		fetch_put(f);
	else if (g->keep_first && !g->first)
		g->first = f;
	else
		pool_push(g->reader->pool, &f->job, (enum pool_urgency)f->cause);
}

static int make_room(struct gather *g, struct reader_blob *b, const struct unit *u)
{
	if (g->open && !fits(g, b, u))
		push(g);
	if (!g->open)
		g->open = fetch_new(g, b);
	return g->open ? 0 : -ENOMEM;
}

static void begin_flight(struct gather *g, struct shared_blob *s, const struct unit *u, struct part *part, uint64_t ino)
{
	struct fetch *f = g->open;
	struct flight *fl = &f->flights[f->n++];

	if (f->n == 1) {
		f->joined = !(u->key & UNIT_CACHED);
		f->c_begin = u->c_off;
	}
	f->c_end = u->c_off + u->c_size;
	f->stored += u->c_size;
	f->plain += u->plain;
	g->plain += u->plain;
	*fl = (struct flight){.unit = *u, .waiters = part, .fetch = f, .next = *bucket(s, u->key)};
	atomic_init(&fl->ino, ino);
	*bucket(s, u->key) = fl;
}

int gather_add(struct gather *g, struct reader_blob *b, const struct rafs_chunk *chunk, struct part *part, uint64_t ino)
{
	struct shared_blob *s = b->shared;
	struct unit unit;
	int res = unit_of_chunk(b, chunk, &unit);

	if (!res)
		res = make_room(g, b, &unit);
	if (res < 0)
		return res;
	if (part)
		part->next = NULL;
	LOCK_SCOPE(&s->lock);
	struct flight *fl = find(s, unit.key);
	if (!fl) {
		begin_flight(g, s, &unit, part, ino);
		return 0;
	}
	if (!part)
		return 0;
	part->next = fl->waiters;
	fl->waiters = part;
	atomic_store_explicit(&fl->ino, ino, memory_order_relaxed);
	if (g->cause == FETCH_DEMAND && fl->fetch->cause != FETCH_DEMAND)
		pool_promote(g->reader->pool, &fl->fetch->job);
	return 0;
}

void gather_end(struct gather *g)
{
	if (g->open)
		push(g);
}

static struct part *take_waiters(struct shared_blob *s, struct flight *fl)
{
	struct flight **at = bucket(s, fl->unit.key);

	LOCK_SCOPE(&s->lock);
	while (*at != fl)
		at = &(*at)->next;
	*at = fl->next;
	return steal_ptr(fl->waiters);
}

/* Each has its own chunk of a context, which may be the bad one. */
static int deliver(const struct fetch *f, const struct part *p, const unsigned char *plain)
{
	bool context = p->chunk.flags & (RAFS_CHUNK_BATCH | RAFS_CHUNK_ZRAN);
	struct iov_cursor to = iov_cursor(p->read->iov, p->read->n);

	if (context && chunk_check(f->reader, f->blob, &p->chunk, plain) < 0)
		return -EIO;
	iov_skip(&to, p->at);
	return iov_write(&to, plain + p->skip, p->len) == p->len ? 0 : -EIO;
}

static const unsigned char *plain_of(const struct flight *fl, const struct part *p, const unsigned char *plain)
{
	bool whole = !(fl->unit.key & UNIT_CONTEXT);

	return whole ? plain : plain + p->chunk.at;
}

static void land(struct fetch *f, struct flight *fl, int res, const unsigned char *plain)
{
	struct part *next, *p = take_waiters(f->blob->shared, fl);

	for (; p; p = next) {
		next = p->next;
		if (!res)
			part_done(p, deliver(f, p, plain_of(fl, p, plain)));
		else if (p->tries < PART_TRIES && (res == -EAGAIN || p->read->reader != f->reader))
			part_retry(p);
		else
			part_done(p, res == -EAGAIN || res == -EUCLEAN ? -EIO : res);
	}
}

static void fly(struct fetch *f, struct worker *w)
{
	uint32_t i;

	while ((i = atomic_fetch_add_explicit(&f->next_flight, 1, memory_order_relaxed)) < f->n) {
		const unsigned char *plain = NULL;
		bool stop = f->cause != FETCH_DEMAND && atomic_load_explicit(&f->reader->stopping, memory_order_relaxed);
		int res = stop ? -EIO : flight_decode(f, &f->flights[i], w, &plain);

		if (!res && f->cause != FETCH_DEMAND)
			reader_add(f->cause == FETCH_AHEAD ? &f->reader->count.readahead_bytes : &f->reader->count.prefetched_bytes,
				   f->flights[i].unit.plain);
		land(f, &f->flights[i], res, plain);
	}
}

static void help_run(struct job *job, struct worker *w)
{
	struct fetch *f = ((struct fetch_helper *)(void *)job)->fetch;

	fly(f, w);
	fetch_put(f);
}

static void call_helpers(struct fetch *f)
{
	uint64_t most = f->plain / HELP_PLAIN;

	for (uint32_t i = 0; i < MAX_HELPERS && i + 1 < f->n && i < most && pool_has_idle(f->reader->pool); i++) {
		f->helpers[i] = (struct fetch_helper){.job.run = help_run, .fetch = f};
		atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
		pool_push(f->reader->pool, &f->helpers[i].job, (enum pool_urgency)f->cause);
	}
}

/* One read for all. Where it fails each flight reads for itself, so that one bad place spoils one chunk. */
static void read_joined(struct fetch *f)
{
	struct shared_blob *s = f->blob->shared;
	uint64_t len = f->c_end - f->c_begin;
	bool from_cache = s->raw && chunk_is_ready(s, &f->flights[0].unit.chunk);
	struct blob_file *file = from_cache ? NULL : blob_source(f->reader, f->blob);

	if (!file || buffer_reserve(&f->raw, len) < 0)
		return;
	reader_add(&f->reader->count.backend_reads, 1);
	if (blob_read_buffer(file, f->c_begin, f->raw.bytes, len) < 0) {
		reader_add(&f->reader->count.backend_errors, 1);
		buffer_free(&f->raw);
		return;
	}
	reader_add(&f->reader->count.fetched_bytes, len);
}

void fetch_run(struct job *job, struct worker *w)
{
	struct fetch *f = (struct fetch *)(void *)job;

	share_fetch(f, w);
	if (f->joined && f->n > 1)
		read_joined(f);
	if (f->n > 1)
		call_helpers(f);
	fly(f, w);
	fetch_put(f);
}
