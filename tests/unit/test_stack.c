/* SPDX-License-Identifier: Apache-2.0 */
/* The way through a stack: order, ASYNC at every place, absent operations, entries, a layer's own requests. */
#include "server_layers.h"
#include "server_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define NODE (1ull << 48 | 2) /* of the first mount */

static struct rig *rig;
static struct rig_request *q;

static int set_up(void **state)
{
	(void)state;
	layers_reset();
	q = rig_request_new();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	rig_request_free(q);
	rig_free(rig);
	for (int i = 0; i < LAYERS; i++)
		assert_int_equal(layers[i].sessions, 0);
	return 0;
}

/* Layers a, b, c over the backend, once the tables are as the test wants them. */
static void start(void)
{
	static const struct rig_mount mount = { "web", "/", { &plugin_a, &plugin_b, &plugin_c, &plugin_backend } };

	rig = rig_new(&mount, 1);
	assert_int_equal(rig_init(rig, 0), 0);
}

static int unlink_x(void)
{
	layers_clear_trace();
	return rig_call(rig, q, FUSE_UNLINK, NODE, NULL, 0, "x", 2);
}

static void test_order(void **state)
{
	(void)state;
	c_ops[FUSE_UNLINK] = NULL;
	start();
	layers[0].add = -1;
	layers[1].add = -10;
	assert_int_equal(unlink_x(), 0);
	assert_string_equal(layers_trace(), ">a >b >z <b <a");
	layers[BACKEND].result = -1;
	assert_int_equal(unlink_x(), -12);
	assert_string_equal(layers_trace(), ">a >b >z <b <a");
	layers[1].down = MODE_NO_NEXT;
	layers[1].result = -5;
	assert_int_equal(unlink_x(), -6);
	assert_string_equal(layers_trace(), ">a >b <a");
}

/* Every mode at every place, down and up, gives the same order and result. */
static void test_async_everywhere(void **state)
{
	static const enum layer_mode down[] = { MODE_PLAIN, MODE_DEFER };
	static const enum layer_mode back[] = { MODE_PLAIN, MODE_DEFER, MODE_THREAD };
	static const enum layer_mode end[] = { MODE_PLAIN, MODE_DEFER, MODE_THREAD, MODE_INSIDE };

	(void)state;
	start();
	layers[0].add = -1;
	layers[1].add = -10;
	layers[2].add = -100;
	for (uint32_t i = 0; i < 2 * 2 * 3 * 3 * 4; i++) {
		layers[0].down = down[i % 2];
		layers[1].down = down[i / 2 % 2];
		layers[1].up = back[i / 4 % 3];
		layers[0].up = back[i / 12 % 3];
		layers[BACKEND].down = end[i / 36 % 4];
		layers[BACKEND].result = -1;
		assert_int_equal(unlink_x(), -112);
		assert_string_equal(layers_trace(), ">a >b >c >z <c <b <a");
		assert_int_equal(q->completions, q->pinned ? 1 : 0);
	}
}

/* Each layer in turn ends the request, at once or later; the others see what it gave, and may make something else of it. */
static void test_errors_everywhere(void **state)
{
	static const char *const traces[] = { ">a <a", ">a >b <b <a", ">a >b >c <c <b <a" };
	static const enum layer_mode modes[] = { MODE_PLAIN, MODE_DEFER, MODE_THREAD };

	(void)state;
	start();
	for (uint32_t i = 0; i < 2 * 3 * 3; i++) {
		layers_clear_trace();
		layers[0].add = -1;
		layers[1].add = -10;
		for (uint32_t k = 0; k < 3; k++) {
			layers[k].down = MODE_PLAIN;
			layers[k].up = modes[i / 2 % 3];
		}
		/* The one above the end asks on a worker; the end refuses. */
		uint32_t end = 1 + i / 6 % 2;
		layers[end - 1].down = i % 2 ? MODE_DEFER : MODE_PLAIN;
		layers[end].down = MODE_NO_NEXT;
		layers[end].result = -5;
		assert_int_equal(unlink_x(), end == 1 ? -6 : -16);
		char want[32];
		snprintf(want, sizeof(want), "%.*s%s", (int)strcspn(traces[end], "<"), traces[end],
			 strstr(traces[end], "<") + 3);
		assert_string_equal(layers_trace(), want);
		layers[0].add = 6;
		layers[1].add = 10;
		layers[end].result = end == 1 ? -6 : -16;
		assert_int_equal(unlink_x(), 0);
	}
}

static void test_io(void **state)
{
	struct fuse_read_in in = { .size = 6 };
	char path[] = "/tmp/graft-test-XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(pwrite(fd, "abcdefghij", 10, 0), 10);
	start();
	layers[BACKEND].down = MODE_IO;
	layers[BACKEND].io_fd = fd;
	assert_int_equal(rig_call(rig, q, FUSE_READ, NODE, &in, sizeof(in), NULL, 0), 0);
	assert_memory_equal(rig_data(q), "abcdef\xaa", 7);
	layers[BACKEND].io_fd = -1;
	assert_int_equal(rig_call(rig, q, FUSE_READ, NODE, &in, sizeof(in), NULL, 0), -EBADF);
	close(fd);
}

/* A plugin that waits without saying so cannot be completed: the client gets an error, not silence. */
static void test_unpinned(void **state)
{
	(void)state;
	start();
	layers[BACKEND].down = MODE_UNPINNED;
	assert_int_equal(unlink_x(), -EIO);
}

struct absent_row {
	uint32_t opcode, in_len;
	const char *tail;
	uint32_t tail_len;
	int result;
};

static void test_absent(void **state)
{
	static const struct absent_row rows[] = {
		{ FUSE_LOOKUP, 0, "x", 2, -ENOENT },
		{ FUSE_GETATTR, 16, NULL, 0, -EOPNOTSUPP },
		{ FUSE_SETATTR, 88, NULL, 0, -EROFS },
		{ FUSE_OPEN, 8, NULL, 0, 0 },
		{ FUSE_OPENDIR, 8, NULL, 0, 0 },
		{ FUSE_RELEASE, 24, NULL, 0, 0 },
		{ FUSE_RELEASEDIR, 24, NULL, 0, 0 },
		{ FUSE_FLUSH, 24, NULL, 0, 0 },
		{ FUSE_FSYNC, 16, NULL, 0, 0 },
		{ FUSE_FSYNCDIR, 16, NULL, 0, 0 },
		{ FUSE_SYNCFS, 8, NULL, 0, 0 },
		{ FUSE_ACCESS, 8, NULL, 0, 0 },
		{ FUSE_STATFS, 0, NULL, 0, 0 },
		{ FUSE_GETXATTR, 8, "user.x", 7, -EOPNOTSUPP },
		{ FUSE_LISTXATTR, 8, NULL, 0, -EOPNOTSUPP },
		{ FUSE_REMOVEXATTR, 0, "user.x", 7, -EOPNOTSUPP },
		{ FUSE_SETXATTR, 8, "user.x", 7, -EOPNOTSUPP },
		{ FUSE_FALLOCATE, 32, NULL, 0, -EOPNOTSUPP },
		{ FUSE_WRITE, 40, NULL, 0, -EROFS },
		{ FUSE_TMPFILE, 16, "/", 2, -EOPNOTSUPP },
		{ FUSE_IOCTL, 32, NULL, 0, -ENOTTY },
		{ FUSE_LSEEK, 24, NULL, 0, -EINVAL },
		{ GRAFT_OP_STATX, 24, NULL, 0, -EOPNOTSUPP },
		{ FUSE_CREATE, 16, "x", 2, -EROFS },
		{ FUSE_MKDIR, 8, "x", 2, -EROFS },
		{ FUSE_READLINK, 0, NULL, 0, -EINVAL },
	};
	uint64_t in[16] = { 0 };

	(void)state;
	memset(backend_ops, 0, sizeof(backend_ops));
	start();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct absent_row *r = &rows[i];
		int res = rig_call(rig, q, r->opcode, NODE, in, r->in_len, r->tail, r->tail_len);

		if (res != r->result)
			fail_msg("%s: %d", op_name(r->opcode), res);
		if (r->opcode == FUSE_OPEN)
			assert_int_equal(*(const uint64_t *)rig_data(q), 0);
		if (r->opcode == FUSE_STATFS)
			assert_int_equal(((const struct fuse_statfs_out *)rig_data(q))->st.namelen, 255);
	}
}

static void test_lseek_computed(void **state)
{
	static const struct {
		uint64_t offset;
		uint32_t whence;
		int res;
		uint64_t at;
	} rows[] = {
		{ 0, SEEK_DATA, 0, 0 },
		{ 99, SEEK_DATA, 0, 99 },
		{ 100, SEEK_DATA, -ENXIO, 0 },
		{ 0, SEEK_HOLE, 0, 100 },
		{ 100, SEEK_HOLE, -ENXIO, 0 },
		{ 7, SEEK_SET, 0, 7 },
		{ -1ull, SEEK_END, 0, 99 },
		{ -101ull, SEEK_END, -EINVAL, 0 },
		{ 0, SEEK_CUR, -EINVAL, 0 },
		{ 0, 77, -EINVAL, 0 },
		{ 1ull << 63, SEEK_SET, -EINVAL, 0 },
	};

	(void)state;
	backend_ops[FUSE_LSEEK] = NULL;
	start();
	layers[BACKEND].size = 100;
	for (uint32_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t k = i / 2;
		struct fuse_lseek_in in = { .offset = rows[k].offset, .whence = rows[k].whence };

		layers[BACKEND].down = i % 2 ? MODE_THREAD : MODE_PLAIN;
		assert_int_equal(rig_call(rig, q, FUSE_LSEEK, NODE, &in, sizeof(in), NULL, 0), rows[k].res);
		if (!rows[k].res)
			assert_int_equal(*(const uint64_t *)rig_data(q), rows[k].at);
	}
}

static void test_statx_computed(void **state)
{
	struct fuse_statx_in in = { .sx_mask = STATX_BASIC_STATS };

	(void)state;
	backend_ops[GRAFT_OP_STATX] = NULL;
	start();
	layers[BACKEND].size = 4711;
	for (int i = 0; i < 2; i++) {
		layers[BACKEND].down = i ? MODE_THREAD : MODE_PLAIN;
		assert_int_equal(rig_call(rig, q, GRAFT_OP_STATX, NODE, &in, sizeof(in), NULL, 0), 0);
		const struct fuse_statx_out *out = rig_data(q);
		assert_int_equal(out->stat.mask, STATX_BASIC_STATS);
		assert_int_equal(out->stat.size, 4711);
		assert_int_equal(out->stat.uid, 77);
		assert_int_equal(out->stat.mtime.tv_sec, 5);
		assert_int_equal(out->stat.rdev_major, 0x456);
		assert_int_equal(out->stat.rdev_minor, 0x12378);
	}
	layers[BACKEND].result = -5;
	assert_int_equal(rig_call(rig, q, GRAFT_OP_STATX, NODE, &in, sizeof(in), NULL, 0), -5);
}

/* A layer that knows RENAME alone is not gone around by RENAME2. */
static void test_overtaking(void **state)
{
	struct fuse_rename2_in in = { .newdir = 1 };

	(void)state;
	c_ops[FUSE_RENAME2] = NULL;
	start();
	layers_clear_trace();
	assert_int_equal(rig_call(rig, q, FUSE_RENAME2, NODE, &in, sizeof(in), "a\0b", 4), 0);
	assert_string_equal(layers_trace(), ">a >b >c >z <c <b <a");
	layers_clear_trace();
	in.flags = 1;
	assert_int_equal(rig_call(rig, q, FUSE_RENAME2, NODE, &in, sizeof(in), "a\0b", 4), -EINVAL);
	assert_string_equal(layers_trace(), ">a >b <b <a");
	/* LSEEK does not: GETATTR says less than the backend's own LSEEK. */
	c_ops[FUSE_LSEEK] = NULL;
	assert_int_equal(rig->server->mounts.first->routes[2][FUSE_LSEEK].opcode, FUSE_LSEEK);
}

static void test_copy_64(void **state)
{
	struct fuse_copy_file_range_in in = { .nodeid_out = 1, .len = UINT64_MAX };

	(void)state;
	backend_ops[GRAFT_OP_COPY_FILE_RANGE_64] = NULL;
	start();
	for (int i = 0; i < 2; i++) {
		layers[BACKEND].down = i ? MODE_DEFER : MODE_PLAIN;
		assert_int_equal(rig_call(rig, q, GRAFT_OP_COPY_FILE_RANGE_64, NODE, &in, sizeof(in), NULL, 0), 0);
		assert_int_equal(rig_data_len(q), 8);
		assert_int_equal(*(const uint64_t *)rig_data(q), 4096);
	}
}

/* BATCH_FORGET by FORGET, one after the other, also when each goes ASYNC. */
static void test_batch_forget(void **state)
{
	static const enum layer_mode modes[] = { MODE_PLAIN, MODE_DEFER, MODE_THREAD, MODE_INSIDE };
	struct {
		struct fuse_batch_forget_in head;
		struct fuse_forget_one one[3];
	} in = { { 3, 0 }, { { NODE, 1 }, { NODE + 1, 1 }, { NODE + 2, 9 } } };

	(void)state;
	backend_ops[FUSE_BATCH_FORGET] = NULL;
	c_ops[FUSE_BATCH_FORGET] = NULL;
	start();
	for (uint32_t i = 0; i < 4; i++) {
		layers[BACKEND].down = modes[i];
		layers_clear_trace();
		rig_fill(rig, q, FUSE_BATCH_FORGET, 0, &in, sizeof(in), NULL, 0, 0);
		rig_serve(rig, q);
		rig_wait(q);
		assert_int_equal(q->t.used, 0);
		assert_string_equal(layers_trace(), ">a >b >c >z <c >c >z <c >c >z <c <b <a");
	}
}

/* An older layer ends what it does not know, unless it says that may pass. */
static void test_older_layer(void **state)
{
	(void)state;
	plugin_c.nops = FUSE_FALLOCATE;
	start();
	struct mount *m = rig->server->mounts.first;
	assert_int_equal(m->routes[2][FUSE_FALLOCATE].member, MOUNT_ABSENT);
	assert_int_equal(m->routes[2][FUSE_UNLINK].member, 2);
	assert_int_equal(m->routes[2][FUSE_RENAME2].opcode, FUSE_RENAME);
	struct fuse_fallocate_in in = { 0 };
	assert_int_equal(rig_call(rig, q, FUSE_FALLOCATE, NODE, &in, sizeof(in), NULL, 0), -EOPNOTSUPP);
	rig_free(rig);
	plugin_c.flags = GRAFT_PASS_UNKNOWN;
	start();
	layers_clear_trace();
	assert_int_equal(rig_call(rig, q, FUSE_FALLOCATE, NODE, &in, sizeof(in), NULL, 0), 0);
	assert_string_equal(layers_trace(), ">a >b >z <b <a");
}

static void leave_unlink(struct graft_inst *inst, struct graft_features *f)
{
	(void)inst;
	f->can = UINT64_MAX;
	f->leaves[FUSE_UNLINK / 64] |= UINT64_C(1) << FUSE_UNLINK % 64;
	f->leaves[FUSE_RENAME2 / 64] |= UINT64_C(1) << FUSE_RENAME2 % 64;
}

/* What an instance leaves alone goes past it; a backend cannot leave anything. */
static void test_leaves(void **state)
{
	(void)state;
	plugin_b.features = plugin_backend.features = leave_unlink;
	start();
	assert_int_equal(unlink_x(), 0);
	assert_string_equal(layers_trace(), ">a >c >z <c <a");
	assert_int_equal(rig->server->mounts.first->routes[1][FUSE_RENAME2].opcode, FUSE_RENAME);
	layers_clear_trace();
	assert_int_equal(rig_call(rig, q, FUSE_RMDIR, NODE, NULL, 0, "x", 2), 0);
	assert_string_equal(layers_trace(), ">a >b >c >z <c <b <a");
}

static const char *const entries[] = { ".", "..", "hidden", "a", "four", "eight888" };
static int results[6];
static uint32_t listed;

static int list(struct graft_inst *inst, struct graft_req *req)
{
	(void)inst;
	for (listed = 0; listed < 6; listed++) {
		struct fuse_direntplus e = { .entry_out = { .nodeid = 40 + listed, .attr = { .ino = 1 } },
					     .dirent = { .ino = listed,
							 .off = listed + 1,
							 .type = 4,
							 .namelen = (uint32_t)strlen(entries[listed]) } };

		results[listed] = layers[BACKEND].host->dirent(req, &e, entries[listed]);
		if (results[listed] == GRAFT_DIRENT_FULL)
			return 0;
	}
	return 0;
}

static void check_record(const unsigned char **at, bool plus, uint32_t i, uint64_t node)
{
	struct fuse_direntplus e;

	if (plus) {
		memcpy(&e, *at, sizeof(e));
		assert_true(e.entry_out.nodeid == (node ? 1ull << 48 | node : 0));
		*at += sizeof(struct fuse_entry_out);
	}
	memcpy(&e.dirent, *at, FUSE_NAME_OFFSET);
	assert_int_equal(e.dirent.ino, i + 200);
	assert_int_equal(e.dirent.off, i + 1);
	assert_int_equal(e.dirent.namelen, strlen(entries[i]));
	assert_memory_equal(*at + FUSE_NAME_OFFSET, entries[i], e.dirent.namelen);
	for (uint32_t k = FUSE_NAME_OFFSET + e.dirent.namelen; k % 8; k++)
		assert_int_equal((*at)[k], 0);
	*at += FUSE_DIRENT_SIZE(&e.dirent);
}

static int readdir(uint32_t opcode, uint32_t size)
{
	struct fuse_read_in in = { .size = size };

	layers_clear_trace();
	return rig_call(rig, q, opcode, NODE, &in, sizeof(in), NULL, 0);
}

static void test_dirents(void **state)
{
	(void)state;
	backend_ops[FUSE_READDIR] = backend_ops[FUSE_READDIRPLUS] = list;
	start();
	for (int plus = 0; plus < 2; plus++) {
		uint32_t opcode = plus ? FUSE_READDIRPLUS : FUSE_READDIR;
		uint64_t all = 0;

		layers[2].hook_result = GRAFT_DIRENT_HIDE;
		assert_int_equal(readdir(opcode, 4096), 0);
		assert_int_equal(listed, 6);
		assert_int_equal(results[2], GRAFT_DIRENT_HIDE);
		const unsigned char *at = rig_data(q), *begin = at;
		for (uint32_t i = 0; i < 6; i++) {
			if (i != 2)
				check_record(&at, plus, i, 40 + i);
			all += i == 2 ? 0 : graft_dirent_size(opcode, (uint32_t)strlen(entries[i]));
		}
		assert_int_equal(at - begin, rig_data_len(q));
		assert_int_equal(all, rig_data_len(q));
		/* c's hook before a's; a never sees what c hides. */
		assert_string_equal(layers_trace(), ">a >b >c =c =a =c =a =c =c =a =c =a =c =a <c <b <a");
		/* Any room: whole records, and FULL for the first that does not fit. */
		for (uint32_t size = 0; size <= all; size++) {
			assert_int_equal(readdir(opcode, size), 0);
			assert_true(rig_data_len(q) <= size);
			assert_int_equal(q->out_bytes[16 + rig_data_len(q)], 0xaa);
			assert_true(size == all || listed == 6 || results[listed] == GRAFT_DIRENT_FULL);
		}
		layers[2].hook_result = GRAFT_DIRENT_FULL;
		assert_int_equal(readdir(opcode, 4096), 0);
		assert_int_equal(listed, 2);
	}
}

/* READDIRPLUS of a backend that has only READDIR: long records that say nothing of the nodes. */
static void test_readdirplus_absent(void **state)
{
	(void)state;
	backend_ops[FUSE_READDIR] = list;
	backend_ops[FUSE_READDIRPLUS] = NULL;
	start();
	assert_int_equal(readdir(FUSE_READDIRPLUS, 4096), 0);
	const unsigned char *at = rig_data(q);
	check_record(&at, true, 0, 0);
	check_record(&at, true, 1, 0);
}

/* A request of the backend's: GETATTR below nothing, or through the whole stack of a mount. */
static int sub_depth, sub_result, sub_ups;
static bool sub_whole;

static int sub_up(struct graft_inst *inst, struct graft_req *req, int res, void *cookie)
{
	(void)inst;
	assert_ptr_equal(cookie, &sub_depth);
	assert_int_equal(req->opcode, FUSE_ACCESS);
	sub_ups++;
	sub_result = res;
	return res;
}

/* ACCESS of the backend makes an ACCESS of the whole stack, and so on: that must end. */
static int endless(struct graft_inst *inst, struct graft_req *req)
{
	const struct graft_host *host = layers[BACKEND].host;
	struct graft_req *child = host->alloc(req, sizeof(*child));

	(void)inst;
	assert_non_null(child);
	sub_depth++;
	child->opcode = FUSE_ACCESS;
	child->node = req->node;
	child->in = req->in;
	return host->sub(req, child, sub_whole ? layers[BACKEND].slot : NULL, sub_up, &sub_depth);
}

static void test_sub_depth(void **state)
{
	struct fuse_access_in in = { 0 };

	(void)state;
	backend_ops[FUSE_ACCESS] = endless;
	start();
	for (int i = 0; i < 2; i++) {
		sub_depth = sub_ups = 0;
		sub_whole = true;
		layers[1].down = i ? MODE_DEFER : MODE_PLAIN;
		assert_int_equal(rig_call(rig, q, FUSE_ACCESS, NODE, &in, sizeof(in), NULL, 0), -ELOOP);
		assert_int_equal(sub_depth, 5);
		assert_int_equal(sub_ups, 5);
	}
	/* Below a backend nothing is left: the table's result for what is absent. */
	sub_whole = false;
	assert_int_equal(rig_call(rig, q, FUSE_ACCESS, NODE, &in, sizeof(in), NULL, 0), 0);
}

/* A layer that asks for the attributes before it lets an UNLINK pass. */
static struct graft_req *child;
static struct fuse_getattr_in child_in;
static struct fuse_attr_out child_out;
static uint32_t child_uid;

static int after_unlink(struct graft_inst *inst, struct graft_req *req, int res, void *cookie)
{
	(void)inst;
	(void)cookie;
	assert_ptr_equal(req->state, &layers[2]);
	return res;
}

static int after_getattr(struct graft_inst *inst, struct graft_req *req, int res, void *cookie)
{
	(void)inst;
	(void)cookie;
	assert_int_equal(req->opcode, FUSE_UNLINK);
	assert_ptr_equal(req->state, &layers[2]);
	if (res || child_out.attr.size != 123)
		return -EPERM;
	child_uid = child->uid;
	return layers[2].host->next(req, after_unlink, NULL);
}

static int ask_first(struct graft_inst *inst, struct graft_req *req)
{
	(void)inst;
	child = layers[2].host->alloc(req, sizeof(*child));
	child_out = (struct fuse_attr_out){ 0 };
	child->opcode = FUSE_GETATTR;
	child->node = req->node;
	child->in = &child_in;
	child->out = &child_out;
	return layers[2].host->sub(req, child, NULL, after_getattr, NULL);
}

static void test_sub_then_next(void **state)
{
	static const enum layer_mode modes[] = { MODE_PLAIN, MODE_DEFER, MODE_THREAD, MODE_INSIDE };

	(void)state;
	c_ops[FUSE_UNLINK] = ask_first;
	start();
	layers[BACKEND].size = 123;
	for (int i = 0; i < 4; i++) {
		layers[BACKEND].down = modes[i];
		assert_int_equal(unlink_x(), 0);
		assert_string_equal(layers_trace(), ">a >b >z >z <b <a");
		assert_int_equal(child_uid, 1000);
	}
	layers[BACKEND].size = 124;
	assert_int_equal(unlink_x(), -EPERM);
	assert_string_equal(layers_trace(), ">a >b >z <b <a");
}

/* What sub refuses, up hears. */
static int bad_child(struct graft_inst *inst, struct graft_req *req)
{
	const struct graft_host *host = layers[2].host;
	struct graft_req *small = host->alloc(req, 16), *strange = host->alloc(req, sizeof(*strange));

	(void)inst;
	sub_ups = 0;
	assert_int_equal(host->sub(req, small, NULL, sub_up, &sub_depth), -EINVAL);
	strange->opcode = FUSE_INIT;
	assert_int_equal(host->sub(req, strange, NULL, sub_up, &sub_depth), -EINVAL);
	strange->opcode = 9999;
	assert_int_equal(host->sub(req, strange, NULL, sub_up, &sub_depth), -EINVAL);
	assert_int_equal(sub_ups, 3);
	/* The same struct may be used again once its request is over. */
	strange->opcode = FUSE_SYNCFS;
	assert_int_equal(host->sub(req, strange, NULL, NULL, NULL), 0);
	assert_int_equal(host->sub(req, strange, NULL, NULL, NULL), 0);
	return 0;
}

static void test_bad_sub(void **state)
{
	struct fuse_access_in in = { 0 };

	(void)state;
	c_ops[FUSE_ACCESS] = bad_child;
	start();
	assert_int_equal(rig_call(rig, q, FUSE_ACCESS, NODE, &in, sizeof(in), NULL, 0), 0);
}

static int take_half(struct graft_inst *inst, struct graft_req *req)
{
	(void)inst;
	return layers[BACKEND].host->alloc(req, 1 << 19) ? 0 : -ENOMEM;
}

/* What each of them took is the next one's. */
static int ask_often(struct graft_inst *inst, struct graft_req *req)
{
	const struct graft_host *host = layers[2].host;
	struct graft_req *mine = host->alloc(req, sizeof(*mine));
	uint32_t *kept = host->alloc(req, 100000);

	(void)inst;
	*kept = 77;
	mine->opcode = FUSE_SYNCFS;
	for (int i = 0; i < 10000; i++)
		assert_int_equal(host->sub(req, mine, NULL, NULL, NULL), 0);
	assert_int_equal(*kept, 77);
	return 0;
}

static void test_many_subs(void **state)
{
	struct fuse_access_in in = { 0 };

	(void)state;
	c_ops[FUSE_ACCESS] = ask_often;
	backend_ops[FUSE_SYNCFS] = take_half;
	start();
	assert_int_equal(rig_call(rig, q, FUSE_ACCESS, NODE, &in, sizeof(in), NULL, 0), 0);
}

static int take_memory(struct graft_inst *inst, struct graft_req *req)
{
	const struct graft_host *host = layers[BACKEND].host;
	size_t total = 0;
	unsigned char *p;

	(void)inst;
	assert_null(host->alloc(req, (1 << 20) + 1));
	while ((p = host->alloc(req, 10000))) {
		assert_int_equal((uintptr_t)p % 16, 0);
		for (size_t i = 0; i < 10000; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xff, 10000);
		total += 10000;
	}
	assert_int_equal(total, 1040000);
	return 0;
}

static void test_alloc(void **state)
{
	struct fuse_access_in in = { 0 };

	(void)state;
	backend_ops[FUSE_ACCESS] = take_memory;
	start();
	for (int i = 0; i < 3; i++)
		assert_int_equal(rig_call(rig, q, FUSE_ACCESS, NODE, &in, sizeof(in), NULL, 0), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_async_everywhere, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_errors_everywhere, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_io, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_unpinned, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_absent, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_lseek_computed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_statx_computed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_overtaking, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_copy_64, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_batch_forget, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_older_layer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_leaves, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_dirents, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_readdirplus_absent, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_sub_depth, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_sub_then_next, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bad_sub, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_many_subs, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_alloc, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
