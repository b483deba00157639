/* SPDX-License-Identifier: Apache-2.0 */
/* The vhost-user transport: a virtio-fs device (virtio device id 26) for a virtual machine's front end. */
#ifndef GRAFT_TRANSPORT_VHOST_USER_H
#define GRAFT_TRANSPORT_VHOST_USER_H

#include "lib/cpu_list.h"
#include "transport/queue_poll.h"
#include "transport/transport.h"
#include "transport/vhost_user_listener.h"

#define VHOST_USER_MAX_REQUEST_QUEUES 64
#define VHOST_USER_TAG_MAX 36 /* bytes, not terminated when all are used (virtio 1.2, 5.11.4) */

/* Settings; copied. */
struct vhost_user_config {
	const char *name;   /* of the section, for the log */
	struct vhost_user_listener *listener; /* taken on success: closed then for the caller */
	const char *tag;    /* NULL: CONFIG is not offered (QEMU 7.1 to 8.0 crash on it) */
	uint32_t queues;    /* request queues, 1..64; the hiprio queue comes on top */
	struct cpu_list cpus;      /* request queue i runs on entry (i - 1) % n alone; n is 0: wherever it may */
	uint32_t poll_us;          /* a queue looks at its ring for that long at most before it sleeps; 0: not at all */
	struct queue_crowd *crowd; /* where several transports share the processors; borrowed; NULL: one of its own */
	bool once;          /* end after the first front end has left */
};

/* NULL with err. client and user are borrowed for the transport's life. */
struct transport *vhost_user_new(const struct vhost_user_config *config, const struct transport_client *client,
				 void *user, struct graft_error *err);

#endif
