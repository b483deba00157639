/* SPDX-License-Identifier: Apache-2.0 */
/* The running transports of a configuration. */
#include "server/doors.h"

#include "lib/cleanup.h"
#include "lib/cpu_list.h"
#include "server/fuse/conn.h"
#include "server/fuse/serve.h"
#include "server/sandbox/outside.h"
#include "transport/fuse_dev.h"
#include "transport/vhost_user.h"

#include <errno.h>
#include <grp.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>

#define CACHE_LINE 64 /* bytes: alignment of struct queue_crowd */

/* A transport with what the FUSE server keeps for it. */
struct way {
	struct fuse_door fuse;
	struct transport *transport;
	struct outside_fuse outside; /* for a transport of /dev/fuse in a sandbox */
	struct init_keep keep;       /* for one that may go from process to process */
	uint32_t failover;           /* enum fuse_dev_drain */
	bool started;
};

struct doors {
	struct queue_crowd crowd; /* of all vhost-user transports */
	int ended_fd;
	_Atomic uint32_t left; /* transports that have not ended */
	bool waits; /* for a connection */
	pthread_mutex_t lock; /* of starting and stopping: way.started, stopped */
	bool stopped;
	uint32_t n;       /* of the configuration */
	struct way way[]; /* in its order; transport is NULL until it is made */
};

/* A transport's thread. */
static void one_ended(struct transport *t, void *user)
{
	struct doors *d = user;

	(void)t;
	if (atomic_fetch_sub_explicit(&d->left, 1, memory_order_acq_rel) == 1)
		eventfd_write(d->ended_fd, 1);
}

static int find_group(const struct transport_config *c, gid_t *gid, struct graft_error *err)
{
	*gid = UNIX_ANY_GROUP;
	if (!c->socket_group)
		return 0;
	errno = 0;
	const struct group *group = getgrnam(c->socket_group);
	if (!group)
		return error_set(err, errno ? errno : ENOENT, "socket-group = %.100s: %s", c->socket_group,
				 errno ? strerror(errno) : "there is no group of this name");
	*gid = group->gr_gid;
	return 0;
}

static int open_listener(struct vhost_user_listener *l, const struct transport_config *c, struct graft_error *err)
{
	gid_t group;

	if (!c->socket)
		return vhost_user_listener_adopt(l, c->fd, err);
	int res = find_group(c, &group, err);
	return res ? res : vhost_user_listener_open(l, c->socket, group, err);
}

static struct transport *make_vhost_user(struct doors *d, const struct transport_config *c, struct way *way,
					 struct graft_error *err)
{
	struct vhost_user_listener listener = VHOST_USER_LISTENER_NONE;
	struct vhost_user_config config = {
		.name = c->name,
		.listener = &listener,
		.tag = c->tag,
		.queues = c->queues,
		.cpus = c->cpus,
		.poll_us = c->poll_us,
		.crowd = &d->crowd,
		.once = c->once,
	};

	struct transport *t = NULL;
	if (open_listener(&listener, c, err) == 0)
		t = vhost_user_new(&config, &fuse_client, &way->fuse, err);
	unix_listener_close(&listener.socket); /* what was not taken */
	return t;
}

static struct transport *make_dev_fuse(const struct config *all, uint32_t i, bool waits, struct way *way, struct graft_error *err)
{
	const struct transport_config *c = &all->transports[i];
	struct outside *outside = way->fuse.server->outside;
	struct fuse_dev_config config = {
		.name = c->name,
		.mountpoint = c->mountpoint,
		.type = c->mount_type,
		.source = c->mount_source ? c->mount_source : all->server.instance,
		.threads = c->threads,
		.read_only = c->read_only,
		.shared = way->fuse.keep != NULL,
		.adopts = waits,
	};

	if (outside) {
		way->outside = (struct outside_fuse){ .outside = outside, .transport = i };
		config.host_ops = &outside_fuse_ops;
		config.host = &way->outside;
	}

	return fuse_dev_new(&config, &fuse_client, &way->fuse, err);
}

static int make(struct doors *d, struct way *way, const struct config *config, uint32_t i, struct server *server,
		struct graft_error *err)
{
	const struct transport_config *c = &config->transports[i];

	way->failover = c->failover;
	way->fuse = (struct fuse_door){ .server = server, .name = c->name, .keys = c->flag, .limits = c->limits };
	if (c->kind == GRAFT_DEV_FUSE && (config->server.supervisor || c->takeover != CONFIG_TAKEOVER_NO))
		way->fuse.keep = &way->keep;
	if (c->kind == GRAFT_DEV_FUSE)
		way->transport = make_dev_fuse(config, i, d->waits, way, err);
	else
		way->transport = make_vhost_user(d, c, way, err);
	if (!way->transport)
		return error_wrap(err, "[transport %s]", c->name);
	way->transport->ended = one_ended;
	way->transport->ended_user = d;
	return 0;
}

/* Those of /dev/fuse, or the others. */
static int make_some(struct doors *d, bool fuse, const struct config *config, struct server *server,
		     struct graft_error *err)
{
	int res = 0;

	for (uint32_t i = 0; i < config->ntransports && !res; i++) {
		if ((config->transports[i].kind == GRAFT_DEV_FUSE) == fuse)
			res = make(d, &d->way[i], config, i, server, err);
	}
	return res;
}

struct doors *doors_new(const struct config *config, struct server *server, struct graft_error *err)
{
	size_t bytes = sizeof(struct doors) + config->ntransports * sizeof(struct way);
	struct doors *d = aligned_alloc(CACHE_LINE, (bytes + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);

	if (!d) {
		error_set(err, ENOMEM, "no memory for the transports");
		return NULL;
	}
	memset(d, 0, bytes);
	queue_crowd_init(&d->crowd, cpu_count());
	pthread_mutex_init(&d->lock, NULL);
	d->n = config->ntransports;
	for (uint32_t i = 0; i < d->n; i++)
		init_keep_init(&d->way[i].keep);
	atomic_init(&d->left, d->n);
	d->ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int res = d->ended_fd < 0 ? error_set(err, errno, "making an eventfd") : 0;
	if (!res)
		res = make_some(d, false, config, server, err);
	if (!res)
		return d;
	doors_free(d);
	return NULL;
}

int doors_look(struct doors *d, const struct config *config, struct server *server, struct graft_error *err)
{
	return make_some(d, true, config, server, err);
}

void doors_wait(struct doors *d)
{
	d->waits = true;
}

int doors_start(struct doors *d, struct graft_error *err)
{
	for (uint32_t i = 0; i < d->n; i++) {
		struct transport *t = d->way[i].transport;

		if (d->waits && t->ops->kind == GRAFT_DEV_FUSE)
			continue;
		if (t->ops->start(t, err))
			return error_wrap(err, "[transport %s]", d->way[i].fuse.name);
		d->way[i].started = true;
	}
	return 0;
}

/* ---- from process to process ---- */

static struct way *dev_fuse(struct doors *d, struct graft_error *err)
{
	for (uint32_t i = 0; i < d->n; i++) {
		if (d->way[i].transport->ops->kind == GRAFT_DEV_FUSE && d->way[i].fuse.keep)
			return &d->way[i];
	}
	error_set(err, EOPNOTSUPP, "there is no transport of /dev/fuse with a supervisor");
	return NULL;
}

int doors_give(struct doors *d, struct doors_connection *c, struct graft_error *err)
{
	struct way *way = dev_fuse(d, err);

	if (!way)
		return -EOPNOTSUPP;
	if (!init_keep_get(&way->keep, &c->init))
		return error_set(err, ENOTCONN, "the kernel has not said INIT yet");
	c->fd = fuse_dev_share(way->transport, &c->dev);
	return c->fd < 0 ? error_set(err, -c->fd, "there is no connection: %s", strerror(-c->fd)) : 0;
}

int doors_take(struct doors *d, const struct doors_connection *c, struct graft_error *err)
{
	struct way *way = dev_fuse(d, err);

	if (!way)
		return -EOPNOTSUPP;
	if (!d->waits || way->started)
		return error_set(err, EBUSY, "a connection is served already");
	int res = fuse_dev_adopt(way->transport, c->fd, c->dev, (enum fuse_dev_drain)way->failover, err);
	if (!res)
		init_keep_resume(&way->keep, c->init.enabled || c->init.offered ? &c->init : NULL);
	return res;
}

int doors_begin(struct doors *d, struct graft_error *err)
{
	struct way *way = dev_fuse(d, err);

	if (!way)
		return -EOPNOTSUPP;
	LOCK_SCOPE(&d->lock);
	if (d->stopped || way->started)
		return error_set(err, EBUSY, d->stopped ? "the daemon ends" : "it is served already");
	int res = way->transport->ops->start(way->transport, err);
	way->started = !res;
	return res;
}

int doors_leave(struct doors *d, struct graft_error *err)
{
	struct way *way = dev_fuse(d, err);

	if (!way)
		return -EOPNOTSUPP;
	if (!way->started)
		return 0;
	fuse_dev_leave(way->transport);
	int res = way->transport->ops->join(way->transport);
	return res ? error_set(err, -res, "the transport ended for a fault: %s", strerror(-res)) : 0;
}

int doors_each(const struct doors *d, int (*fn)(const char *name, const struct transport *t, void *arg), void *arg)
{
	int res = 0;

	for (uint32_t i = 0; i < d->n && !res; i++)
		res = fn(d->way[i].fuse.name, d->way[i].transport, arg);
	return res;
}

int doors_ended_fd(const struct doors *d)
{
	return d->ended_fd;
}

static int end(struct way *way)
{
	struct transport *t = way->transport;
	int res = way->started ? t->ops->join(t) : 0;

	if (t)
		t->ops->free(t);
	return res;
}

void doors_stop(struct doors *d)
{
	if (!d)
		return;
	LOCK_SCOPE(&d->lock);
	for (uint32_t i = 0; !d->stopped && i < d->n; i++) {
		if (d->way[i].started)
			d->way[i].transport->ops->stop(d->way[i].transport);
	}
	d->stopped = true;
}

int doors_free(struct doors *d)
{
	int res = 0;

	if (!d)
		return 0;
	doors_stop(d);
	for (uint32_t i = 0; i < d->n; i++) {
		int one = end(&d->way[i]);

		init_keep_fini(&d->way[i].keep);
		res = res ? res : one;
	}
	pthread_mutex_destroy(&d->lock);
	cleanup_close(&d->ended_fd);
	free(d);
	return res;
}
