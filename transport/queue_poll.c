/* SPDX-License-Identifier: Apache-2.0 */
/* When a look at the ring pays. */
#include "transport/queue_poll.h"

void queue_crowd_init(struct queue_crowd *c, uint32_t processors)
{
	c->room = processors > 0 ? processors - 1 : 0;
	atomic_init(&c->awake, 0);
}

void queue_poll_init(struct queue_poll *p, uint64_t max_ns)
{
	*p = (struct queue_poll){ .max_ns = max_ns, .gap_ns = max_ns / 4, .asked = 1 };
}

uint64_t queue_poll_look(const struct queue_poll *p, const struct queue_crowd *c)
{
	uint64_t ns = 2 * p->gap_ns;

	if (p->credit_ns <= 0 || atomic_load_explicit(&c->awake, memory_order_relaxed) > c->room)
		return 0;
	if (ns < QUEUE_POLL_MIN_NS)
		ns = QUEUE_POLL_MIN_NS;
	return ns < p->max_ns ? ns : p->max_ns;
}

static void learn(struct queue_poll *p, uint64_t ns)
{
	p->gap_ns = p->gap_ns - p->gap_ns / 8 + ns / 8;
}

static void disappoint(struct queue_poll *p)
{
	p->credit_ns = 0;
	p->hoped = 0;
	if (p->asked < QUEUE_POLL_ASKED)
		p->asked *= 2;
}

void queue_poll_met(struct queue_poll *p, uint64_t ns, bool hole)
{
	int64_t most = (int64_t)(QUEUE_POLL_CREDIT * p->max_ns);

	if (hole || ns > p->max_ns) {
		disappoint(p);
		return;
	}
	learn(p, ns);
	p->credit_ns += (int64_t)(p->max_ns - ns);
	if (p->credit_ns < most)
		return;
	/* It pays for good: what was asked for in worse times is forgotten. */
	p->credit_ns = most;
	p->asked = p->asked > 1 ? p->asked / 2 : 1;
}

void queue_poll_missed(struct queue_poll *p, uint64_t ns)
{
	p->credit_ns -= (int64_t)ns;
	if (p->credit_ns <= 0)
		disappoint(p);
}

void queue_poll_slept(struct queue_poll *p, uint64_t ns)
{
	/* The sleep itself made it longer, by about what a wake-up costs. */
	if (ns > 2 * p->max_ns) {
		p->hoped = 0;
		return;
	}
	learn(p, ns);
	if (p->credit_ns > 0 || ++p->hoped < p->asked)
		return;
	p->hoped = 0;
	p->credit_ns = (int64_t)p->max_ns;
}
