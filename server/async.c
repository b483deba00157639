/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that left their queue's thread: counting and cancelling. No lock is held across a plugin's function. */
#include "server/async.h"

#include "lib/cleanup.h"

#include <stddef.h>

void async_list_init(struct async_list *l)
{
	pthread_mutex_init(&l->lock, NULL);
	l->head = NULL;
}

void async_list_fini(struct async_list *l)
{
	pthread_mutex_destroy(&l->lock);
}

void async_pin(struct async_state *a)
{
	if (a->pinned)
		return;
	a->pinned = true;
	a->refs = 2;
	a->running = 1;
	a->wanted = false;
	a->cancelling = false;
	a->cancel.fn = NULL;
	a->result = 0;
	a->linked = true;
	a->told = ASYNC_TOLD_NOTHING;
	atomic_store_explicit(&a->who, NULL, memory_order_relaxed);
	atomic_store_explicit(&a->completer, NULL, memory_order_relaxed);
	LOCK_SCOPE(&a->list->lock);
	a->prev = NULL;
	a->next = a->list->head;
	if (a->next)
		a->next->prev = a;
	a->list->head = a;
}

/* list->lock held. */
static void unlink_locked(struct async_state *a)
{
	if (a->next)
		a->next->prev = a->prev;
	if (a->prev)
		a->prev->next = a->next;
	else
		a->list->head = a->next;
	a->linked = false;
}

bool async_enter(struct async_state *a)
{
	LOCK_SCOPE(&a->list->lock);
	if (!a->linked)
		return false;
	a->refs++;
	a->running++;
	return true;
}

/* list->lock held. True: the caller must make the call, with the reference this took. */
static bool take_cancel_locked(struct async_state *a)
{
	if (!a->wanted || !a->linked || a->running || a->cancelling || !a->cancel.fn)
		return false;
	a->taken = a->cancel;
	a->cancel.fn = NULL;
	a->cancelling = true;
	a->refs++;
	return true;
}

static void call_cancel(struct async_state *a);

/* Another cancel may have become due meanwhile: a layer's, after what it had waited for ended. */
static void end_cancel(struct async_state *a)
{
	pthread_mutex_lock(&a->list->lock);
	a->cancelling = false;
	bool again = take_cancel_locked(a);
	bool last = --a->refs == 0;
	pthread_mutex_unlock(&a->list->lock);
	if (again)
		call_cancel(a);
	else if (last)
		async_finished(a, a->result);
}

static void run_cancel_work(struct work *w)
{
	struct async_state *a = (struct async_state *)((char *)w - offsetof(struct async_state, cancel_work));

	a->taken.fn(a->taken.inst, a->taken.req);
	end_cancel(a);
}

/* With a reference, which it consumes. */
static void call_cancel(struct async_state *a)
{
	a->cancel_work.fn = run_cancel_work;
	if (a->taken.strand)
		strand_post(a->taken.strand, &a->cancel_work);
	else
		run_cancel_work(&a->cancel_work);
}

void async_exit(struct async_state *a, int res)
{
	pthread_mutex_lock(&a->list->lock);
	a->running--;
	/* Not linked: it was completed within this stretch already, and that result counts. */
	if (res != GRAFT_ASYNC && a->linked) {
		unlink_locked(a);
		a->result = res;
		a->refs--;
	}
	bool cancel = take_cancel_locked(a);
	bool last = --a->refs == 0;
	pthread_mutex_unlock(&a->list->lock);
	if (cancel)
		call_cancel(a);
	else if (last)
		async_finished(a, a->result);
}

void async_set_cancel(struct async_state *a, const struct async_cancel *cancel)
{
	LOCK_SCOPE(&a->list->lock);
	a->cancel = *cancel;
}

bool async_cancelling(struct async_state *a)
{
	LOCK_SCOPE(&a->list->lock);
	return a->cancelling;
}

void async_keep_cancel(struct async_state *a, const struct graft_inst *inst)
{
	LOCK_SCOPE(&a->list->lock);
	if (a->cancel.inst != inst)
		a->cancel.fn = NULL;
}

void async_interrupt(struct async_list *l, uint64_t unique)
{
	pthread_mutex_lock(&l->lock);
	struct async_state *a = l->head;
	while (a && a->unique != unique)
		a = a->next;
	bool cancel = false;
	if (a) {
		a->wanted = true;
		cancel = take_cancel_locked(a);
	}
	pthread_mutex_unlock(&l->lock);
	if (cancel)
		call_cancel(a);
}

/* A request whose cancel is due, referenced; NULL if there is none. */
static struct async_state *next_cancel(struct async_list *l)
{
	LOCK_SCOPE(&l->lock);
	for (struct async_state *a = l->head; a; a = a->next) {
		if (take_cancel_locked(a))
			return a;
	}
	return NULL;
}

void async_cancel_some(struct async_list *l, bool (*match)(const struct async_state *a, const void *arg),
		       const void *arg)
{
	struct async_state *a;

	pthread_mutex_lock(&l->lock);
	for (a = l->head; a; a = a->next)
		a->wanted = a->wanted || match(a, arg);
	pthread_mutex_unlock(&l->lock);
	while ((a = next_cancel(l)))
		call_cancel(a);
}

static bool any(const struct async_state *a, const void *arg)
{
	(void)a;
	(void)arg;
	return true;
}

void async_cancel_all(struct async_list *l)
{
	async_cancel_some(l, any, NULL);
}
