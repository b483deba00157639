/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run: keeps a number of requests in flight on each queue and measures.
 *
 * Fair to every daemon alike: the generator shares the processors with it, so it does as little as it can. A thread
 * takes all that is finished, sends that many new requests with at most one kick, and sleeps on the call descriptor
 * only when nothing is finished. Kicks and interrupts are left out where the other side asked for none (EVENT_IDX), as
 * the Linux driver does it: the wish for an interrupt names the next completion, and none is wished for while the
 * thread is awake. A thread that polls never wishes for one, and is otherwise the same.
 */
#include "bench/bench.h"

#include "bench/process.h"
#include "bench/profiles.h"

#include "tests/vring/clock.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_TIMEOUT_MS 30000
#define WARM_UP_MAX_NS 200000000

enum phase { PHASE_WARM_UP, PHASE_MEASURE, PHASE_STOP };

/* What main and the queues' threads share. */
struct run {
	const struct workload *workload;
	atomic_int phase;
	sem_t failed; /* posted by a thread that gives up */
};

struct run_thread {
	struct run *run;
	struct bench_queue *queue;
	pthread_t id;
};

/* Pages from the last to the first, so that no two of a request can be joined to one piece: a guest's seldom can. */
static unsigned add_pages(struct ring_buf *parts, const struct bench_slot *s, uint32_t len)
{
	unsigned n = (len + BENCH_PAGE - 1) / BENCH_PAGE;

	for (unsigned i = 0; i < n; i++) {
		uint32_t piece = len < BENCH_PAGE ? len : BENCH_PAGE;
		parts[i] = (struct ring_buf){.gpa = s->data_gpa + (uint64_t)(n - 1 - i) * BENCH_PAGE, .len = piece};
		len -= piece;
	}
	return n;
}

void bench_shape(struct bench_slot *s, uint32_t opcode, uint64_t node, uint32_t body, uint32_t data_in, uint32_t reply,
		 uint32_t data_out)
{
	*s->head = (struct fuse_in_header){
		.len = (uint32_t)sizeof(*s->head) + body + data_in, .opcode = opcode, .nodeid = node, .pid = 1};
	s->nin = s->nout = 0;
	s->in[s->nin++] = (struct ring_buf){.gpa = s->head_gpa, .len = sizeof(*s->head)};
	if (body)
		s->in[s->nin++] = (struct ring_buf){.gpa = s->body_gpa, .len = body};
	s->nin += add_pages(&s->in[s->nin], s, data_in);
	s->out[s->nout++] = (struct ring_buf){.gpa = s->reply_gpa, .len = sizeof(*s->reply_head)};
	if (reply)
		s->out[s->nout++] = (struct ring_buf){.gpa = s->reply_gpa + sizeof(*s->reply_head), .len = reply};
	s->nout += add_pages(&s->out[s->nout], s, data_out);
}

static int fail(struct bench_queue *q, const struct bench_slot *s, int error)
{
	q->error = error;
	q->failed_opcode = s ? s->head->opcode : 0;
	return error;
}

static int send_next(struct bench_queue *q, const struct workload *w, struct bench_slot *s)
{
	w->next(s);
	s->head->unique = ++q->unique;
	int res = ring_add(q->ring, s->in, s->nin, s->out, s->nout, s);
	return res < 0 ? fail(q, s, res) : 0;
}

/* Checks an answer: the operations it completed, or -errno. */
static int take_answer(struct bench_queue *q, const struct workload *w, const struct ring_used *used)
{
	struct bench_slot *s = used->cookie;
	struct fuse_out_header h = *s->reply_head;

	if (used->len < sizeof(h) || h.len != used->len || h.unique != s->head->unique || h.error > 0)
		return fail(q, s, -EBADMSG);
	int res = h.error;
	if (!res)
		res = w->done(s, h.len - (uint32_t)sizeof(h));
	else if (w->refused)
		res = w->refused(s, res);
	return res < 0 ? fail(q, s, res) : res;
}

/* Takes all that is finished: how many stand in ready, or -errno. */
static int take_all(struct bench_queue *q, const struct workload *w, int64_t now, bool measure,
		    struct bench_slot **ready)
{
	struct ring_used used;
	int n = 0, got;

	while ((got = ring_take(q->ring, &used)) == 1) {
		struct bench_slot *s = used.cookie;
		int ops = take_answer(q, w, &used);
		if (ops < 0)
			return ops;
		if (measure && ops > 0) {
			q->ops += (unsigned)ops;
			histogram_add(&q->latency, (uint64_t)(now - s->start));
		}
		if (ops > 0)
			s->start = 0;
		ready[n++] = s;
	}
	return got < 0 ? fail(q, NULL, got) : n;
}

/* Gives the slot the next task, of which each queue has its share; false when none is left. */
static bool next_task(struct bench_queue *q, const struct workload *w, struct bench_slot *s)
{
	if (!w->profile)
		return true;
	s->task = (unsigned)q->cursor * q->bench->nqueues + q->index;
	q->cursor++;
	return s->task < profile_tasks(q->bench, w->profile);
}

/* Sends what is ready again, but begins no operation when the run is over. */
static int refill(struct bench_queue *q, const struct workload *w, struct bench_slot **ready, int n, bool stop)
{
	for (int i = 0; i < n; i++) {
		if (!ready[i]->step && (stop || !next_task(q, w, ready[i]))) {
			ready[i] = NULL;
			continue;
		}
		int res = send_next(q, w, ready[i]);
		if (res < 0)
			return res;
	}
	int64_t now = clock_ns();
	for (int i = 0; i < n; i++) {
		if (ready[i] && !ready[i]->start)
			ready[i]->start = now;
	}
	ring_kick(q->ring);
	return 0;
}

static int run_queue(struct run *run, struct bench_queue *q)
{
	struct bench_slot *ready[BENCH_MAX_DEPTH];
	int n = (int)q->depth;

	for (int i = 0; i < n; i++)
		ready[i] = &q->slot[i];
	int res = refill(q, run->workload, ready, n, false);
	while (res == 0 && q->ring->inflight) {
		res = (q->bench->poll ? ring_poll : ring_wait)(q->ring, ANSWER_TIMEOUT_MS);
		if (res < 0)
			return fail(q, NULL, res);
		int64_t now = clock_ns();
		/* Only says when to count and when to end: nothing else is published with it. */
		int phase = atomic_load_explicit(&run->phase, memory_order_relaxed);
		n = take_all(q, run->workload, now, phase == PHASE_MEASURE, ready);
		res = n < 0 ? n : refill(q, run->workload, ready, n, phase == PHASE_STOP);
	}
	return res;
}

static void *thread_main(void *arg)
{
	struct run_thread *t = arg;

	if (run_queue(t->run, t->queue) < 0)
		sem_post(&t->run->failed);
	return NULL;
}

/* Sleeps; false if a thread failed meanwhile. */
static bool sleep_ns(struct run *run, int64_t ns)
{
	int64_t until = clock_ns() + ns;
	struct timespec ts = {.tv_sec = until / 1000000000, .tv_nsec = until % 1000000000};

	while (sem_clockwait(&run->failed, CLOCK_MONOTONIC, &ts) < 0) {
		if (errno == ETIMEDOUT)
			return true;
	}
	sem_post(&run->failed);
	return false;
}

/* What both processes used so far. */
struct usage {
	int64_t time;
	uint64_t daemon, client;
};

static struct usage usage_now(const struct bench_span *span)
{
	return (struct usage){.time = clock_ns(), .daemon = process_cpu_ns(span->daemon), .client = process_cpu_ns(getpid())};
}

static void add_usage(struct bench_result *result, const struct usage *since, const struct bench_span *span)
{
	struct usage now = usage_now(span);

	result->seconds += (double)(now.time - since->time) / 1e9;
	result->daemon_ns += now.daemon - since->daemon;
	result->client_ns += now.client - since->client;
}

static void measure(struct run *run, const struct bench_span *span, struct bench_result *result)
{
	struct call_counter calls = {.n = 0};
	int64_t ns = (int64_t)(span->seconds * 1e9);

	if (sleep_ns(run, ns / 4 < WARM_UP_MAX_NS ? ns / 4 : WARM_UP_MAX_NS)) {
		if (span->count_calls)
			call_counter_open(&calls, span->daemon);
		struct usage begin = usage_now(span);
		atomic_store_explicit(&run->phase, PHASE_MEASURE, memory_order_relaxed);
		sleep_ns(run, ns);
		atomic_store_explicit(&run->phase, PHASE_STOP, memory_order_relaxed);
		if (span->count_calls)
			result->calls = call_counter_close(&calls);
		add_usage(result, &begin, span);
	}
	atomic_store_explicit(&run->phase, PHASE_STOP, memory_order_relaxed);
}

/*
 * As the Linux driver does it: a split ring with EVENT_IDX has no word for "none", there the event index is left
 * behind. It comes by again once in 65536 answers, and that interrupt finds nobody asleep.
 */
static void want_interrupts(struct bench_queue *q, bool on)
{
	if (q->ring->kind == RING_PACKED || !q->ring->event_idx)
		ring_interrupts(q->ring, on);
}

static int setup_queue(struct bench_queue *q, const struct workload *w, unsigned depth)
{
	q->depth = depth;
	q->ops = 0;
	q->error = 0;
	q->cursor = 0;
	memset(&q->latency, 0, sizeof(q->latency));
	want_interrupts(q, !q->bench->poll);
	for (unsigned i = 0; i < depth; i++) {
		q->slot[i].step = 0;
		q->slot[i].start = 0;
		int res = w->setup(&q->slot[i]);
		if (res < 0)
			return fail(q, &q->slot[i], res);
	}
	return 0;
}

/* The queues' threads; what they measured is added to the result. */
struct crew {
	struct run run;
	struct run_thread thread[BENCH_MAX_QUEUES];
	unsigned n;
};

static int crew_start(struct crew *c, struct bench *b, const struct workload *w, enum phase phase)
{
	c->run.workload = w;
	c->n = 0;
	atomic_init(&c->run.phase, phase);
	sem_init(&c->run.failed, 0, 0);
	for (; c->n < b->nqueues; c->n++) {
		struct run_thread *t = &c->thread[c->n];
		*t = (struct run_thread){.run = &c->run, .queue = &b->queue[c->n]};
		int res = -pthread_create(&t->id, NULL, thread_main, t);
		if (res < 0)
			return res;
	}
	return 0;
}

static int crew_join(struct crew *c, struct bench_result *result)
{
	int res = 0;

	for (unsigned i = 0; i < c->n; i++) {
		const struct bench_queue *q = c->thread[i].queue;
		pthread_join(c->thread[i].id, NULL);
		res = res ? res : q->error;
		if (result) {
			result->ops += q->ops;
			histogram_merge(&result->latency, &q->latency);
		}
	}
	sem_destroy(&c->run.failed);
	return res;
}

/* Everything is ready to send. Interrupts for the synchronous calls that finish makes are wished for again after it. */
static int begin(struct bench *b, const struct workload *w, unsigned depth)
{
	int res = 0;

	b->workload = w;
	b->generation++;
	for (unsigned i = 0; i < b->nqueues && res == 0; i++)
		res = setup_queue(&b->queue[i], w, depth);
	return res;
}

static void end(struct bench *b)
{
	for (unsigned i = 0; i < b->nqueues; i++)
		want_interrupts(&b->queue[i], true);
}

int bench_pass(struct bench *b, const struct workload *w, unsigned depth, const struct bench_span *span,
	       struct bench_result *result)
{
	struct call_counter calls = {.n = 0};
	struct crew crew;
	int res = begin(b, w, depth);

	if (res < 0)
		return res;
	bool counting = result && span->count_calls;
	if (counting)
		call_counter_open(&calls, span->daemon);
	struct usage since = result ? usage_now(span) : (struct usage){.time = 0};
	res = crew_start(&crew, b, w, PHASE_MEASURE);
	int joined = crew_join(&crew, result);
	if (result)
		add_usage(result, &since, span);
	if (counting)
		result->calls = call_counter_close(&calls);
	end(b);
	res = res < 0 ? res : joined;
	return res < 0 ? res : profile_passed(b, w->profile);
}

/* Passes until enough time was measured; the first one warms up. What a pass needs is made before it, unmeasured. */
static int run_passes(struct bench *b, const struct workload *w, unsigned depth, const struct bench_span *span,
		      struct bench_result *result)
{
	bool warm = span->count_calls; /* one pass is enough to count */
	int res = 0;

	while (res == 0 && (!warm || result->seconds < span->seconds)) {
		res = profile_reset(b, w->profile);
		if (res == 0)
			res = bench_pass(b, w, depth, span, warm ? result : NULL);
		if (span->count_calls)
			break;
		warm = true;
	}
	return res;
}

int bench_run(struct bench *b, const struct workload *w, unsigned depth, const struct bench_span *span,
	      struct bench_result *result)
{
	struct crew crew;

	memset(result, 0, sizeof(*result));
	result->calls = -1;
	if (w->profile)
		return run_passes(b, w, depth, span, result);
	int res = begin(b, w, depth);
	if (res < 0)
		return res;
	res = crew_start(&crew, b, w, PHASE_WARM_UP);
	if (res == 0)
		measure(&crew.run, span, result);
	atomic_store_explicit(&crew.run.phase, PHASE_STOP, memory_order_relaxed);
	int joined = crew_join(&crew, result);
	end(b);
	res = res < 0 ? res : joined;
	return res < 0 || !w->finish ? res : w->finish(b);
}
