/* SPDX-License-Identifier: Apache-2.0 */
/* One reader of /dev/fuse: read, serve, write the reply. A reply goes to the descriptor its request was read from. */
#include "transport/fuse_dev_queue.h"

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/thread.h"
#include "transport/queue.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define WAKE_SIGNAL SIGURG      /* ignored by default, so one from elsewhere does no harm */
#define CACHE_LINE 64
#define PAGE 4096
#define BUFFER_BYTES ((1u << 20) + PAGE) /* 1 MiB of file data, and what other arguments a request may have */
#define IN_HEAD 80              /* bytes before the data of a WRITE: fuse_in_header, fuse_write_in */
#define OUT_HEAD 16             /* bytes before the data of a READ: fuse_out_header */
#define LONG_BYTES 65536        /* a transfer of more leaves much memory behind */
#define KEEP_WARM 4             /* free requests that may keep it */
#define STARVED_NS 10000000     /* before memory for a request is tried for again */

/*
 * A request and its buffers, one mapping: this struct, the client's part, room for what is read, room for the reply.
 * Pages come when they are touched. File data in either buffer is page-aligned, as O_DIRECT wants it.
 */
struct fuse_dev_request {
	struct transport_request base; /* first */
	struct fuse_dev_request *next; /* free list, or list of all */
	struct fuse_dev_request *next_made;
	struct iovec in, out;
	bool pinned;
	bool warm; /* much of its buffers was touched */
};

struct fuse_dev_queue {
	struct transport_queue base; /* first */

	/* constant */
	struct fuse_dev_queue_config config;
	int fd;
	size_t in_at, request_bytes; /* of a request's mapping */
	struct log_limit limit;

	/* owned by the reader */
	uint32_t made;
	struct fuse_dev_request *all;

	_Atomic bool stopping;

	/* protected by lock */
	pthread_mutex_t lock;
	pthread_cond_t given; /* a request came back while somebody waits */
	struct fuse_dev_request *free;
	_Atomic uint32_t nfree; /* read without it, as a hint */
	uint32_t inflight;
	bool waiting;

	/* owned by who starts and frees */
	pthread_t thread;
	bool started;
};

static size_t round_up(size_t bytes, size_t to)
{
	return (bytes + to - 1) / to * to;
}

/* ---- requests ---- */

static uint8_t *in_buffer(const struct fuse_dev_queue *q, struct fuse_dev_request *req)
{
	return (uint8_t *)req + q->in_at + PAGE - IN_HEAD;
}

static uint8_t *out_buffer(const struct fuse_dev_queue *q, struct fuse_dev_request *req)
{
	return (uint8_t *)req + q->in_at + PAGE + BUFFER_BYTES + PAGE - OUT_HEAD;
}

static struct fuse_dev_request *request_make(struct fuse_dev_queue *q)
{
	const struct transport_client *client = q->config.client;
	struct fuse_dev_request *req;

	if (q->made > FUSE_DEV_INFLIGHT)
		return NULL;
	req = mmap(NULL, q->request_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (req == MAP_FAILED)
		return NULL;
	/* A huge page would take 2 MiB for the first byte of a request. */
	madvise(req, q->request_bytes, MADV_NOHUGEPAGE);
	q->made++;
	req->next_made = q->all;
	q->all = req;
	req->base.queue = &q->base;
	req->base.priv = (uint8_t *)req + round_up(sizeof(*req), CACHE_LINE);
	req->base.in = &req->in;
	req->base.out = &req->out;
	req->base.nin = req->base.nout = 1;
	req->in.iov_base = in_buffer(q, req);
	req->out = (struct iovec){ out_buffer(q, req), OUT_HEAD + BUFFER_BYTES };
	req->base.out_len = req->out.iov_len;
	if (client->request_init)
		client->request_init(req->base.priv);
	return req;
}

/* Gives the memory of both buffers back. */
static void request_cool(const struct fuse_dev_queue *q, struct fuse_dev_request *req)
{
	madvise((uint8_t *)req + q->in_at, q->request_bytes - q->in_at, MADV_DONTNEED);
	req->warm = false;
}

/* lock held. NULL: none is free. */
static struct fuse_dev_request *take_free(struct fuse_dev_queue *q)
{
	struct fuse_dev_request *req = q->free;

	if (req) {
		q->free = req->next;
		atomic_fetch_sub_explicit(&q->nfree, 1, memory_order_relaxed);
	}
	return req;
}

static void sleep_ns(long ns)
{
	struct timespec t = { .tv_nsec = ns };

	nanosleep(&t, NULL);
}

static bool stopping(const struct fuse_dev_queue *q)
{
	return atomic_load_explicit(&q->stopping, memory_order_relaxed);
}

/* Waits for one to come back where the bound is reached. NULL: stopped, or memory is out. */
static struct fuse_dev_request *request_take(struct fuse_dev_queue *q)
{
	struct fuse_dev_request *req;

	pthread_mutex_lock(&q->lock);
	req = take_free(q);
	while (!req && q->made > FUSE_DEV_INFLIGHT && !stopping(q)) {
		q->waiting = true;
		pthread_cond_wait(&q->given, &q->lock);
		req = take_free(q);
	}
	q->waiting = false;
	pthread_mutex_unlock(&q->lock);
	if (!req && !stopping(q))
		req = request_make(q);
	return req;
}

/* Any thread. */
static void request_give(struct fuse_dev_queue *q, struct fuse_dev_request *req)
{
	if (req->warm && atomic_load_explicit(&q->nfree, memory_order_relaxed) >= KEEP_WARM)
		request_cool(q, req);
	pthread_mutex_lock(&q->lock);
	req->next = q->free;
	q->free = req;
	atomic_fetch_add_explicit(&q->nfree, 1, memory_order_relaxed);
	q->inflight--;
	if (q->waiting)
		pthread_cond_signal(&q->given);
	pthread_mutex_unlock(&q->lock);
}

/* ---- replies ---- */

/* Ends a request whose reply the kernel does not take: somebody waits for an answer. */
static void reply_failed(struct fuse_dev_queue *q, struct fuse_dev_request *req, int code)
{
	const struct fuse_in_header *in = req->in.iov_base;
	struct fuse_out_header out = { .len = sizeof(out), .error = -EIO, .unique = in->unique };

	log_limited(&q->limit, GRAFT_LOG_WARN, q->config.object, "the kernel refuses the answer to opcode %u: %s",
		    in->opcode, strerror(code));
	/* It may have refused the answer only after it ended the request. */
	if (write(q->fd, &out, sizeof(out)) < 0)
		return;
}

static void reply(struct fuse_dev_queue *q, struct fuse_dev_request *req, uint64_t used)
{
	ssize_t n;

	if (!used)
		return;
	do {
		n = write(q->fd, req->out.iov_base, used < req->out.iov_len ? used : req->out.iov_len);
	} while (n < 0 && errno == EINTR);
	/* ENOENT: nobody waits any more. ENODEV: the mount is gone. */
	if (n < 0 && errno != ENOENT && errno != ENODEV)
		reply_failed(q, req, errno);
}

static void queue_pin(struct transport_request *base)
{
	struct fuse_dev_request *req = (struct fuse_dev_request *)base;
	struct fuse_dev_queue *q = (struct fuse_dev_queue *)base->queue;

	if (req->pinned)
		return;
	req->pinned = true;
	pthread_mutex_lock(&q->lock);
	q->inflight++;
	pthread_mutex_unlock(&q->lock);
}

static void queue_complete(struct transport_request *base, uint64_t used)
{
	struct fuse_dev_request *req = (struct fuse_dev_request *)base;
	struct fuse_dev_queue *q = (struct fuse_dev_queue *)base->queue;

	reply(q, req, used);
	req->warm |= used > LONG_BYTES;
	request_give(q, req);
}

static const struct transport_queue_ops queue_ops = { .pin = queue_pin, .complete = queue_complete };

/* ---- the thread ---- */

static void wake_handler(int signal)
{
	(void)signal; /* read(2) has ended with EINTR */
}

/*
 * Another process that has the same open file made it non-blocking. The signal that ends this may come a moment before poll: who stops
 * the readers sends it again.
 */
static void wait_for_one(const struct fuse_dev_queue *q)
{
	struct pollfd p = { .fd = q->fd, .events = POLLIN };

	if (!stopping(q))
		poll(&p, 1, -1);
}

/* Reads into req. Bytes; 0: nothing to serve, go on; -errno: the end. */
static ssize_t read_request(struct fuse_dev_queue *q, struct fuse_dev_request *req)
{
	ssize_t n = read(q->fd, req->in.iov_base, IN_HEAD + BUFFER_BYTES);

	if (n >= (ssize_t)sizeof(struct fuse_in_header))
		return n;
	if (n >= 0)
		return -EIO;
	switch (errno) {
	case EAGAIN:
		wait_for_one(q);
		return 0;
	case EINTR:
	case ENOENT: /* the request was taken back */
		return 0;
	case ENOMEM:
		sleep_ns(STARVED_NS);
		return 0;
	default:
		return -errno;
	}
}

/* Until the end. 0 or -errno. */
static int serve_all(struct fuse_dev_queue *q)
{
	const struct transport_client *client = q->config.client;
	struct fuse_dev_request *req = NULL;

	while (!stopping(q)) {
		if (!req)
			req = request_take(q);
		if (!req) {
			sleep_ns(STARVED_NS);
			continue;
		}
		ssize_t n = read_request(q, req);
		if (n < 0)
			return n == -ENODEV || n == -ECONNABORTED ? 0 : (int)n;
		if (n == 0)
			continue;
		req->in.iov_len = req->base.in_len = (size_t)n;
		req->base.used = 0;
		req->pinned = false;
		req->warm |= n > LONG_BYTES;
		/* Once it went ASYNC, the request may already have been given back. */
		if (client->serve(q->config.conn, &req->base)) {
			req = NULL;
			continue;
		}
		reply(q, req, req->base.used);
		req->warm |= req->base.used > LONG_BYTES;
	}
	return 0;
}

static void *queue_main(void *arg)
{
	struct fuse_dev_queue *q = arg;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, WAKE_SIGNAL);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	int res = serve_all(q);
	if (res)
		log_err(q->config.object, "reading /dev/fuse: %s", strerror(-res));
	q->config.left(q->config.user, res);
	return NULL;
}

/* ---- life ---- */

struct fuse_dev_queue *fuse_dev_queue_new(const struct fuse_dev_queue_config *config, int fd, struct graft_error *err)
{
	struct fuse_dev_queue *q = calloc(1, sizeof(*q));

	if (!q) {
		close(fd);
		error_set(err, ENOMEM, "out of memory");
		return NULL;
	}
	q->base.ops = &queue_ops;
	q->config = *config;
	q->fd = fd;
	q->in_at = round_up(round_up(sizeof(struct fuse_dev_request), CACHE_LINE) + config->client->request_size, PAGE);
	q->request_bytes = q->in_at + 2 * (PAGE + BUFFER_BYTES);
	pthread_mutex_init(&q->lock, NULL);
	thread_cond_init(&q->given);
	return q;
}

int fuse_dev_queue_start(struct fuse_dev_queue *q, struct graft_error *err)
{
	struct sigaction action = { .sa_handler = wake_handler }; /* without SA_RESTART */
	char name[24];

	sigaction(WAKE_SIGNAL, &action, NULL);
	snprintf(name, sizeof(name), "fuse-queue%u", q->config.index);
	int res = thread_start(&q->thread, name, queue_main, q);
	if (res)
		return error_set(err, -res, "cannot start a thread: %s", strerror(-res));
	q->started = true;
	return 0;
}

void fuse_dev_queue_stop(struct fuse_dev_queue *q)
{
	int flags = fcntl(q->fd, F_GETFL);

	pthread_mutex_lock(&q->lock);
	atomic_store_explicit(&q->stopping, true, memory_order_relaxed);
	pthread_cond_signal(&q->given);
	pthread_mutex_unlock(&q->lock);
	/* A read that begins later does not wait; one that waits already is ended by the signal. */
	fcntl(q->fd, F_SETFL, flags | O_NONBLOCK);
	if (q->started)
		pthread_kill(q->thread, WAKE_SIGNAL);
}

bool fuse_dev_queue_wait(struct fuse_dev_queue *q, int timeout_ms)
{
	struct timespec until = clock_after_ms(timeout_ms);
	bool idle;

	pthread_mutex_lock(&q->lock);
	q->waiting = true;
	while (q->inflight && pthread_cond_timedwait(&q->given, &q->lock, &until) != ETIMEDOUT)
		;
	idle = q->inflight == 0;
	pthread_mutex_unlock(&q->lock);
	return idle;
}

void fuse_dev_queue_close(struct fuse_dev_queue *q)
{
	if (q->fd >= 0)
		close(q->fd);
	q->fd = -1;
}

void fuse_dev_queue_free(struct fuse_dev_queue *q)
{
	const struct transport_client *client;

	if (!q)
		return;
	if (q->started)
		pthread_join(q->thread, NULL);
	fuse_dev_queue_close(q);
	client = q->config.client;
	while (q->all) {
		struct fuse_dev_request *req = q->all;

		q->all = req->next_made;
		if (client->request_fini)
			client->request_fini(req->base.priv);
		munmap(req, q->request_bytes);
	}
	pthread_cond_destroy(&q->given);
	pthread_mutex_destroy(&q->lock);
	free(q);
}
