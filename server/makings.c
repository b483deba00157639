/* SPDX-License-Identifier: Apache-2.0 */
/* A mount being made: two hold it, the thread that makes it and the caller who waits; the last one frees it. */
#include "server/makings.h"

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/thread.h"
#include "server/server.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct makings {
	uint64_t patience; /* ns */
	pthread_mutex_t lock;
	pthread_cond_t changed; /* by CLOCK_MONOTONIC */
	uint32_t running;       /* protected by lock: threads */
};

struct making {
	struct makings *all;
	struct server *server;
	struct mount_config *config; /* the thread's */
	/* protected by the lock of all */
	bool done, given_up;
	struct mount *mount; /* NULL: it failed, with err */
	struct graft_error err;
};

struct makings *makings_new(void)
{
	struct makings *all = calloc(1, sizeof(*all));

	if (!all)
		return NULL;
	all->patience = WATCH_PATIENCE_NS;
	pthread_mutex_init(&all->lock, NULL);
	thread_cond_init(&all->changed);
	return all;
}

void makings_free(struct makings *all)
{
	if (!all)
		return;
	pthread_cond_destroy(&all->changed);
	pthread_mutex_destroy(&all->lock);
	free(all);
}

void makings_set_patience(struct makings *all, uint64_t ns)
{
	all->patience = ns;
}

void makings_wait(struct makings *all)
{
	LOCK_SCOPE(&all->lock);
	while (all->running)
		pthread_cond_wait(&all->changed, &all->lock);
}

static struct mount *make(struct making *k)
{
	struct mount *m = mount_new(k->server, k->config, &k->err);

	if (!m) {
		config_mount_free(k->config);
		return NULL;
	}
	m->own_config = k->config;
	if (!mount_start(m, &k->err))
		return m;
	mount_release(m);
	return NULL;
}

/* True: nobody waits for it any more. */
static bool hand_over(struct making *k, struct mount *m)
{
	LOCK_SCOPE(&k->all->lock);
	k->mount = m;
	k->done = true;
	pthread_cond_broadcast(&k->all->changed);
	return k->given_up;
}

static void thread_ends(struct makings *all)
{
	LOCK_SCOPE(&all->lock);
	all->running--;
	pthread_cond_broadcast(&all->changed);
}

static void *making_main(void *arg)
{
	struct making *k = arg;
	struct makings *all = k->all;
	struct mount *m = make(k);

	/* Handed over, it is the caller's, who frees it. */
	if (hand_over(k, m)) {
		log_warn(m ? m->name : NULL, "a mount that was given up is there after all, and dropped");
		mount_release(m);
		free(k);
	}
	thread_ends(all);
	return NULL;
}

static int no_thread(struct making *k, int res, struct graft_error *err)
{
	thread_ends(k->all);
	config_mount_free(k->config);
	free(k);
	return error_set(err, -res, "no thread to make a mount: %s", strerror(-res));
}

/* Waits with the lock held; true: it is done. */
static bool await(struct making *k)
{
	struct makings *all = k->all;
	struct timespec until = clock_after_ms((int)(all->patience / 1000000));

	LOCK_SCOPE(&all->lock);
	while (!k->done) {
		if (pthread_cond_timedwait(&all->changed, &all->lock, &until) == ETIMEDOUT && !k->done)
			break;
	}
	k->given_up = !k->done;
	return k->done;
}

static int too_long(struct server *server, const char *mount, uint64_t patience, struct graft_error *err)
{
	char text[128];

	watch_find(server->watch, mount, text, sizeof(text));
	return error_set(err, ETIMEDOUT, "[mount %s]: %s has not returned for %" PRIu64 " seconds; given up", mount,
			 text[0] ? text : "what makes it", patience / 1000000000);
}

int makings_make(struct server *server, struct mount_config *config, struct mount **m, struct graft_error *err)
{
	struct makings *all = server->makings;
	struct making *k = calloc(1, sizeof(*k));
	auto_free char *name = strdup(config->name);
	pthread_t thread;

	if (!k || !name) {
		free(k);
		config_mount_free(config);
		return error_set(err, ENOMEM, "no memory");
	}
	*k = (struct making){ .all = all, .server = server, .config = config };
	pthread_mutex_lock(&all->lock);
	all->running++;
	pthread_mutex_unlock(&all->lock);
	int res = thread_start(&thread, "mount", making_main, k);
	if (res)
		return no_thread(k, res, err);
	pthread_detach(thread);
	if (!await(k))
		return too_long(server, name, all->patience, err);
	*m = k->mount;
	if (!*m)
		*err = k->err;
	free(k);
	return *m ? 0 : -err->code;
}
