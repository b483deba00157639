/* SPDX-License-Identifier: Apache-2.0 */
/* Notifications to the kernel: a bounded list and the thread that writes it out. */
#include "transport/fuse_dev_notify.h"

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/thread.h"
#include "transport/transport.h"

#include <string.h>

#define SETTLE_MS 50 /* what the kernel does at once, it has done by then */

struct notice {
	struct notice *next;
	size_t len;
	unsigned char bytes[];
};

struct fuse_dev_notify {
	/* constant */
	int fd;
	const char *object;
	pthread_t thread;
	struct log_limit limit;

	/* protected by lock */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct notice *first, **last_next; /* oldest first */
	unsigned int waiting;
	unsigned int writing; /* threads inside the kernel */
	bool ended;
	void (*last)(void *arg);
	void *arg;
};

/* The kernel knows nothing of that node or name, or uses it in a way that needs no telling. */
static bool is_normal(int code)
{
	return code == ENOENT || code == ENOTEMPTY || code == EBUSY || code == ENOTDIR || code == ENOTCONN ||
	       code == ENODEV;
}

/* 0 or -errno. */
static int write_now(const struct fuse_dev_notify *n, const struct iovec *iov, uint32_t niov)
{
	ssize_t res;

	do {
		res = writev(n->fd, iov, (int)niov);
	} while (res < 0 && errno == EINTR);
	return res < 0 ? -errno : 0;
}

static void write_out(struct fuse_dev_notify *n, struct notice *notice)
{
	const struct iovec iov = { notice->bytes, notice->len };
	int res = write_now(n, &iov, 1);

	if (res && !is_normal(-res))
		log_limited(&n->limit, GRAFT_LOG_WARN, n->object, "the kernel refuses a notification: %s",
			    strerror(-res));
}

/* lock held. NULL: the end. */
static struct notice *next_notice(struct fuse_dev_notify *n)
{
	while (!n->first && !n->ended)
		pthread_cond_wait(&n->changed, &n->lock);
	if (n->ended)
		return NULL;
	struct notice *notice = n->first;
	n->first = notice->next;
	if (!n->first)
		n->last_next = &n->first;
	n->waiting--;
	return notice;
}

static void *notify_main(void *arg)
{
	struct fuse_dev_notify *n = arg;
	struct notice *notice;

	pthread_mutex_lock(&n->lock);
	while ((notice = next_notice(n))) {
		n->writing++;
		pthread_mutex_unlock(&n->lock);
		write_out(n, notice);
		free(notice);
		pthread_mutex_lock(&n->lock);
		n->writing--;
		pthread_cond_broadcast(&n->changed);
	}
	pthread_mutex_unlock(&n->lock);
	if (n->last)
		n->last(n->arg);
	return NULL;
}

struct fuse_dev_notify *fuse_dev_notify_new(int fd, const char *object, struct graft_error *err)
{
	struct fuse_dev_notify *n = calloc(1, sizeof(*n));

	if (!n) {
		error_set(err, ENOMEM, "out of memory");
		return NULL;
	}
	n->fd = fd;
	n->object = object;
	n->last_next = &n->first;
	pthread_mutex_init(&n->lock, NULL);
	thread_cond_init(&n->changed);
	int res = thread_start(&n->thread, "fuse-notify", notify_main, n);
	if (!res)
		return n;
	error_set(err, -res, "cannot start a thread: %s", strerror(-res));
	pthread_cond_destroy(&n->changed);
	pthread_mutex_destroy(&n->lock);
	free(n);
	return NULL;
}

int fuse_dev_notify_send(struct fuse_dev_notify *n, const void *bytes, size_t len)
{
	if (!len || len > TRANSPORT_NOTICE_MAX)
		return -EINVAL;
	auto_free struct notice *notice = malloc(sizeof(*notice) + len);
	if (!notice)
		return -ENOBUFS;
	notice->next = NULL;
	notice->len = len;
	memcpy(notice->bytes, bytes, len);
	LOCK_SCOPE(&n->lock);
	if (n->ended)
		return -ENOTCONN;
	if (n->waiting == FUSE_DEV_NOTICES)
		return -ENOBUFS;
	n->waiting++;
	*n->last_next = notice;
	n->last_next = &notice->next;
	notice = NULL;
	pthread_cond_broadcast(&n->changed);
	return 0;
}

int fuse_dev_notify_store(struct fuse_dev_notify *n, const struct iovec *iov, uint32_t niov)
{
	pthread_mutex_lock(&n->lock);
	if (n->ended) {
		pthread_mutex_unlock(&n->lock);
		return -ENOTCONN;
	}
	n->writing++;
	pthread_mutex_unlock(&n->lock);
	int res = write_now(n, iov, niov);
	LOCK_SCOPE(&n->lock);
	n->writing--;
	if (n->ended)
		pthread_cond_broadcast(&n->changed);
	return res;
}

void fuse_dev_notify_end(struct fuse_dev_notify *n, void (*last)(void *arg), void *arg)
{
	struct notice *dropped = NULL;

	pthread_mutex_lock(&n->lock);
	if (!n->ended) {
		dropped = n->first;
		n->first = NULL;
		n->ended = true;
		n->last = last;
		n->arg = arg;
		pthread_cond_broadcast(&n->changed);
	}
	pthread_mutex_unlock(&n->lock);
	while (dropped) {
		struct notice *next = dropped->next;

		free(dropped);
		dropped = next;
	}
}

bool fuse_dev_notify_busy(struct fuse_dev_notify *n)
{
	struct timespec until = clock_after_ms(SETTLE_MS);

	LOCK_SCOPE(&n->lock);
	while (n->writing && pthread_cond_timedwait(&n->changed, &n->lock, &until) != ETIMEDOUT)
		;
	return n->writing > 0;
}

void fuse_dev_notify_settle(struct fuse_dev_notify *n)
{
	LOCK_SCOPE(&n->lock);
	while (n->writing)
		pthread_cond_wait(&n->changed, &n->lock);
}

void fuse_dev_notify_free(struct fuse_dev_notify *n)
{
	if (!n)
		return;
	pthread_join(n->thread, NULL);
	pthread_cond_destroy(&n->changed);
	pthread_mutex_destroy(&n->lock);
	free(n);
}
