/* SPDX-License-Identifier: Apache-2.0 */
/* The thread that changes a deduplication database: many rows in one transaction, and what is gone taken out. */
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/thread.h"
#include "rafs/cache/dedup_internal.h"

#include <stdio.h>
#include <string.h>

#define COLLECT_WAIT_MS 5000

/* Data files that are gone. */
struct gone {
	struct dedup *d;
	char **paths;
	size_t n, room;
};

void dedup_kill(struct dedup *d, const struct dedup_db *db)
{
	LOCK_SCOPE(&d->lock);
	if (atomic_exchange_explicit(&d->dead, true, memory_order_relaxed))
		return;
	snprintf(d->why, sizeof(d->why), "deduplication database %.64s is not used any more: %.120s", d->path,
		 dedup_db_error(db));
	pthread_cond_broadcast(&d->collected);
}

bool dedup_failed(struct dedup *d, char text[256])
{
	if (!atomic_load_explicit(&d->dead, memory_order_relaxed))
		return false;
	LOCK_SCOPE(&d->lock);
	if (d->told || !d->why[0])
		return false;
	d->told = true;
	memcpy(text, d->why, sizeof(d->why));
	return true;
}

void dedup_push(struct dedup *d, enum dedup_change what, const struct dedup_key *key, struct dedup_name *file, uint64_t off)
{
	LOCK_SCOPE(&d->lock);
	if (d->nrows == DEDUP_ROWS_MAX || atomic_load_explicit(&d->dead, memory_order_relaxed))
		return;
	atomic_fetch_add_explicit(&file->refs, 1, memory_order_relaxed);
	d->rows[d->nrows++] = (struct dedup_row){.what = what, .key = *key, .off = off, .file = file};
	pthread_cond_signal(&d->work);
}

static int write_row(struct dedup_db *db, const struct dedup_row *row)
{
	switch (row->what) {
	case DEDUP_ADD:
		return dedup_db_add(db, &row->key, row->file->path, row->off);
	case DEDUP_REMOVE:
		return dedup_db_remove(db, &row->key, row->file->path);
	case DEDUP_FORGET:
		return dedup_db_forget(db, row->file->path);
	}
	return 0;
}

/* All or none: what could not be written would only have saved time. */
static void write_rows(struct dedup *d, const struct dedup_row *rows, uint32_t n)
{
	int res = n ? dedup_db_begin(d->writer) : 0;

	if (!n || res < 0) {
		if (res == -EUCLEAN)
			dedup_kill(d, d->writer);
		return;
	}
	for (uint32_t i = 0; !res && i < n; i++)
		res = write_row(d->writer, &rows[i]);
	if (res != -EUCLEAN)
		res = dedup_db_end(d->writer, !res);
	else
		dedup_db_end(d->writer, false);
	if (res == -EUCLEAN)
		dedup_kill(d, d->writer);
}

static void note_gone(void *arg, const char *path)
{
	struct gone *g = arg;

	if (dedup_source_presence(g->d, path) != DEDUP_GONE)
		return;
	if (g->n == g->room) {
		size_t room = g->room ? 2 * g->room : 16;
		char **more = reallocarray(g->paths, room, sizeof(*more));

		if (!more)
			return;
		g->paths = more;
		g->room = room;
	}
	g->paths[g->n] = strdup(path);
	g->n += g->paths[g->n] != NULL;
}

static void collect(struct dedup *d)
{
	struct gone g = {.d = d};
	int res = dedup_db_each_blob(d->writer, note_gone, &g);

	if (!res && g.n && (res = dedup_db_begin(d->writer)) == 0) {
		for (size_t i = 0; !res && i < g.n; i++)
			res = dedup_db_forget(d->writer, g.paths[i]);
		int end = dedup_db_end(d->writer, !res);
		res = res < 0 ? res : end;
	}
	if (res == -EUCLEAN)
		dedup_kill(d, d->writer);
	for (size_t i = 0; i < g.n; i++)
		free(g.paths[i]);
	free(g.paths);
}

/* Takes all rows into `to`. False: it is time to end. */
static bool next_work(struct dedup *d, struct dedup_row *to, uint32_t *n, uint64_t *wanted)
{
	LOCK_SCOPE(&d->lock);
	while (!d->nrows && d->wanted == d->made && !d->stop)
		pthread_cond_wait(&d->work, &d->lock);
	*n = d->nrows;
	*wanted = d->wanted;
	memcpy(to, d->rows, *n * sizeof(to[0]));
	d->nrows = 0;
	return *n || d->wanted != d->made || !d->stop;
}

static void work(struct dedup *d, struct dedup_row *rows)
{
	uint64_t wanted;
	uint32_t n;

	while (next_work(d, rows, &n, &wanted)) {
		if (!atomic_load_explicit(&d->dead, memory_order_relaxed))
			write_rows(d, rows, n);
		for (uint32_t i = 0; i < n; i++)
			dedup_name_put(rows[i].file);
		/* Only this thread changes made. */
		if (wanted == d->made)
			continue;
		if (!atomic_load_explicit(&d->dead, memory_order_relaxed))
			collect(d);
		LOCK_SCOPE(&d->lock);
		d->made = wanted;
		pthread_cond_broadcast(&d->collected);
	}
}

void *dedup_writer_run(void *arg)
{
	struct dedup *d = arg;

	work(d, d->rows + DEDUP_ROWS_MAX);
	return NULL;
}

void dedup_collect(struct dedup *d)
{
	struct timespec until = clock_after_ms(COLLECT_WAIT_MS);

	LOCK_SCOPE(&d->lock);
	uint64_t mine = ++d->wanted;
	pthread_cond_signal(&d->work);
	while (d->made < mine && !atomic_load_explicit(&d->dead, memory_order_relaxed))
		if (pthread_cond_timedwait(&d->collected, &d->lock, &until) == ETIMEDOUT)
			return;
}
