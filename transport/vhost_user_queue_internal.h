/* SPDX-License-Identifier: Apache-2.0 */
/* What the queue's commands (vhost_user_queue.c) and its thread (vhost_user_queue_thread.c) share. */
#ifndef GRAFT_TRANSPORT_VHOST_USER_QUEUE_INTERNAL_H
#define GRAFT_TRANSPORT_VHOST_USER_QUEUE_INTERNAL_H

#include "lib/log.h"
#include "lib/thread.h"
#include "transport/queue.h"
#include "transport/request_pool.h"
#include "transport/vhost_user_queue.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

typedef int queue_command(struct vhost_user_queue *q, void *arg);

struct vhost_user_queue {
	struct transport_queue base; /* first */

	/* constant */
	const struct transport_client *client;
	const char *object;
	uint32_t index;
	struct queue_crowd *crowd; /* NULL: hiprio, which never polls and is not counted */
	int epoll, wake; /* wake: eventfd, watched edge-triggered, so it is never read */
	pthread_t thread; /* once it is awaited */

	/* owned by the queue's thread */
	struct vring ring;
	struct request_pool pool;
	struct vhost_user_queue_env env;
	int fds[3]; /* enum vhost_user_queue_fd */
	uint32_t inflight;
	uint64_t moved; /* bytes since the last flush */
	uint32_t shown; /* chains given back since the last flush */
	bool started, mapped, enabled, halted;
	bool starved; /* the last chain could not be taken for want of memory */
	bool marked;  /* pages were logged since the last flush */
	bool woken;   /* the driver was asked for its wish since the batch began */
	bool quit;
	struct queue_poll poll;
	struct log_limit broken_limit, bad_limit;

	/* any thread */
	_Alignas(64) _Atomic(struct queue_request *) completed; /* a stack, the youngest first */
	_Atomic uint32_t posting; /* threads inside queue_complete */
	_Atomic bool asleep; /* about to wait: whoever brings work must write to wake */
	_Atomic bool called; /* command is set */

	/* protected by lock */
	pthread_mutex_t lock;
	pthread_cond_t done; /* a command was run, or the queue became idle */
	queue_command *command;
	void *arg;
	int result;
	bool idle;

	/* of whoever makes and frees it */
	struct thread_birth birth;
	char name[24]; /* of the thread */
	int32_t cpu;   /* as in the configuration */
	bool begun;    /* the thread, and not awaited yet */
	bool runs;     /* it was awaited, and runs until end_thread */
};

static inline void queue_signal(int fd)
{
	static const uint64_t one = 1;

	/* A full counter has the effect of a new event; a front end that gave another kind of file harms itself. */
	if (fd >= 0 && write(fd, &one, sizeof(one)) < 0)
		return;
}

extern const struct transport_queue_ops vhost_user_queue_ops;

/* The thread: arg is its queue. Returns NULL once quit is set. */
void *vhost_user_queue_main(void *arg);

#endif
