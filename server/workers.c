/* SPDX-License-Identifier: Apache-2.0 */
/* Worker threads: one locked queue, taken from in order. Only what leaves the queue threads comes here. */
#include "server/workers.h"

#include "lib/cleanup.h"
#include "lib/thread.h"

#include <errno.h>
#include <semaphore.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#define WORKERS_MIN 4
#define WORKERS_MAX 64

struct worker {
	pthread_t thread; /* once it has started */
	struct thread_birth birth;
};

struct workers {
	uint32_t wanted, bound;
	/* One for each piece in the queue, and one for each thread that shall end. glibc before 2.41 may lose the
	 * wake-up of a condition variable that several threads wait for (bug 25847); a semaphore it does not. */
	sem_t tokens;
	pthread_mutex_t lock;
	/* protected by lock */
	struct work_list queue;
	uint32_t waiting; /* pieces in queue */
	/* main thread */
	uint32_t begun, started; /* the first `started` of the begun ones were waited for */
	_Atomic bool running;
	struct worker threads[];
};

static void list_init(struct work_list *l)
{
	l->head = NULL;
	l->tail = &l->head;
}

static void list_push(struct work_list *l, struct work *w)
{
	w->next = NULL;
	*l->tail = w;
	l->tail = &w->next;
}

static struct work *list_pop(struct work_list *l)
{
	struct work *w = l->head;

	if (!w)
		return NULL;
	l->head = w->next;
	if (!l->head)
		l->tail = &l->head;
	return w;
}

uint32_t workers_auto(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	long n = cpus * 2;

	if (n < WORKERS_MIN)
		return WORKERS_MIN;
	return n > WORKERS_MAX ? WORKERS_MAX : (uint32_t)n;
}

struct workers *workers_new(uint32_t threads, uint32_t bound)
{
	uint32_t n = threads ? threads : workers_auto();
	struct workers *w = calloc(1, sizeof(*w) + n * sizeof(w->threads[0]));

	if (!w)
		return NULL;
	w->wanted = n;
	w->bound = bound;
	list_init(&w->queue);
	pthread_mutex_init(&w->lock, NULL);
	sem_init(&w->tokens, 0, 0);
	return w;
}

uint32_t workers_threads(const struct workers *w)
{
	return w->wanted;
}

/* NULL: the thread shall end. There are as many tokens as pieces and ends together, whoever takes which. */
static struct work *take(struct workers *w)
{
	while (sem_wait(&w->tokens) && errno == EINTR)
		continue;
	LOCK_SCOPE(&w->lock);
	struct work *work = list_pop(&w->queue);
	if (work)
		w->waiting--;
	return work;
}

static void *worker_main(void *arg)
{
	struct workers *w = arg;
	struct work *work;

	while ((work = take(w)))
		work->fn(work);
	return NULL;
}

/* Waits for those that were begun. The places of threads that could not start are given to those behind them. */
static int await(struct workers *w)
{
	int res = 0;

	for (uint32_t i = w->started; i < w->begun; i++) {
		int one = thread_await(&w->threads[i].birth, &w->threads[w->started].thread);

		w->started += !one;
		res = res ? res : one;
	}
	w->begun = w->started;
	return res;
}

static int fail(struct workers *w, int res, struct graft_error *err)
{
	workers_stop(w);
	return error_set(err, -res, "starting %u worker threads", w->wanted);
}

int workers_begin(struct workers *w, struct graft_error *err)
{
	int res = 0;

	for (; w->begun < w->wanted && !res; w->begun += !res)
		res = thread_begin(&w->threads[w->begun].birth, "worker", worker_main, w);
	return res ? fail(w, res, err) : 0;
}

int workers_await(struct workers *w, struct graft_error *err)
{
	int res = await(w);

	if (res)
		return fail(w, res, err);
	atomic_store_explicit(&w->running, true, memory_order_release);
	return 0;
}

int workers_start(struct workers *w, struct graft_error *err)
{
	int res = workers_begin(w, err);

	return res ? res : workers_await(w, err);
}

bool workers_running(const struct workers *w)
{
	return atomic_load_explicit(&w->running, memory_order_acquire);
}

void workers_stop(struct workers *w)
{
	await(w);
	for (uint32_t i = 0; i < w->started; i++)
		sem_post(&w->tokens);
	for (; w->started; w->started--)
		pthread_join(w->threads[w->started - 1].thread, NULL);
	w->begun = 0;
	atomic_store_explicit(&w->running, false, memory_order_release);
}

void workers_free(struct workers *w)
{
	if (!w)
		return;
	workers_stop(w);
	sem_destroy(&w->tokens);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

static bool post(struct workers *w, struct work *work, uint32_t bound)
{
	pthread_mutex_lock(&w->lock);
	bool room = w->waiting < bound;
	if (room) {
		list_push(&w->queue, work);
		w->waiting++;
	}
	pthread_mutex_unlock(&w->lock);
	if (room)
		sem_post(&w->tokens);
	return room;
}

void workers_post(struct workers *w, struct work *work)
{
	post(w, work, UINT32_MAX);
}

bool workers_try(struct workers *w, struct work *work)
{
	return post(w, work, w->bound);
}

static struct work *strand_take(struct strand *s)
{
	LOCK_SCOPE(&s->lock);
	struct work *work = list_pop(&s->queue);
	if (!work) {
		s->scheduled = false;
		pthread_cond_broadcast(&s->idle);
	}
	return work;
}

/* One piece at a time, then to the queue's end: a busy strand does not starve other work. */
static void strand_run(struct work *w)
{
	struct strand *s = (struct strand *)((char *)w - offsetof(struct strand, work));
	struct workers *workers = s->workers;
	struct work *work = strand_take(s);

	if (!work)
		return;
	atomic_store_explicit(&s->owner, (uintptr_t)pthread_self(), memory_order_relaxed);
	work->fn(work);
	atomic_store_explicit(&s->owner, 0, memory_order_relaxed);
	workers_post(workers, &s->work);
}

void strand_init(struct strand *s, struct workers *w)
{
	s->workers = w;
	s->work.fn = strand_run;
	s->scheduled = false;
	atomic_init(&s->owner, 0);
	list_init(&s->queue);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->idle, NULL);
}

void strand_fini(struct strand *s)
{
	pthread_mutex_lock(&s->lock);
	while (s->scheduled)
		pthread_cond_wait(&s->idle, &s->lock);
	pthread_mutex_unlock(&s->lock);
	pthread_cond_destroy(&s->idle);
	pthread_mutex_destroy(&s->lock);
}

bool strand_is_idle(struct strand *s)
{
	LOCK_SCOPE(&s->lock);
	return !s->scheduled;
}

void strand_post(struct strand *s, struct work *work)
{
	LOCK_SCOPE(&s->lock);
	list_push(&s->queue, work);
	if (s->scheduled)
		return;
	s->scheduled = true;
	workers_post(s->workers, &s->work);
}

/* Only the own thread's value matters, and that was stored by this thread: relaxed is enough. */
bool strand_is_current(const struct strand *s)
{
	return atomic_load_explicit(&s->owner, memory_order_relaxed) == (uintptr_t)pthread_self();
}
