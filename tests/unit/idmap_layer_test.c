/* SPDX-License-Identifier: Apache-2.0 */
/* The idmap layer between a layer that watches what it puts back and a backend that tells what it got. */
#include "layer_plain.h"
#include "server_rig.h"
#include "idmap_samples.h"
#include "plugins/idmap/idmap.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define NODE (1ull << 48 | 2)
#define INIT_FLAGS (FUSE_SECURITY_CTX | FUSE_CREATE_SUPP_GROUP | FUSE_POSIX_ACL | FUSE_DONT_MASK | FUSE_DO_READDIRPLUS)
#define NONE NO_ID

extern const struct graft_plugin graft_plugin_v1;

/* The backend: what it was asked, what it answers. */
static struct {
	bool async;
	int error;
	uint32_t owner, group, mode; /* in every attribute */
	uint32_t calls, uid, gid, ngroups, has_groups;
	uint32_t groups[8];
	struct fuse_setattr_in setattr;
	unsigned char value[256]; /* SETXATTR: got; GETXATTR: given */
	uint32_t value_len;
	char context[64];
} store;

static struct rig *rig;
static struct rig_request *q;
static struct graft_plugin watcher, layer, inner, backend;
static graft_op *watch_ops[GRAFT_OP_COUNT], *ops[GRAFT_OP_COUNT];
static struct im_settings settings, inner_settings;

static void fill(uint32_t opcode, void *out)
{
	const struct fuse_attr attr = { .uid = store.owner, .gid = store.group, .mode = store.mode, .ino = 2 };

	switch (opcode) {
	case FUSE_GETATTR:
	case FUSE_SETATTR:
		((struct fuse_attr_out *)out)->attr = attr;
		break;
	case GRAFT_OP_STATX:
		((struct fuse_statx_out *)out)->stat.uid = store.owner;
		((struct fuse_statx_out *)out)->stat.gid = store.group;
		break;
	default:
		((struct fuse_entry_out *)out)->nodeid = 2;
		((struct fuse_entry_out *)out)->attr = attr;
	}
}

static int list(struct graft_req *req)
{
	struct fuse_direntplus e = { .dirent = { .ino = 2, .off = 1, .namelen = 1 } };

	fill(FUSE_LOOKUP, &e.entry_out);
	assert_int_equal(plain_host->dirent(req, &e, "a"), GRAFT_DIRENT_OK);
	return 0;
}

static int answer(struct graft_inst *inst, struct graft_req *req)
{
	(void)inst;
	store.calls++;
	store.uid = req->uid;
	store.gid = req->gid;
	store.has_groups = req->has_groups;
	store.ngroups = req->ngroups;
	for (uint32_t i = 0; i < req->ngroups && i < 8; i++)
		store.groups[i] = req->groups[i];
	store.context[0] = '\0';
	if (req->secctx_name) {
		snprintf(store.context, sizeof(store.context), "%s", req->secctx_name);
		if (req->secctx_len)
			memcpy(store.value, req->secctx, req->secctx_len);
		store.value_len = req->secctx_len;
	}
	if (store.error)
		return store.error;
	switch (req->opcode) {
	case FUSE_SETXATTR:
		store.value_len = req->data_len;
		if (req->data_len)
			memcpy(store.value, req->data, req->data_len);
		return 0;
	case FUSE_GETXATTR:
		if (((const struct fuse_getxattr_in *)req->in)->size)
			return plain_host->put(req, store.value, store.value_len);
		((struct fuse_getxattr_out *)req->out)->size = store.value_len;
		return 0;
	case FUSE_READDIR:
	case FUSE_READDIRPLUS:
		return list(req);
	case FUSE_ACCESS:
	case FUSE_WRITE:
		return 0;
	case FUSE_SETATTR:
		store.setattr = *(const struct fuse_setattr_in *)req->in;
		break;
	default:
		break;
	}
	fill(req->opcode, req->out);
	return 0;
}

static int backend_op(struct graft_inst *inst, struct graft_req *req)
{
	return store.async ? plain_host->defer(req, answer) : answer(inst, req);
}

/* The request as it must be when it comes back. */
static struct graft_req before;

static int came_back(struct graft_inst *inst, struct graft_req *req, int res, void *cookie)
{
	(void)inst;
	(void)cookie;
	assert_ptr_equal(req->in, before.in);
	assert_ptr_equal(req->data, before.data);
	assert_ptr_equal(req->dst, before.dst);
	assert_int_equal(req->ndst, before.ndst);
	assert_int_equal(req->dst_len, before.dst_len);
	assert_ptr_equal(req->groups, before.groups);
	assert_int_equal(req->ngroups, before.ngroups);
	assert_int_equal(req->has_groups, before.has_groups);
	assert_ptr_equal(req->secctx, before.secctx);
	assert_int_equal(req->uid, before.uid);
	assert_int_equal(req->gid, before.gid);
	return res;
}

static int watch(struct graft_inst *inst, struct graft_req *req)
{
	(void)inst;
	before = *req;
	return plain_host->next(req, came_back, NULL);
}

static void plain_features(struct graft_inst *inst, struct graft_features *f)
{
	(void)inst;
	f->can = UINT64_MAX;
	f->want = INIT_FLAGS;
}

static int layer_create(const struct graft_host *host, struct graft_slot *slot, const void *set,
			struct graft_inst **inst, struct graft_error *err)
{
	(void)set;
	return graft_plugin_v1.create(host, slot, &settings, inst, err);
}

static int inner_create(const struct graft_host *host, struct graft_slot *slot, const void *set,
			struct graft_inst **inst, struct graft_error *err)
{
	(void)set;
	return graft_plugin_v1.create(host, slot, &inner_settings, inst, err);
}

static const uint32_t served[] = { FUSE_LOOKUP,  FUSE_GETATTR,     FUSE_SETATTR,   FUSE_SYMLINK,
				   FUSE_MKNOD,   FUSE_MKDIR,       FUSE_LINK,      FUSE_CREATE,
				   FUSE_TMPFILE, FUSE_ACCESS,      FUSE_SETXATTR,  FUSE_GETXATTR,
				   FUSE_READDIR, FUSE_READDIRPLUS, GRAFT_OP_STATX, FUSE_WRITE };

static const char *const uid_rules[] = { "map:1000:101000:100", "forbid-guest:666:1", "squash-host:0:65534:1" };
static const char *const gid_rules[] = { "map:1001:201001:100", "forbid-guest:667:1", "squash-guest:5000:77:2" };

static int set_up(void **state)
{
	(void)state;
	memset(&store, 0, sizeof(store));
	store.owner = 101005;
	store.group = 201007;
	store.mode = S_IFREG | 0644;
	settings = (struct im_settings){ .uid = { uid_rules, 3 }, .gid = { gid_rules, 3 } };
	layer = inner = graft_plugin_v1;
	layer.create = layer_create;
	inner.create = inner_create;
	for (size_t i = 0; i < sizeof(served) / sizeof(served[0]); i++) {
		ops[served[i]] = backend_op;
		watch_ops[served[i]] = watch;
	}
	backend = plain_backend(ops, plain_features);
	watcher = backend;
	watcher.name = "watcher";
	watcher.kind = GRAFT_LAYER;
	watcher.ops = watch_ops;
	q = rig_request_new();
	rig = NULL;
	return 0;
}

static void stop(void)
{
	if (rig)
		rig_free(rig);
	rig = NULL;
}

static int tear_down(void **state)
{
	(void)state;
	rig_request_free(q);
	stop();
	return 0;
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

static void start(bool two)
{
	static const struct rig_mount one_layer = { "web", "/", { &watcher, &layer, &backend } };
	static const struct rig_mount two_layers = { "web", "/", { &watcher, &layer, &inner, &backend } };

	stop();
	rig = rig_new(two ? &two_layers : &one_layer, 1);
	assert_int_equal(rig_init(rig, INIT_FLAGS), 0);
	store.calls = 0;
}

/* What is sent with each opcode. */
static struct fuse_access_in access_in = { .mask = R_OK };
static const struct fuse_setattr_in nothing_set;
static const struct fuse_getattr_in getattr_in;
static const struct fuse_statx_in statx_in;
static const struct fuse_create_in create_in = { .flags = O_RDWR, .mode = S_IFREG | 0644 };
static const struct fuse_mkdir_in mkdir_in = { .mode = 0755 };
static const struct fuse_mknod_in mknod_in = { .mode = S_IFREG | 0644 };
static const struct fuse_link_in link_in = { .oldnodeid = NODE };

static const struct call {
	uint32_t opcode;
	const void *in;
	size_t in_len;
	const char *tail;
	size_t tail_len;
	bool creates;
} calls[] = {
	{ FUSE_LOOKUP, NULL, 0, "a", 2, false },
	{ FUSE_GETATTR, &getattr_in, sizeof(getattr_in), NULL, 0, false },
	{ FUSE_SETATTR, &nothing_set, sizeof(nothing_set), NULL, 0, false },
	{ FUSE_LINK, &link_in, sizeof(link_in), "a", 2, false },
	{ GRAFT_OP_STATX, &statx_in, sizeof(statx_in), NULL, 0, false },
	{ FUSE_CREATE, &create_in, sizeof(create_in), "a", 2, true },
	{ FUSE_TMPFILE, &create_in, sizeof(create_in), "a", 2, true },
	{ FUSE_MKDIR, &mkdir_in, sizeof(mkdir_in), "a", 2, true },
	{ FUSE_MKNOD, &mknod_in, sizeof(mknod_in), "a", 2, true },
	{ FUSE_SYMLINK, NULL, 0, "a\0target", 9, true },
};
#define NCALLS (sizeof(calls) / sizeof(calls[0]))

/* An extension of no label, or of this one; then one of these groups. */
static size_t extensions(unsigned char *to, const char *label, const void *value, uint32_t len, const uint32_t *groups,
			 uint32_t n)
{
	size_t at = sizeof(struct fuse_ext_header);
	struct fuse_ext_header head = { .size = sizeof(head), .type = 0 };

	memset(to, 0, 512);
	if (label) {
		struct fuse_secctx ctx = { .size = len };
		memcpy(to + at, &ctx, sizeof(ctx));
		memcpy(to + at + sizeof(ctx), label, strlen(label) + 1);
		memcpy(to + at + sizeof(ctx) + strlen(label) + 1, value, len);
		head.type = 1;
		at = (at + sizeof(ctx) + strlen(label) + 1 + len + 7) & ~7ul;
		head.size = (uint32_t)at;
	}
	memcpy(to, &head, sizeof(head));
	if (!groups)
		return at;
	head.type = FUSE_EXT_GROUPS;
	head.size = (uint32_t)((sizeof(head) + 4 + n * 4ul + 7) & ~7ul);
	memcpy(to + at, &head, sizeof(head));
	memcpy(to + at + sizeof(head), &n, 4);
	memcpy(to + at + sizeof(head) + 4, groups, n * 4ul);
	return at + head.size;
}

struct caller {
	uint32_t uid, gid;
	const uint32_t *groups;
	uint32_t ngroups;
	const char *label;
	const void *value;
	uint32_t len;
};

static const struct caller usual = { .uid = 1000, .gid = 1001 };

static int call_as(const struct call *c, const struct caller *who)
{
	unsigned char tail[600] = { 0 };
	size_t len = c->tail_len;
	struct fuse_in_header *h = (void *)q->in_bytes;

	if (len)
		memcpy(tail, c->tail, len);
	if (c->creates)
		len += extensions(tail + len, who->label, who->value, who->len, who->groups, who->ngroups);
	rig_fill(rig, q, c->opcode, NODE, c->in, c->in_len, tail, len, 4096);
	h->uid = who->uid;
	h->gid = who->gid;
	rig_serve(rig, q);
	rig_wait(q);
	return rig_error(q);
}

static void check_owner(uint32_t opcode, uint32_t uid, uint32_t gid)
{
	const void *out = rig_data(q);
	struct fuse_attr attr;

	if (opcode == GRAFT_OP_STATX) {
		const struct fuse_statx_out *stat = out;
		assert_int_equal(stat->stat.uid, uid);
		assert_int_equal(stat->stat.gid, gid);
		return;
	}
	if (opcode == FUSE_GETATTR || opcode == FUSE_SETATTR)
		attr = ((const struct fuse_attr_out *)out)->attr;
	else
		attr = ((const struct fuse_entry_out *)out)->attr;
	assert_int_equal(attr.uid, uid);
	assert_int_equal(attr.gid, gid);
}

static void test_attributes(void **state)
{
	static const uint32_t owners[][4] = { { 101005, 201007, 1005, 1007 },
					      { 0, 0, 65534, 0 },
					      { 101100, 201000, 101100, 201000 },
					      { NONE, NONE, NONE, NONE } };
	(void)state;

	start(false);
	for (size_t i = 0; i < 2 * NCALLS; i++) {
		const struct call *c = &calls[i / 2];
		store.async = i % 2;
		for (size_t k = 0; k < 4; k++) {
			store.owner = owners[k][0];
			store.group = owners[k][1];
			assert_int_equal(call_as(c, &usual), 0);
			check_owner(c->opcode, owners[k][2], owners[k][3]);
		}
		store.error = -EIO;
		assert_int_equal(call_as(c, &usual), -EIO);
		store.error = 0;
	}
}

static void test_callers(void **state)
{
	static const uint32_t groups[] = { 1001, 5, 1050, 5001 }, bad[] = { 1001, 667 };
	static const struct {
		struct caller who;
		int error;
		uint32_t uid, gid;
	} rows[] = {
		{ { 1000, 1001, groups, 4, 0, 0, 0 }, 0, 101000, 201001 },
		{ { 1000, 1001, NULL, 0, 0, 0, 0 }, 0, 101000, 201001 },
		{ { 1000, 1001, groups, 0, 0, 0, 0 }, 0, 101000, 201001 },
		{ { 0, 0, NULL, 0, 0, 0, 0 }, 0, 0, 0 },
		{ { 1099, 5000, NULL, 0, 0, 0, 0 }, 0, 101099, 77 },
		{ { NONE, NONE, NULL, 0, 0, 0, 0 }, 0, NONE, NONE },
		{ { 666, 1001, NULL, 0, 0, 0, 0 }, -EPERM, 0, 0 },
		{ { 1000, 667, NULL, 0, 0, 0, 0 }, -EPERM, 0, 0 },
		{ { 1000, 1001, bad, 2, 0, 0, 0 }, -EPERM, 0, 0 },
	};
	(void)state;

	start(false);
	for (size_t i = 0; i < 2 * NCALLS; i++) {
		const struct call *c = &calls[i / 2];
		store.async = i % 2;
		for (size_t k = 0; c->creates && k < sizeof(rows) / sizeof(rows[0]); k++) {
			store.calls = 0;
			assert_int_equal(call_as(c, &rows[k].who), rows[k].error);
			assert_int_equal(store.calls, rows[k].error ? 0 : 1);
			if (rows[k].error)
				continue;
			assert_int_equal(store.uid, rows[k].uid);
			assert_int_equal(store.gid, rows[k].gid);
			assert_int_equal(store.ngroups, rows[k].who.ngroups);
			assert_int_equal(store.has_groups, rows[k].who.groups != NULL);
		}
	}
	assert_int_equal(call_as(&calls[NCALLS - 1], &rows[0].who), 0);
	const uint32_t host[] = { 201001, 5, 201050, 77 };
	assert_memory_equal(store.groups, host, sizeof(host));
}

/* Who only looks needs no id of the host. */
static void test_looking_is_free(void **state)
{
	const struct caller forbidden = { .uid = 666, .gid = 667 };
	(void)state;

	start(false);
	for (size_t i = 0; i < NCALLS; i++)
		assert_int_equal(call_as(&calls[i], &forbidden), calls[i].creates ? -EPERM : 0);
}

static void test_setattr(void **state)
{
	static const struct {
		uint32_t valid, uid, gid;
		int error;
		uint32_t got_uid, got_gid;
	} rows[] = {
		{ FATTR_UID | FATTR_GID, 1000, 1001, 0, 101000, 201001 },
		{ FATTR_UID, 1000, 667, 0, 101000, 667 },
		{ FATTR_GID | FATTR_MODE, 666, 5001, 0, 666, 77 },
		{ FATTR_MODE, 666, 667, 0, 666, 667 },
		{ FATTR_UID, 666, 0, -EPERM, 0, 0 },
		{ FATTR_UID | FATTR_GID, 1000, 667, -EPERM, 0, 0 },
		{ FATTR_UID | FATTR_GID, NONE, NONE, 0, NONE, NONE },
	};
	(void)state;

	start(false);
	for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		size_t k = i / 2;
		struct fuse_setattr_in in = {
			.valid = rows[k].valid, .uid = rows[k].uid, .gid = rows[k].gid, .mode = 7
		};
		const struct call c = { FUSE_SETATTR, &in, sizeof(in), NULL, 0, false };
		store.async = i % 2;
		store.calls = 0;
		assert_int_equal(call_as(&c, &usual), rows[k].error);
		assert_int_equal(store.calls, rows[k].error ? 0 : 1);
		if (rows[k].error)
			continue;
		assert_int_equal(store.setattr.uid, rows[k].got_uid);
		assert_int_equal(store.setattr.gid, rows[k].got_gid);
		assert_int_equal(store.setattr.mode, 7);
		check_owner(FUSE_SETATTR, 1005, 1007);
	}
}

static int may(uint32_t mask, uint32_t uid, uint32_t gid)
{
	const struct call c = { FUSE_ACCESS, &access_in, sizeof(access_in), NULL, 0, false };
	const struct caller who = { .uid = uid, .gid = gid };

	access_in.mask = mask;
	return call_as(&c, &who);
}

/* The file is 1005:1007's, as the guest sees it. */
static void test_access(void **state)
{
	(void)state;
	for (int async = 0; async < 2; async++) {
		start(false);
		store.async = async;
		store.mode = S_IFREG | 0640;
		assert_int_equal(may(R_OK | W_OK, 1005, 1), 0);
		assert_int_equal(may(X_OK, 1005, 1), -EACCES);
		assert_int_equal(may(R_OK, 1, 1007), 0);
		assert_int_equal(may(W_OK, 1, 1007), -EACCES);
		assert_int_equal(may(R_OK, 101005, 201007), -EACCES);
		assert_int_equal(may(R_OK | W_OK | X_OK, 0, 0), 0);
		/* whoever may not make anything may look */
		store.mode = S_IFREG | 0004;
		assert_int_equal(may(R_OK, 666, 667), 0);
		/* root's own files are 65534's there */
		store.owner = store.group = 0;
		store.mode = S_IFREG | 0600;
		assert_int_equal(may(W_OK, 65534, 1), 0);
		assert_int_equal(may(W_OK, 1, 1), -EACCES);
		/* the backend's own word, asked as root; nothing but whether it is there is asked as it came */
		store.error = -EROFS;
		assert_int_equal(may(W_OK, 65534, 1), -EROFS);
		assert_int_equal(store.uid, 0);
		store.error = 0;
		assert_int_equal(may(F_OK, 666, 667), 0);
		assert_int_equal(store.uid, 666);
		store.owner = 101005;
		store.group = 201007;
	}
}

static int set_value(const char *name, const void *value, uint32_t len)
{
	struct fuse_setxattr_in in = { .size = len };
	unsigned char tail[400];
	size_t at = strlen(name) + 1;

	memcpy(tail, name, at);
	if (len)
		memcpy(tail + at, value, len);
	store.calls = 0;
	return rig_call(rig, q, FUSE_SETXATTR, NODE, &in, FUSE_COMPAT_SETXATTR_IN_SIZE, tail, at + len);
}

static int get_value(const char *name, uint32_t size)
{
	struct fuse_getxattr_in in = { .size = size };

	return rig_call(rig, q, FUSE_GETXATTR, NODE, &in, sizeof(in), name, strlen(name) + 1);
}

static void test_acls(void **state)
{
	unsigned char guest[256], host[256];
	uint32_t len = make_acl(guest, 1000, 5001);
	(void)state;

	make_acl(host, 101000, 77);
	start(false);
	for (int i = 0; i < 4; i++) {
		const char *name = i % 2 ? ACCESS_ACL : DEFAULT_ACL;
		store.async = i / 2;
		make_acl(guest, 1000, 5001);
		make_acl(host, 101000, 77);
		assert_int_equal(set_value(name, guest, len), 0);
		assert_int_equal(store.value_len, len);
		assert_memory_equal(store.value, host, len);
		make_acl(store.value, 101000, 201001);
		make_acl(guest, 1000, 1001);
		assert_int_equal(get_value(name, 0), 0);
		assert_int_equal(((const struct fuse_getxattr_out *)rig_data(q))->size, len);
		assert_int_equal(get_value(name, 200), 0);
		assert_int_equal(rig_data_len(q), len);
		assert_memory_equal(rig_data(q), guest, len);
		assert_int_equal(get_value(name, len), 0);
		assert_int_equal(get_value(name, len - 1), -ERANGE);
		store.error = -ENODATA;
		assert_int_equal(get_value(name, len), -ENODATA);
		store.error = 0;
		make_acl(guest, 666, 1);
		assert_int_equal(set_value(name, guest, len), -EPERM);
		make_acl(guest, 1, 667);
		assert_int_equal(set_value(name, guest, len), -EPERM);
		assert_int_equal(store.calls, 0);
	}
	/* other names hold other things */
	assert_int_equal(set_value("user.posix_acl_access", guest, len), 0);
	assert_memory_equal(store.value, guest, len);
	assert_int_equal(get_value("user.posix_acl_access", len), 0);
	assert_memory_equal(rig_data(q), guest, len);
}

static void test_bad_acls(void **state)
{
	unsigned char acl[256];
	uint32_t len = make_acl(acl, 1000, 1001);
	(void)state;

	start(false);
	for (uint32_t cut = 0; cut < len; cut++) {
		int want = cut == 0 || (cut >= 4 && (cut - 4) % 8 == 0) ? 0 : -EINVAL;
		assert_int_equal(set_value(ACCESS_ACL, acl, cut), want);
		assert_int_equal(store.calls, want ? 0 : 1);
		make_acl(store.value, 101000, 201001);
		store.value_len = cut;
		assert_int_equal(get_value(ACCESS_ACL, 200), want);
	}
	static const uint16_t tags[] = { 0, 3, 5, 9, 64, 0xffff };
	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
		put_entry_of_acl(acl, 3, tags[i], 1);
		assert_int_equal(set_value(ACCESS_ACL, acl, len), -EINVAL);
	}
	make_acl(acl, 1000, 1001);
	acl[0] = 1;
	assert_int_equal(set_value(ACCESS_ACL, acl, len), -EOPNOTSUPP);
}

static void test_capabilities(void **state)
{
	unsigned char guest[64], host[64];
	uint32_t len = make_cap(guest, VFS_CAP_REVISION_3, 1000);
	(void)state;

	start(false);
	make_cap(host, VFS_CAP_REVISION_3, 101000);
	assert_int_equal(set_value("security.capability", guest, len), 0);
	assert_memory_equal(store.value, host, len);
	assert_int_equal(get_value("security.capability", 64), 0);
	assert_memory_equal(rig_data(q), guest, len);
	make_cap(guest, VFS_CAP_REVISION_3, 666);
	assert_int_equal(set_value("security.capability", guest, len), -EPERM);
	assert_int_equal(set_value("security.capability", guest, len - 1), -EINVAL);
	/* what has no root user, and what is none at all, are not this layer's */
	for (uint32_t revision = VFS_CAP_REVISION_1; revision <= VFS_CAP_REVISION_2; revision += VFS_CAP_REVISION_1) {
		len = make_cap(guest, revision, 666);
		assert_int_equal(set_value("security.capability", guest, len), 0);
		assert_memory_equal(store.value, guest, len);
	}
	assert_int_equal(set_value("security.capability", guest, 3), 0);
	assert_int_equal(set_value("security.capability", guest, 0), 0);
}

/* A client may put any attribute into a new object's context. */
static void test_contexts(void **state)
{
	unsigned char guest[256], host[256];
	uint32_t len = make_acl(guest, 1000, 1001);
	struct caller who = { .uid = 1000, .gid = 1001, .label = DEFAULT_ACL, .value = guest, .len = len };
	(void)state;

	start(false);
	make_acl(host, 101000, 201001);
	for (size_t i = 0; i < NCALLS; i++) {
		if (!calls[i].creates)
			continue;
		assert_int_equal(call_as(&calls[i], &who), 0);
		assert_string_equal(store.context, DEFAULT_ACL);
		assert_memory_equal(store.value, host, len);
	}
	who.label = "security.selinux";
	assert_int_equal(call_as(&calls[NCALLS - 1], &who), 0);
	assert_memory_equal(store.value, guest, len);
	who.label = "security.capability";
	who.len = make_cap(guest, VFS_CAP_REVISION_3, 666);
	assert_int_equal(call_as(&calls[NCALLS - 1], &who), -EPERM);
	who.label = ACCESS_ACL;
	who.len = 5;
	assert_int_equal(call_as(&calls[NCALLS - 1], &who), -EOPNOTSUPP);
}

static void test_entries(void **state)
{
	struct fuse_read_in in = { .size = 4096 };
	(void)state;

	start(false);
	for (int async = 0; async < 2; async++) {
		store.async = async;
		assert_int_equal(rig_call(rig, q, FUSE_READDIRPLUS, NODE, &in, sizeof(in), NULL, 0), 0);
		const struct fuse_direntplus *e = rig_data(q);
		assert_int_equal(e->entry_out.attr.uid, 1005);
		assert_int_equal(e->entry_out.attr.gid, 1007);
		assert_int_equal(rig_call(rig, q, FUSE_READDIR, NODE, &in, sizeof(in), NULL, 0), 0);
		assert_int_equal(((const struct fuse_dirent *)rig_data(q))->namelen, 1);
	}
}

/* Which operations go past the layer: all but those it changes, and with rules of one direction half of these. */
static void test_left_alone(void **state)
{
	static const uint32_t both[] = {
		FUSE_SETATTR, FUSE_CREATE, FUSE_TMPFILE, FUSE_MKDIR, FUSE_MKNOD, FUSE_SYMLINK
	};
	static const uint32_t shown[] = { FUSE_LOOKUP, FUSE_GETATTR,  FUSE_LINK,
					  FUSE_ACCESS, FUSE_GETXATTR, GRAFT_OP_STATX };
	static const char *const one_way[] = { "guest:0:5:5", "host:5:0:5" };
	(void)state;

	for (int rules = 0; rules < 3; rules++) {
		bool has[GRAFT_OP_COUNT] = { false };
		for (size_t i = 0; i < 6; i++) {
			has[both[i]] = true;
			has[shown[i]] = rules != 1;
		}
		has[FUSE_SETXATTR] = rules != 2;
		if (rules)
			settings = (struct im_settings){ .gid = { &one_way[rules - 1], 1 } };
		start(false);
		for (size_t i = 0; i < sizeof(served) / sizeof(served[0]); i++) {
			struct mount_route r = rig->server->mounts.first->routes[1][served[i]];
			assert_int_equal(r.member, has[served[i]] ? 1 : 2);
		}
	}
	assert_null(graft_plugin_v1.ops[FUSE_READ]);
	assert_null(graft_plugin_v1.ops[FUSE_WRITE]);
}

/* One over another: what the outer makes of an id is the inner's guest. */
static void test_two_layers(void **state)
{
	static const char *const in[] = { "map:101000:500000:1000", "host:0:7:1" };
	unsigned char guest[256], host[256];
	uint32_t len = make_acl(guest, 1000, 3);
	(void)state;

	inner_settings = (struct im_settings){ .uid = { in, 2 } };
	for (int async = 0; async < 2; async++) {
		start(true);
		store.async = async;
		store.owner = 500005;
		for (size_t i = 0; i < NCALLS; i++) {
			assert_int_equal(call_as(&calls[i], &usual), 0);
			check_owner(calls[i].opcode, 1005, 1007);
			if (calls[i].creates)
				assert_int_equal(store.uid, 500000);
		}
		make_acl(host, 500000, 3);
		assert_int_equal(set_value(ACCESS_ACL, guest, len), 0);
		assert_memory_equal(store.value, host, len);
		assert_int_equal(get_value(ACCESS_ACL, 100), 0);
		assert_memory_equal(rig_data(q), guest, len);
		store.mode = S_IFREG | 0600;
		assert_int_equal(may(R_OK, 1005, 5), 0);
		assert_int_equal(may(R_OK, 1006, 5), -EACCES);
	}
}

static void refuse(struct im_settings set, const char *why)
{
	settings = set;
	plain_refuses(&layer, &backend, why);
}

static void test_settings(void **state)
{
	static const char *const bad[] = { "map:1:2:3", "nope:1:2:3" }, *const twice[] = { "guest:5:5:1" };
	(void)state;

	refuse((struct im_settings){ 0 },
	       "[mount web]: plugin idmap: there are no rules; give uid, gid, subid or squash-to");
	refuse((struct im_settings){ .uid = { bad, 2 } }, "plugin idmap: uid = nope:1:2:3: 'nope' is no type of rule");
	refuse((struct im_settings){ .gid = { bad + 1, 1 } }, "gid = nope:1:2:3: 'nope'");
	refuse((struct im_settings){ .squash_to = "1" }, "squash-to = 1: '1' is not UID:GID");
	refuse((struct im_settings){ .uid = { twice, 1 }, .squash_to = "1:2" },
	       "squash-to = 1:2: guest ids 5 to 5 have a rule already");
	refuse((struct im_settings){ .subid = "a:b" }, "subid = a:b: 'a:b' is neither the name nor the number");
	refuse((struct im_settings){ .subid = "4000000001" }, "subid = 4000000001: /etc/sub");
	settings = (struct im_settings){ .squash_to = "31:32" };
	start(false);
	assert_int_equal(call_as(&calls[NCALLS - 1], &usual), 0);
	assert_int_equal(store.uid, 31);
	assert_int_equal(store.gid, 32);
	check_owner(FUSE_SYMLINK, 101005, 201007);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_attributes), TEST(test_callers), TEST(test_looking_is_free), TEST(test_setattr),
		TEST(test_access),     TEST(test_acls),    TEST(test_bad_acls),        TEST(test_capabilities),
		TEST(test_contexts),   TEST(test_entries), TEST(test_left_alone),      TEST(test_two_layers),
		TEST(test_settings),
	};
	return cmocka_run_group_tests_name("idmap-layer", tests, NULL, NULL);
}
