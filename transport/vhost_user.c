/* SPDX-License-Identifier: Apache-2.0 */
/* The vhost-user transport: waits for front ends and serves one after the other. */
#include "transport/vhost_user.h"

#include "lib/log.h"
#include "lib/thread.h"
#include "transport/vhost_user_device.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define RETRY_MS 200 /* before accept is tried again when descriptors are out */

struct vhost_user {
	struct transport base; /* first */
	struct vhost_user_listener listener;
	struct vhost_user_device *device;
	int stop; /* eventfd, readable for good once the end was asked for */
	bool once, started;
	uint32_t queues;
	_Atomic bool connected; /* for listings */
	pthread_t control;
	struct log_limit limit;
};

/* Waits on the listening socket. A connection, or -ECANCELED when the end was asked for. */
static int next_front_end(struct vhost_user *vu)
{
	struct pollfd fds[2] = { { .fd = vu->stop, .events = POLLIN }, { .fd = vu->listener.socket.fd, .events = POLLIN } };

	for (;;) {
		int sock;

		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[0].revents)
			return -ECANCELED;
		sock = vhost_user_listener_accept(&vu->listener);
		if (sock >= 0)
			return sock;
		if (sock == -EAGAIN || sock == -EINTR || sock == -ECONNABORTED)
			continue;
		log_limited(&vu->limit, GRAFT_LOG_ERROR, vu->base.name, "cannot accept a front end: %s",
			    strerror(-sock));
		poll(fds, 1, RETRY_MS);
	}
}

/* Tools that start a server wait for this text, and for that of a client. */
static void say_waiting(const struct vhost_user *vu)
{
	log_info(vu->base.name, "Waiting for vhost-user socket connection...");
}

static void *control_main(void *arg)
{
	struct vhost_user *vu = arg;
	const char *name = vu->base.name;
	bool again = false;
	int sock, rc;

	do {
		if (again)
			say_waiting(vu);
		again = true;
		sock = next_front_end(vu);
		if (sock < 0)
			break;
		if (vu->once)
			unix_listener_shut(&vu->listener.socket);
		log_info(name, "Client connected, servicing requests");
		atomic_store_explicit(&vu->connected, true, memory_order_relaxed);
		rc = vhost_user_device_serve(vu->device, sock, vu->stop);
		atomic_store_explicit(&vu->connected, false, memory_order_relaxed);
		close(sock);
		log_info(name, "Client disconnected%s", vu->once ? ", shutting down" : "");
	} while (rc != -ECANCELED && !vu->once);
	unix_listener_close(&vu->listener.socket);
	if (sock >= 0 && rc != -ECANCELED && vu->base.ended)
		vu->base.ended(&vu->base, vu->base.ended_user);
	return NULL;
}

static int vhost_user_start(struct transport *t, struct graft_error *err)
{
	struct vhost_user *vu = (struct vhost_user *)t;
	int rc = vhost_user_device_start(vu->device, err);

	if (rc < 0)
		return rc;
	/* From here on all that is missing is who accepts, and front ends wait for that in the socket's queue. */
	log_info(vu->base.name, "listening on %s", vu->listener.where);
	say_waiting(vu);
	rc = thread_start(&vu->control, "vhost-user", control_main, vu);
	if (rc < 0)
		return error_set(err, -rc, "cannot start a thread: %s", strerror(-rc));
	vu->started = true;
	return 0;
}

static void vhost_user_stop(struct transport *t)
{
	static const uint64_t one = 1;
	const struct vhost_user *vu = (const struct vhost_user *)t;

	if (write(vu->stop, &one, sizeof(one)) < 0)
		return; /* the counter is full: it was asked for before */
}

static int vhost_user_join(struct transport *t)
{
	struct vhost_user *vu = (struct vhost_user *)t;

	if (vu->started)
		pthread_join(vu->control, NULL);
	vu->started = false;
	return 0;
}

static void vhost_user_free(struct transport *t)
{
	struct vhost_user *vu = (struct vhost_user *)t;

	if (vu->started) {
		vhost_user_stop(t);
		vhost_user_join(t);
	}
	vhost_user_device_free(vu->device);
	unix_listener_close(&vu->listener.socket);
	if (vu->stop >= 0)
		close(vu->stop);
	free(vu);
}

static void vhost_user_describe(const struct transport *t, struct transport_info *info)
{
	const struct vhost_user *vu = (const struct vhost_user *)t;

	snprintf(info->where, sizeof(info->where), "%s", vu->listener.where);
	info->clients = atomic_load_explicit(&vu->connected, memory_order_relaxed);
	info->queues = vu->queues;
}

static const struct transport_ops vhost_user_ops = {
	.kind = GRAFT_VHOST_USER,
	.start = vhost_user_start,
	.stop = vhost_user_stop,
	.join = vhost_user_join,
	.free = vhost_user_free,
	.send = NULL, /* virtio-fs has no queue for notifications */
	.describe = vhost_user_describe,
};

struct transport *vhost_user_new(const struct vhost_user_config *config, const struct transport_client *client,
				 void *user, struct graft_error *err)
{
	struct vhost_user *vu;

	if (config->queues < 1 || config->queues > VHOST_USER_MAX_REQUEST_QUEUES) {
		error_set(err, EINVAL, "%u request queues, 1 to %d are possible", config->queues,
			  VHOST_USER_MAX_REQUEST_QUEUES);
		return NULL;
	}
	if (config->tag && (!config->tag[0] || strlen(config->tag) > VHOST_USER_TAG_MAX)) {
		error_set(err, EINVAL, "a tag has 1 to %d bytes", VHOST_USER_TAG_MAX);
		return NULL;
	}
	vu = calloc(1, sizeof(*vu));
	if (!vu) {
		error_set(err, ENOMEM, "out of memory");
		return NULL;
	}
	vu->base.ops = &vhost_user_ops;
	vu->base.client = client;
	vu->base.user = user;
	snprintf(vu->base.name, sizeof(vu->base.name), "%s", config->name);
	vu->once = config->once;
	vu->queues = config->queues;
	vu->listener = (struct vhost_user_listener)VHOST_USER_LISTENER_NONE;
	vu->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vu->stop < 0)
		error_set(err, errno, "cannot make an eventfd: %s", strerror(errno));
	else
		vu->device = vhost_user_device_new(config, &vu->base, err);
	if (!vu->device) {
		vhost_user_free(&vu->base);
		return NULL;
	}
	vu->listener = *config->listener;
	*config->listener = (struct vhost_user_listener)VHOST_USER_LISTENER_NONE;
	return &vu->base;
}
