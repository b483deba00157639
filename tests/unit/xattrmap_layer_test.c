/* SPDX-License-Identifier: Apache-2.0 */
/* The xattrmap layer over a backend that keeps one list of attributes, in the server's own stack. */
#include "layer_plain.h"
#include "server_rig.h"
#include "plugins/xattrmap/xattrmap.h"

#include "lib/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define FILE_NODE (1ull << 48 | 2)
#define DIR_NODE (1ull << 48 | 3)
#define CAP "user.v.security.capability"
#define ATTRS 400
#define ACLS (FUSE_POSIX_ACL | FUSE_DONT_MASK | FUSE_SETXATTR_EXT)

extern const struct graft_plugin graft_plugin_v1;

/* The backend: names without values, what was called, answers that a test wants. */
static struct {
	char names[ATTRS][256];
	size_t n;
	char trace[4096];
	char context[256];
	bool async;
	int remove_error, write_error, getattr_error;
	uint64_t fh;
	int lists;
} store;

static struct rig *rig;
static struct rig_request *q;
static struct graft_plugin layer, inner, backend;
static graft_op *ops[GRAFT_OP_COUNT];
static const char *rules[4];
static struct xm_settings settings, inner_settings;

static void note(const char *what, const char *name)
{
	size_t len = strlen(store.trace);

	snprintf(store.trace + len, sizeof(store.trace) - len, "%s%s%s%s", len ? " " : "", what, name ? "=" : "",
		 name ? name : "");
}

static size_t find(const char *name)
{
	size_t i = 0;

	while (i < store.n && strcmp(store.names[i], name) != 0)
		i++;
	return i;
}

static void add(const char *name)
{
	if (find(name) == store.n)
		snprintf(store.names[store.n++], sizeof(store.names[0]), "%s", name);
}

static int list(const struct graft_req *req, const struct graft_host *host)
{
	uint32_t want = ((const struct fuse_getxattr_in *)req->in)->size;
	uint64_t len = 0;
	int res = 0;

	for (size_t i = 0; i < store.n; i++)
		len += strlen(store.names[i]) + 1;
	if (!want)
		((struct fuse_getxattr_out *)req->out)->size = (uint32_t)len;
	if (!want || len > want)
		return want ? -ERANGE : 0;
	for (size_t i = 0; i < store.n && !res; i++)
		res = host->put((struct graft_req *)req, store.names[i], strlen(store.names[i]) + 1);
	return res;
}

static int answer(struct graft_inst *inst, struct graft_req *req)
{
	struct fuse_attr_out *attr = req->out;
	struct fuse_entry_out *entry = req->out;
	size_t at = req->name ? find(req->name) : 0;
	(void)inst;

	switch (req->opcode) {
	case FUSE_GETXATTR:
		note("get", req->name);
		if (at == store.n)
			return -ENODATA;
		if (!((const struct fuse_getxattr_in *)req->in)->size)
			((struct fuse_getxattr_out *)req->out)->size = 3;
		return ((const struct fuse_getxattr_in *)req->in)->size ? plain_host->put(req, "val", 3) : 0;
	case FUSE_SETXATTR:
		note("set", req->name);
		add(req->name);
		return 0;
	case FUSE_REMOVEXATTR:
		note("remove", req->name);
		if (store.remove_error)
			return store.remove_error;
		if (at == store.n)
			return -ENODATA;
		memmove(store.names[at], store.names[at + 1], (ATTRS - at - 1) * sizeof(store.names[0]));
		store.n--;
		return 0;
	case FUSE_LISTXATTR:
		store.lists++;
		return list(req, plain_host);
	case FUSE_GETATTR:
		note("getattr", NULL);
		attr->attr.mode = req->node == 2 ? S_IFREG : S_IFDIR;
		return store.getattr_error;
	case FUSE_SETATTR:
		note("setattr", NULL);
		attr->attr.mode = S_IFREG;
		return 0;
	case FUSE_OPEN:
		note("open", NULL);
		((struct fuse_open_out *)req->out)->fh = store.fh;
		return 0;
	case FUSE_WRITE:
		note("write", NULL);
		return store.write_error;
	case FUSE_FALLOCATE:
		note("fallocate", NULL);
		return 0;
	case FUSE_COPY_FILE_RANGE:
		note("copy", NULL);
		return 0;
	default: /* what makes objects */
		note("create", req->secctx_name);
		entry->nodeid = 2;
		entry->attr.mode = S_IFREG;
		if (req->opcode == FUSE_CREATE)
			((struct fuse_open_out *)(void *)(entry + 1))->fh = store.fh;
		return 0;
	}
}

static int backend_op(struct graft_inst *inst, struct graft_req *req)
{
	return store.async ? plain_host->defer(req, answer) : answer(inst, req);
}

static void backend_features(struct graft_inst *inst, struct graft_features *f)
{
	(void)inst;
	f->can = UINT64_MAX;
	f->want = FUSE_SECURITY_CTX | ACLS;
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

static int set_up(void **state)
{
	static const uint32_t served[] = { FUSE_GETXATTR,  FUSE_SETXATTR,        FUSE_REMOVEXATTR,
					   FUSE_LISTXATTR, FUSE_GETATTR,         FUSE_SETATTR,
					   FUSE_OPEN,      FUSE_WRITE,           FUSE_CREATE,
					   FUSE_MKDIR,     FUSE_COPY_FILE_RANGE, FUSE_FALLOCATE,
					   FUSE_MKNOD,     FUSE_SYMLINK,         FUSE_TMPFILE };
	(void)state;

	memset(&store, 0, sizeof(store));
	for (size_t i = 0; i < sizeof(served) / sizeof(served[0]); i++)
		ops[served[i]] = backend_op;
	layer = inner = graft_plugin_v1;
	layer.create = layer_create;
	inner.create = inner_create;
	backend = plain_backend(ops, backend_features);
	q = rig_request_new();
	rig = NULL;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	rig_request_free(q);
	if (rig)
		rig_free(rig);
	return 0;
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

static void start(const char *map, uint64_t flags)
{
	static const struct rig_mount mount = { "web", "/", { &layer, &backend } };

	rules[0] = map;
	settings.map = (struct graft_list){ rules, 1 };
	rig = rig_new(&mount, 1);
	assert_int_equal(rig_init(rig, flags), 0);
}

static int named(uint32_t opcode, uint64_t node, const char *name, uint32_t size)
{
	struct fuse_getxattr_in get = { .size = size };
	struct fuse_setxattr_in set = { .size = 1 };
	char tail[600];
	size_t len = (size_t)snprintf(tail, sizeof(tail) - 1, "%s", name) + 1;

	store.trace[0] = '\0';
	if (opcode == FUSE_GETXATTR)
		return rig_call(rig, q, opcode, node, &get, sizeof(get), tail, len);
	if (opcode == FUSE_REMOVEXATTR)
		return rig_call(rig, q, opcode, node, NULL, 0, tail, len);
	tail[len++] = 'v';
	return rig_call(rig, q, opcode, node, &set, FUSE_COMPAT_SETXATTR_IN_SIZE, tail, len);
}

static const struct {
	const char *rules, *name;
	int get, set, remove; /* errors; 0: below the layer */
	const char *below;    /* the name there */
} names[] = {
	{ ":map::user.v.:", "user.a", 0, 0, 0, "user.v.user.a" },
	{ ":map::user.v.:", "a", 0, 0, 0, "user.v.a" },
	{ "/map/trusted./user.v./", "trusted.a", 0, 0, 0, "user.v.trusted.a" },
	{ "/map/trusted./user.v./", "user.a", 0, 0, 0, "user.a" },
	{ "/map/trusted./user.v./", "user.v.trusted.a", -ENODATA, -EPERM, -EPERM, NULL },
	{ ":unsupported:client:user.:: :ok:all:::", "user.a", -EOPNOTSUPP, -EOPNOTSUPP, -EOPNOTSUPP, NULL },
	{ ":ok:client:user.::", "user.a", 0, 0, 0, "user.a" },
	/* the implicit end */
	{ ":ok:client:user.::", "trusted.a", -ENODATA, -EPERM, -EPERM, NULL },
	{ ":prefix:all:::", "user.a", 0, 0, 0, "user.a" },
	/* ACLs without a client that enforces them; whole names only */
	{ ":map::user.v.:", "system.posix_acl_access", -EOPNOTSUPP, -EOPNOTSUPP, -EOPNOTSUPP, NULL },
	{ ":ok:all:::", "system.posix_acl_default", -EOPNOTSUPP, -EOPNOTSUPP, -EOPNOTSUPP, NULL },
	{ ":ok:all:::", "system.", 0, 0, 0, "system." },
	{ ":ok:all:::", "s", 0, 0, 0, "s" },
	/* bytes */
	{ ":map:\xc3\xa9:user.\xff.:", "\xc3\xa9\x80", 0, 0, 0, "user.\xff.\xc3\xa9\x80" },
};

static void check_below(const char *op, const char *name)
{
	char want[300];

	snprintf(want, sizeof(want), "%s=%s", op, name);
	if (!strstr(store.trace, want))
		fail_msg("\"%s\" lacks \"%s\"", store.trace, want);
}

static void test_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * sizeof(names) / sizeof(names[0]); i++) {
		size_t k = i / 2;
		start(names[k].rules, 0);
		store.async = i % 2;
		assert_int_equal(named(FUSE_SETXATTR, DIR_NODE, names[k].name, 0), names[k].set);
		if (names[k].below)
			check_below("set", names[k].below);
		assert_int_equal(named(FUSE_GETXATTR, DIR_NODE, names[k].name, 10), names[k].get);
		if (names[k].below) {
			check_below("get", names[k].below);
			assert_int_equal(rig_data_len(q), 3);
		}
		assert_int_equal(named(FUSE_GETXATTR, DIR_NODE, names[k].name, 0), names[k].get);
		assert_int_equal(named(FUSE_REMOVEXATTR, DIR_NODE, names[k].name, 0), names[k].remove);
		if (names[k].below)
			check_below("remove", names[k].below);
		assert_int_equal(store.n, 0);
		rig_free(rig);
		rig = NULL;
	}
}

static void test_long_names(void **state)
{
	char name[256];
	(void)state;

	memset(name, 'x', 248);
	name[248] = '\0';
	start(":map::user.v.:", 0);
	assert_int_equal(named(FUSE_SETXATTR, DIR_NODE, name, 0), 0);
	assert_int_equal(strlen(store.names[0]), 255);
	memset(name, 'x', 249);
	name[249] = '\0';
	assert_int_equal(named(FUSE_SETXATTR, DIR_NODE, name, 0), -ERANGE);
	assert_int_equal(named(FUSE_GETXATTR, DIR_NODE, name, 0), -ERANGE);
}

static int list_names(uint32_t size)
{
	struct fuse_getxattr_in in = { .size = size };

	return rig_call(rig, q, FUSE_LISTXATTR, DIR_NODE, &in, sizeof(in), NULL, 0);
}

/* want: names with a blank behind each. */
static void check_list(const char *want)
{
	size_t len = strlen(want);
	char got[1024] = "";

	assert_int_equal(list_names(0), 0);
	assert_int_equal(((const struct fuse_getxattr_out *)rig_data(q))->size, len);
	if (!len)
		return;
	assert_int_equal(list_names((uint32_t)len - 1), -ERANGE);
	for (uint32_t room = (uint32_t)len; room < len + 8; room += 7) {
		assert_int_equal(list_names(room), 0);
		assert_int_equal(rig_data_len(q), len);
		memcpy(got, rig_data(q), len);
		for (size_t i = 0; i < len; i++)
			got[i] = got[i] ? got[i] : ' ';
		got[len] = '\0';
		assert_string_equal(got, want);
	}
}

static void test_lists(void **state)
{
	static const struct {
		const char *rules, *list;
		uint64_t flags;
	} rows[] = {
		{ ":map::user.v.:", "user.a trusted.b ", 0 },
		{ ":map::user.v.:", "user.a trusted.b system.posix_acl_access ", ACLS },
		{ "/map/trusted./user.v./", "user.a trusted.b user.c s ", 0 },
		{ ":ok:all:::",
		  "user.v.user.a user.v.trusted.b user.c user.v.system.posix_acl_access trusted.z user.v. s ", 0 },
		{ ":unsupported:server::user.: :ok:all:::", "trusted.z s ", 0 },
		{ ":ok:client:::", "", 0 },
		{ ":prefix:server::user.c: :bad:all:::", "", 0 },
	};
	(void)state;

	for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		start(rows[i / 2].rules, rows[i / 2].flags);
		store.n = 0;
		store.async = i % 2;
		add("user.v.user.a");
		add("user.v.trusted.b");
		add("user.c");
		add("user.v.system.posix_acl_access");
		add("trusted.z");
		add("user.v.");
		add("s");
		check_list(rows[i / 2].list);
		rig_free(rig);
		rig = NULL;
	}
}

/* More than the first room of the layer's. */
static void test_long_list(void **state)
{
	char name[64];
	(void)state;

	start(":map::user.v.:", 0);
	for (int i = 0; i < ATTRS - 1; i++) {
		snprintf(name, sizeof(name), "%s%027d", i % 2 ? "user.v." : "trusted.", i);
		add(name);
	}
	assert_int_equal(list_names(0), 0);
	uint32_t len = ((const struct fuse_getxattr_out *)rig_data(q))->size;
	assert_int_equal(len, (ATTRS - 1) / 2 * 28);
	assert_int_equal(store.lists, 2);
	assert_int_equal(list_names(len), 0);
	assert_int_equal(rig_data_len(q), len);
	/* Who comes with much room is asked for once, so a layer above another costs no more than one. */
	assert_int_equal(store.lists, 3);
	assert_int_equal(list_names(len - 1), -ERANGE);
}

static int write_file(uint64_t node, uint64_t fh)
{
	struct fuse_write_in in = { .fh = fh, .size = 1 };

	store.trace[0] = '\0';
	return rig_call(rig, q, FUSE_WRITE, node, &in, sizeof(in), "x", 1);
}

static void test_write(void **state)
{
	(void)state;
	for (int async = 0; async < 2; async++) {
		start(":map::user.v.:", 0);
		store.async = async;
		assert_int_equal(named(FUSE_SETXATTR, FILE_NODE, "security.capability", 0), 0);
		assert_string_equal(store.trace, "set=" CAP);
		/* once for each handle */
		assert_int_equal(write_file(FILE_NODE, 7), 0);
		assert_string_equal(store.trace, "remove=" CAP " write");
		assert_int_equal(store.n, 0);
		assert_int_equal(write_file(FILE_NODE, 7), 0);
		assert_string_equal(store.trace, "write");
		assert_int_equal(write_file(FILE_NODE, 8), 0);
		assert_string_equal(store.trace, "remove=" CAP " write");
		/* until it is set again */
		assert_int_equal(named(FUSE_SETXATTR, FILE_NODE, "security.capability", 0), 0);
		assert_int_equal(write_file(FILE_NODE, 7), 0);
		assert_string_equal(store.trace, "remove=" CAP " write");
		assert_int_equal(store.n, 0);
		/* a failure keeps the file as it is, and is no mark */
		store.remove_error = -EIO;
		assert_int_equal(write_file(FILE_NODE, 9), -EIO);
		assert_string_equal(store.trace, "remove=" CAP);
		store.remove_error = -EOPNOTSUPP;
		assert_int_equal(write_file(FILE_NODE, 9), 0);
		store.remove_error = 0;
		assert_int_equal(write_file(FILE_NODE, 9), 0);
		assert_string_equal(store.trace, "write");
		rig_free(rig);
		rig = NULL;
	}
}

static int open_file(uint32_t flags)
{
	struct fuse_open_in in = { .flags = flags };

	store.trace[0] = '\0';
	return rig_call(rig, q, FUSE_OPEN, FILE_NODE, &in, sizeof(in), NULL, 0);
}

static void test_open(void **state)
{
	struct fuse_create_in create = { .flags = O_RDWR, .mode = S_IFREG };
	(void)state;

	start(":map::user.v.:", 0);
	assert_int_equal(rig->server->mounts.first->can & FUSE_NO_OPEN_SUPPORT, 0);
	store.fh = 7;
	assert_int_equal(open_file(O_RDWR), 0);
	assert_string_equal(store.trace, "open");
	assert_int_equal(write_file(FILE_NODE, 7), 0);
	assert_string_equal(store.trace, "remove=" CAP " write");
	/* a number that comes again is another file's, for all we know */
	assert_int_equal(open_file(O_RDWR), 0);
	assert_int_equal(write_file(FILE_NODE, 7), 0);
	assert_string_equal(store.trace, "remove=" CAP " write");
	store.trace[0] = '\0';
	assert_int_equal(rig_call(rig, q, FUSE_CREATE, DIR_NODE, &create, sizeof(create), "f", 2), 0);
	assert_int_equal(write_file(FILE_NODE, 7), 0);
	assert_string_equal(store.trace, "remove=" CAP " write");
	assert_int_equal(open_file(O_WRONLY | O_TRUNC), 0);
	assert_string_equal(store.trace, "remove=" CAP " open");
}

static int set_attr(uint64_t node, uint32_t valid)
{
	struct fuse_setattr_in in = { .valid = valid };

	store.trace[0] = '\0';
	return rig_call(rig, q, FUSE_SETATTR, node, &in, sizeof(in), NULL, 0);
}

static void test_other_changes(void **state)
{
	static const struct {
		uint64_t node;
		uint32_t valid;
		const char *trace;
	} rows[] = {
		{ FILE_NODE, FATTR_SIZE, "remove=" CAP " setattr" },
		{ FILE_NODE, FATTR_UID, "getattr remove=" CAP " setattr" },
		{ FILE_NODE, FATTR_GID | FATTR_MODE, "getattr remove=" CAP " setattr" },
		{ FILE_NODE, FATTR_UID | FATTR_SIZE, "remove=" CAP " setattr" },
		{ DIR_NODE, FATTR_UID, "getattr setattr" },
		{ FILE_NODE, FATTR_MODE | FATTR_MTIME, "setattr" },
	};
	struct fuse_fallocate_in allocate = { .fh = 3, .length = 1 };
	struct fuse_copy_file_range_in copy = { .fh_in = 1, .nodeid_out = FILE_NODE, .fh_out = 4, .len = 1 };
	(void)state;

	for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		start(":map::user.v.:", 0);
		store.async = i % 2;
		assert_int_equal(set_attr(rows[i / 2].node, rows[i / 2].valid), 0);
		assert_string_equal(store.trace, rows[i / 2].trace);
		rig_free(rig);
	}
	start(":map::user.v.:", 0);
	store.async = false;
	store.getattr_error = -ESTALE;
	assert_int_equal(set_attr(FILE_NODE, FATTR_UID), -ESTALE);
	store.getattr_error = 0;
	store.trace[0] = '\0';
	assert_int_equal(rig_call(rig, q, FUSE_FALLOCATE, FILE_NODE, &allocate, sizeof(allocate), NULL, 0), 0);
	assert_int_equal(rig_call(rig, q, FUSE_COPY_FILE_RANGE, DIR_NODE, &copy, sizeof(copy), NULL, 0), 0);
	assert_int_equal(rig_call(rig, q, FUSE_COPY_FILE_RANGE, DIR_NODE, &copy, sizeof(copy), NULL, 0), 0);
	assert_string_equal(store.trace, "remove=" CAP " fallocate remove=" CAP " copy copy");
	/* every other attribute that is set, of regular files; as virtiofsd */
	assert_int_equal(named(FUSE_SETXATTR, FILE_NODE, "user.a", 0), 0);
	assert_string_equal(store.trace, "getattr remove=" CAP " set=user.v.user.a");
	assert_int_equal(named(FUSE_SETXATTR, DIR_NODE, "user.a", 0), 0);
	assert_string_equal(store.trace, "getattr set=user.v.user.a");
}

/* Where the host's kernel sees the capability itself, none of this happens, and the layer is not even asked. */
static void test_left_alone(void **state)
{
	static const char *const maps[] = { ":ok:all:::", ":map:trusted.:user.v.:", ":bad:client:security.:: :map::p:",
					    ":prefix:server:::" };
	static const uint32_t left[] = { FUSE_WRITE, FUSE_SETATTR, FUSE_OPEN, FUSE_FALLOCATE, FUSE_COPY_FILE_RANGE };
	(void)state;

	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
		start(maps[i], 0);
		for (size_t k = 0; k < sizeof(left) / sizeof(left[0]); k++)
			assert_int_equal(rig->server->mounts.first->routes[0][left[k]].member, 1);
		assert_int_equal(rig->server->mounts.first->routes[0][FUSE_READ].member, MOUNT_ABSENT);
		assert_int_equal(write_file(FILE_NODE, 1), 0);
		assert_string_equal(store.trace, "write");
		rig_free(rig);
		rig = NULL;
	}
}

/* A server that knows nothing of `leaves` calls the layer for them all. */
static void test_older_server(void **state)
{
	(void)state;
	layer.features = NULL;
	start(":ok:all:::", 0);
	assert_int_equal(rig->server->mounts.first->routes[0][FUSE_WRITE].member, 0);
	assert_int_equal(write_file(FILE_NODE, 1), 0);
	assert_string_equal(store.trace, "write");
	assert_int_equal(open_file(O_TRUNC), 0);
	assert_int_equal(set_attr(FILE_NODE, FATTR_SIZE | FATTR_UID), 0);
	assert_string_equal(store.trace, "setattr");
}

static int make_dir(const char *label)
{
	struct {
		struct fuse_mkdir_in in;
		char name[2];
		char rest[600];
	} __attribute__((packed)) m = { .in = { .mode = 0755 }, .name = "d" };
	struct fuse_secctx ctx = { .size = 3 };
	size_t label_len = strlen(label) + 1;
	struct fuse_ext_header head = { .size = (uint32_t)(sizeof(head) + ((sizeof(ctx) + label_len + 3 + 7) & ~7ul)),
					.type = 1 };

	memcpy(m.rest, &head, sizeof(head));
	memcpy(m.rest + sizeof(head), &ctx, sizeof(ctx));
	memcpy(m.rest + sizeof(head) + sizeof(ctx), label, label_len);
	memcpy(m.rest + sizeof(head) + sizeof(ctx) + label_len, "ctx", 3);
	store.trace[0] = '\0';
	return rig_call(rig, q, FUSE_MKDIR, DIR_NODE, &m, sizeof(m.in) + 2 + head.size, NULL, 0);
}

static void test_security_context(void **state)
{
	(void)state;
	for (int async = 0; async < 2; async++) {
		start(":map:security.selinux:trusted.v.:", FUSE_SECURITY_CTX);
		store.async = async;
		assert_int_equal(make_dir("security.selinux"), 0);
		assert_string_equal(store.trace, "create=trusted.v.security.selinux");
		assert_int_equal(make_dir("security.smack"), 0);
		assert_string_equal(store.trace, "create=security.smack");
		assert_int_equal(make_dir("trusted.v.x"), -EPERM);
		assert_string_equal(store.trace, "");
		rig_free(rig);
	}
	store.async = false;
	start(":unsupported:client:security.:: :ok:all:::", FUSE_SECURITY_CTX);
	assert_int_equal(make_dir("security.selinux"), -EOPNOTSUPP);
	assert_int_equal(make_dir("system.posix_acl_access"), -EOPNOTSUPP);
}

/* One layer over another: each sees what the one above made of it. */
static void test_two_layers(void **state)
{
	static const struct rig_mount mount = { "web", "/", { &layer, &inner, &backend } };
	static const char *const outer[] = { ":map::user.v.:" }, *const in[] = { ":map:user.v.security.:trusted.w.:" };
	(void)state;

	settings.map = (struct graft_list){ outer, 1 };
	inner_settings.map = (struct graft_list){ in, 1 };
	rig = rig_new(&mount, 1);
	assert_int_equal(rig_init(rig, 0), 0);
	assert_int_equal(named(FUSE_SETXATTR, FILE_NODE, "security.capability", 0), 0);
	assert_string_equal(store.trace, "set=trusted.w." CAP);
	assert_int_equal(named(FUSE_SETXATTR, DIR_NODE, "user.a", 0), 0);
	check_list("security.capability user.a ");
	assert_int_equal(write_file(FILE_NODE, 7), 0);
	assert_string_equal(store.trace, "remove=trusted.w." CAP " write");
}

static void refuse(const char *const *map, size_t n, const char *why)
{
	settings.map = (struct graft_list){ map, n };
	plain_refuses(&layer, &backend, why);
}

static void write_text(int fd, const char *text)
{
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(pwrite(fd, text, strlen(text), 0), strlen(text));
}

static void test_settings(void **state)
{
	static const struct rig_mount mount = { "web", "/", { &layer, &backend } };
	static const char *const lines[] = { ":prefix:all:trusted.:user.v.:", "/bad/all/user.v./trusted./",
					     ":ok:all:::" };
	char path[] = "/tmp/xattrmap-XXXXXX", twice[64];
	const char *file[] = { path, ":ok:all:::" }, *other[] = { twice };
	auto_close int fd = mkstemp(path);
	(void)state;

	settings.map = (struct graft_list){ lines, 3 };
	rig = rig_new(&mount, 1);
	assert_int_equal(rig_init(rig, 0), 0);
	assert_int_equal(named(FUSE_SETXATTR, DIR_NODE, "trusted.a", 0), 0);
	assert_string_equal(store.trace, "set=user.v.trusted.a");
	rig_free(rig);
	rig = NULL;
	refuse(lines + 1, 0, "map: there are no rules");
	refuse((const char *[]){ ":nope:all:::" }, 1,
	       "[mount web]: plugin xattrmap: map: rule 1: type 'nope' is none of prefix, ok, bad, unsupported and "
	       "map");
	refuse(file, 2, "stands beside other rules; give it alone");
	refuse((const char *[]){ "/nonexistent/x.xml" }, 1,
	       "map: /nonexistent/x.xml cannot be opened: No such file or directory (a path, since no rule begins with "
	       "it)");

	write_text(fd, "<xattrmap><rules>\n<prefx/></rules></xattrmap>");
	refuse(file, 1, ":2: Element 'prefx': This element is not expected");
	write_text(fd, "<xattrmap><rules><map prepend='user.v.'/></rules></xattrmap>");
	/* "//" is a path even where its first part is a type's name */
	snprintf(twice, sizeof(twice), "/%s", path);
	settings.map = (struct graft_list){ other, 1 };
	rig = rig_new(&mount, 1);
	assert_int_equal(rig_init(rig, 0), 0);
	assert_int_equal(named(FUSE_SETXATTR, DIR_NODE, "user.a", 0), 0);
	assert_string_equal(store.trace, "getattr set=user.v.user.a");
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_names),         TEST(test_long_names),
		TEST(test_lists),         TEST(test_long_list),
		TEST(test_write),         TEST(test_open),
		TEST(test_other_changes), TEST(test_left_alone),
		TEST(test_older_server),  TEST(test_security_context),
		TEST(test_two_layers),    TEST(test_settings),
	};
	return cmocka_run_group_tests_name("xattrmap-layer", tests, NULL, NULL);
}
