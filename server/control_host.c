/* SPDX-License-Identifier: Apache-2.0 */
/* What the control module may call, over the running server. */
#include "server/control_host.h"

#include "lib/clock.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "lib/log_errors.h"
#include "server/fuse/conn.h"
#include "server/fuse/opcodes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define END_WAIT_MS 200 /* what a client sees of an umount is done when it is answered, unless somebody is still inside */

/* --- mounts */

static const char *value_of(const struct mount_spec *spec, const char *name)
{
	for (size_t i = 0; i < spec->nkeys; i++)
		if (!strcmp(spec->keys[i].name, name))
			return spec->keys[i].value;
	return NULL;
}

static bool has_option(const struct plugin *plugin, const char *key)
{
	const struct graft_opt *o = plugin ? plugin->desc.opts : NULL;

	while (o && o->key && strcmp(o->key, key) != 0)
		o++;
	return o && o->key;
}

/* A mount with what [server] says for mounts that leave it open. */
static struct mount_config *make_config(const struct control_server *s, const struct mount_spec *spec, struct graft_error *err)
{
	const char *db = s->config->server.dedup_db, *type = value_of(spec, "type");
	struct graft_error ignored = { 0 };
	struct mount_spec full = *spec;

	if (!db || !type || value_of(spec, "dedup-db") ||
	    !has_option(plugin_load(s->registry, type, &ignored), "dedup-db"))
		return config_mount_new(spec, s->registry, err);
	auto_free struct mount_key *keys = calloc(spec->nkeys + 1, sizeof(*keys));
	if (!keys) {
		error_set(err, ENOMEM, "out of memory");
		return NULL;
	}
	memcpy(keys, spec->keys, spec->nkeys * sizeof(*keys));
	keys[full.nkeys++] = (struct mount_key){ .name = "dedup-db", .value = db };
	full.keys = keys;
	return config_mount_new(&full, s->registry, err);
}

static int host_mount(void *server, const struct mount_spec *spec, struct graft_error *err)
{
	const struct control_server *s = server;
	struct mount_config *m = make_config(s, spec, err);

	return m ? mounts_add(s->server, m, err) : -err->code;
}

static int host_remount(void *server, const struct mount_spec *spec, struct graft_error *err)
{
	const struct control_server *s = server;
	struct mount_config *m = make_config(s, spec, err);

	return m ? mounts_replace(s->server, m, err) : -err->code;
}

static int host_umount(void *server, const char *at, bool strict, struct graft_error *err)
{
	const struct control_server *s = server;

	return mounts_remove_await(s->server, at, strict, END_WAIT_MS, err);
}

static int host_each_mount(void *server, int (*fn)(const struct mount_info *, void *), void *arg)
{
	const struct control_server *s = server;

	return mounts_each(s->server, fn, arg);
}

static int host_each_place(void *server, int (*fn)(const struct place_record *, void *), void *arg)
{
	const struct control_server *s = server;

	return mounts_pseudo_each(s->server, fn, arg);
}

static uint64_t host_last_place(void *server)
{
	const struct control_server *s = server;

	return mounts_pseudo_last(s->server);
}

static uint32_t host_next_slot(void *server)
{
	const struct control_server *s = server;

	return mounts_next_slot(s->server);
}

static int host_set_next_slot(void *server, uint32_t slot, struct graft_error *err)
{
	const struct control_server *s = server;

	return mounts_set_next_slot(s->server, slot, err);
}

static int host_restore_places(void *server, const struct place_record *list, size_t n, uint64_t last_id, struct graft_error *err)
{
	const struct control_server *s = server;

	return mounts_pseudo_restore(s->server, list, n, last_id, err);
}

static int host_ask(void *server, const char *at, const char *what, const char *in, graft_ask_put *put, void *arg)
{
	const struct control_server *s = server;

	return mounts_ask(s->server, at, what, in, put, arg);
}

/* --- listings: each caller's function is called with our structure */

struct each_transport {
	int (*fn)(const struct control_transport *, void *);
	void *arg;
};

static int show_transport(const char *name, const struct transport *t, void *arg)
{
	const struct each_transport *each = arg;
	struct transport_info info = { 0 };

	t->ops->describe((struct transport *)t, &info);
	const struct control_transport shown = {
		.name = name,
		.kind = t->ops->kind == GRAFT_DEV_FUSE ? "fuse" : "vhost-user",
		.where = info.where,
		.clients = info.clients,
		.queues = info.queues,
	};
	return each->fn(&shown, each->arg);
}

static int host_each_transport(void *server, int (*fn)(const struct control_transport *, void *), void *arg)
{
	const struct control_server *s = server;
	struct each_transport each = { fn, arg };

	return s->doors ? doors_each(s->doors, show_transport, &each) : 0;
}

struct each_metric {
	int (*fn)(const struct control_metric *, void *);
	void *arg;
};

static int show_metric(const char *object, const char *name, const char *unit, uint64_t value, void *arg)
{
	const struct each_metric *each = arg;
	const struct control_metric shown = { .object = object, .name = name, .unit = unit, .value = value };

	return each->fn(&shown, each->arg);
}

static int host_each_metric(void *server, int (*fn)(const struct control_metric *, void *), void *arg)
{
	const struct control_server *s = server;
	struct each_metric each = { fn, arg };

	return metrics_each(s->server->metrics, show_metric, &each);
}

struct each_flight {
	int (*fn)(const struct control_flight *, void *);
	void *arg;
};

static int show_flight(const struct conn_flight *f, void *arg)
{
	const struct each_flight *each = arg;
	const struct control_flight shown = {
		.node = f->node,
		.unique = f->unique,
		.opcode = f->opcode,
		.since = clock_ns(CLOCK_REALTIME) - (clock_ns(CLOCK_MONOTONIC) - f->began),
	};

	return each->fn(&shown, each->arg);
}

static int host_each_flight(void *server, int (*fn)(const struct control_flight *, void *), void *arg)
{
	const struct control_server *s = server;
	struct each_flight each = { fn, arg };

	return conn_each_flight(s->server, show_flight, &each);
}

struct each_plugin {
	int (*fn)(const struct graft_plugin *, void *);
	void *arg;
};

static int show_plugin(const struct plugin *plugin, void *arg)
{
	const struct each_plugin *each = arg;

	return each->fn(&plugin->desc, each->arg);
}

static int host_each_plugin(void *server, int (*fn)(const struct graft_plugin *, void *), void *arg)
{
	const struct control_server *s = server;
	struct each_plugin each = { fn, arg };

	return plugin_registry_each(s->registry, show_plugin, &each);
}

/* --- statistics */

static const struct op_stats *host_stats(void *server)
{
	const struct control_server *s = server;

	return s->server->stats;
}

static const char *host_op_name(uint32_t opcode)
{
	return op_find(opcode) ? op_name(opcode) : NULL;
}

/* --- the daemon */

static int host_dump_config(void *server, FILE *to, struct graft_error *err)
{
	const struct control_server *s = server;

	return config_dump(s->config, to, err);
}

/* --- a connection that goes from process to process */

static int no_doors(struct graft_error *err)
{
	return error_set(err, ESHUTDOWN, "the daemon starts or ends");
}

static int host_connection_give(void *server, struct control_connection *c, struct graft_error *err)
{
	struct control_server *s = server;
	struct doors_connection d;

	LOCK_SCOPE(&s->handover);
	int res = s->doors ? doors_give(s->doors, &d, err) : no_doors(err);
	if (res)
		return res;
	*c = (struct control_connection){
		.fd = d.fd,
		.dev = d.dev,
		.offered = d.init.offered,
		.enabled = d.init.enabled,
		.minor = d.init.minor,
		.max_write = d.init.max_write,
		.max_readahead = d.init.max_readahead,
		.life = d.init.life,
	};
	return 0;
}

static int host_connection_take(void *server, const struct control_connection *c, struct graft_error *err)
{
	struct control_server *s = server;
	const struct doors_connection d = {
		.fd = c->fd,
		.dev = c->dev,
		.init = { c->offered, c->enabled, c->minor, c->max_write, c->max_readahead, c->life },
	};

	LOCK_SCOPE(&s->handover);
	return s->doors ? doors_take(s->doors, &d, err) : no_doors(err);
}

static int host_connection_begin(void *server, struct graft_error *err)
{
	struct control_server *s = server;

	LOCK_SCOPE(&s->handover);
	return s->doors ? doors_begin(s->doors, err) : no_doors(err);
}

static int host_connection_leave(void *server, struct graft_error *err)
{
	struct control_server *s = server;

	LOCK_SCOPE(&s->handover);
	return s->doors ? doors_leave(s->doors, err) : no_doors(err);
}

static void host_stop(void *server)
{
	const struct control_server *s = server;

	life_end(s->life);
}

struct call {
	struct work work; /* first */
	void (*fn)(void *arg);
	void *arg;
};

static void run_call(struct work *w)
{
	struct call *call = (struct call *)w;

	call->fn(call->arg);
	free(call);
}

static int host_run(void *server, void (*fn)(void *arg), void *arg)
{
	const struct control_server *s = server;
	struct call *call = malloc(sizeof(*call));

	if (!call)
		return -ENOMEM;
	*call = (struct call){ .work = { .fn = run_call }, .fn = fn, .arg = arg };
	workers_post(s->server->callers, &call->work);
	return 0;
}

void control_host_init(struct control_host *host, struct control_server *s)
{
	*host = (struct control_host){
		.version = CONTROL_VERSION,
		.server = s,
		.config = s->config,
		.pid = getpid(),
		.log = log_msg,
		.set_log_level = log_set_level,
		.log_level = log_level,
		.each_error = log_errors_each,
		.mount = host_mount,
		.remount = host_remount,
		.umount = host_umount,
		.each_mount = host_each_mount,
		.each_place = host_each_place,
		.last_place = host_last_place,
		.next_slot = host_next_slot,
		.set_next_slot = host_set_next_slot,
		.restore_places = host_restore_places,
		.ask = host_ask,
		.each_transport = host_each_transport,
		.each_metric = host_each_metric,
		.each_flight = host_each_flight,
		.each_plugin = host_each_plugin,
		.stats = host_stats,
		.op_read = op_stats_read,
		.op_bound = op_stats_bound,
		.reads = op_stats_reads,
		.op_name = host_op_name,
		.dump_config = host_dump_config,
		.waits = s->waits,
		.connection_give = host_connection_give,
		.connection_take = host_connection_take,
		.connection_begin = host_connection_begin,
		.connection_leave = host_connection_leave,
		.stop = host_stop,
		.run = host_run,
	};
}
