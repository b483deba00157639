/* SPDX-License-Identifier: Apache-2.0 */
/* One client of a transport: its requests, its view of the mounts, and views that were replaced while requests still run. */
#ifndef GRAFT_SERVER_FUSE_CONN_H
#define GRAFT_SERVER_FUSE_CONN_H

#include "server/async.h"
#include "server/config.h"
#include "server/quota.h"
#include "server/request.h"
#include "server/server.h"

/* What the server knows of a transport: transport.user. Constant. */
struct fuse_door {
	struct server *server;
	const char *name;     /* for the log */
	const uint32_t *keys; /* enum config_flag, by enum config_flag_key */
	struct guest_limits limits; /* of each client */
	struct init_keep *keep; /* of its one client, which another process may take over; or NULL. See resume.h */
};

struct conn_queue; /* a queue's shard of the counts */

/*
 * Views come and go without waiting for anybody: one is taken away from new requests, and freed by a worker once no request holds
 * it. Requests hold it by their view pointer alone, so that serving writes nothing shared.
 */
struct fuse_conn {
	struct server *server;
	const struct fuse_door *door;
	struct transport *transport;
	uint32_t kind;               /* enum graft_transport */
	_Atomic(struct view *) view; /* NULL before INIT and after DESTROY */
	_Atomic bool retiring;       /* some view waits to be freed */
	_Atomic bool backing_refused, backing_told; /* fuse/backing.c; relaxed */
	bool resumed; /* its INIT was another process's; set before a view is shown */
	_Atomic bool opens_wait; /* backing files take a while, so opens run on workers; relaxed */
	_Alignas(64) struct async_list async; /* written by requests that went ASYNC: apart from what each request reads */
	struct work reap;
	/* thread of changes, see mount_table.h */
	struct session *session; /* the present one */
	struct view *coming;     /* made for a change, not shown yet */
	struct {
		uint64_t parent, gone; /* parent 0: everything */
		char *name;
	} notice; /* to be sent when an umount is done */
	struct fuse_conn *next, *prev;
	pthread_mutex_t lock;
	pthread_cond_t idle;
	/* protected by lock */
	struct request *requests; /* all objects that ever served this client */
	struct conn_queue *queues;
	struct view *retired;
	uint32_t nsessions; /* that are not freed yet */
	uint32_t reaping; /* reaps posted or running */
	bool reap_posted;
	struct quota memory; /* bytes in the heap for its requests */
};

/* transport_client.connect and .disconnect. conn_free waits for the session's end; no request may be in flight. */
struct fuse_conn *conn_new(const struct fuse_door *door, struct transport *t);
void conn_free(struct fuse_conn *c);

/* Queue thread: a request object serves this connection for the first time. */
void conn_attach(struct fuse_conn *c, struct request *r);
/* The object goes away. */
void conn_detach(struct request *r);

/* Queue thread: takes hold of the present view for r; NULL if there is none. */
struct view *conn_enter(struct fuse_conn *c, struct request *r);
/* Any thread: r's hold ends. */
void conn_leave(struct fuse_conn *c, struct request *r);

/* A request of /dev/fuse that was read and is not answered yet. */
struct conn_flight {
	uint64_t node, unique;
	uint32_t opcode;
	uint64_t began; /* ns, CLOCK_MONOTONIC */
};

/* Any thread: calls fn for each of all connections until it returns other than 0; returns that. fn is quick and calls
 * nothing here. */
int conn_each_flight(struct server *s, int (*fn)(const struct conn_flight *f, void *arg), void *arg);

/* Ends the present session, if any, and waits until all of it is closed. No request may be in flight. Any thread that may block. */
void conn_reset(struct fuse_conn *c);
/* Thread of changes: the view that new requests get, NULL: none; takes it. Without one, what waits is cancelled. */
void conn_publish(struct fuse_conn *c, struct view *v);
/* Thread of changes. */
struct view *conn_view(struct fuse_conn *c);

/* A session of this connection was made; the last reference to one was dropped. Any thread. */
void conn_session_came(struct fuse_conn *c);
void conn_session_gone(struct fuse_conn *c);

#endif
