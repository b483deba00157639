/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tape holds the files a client was shown, in that order. READs that follow it raise the score; from a score on, files ahead
 * of the reader are put into its cache by a thread, as many as the reader has confirmed by READs of files that were left out.
 */
#include "push.h"

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/cpu_list.h"
#include "lib/thread.h"
#include "operations.h"
#include "tape.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#define AHEAD 64              /* files that go ahead of the last confirmation */
#define AHEAD_BYTES (UINT64_C(4) << 20) /* and their bytes */
#define PROBE 16              /* every so many files one is left out: its READ confirms the rest */
#define HEAD_START 3          /* files left to the reader where the thread begins right before it */
#define SCORE_START 4         /* READs in order */
#define SCORE_MAX 8
#define FILE_MAX (UINT64_C(256) << 10) /* bytes: the client reads ahead in greater files itself */
#define FILES 4               /* on their way at a time */
#define REST_MS 500           /* idle, then the thread ends */

enum file_state { FILE_FREE, FILE_COMING, FILE_THERE };

/* A file on its way. */
struct file {
	struct reader_read read; /* first */
	struct push *push;
	struct iovec iov;        /* all of its data */
	uint64_t node, at;       /* and position */
	enum file_state state;   /* protected by push.lock; the rest is the thread's while it is not FILE_COMING */
};

struct push {
	struct graft_inst *inst;
	const struct graft_session *session;
	pthread_mutex_t lock;
	pthread_cond_t work;
	/* protected by lock */
	struct tape tape;         /* marked: went ahead, or is to */
	uint64_t begun;           /* position where the present listing began */
	uint64_t next;            /* behind the last READ */
	uint32_t score;
	uint32_t ahead;           /* files queued since the last confirmation */
	uint64_t bytes;           /* and pushed */
	uint64_t queue[AHEAD];    /* positions, a ring */
	uint32_t first, queued;
	bool broken;              /* the client cannot be told, or no thread can be had */
	bool running, made, stop; /* the thread */
	pthread_t thread;
	struct file files[FILES]; /* the thread's */
};

static int store(const struct push *p, struct file *f)
{
	return p->inst->host->store(p->inst->slot, p->session, f->node, 0, &f->iov, 1);
}

static void fetched(struct reader_read *read, int64_t res)
{
	struct file *f = (struct file *)(void *)read;
	struct push *p = f->push;

	LOCK_SCOPE(&p->lock);
	f->state = res == (int64_t)f->iov.iov_len ? FILE_THERE : FILE_FREE; /* the client finds an error by itself */
	pthread_cond_signal(&p->work);
}

/* Brings a file's data: at once, or by the engine's workers. */
static enum file_state bring(struct push *p, struct file *f, uint64_t node)
{
	struct rafs_inode inode;
	int res = node_get(p->inst, node, &inode);

	if (res < 0 || !S_ISREG(inode.mode) || !inode.size || inode.size > FILE_MAX)
		return FILE_FREE;
	f->node = node;
	f->push = p;
	f->iov.iov_len = inode.size;
	int64_t n = reader_try(p->inst->reader, &inode, 0, &f->iov, 1);
	if (n != -EAGAIN)
		return n == (int64_t)inode.size ? FILE_THERE : FILE_FREE;
	f->read = (struct reader_read){ .inode = inode, .iov = &f->iov, .n = 1, .len = inode.size, .done = fetched };
	return FILE_COMING;
}

static void count(struct graft_inst *inst, uint64_t bytes)
{
	__atomic_fetch_add(&inst->pushed_files, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&inst->pushed_bytes, bytes, __ATOMIC_RELAXED);
}

/* Lock held. The first in that state by its position; NULL: none. */
static struct file *file_in(struct push *p, enum file_state state)
{
	struct file *first = NULL;

	for (struct file *f = p->files; f < p->files + FILES; f++) {
		if (f->state == state && (!first || f->at < first->at))
			first = f;
	}
	return first;
}

/* Lock held. What has not gone yet stays; READs may ask for it again. */
static void drop_queue(struct push *p)
{
	for (; p->queued; p->queued--) {
		uint64_t at = p->queue[p->first];

		p->first = (p->first + 1) % AHEAD;
		if (at >= tape_begin(&p->tape))
			tape_mark(&p->tape, at, false);
	}
}

/*
 * Lock held. -ENOENT: the client has not seen the listing yet, or has forgotten the node, and then most likely its neighbours, too: READs
 * must show anew that it is worth it. All but that and a lack of memory would come again with the next.
 */
static void refused(struct push *p, int res)
{
	p->broken |= res != -ENOENT && res != -ENOMEM;
	p->score -= p->score > 0;
	if (p->score < SCORE_START)
		drop_queue(p);
}

/* Lock held, given up meanwhile. */
static void store_one(struct push *p, struct file *f)
{
	pthread_mutex_unlock(&p->lock);
	int res = store(p, f);
	pthread_mutex_lock(&p->lock);
	f->state = FILE_FREE;
	p->bytes += f->iov.iov_len;
	if (res == 0)
		count(p->inst, f->iov.iov_len);
	else
		refused(p, res);
}

/* Lock held, given up meanwhile. */
static void begin_one(struct push *p, struct file *f)
{
	uint64_t at = p->queue[p->first];

	if (p->bytes >= AHEAD_BYTES) {
		drop_queue(p);
		return;
	}
	p->first = (p->first + 1) % AHEAD;
	p->queued--;
	if (at < tape_begin(&p->tape))
		return;
	f->at = at;
	uint64_t node = tape_node(&p->tape, at);
	pthread_mutex_unlock(&p->lock);
	enum file_state state = bring(p, f, node);
	pthread_mutex_lock(&p->lock);
	f->state = state;
	if (state != FILE_COMING)
		return;
	pthread_mutex_unlock(&p->lock);
	reader_start(p->inst->reader, &f->read);
	pthread_mutex_lock(&p->lock);
}

/* Lock held, given up meanwhile. False: enough rested. */
static bool is_needed(struct push *p)
{
	struct timespec until = clock_after_ms(REST_MS);

	return pthread_cond_timedwait(&p->work, &p->lock, &until) == 0 || p->queued;
}

/* Lock held, given up meanwhile. One step; false: nothing to do for long, or the end, and nothing is under way. */
static bool step(struct push *p)
{
	struct file *there = file_in(p, FILE_THERE), *unused = file_in(p, FILE_FREE);
	bool coming = file_in(p, FILE_COMING), ending = p->stop || p->broken;

	if (there && !ending)
		store_one(p, there);
	else if (unused && p->queued && !ending)
		begin_one(p, unused);
	else if (coming)
		pthread_cond_wait(&p->work, &p->lock);
	else
		return !ending && is_needed(p);
	return true;
}

static void *push_main(void *arg)
{
	struct push *p = arg;
	unsigned char *bytes = malloc(FILES * FILE_MAX);

	for (size_t i = 0; bytes && i < FILES; i++)
		p->files[i] = (struct file){ .iov.iov_base = bytes + i * FILE_MAX };
	pthread_mutex_lock(&p->lock);
	p->broken |= !bytes;
	while (step(p))
		;
	p->running = false;
	pthread_mutex_unlock(&p->lock);
	free(bytes);
	return NULL;
}

/* Lock held. */
static void run(struct push *p)
{
	if (p->running) {
		pthread_cond_signal(&p->work);
		return;
	}
	if (p->made)
		pthread_join(p->thread, NULL); /* its last act was to say that it does not run */
	p->made = p->running = thread_start(&p->thread, "rafs-push", push_main, p) == 0;
	p->broken |= !p->made;
}

/* Lock held. Files from `at` on that are neither probes nor gone ahead already, before `end`. */
static void enqueue(struct push *p, uint64_t at, uint64_t end)
{
	uint32_t before = p->queued;

	for (; at < end && p->queued < AHEAD && p->ahead < AHEAD; at++) {
		if (at % PROBE == PROBE - 1 || tape_marked(&p->tape, at))
			continue;
		tape_mark(&p->tape, at, true);
		p->queue[(p->first + p->queued++) % AHEAD] = at;
		p->ahead++;
	}
	if (p->queued > before)
		run(p);
}

struct push *push_new(struct graft_inst *inst, const struct graft_session *session)
{
	struct push *p;

	if (session->transport != GRAFT_DEV_FUSE || !inst->host->store || !inst->config.readahead)
		return NULL;
	/* On one processor it would only take the client's time. */
	if (cpu_count() < 2)
		return NULL;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->inst = inst;
	p->session = session;
	pthread_mutex_init(&p->lock, NULL);
	thread_cond_init(&p->work);
	return p;
}

void push_free(struct push *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_signal(&p->work);
	pthread_mutex_unlock(&p->lock);
	if (p->made)
		pthread_join(p->thread, NULL);
	pthread_cond_destroy(&p->work);
	pthread_mutex_destroy(&p->lock);
	tape_free(&p->tape);
	free(p);
}

void push_listed(struct push *p, uint64_t node, uint64_t size)
{
	if (!p || !size || size > FILE_MAX)
		return;
	LOCK_SCOPE(&p->lock);
	if (!p->broken)
		tape_add(&p->tape, node);
}

void push_listing_done(struct push *p)
{
	if (!p)
		return;
	LOCK_SCOPE(&p->lock);
	if (p->score >= SCORE_START && !p->broken && p->begun >= tape_begin(&p->tape))
		enqueue(p, p->begun, p->tape.end);
	p->begun = p->tape.end;
}

/* Lock held. What went ahead is not there any more: the client dropped it. */
static void start_over(struct push *p, uint64_t at, uint64_t end)
{
	for (; at < end; at++)
		tape_mark(&p->tape, at, false);
}

void push_read(struct push *p, uint64_t node)
{
	uint64_t at, from, end;

	if (!p)
		return;
	LOCK_SCOPE(&p->lock);
	if (p->broken || !tape_find(&p->tape, node, &at))
		return;
	if (at >= p->next && at - p->next < AHEAD)
		p->score += p->score < SCORE_MAX;
	else
		p->score -= p->score > 0;
	p->next = at + 1;
	if (p->score < SCORE_START)
		return;
	p->ahead = 0;
	p->bytes = 0;
	from = at + 1;
	end = from + AHEAD < p->tape.end ? from + AHEAD : p->tape.end;
	if (!p->queued && tape_marked(&p->tape, at))
		start_over(p, at, end);
	/* Nothing has gone ahead of it yet: it would only be met at the next file. */
	if (from < end && !tape_marked(&p->tape, from))
		from += HEAD_START;
	enqueue(p, from, end);
}
