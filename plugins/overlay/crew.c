/* SPDX-License-Identifier: Apache-2.0 */
/* Threads of the overlay's own, and questions to what is below that wait for their answer. */
#include "crew.h"

#include "lib/thread.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct member {
	struct ov_crew *crew;
	pthread_t thread;
	sem_t answered; /* lives as long as the thread: who posts it may still be inside when the waiter goes on */
};

struct ov_crew {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* Protected by lock. */
	struct ov_work *first, **last;
	bool ends;

	uint32_t n;
	struct member members[];
};

static struct ov_work *take(struct ov_crew *c)
{
	pthread_mutex_lock(&c->lock);
	while (!c->first && !c->ends)
		pthread_cond_wait(&c->changed, &c->lock);
	struct ov_work *w = c->first;
	if (w) {
		c->first = w->next;
		if (!c->first)
			c->last = &c->first;
	}
	pthread_mutex_unlock(&c->lock);
	return w;
}

static void post(struct ov_crew *c, struct ov_work *w)
{
	w->next = NULL;
	pthread_mutex_lock(&c->lock);
	*c->last = w;
	c->last = &w->next;
	pthread_cond_signal(&c->changed);
	pthread_mutex_unlock(&c->lock);
}

static void *run(void *arg)
{
	struct member *m = arg;
	struct ov_work *w;

	while ((w = take(m->crew))) {
		w->answered = &m->answered;
		w->to = NULL;
		int res = w->step(w);
		if (res != GRAFT_ASYNC)
			w->inst->host->complete(w->req, res);
		else if (w->to)
			post(w->to, w);
	}
	return NULL;
}

int ov_crew_start(struct ov_crew **crew, const char *name, uint32_t n)
{
	struct ov_crew *c = calloc(1, sizeof(*c) + n * sizeof(c->members[0]));
	int res = 0;

	if (!c)
		return -ENOMEM;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->changed, NULL);
	c->last = &c->first;
	for (; c->n < n && res == 0; c->n += res == 0) {
		struct member *m = &c->members[c->n];
		m->crew = c;
		sem_init(&m->answered, 0, 0);
		res = thread_start(&m->thread, name, run, m);
		if (res < 0)
			sem_destroy(&m->answered);
	}
	if (res < 0) {
		ov_crew_stop(c);
		return res;
	}
	*crew = c;
	return 0;
}

void ov_crew_stop(struct ov_crew *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->ends = true;
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
	for (uint32_t i = 0; i < c->n; i++) {
		pthread_join(c->members[i].thread, NULL);
		sem_destroy(&c->members[i].answered);
	}
	pthread_cond_destroy(&c->changed);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

/* Like a file system of the kernel's, the overlay ends what it began: an interrupted mkdir is none. */
static void go_on(struct graft_inst *inst, struct graft_req *req)
{
	(void)inst;
	(void)req;
}

int ov_work_start(struct graft_inst *inst, struct graft_req *req, struct ov_crew *crew, ov_step *fn)
{
	struct ov_work *w = inst->host->alloc(req, sizeof(*w));

	if (!w)
		return -ENOMEM;
	*w = (struct ov_work){ .inst = inst, .req = req, .s = ov_session(req), .fn = fn, .step = fn };
	inst->host->cancel(req, go_on);
	post(crew, w);
	return GRAFT_ASYNC;
}

int ov_work_pass(struct ov_work *w, struct ov_crew *crew, ov_step *step)
{
	w->step = step;
	w->to = crew;
	return GRAFT_ASYNC;
}

void ov_work_resume(struct ov_work *w, struct ov_crew *crew)
{
	w->step = w->fn;
	post(crew, w);
}

struct ov_child *ov_child(struct ov_work *w, uint32_t opcode, uint64_t node, void *dst, size_t len)
{
	struct ov_child *c = w->child;

	if (!c)
		c = w->child = w->inst->host->alloc(w->req, sizeof(*c));
	if (!c)
		return NULL;
	memset(c, 0, sizeof(*c));
	c->req.opcode = opcode;
	c->req.node = node;
	c->req.in = &c->in;
	c->req.out = &c->out;
	if (dst) {
		c->iov = (struct iovec){ dst, len };
		c->req.dst = &c->iov;
		c->req.ndst = 1;
		c->req.dst_len = len;
	}
	return c;
}

/* On whatever thread the answer comes; the one that asked waits, also where it is this one. */
static int answered(struct graft_inst *inst, struct graft_req *req, int res, void *cookie)
{
	struct ov_work *w = cookie;
	(void)inst;
	(void)req;

	w->answer = res;
	sem_post(w->answered);
	return GRAFT_ASYNC;
}

int ov_ask(struct ov_work *w)
{
	struct graft_req *req = w->req;
	const uint32_t uid = req->uid, gid = req->gid, has = req->has_groups, n = req->ngroups;

	/* The overlay's own look, not the caller's. */
	req->uid = req->gid = req->has_groups = req->ngroups = 0;
	w->inst->host->sub(req, &w->child->req, NULL, answered, w);
	while (sem_wait(w->answered) < 0)
		;
	req->uid = uid;
	req->gid = gid;
	req->has_groups = has;
	req->ngroups = n;
	return w->answer;
}
