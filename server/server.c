/* SPDX-License-Identifier: Apache-2.0 */
/* What all parts of a running server share: made, started and taken apart in this order. */
#include "server/server.h"

#include "server/barrier.h"

#include <errno.h>
#include <stdlib.h>

/* Descriptors kept for what is not a plugin's: the server's own, and one in use by each thread. */
#define FD_RESERVE 128

static uint32_t fd_budget(uint64_t nofile, uint32_t threads)
{
	uint64_t reserve = FD_RESERVE + (uint64_t)threads;
	uint64_t budget = nofile > reserve ? nofile - reserve : 0;

	return budget > UINT32_MAX ? UINT32_MAX : (uint32_t)budget;
}

struct server *server_new(uint32_t threads, uint64_t nofile, struct graft_error *err)
{
	struct server *s = calloc(1, sizeof(*s));

	if (s)
		s->workers = workers_new(threads, SERVER_WORK_BOUND);
	if (s && s->workers)
		s->metrics = metrics_new();
	if (!s || !s->metrics || mount_table_init(&s->mounts)) {
		error_set(err, ENOMEM, "no memory to start with");
		if (s) {
			metrics_free(s->metrics);
			workers_free(s->workers);
		}
		free(s);
		return NULL;
	}
	strand_init(&s->serial_plugins, s->workers);
	s->fd_budget = fd_budget(nofile, workers_threads(s->workers));
	s->membarrier = barrier_register();
	return s;
}

int server_mount(struct server *s, const struct mount_config *config, struct graft_error *err)
{
	struct mount *m = mount_new(s, config, err);

	if (!m)
		return -err->code;
	int res = mount_table_add(&s->mounts, m, err);
	if (res)
		mount_free(m);
	return res;
}

int server_start(struct server *s, struct graft_error *err)
{
	int res = workers_start(s->workers, err);

	return res ? res : mount_table_start(&s->mounts, err);
}

void server_free(struct server *s)
{
	if (!s)
		return;
	mount_table_quiesce(&s->mounts);
	workers_stop(s->workers);
	mount_table_fini(&s->mounts);
	strand_fini(&s->serial_plugins);
	workers_free(s->workers);
	metrics_free(s->metrics);
	free(s);
}
