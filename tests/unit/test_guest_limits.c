/* SPDX-License-Identifier: Apache-2.0 */
/* What one client may hold: nodes, handles and memory of its requests, each up to its bound and again from there. */
#include "server_rig.h"

#include "server/quota.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define BIG 40000 /* bytes of a value: more than a request has room for by itself */

/* ---- a backend that keeps what it is asked for ---- */

struct kept {
	const struct graft_session *session;
	uint64_t nodes;
};

static struct {
	const struct graft_host *host;
	uint64_t open[8]; /* handles: 0 is free */
	const struct graft_session *session;
	struct graft_req *waiting[4];
	uint32_t nwaiting;
	int make_calls, release_result;
} keeper;

static int keeper_create(const struct graft_host *host, struct graft_slot *slot, const void *settings,
			 struct graft_inst **inst, struct graft_error *err)
{
	(void)slot;
	(void)settings;
	(void)err;
	keeper.host = host;
	*inst = (struct graft_inst *)&keeper;
	return 0;
}

static int keeper_start(struct graft_inst *inst, struct graft_error *err)
{
	(void)inst;
	(void)err;
	return 0;
}

static void keeper_nothing(struct graft_inst *inst)
{
	(void)inst;
}

static int keeper_session_open(struct graft_inst *inst, const struct graft_session *session, void **state)
{
	struct kept *kept = calloc(1, sizeof(*kept));

	(void)inst;
	assert_non_null(kept);
	kept->session = keeper.session = session;
	*state = kept;
	return 0;
}

static void keeper_session_close(struct graft_inst *inst, void *state)
{
	struct kept *kept = state;

	(void)inst;
	keeper.host->unclaim(kept->session, GRAFT_CLAIM_NODE, kept->nodes);
	free(kept);
}

/* Every look-up is of another node. */
static int keeper_lookup(struct graft_inst *inst, struct graft_req *req)
{
	struct fuse_entry_out *out = req->out;
	struct kept *kept = req->state;
	int res = keeper.host->claim(req->session, GRAFT_CLAIM_NODE);

	(void)inst;
	if (res)
		return res;
	out->nodeid = 2 + kept->nodes++;
	return 0;
}

static int keeper_forget(struct graft_inst *inst, struct graft_req *req)
{
	(void)inst;
	((struct kept *)req->state)->nodes--;
	keeper.host->unclaim(req->session, GRAFT_CLAIM_NODE, 1);
	return 0;
}

static int keeper_mkdir(struct graft_inst *inst, struct graft_req *req)
{
	keeper.make_calls++;
	return keeper_lookup(inst, req);
}

static int keeper_open(struct graft_inst *inst, struct graft_req *req)
{
	struct fuse_open_out *out = req->out;

	(void)inst;
	if (req->node == 99)
		return -EACCES;
	for (uint64_t i = 0; i < 8; i++) {
		if (keeper.open[i])
			continue;
		keeper.open[i] = 1;
		out->fh = i + 1;
		return 0;
	}
	return -ENFILE;
}

static int keeper_release(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_release_in *in = req->in;

	(void)inst;
	if (!in->fh || in->fh > 8 || !keeper.open[in->fh - 1])
		return -EBADF;
	keeper.open[in->fh - 1] = 0;
	return keeper.release_result;
}

static void keeper_cancel(struct graft_inst *inst, struct graft_req *req)
{
	(void)inst;
	(void)req;
}

/* Waits until the test ends it. */
static int keeper_setxattr(struct graft_inst *inst, struct graft_req *req)
{
	(void)inst;
	keeper.host->cancel(req, keeper_cancel);
	keeper.waiting[keeper.nwaiting++] = req;
	return GRAFT_ASYNC;
}

/* As much as a plugin may have. */
static int keeper_getattr(struct graft_inst *inst, struct graft_req *req)
{
	(void)inst;
	return keeper.host->alloc(req, 1 << 20) ? 0 : -ENOMEM;
}

static graft_op *const keeper_ops[GRAFT_OP_COUNT] = {
	[FUSE_LOOKUP] = keeper_lookup,	   [FUSE_FORGET] = keeper_forget,   [FUSE_MKDIR] = keeper_mkdir,
	[FUSE_OPEN] = keeper_open,	   [FUSE_OPENDIR] = keeper_open,    [FUSE_RELEASE] = keeper_release,
	[FUSE_RELEASEDIR] = keeper_release, [FUSE_SETXATTR] = keeper_setxattr, [FUSE_GETATTR] = keeper_getattr,
};

static const struct graft_plugin keeper_plugin = {
	.size = sizeof(struct graft_plugin),
	.abi_major = GRAFT_ABI_MAJOR,
	.abi_minor = GRAFT_ABI_MINOR,
	.name = "keeper",
	.version = "1",
	.summary = "keeps what it is asked for",
	.kind = GRAFT_BACKEND,
	.threads = GRAFT_PARALLEL,
	.nops = GRAFT_OP_COUNT,
	.ops = keeper_ops,
	.create = keeper_create,
	.start = keeper_start,
	.session_open = keeper_session_open,
	.session_close = keeper_session_close,
	.quiesce = keeper_nothing,
	.destroy = keeper_nothing,
};

/* ---- a client ---- */

static struct rig *rig;
static struct rig_request *q;

static void begin(const struct guest_limits *limits)
{
	const struct rig_mount mount = { "m", "/", { &keeper_plugin } };

	memset(&keeper, 0, sizeof(keeper));
	rig = rig_new(&mount, 1);
	q = rig_request_new();
	rig->door.limits = *limits;
	rig->conn->memory.max = limits->memory;
	assert_int_equal(rig_init(rig, 0), 0);
}

static int tear_down(void **state)
{
	(void)state;
	rig_request_free(q);
	rig_free(rig);
	return 0;
}

static int lookup(uint64_t *node)
{
	int res = rig_call(rig, q, FUSE_LOOKUP, 1, NULL, 0, "x", 2);

	if (!res && node)
		memcpy(node, rig_data(q), sizeof(*node));
	return res;
}

static void forget(uint64_t node)
{
	const struct fuse_forget_in in = { .nlookup = 1 };

	rig_fill(rig, q, FUSE_FORGET, node, &in, sizeof(in), NULL, 0, 0);
	rig_serve(rig, q);
	rig_wait(q);
}

static int open_node(uint64_t node, uint64_t *fh)
{
	const struct fuse_open_in in = { 0 };
	int res = rig_call(rig, q, FUSE_OPEN, node, &in, sizeof(in), NULL, 0);

	if (!res)
		memcpy(fh, rig_data(q), sizeof(*fh));
	return res;
}

static int release_node(uint64_t node, uint64_t fh)
{
	const struct fuse_release_in in = { .fh = fh };

	return rig_call(rig, q, FUSE_RELEASE, node, &in, sizeof(in), NULL, 0);
}

static int mkdir_x(void)
{
	const struct fuse_mkdir_in in = { .mode = 0755 };

	return rig_call(rig, q, FUSE_MKDIR, 1, &in, sizeof(in), "x", 2);
}

static void test_nodes(void **state)
{
	uint64_t node[3];

	(void)state;
	begin(&(struct guest_limits){ .nodes = 3 });
	for (int i = 0; i < 3; i++)
		assert_int_equal(lookup(&node[i]), 0);
	assert_int_equal(lookup(NULL), -ENFILE);
	/* What could not be told is not made. */
	assert_int_equal(mkdir_x(), -ENFILE);
	assert_int_equal(keeper.make_calls, 0);
	forget(node[2]);
	assert_int_equal(mkdir_x(), 0);
	assert_int_equal(keeper.make_calls, 1);
	assert_int_equal(lookup(NULL), -ENFILE);
	/* The next session begins with none. */
	assert_int_equal(rig_init(rig, 0), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(lookup(&node[i]), 0);
	assert_int_equal(lookup(NULL), -ENFILE);
}

static void test_open(void **state)
{
	uint64_t node = 0, fh[4], extra;

	(void)state;
	begin(&(struct guest_limits){ .open = 3 });
	assert_int_equal(lookup(&node), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(open_node(node, &fh[i]), 0);
	assert_int_equal(open_node(node, &extra), -ENFILE);
	/* What was never opened does not make room. */
	assert_int_equal(release_node(node, 7), -EBADF);
	assert_int_equal(open_node(node, &extra), -ENFILE);
	assert_int_equal(release_node(node, fh[1]), 0);
	assert_int_equal(release_node(node, fh[1]), -EBADF);
	assert_int_equal(open_node(node, &fh[1]), 0);
	assert_int_equal(open_node(node, &extra), -ENFILE);
	/* A handle whose closing failed is closed. */
	keeper.release_result = -EIO;
	assert_int_equal(release_node(node, fh[0]), -EIO);
	keeper.release_result = 0;
	/* An open that failed has taken nothing. */
	for (int i = 0; i < 5; i++)
		assert_int_equal(open_node((node & ~MOUNT_NODE_MASK) | 99, &extra), -EACCES);
	assert_int_equal(open_node(node, &fh[0]), 0);
	assert_int_equal(open_node(node, &extra), -ENFILE);
	/* Owners of locks count as well. */
	assert_int_equal(release_node(node, fh[0]), 0);
	assert_int_equal(keeper.host->claim(keeper.session, GRAFT_CLAIM_OPEN), 0);
	assert_int_equal(keeper.host->claim(keeper.session, GRAFT_CLAIM_OPEN), -ENFILE);
	assert_int_equal(open_node(node, &extra), -ENFILE);
	keeper.host->unclaim(keeper.session, GRAFT_CLAIM_OPEN, 1);
	assert_int_equal(open_node(node, &fh[0]), 0);
	assert_int_equal(keeper.host->claim(keeper.session, 99), -EINVAL);
	memset(keeper.open, 0, sizeof(keeper.open));
	assert_int_equal(rig_init(rig, 0), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(open_node(node, &fh[i]), 0);
}

/* The root's directory has handles of the router's, which are taken back when the mount may not open. */
static void test_open_root(void **state)
{
	const struct fuse_open_in in = { 0 };
	uint64_t fh[2];

	(void)state;
	begin(&(struct guest_limits){ .open = 2 });
	for (int i = 0; i < 2; i++) {
		assert_int_equal(rig_call(rig, q, FUSE_OPENDIR, 1, &in, sizeof(in), NULL, 0), 0);
		memcpy(&fh[i], rig_data(q), sizeof(fh[i]));
	}
	for (int i = 0; i < 100; i++)
		assert_int_equal(rig_call(rig, q, FUSE_OPENDIR, 1, &in, sizeof(in), NULL, 0), -ENFILE);
	const struct fuse_release_in out = { .fh = fh[0] };
	assert_int_equal(rig_call(rig, q, FUSE_RELEASEDIR, 1, &out, sizeof(out), NULL, 0), 0);
	assert_int_equal(rig_call(rig, q, FUSE_RELEASEDIR, 1, &out, sizeof(out), NULL, 0), -EBADF);
	assert_int_equal(rig_call(rig, q, FUSE_OPENDIR, 1, &in, sizeof(in), NULL, 0), 0);
	assert_int_equal(rig_call(rig, q, FUSE_OPENDIR, 1, &in, sizeof(in), NULL, 0), -ENFILE);
}

static void fill_big(struct rig_request *to)
{
	static const char value[BIG];
	static char tail[2 + BIG] = "x";
	const struct fuse_setxattr_in in = { .size = sizeof(value) };

	rig_fill(rig, to, FUSE_SETXATTR, 1, &in, FUSE_COMPAT_SETXATTR_IN_SIZE, tail, sizeof(tail), 64);
}

static void test_memory(void **state)
{
	struct rig_request *big[3];

	(void)state;
	begin(&(struct guest_limits){ .memory = 2 * (BIG + 1000) });
	for (int i = 0; i < 3; i++) {
		big[i] = rig_request_new();
		fill_big(big[i]);
		/* The third does not go to the backend at all. */
		bool later = rig_serve(rig, big[i]);
		if (later != (i < 2))
			fail_msg("request %d: %d", i, later ? 1 : rig_error(big[i]));
	}
	assert_int_equal(rig_error(big[2]), -ENOMEM);
	assert_int_equal(keeper.nwaiting, 2);
	/* A plugin's own memory counts too; a request that needs none goes on. */
	const struct fuse_getattr_in in = { 0 };
	assert_int_equal(rig_call(rig, q, FUSE_GETATTR, 1, &in, sizeof(in), NULL, 0), -ENOMEM);
	assert_int_equal(lookup(NULL), 0);
	keeper.host->complete(keeper.waiting[0], 0);
	rig_wait(big[0]);
	assert_int_equal(rig_error(big[0]), 0);
	assert_true(rig_serve(rig, big[2]));
	for (int i = 1; i < 3; i++) {
		keeper.host->complete(keeper.waiting[i], 0);
		rig_wait(big[i == 1 ? 1 : 2]);
	}
	assert_int_equal(rig->conn->memory.held, 0);
	for (int i = 0; i < 3; i++)
		rig_request_free(big[i]);
}

/* The other client of the server does not notice. */
static void test_another(void **state)
{
	uint64_t node = 0, fh;

	(void)state;
	begin(&(struct guest_limits){ .nodes = 1, .open = 1 });
	assert_int_equal(lookup(&node), 0);
	assert_int_equal(lookup(NULL), -ENFILE);
	assert_int_equal(open_node(node, &fh), 0);
	assert_int_equal(open_node(node, &fh), -ENFILE);
	struct rig *first = rig;
	rig = rig_connect(first, GRAFT_VHOST_USER);
	assert_int_equal(rig_init(rig, 0), 0);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(lookup(&node), 0);
		assert_int_equal(open_node(node, &fh), 0);
	}
	rig_free(rig);
	rig = first;
}

static void test_quota(void **state)
{
	struct quota none = { 0 }, some = { .max = 10 };

	(void)state;
	assert_true(quota_take(&none, UINT64_MAX) && quota_take(&none, UINT64_MAX));
	assert_int_equal(none.held, 0);
	assert_false(quota_full(&none));
	assert_false(quota_take(&some, 11));
	assert_false(quota_take(&some, UINT64_MAX));
	assert_true(quota_take(&some, 9));
	assert_false(quota_full(&some));
	assert_false(quota_take(&some, 2));
	assert_true(quota_take(&some, 1));
	assert_true(quota_full(&some));
	assert_false(quota_take(&some, 1));
	assert_false(quota_take(&some, UINT64_MAX - 5));
	quota_give(&some, 10);
	assert_int_equal(some.held, 0);
	quota_give(&some, 10);
	assert_int_equal(some.held, 0);
	assert_true(quota_tell(&some));
	assert_false(quota_tell(&some));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quota),
		cmocka_unit_test_teardown(test_nodes, tear_down),
		cmocka_unit_test_teardown(test_open, tear_down),
		cmocka_unit_test_teardown(test_open_root, tear_down),
		cmocka_unit_test_teardown(test_memory, tear_down),
		cmocka_unit_test_teardown(test_another, tear_down),
	};

	return cmocka_run_group_tests_name("server/guest-limits", tests, NULL, NULL);
}
