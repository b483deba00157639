/* SPDX-License-Identifier: Apache-2.0 */
/* The workers of all readers of the process: jobs by priority, and jobs for later. */
#include "rafs/engine/pool.h"

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/cpu_list.h"
#include "lib/heap.h"
#include "lib/thread.h"

#include <sys/mman.h>

#define AUTO_MIN 2
#define AUTO_MAX 16
#define REST_NS  UINT64_C(100000000)  /* a worker that slept this long gives its memory back */
#define NS       UINT64_C(1000000000)

struct queue {
	struct job *first, *last;
};

struct pool {
	uint32_t refs; /* pool_lock */
	struct plain_cache *plain;
	pthread_mutex_t lock;
	pthread_cond_t work; /* CLOCK_MONOTONIC */
	struct queue queues[POOL_QUEUES];
	struct queue later; /* in no order: there is one for each prefetch with a limit */
	uint32_t nthreads;
	_Atomic uint32_t sleeping;
	bool stop;
	pthread_t threads[POOL_THREADS_MAX];
	struct worker workers[POOL_THREADS_MAX];
};

static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;
static struct pool *the_pool; /* pool_lock */

int buffer_reserve(struct buffer *b, size_t size)
{
	if (size <= b->size)
		return 0;
	buffer_free(b);
	size = (size + 0xffff) & ~(size_t)0xffff;
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return -ENOMEM;
	b->bytes = p;
	b->size = size;
	return 0;
}

void buffer_free(struct buffer *b)
{
	if (b->bytes)
		munmap(b->bytes, b->size);
	b->bytes = NULL;
	b->size = 0;
}

static struct queue *queue_of(struct pool *p, const struct job *job)
{
	return job->not_before ? &p->later : &p->queues[job->urgency];
}

static void queue_remove(struct queue *q, struct job *job)
{
	*(job->prev ? &job->prev->next : &q->first) = job->next;
	*(job->next ? &job->next->prev : &q->last) = job->prev;
	job->state = JOB_IDLE;
}

static void queue_push(struct queue *q, struct job *job)
{
	job->state = JOB_WAITING;
	job->next = NULL;
	job->prev = q->last;
	*(q->last ? &q->last->next : &q->first) = job;
	q->last = job;
}

static void queue_push_front(struct queue *q, struct job *job)
{
	job->state = JOB_WAITING;
	job->prev = NULL;
	job->next = q->first;
	*(q->first ? &q->first->prev : &q->last) = job;
	q->first = job;
}

/* Moves what is due to its queue. Returns when the next one will be. */
static uint64_t look_at_later(struct pool *p)
{
	uint64_t now = p->later.first ? clock_ns(CLOCK_MONOTONIC) : 0, until = UINT64_MAX;
	struct job *next;

	for (struct job *job = p->later.first; job; job = next) {
		next = job->next;
		if (job->not_before <= now) {
			queue_remove(&p->later, job);
			job->not_before = 0;
			queue_push(&p->queues[job->urgency], job);
		} else if (job->not_before < until) {
			until = job->not_before;
		}
	}
	return until;
}

static struct job *take_job(struct pool *p)
{
	for (int i = 0; i < POOL_QUEUES; i++) {
		struct job *job = p->queues[i].first;

		if (job) {
			queue_remove(&p->queues[i], job);
			return job;
		}
	}
	return NULL;
}

static void give_back(struct worker *w)
{
	buffer_free(&w->plain);
	buffer_free(&w->secret);
	buffer_free(&w->pages);
	buffer_free(&w->raw);
	codec_trim(w->codec);
	heap_trim();
}

/* Sleeps until there may be something; a worker that is not called for a while keeps no memory. */
static void sleep_on(struct pool *p, struct worker *w, uint64_t until, bool *rested)
{
	uint64_t rest = clock_ns(CLOCK_MONOTONIC) + REST_NS;
	bool resting = !*rested && rest < until;
	int res;

	if (resting)
		until = rest;
	atomic_fetch_add_explicit(&p->sleeping, 1, memory_order_relaxed);
	if (until == UINT64_MAX) {
		res = pthread_cond_wait(&p->work, &p->lock);
	} else {
		struct timespec t = {.tv_sec = (time_t)(until / NS), .tv_nsec = (long)(until % NS)};
		res = pthread_cond_timedwait(&p->work, &p->lock, &t);
	}
	atomic_fetch_sub_explicit(&p->sleeping, 1, memory_order_relaxed);
	if (res != ETIMEDOUT || !resting)
		return;
	*rested = true;
	pthread_mutex_unlock(&p->lock);
	give_back(w);
	pthread_mutex_lock(&p->lock);
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	struct pool *p = w->pool;
	bool rested = true;

	pthread_mutex_lock(&p->lock);
	while (!p->stop) {
		uint64_t until = look_at_later(p);
		struct job *job = take_job(p);

		if (!job) {
			sleep_on(p, w, until, &rested);
			continue;
		}
		pthread_mutex_unlock(&p->lock);
		job->run(job, w);
		pthread_mutex_lock(&p->lock);
		rested = false;
	}
	pthread_mutex_unlock(&p->lock);
	give_back(w);
	return NULL;
}

static uint32_t by_processors(void)
{
	uint32_t n = cpu_count();

	return n < AUTO_MIN ? AUTO_MIN : n > AUTO_MAX ? AUTO_MAX : n;
}

static struct pool *pool_new(void)
{
	struct pool *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->plain = plain_cache_new(POOL_PLAIN_LIMIT);
	if (!p->plain) {
		free(p);
		return NULL;
	}
	pthread_mutex_init(&p->lock, NULL);
	thread_cond_init(&p->work);
	return p;
}

static void pool_end(struct pool *p)
{
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
	for (uint32_t i = 0; i < p->nthreads; i++)
		pthread_join(p->threads[i], NULL);
	for (uint32_t i = 0; i < p->nthreads; i++)
		codec_free(p->workers[i].codec);
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->work);
	plain_cache_free(p->plain);
	free(p);
}

static void grow(struct pool *p, uint32_t threads)
{
	while (p->nthreads < threads) {
		struct worker *w = &p->workers[p->nthreads];

		w->pool = p;
		w->codec = codec_new();
		if (!w->codec)
			return;
		if (thread_start(&p->threads[p->nthreads], "rafs", worker_main, w) < 0) {
			codec_free(w->codec);
			return;
		}
		p->nthreads++;
	}
}

struct pool *pool_get(uint32_t threads)
{
	if (!threads)
		threads = by_processors();
	if (threads > POOL_THREADS_MAX)
		threads = POOL_THREADS_MAX;
	LOCK_SCOPE(&pool_lock);
	if (!the_pool)
		the_pool = pool_new();
	if (!the_pool)
		return NULL;
	grow(the_pool, threads);
	if (!the_pool->nthreads) {
		pool_end(the_pool);
		the_pool = NULL;
		return NULL;
	}
	the_pool->refs++;
	return the_pool;
}

void pool_put(struct pool *p)
{
	LOCK_SCOPE(&pool_lock);
	if (--p->refs)
		return;
	the_pool = NULL;
	pool_end(p);
}

void pool_push(struct pool *p, struct job *job, enum pool_urgency urgency)
{
	LOCK_SCOPE(&p->lock);
	job->urgency = urgency;
	job->not_before = 0;
	queue_push(&p->queues[urgency], job);
	pthread_cond_signal(&p->work);
}

void pool_push_later(struct pool *p, struct job *job, uint64_t ns)
{
	LOCK_SCOPE(&p->lock);
	job->urgency = POOL_PREFETCH;
	job->not_before = clock_ns(CLOCK_MONOTONIC) + ns;
	queue_push(&p->later, job);
	pthread_cond_signal(&p->work);
}

void pool_promote(struct pool *p, struct job *job)
{
	LOCK_SCOPE(&p->lock);
	if (job->state != JOB_WAITING || job->urgency == POOL_DEMAND)
		return;
	queue_remove(queue_of(p, job), job);
	job->urgency = POOL_DEMAND;
	job->not_before = 0;
	queue_push_front(&p->queues[POOL_DEMAND], job);
}

bool pool_cancel(struct pool *p, struct job *job)
{
	LOCK_SCOPE(&p->lock);
	if (job->state != JOB_WAITING)
		return false;
	queue_remove(queue_of(p, job), job);
	return true;
}

bool pool_has_idle(const struct pool *p)
{
	return atomic_load_explicit(&p->sleeping, memory_order_relaxed) > 0;
}

struct plain_cache *pool_plain(struct pool *p)
{
	return p->plain;
}
