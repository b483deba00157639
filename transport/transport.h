/* SPDX-License-Identifier: Apache-2.0 */
/* What the server sees of a transport, and what a transport sees of the server: bytes and completions, nothing of FUSE. */
#ifndef GRAFT_TRANSPORT_TRANSPORT_H
#define GRAFT_TRANSPORT_TRANSPORT_H

#include "lib/error.h"

#include <graftfs/plugin.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#define TRANSPORT_MAX_IOV 1024    /* elements in either list of a request (IOV_MAX) */
#define TRANSPORT_NOTICE_MAX 1024 /* bytes of a notification */

struct transport;
struct transport_queue; /* the queue that owns a request; private to the transport */

/*
 * One request. Owned by the transport, taken from a pool of its queue, so serving allocates nothing. The lists point into the
 * client's memory, which stays mapped until the request is finished: on the queue thread by the queue's own hold on the
 * memory map, after transport_request_pin by a counted reference.
 */
struct transport_request {
	struct transport_queue *queue;
	const struct iovec *in;  /* readable: what the client sent */
	const struct iovec *out; /* writable: room for the reply */
	uint32_t nin, nout;      /* at most TRANSPORT_MAX_IOV each */
	uint64_t in_len, out_len;
	bool follows;  /* taken right after the queue's request before it was served: no need to ask for the time again */
	uint64_t used; /* bytes written to out: set by serve before it returns false */
	void *priv;    /* request_size bytes of the client's, 64-byte aligned, not zeroed between requests */
};

/* What a transport calls. Implemented once, by server/fuse; tests implement it too. conn is what connect returned. */
struct transport_client {
	size_t request_size; /* bytes of transport_request.priv */
	/* Called once for each priv when it is allocated and before it is freed; may be NULL. */
	void (*request_init)(void *priv);
	void (*request_fini)(void *priv);
	/* A client of this transport arrived or left. Never while requests are in flight. connect: NULL refuses. */
	void *(*connect)(void *user, struct transport *t);
	void (*disconnect)(void *conn);
	/* The device was reset: the session ends, the connection goes on. No requests are in flight. */
	void (*reset)(void *conn);
	/* Serves a request on its queue's thread. Returns false: done, used is set. Returns true: it went ASYNC after
	 * transport_request_pin, and transport_complete follows from any thread, perhaps already has. */
	bool (*serve)(void *conn, struct transport_request *req);
	/* Asks that what is in flight be ended soon (GET_VRING_BASE, reset, disconnect); any thread; returns at once. */
	void (*cancel)(void *conn);
};

/* Before a request goes ASYNC, on its queue's thread: takes counted references on what the queue thread protects. */
void transport_request_pin(struct transport_request *req);
/* Ends a pinned request from any thread, once; used as above. The owning queue's thread writes the used ring. */
void transport_complete(struct transport_request *req, uint64_t used);

/* What a listing shows of a transport. */
struct transport_info {
	char where[4096]; /* socket or mount point */
	uint32_t clients; /* 0 or 1 */
	uint32_t queues;  /* request queues, or threads that read /dev/fuse */
};

/* Operations of a kind of transport. */
struct transport_ops {
	enum graft_transport kind;
	/* Starts threads and takes clients. 0 or -errno with err. */
	int (*start)(struct transport *t, struct graft_error *err);
	/* Asks for an orderly end; any thread, async-signal-safe not required; returns at once. */
	void (*stop)(struct transport *t);
	/* Waits for the end. 0, or -errno if it ended for a fault. */
	int (*join)(struct transport *t);
	void (*free)(struct transport *t);
	/*
	 * Sends the client bytes it did not ask for: a notification, at most TRANSPORT_NOTICE_MAX bytes, copied. Any thread;
	 * returns at once, a thread of the transport's own sends them in order. 0, -ENOTCONN where no client is there, or
	 * -ENOBUFS when too many wait. NULL where clients cannot be told (vhost-user).
	 */
	int (*send)(struct transport *t, const void *bytes, size_t len);
	/*
	 * Backing files of the client's kernel, see graft_host.backing_open; NULL, all three, where there is no such thing
	 * (vhost-user). Quick, unless backing_waits. From INIT on until disconnect returns; any thread. able: 0, or -EPERM where the right to is missing.
	 */
	int (*backing_able)(struct transport *t);
	int (*backing_open)(struct transport *t, int fd);
	void (*backing_close)(struct transport *t, int id);
	/*
	 * The same of any length, now and on the caller's thread, which the client may hold until requests have been answered: never a
	 * thread that answers any. 0, -ENOTCONN, or the client's -errno. NULL as send.
	 */
	int (*store)(struct transport *t, const struct iovec *iov, uint32_t niov);
	/* For listings: what it listens on or serves, and whether a client is there. Any thread. */
	void (*describe)(const struct transport *t, struct transport_info *info);
};

/* Base of each transport: first member of its own struct. */
struct transport {
	const struct transport_ops *ops;
	const struct transport_client *client;
	void *user; /* for client->connect */
	char name[64]; /* of its section, for the log */
	bool backing_waits; /* ops->backing_open waits for another process: not for a thread that takes requests. Constant after new */
	/* Called from a thread of the transport when it ended by itself (once = true, or a fault); set before start. */
	void (*ended)(struct transport *t, void *user);
	void *ended_user;
};

#endif
