/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run: keeps a number of requests in flight on each queue and measures.
 *
 * Fair to every daemon alike: the generator shares the processors with it, so it does as little as it can and never
 * polls. A thread takes all that is finished, sends that many new requests with at most one kick, and sleeps on the
 * call descriptor only when nothing is finished. Kicks and interrupts are left out where the other side asked for none
 * (EVENT_IDX), as the Linux driver does it: the wish for an interrupt names the next completion, and none is wished for
 * while the thread is awake.
 */
#include "bench/bench.h"

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
	int res = h.error ? h.error : w->done(s, h.len - (uint32_t)sizeof(h));
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

/* Sends what is ready again, but begins no operation when the run is over. */
static int refill(struct bench_queue *q, const struct workload *w, struct bench_slot **ready, int n, bool stop)
{
	for (int i = 0; i < n; i++) {
		if (stop && !ready[i]->step) {
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
		res = ring_wait(q->ring, ANSWER_TIMEOUT_MS);
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

/* Processor time of all threads of a process, those that ended included, in ns. */
static uint64_t cpu_ns(pid_t pid)
{
	struct timespec ts;
	clockid_t id;

	if (!pid || clock_getcpuclockid(pid, &id) || clock_gettime(id, &ts))
		return 0;
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void measure(struct run *run, double seconds, pid_t daemon, struct bench_result *result)
{
	int64_t ns = (int64_t)(seconds * 1e9);

	if (sleep_ns(run, ns / 4 < WARM_UP_MAX_NS ? ns / 4 : WARM_UP_MAX_NS)) {
		int64_t begin = clock_ns();
		uint64_t daemon_begin = cpu_ns(daemon), client_begin = cpu_ns(getpid());
		atomic_store_explicit(&run->phase, PHASE_MEASURE, memory_order_relaxed);
		sleep_ns(run, ns);
		atomic_store_explicit(&run->phase, PHASE_STOP, memory_order_relaxed);
		result->daemon_ns = cpu_ns(daemon) - daemon_begin;
		result->client_ns = cpu_ns(getpid()) - client_begin;
		result->seconds = (double)(clock_ns() - begin) / 1e9;
	}
	atomic_store_explicit(&run->phase, PHASE_STOP, memory_order_relaxed);
}

static int setup_queue(struct bench_queue *q, const struct workload *w, unsigned depth)
{
	q->depth = depth;
	q->ops = 0;
	q->error = 0;
	q->cursor = 0;
	memset(&q->latency, 0, sizeof(q->latency));
	for (unsigned i = 0; i < depth; i++) {
		q->slot[i].step = 0;
		q->slot[i].start = 0;
		int res = w->setup(&q->slot[i]);
		if (res < 0)
			return fail(q, &q->slot[i], res);
	}
	return 0;
}

int bench_run(struct bench *b, const struct workload *w, unsigned depth, double seconds, pid_t daemon,
	      struct bench_result *result)
{
	struct run_thread thread[BENCH_MAX_QUEUES];
	struct run run = {.workload = w};
	unsigned n = 0;
	int res = 0;

	b->workload = w;
	b->generation++;
	memset(result, 0, sizeof(*result));
	for (unsigned i = 0; i < b->nqueues && res == 0; i++)
		res = setup_queue(&b->queue[i], w, depth);
	if (res < 0)
		return res;
	sem_init(&run.failed, 0, 0);
	for (; n < b->nqueues && res == 0; n++) {
		thread[n] = (struct run_thread){.run = &run, .queue = &b->queue[n]};
		res = -pthread_create(&thread[n].id, NULL, thread_main, &thread[n]);
		if (res < 0)
			break;
	}
	if (res == 0)
		measure(&run, seconds, daemon, result);
	atomic_store_explicit(&run.phase, PHASE_STOP, memory_order_relaxed);
	for (unsigned i = 0; i < n; i++) {
		pthread_join(thread[i].id, NULL);
		res = res ? res : b->queue[i].error;
		result->ops += b->queue[i].ops;
		histogram_merge(&result->latency, &b->queue[i].latency);
	}
	sem_destroy(&run.failed);
	return res < 0 || !w->finish ? res : w->finish(b);
}
