/* SPDX-License-Identifier: Apache-2.0 */
/* One client of a transport: its requests, its session, and sessions that ended while requests still run. */
#ifndef GRAFT_SERVER_FUSE_CONN_H
#define GRAFT_SERVER_FUSE_CONN_H

#include "server/async.h"
#include "server/config.h"
#include "server/request.h"
#include "server/server.h"

/* What the server knows of a transport: transport.user. Constant. */
struct fuse_door {
	struct server *server;
	const char *name;     /* for the log */
	const uint32_t *keys; /* enum config_flag, by enum config_flag_key */
};

struct conn_queue; /* a queue's counters */

/*
 * A session ends without waiting for anybody: it is taken away from new requests, and closed by a worker once no
 * request holds it. Requests hold it by their session pointer alone, so that serving writes nothing shared.
 */
struct fuse_conn {
	struct server *server;
	const struct fuse_door *door;
	uint32_t kind;                     /* enum graft_transport */
	_Atomic(struct session *) session; /* NULL before INIT and after DESTROY */
	_Atomic bool retiring;             /* some session waits to be closed */
	struct async_list async;
	struct strand control;         /* INIT and DESTROY, one after the other */
	struct op_counters *elsewhere; /* of what ended on other threads, atomic additions */
	struct work reap;
	pthread_mutex_t lock;
	pthread_cond_t idle;
	/* protected by lock */
	struct request *requests; /* all objects that ever served this client */
	struct conn_queue *queues;
	struct session *retired;
	uint32_t reaping; /* reaps posted or running */
	bool reap_posted;
};

/* transport_client.connect and .disconnect. */
struct fuse_conn *conn_new(const struct fuse_door *door, uint32_t kind);
void conn_free(struct fuse_conn *c);

/* Queue thread: a request object serves this connection for the first time. */
void conn_attach(struct fuse_conn *c, struct request *r);
/* The object goes away. */
void conn_detach(struct request *r);

/* Queue thread: takes hold of the present session for r; NULL if there is none. */
struct session *conn_enter(struct fuse_conn *c, struct request *r);
/* Any thread: r's hold ends. */
void conn_leave(struct fuse_conn *c, struct request *r);

/* Ends the present session, if any: cancels what waits, closes it when nobody is inside. Returns at once. */
void conn_retire(struct fuse_conn *c);
/* conn_retire, and waits until all is closed. No request may be in flight. */
void conn_reset(struct fuse_conn *c);
/* The session that new requests get; takes it. */
void conn_publish(struct fuse_conn *c, struct session *s);

#endif
