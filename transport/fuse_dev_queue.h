/* SPDX-License-Identifier: Apache-2.0 */
/* One reader of /dev/fuse: a thread, its descriptor, its requests. */
#ifndef GRAFT_TRANSPORT_FUSE_DEV_QUEUE_H
#define GRAFT_TRANSPORT_FUSE_DEV_QUEUE_H

#include "transport/transport.h"

#define FUSE_DEV_INFLIGHT 1024 /* requests of one reader that may be ASYNC at once; then it reads on when one ends */

/* Constant; the pointers are borrowed. */
struct fuse_dev_queue_config {
	const struct transport_client *client;
	void *conn;         /* for client->serve */
	const char *object; /* for the log */
	uint32_t index;
	/* The reader's thread, last: it leaves, with 0 (stopped, or no mount) or -errno. Requests may be in flight. */
	void (*left)(void *user, int res);
	void *user;
};

struct fuse_dev_queue;

/* Takes fd, also where it fails: a blocking descriptor of /dev/fuse, of this reader alone or a copy. NULL with err. */
struct fuse_dev_queue *fuse_dev_queue_new(const struct fuse_dev_queue_config *config, int fd, struct graft_error *err);
/* Starts the thread. 0 or -errno with err. */
int fuse_dev_queue_start(struct fuse_dev_queue *q, struct graft_error *err);
/* Asks the thread to read no more; returns at once, any thread, until fuse_dev_queue_close. */
void fuse_dev_queue_stop(struct fuse_dev_queue *q);
/* Its thread has left: waits until nothing is in flight. False: not within timeout_ms. */
bool fuse_dev_queue_wait(struct fuse_dev_queue *q, int timeout_ms);
/* Nothing is in flight: lets go of the descriptor. */
void fuse_dev_queue_close(struct fuse_dev_queue *q);
/* Waits for the thread, if there is one, and frees. NULL is fine. */
void fuse_dev_queue_free(struct fuse_dev_queue *q);

#endif
