/* SPDX-License-Identifier: Apache-2.0 */
/* A mount: life of its members and the table of routes through them. */
#include "server/mount.h"

#include "lib/clock.h"
#include "lib/heap.h"
#include "server/fuse/opcodes.h"
#include "server/host.h"
#include "server/metrics.h"
#include "server/mount_end.h"
#include "server/namespace.h"
#include "server/op_stats.h"
#include "server/server.h"

#include <errno.h>
#include <stdio.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

int mount_plugin_error(struct graft_error *err, int res, const char *what, const char *name)
{
	if (!err->code)
		error_set(err, res < 0 ? -res : EIO, "plugin failed without saying why");
	return error_wrap(err, "%s %s", what, name);
}

static void mount_free(struct mount *m);
static void end_run(struct work *w);

/* Of an instance that leaves it alone: nothing, as if the table had none. A backend's word ends the way: it cannot. */
static graft_op *member_op(const struct mount_member *m, uint32_t opcode)
{
	if (m->desc->kind == GRAFT_LAYER && m->features.leaves[opcode / 64] >> opcode % 64 & 1)
		return NULL;
	return opcode < m->desc->nops ? m->desc->ops[opcode] : NULL;
}

/* A layer that is older than the opcode ends it, unless it says that what it does not know may pass. */
static bool ends_here(const struct mount_member *m, uint32_t opcode)
{
	return opcode >= m->desc->nops && m->desc->kind == GRAFT_LAYER && !(m->desc->flags & GRAFT_PASS_UNKNOWN);
}

static uint8_t first_from(const struct mount *m, uint32_t from, uint32_t opcode)
{
	for (uint32_t i = from; i < m->nmembers; i++) {
		if (member_op(&m->members[i], opcode))
			return (uint8_t)i;
		if (ends_here(&m->members[i], opcode))
			break;
	}
	return MOUNT_ABSENT;
}

/*
 * A layer that implements RENAME and not RENAME2 must not be gone around by a RENAME2: where the table says that the
 * fallback overtakes, whoever comes first decides which of the two it is.
 */
static struct mount_route route_from(const struct mount *m, uint32_t from, uint32_t opcode)
{
	const struct op_info *op = &op_table[opcode];
	uint8_t direct = first_from(m, from, opcode);
	uint8_t other = op->fallback ? first_from(m, from, op->fallback) : MOUNT_ABSENT;

	if (other < direct && (direct == MOUNT_ABSENT || op->flags & OP_OVERTAKES))
		return (struct mount_route){ other, op->fallback };
	return (struct mount_route){ direct, (uint8_t)opcode };
}

static void make_routes(struct mount *m)
{
	for (uint32_t from = 0; from <= m->nmembers; from++) {
		for (uint32_t op = 0; op < GRAFT_OP_COUNT; op++)
			m->routes[from][op] = route_from(m, from, op);
	}
}

/* What a plugin that says nothing of flags cannot do without: the operations it has. */
static uint64_t flags_of_opens(const struct mount_member *m)
{
	return (member_op(m, FUSE_OPEN) ? FUSE_NO_OPEN_SUPPORT : 0) |
	       (member_op(m, FUSE_OPENDIR) ? FUSE_NO_OPENDIR_SUPPORT : 0);
}

static int read_features(struct mount *m, struct mount_member *member, struct graft_error *err)
{
	struct graft_features f = { .size = sizeof(f), .can = UINT64_MAX };

	if (member->desc->features) {
		f.can = 0;
		member->desc->features(member->inst, &f);
	} else {
		f.can &= ~flags_of_opens(member);
	}
	if (f.want & ~f.can || f.need & ~f.want)
		return error_set(err, EINVAL, "plugin %s: its INIT flags contradict each other", member->desc->name);
	if (f.root && server_nydusd_ids(m->server)) {
		if (f.root > MOUNT_NODE_MASK)
			return error_set(err, EOVERFLOW, "plugin %s: the number of the root has more than %d bits",
					 member->desc->name, GRAFT_NODE_BITS);
		m->root = f.root;
	}
	member->features = f;
	m->can &= f.can;
	m->want |= f.want;
	m->need |= f.need;
	m->blocking = m->blocking || f.blocking;
	m->hooks = m->hooks || member->desc->dirent;
	return 0;
}

static int make_member(struct mount *m, uint32_t i, const struct member_config *c, struct graft_error *err)
{
	struct mount_member *member = &m->members[i];
	const void *settings = c->options ? options_settings(c->options) : NULL;

	member->desc = &c->plugin->desc;
	member->slot.server = m->server;
	member->slot.mount = m;
	if (i + 1 == m->nmembers)
		snprintf(member->slot.name, sizeof(member->slot.name), "%s", m->name);
	else
		snprintf(member->slot.name, sizeof(member->slot.name), "%s.%s", m->name, c->name);
	member->slot.creating = true;
	struct watch_call call;
	watch_begin(m->server->watch, &call, "create", member->desc->name, m->name);
	int res = member->desc->create(&host_services, &member->slot, settings, &member->inst, err);
	watch_end(m->server->watch, &call);
	member->slot.creating = false;
	if (res) {
		metrics_remove(m->server->metrics, &member->slot);
		return mount_plugin_error(err, res, "plugin", member->desc->name);
	}
	member->created = true;
	atomic_fetch_add_explicit(&m->server->instances, 1, memory_order_relaxed);
	return read_features(m, member, err);
}

/* The strictest member holds for the whole mount. */
static void choose_strand(struct mount *m)
{
	uint32_t strictest = GRAFT_PARALLEL;

	for (uint32_t i = 0; i < m->nmembers; i++) {
		if (m->members[i].desc->threads < strictest)
			strictest = m->members[i].desc->threads;
	}
	if (strictest == GRAFT_SERIAL_PLUGIN) {
		m->strand = &m->server->serial_plugins;
	} else if (strictest == GRAFT_SERIAL_INSTANCE) {
		strand_init(&m->own_strand, m->server->workers);
		m->own_strand_made = true;
		m->strand = &m->own_strand;
	}
}

/* What listings show, and where its requests are counted. */
static int describe(struct mount *m, const struct mount_config *config, struct graft_error *err)
{
	m->since = clock_ns(CLOCK_REALTIME);
	m->stats = op_stats_new();
	if (config->options)
		m->keys = config_mount_keys(config, &m->nkeys);
	if (m->stats && (m->keys || !config->options))
		return 0;
	return error_set(err, ENOMEM, "no memory");
}

struct mount *mount_new(struct server *server, const struct mount_config *config, struct graft_error *err)
{
	struct mount *m = calloc(1, sizeof(*m));
	int res = 0;

	if (!m || !config->nmembers || config->nmembers > MOUNT_MAX_MEMBERS) {
		error_set(err, m ? EINVAL : ENOMEM, "[mount %s]: a mount has 1 to %u members", config->name,
			  MOUNT_MAX_MEMBERS);
		free(m);
		return NULL;
	}
	atomic_init(&m->refs, 1);
	m->end.fn = end_run;
	m->server = server;
	m->config = config;
	m->name = config->name;
	m->at = config->at;
	m->slot = config->slot;
	m->root = GRAFT_ROOT_NODE;
	m->nmembers = config->nmembers;
	m->can = UINT64_MAX;
	for (uint32_t i = m->nmembers; i-- > 0 && !res;)
		res = make_member(m, i, &config->members[i], err);
	if (!res)
		res = describe(m, config, err);
	if (res) {
		error_wrap(err, "[mount %s]", m->name);
		mount_free(m);
		return NULL;
	}
	choose_strand(m);
	make_routes(m);
	return m;
}

/* A call of the life cycle that says nothing; fn may be NULL. */
static void call_plugin(struct mount *m, const struct mount_member *member, const char *what, void (*fn)(struct graft_inst *))
{
	struct watch_call call;

	if (!fn)
		return;
	watch_begin(m->server->watch, &call, what, member->desc->name, m->name);
	fn(member->inst);
	watch_end(m->server->watch, &call);
}

static int start_member(struct mount *m, const struct mount_member *member, struct graft_error *err)
{
	struct watch_call call;

	if (!member->desc->start)
		return 0;
	watch_begin(m->server->watch, &call, "start", member->desc->name, m->name);
	int res = member->desc->start(member->inst, err);
	watch_end(m->server->watch, &call);
	return res;
}

int mount_start(struct mount *m, struct graft_error *err)
{
	for (uint32_t i = m->nmembers; i-- > 0;) {
		struct mount_member *member = &m->members[i];
		int res = start_member(m, member, err);

		if (res) {
			mount_plugin_error(err, res, "starting plugin", member->desc->name);
			return error_wrap(err, "[mount %s]", m->name);
		}
		member->started = true;
	}
	return 0;
}

void mount_quiesce(struct mount *m)
{
	for (uint32_t i = 0; i < m->nmembers; i++) {
		struct mount_member *member = &m->members[i];

		if (member->started)
			call_plugin(m, member, "quiesce", member->desc->quiesce);
		member->started = false;
	}
}

static void destroy_member(struct mount *m, struct mount_member *member)
{
	if (!member->created)
		return;
	metrics_remove(m->server->metrics, &member->slot);
	call_plugin(m, member, "destroy", member->desc->destroy);
	member->created = false;
	atomic_fetch_sub_explicit(&m->server->instances, 1, memory_order_relaxed);
}

static void drop_trees(struct graft_slot *slot)
{
	for (uint32_t i = 0; i < slot->ntrees; i++)
		close(slot->trees[i]);
	free(slot->trees);
}

static void mount_free(struct mount *m)
{
	mount_quiesce(m);
	for (uint32_t i = 0; i < m->nmembers; i++) {
		destroy_member(m, &m->members[i]);
		drop_trees(&m->members[i].slot);
	}
	if (m->own_strand_made)
		strand_fini(&m->own_strand);
	if (m->stats)
		op_stats_merge(m->server->stats, m->stats);
	op_stats_free(m->stats);
	free(m->keys);
	config_mount_free(m->own_config);
	struct mount_end *awaited = m->awaited;
	free(m);
	mount_end_tell(awaited);
}

/* What a mount had is spread over the heap: without this the process would keep it for a next one that may never come. */
static void end_run(struct work *w)
{
	struct mount *m = (struct mount *)((char *)w - offsetof(struct mount, end));

	/* The last session was closed there: what is left of that comes behind this in the queue. */
	if (m->own_strand_made && !strand_is_idle(&m->own_strand)) {
		workers_post(m->server->workers, &m->end);
		return;
	}
	mount_free(m);
	heap_trim();
}

void mount_hold(struct mount *m)
{
	atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
}

void mount_release(struct mount *m)
{
	if (!m || atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) != 1)
		return;
	if (workers_running(m->server->workers))
		workers_post(m->server->workers, &m->end);
	else
		mount_free(m);
}

uint64_t mount_wire(const struct mount *m, uint64_t node)
{
	if (node == GRAFT_ROOT_NODE || node == m->root)
		node ^= GRAFT_ROOT_NODE ^ m->root;
	return (uint64_t)m->slot << m->server->node_bits | node;
}

uint64_t mount_root_wire(const struct mount *m)
{
	return mount_wire(m, GRAFT_ROOT_NODE);
}

uint32_t mount_slot(const struct mount *m)
{
	return m->slot;
}
