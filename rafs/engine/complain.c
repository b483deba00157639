/* SPDX-License-Identifier: Apache-2.0 */
/* What is said of bad chunks: once for each, with the blob, the chunk and the file. */
#include "lib/clock.h"
#include "rafs/engine/internal.h"
#include "rafs/meta/path.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define ENTRIES_MAX 200000                  /* directory entries looked at for a file's name */
#define NAMING_NS   UINT64_C(1000000000)    /* a name is looked for no more often: a bad image must not make us busy */

/* True for the first who asks. Without memory everybody is. */
static bool first_time(struct shared_blob *s, const struct rafs_chunk *chunk)
{
	unsigned char bit = (unsigned char)(1u << chunk->index % 8);

	if (chunk->index >= s->chunks)
		return true;
	pthread_mutex_lock(&s->lock);
	if (!s->told)
		s->told = calloc((s->chunks + 7) / 8, 1);
	_Atomic unsigned char *told = s->told;
	pthread_mutex_unlock(&s->lock);
	return !told || !(atomic_fetch_or_explicit(&told[chunk->index / 8], bit, memory_order_relaxed) & bit);
}

static bool may_look(struct reader *r)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC), last = atomic_load_explicit(&r->named_ns, memory_order_relaxed);

	return (!last || now - last >= NAMING_NS) &&
	       atomic_compare_exchange_strong_explicit(&r->named_ns, &last, now, memory_order_relaxed, memory_order_relaxed);
}

/* "/bin/sh", or "inode 7". */
static void name_of(struct reader *r, uint64_t ino, char *to, size_t room)
{
	if (!may_look(r) || rafs_path_of(r->image, ino, ENTRIES_MAX, to, room) < 0)
		snprintf(to, room, "inode %" PRIu64, ino);
}

void complain(struct reader *r, struct shared_blob *s, const struct rafs_chunk *chunk, uint64_t ino, const char *then)
{
	char name[1024]; /* a longer path is an inode number */

	reader_add(&r->count.bad_chunks, 1);
	/* What was read ahead of anybody has hurt nobody yet. */
	if (!ino || !first_time(s, chunk))
		return;
	name_of(r, ino, name, sizeof(name));
	reader_say(r, GRAFT_LOG_ERROR, "blob %s, chunk %" PRIu32 ": %s (%s)", s->info.id, chunk->index, then, name);
}
