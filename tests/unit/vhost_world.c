/* SPDX-License-Identifier: Apache-2.0 */
/* Fixture of the vhost-user tests. */
#include "vhost_world.h"

#include "lib/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

struct world w;
_Atomic uint32_t world_lines;

const uint64_t world_kinds[WORLD_KINDS] = { BASIC, EVENTS, PACKED, PACKED | VIRTIO_F_EVENT_IDX };

static void count_line(void *user, int level, const char *line)
{
	(void)user;
	(void)level;
	(void)line;
	atomic_fetch_add(&world_lines, 1);
}

static void on_ended(struct transport *t, void *user)
{
	struct fake_client *c = user;

	(void)t;
	atomic_fetch_add(&c->ended, 1);
}

struct vhost_user_config world_config(void)
{
	return (struct vhost_user_config){
		.name = "vhost-user", .listener = &w.listener, .tag = "myfs", .queues = 2, .poll_us = 50
	};
}

void world_listen(void)
{
	struct graft_error err = { 0 };

	if (vhost_user_listener_open(&w.listener, w.path, UNIX_ANY_GROUP, &err) < 0)
		fail_msg("%s", err.text);
}

void world_start(const struct vhost_user_config *config)
{
	struct graft_error err = { 0 };

	if (w.listener.socket.fd < 0)
		world_listen();
	w.t = vhost_user_new(config, &w.client.ops, &w.client, &err);
	if (!w.t)
		fail_msg("%s", err.text);
	w.t->ended = on_ended;
	w.t->ended_user = &w.client;
	assert_int_equal(w.t->ops->start(w.t, &err), 0);
}

void world_stop(void)
{
	w.t->ops->stop(w.t);
	assert_int_equal(w.t->ops->join(w.t), 0);
	w.t->ops->free(w.t);
	w.t = NULL;
}

int world_setup(void **state)
{
	(void)state;
	memset(&w, 0, sizeof(w));
	strcpy(w.dir, "/tmp/graft-vu-XXXXXX");
	if (!mkdtemp(w.dir))
		return -1;
	snprintf(w.path, sizeof(w.path), "%s/fs.sock", w.dir);
	w.listener = (struct vhost_user_listener)VHOST_USER_LISTENER_NONE;
	fake_client_init(&w.client);
	log_set_sink(count_line, NULL);
	return 0;
}

int world_teardown(void **state)
{
	(void)state;
	if (w.t)
		world_stop();
	unlink(w.path);
	/* Each request's private part was made and unmade once; each connection ended. */
	if (atomic_load(&w.client.inits) != atomic_load(&w.client.finis) ||
	    atomic_load(&w.client.connects) != atomic_load(&w.client.disconnects))
		return -1;
	return rmdir(w.dir);
}

/* Most tests: a transport, and a front end connected to it. */
int world_connected_setup(void **state)
{
	struct vhost_user_config config;

	if (world_setup(state) < 0)
		return -1;
	config = world_config();
	world_start(&config);
	return front_connect(&w.front, w.path) ? 0 : -1;
}

int world_connected_teardown(void **state)
{
	front_close(&w.front);
	return world_teardown(state);
}

void world_reconnect(void)
{
	front_close(&w.front);
	assert_true(front_connect(&w.front, w.path));
}

void world_sleep_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}
