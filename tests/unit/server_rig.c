/* SPDX-License-Identifier: Apache-2.0 */
/* A server with test plugins and a transport made of function calls. */
#include "server_rig.h"

#include "lib/iov.h"
#include "server/config_internal.h"
#include "server/fuse/serve.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int record_notice(struct transport *t, const void *bytes, size_t len)
{
	struct rig *rig = (struct rig *)((char *)t - offsetof(struct rig, transport));

	if (len > TRANSPORT_NOTICE_MAX)
		return -EINVAL;
	pthread_mutex_lock(&rig->notices_lock);
	struct rig_notice *all = realloc(rig->notices, (rig->nnotices + 1) * sizeof(*all));
	if (all) {
		rig->notices = all;
		all[rig->nnotices].len = (uint32_t)len;
		memcpy(all[rig->nnotices].bytes, bytes, len);
		rig->nnotices++;
	}
	pthread_mutex_unlock(&rig->notices_lock);
	return all ? 0 : -ENOBUFS;
}

static int record_store(struct transport *t, const struct iovec *iov, uint32_t niov)
{
	struct rig *rig = (struct rig *)((char *)t - offsetof(struct rig, transport));
	unsigned char bytes[sizeof(struct fuse_out_header) + sizeof(struct fuse_notify_inval_inode_out)];
	struct fuse_notify_inval_inode_out out;
	struct fuse_out_header header;
	struct iov_cursor c = iov_cursor(iov, niov);

	assert_int_equal(iov_length(iov, niov), sizeof(bytes));
	iov_read(&c, bytes, sizeof(bytes));
	memcpy(&header, bytes, sizeof(header));
	memcpy(&out, bytes + sizeof(header), sizeof(out));
	assert_true(header.len == sizeof(bytes) && header.error == FUSE_NOTIFY_INVAL_INODE && !header.unique);
	assert_true(!out.off && !out.len);
	pthread_mutex_lock(&rig->notices_lock);
	assert_true(rig->ninvalid < RIG_INVALID);
	rig->invalid[rig->ninvalid++] = out.ino;
	pthread_mutex_unlock(&rig->notices_lock);
	return -ENOENT;
}

static void describe(const struct transport *t, struct transport_info *info)
{
	snprintf(info->where, sizeof(info->where), "%s", t->name);
	info->clients = 1;
	info->queues = 1;
}

static const struct transport_ops rig_ops = { .kind = GRAFT_VHOST_USER, .describe = describe };
static const struct transport_ops rig_fuse_ops = { .kind = GRAFT_DEV_FUSE,
						   .describe = describe,
						   .send = record_notice, .store = record_store };

void transport_request_pin(struct transport_request *t)
{
	struct rig_request *q = (struct rig_request *)t;

	assert_false(q->pinned);
	q->pinned = true;
}

void transport_complete(struct transport_request *t, uint64_t used)
{
	struct rig_request *q = (struct rig_request *)t;

	pthread_mutex_lock(&q->lock);
	assert_true(q->pinned);
	q->t.used = used;
	q->completions++;
	q->done = true;
	pthread_cond_broadcast(&q->changed);
	pthread_mutex_unlock(&q->lock);
}

static void set_mount(struct rig *rig, uint32_t i, const struct rig_mount *from)
{
	struct mount_config *m = &rig->mounts[i];

	m->name = from->name;
	m->at = from->at;
	m->members = rig->members[i];
	for (uint32_t k = 0; from->members[k]; k++) {
		rig->plugins[i][k].desc = *from->members[k];
		rig->members[i][k].plugin = &rig->plugins[i][k];
		rig->members[i][k].name = from->members[k]->name;
		m->nmembers++;
	}
}

static int connect_rig(struct rig *rig, const struct transport_ops *ops, struct graft_error *err)
{
	pthread_mutex_init(&rig->notices_lock, NULL);
	rig->door = (struct fuse_door){ .server = rig->server, .name = "rig", .keys = rig->keys };
	rig->transport = (struct transport){ .ops = ops, .client = &fuse_client, .user = &rig->door, .name = "rig" };
	rig->conn = fuse_client.connect(&rig->door, &rig->transport);
	return rig->conn ? 0 : error_set(err, ENOMEM, "no connection");
}

static int bring_up(struct rig *rig, const struct rig_mount *mounts, uint32_t n, struct graft_error *err)
{
	int res = 0;

	rig->server = server_new(4, 1024, err);
	if (!rig->server)
		return -err->code;
	for (uint32_t i = 0; i < n && !res; i++) {
		set_mount(rig, i, &mounts[i]);
		res = server_mount(rig->server, &rig->mounts[i], err);
	}
	if (!res)
		res = server_start(rig->server, err);
	if (res)
		return res;
	return connect_rig(rig, &rig_ops, err);
}

struct rig *rig_try(const struct rig_mount *mounts, uint32_t n, struct graft_error *err)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	if (!rig) {
		error_set(err, ENOMEM, "no rig");
		return NULL;
	}
	if (!bring_up(rig, mounts, n, err))
		return rig;
	server_free(rig->server);
	free(rig);
	return NULL;
}

struct rig *rig_new(const struct rig_mount *mounts, uint32_t n)
{
	struct graft_error err = { 0 };
	struct rig *rig = rig_try(mounts, n, &err);

	if (!rig)
		fail_msg("%s", err.text);
	return rig;
}

struct rig *rig_connect(struct rig *first, enum graft_transport kind)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	struct graft_error err = { 0 };

	assert_non_null(rig);
	rig->server = first->server;
	rig->second = true;
	assert_int_equal(connect_rig(rig, kind == GRAFT_DEV_FUSE ? &rig_fuse_ops : &rig_ops, &err), 0);
	return rig;
}

void rig_free(struct rig *rig)
{
	fuse_client.disconnect(rig->conn);
	if (!rig->second)
		server_free(rig->server);
	pthread_mutex_destroy(&rig->notices_lock);
	free(rig->notices);
	free(rig);
}

static void set_option(struct options *o, const char *key, const char *value)
{
	struct graft_error err = { 0 };

	if (options_set(o, key, value, "test", &err))
		fail_msg("%s", err.text);
}

static struct plugin tree_loaded = { .path = "test" };

static void load_tree(void)
{
	tree_loaded.desc = tree_plugin;
}

static void add_backend(struct mount_config *m, struct tree *t)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct graft_error err = { 0 };
	char text[32];

	pthread_once(&once, load_tree);
	m->members = calloc(1, sizeof(*m->members));
	assert_non_null(m->members);
	m->nmembers = 1;
	m->members->name = strdup(m->name);
	m->members->plugin = &tree_loaded;
	m->members->options = options_new(tree_plugin.opts, tree_plugin.settings_size);
	snprintf(text, sizeof(text), "%" PRIuPTR, (uintptr_t)t);
	set_option(m->members->options, "tree", text);
	assert_int_equal(options_finish(m->members->options, &err), 0);
}

/* A mount's configuration as config_mount_new makes it. */
static struct mount_config *tree_config(const char *at, struct tree *t)
{
	static _Atomic uint32_t number;
	struct mount_config *m = calloc(1, sizeof(*m));
	struct graft_error err = { 0 };
	char text[32];

	assert_non_null(m);
	snprintf(text, sizeof(text), "m%u", atomic_fetch_add(&number, 1));
	m->name = strdup(text);
	m->where = strdup("test");
	m->options = options_new(config_mount_options, sizeof(struct mount_settings));
	set_option(m->options, "at", at);
	set_option(m->options, "type", "tree");
	assert_int_equal(options_finish(m->options, &err), 0);
	m->at = ((const struct mount_settings *)options_settings(m->options))->at;
	add_backend(m, t);
	return m;
}

int rig_mount(struct rig *rig, const char *at, struct tree *t, struct graft_error *err)
{
	struct graft_error own = { 0 };

	return mounts_add(rig->server, tree_config(at, t), err ? err : &own);
}

int rig_mount_slot(struct rig *rig, const char *at, struct tree *t, uint32_t slot, struct graft_error *err)
{
	struct mount_config *m = tree_config(at, t);

	m->slot = slot;
	return mounts_add(rig->server, m, err);
}

int rig_remount(struct rig *rig, const char *at, struct tree *t, struct graft_error *err)
{
	struct graft_error own = { 0 };

	return mounts_replace(rig->server, tree_config(at, t), err ? err : &own);
}

int rig_umount(struct rig *rig, const char *at)
{
	struct graft_error err = { 0 };

	return mounts_remove(rig->server, at, false, &err);
}

int rig_umount_strict(struct rig *rig, const char *at, struct graft_error *err)
{
	return mounts_remove(rig->server, at, true, err);
}

int rig_umount_await(struct rig *rig, const char *at, bool strict, int ms)
{
	struct graft_error err = { 0 };

	return mounts_remove_await(rig->server, at, strict, ms, &err);
}

static int count_one(const struct mount_info *info, void *n)
{
	(void)info;
	++*(uint32_t *)n;
	return 0;
}

uint32_t rig_count_mounts(struct rig *rig)
{
	uint32_t n = 0;

	assert_int_equal(mounts_each(rig->server, count_one, &n), 0);
	return n;
}

struct rig_request *rig_request_new(void)
{
	struct rig_request *q = calloc(1, sizeof(*q));

	assert_non_null(q);
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->changed, NULL);
	q->t.priv = aligned_alloc(64, (fuse_client.request_size + 63) & ~(size_t)63);
	assert_non_null(q->t.priv);
	fuse_client.request_init(q->t.priv);
	return q;
}

void rig_request_free(struct rig_request *q)
{
	fuse_client.request_fini(q->t.priv);
	free(q->t.priv);
	pthread_cond_destroy(&q->changed);
	pthread_mutex_destroy(&q->lock);
	free(q);
}

void rig_fill(struct rig *rig, struct rig_request *q, uint32_t opcode, uint64_t node, const void *in, size_t in_len,
	      const void *tail, size_t tail_len, size_t room)
{
	struct fuse_in_header h = {
		.len = (uint32_t)(sizeof(h) + in_len + tail_len),
		.opcode = opcode,
		.unique = __atomic_add_fetch(&rig->unique, 2, __ATOMIC_RELAXED),
		.nodeid = node,
		.uid = 1000,
		.gid = 1001,
		.pid = 4711,
	};

	assert_true(h.len <= sizeof(q->in_bytes) && room <= sizeof(q->out_bytes));
	memcpy(q->in_bytes, &h, sizeof(h));
	if (in_len)
		memcpy(q->in_bytes + sizeof(h), in, in_len);
	if (tail_len)
		memcpy(q->in_bytes + sizeof(h) + in_len, tail, tail_len);
	memset(q->out_bytes, 0xaa, room < sizeof(q->out_bytes) - 64 ? room + 64 : sizeof(q->out_bytes));
	q->in = (struct iovec){ q->in_bytes, h.len };
	q->out = (struct iovec){ q->out_bytes, room };
	q->t.in = &q->in;
	q->t.out = &q->out;
	q->t.nin = 1;
	q->t.nout = room ? 1 : 0;
	q->t.in_len = h.len;
	q->t.out_len = room;
	q->t.used = 0;
}

bool rig_serve(struct rig *rig, struct rig_request *q)
{
	q->pinned = false;
	q->done = false;
	q->completions = 0;
	bool async = fuse_client.serve(rig->conn, &q->t);
	if (!async)
		q->done = true;
	return async;
}

void rig_wait(struct rig_request *q)
{
	pthread_mutex_lock(&q->lock);
	while (!q->done)
		pthread_cond_wait(&q->changed, &q->lock);
	pthread_mutex_unlock(&q->lock);
}

static struct fuse_out_header reply_header(const struct rig_request *q)
{
	struct fuse_out_header h;

	struct iov_cursor c = iov_cursor(q->t.out, q->t.nout);

	assert_true(q->t.used >= sizeof(h));
	assert_int_equal(iov_read(&c, &h, sizeof(h)), sizeof(h));
	assert_int_equal(h.len, q->t.used);
	return h;
}

int rig_error(const struct rig_request *q)
{
	struct fuse_in_header in;
	struct fuse_out_header out = reply_header(q);

	memcpy(&in, q->in_bytes, sizeof(in));
	assert_true(out.unique == in.unique);
	if (out.error)
		assert_int_equal(out.len, sizeof(out));
	return out.error;
}

const void *rig_data(const struct rig_request *q)
{
	return q->out_bytes + sizeof(struct fuse_out_header);
}

uint64_t rig_data_len(const struct rig_request *q)
{
	return reply_header(q).len - sizeof(struct fuse_out_header);
}

int rig_call(struct rig *rig, struct rig_request *q, uint32_t opcode, uint64_t node, const void *in, size_t in_len,
	     const void *tail, size_t tail_len)
{
	rig_fill(rig, q, opcode, node, in, in_len, tail, tail_len, RIG_ROOM);
	rig_serve(rig, q);
	rig_wait(q);
	return rig_error(q);
}

int rig_init(struct rig *rig, uint64_t flags)
{
	flags |= RIG_INIT_FLAGS;
	struct fuse_init_in in = { .major = 7,
				   .minor = 45,
				   .max_readahead = 4096,
				   .flags = (uint32_t)flags,
				   .flags2 = (uint32_t)(flags >> 32) };
	struct rig_request *q = rig_request_new();
	int res = rig_call(rig, q, FUSE_INIT, 0, &in, sizeof(in), NULL, 0);

	rig_request_free(q);
	return res;
}

static struct options *options_of(const struct graft_opt *opts, size_t size, const char *key, const char *value)
{
	struct options *o = options_new(opts, size);
	struct graft_error err = { 0 };

	assert_non_null(o);
	assert_int_equal(options_set(o, key, value, "test", &err), 0);
	return o;
}

struct mount_config *rig_share(struct plugin *plugin, const char *source)
{
	struct mount_config *m = calloc(1, sizeof(*m));
	struct graft_error err = { 0 };

	assert_non_null(m);
	m->name = strdup("share");
	m->where = strdup("test");
	m->options = options_of(config_mount_options, sizeof(struct mount_settings), "at", "/");
	assert_int_equal(options_set(m->options, "type", "passthrough", "test", &err), 0);
	assert_int_equal(options_finish(m->options, &err), 0);
	m->at = ((const struct mount_settings *)options_settings(m->options))->at;
	m->members = calloc(1, sizeof(*m->members));
	assert_non_null(m->members);
	m->nmembers = 1;
	m->members->name = strdup("share");
	m->members->plugin = plugin;
	m->members->options = options_of(plugin->desc.opts, plugin->desc.settings_size, "source", source);
	assert_int_equal(options_finish(m->members->options, &err), 0);
	return m;
}
