/* SPDX-License-Identifier: Apache-2.0 */
/* The /dev/fuse transport: life of a mount, from mount(2) to the last reader. */
#include "transport/fuse_dev.h"

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/cpu_list.h"
#include "lib/log.h"
#include "lib/thread.h"
#include "transport/fuse_dev_drain.h"
#include "transport/fuse_dev_mount.h"
#include "transport/fuse_dev_notify.h"
#include "transport/fuse_dev_queue.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#define AUTO_THREADS_MIN 5
#define AUTO_THREADS_MAX 17
#define GRACE_MS 3000 /* from stop on, for the kernel to write back and let go; then requests still unread are left */
#define DRAIN_MS 100  /* between two calls of client->cancel while requests are in flight */

/*
 * How it ends. stop: the notifying thread has the kernel write back and detaches the mount, while requests are still
 * served; if nobody has a file open, that ends the connection. Otherwise join makes the readers leave. An unmount
 * or abort from outside ends the connection, too. The last reader that leaves waits for what is in flight, disconnects
 * the client and closes the descriptors, which fails all who still wait for an answer.
 */
struct fuse_dev {
	struct transport base; /* first */

	/* constant after start */
	const struct fuse_dev_host_ops *host_ops;
	void *host;
	char dir[PATH_MAX];          /* of the mount */
	struct fuse_dev_mount mount; /* host, where it is nobody else's */
	bool shared, adopts;
	uint32_t threads; /* wanted */
	uint32_t nqueues; /* 0: not started */
	struct fuse_dev_queue *queues[FUSE_DEV_MAX_THREADS];
	struct fuse_dev_notify *notify; /* NULL: not started */
	void *conn;
	int fd; /* of the connection: the first queue's, open until the client was disconnected; or what was adopted; -1 */
	enum fuse_dev_drain drain; /* before the readers of an adopted one start */

	_Atomic uint32_t reading; /* readers that have not left, and start while it runs */
	_Atomic int fault;        /* 0 or -errno, why a reader left */
	_Atomic bool connected;   /* for listings */

	/* protected by lock */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool stopping, detached; /* detached: what stop asked of the notifying thread is done */
	bool leaving;            /* the mount stays, for another process */
	bool closed;             /* the readers' descriptors */
	bool finished;
	struct timespec give_up; /* end of the grace time */
};

static void log_detached(const struct fuse_dev *d, int res)
{
	if (res == -EBUSY)
		log_warn(d->base.name, "%s: another mount covers it: it stays, dead, until that is gone", d->dir);
	else if (res)
		log_warn(d->base.name, "cannot unmount %s: %s", d->dir, strerror(-res));
}

/* ---- the end ---- */

static void close_queues(struct fuse_dev *d)
{
	LOCK_SCOPE(&d->lock);
	d->closed = true;
	d->fd = -1;
	for (uint32_t i = 0; i < d->nqueues; i++)
		fuse_dev_queue_close(d->queues[i]);
}

static void drain(struct fuse_dev *d)
{
	/* The mount goes on: what can be answered is not cancelled. */
	int patience = d->leaving ? GRACE_MS : 0;

	for (uint32_t i = 0; i < d->nqueues; i++) {
		if (fuse_dev_queue_wait(d->queues[i], patience))
			continue;
		patience = 0;
		/* A request may have become cancellable only after it was asked to end. */
		do {
			d->base.client->cancel(d->conn);
		} while (!fuse_dev_queue_wait(d->queues[i], DRAIN_MS));
	}
}

/* On the last reader's thread: no more requests come. */
static void finish(struct fuse_dev *d)
{
	fuse_dev_notify_end(d->notify, NULL, NULL);
	fuse_dev_notify_settle(d->notify);
	drain(d);
	atomic_store_explicit(&d->connected, false, memory_order_relaxed);
	d->base.client->disconnect(d->conn);
	close_queues(d);

	pthread_mutex_lock(&d->lock);
	bool by_itself = !d->stopping;
	pthread_mutex_unlock(&d->lock);
	if (by_itself) {
		log_info(d->base.name, "%s was unmounted or its connection aborted", d->dir);
		log_detached(d, d->host_ops->detach(d->host, false));
		if (d->base.ended)
			d->base.ended(&d->base, d->base.ended_user);
	}
	LOCK_SCOPE(&d->lock);
	d->finished = true;
	pthread_cond_broadcast(&d->changed);
}

static void leave(struct fuse_dev *d, uint32_t n)
{
	/* acq_rel: the last one sees all that the others did. */
	if (atomic_fetch_sub_explicit(&d->reading, n, memory_order_acq_rel) == n)
		finish(d);
}

static void reader_left(void *user, int res)
{
	struct fuse_dev *d = user;
	int none = 0;

	if (res)
		atomic_compare_exchange_strong_explicit(&d->fault, &none, res, memory_order_relaxed,
							memory_order_relaxed);
	leave(d, 1);
}

/* The notifying thread's last work after stop. */
static void take_mount_away(void *arg)
{
	struct fuse_dev *d = arg;

	d->host_ops->sync(d->host);
	log_detached(d, d->host_ops->detach(d->host, false));
	LOCK_SCOPE(&d->lock);
	d->detached = true;
	pthread_cond_broadcast(&d->changed);
}

/* Lock not held. Makes the readers leave, as far as possible now. */
static void end_readers(struct fuse_dev *d)
{
	/* The kernel may hold a notification until a request was answered: then readers go on until it is aborted. */
	if (fuse_dev_notify_busy(d->notify)) {
		if (d->leaving)
			return;
		if (!d->host_ops->stands(d->host) || d->host_ops->detach(d->host, true) < 0)
			d->host_ops->abort(d->host);
		return;
	}
	LOCK_SCOPE(&d->lock);
	for (uint32_t i = 0; i < d->nqueues && !d->closed; i++)
		fuse_dev_queue_stop(d->queues[i]);
}

/* ---- start ---- */

/* Another descriptor of the connection, for one thread alone where the kernel can do that. */
static int clone_fd(const struct fuse_dev *d, int fd)
{
	int copy = d->shared ? -EBUSY : d->host_ops->clone(d->host, fd);

	if (copy >= 0)
		return copy;
	if (!d->shared)
		log_dbg(d->base.name, "readers share a descriptor: %s", strerror(-copy));
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return copy < 0 ? -errno : copy;
}

/* Takes fd. */
static int make_queues(struct fuse_dev *d, int fd, struct graft_error *err)
{
	struct fuse_dev_queue_config config = {
		.client = d->base.client,
		.conn = d->conn,
		.object = d->base.name,
		.left = reader_left,
		.user = d,
	};

	d->fd = fd;
	for (uint32_t i = 0; i < d->threads; i++) {
		int one = i ? clone_fd(d, fd) : fd;

		if (one < 0)
			return error_set(err, -one, "cannot open /dev/fuse: %s", strerror(-one));
		config.index = i;
		d->queues[i] = fuse_dev_queue_new(&config, one, err);
		if (!d->queues[i])
			return -err->code;
		d->nqueues++;
	}
	return 0;
}

/* One reader is enough. */
static int start_readers(struct fuse_dev *d, struct graft_error *err)
{
	uint32_t n = 0;

	/* One more for this function, so that none of them is the last before all have started. */
	atomic_store_explicit(&d->reading, d->nqueues + 1, memory_order_relaxed);
	while (n < d->nqueues && !fuse_dev_queue_start(d->queues[n], err))
		n++;
	if (!n)
		return -err->code;
	atomic_store_explicit(&d->connected, true, memory_order_relaxed);
	log_info(d->base.name, d->adopts ? "serves %s, which another process mounted" : "mounted on %s", d->dir);
	if (n < d->nqueues)
		log_warn(d->base.name, "%u of %u threads read: %s", n, d->nqueues, err->text);
	leave(d, d->nqueues - n + 1);
	return 0;
}

static int connect_client(struct fuse_dev *d, struct graft_error *err)
{
	d->conn = d->base.client->connect(d->base.user, &d->base);
	return d->conn ? 0 : error_set(err, ENOMEM, "the server refuses the connection");
}

static void undo_start(struct fuse_dev *d)
{
	if (d->notify)
		fuse_dev_notify_end(d->notify, NULL, NULL);
	fuse_dev_notify_free(d->notify);
	d->notify = NULL;
	if (d->conn)
		d->base.client->disconnect(d->conn);
	d->conn = NULL;
	for (uint32_t i = 0; i < d->nqueues; i++)
		fuse_dev_queue_free(d->queues[i]);
	d->nqueues = 0;
	if (!d->adopts)
		d->host_ops->detach(d->host, false);
}

/* Twice the processors and one: with fewer readers the kernel finds none that slept on the caller's processor, and waking another one's takes
 * longer than the request (docs/benchmarks.md). */
static uint32_t auto_threads(void)
{
	uint32_t n = 2 * cpu_count() + 1;

	if (n < AUTO_THREADS_MIN)
		return AUTO_THREADS_MIN;
	return n > AUTO_THREADS_MAX ? AUTO_THREADS_MAX : n;
}

/* A copy of what was adopted, which stays for another try where the start fails. */
static int copy_adopted(const struct fuse_dev *d, struct graft_error *err)
{
	int fd = d->fd < 0 ? -1 : fcntl(d->fd, F_DUPFD_CLOEXEC, 0);

	if (d->fd < 0)
		return error_set(err, ENOTCONN, "there is no connection to go on with");
	if (fd < 0)
		return error_set(err, errno, "cannot copy a descriptor: %s", strerror(errno));
	/* The one who had it before may have stopped its readers with that. */
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	fuse_dev_drain(fd, fuse_dev_mount_device(&d->mount), d->drain, d->base.name);
	return fd;
}

static int fuse_dev_start(struct transport *t, struct graft_error *err)
{
	struct fuse_dev *d = (struct fuse_dev *)t;
	int adopted = d->fd;
	int fd = d->adopts ? copy_adopted(d, err) : d->host_ops->mount(d->host, err);

	if (fd < 0)
		return fd;
	d->notify = fuse_dev_notify_new(fd, t->name, err);
	int res = d->notify ? connect_client(d, err) : -err->code;
	if (res)
		close(fd);
	else
		res = make_queues(d, fd, err);
	if (!res)
		res = start_readers(d, err);
	if (res) {
		undo_start(d);
		d->fd = adopted;
		return res;
	}
	cleanup_close(&adopted);
	return 0;
}

/* ---- operations ---- */

static void fuse_dev_stop(struct transport *t)
{
	struct fuse_dev *d = (struct fuse_dev *)t;

	if (!d->notify)
		return;
	pthread_mutex_lock(&d->lock);
	if (!d->stopping) {
		d->stopping = true;
		d->give_up = clock_after_ms(GRACE_MS);
		pthread_cond_broadcast(&d->changed);
	}
	pthread_mutex_unlock(&d->lock);
	fuse_dev_notify_end(d->notify, take_mount_away, d);
}

/* ---- from one process to another ---- */

int fuse_dev_adopt(struct transport *t, int fd, uint64_t dev, enum fuse_dev_drain drain, struct graft_error *err)
{
	struct fuse_dev *d = (struct fuse_dev *)t;

	int res = fuse_dev_check(fd, err);
	if (res)
		return res;
	fuse_dev_disown(t);
	d->fd = fd;
	d->drain = drain;
	d->mount.major = (unsigned int)(dev >> 20);
	d->mount.minor = (unsigned int)(dev & 0xfffff);
	if (fuse_dev_mount_adopt(&d->mount, dev))
		log_warn(t->name, "the mount of device %u:%u is not to be seen from here: it stays when this process ends",
			 d->mount.major, d->mount.minor);
	return 0;
}

void fuse_dev_disown(struct transport *t)
{
	struct fuse_dev *d = (struct fuse_dev *)t;

	cleanup_close(&d->fd);
	d->fd = -1;
}

int fuse_dev_share(struct transport *t, uint64_t *dev)
{
	struct fuse_dev *d = (struct fuse_dev *)t;

	LOCK_SCOPE(&d->lock);
	if (d->fd < 0)
		return -ENOTCONN;
	*dev = fuse_dev_mount_device(&d->mount);
	int fd = fcntl(d->fd, F_DUPFD_CLOEXEC, 0);
	return fd < 0 ? -errno : fd;
}

void fuse_dev_leave(struct transport *t)
{
	struct fuse_dev *d = (struct fuse_dev *)t;

	if (!d->notify)
		return;
	pthread_mutex_lock(&d->lock);
	if (!d->stopping) {
		d->stopping = d->leaving = d->detached = true;
		pthread_cond_broadcast(&d->changed);
	}
	pthread_mutex_unlock(&d->lock);
	fuse_dev_notify_end(d->notify, NULL, NULL);
}

static bool grace_is_over(const struct fuse_dev *d)
{
	struct timespec now = clock_after_ms(0);

	return d->detached || now.tv_sec > d->give_up.tv_sec ||
	       (now.tv_sec == d->give_up.tv_sec && now.tv_nsec >= d->give_up.tv_nsec);
}

static int fuse_dev_join(struct transport *t)
{
	struct fuse_dev *d = (struct fuse_dev *)t;

	if (!d->notify)
		return 0;
	pthread_mutex_lock(&d->lock);
	while (!d->finished) {
		struct timespec until = d->give_up;

		if (!d->stopping) {
			pthread_cond_wait(&d->changed, &d->lock);
			continue;
		}
		if (grace_is_over(d)) {
			pthread_mutex_unlock(&d->lock);
			end_readers(d);
			until = clock_after_ms(DRAIN_MS);
			pthread_mutex_lock(&d->lock);
		}
		if (!d->finished)
			pthread_cond_timedwait(&d->changed, &d->lock, &until);
	}
	pthread_mutex_unlock(&d->lock);
	return atomic_load_explicit(&d->fault, memory_order_relaxed);
}

static void fuse_dev_free(struct transport *t)
{
	struct fuse_dev *d = (struct fuse_dev *)t;

	fuse_dev_stop(t);
	fuse_dev_join(t);
	fuse_dev_notify_free(d->notify);
	for (uint32_t i = 0; i < d->nqueues; i++)
		fuse_dev_queue_free(d->queues[i]);
	if (!d->notify)
		cleanup_close(&d->fd);
	pthread_cond_destroy(&d->changed);
	pthread_mutex_destroy(&d->lock);
	free(d);
}

static int fuse_dev_send(struct transport *t, const void *bytes, size_t len)
{
	struct fuse_dev *d = (struct fuse_dev *)t;

	return d->notify ? fuse_dev_notify_send(d->notify, bytes, len) : -ENOTCONN;
}

static int backing_able(struct transport *t)
{
	const struct fuse_dev *d = (struct fuse_dev *)t;

	return d->host_ops->backing_able(d->host);
}

static int backing_open(struct transport *t, int fd)
{
	const struct fuse_dev *d = (struct fuse_dev *)t;

	return d->host_ops->backing_open(d->host, d->fd, fd);
}

static void backing_close(struct transport *t, int id)
{
	const struct fuse_dev *d = (struct fuse_dev *)t;

	d->host_ops->backing_close(d->host, d->fd, id);
}

static int fuse_dev_store(struct transport *t, const struct iovec *iov, uint32_t niov)
{
	struct fuse_dev *d = (struct fuse_dev *)t;

	return d->notify ? fuse_dev_notify_store(d->notify, iov, niov) : -ENOTCONN;
}

static void fuse_dev_describe(const struct transport *t, struct transport_info *info)
{
	const struct fuse_dev *d = (const struct fuse_dev *)t;

	memcpy(info->where, d->dir, sizeof(d->dir));
	info->clients = atomic_load_explicit(&d->connected, memory_order_relaxed);
	info->queues = d->threads;
}

static const struct transport_ops fuse_dev_ops = {
	.kind = GRAFT_DEV_FUSE,
	.start = fuse_dev_start,
	.stop = fuse_dev_stop,
	.join = fuse_dev_join,
	.free = fuse_dev_free,
	.send = fuse_dev_send,
	.backing_able = backing_able,
	.backing_open = backing_open,
	.backing_close = backing_close,
	.store = fuse_dev_store,
	.describe = fuse_dev_describe,
};

_Static_assert(sizeof(((struct transport_info *)0)->where) >= sizeof(((struct fuse_dev *)0)->dir),
	       "describe copies it");

struct transport *fuse_dev_new(const struct fuse_dev_config *config, const struct transport_client *client, void *user,
			       struct graft_error *err)
{
	struct fuse_dev *d;

	if (config->threads > FUSE_DEV_MAX_THREADS) {
		error_set(err, EINVAL, "%u threads, 1 to %d are possible", config->threads, FUSE_DEV_MAX_THREADS);
		return NULL;
	}
	d = calloc(1, sizeof(*d));
	if (!d) {
		error_set(err, ENOMEM, "out of memory");
		return NULL;
	}
	d->host_ops = config->host_ops ? config->host_ops : &fuse_dev_host_ops;
	d->host = config->host_ops ? config->host : &d->mount;
	d->shared = config->shared;
	d->adopts = config->adopts;
	d->fd = -1;
	if (d->host_ops->look(d->host, config, d->dir, err)) {
		free(d);
		return NULL;
	}
	d->base.ops = &fuse_dev_ops;
	d->base.backing_waits = config->host_ops && config->host_ops->waits;
	d->base.client = client;
	d->base.user = user;
	snprintf(d->base.name, sizeof(d->base.name), "%s", config->name);
	d->threads = config->threads ? config->threads : auto_threads();
	pthread_mutex_init(&d->lock, NULL);
	thread_cond_init(&d->changed);
	return &d->base;
}
