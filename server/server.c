/* SPDX-License-Identifier: Apache-2.0 */
/* What all parts of a running server share: made, started and taken apart in this order. */
#include "server/server.h"

#include "lib/cleanup.h"
#include "lib/log.h"
#include "server/barrier.h"
#include "server/fuse/opcodes.h"
#include "server/makings.h"
#include "server/sandbox/outside.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

/* What server_new made so far. */
static void drop(struct server *s)
{
	op_stats_free(s->stats);
	watch_release(s->watch);
	makings_free(s->makings);
	metrics_free(s->metrics);
	workers_free(s->callers);
	workers_free(s->changes);
	io_engine_free(s->io);
	workers_free(s->workers);
	free(s);
}

struct server *server_new(uint32_t threads, uint32_t fds, struct graft_error *err)
{
	struct server *s = calloc(1, sizeof(*s));

	if (!s) {
		error_set(err, ENOMEM, "no memory to start with");
		return NULL;
	}
	s->own_fds = -1;
	s->node_bits = SERVER_NODE_BITS;
	s->workers = workers_new(threads, SERVER_WORK_BOUND);
	s->io = s->workers ? io_engine_new(s->workers) : NULL;
	s->callers = workers_new(SERVER_CALLERS, UINT32_MAX);
	s->changes = workers_new(1, UINT32_MAX);
	s->metrics = metrics_new();
	s->watch = watch_new();
	s->makings = makings_new();
	s->stats = op_stats_new();
	if (!s->workers || !s->io || !s->callers || !s->changes || !s->metrics || !s->watch || !s->makings || !s->stats ||
	    mount_table_init(&s->mounts, s)) {
		error_set(err, ENOMEM, "no memory to start with");
		drop(s);
		return NULL;
	}
	strand_init(&s->serial_plugins, s->workers);
	s->fd_budget = fds;
	s->membarrier = barrier_register();
	return s;
}

int server_mount(struct server *s, const struct mount_config *config, struct graft_error *err)
{
	struct mount *m = mount_new(s, config, err);

	if (!m)
		return -err->code;
	int res = mount_table_add_first(&s->mounts, m, err);
	if (res)
		mount_release(m);
	return res;
}

/* All threads come to life at a time: to wait for each costs more than the rest of the start. */
static int start_threads(struct server *s, struct graft_error *err)
{
	struct workers *pools[] = { s->workers, s->changes, s->fixed ? NULL : s->callers };
	int res = 0;

	for (int i = 0; i < 3 && !res; i++)
		res = pools[i] ? workers_begin(pools[i], err) : 0;
	if (!res)
		io_engine_start(s->io);
	for (int i = 0; i < 3 && !res; i++)
		res = pools[i] ? workers_await(pools[i], err) : 0;
	return res;
}

int server_start(struct server *s, struct graft_error *err)
{
	/* The configuration's mounts were made. */
	int res = s->outside ? outside_seal(s->outside, err) : 0;

	if (!res)
		res = start_threads(s, err);
	return res ? res : mount_table_start(&s->mounts, err);
}

void server_free(struct server *s)
{
	if (!s)
		return;
	workers_stop(s->callers);
	makings_wait(s->makings);
	workers_stop(s->changes);
	mount_table_fini(&s->mounts);
	io_engine_stop(s->io);
	workers_stop(s->workers);
	strand_fini(&s->serial_plugins);
	drop(s);
}

void server_op(struct server *s, uint32_t opcode, struct op_sum *sum)
{
	LOCK_SCOPE(&s->mounts.lock);
	op_stats_read(s->stats, opcode, sum);
	for (const struct mount *m = s->mounts.first; m; m = m->next) {
		struct op_sum one;

		op_stats_read(m->stats, opcode, &one);
		op_sum_add(sum, &one);
	}
}

static void log_op(struct server *s, uint32_t opcode)
{
	const char *name = op_name(opcode);
	struct op_sum sum;

	server_op(s, opcode, &sum);
	if (sum.count)
		log_info("metric", "op.%s.requests = %" PRIu64 " count", name, sum.count);
	if (sum.errors)
		log_info("metric", "op.%s.errors = %" PRIu64 " count", name, sum.errors);
}

void server_log_counters(struct server *s)
{
	for (uint32_t op = 0; op < GRAFT_OP_COUNT; op++)
		log_op(s, op);
	metrics_log(s->metrics);
}
